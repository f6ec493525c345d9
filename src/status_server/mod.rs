//! The HTTP servers where a process tells of itself and takes webhooks: few connections, none of which may keep silent. What is told is
//! the caller's.
//!
//! Who asks how a process is must be answered whatever comes from outside, so webhooks can have a listener with room of its own. On a
//! loopback address a process tells of itself only by its own names.

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

/// Most connections at a time where a process tells of itself: they have a share of the files of this process, which is nobody else's.
pub const CONNECTIONS: usize = 32;
/// Most connections at a time where webhooks alone are taken.
pub const HOOK_CONNECTIONS: usize = 128;
/// Longest time for the head of a request, and without a byte taken of an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// The same for a webhook, whose sender comes from anywhere and has all of it at hand.
const HOOK_SILENCE: Duration = Duration::from_secs(5);
/// How long to wait where a connection cannot be taken.
const PAUSE: Duration = Duration::from_millis(50);
/// Where webhooks are taken.
pub const HOOK: &str = "/hook";

/// How connections are taken.
#[derive(Debug, Clone, Copy)]
struct Manner {
    connections: usize,
    silence: Duration,
    /// A connection may bring one request after the other.
    keep_alive: bool,
}

/// Tells of a process until `end`.
pub async fn serve(listener: TcpListener, router: Router, end: CancellationToken) {
    // Only a browser on this machine reaches a loopback address by another name, for a page that means harm.
    let local = (listener.local_addr()).is_ok_and(|address| address.ip().is_loopback());
    let router = if local {
        router.layer(from_fn(only_by_its_names))
    } else {
        router
    };
    let manner = Manner {
        connections: CONNECTIONS,
        silence: SILENCE,
        keep_alive: true,
    };
    take(listener, router, manner, end).await;
}

/// Takes webhooks, and nothing else, until `end`: what floods it takes no place of [`serve`]. A forge has any name for it, also behind a
/// proxy on this machine, and a secret in place of the right one.
pub async fn serve_hooks(listener: TcpListener, router: Router, end: CancellationToken) {
    let manner = Manner {
        connections: HOOK_CONNECTIONS,
        silence: HOOK_SILENCE,
        keep_alive: false,
    };
    take(listener, router, manner, end).await;
}

async fn take(listener: TcpListener, router: Router, manner: Manner, end: CancellationToken) {
    let room = Arc::new(Semaphore::new(manner.connections));
    let taking = end.run_until_cancelled(async {
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let answering = answer(stream, router.clone(), manner, end.clone());
                    tokio::spawn(async move {
                        answering.await;
                        drop(permit);
                    });
                }
                // For want of file descriptors most likely.
                Err(error) => {
                    tracing::debug!("an address of this program cannot take a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    taking.await;
}

/// Serves one connection until it ends, is told to, or keeps silent.
async fn answer(stream: TcpStream, router: Router, manner: Manner, end: CancellationToken) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(manner.silence));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(manner.silence)
        .keep_alive(manner.keep_alive)
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
        tracing::debug!("a connection to an address of this program ended: {error}");
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
