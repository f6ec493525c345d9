//! A program that serves many connections at once, for tests under load: this test program itself, which `serve` starts by
//! `local.command` as any other.
//!
//! Each answer says in `x-version` who gave it. Bodies are made of blocks that both ends can make by themselves.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// Blocks of a body, and the time between two of them: a stream lives across several changes of the split.
const BLOCKS: u64 = 30;
const BETWEEN: Duration = Duration::from_millis(100);

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// An `app.yaml` whose one function is this server.
pub(super) fn app() -> String {
    let program = std::env::current_exe().unwrap();
    let command = serde_json::json!([
        program,
        "it::serve::upstream::answers",
        "--exact",
        "--ignored"
    ]);
    // A machine that does much else answers late.
    super::app(&command.to_string()).replace("failureThreshold: 2", "failureThreshold: 10")
}

/// No test of its own: the server.
#[test]
#[ignore = "the server of other tests, which `serve` starts"]
fn answers() {
    let port = std::env::var("PORT").expect("`serve` says the port");
    let version = std::env::var("CUTWATER_VERSION").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = ("127.0.0.1", port.parse().unwrap());
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let version = version.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| reply(&version, request));
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await
            });
        }
    });
}

async fn reply(
    version: &str,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let mut response = Response::builder().header("x-version", version);
    let body = match request.uri().path() {
        "/down" => stream(seed(request.uri().query())),
        "/up" => whole(digest(request.into_body()).await?),
        "/both" => request.into_body().boxed(),
        "/socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
                // Whatever comes goes back, until the client has no more to say.
                tokio::io::copy(&mut read, &mut write).await?;
                tokio::io::AsyncWriteExt::shutdown(&mut write).await
            });
            response = (response.status(StatusCode::SWITCHING_PROTOCOLS))
                .header("connection", "upgrade")
                .header("upgrade", "websocket");
            whole(String::new())
        }
        _ => whole(format!("v{version}")),
    };
    Ok(response.body(body).unwrap())
}

pub(super) fn whole(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(never).boxed()
}

/// A body that takes some seconds.
pub(super) fn stream(seed: u64) -> Body {
    let frames = futures::stream::unfold(0, move |index| async move {
        if index == BLOCKS {
            return None;
        }
        tokio::time::sleep(BETWEEN).await;
        let frame = Frame::data(block(seed, index));
        Some((Ok::<_, Infallible>(frame), index + 1))
    });
    StreamBody::new(frames).map_err(never).boxed()
}

/// What the digest of such a body is.
pub(super) fn expected(seed: u64) -> String {
    let mut hasher = Sha256::new();
    (0..BLOCKS).for_each(|index| hasher.update(block(seed, index)));
    hex::encode(hasher.finalize())
}

/// The digest of what comes.
pub(super) async fn digest(mut body: Incoming) -> Result<String, hyper::Error> {
    let mut hasher = Sha256::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            hasher.update(data);
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

/// Bytes of any length that say nothing, and the same again for the same numbers.
fn block(seed: u64, index: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed ^ (index << 48));
    let mut bytes = vec![0; random.usize(1..8192)];
    random.fill(&mut bytes);
    bytes.into()
}

fn seed(query: Option<&str>) -> u64 {
    query.unwrap_or_default().parse().unwrap_or_default()
}

fn never(never: Infallible) -> hyper::Error {
    match never {}
}
