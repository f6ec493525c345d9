//! Where `serve` tells of itself: `/live`, `/ready`, `/metrics`, and JSON of everything; and where it is told of a push. What is
//! told is in [`super::status`].

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::status::Board;
use super::webhook::Webhook;

/// Most connections at a time: they have a share of the files of this process, which is no client's of the gateway.
pub(super) const CONNECTIONS: usize = 32;
/// Longest time for the head of a request, and without a byte taken of an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// How long to wait where a connection cannot be taken.
const PAUSE: Duration = Duration::from_millis(50);
/// Where webhooks are taken.
const HOOK: &str = "/hook";

/// Answers until `end`.
pub(super) async fn serve(
    listener: TcpListener,
    board: Arc<Board>,
    webhook: Option<Arc<Webhook>>,
    end: CancellationToken,
) {
    let router = Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/apps", get(apps))
        .route("/apps/{app}", get(app))
        .route("/ledger", get(ledger))
        .route(HOOK, post(hook).with_state(webhook))
        .with_state(board);
    // Only a browser on this machine reaches a loopback address by another name, for a page that means harm.
    let local = (listener.local_addr()).is_ok_and(|address| address.ip().is_loopback());
    let router = if local {
        router.layer(from_fn(only_by_its_names))
    } else {
        router
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let taking = end.run_until_cancelled(async {
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let answering = answer(stream, router.clone(), end.clone());
                    tokio::spawn(async move {
                        answering.await;
                        drop(permit);
                    });
                }
                // For want of file descriptors most likely.
                Err(error) => {
                    tracing::debug!("the admin address cannot take a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    taking.await;
}

/// Serves one connection until it ends, is told to, or keeps silent.
async fn answer(stream: TcpStream, router: Router, end: CancellationToken) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(SILENCE));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        );
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = end.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection to the admin address ended: {error}");
    }
}

/// Refuses requests that ask for this server by a name that is not its own. What a forge sends has a secret instead.
async fn only_by_its_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST);
    let own = host.is_none_or(|host| is_own(host.as_bytes()));
    if own || request.uri().path() == HOOK {
        return next.run(request).await;
    }
    let text = "this address answers to localhost and to IP addresses, and to no other name\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// True for `localhost`, a name below it and an IP address, with or without a port.
fn is_own(host: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(host) else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Ready once a commit counts and what it names is served or has failed, and as long as the repository is looked at.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match board.is_ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match board.metrics() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn status(State(board): State<Arc<Board>>) -> Response {
    json(&board.status())
}

async fn apps(State(board): State<Arc<Board>>) -> Response {
    json(&board.apps())
}

async fn app(State(board): State<Arc<Board>>, Path(name): Path<String>) -> Response {
    match board.app(&name) {
        Ok(app) => json(&app),
        Err(names) => {
            let known = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            let text = format!("no app of this name is served here; {known}\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

async fn ledger(State(board): State<Arc<Board>>) -> Response {
    match tokio::task::spawn_blocking(move || board.ledger()).await {
        Ok(Some(ledger)) => json(&ledger),
        Ok(None) => {
            let text = "no ledger is written here: serve was started with --no-ledger\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn hook(State(webhook): State<Option<Arc<Webhook>>>, request: Request) -> Response {
    let Some(webhook) = webhook else {
        let text = "no webhooks are taken here: start serve with --webhook-secret-file\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let (head, body) = request.into_parts();
    match webhook.take(&head.headers, body).await {
        Ok(()) => (StatusCode::ACCEPTED, "the repository is looked at\n").into_response(),
        Err(refusal) => {
            tracing::debug!("a webhook is refused: {refusal}");
            (refusal.status(), format!("{refusal}\n")).into_response()
        }
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_by_its_own_names() {
        for (host, own) in [
            ("localhost:8081", true),
            ("LOCALHOST", true),
            ("shop.localhost:8081", true),
            ("127.0.0.1:8081", true),
            ("[::1]:8081", true),
            ("192.0.2.7", true),
            ("evil.example", false),
            ("localhost.evil.example:8081", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_own(host.as_bytes()), own, "{host}");
        }
    }
}
