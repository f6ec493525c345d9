use std::time::{Duration, Instant};

use bytes::Bytes;
use cutwater::gateway::Limits;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::stage::{DEADLINE, Stage, backend, route};
use crate::support::wait::wait_for;

const SOCKET: &[u8] =
    b"GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
/// Long enough for a machine that does much else, and well below what the other side is waited for.
const TIME: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        take_time: TIME,
        upgrade_time: TIME,
        ..Limits::default()
    }
}

/// How often the gateway looks whether a connection is in use, where a test waits for that.
const LOOK: Duration = Duration::from_millis(200);

fn looking_often() -> Limits {
    Limits {
        head_time: LOOK,
        ..Limits::default()
    }
}

/// A connection of a client whose kernel takes little for it.
async fn narrow(stage: &Stage) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap();
    socket.connect(stage.address).await.unwrap()
}

/// A connection of a client that takes this much of a stream before somebody reads it.
async fn http2(stage: &Stage, window: u32) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_connection_window_size(1 << 24)
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://shop.test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_and_one_that_is_slow_is_not() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let request = b"GET /big HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    let mut none = TcpStream::connect(stage.address).await.unwrap();
    none.write_all(request).await.unwrap();
    let mut slow = TcpStream::connect(stage.address).await.unwrap();
    slow.write_all(request).await.unwrap();
    wait_for("both to be open", DEADLINE, async || {
        (v7.open_requests() == 2).then_some(())
    })
    .await;
    // More than three times the limit, and never quiet for as long as that.
    let begin = Instant::now();
    let mut buffer = vec![0; 4 << 20];
    while begin.elapsed() < TIME * 3 || v7.open_requests() == 2 {
        assert!(begin.elapsed() < DEADLINE, "the other one is not cut off");
        let read = slow.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "whoever is slow is served");
        tokio::time::sleep(TIME / 20).await;
    }
    assert_eq!(v7.open_requests(), 1);
    // What was on the way is still there, and then nothing.
    let end = tokio::time::timeout(DEADLINE, async {
        while !matches!(none.read(&mut buffer).await, Ok(0) | Err(_)) {}
    });
    end.await.expect("the connection is closed");
}

#[tokio::test]
async fn a_stream_that_is_not_taken_is_reset_and_its_connection_goes_on() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let mut sender = http2(&stage, 1 << 16).await;
    let big = sender.send_request(get("/big")).await.unwrap();
    assert_eq!(big.status(), 200);
    // One that the process is slow with waits for nobody, and is no client's fault.
    let slow_process = tokio::spawn(sender.send_request(get("/slow")));
    wait_for("the stream to be given up", DEADLINE, async || {
        (v7.open_requests() == 1).then_some(())
    })
    .await;
    let answer = slow_process.await.unwrap().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "first second");
    let taken = big.into_body().collect().await;
    assert!(taken.is_err(), "it was reset");
    let again = sender.send_request(get("/")).await.unwrap();
    assert_eq!(again.into_body().collect().await.unwrap().to_bytes(), "v7");
}

/// A kernel takes much for a client before it sends it: that it takes no more for a while says nothing of the client.
#[tokio::test]
async fn a_client_that_takes_little_at_a_time_is_not_cut_off() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let mut stream = narrow(&stage).await;
    (stream.write_all(b"GET /big HTTP/1.1\r\nHost: shop.test\r\n\r\n"))
        .await
        .unwrap();
    let mut buffer = vec![0; 16 << 10];
    let begin = Instant::now();
    while begin.elapsed() < TIME * 5 {
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(v7.open_requests(), 1, "after {:?}", begin.elapsed());
        tokio::time::sleep(TIME / 20).await;
    }
}

#[tokio::test]
async fn a_stream_that_takes_little_at_a_time_is_not_reset() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let mut sender = http2(&stage, 8 << 10).await;
    let mut big = sender.send_request(get("/big")).await.unwrap().into_body();
    let begin = Instant::now();
    while begin.elapsed() < TIME * 5 {
        let frame = big.frame().await.unwrap();
        assert!(frame.is_ok(), "after {:?}: {frame:?}", begin.elapsed());
        tokio::time::sleep(TIME / 20).await;
    }
}

/// A client that connected just before a stop has not sent its request yet.
#[tokio::test]
async fn who_was_accepted_before_a_stop_is_answered() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], Limits::default()).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    wait_for("it to be accepted", DEADLINE, async || {
        let printed = stage.printed_metrics();
        printed.contains("gateway_connections 1").then_some(())
    })
    .await;
    stage.shutdown.cancel();
    // It has heard of the stop: nobody else is accepted.
    wait_for("the stop to be heard of", DEADLINE, async || {
        TcpStream::connect(stage.address)
            .await
            .is_err()
            .then_some(())
    })
    .await;
    let request = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer));
    read.await.expect("the connection is closed").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(stage.served.await.unwrap(), 0, "none is cut");
}

/// What the process has sent is not yet what the client has.
#[tokio::test]
async fn a_client_that_pauses_gets_the_end_of_its_answer_also_at_a_stop() {
    const SIZE: usize = 8 << 20;
    for stops in [false, true] {
        let v7 = backend("v7").await;
        let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], looking_often()).await;
        let mut stream = narrow(&stage).await;
        let request = format!("GET /sized?{SIZE} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        while answer.is_empty() || v7.open_requests() == 1 {
            let read = stream.read(&mut buffer).await.unwrap();
            answer.extend_from_slice(&buffer[..read]);
        }
        assert!(answer.len() < SIZE, "something is still on the way");
        if stops {
            stage.shutdown.cancel();
        }
        tokio::time::sleep(LOOK * 6).await;
        // It is idle then, or the gateway stops, and is closed.
        let rest = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer));
        rest.await.expect("the connection is closed").unwrap();
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        assert_eq!(answer.len() - head.unwrap() - 4, SIZE, "stops: {stops}");
        if stops {
            assert_eq!(stage.served.await.unwrap(), 0, "none is cut");
        }
    }
}

#[tokio::test]
async fn a_stream_that_pauses_gets_the_end_of_its_answer_also_at_a_stop() {
    const WINDOW: u32 = 65_535;
    for stops in [false, true] {
        let v7 = backend("v7").await;
        let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], looking_often()).await;
        let mut sender = http2(&stage, WINDOW).await;
        // One byte more than the client has room for before it takes any.
        let asked = get(&format!("/sized?{}", WINDOW + 1));
        let answer = sender.send_request(asked).await.unwrap();
        wait_for("all to have come from the process", DEADLINE, async || {
            (v7.open_requests() == 0).then_some(())
        })
        .await;
        if stops {
            stage.shutdown.cancel();
        }
        tokio::time::sleep(LOOK * 6).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), WINDOW as usize + 1, "stops: {stops}");
        drop(sender);
        if stops {
            assert_eq!(stage.served.await.unwrap(), 0, "none is cut");
        }
    }
}

/// A stream whose client takes nothing of the end of its answer, which is all that is left of it.
#[tokio::test]
async fn an_end_that_is_not_taken_is_given_up() {
    let v7 = backend("v7").await;
    let limits = Limits {
        take_time: TIME,
        ..looking_often()
    };
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await;
    let mut sender = http2(&stage, 65_535).await;
    let answer = sender.send_request(get("/sized?65536")).await.unwrap();
    wait_for("the connection to be closed", DEADLINE, async || {
        let metrics = stage.printed_metrics();
        metrics.contains("gateway_connections 0").then_some(())
    })
    .await;
    let taken = answer.into_body().collect().await;
    assert!(taken.is_err(), "its end did not come");
}

#[tokio::test]
async fn an_http2_connection_without_a_request_is_closed() {
    let v7 = backend("v7").await;
    let limits = Limits {
        head_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await;
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    // A stream that is longer than the limit keeps it.
    let slow = sender.send_request(get("/slow")).await.unwrap();
    let body = slow.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "first second");
    let ended = tokio::time::timeout(DEADLINE, connection).await;
    ended.expect("it is closed").unwrap().unwrap();
}

#[tokio::test]
async fn an_upgrade_lives_as_long_as_bytes_come_from_either_side() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(SOCKET).await.unwrap();
    let mut buffer = [0; 1024];
    let begin = Instant::now();
    while begin.elapsed() < TIME * 3 {
        stream.write_all(b"ping").await.unwrap();
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        tokio::time::sleep(TIME / 20).await;
    }
    assert_eq!(v7.open_requests(), 1);
    // Silence ends it, on both sides.
    let end = tokio::time::timeout(DEADLINE, async {
        while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
    });
    end.await.expect("the connection is closed");
    wait_for("the process to be left alone", DEADLINE, async || {
        (v7.open_requests() == 0).then_some(())
    })
    .await;
}

/// A program that hangs until its clients give up would look idle.
#[tokio::test]
async fn who_leaves_before_the_answer_is_counted() {
    let v7 = backend("v7").await;
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits()).await;
    let of = |class: &str, count: u32| {
        format!(
            r#"gateway_requests_total{{app="checkout",version="7",function="web",class="{class}"}} {count}"#
        )
    };
    let prints = |line: &str| stage.printed_metrics().lines().any(|found| found == line);
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client
        .write_all(b"GET /never HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        .await
        .unwrap();
    let open = r#"gateway_in_flight{app="checkout",version="7",function="web"} 1"#;
    wait_for("it to be open", DEADLINE, async || {
        prints(open).then_some(())
    })
    .await;
    drop(client);
    let gone = of("gone", 1);
    wait_for("it to be counted", DEADLINE, async || {
        prints(&gone).then_some(())
    })
    .await;
    assert!(prints(&of("2xx", 0)), "it was never answered");
}
