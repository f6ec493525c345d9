use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use cutwater::gateway::{Entry, Limits, Metrics, Overrides, Route, Table, Upstream, serve};
use cutwater::words::{Share, VersionNumber};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::tools::system;

/// Long enough for anything that is to happen, on a machine that does much else.
pub const DEADLINE: Duration = Duration::from_secs(20);

type Body = BoxBody<Bytes, hyper::Error>;

/// A running gateway.
pub struct Stage {
    pub address: SocketAddr,
    pub table: Arc<ArcSwap<Table>>,
    pub metrics: Metrics,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<usize>,
}

impl Stage {
    pub async fn new(routes: Vec<Route>) -> Self {
        Self::with(routes, Limits::default()).await
    }

    pub async fn with(routes: Vec<Route>, limits: Limits) -> Self {
        let metrics = Metrics::default();
        let table = Arc::new(ArcSwap::from_pointee(Table::new(routes, &metrics)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(
            listener,
            Arc::clone(&table),
            limits,
            metrics.clone(),
            shutdown.clone(),
        ));
        Self {
            address,
            table,
            metrics,
            shutdown,
            served,
        }
    }

    pub fn swap(&self, routes: Vec<Route>) {
        self.table
            .store(Arc::new(Table::new(routes, &self.metrics)));
    }

    /// What a client sends as it is, and all that comes back until the connection is closed.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
            .await
            .expect("the gateway closes the connection")
            .unwrap_or_default();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What curl prints, head first, for `http://shop.test` and this path, with these arguments.
    pub async fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let output = Command::new(system("curl", "curl"))
            .args([
                "-q",
                "--silent",
                "--show-error",
                "--include",
                "--max-time",
                "20",
                "--noproxy",
                "*",
            ])
            .arg("--resolve")
            .arg(format!("shop.test:{}:127.0.0.1", self.address.port()))
            .args(arguments)
            .arg(format!("http://shop.test:{}{path}", self.address.port()))
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "curl {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Client { sender }
    }

    pub fn printed_metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

/// A connection that is kept.
pub struct Client {
    sender: hyper::client::conn::http1::SendRequest<Empty<Bytes>>,
}

impl Client {
    pub async fn get(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, String), hyper::Error> {
        let response = self.open(path, headers).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub async fn open(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        let mut request = Request::get(path).header("host", "shop.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender
            .send_request(request.body(Empty::new()).unwrap())
            .await
    }
}

/// A backend that answers with its name, and does on some paths what its test is about.
pub async fn backend(name: &str) -> Arc<Upstream> {
    let name = name.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let name = name.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| reply(name.clone(), request));
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await
            });
        }
    });
    Arc::new(Upstream::new(address))
}

async fn reply(
    name: String,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let text = |text: String| {
        Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed()
    };
    Ok(match request.uri().path() {
        "/head" => {
            let mut lines = format!(
                "{} {} {:?}\n",
                request.method(),
                request.uri(),
                request.version()
            );
            for (header, value) in request.headers() {
                lines += &format!("{header}: {}\n", String::from_utf8_lossy(value.as_bytes()));
            }
            Response::builder()
                .header("connection", "x-private")
                .header("x-private", "1")
                .header("x-public", "1")
                .body(text(lines))
                .unwrap()
        }
        "/size" => {
            let collected = request.into_body().collect().await?;
            let trailers = collected.trailers().cloned().unwrap_or_default();
            text_response(format!(
                "{} bytes, trailers {trailers:?}",
                collected.to_bytes().len()
            ))
        }
        // As many bytes as the query says.
        "/sized" => {
            let size = request.uri().query().unwrap().parse().unwrap();
            text_response("x".repeat(size))
        }
        "/echo" => Response::new(request.into_body().boxed()),
        "/trailers" => {
            let trailers = [("x-sum", "42")]
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let frames = [
                Ok(Frame::data(Bytes::from_static(b"body"))),
                Ok(Frame::trailers(trailers.into_iter().collect())),
            ];
            Response::builder()
                .header("trailer", "x-sum")
                .body(BodyExt::boxed(StreamBody::new(futures::stream::iter(
                    frames,
                ))))
                .unwrap()
        }
        // Thirty lines, over a while.
        "/stream" => {
            let frames = futures::stream::unfold(0, move |line| {
                let text = format!("{name} {line}\n");
                async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    (line < 30).then(|| (Ok(Frame::data(Bytes::from(text))), line + 1))
                }
            });
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
        // 256 MiB, more than all buffers on the way hold.
        "/big" => {
            let part = Bytes::from(vec![b'x'; 65_536]);
            let frames = std::iter::repeat_n(part, 4_096).map(|part| Ok(Frame::data(part)));
            Response::new(BodyExt::boxed(StreamBody::new(futures::stream::iter(
                frames,
            ))))
        }
        // The second part comes after a while.
        "/slow" => {
            let second = async {
                tokio::time::sleep(Duration::from_millis(2_500)).await;
                Ok(Frame::data(Bytes::from_static(b" second")))
            };
            let first = futures::future::ready(Ok(Frame::data(Bytes::from_static(b"first"))));
            let frames = futures::StreamExt::chain(
                futures::stream::once(first),
                futures::stream::once(second),
            );
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
        "/never" => std::future::pending().await,
        "/socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.unwrap());
                io.write_all(format!("hello from {name}\n").as_bytes())
                    .await
                    .unwrap();
                let (mut read, mut write) = tokio::io::split(io);
                tokio::io::copy(&mut read, &mut write).await.unwrap();
                write.shutdown().await
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .body(text(String::new()))
                .unwrap()
        }
        _ => text_response(name),
    })
}

fn text_response(body: String) -> Response<Body> {
    Response::new(
        Full::new(Bytes::from(body))
            .map_err(|never| match never {})
            .boxed(),
    )
}

/// Where nobody listens.
pub async fn nobody() -> Arc<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Arc::new(Upstream::new(listener.local_addr().unwrap()))
}

/// Function `web` of `checkout`, at `shop.test` and any path, between these versions.
pub fn route(entries: &[(u32, u32, Option<&Arc<Upstream>>)]) -> Route {
    Route {
        hostnames: vec!["shop.test".into()],
        path: "/".into(),
        owner: "Deployment checkout".into(),
        app: "checkout".parse().unwrap(),
        function: Some("web".parse().unwrap()),
        entries: (entries.iter())
            .map(|(version, points, upstream)| Entry {
                version: number(*version),
                share: Share::from_basis_points(*points),
                upstream: upstream.cloned(),
            })
            .collect(),
        overrides: Overrides::Anyone,
        rules: Vec::new(),
        affinity: None,
        holds: false,
        since: 0,
        waits: false,
    }
}

pub fn number(version: u32) -> VersionNumber {
    VersionNumber::new(version).unwrap()
}
