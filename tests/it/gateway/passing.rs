use cutwater::gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{DEADLINE, Stage, backend, route};

async fn stage() -> Stage {
    let v7 = backend("v7").await;
    Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await
}

#[tokio::test]
async fn headers_of_the_connection_end_here_and_who_is_trusted_names_the_client() {
    let request = "POST http://shop.test/head?a=b HTTP/1.1\r\nHost: evil.test\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\
        Keep-Alive: 1\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nX-Forwarded-For: 192.0.2.1\r\n\
        X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.9\r\nX-Real-IP: 192.0.2.1\r\nX_Forwarded_Host: evil.test\r\n\
        X-Other: 1\r\nContent-Length: 2\r\n\r\nhi";
    let ours = [
        "POST /head?a=b HTTP/1.1",
        "connection: te",
        "content-length: 2",
        "host: shop.test",
        "te: trailers",
        "x-forwarded-host: shop.test",
        "x-other: 1",
    ];
    let replaced = ["x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"];
    let believed = [
        "forwarded: for=192.0.2.9",
        "x-forwarded-for: 192.0.2.1, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-real-ip: 192.0.2.1",
        "x_forwarded_host: evil.test",
    ];
    for (trusted, others) in [
        (&["10.0.0.0/8"][..], &replaced[..]),
        (&["127.0.0.0/8"], &believed),
    ] {
        let trusted = trusted.iter().map(|text| text.parse().unwrap());
        let limits = Limits {
            trusted: trusted.collect(),
            ..Limits::default()
        };
        let v7 = backend("v7").await;
        let stage = Stage::with(vec![route(&[(7, 10_000, Some(&v7))])], limits).await;
        let answer = stage.raw(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = body.lines().collect();
        lines[1..].sort_unstable();
        let mut wanted = [&ours, others].concat();
        wanted[1..].sort_unstable();
        assert_eq!(lines, wanted);
        assert!(
            head.contains("x-public: 1") && !head.contains("x-private"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn curl_gets_answers_over_both_versions_of_http() {
    let stage = stage().await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let head = stage
            .curl("/head", &[version, "-H", "Cookie: a=1", "-b", "b=2"])
            .await;
        assert!(head.contains(" 200"), "{head}");
        let host = format!("host: shop.test:{}\n", stage.address.port());
        assert!(head.contains(&host), "{head}");
        assert!(head.contains("x-forwarded-proto: http\n"), "{head}");
        assert!(head.contains("GET /head HTTP/1.1\n"), "{head}");

        let asked = stage
            .curl("/", &[version, "-H", "Cutwater-Version: ?"])
            .await;
        assert!(
            asked.contains("cutwater-version: checkout/7\r\n"),
            "{asked}"
        );
        let not_asked = stage.curl("/", &[version]).await;
        assert!(!not_asked.contains("cutwater-version"), "{not_asked}");

        let only_head = stage.curl("/", &[version, "--head"]).await;
        assert!(only_head.contains("content-length: 2\r\n"), "{only_head}");
        assert!(only_head.ends_with("\r\n\r\n"), "{only_head}");

        let missing = stage.curl("/", &[version, "-H", "Host: else.test"]).await;
        assert!(
            missing.ends_with("No route takes else.test/.\n"),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn bodies_stream_up_and_down_with_their_trailers() {
    let stage = stage().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 3_000_000]).unwrap();
    let data = format!("@{}", file.path().display());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for coding in ["Transfer-Encoding: chunked", "Expect: 100-continue"] {
            let coding: &[&str] = if version == "--http1.1" {
                &["-H", coding]
            } else {
                &[]
            };
            let arguments = [&[version, "--data-binary", &data][..], coding].concat();
            let sized = stage.curl("/size", &arguments).await;
            assert!(sized.ends_with("3000000 bytes, trailers {}"), "{sized}");
            let echoed = stage.curl("/echo", &arguments).await;
            assert!(echoed.len() > 3_000_000, "{}", echoed.len());
        }
    }
    // curl prints trailers behind the body.
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let answer = stage
            .curl("/trailers", &[version, "-H", "TE: trailers"])
            .await;
        assert!(answer.contains("x-sum: 42"), "{answer}");
    }
    let upload = "POST /size HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
        Trailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n";
    let answer = stage.raw(upload.as_bytes()).await;
    assert!(
        answer.contains(r#"3 bytes, trailers {"x-sum": "42"}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_counts_as_open_until_it_ends() {
    let v7 = backend("v7").await;
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let handshake = "GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "hello from v7\n").await;
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    assert!(seen.contains("upgrade: websocket\r\n"), "{seen}");
    assert_eq!(v7.open_requests(), 1);

    // A table without the process does not cut it, and draining waits for it.
    stage.swap(Vec::new());
    let draining = tokio::spawn({
        let v7 = v7.clone();
        async move { v7.drain().await }
    });
    stream.write_all(b"ping\n").await.unwrap();
    read_until(&mut stream, &mut seen, "ping\n").await;
    assert!(!draining.is_finished());
    assert_eq!(v7.open_requests(), 1);
    stream.shutdown().await.unwrap();
    tokio::time::timeout(DEADLINE, draining)
        .await
        .expect("drains")
        .unwrap();
    assert_eq!(v7.open_requests(), 0);
    let metrics = stage.printed_metrics();
    for line in [
        r#"gateway_received_bytes_total{app="checkout",version="7",function="web"} 5"#,
        r#"gateway_sent_bytes_total{app="checkout",version="7",function="web"} 19"#,
    ] {
        assert!(
            metrics.lines().any(|printed| printed == line),
            "{line} in {metrics}"
        );
    }
}

async fn read_until(stream: &mut TcpStream, seen: &mut String, end: &str) {
    let mut buffer = [0; 1024];
    while !seen.ends_with(end) {
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer));
        let read = read
            .await
            .unwrap_or_else(|_| panic!("{end:?} in {seen:?}"))
            .unwrap();
        assert_ne!(read, 0, "{seen}");
        *seen += std::str::from_utf8(&buffer[..read]).unwrap();
    }
}
