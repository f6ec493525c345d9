use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cutwater::gateway::{Limits, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::stage::{Stage, route};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a process does with the request so-and-so of a connection, of which this is the head. False: it closes.
type Does = fn(u32, &str) -> (&'static [u8], bool);

/// A process that does so with each request, and how many it got over how many connections.
struct Process {
    upstream: Arc<Upstream>,
    requests: Arc<AtomicU32>,
    connections: Arc<AtomicU32>,
}

impl Process {
    async fn new(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let counts = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.1.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, does, Arc::clone(&counts.0)));
            }
        });
        Self {
            upstream: Arc::new(Upstream::new(address)),
            requests,
            connections,
        }
    }

    async fn stage(&self) -> Stage {
        Stage::new(vec![route(&[(7, 10_000, Some(&self.upstream))])]).await
    }

    /// Requests and connections so far.
    fn counts(&self) -> (u32, u32) {
        let count = |of: &AtomicU32| of.load(Ordering::SeqCst);
        (count(&self.requests), count(&self.connections))
    }
}

async fn serve(mut stream: TcpStream, does: Does, requests: Arc<AtomicU32>) {
    stream.set_nodelay(true).unwrap();
    for number in 1.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        requests.fetch_add(1, Ordering::SeqCst);
        let (answer, goes_on) = does(number, std::str::from_utf8(&head).unwrap());
        // A part that comes late stands behind a bar.
        for part in answer.split(|byte| *byte == b'|') {
            if stream.write_all(part).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if !goes_on {
            return;
        }
    }
}

async fn ask(stage: &Stage, method: &str) -> String {
    let request = format!(
        "{method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stage.raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_request_that_may_be_repeated_is_where_the_process_closes_under_it() {
    let process = Process::new(|number, _| {
        if number == 1 {
            (OK, true)
        } else {
            (b"", false)
        }
    })
    .await;
    let stage = process.stage().await;
    for asked in 0..20 {
        let answer = ask(&stage, "GET").await;
        assert!(answer.contains(" 200 "), "{asked}: {answer}");
    }
    // Each but the first met a connection that was closed under it.
    assert_eq!(process.counts(), (39, 20));
    // What may not be repeated is not, and neither is anything of which a new connection made nothing.
    let answer = ask(&stage, "POST").await;
    assert!(
        answer.contains("ended the connection without an answer"),
        "{answer}"
    );
    assert_eq!(process.counts(), (40, 20));
    let process = Process::new(|_, _| (b"", false)).await;
    let answer = ask(&process.stage().await, "GET").await;
    assert!(answer.contains(" 502 "), "{answer}");
    assert_eq!(process.counts(), (1, 1));
}

#[tokio::test]
async fn a_body_where_none_may_be_is_no_answer_to_the_next_request() {
    const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n|HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    const NO_CONTENT: &[u8] =
        b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n|HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    let process = Process::new(|_, head| match head.split(' ').next() {
        Some("HEAD") => (EVIL, true),
        Some("DELETE") => (NO_CONTENT, true),
        _ => (OK, true),
    })
    .await;
    let stage = process.stage().await;
    for (method, status) in [("HEAD", " 200 "), ("DELETE", " 204 ")] {
        for _ in 0..5 {
            let answer = ask(&stage, method).await;
            assert!(answer.contains(status), "{answer}");
            let answer = ask(&stage, "GET").await;
            assert!(answer.ends_with("ok"), "after {method}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_counts_though_the_process_takes_no_more_of_the_body() {
    const EARLY: &[u8] =
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
    let process = Process::new(|_, _| (EARLY, false)).await;
    let stage = process.stage().await;
    let size = 3_000_000;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; size]).unwrap();
    let body = format!("@{}", file.path().display());
    for chunked in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        for round in 0..10 {
            let sends = [&["-H", "Expect:", "--data-binary", &body], chunked].concat();
            let answer = stage.curl("/", &sends).await;
            assert!(
                answer.contains(" 413 ") && answer.ends_with("large"),
                "{round}, {chunked:?}: {answer}"
            );
        }
    }
    // What the client sends behind the rest of the body would be lost.
    let half = b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nhello";
    let answer = stage.raw(half).await;
    assert!(
        answer.contains(" 413 ") && answer.contains("connection: close"),
        "{answer}"
    );
}

#[tokio::test]
async fn heads_that_are_odd_are_taken_or_named() {
    static MANY: LazyLock<String> = LazyLock::new(|| {
        let headers: String = (0..101)
            .map(|number| format!("X-{number}: 1\r\n"))
            .collect();
        format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
    });
    let process = Process::new(|_, head| {
        let path = head.split(' ').nth(1);
        match path {
            Some("/many") => (MANY.as_bytes(), false),
            _ => (
                b"HTTP/1.1 200 OK\r\nX-Folded: one\r\n  two\r\nContent-Length: 2\r\n\r\nok",
                true,
            ),
        }
    })
    .await;
    let stage = process.stage().await;
    let folded = stage.curl("/", &[]).await;
    assert!(
        folded.contains("x-folded: one") && folded.ends_with("ok"),
        "{folded}"
    );
    let many = stage.curl("/many", &[]).await;
    assert!(
        many.contains(" 502 ") && many.contains("more than 100 headers"),
        "{many}"
    );
}

#[tokio::test]
async fn strangers_are_not_told_what_runs_here_and_paths_have_one_spelling() {
    let process = Process::new(|_, head| match head.split(' ').nth(1) {
        Some("/a?b=%2F") => (OK, true),
        _ => (b"", false),
    })
    .await;
    let stage = process.stage().await;
    for path in ["/a?b=%2F", "//a?b=%2F", "/x/../%61?b=%2F", "/./a?b=%2F"] {
        let answer = stage.curl(path, &["--path-as-is"]).await;
        assert!(answer.ends_with("ok"), "{path}: {answer}");
    }
    let answer = stage.curl("/x%2Fa?b=1", &[]).await;
    assert!(
        answer.contains(" 307 ") && answer.contains("location: /x/a?b=1\r\n"),
        "{answer}"
    );
    let own = stage.curl("/", &[]).await;
    assert!(own.contains("Function web of checkout v7 ended"), "{own}");
    let forwarded = stage.curl("/", &["-H", "X-Forwarded-For: 192.0.2.1"]).await;
    assert!(
        forwarded.contains("What answers here ended") && !forwarded.contains("checkout"),
        "{forwarded}"
    );
    stage.swap(vec![route(&[])]);
    let own = stage.curl("/", &[]).await;
    assert!(own.contains("app checkout"), "{own}");
    let forwarded = stage.curl("/", &["-H", "Via: 1.1 caddy"]).await;
    assert!(
        forwarded.contains(" 503 ") && !forwarded.contains("checkout"),
        "{forwarded}"
    );
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_holds_nothing_for_long() {
    // The process waits for the body, as most do.
    let patient = Process::new(|_, _| (b"", true)).await;
    let limits = Limits {
        answer_time: Duration::from_secs(1),
        least_rate: 100,
        ..Limits::default()
    };
    let routes = vec![route(&[(7, 10_000, Some(&patient.upstream))])];
    let stage = Stage::with(routes, limits).await;
    let mut slow = TcpStream::connect(stage.address).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 12];
    loop {
        let read = slow.read_exact(&mut answer);
        match tokio::time::timeout(Duration::from_millis(100), read).await {
            Ok(read) => {
                read.unwrap();
                break;
            }
            Err(_) => slow.write_all(b"x").await.unwrap(),
        }
    }
    assert_eq!(answer, b"HTTP/1.1 408");
    assert!(stage.printed_metrics().contains("gateway_connections 1"));
}
