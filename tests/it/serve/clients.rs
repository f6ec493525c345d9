//! Clients that go on until they are told to stop, and take nothing but whole answers from versions that may give them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::DEADLINE;
use super::upstream::{Body, digest, expected, stream, whole};

/// Time between two requests of one connection.
const BETWEEN: Duration = Duration::from_millis(160);
/// Lines on one WebSocket, before its client ends it and opens another.
const LINES: u32 = 20;

/// What is listed, change by change.
pub(super) struct Listed {
    /// For each change, versions that have a share from then on.
    pub(super) changes: Vec<BTreeSet<u32>>,
    /// The change that was known to be served last.
    pub(super) served: AtomicUsize,
    /// The change that was committed last.
    pub(super) committed: AtomicUsize,
}

/// What clients did.
#[derive(Default)]
pub(super) struct Done {
    pub(super) stop: AtomicBool,
    pub(super) plain: AtomicU32,
    pub(super) streams: AtomicU32,
    pub(super) sockets: AtomicU32,
}

/// One client with a connection of its own.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) gateway: SocketAddr,
    pub(super) listed: Arc<Listed>,
    pub(super) done: Arc<Done>,
}

impl Listed {
    /// A request that was sent when `since` was served has this answer now.
    #[track_caller]
    fn check(&self, since: usize, version: &str) {
        let until = self.committed.load(Ordering::SeqCst);
        let version: u32 = version.parse().expect("an answer says its version");
        assert!(
            (self.changes[since..=until].iter()).any(|listed| listed.contains(&version)),
            "version {version} answered, of {:?}",
            &self.changes[since..=until]
        );
    }
}

impl Client {
    fn goes_on(&self) -> bool {
        !self.done.stop.load(Ordering::Relaxed)
    }

    /// A connection that is never closed by the other side.
    async fn open(&self) -> SendRequest<Body> {
        let stream = TcpStream::connect(self.gateway).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn ask(
        &self,
        sender: &mut SendRequest<Body>,
        method: &str,
        path: &str,
        body: Body,
    ) -> Response<Incoming> {
        sender.ready().await.expect("the connection is kept");
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "shop.localhost").body(body);
        let since = self.listed.served.load(Ordering::SeqCst);
        let response = timeout(DEADLINE, sender.send_request(request.unwrap())).await;
        let response = response
            .unwrap_or_else(|_| panic!("{path} is not answered"))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(response.status(), 200, "{path}");
        let version = response.headers()["x-version"].to_str().unwrap();
        self.listed.check(since, version);
        response
    }

    /// One small request after the other.
    pub(super) async fn asks(self) {
        let mut sender = self.open().await;
        let mut pace = interval(BETWEEN);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.goes_on() {
            pace.tick().await;
            let response = self
                .ask(&mut sender, "GET", "/", whole(String::new()))
                .await;
            let says = format!("v{}", response.headers()["x-version"].to_str().unwrap());
            let body = response.into_body().collect().await;
            assert_eq!(body.expect("a whole body").to_bytes(), says);
            self.done.plain.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Bodies that take some seconds, one way, the other, or both at once.
    pub(super) async fn streams(self, method: &str, path: &str) {
        let mut sender = self.open().await;
        while self.goes_on() {
            let seed = u64::from(fastrand::u32(..));
            let body = match method {
                "GET" => whole(String::new()),
                _ => stream(seed),
            };
            let response = (self.ask(&mut sender, method, &format!("{path}?{seed}"), body)).await;
            let got = match path {
                "/up" => response
                    .into_body()
                    .collect()
                    .await
                    .map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()),
                _ => digest(response.into_body()).await,
            };
            let got = got.unwrap_or_else(|error| panic!("{path} was cut: {error}"));
            assert_eq!(got, expected(seed), "{path}");
            self.done.streams.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// WebSockets that their client ends after some seconds, each a new connection.
    pub(super) async fn talks(self) {
        while self.goes_on() {
            let since = self.listed.served.load(Ordering::SeqCst);
            let mut stream = TcpStream::connect(self.gateway).await.unwrap();
            let handshake = b"GET /socket HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            stream.write_all(handshake).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let byte = timeout(DEADLINE, stream.read_u8()).await;
                head.push(byte.expect("an answer").expect("a whole head"));
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 101 "), "{head}");
            let version = head
                .lines()
                .find_map(|line| line.strip_prefix("x-version: "));
            self.listed.check(since, version.unwrap());
            for line in 0..LINES {
                let line = format!("line {line:06}\n");
                stream.write_all(line.as_bytes()).await.unwrap();
                let mut back = vec![0; line.len()];
                let read = timeout(DEADLINE, stream.read_exact(&mut back)).await;
                read.expect("an echo").expect("a WebSocket is not cut");
                assert_eq!(back, line.as_bytes());
                tokio::time::sleep(BETWEEN).await;
            }
            stream.shutdown().await.unwrap();
            let rest = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await;
            assert_eq!(rest.expect("an end").expect("a clean end"), 0);
            self.done.sockets.fetch_add(1, Ordering::Relaxed);
        }
    }
}
