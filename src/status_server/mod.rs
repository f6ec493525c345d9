//! The HTTP server where a process tells of itself and takes webhooks: few connections, none of which may keep silent, and on a loopback
//! address only by its own names. What is told is the caller's.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

mod webhook;

pub use webhook::{Refusal, WebhookSecret};

/// Most connections at a time: they have a share of the files of this process, which is nobody else's.
pub const CONNECTIONS: usize = 32;
/// Longest time for the head of a request, and without a byte taken of an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// How long to wait where a connection cannot be taken.
const PAUSE: Duration = Duration::from_millis(50);
/// Where webhooks are taken.
pub const HOOK: &str = "/hook";

/// Answers until `end`.
pub async fn serve(listener: TcpListener, router: Router, end: CancellationToken) {
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
                    tracing::debug!(
                        "the address that tells of this server cannot take a connection: {error}"
                    );
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
        tracing::debug!("a connection to the address that tells of this server ended: {error}");
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
