//! Many requests for each split: 20,000, or as many as `CUTWATER_REQUESTS` says. Clients and backends are as plain as can be, so that the gateway is what takes
//! the time: requests are sent fifty at once on connections that are kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cutwater::gateway::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::stage::{DEADLINE, Stage, route};

const CONNECTIONS: usize = 8;
const AT_ONCE: usize = 50;
/// Bytes of each body.
const NAME: usize = 3;

/// Answers each request with the version.
async fn plain(version: u32) -> Arc<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {NAME}\r\n\r\nv{version:02}");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                // The gateway sends one request at a time on a connection, and its head in one piece.
                let mut head = [0; 4096];
                while let Ok(1..) = stream.read(&mut head).await {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    Arc::new(Upstream::new(address))
}

/// How many of these requests each version answers, on one connection.
async fn ask(gateway: SocketAddr, requests: usize) -> BTreeMap<String, u32> {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let batch = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n".repeat(AT_ONCE);
    let mut counts = BTreeMap::new();
    let mut answers = Vec::new();
    for _ in 0..requests / AT_ONCE {
        stream.write_all(batch.as_bytes()).await.unwrap();
        for _ in 0..AT_ONCE {
            let body = loop {
                let end = answers.windows(4).position(|four| four == b"\r\n\r\n");
                if let Some(body) = end.filter(|end| answers.len() >= end + 4 + NAME) {
                    break body + 4;
                }
                let read = tokio::time::timeout(DEADLINE, stream.read_buf(&mut answers)).await;
                assert_ne!(
                    read.expect("an answer").unwrap(),
                    0,
                    "the connection is kept"
                );
            };
            let answer: Vec<u8> = answers.drain(..body + NAME).collect();
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
            let name = String::from_utf8_lossy(&answer[body..]).into_owned();
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_are_split_by_share() {
    let requests = std::env::var("CUTWATER_REQUESTS");
    let requests = requests.map_or(20_000, |text| text.parse().expect("a number"));
    for points in [
        &[9_000, 1_000, 0][..],
        &[5_000, 2_500, 1_000, 500, 400, 300, 197, 100, 2, 1],
    ] {
        let mut entries = Vec::new();
        for (version, points) in (1..).zip(points) {
            entries.push((version, *points, plain(version).await));
        }
        let entries: Vec<_> = (entries.iter())
            .map(|(version, points, upstream)| (*version, *points, Some(upstream)))
            .collect();
        let stage = Stage::new(vec![route(&entries)]).await;
        let asked =
            (0..CONNECTIONS).map(|_| tokio::spawn(ask(stage.address, requests / CONNECTIONS)));
        let mut counts = BTreeMap::<String, u32>::new();
        for of_one in futures::future::join_all(asked).await {
            for (name, count) in of_one.unwrap() {
                *counts.entry(name).or_default() += count;
            }
        }
        for (version, points, _) in entries {
            let share = f64::from(points) / 10_000.0;
            let got = counts.get(&format!("v{version:02}")).copied().unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
            let wanted = requests as f64 * share;
            // Beside four deviations, what rare ones may differ by.
            let deviation = (wanted * (1.0 - share)).sqrt();
            assert!(
                (f64::from(got) - wanted).abs() <= 4.0 * deviation + 4.0,
                "v{version} was to have {wanted} of {counts:?}"
            );
        }
    }
}
