use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cutwater::gateway::{Limits, Upstream};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::stage::{DEADLINE, Stage, backend, route};

/// Every swap takes the process of a version away, drains it and brings a new one, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_swaps_under_load_fail_no_request() {
    let mut processes = [backend("v7").await, backend("v8").await];
    let entries = |processes: &[Arc<Upstream>; 2], points| {
        vec![route(&[
            (7, 10_000 - points, Some(&processes[0])),
            (8, points, Some(&processes[1])),
        ])]
    };
    let stage = Stage::new(entries(&processes, 1_000)).await;
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut load = Vec::new();
    for _ in 0..8 {
        let mut client = stage.client().await;
        let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
        load.push(tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let (status, body) = client.get("/", &[]).await.expect("no connection is cut");
                assert_eq!(status, 200, "{body}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for swap in 0..400_u32 {
        let index = (swap % 2) as usize;
        if swap % 4 < 2 {
            let new = backend(["v7", "v8"][index]).await;
            let old = std::mem::replace(&mut processes[index], new);
            stage.swap(entries(&processes, 100 * (swap % 100)));
            tokio::time::timeout(DEADLINE, old.drain())
                .await
                .expect("it drains under load");
            assert_eq!(old.open_requests(), 0);
        } else {
            stage.swap(entries(&processes, 100 * (swap % 100)));
            // Some requests meet each table.
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 4
                && load.iter().all(|task| !task.is_finished())
            {
                tokio::task::yield_now().await;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no request failed");
    }
}

#[tokio::test]
async fn a_stream_outlives_its_route_and_is_counted_to_its_last_byte() {
    let (v7, v8) = (backend("v7").await, backend("v8").await);
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let mut client = stage.client().await;
    let streaming = client.open("/stream", &[]).await.unwrap();
    stage.swap(vec![route(&[(8, 10_000, Some(&v8))])]);
    assert_eq!(v7.open_requests(), 1);
    let (body, ()) = tokio::join!(streaming.into_body().collect(), v7.drain());
    let body = body.unwrap().to_bytes();
    let lines: Vec<&str> = std::str::from_utf8(&body).unwrap().lines().collect();
    assert_eq!((lines.len(), lines[29]), (30, "v7 29"));
    assert_eq!(v7.open_requests(), 0);
    assert_eq!(client.get("/", &[]).await.unwrap().1, "v8");
}

#[tokio::test]
async fn the_end_lets_requests_end_and_takes_no_new_ones() {
    let v7 = backend("v7").await;
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let (mut busy, idle) = (stage.client().await, stage.client().await);
    let streaming = busy.open("/stream", &[]).await.unwrap();
    stage.shutdown.cancel();
    let body = streaming.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"v7 29\n"));
    let cut = tokio::time::timeout(DEADLINE, stage.served)
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(cut, 0);
    assert!(TcpStream::connect(stage.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let v7 = backend("v7").await;
    let limits = Limits {
        drain_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await;
    let mut socket = TcpStream::connect(stage.address).await.unwrap();
    let handshake = b"GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    socket.write_all(handshake).await.unwrap();
    assert_ne!(socket.read(&mut [0; 1]).await.unwrap(), 0);
    let mut client = stage.client().await;
    let waiting = tokio::spawn(async move { client.get("/never", &[]).await.map(|_| ()) });
    crate::support::wait::wait_for("two open requests", DEADLINE, async || {
        (v7.open_requests() == 2).then_some(())
    })
    .await;
    stage.shutdown.cancel();
    let cut = tokio::time::timeout(DEADLINE, stage.served)
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(cut, 2);
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(v7.open_requests(), 0);
}

/// A process that closes each connection behind its answer, as one with a short idle time does.
#[tokio::test]
async fn an_idle_connection_that_was_closed_loses_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Arc::new(Upstream::new(listener.local_addr().unwrap()));
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&upstream))])]).await;
    let mut client = stage.client().await;
    for _ in 0..100 {
        let (status, body) = client.get("/", &[]).await.unwrap();
        assert_eq!((status.as_u16(), body.as_str()), (200, "ok"));
        closings.recv().await.unwrap();
    }
}

#[tokio::test]
async fn the_series_of_versions_that_are_gone_are_gone() {
    let v1 = backend("v1").await;
    let stage = Stage::new(vec![route(&[(1, 10_000, Some(&v1))])]).await;
    let mut client = stage.client().await;
    let streaming = client.open("/stream", &[]).await.unwrap();
    for version in 2..3_000 {
        let entries = [(version, 10_000, None), (version + 1, 0, None)];
        stage.swap(vec![route(&entries)]);
    }
    let printed = stage.printed_metrics();
    let of = |version: &str| printed.contains(&format!("version=\"{version}\""));
    for (version, there) in [
        ("1", true),
        ("2", false),
        ("2000", false),
        ("2998", true),
        ("2999", true),
        ("3000", true),
        ("none", true),
    ] {
        assert_eq!(of(version), there, "{version}");
    }
    // The last hundred, and those in use.
    assert_eq!(printed.matches("gateway_in_flight{").count(), 104);
    // What a version has counted stays while it is asked for, and a request in flight counts to its end.
    let entries = [(2_999, 0, None), (1, 10_000, Some(&v1))];
    stage.swap(vec![route(&entries)]);
    streaming.into_body().collect().await.unwrap();
    assert_eq!(client.get("/", &[]).await.unwrap().1, "v1");
    let printed = stage.printed_metrics();
    let line = r#"gateway_requests_total{app="checkout",version="1",function="web",class="2xx"} 2"#;
    assert!(
        printed.lines().any(|found| found == line),
        "{line} in {printed}"
    );
}
