use std::time::{Duration, Instant};

use cutwater::gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{DEADLINE, Stage, backend, route};

async fn stage(limits: Limits) -> Stage {
    let v7 = backend("v7").await;
    Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await
}

fn short() -> Limits {
    Limits {
        head_time: Duration::from_millis(300),
        answer_time: Duration::from_millis(300),
        ..Limits::default()
    }
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let stage = stage(short()).await;
    for (status, request) in [
        (
            400,
            "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: +3\r\n\r\nabc",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        (
            501,
            "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            400,
            "POST / HTTP/1.0\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            400,
            "GET / HTTP/1.1\r\nHost: shop.test\r\n X-Folded: 1\r\n\r\n",
        ),
        (
            400,
            "GET / HTTP/1.1\r\nHost: shop.test\r\nHost: else.test\r\n\r\n",
        ),
        (400, "GET / HTTP/1.1\r\nHost: shop.test/path\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: me@shop.test\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "OPTIONS * HTTP/1.1\r\nHost: shop.test\r\n\r\n"),
        (
            405,
            "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test\r\n\r\n",
        ),
        (
            400,
            "POST /size HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        ),
    ] {
        let answer = stage.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                || (answer.starts_with(&format!("HTTP/1.0 {status} "))),
            "{request}{answer}"
        );
    }
}

/// Read by `Transfer-Encoding` alone, with the connection closed: what follows is no request.
#[tokio::test]
async fn a_request_behind_two_lengths_is_never_answered() {
    let stage = stage(short()).await;
    for lengths in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let request = format!(
            "POST /head HTTP/1.1\r\nHost: shop.test\r\n{lengths}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"
        );
        let answer = stage.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains("POST /head HTTP/1.1\n"), "{answer}");
        assert!(!answer.contains("smuggled"), "{answer}");
        assert!(!answer.contains("content-length: 4"), "{answer}");
    }
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let limits = Limits {
        head_bytes: 8_192,
        body_bytes: 1_000,
        ..short()
    };
    let stage = stage(limits).await;
    let long = format!("X-Long: {}", "x".repeat(10_000));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let answer = stage.curl("/", &[version, "-H", &long]).await;
        assert!(answer.contains(" 431"), "{answer}");
        let fits = stage
            .curl("/size", &[version, "-d", &"x".repeat(1_000)])
            .await;
        assert!(fits.contains("1000 bytes"), "{fits}");
    }
    // Over HTTP/2 the stream is reset behind the answer, which not every curl tells from a failure.
    let answer = stage
        .curl("/size", &["--http1.1", "-d", &"x".repeat(1_001)])
        .await;
    assert!(answer.contains(" 413"), "{answer}");
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let answer = stage
        .raw(format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{many}\r\n").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // One that does not say its length is stopped on the way.
    let chunk = "x".repeat(600);
    let request = format!(
        "POST /size HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
    );
    let answer = stage.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn whoever_is_slow_is_cut_off() {
    let stage = stage(short()).await;
    let begin = Instant::now();
    for beginning in [
        "",
        "PRI * HTT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: sh",
    ] {
        stage.raw(beginning.as_bytes()).await;
    }
    let silent_process = stage
        .raw(b"GET /never HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        silent_process.starts_with("HTTP/1.1 504 "),
        "{silent_process}"
    );
    assert!(
        silent_process.contains("Function web of checkout v7 gave no answer for 0.3 s."),
        "{silent_process}"
    );
    let silent_client = stage
        .raw(b"POST /size HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    assert!(
        silent_client.starts_with("HTTP/1.1 408 "),
        "{silent_client}"
    );
    assert!(begin.elapsed() < DEADLINE);
}

#[tokio::test]
async fn connections_and_open_requests_are_bounded() {
    let limits = Limits {
        connections: 2,
        requests: 1,
        ..Limits::default()
    };
    let stage = stage(limits).await;
    let mut first = stage.client().await;
    let streaming = first.open("/stream", &[]).await.unwrap();
    let mut second = stage.client().await;
    let (status, page) = second.get("/", &[]).await.unwrap();
    assert_eq!(status, 503);
    assert!(page.contains("1 open requests"), "{page}");

    // A third connection waits, unread, until one of the two is gone.
    let mut third = TcpStream::connect(stage.address).await.unwrap();
    third
        .write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let waited =
        tokio::time::timeout(Duration::from_millis(200), third.read_to_end(&mut answer)).await;
    assert!(
        waited.is_err(),
        "answered beyond the limit: {}",
        String::from_utf8_lossy(&answer)
    );
    drop((streaming, first));
    third.read_to_end(&mut answer).await.unwrap();
    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 "),
        "{answer:?}"
    );
    let deadline = Instant::now() + DEADLINE;
    while second.get("/", &[]).await.unwrap().0 != 200 {
        assert!(
            Instant::now() < deadline,
            "the request that was given up still counts"
        );
    }
}
