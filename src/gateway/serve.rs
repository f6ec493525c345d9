//! Connections of clients: accepted up to a limit, served, and ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Client, Gateway};
use super::crowd::{Crowd, is_among};
use super::loud::Loud;
use super::outlet::Outlet;
use super::reader::Streams;
use super::{Limits, Metrics, Table, forward};

/// How long to wait where a connection cannot be accepted, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often that is said while it lasts.
const ACCEPT_SAID: Duration = Duration::from_secs(10);
/// How long all connections are in use before that is said, and how often it is said again.
const FULL_SAID: Duration = Duration::from_secs(10);
/// How long a connection that was accepted just before a stop is given for its first request.
const FIRST_REQUEST: Duration = Duration::from_millis(500);
/// Streams of one HTTP/2 connection at a time.
const STREAMS: u32 = 128;
/// How often an HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
/// Smallest head limit that HTTP/1 can be given.
const HEAD_MIN: usize = 8_192;

/// Serves until `shutdown` is cancelled, then lets open requests end for up to `limits.drain_time`.
///
/// Returns how many connections were cut at the end of that.
pub async fn serve(
    listener: TcpListener,
    table: Arc<ArcSwap<Table>>,
    limits: Limits,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> usize {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let server = Arc::new(server(&limits));
    let gateway = Arc::new(Gateway {
        table,
        requests: Arc::new(Semaphore::new(limits.requests)),
        limits,
        metrics,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    });
    // Whoever drops this future has no open connection left.
    let stop = gateway.stop.clone().drop_guard();
    let turned_away = Loud::default();
    let accepting = shutdown.run_until_cancelled(async {
        let mut said = None;
        let crowd = Crowd::of(gateway.limits.connections);
        while let Some(permit) = room(&connections).await {
            let (stream, address) = accept(&listener, &mut said).await;
            let trusted = is_among(&gateway.limits.trusted, address.ip());
            // Proxies and programs of this machine speak for many.
            let counted = !trusted && !address.ip().to_canonical().is_loopback();
            let member = counted.then(|| crowd.enter(address.ip()));
            if let Some(None) = member {
                gateway.metrics.turned_away.inc();
                if let Some(more) = turned_away.say() {
                    tracing::warn!("{} has as many connections as one address may have, and gets no more{more}", address.ip());
                }
                continue;
            }
            let client = Client::new(
                Arc::clone(&gateway),
                address,
                trusted,
                permit,
                member.flatten(),
            );
            let client = Arc::new(client);
            let connection = connection(Arc::clone(&server), client, stream, shutdown.clone());
            gateway.tasks.spawn(connection);
        }
    });
    accepting.await;
    drop(listener);
    gateway.tasks.close();
    let drained = tokio::time::timeout(gateway.limits.drain_time, gateway.tasks.wait()).await;
    let cut = if drained.is_ok() {
        0
    } else {
        gateway.tasks.len()
    };
    drop(stop);
    gateway.tasks.wait().await;
    cut
}

/// Room for one more connection, for which is waited; that there is none is said.
async fn room(connections: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(connections).try_acquire_owned() {
        return Some(permit);
    }
    let waiting = Arc::clone(connections).acquire_owned();
    tokio::pin!(waiting);
    loop {
        if let Ok(permit) = tokio::time::timeout(FULL_SAID, &mut waiting).await {
            return permit.ok();
        }
        tracing::warn!(
            "all connections have been in use for {} s, and more wait: see gateway_connections of /metrics",
            FULL_SAID.as_secs()
        );
    }
}

fn server(limits: &Limits) -> auto::Builder<Streams> {
    let head_bytes = limits.head_bytes.max(HEAD_MIN);
    let mut server = auto::Builder::new(Streams(limits.take_time));
    (server.http1())
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(head_bytes);
    (server.http2())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    server
}

/// Waits for a connection, however long that fails. `said`: when people were told last that it does.
async fn accept(listener: &TcpListener, said: &mut Option<Instant>) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                if said.is_none_or(|said| said.elapsed() > ACCEPT_SAID) {
                    tracing::warn!("cannot accept connections, and goes on trying: {error}");
                    *said = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection until it ends, or is told to.
async fn connection(
    builder: Arc<auto::Builder<Streams>>,
    client: Arc<Client>,
    stream: TcpStream,
    shutdown: CancellationToken,
) {
    let waits = Arc::<AtomicBool>::default();
    let stream = match Outlet::new(stream, Arc::clone(&waits)) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!("a connection ended at once: {error}");
            return;
        }
    };
    let gateway = &client.gateway;
    let service = service_fn(|request| {
        client.asked.store(true, Ordering::Relaxed);
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(forward::answer(&client, request).await) }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(gateway.limits.take_time));
    let io = TokioIo::new(Box::pin(stream));
    let mut serving = pin!(builder.serve_connection_with_upgrades(io, service));
    // Connections that never say which protocol they speak, or are idle: over HTTP/1 the head of a request has a limit of its
    // own, and over HTTP/2 there is none.
    let mut look = tokio::time::interval(gateway.limits.head_time);
    look.tick().await;
    let mut began = false;
    let (mut ending, mut idle) = (false, None);
    let mut first = pin!(async {
        shutdown.cancelled().await;
        // Who was accepted is answered, as one is whose request has begun to come.
        if !client.asked.load(Ordering::Relaxed) {
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    });
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(client = %client.address, "a connection ended: {error}");
                }
                return;
            }
            () = gateway.stop.cancelled() => return,
            () = shutdown.cancelled(), if !ending && began => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                let asked = client.asked.swap(false, Ordering::Relaxed);
                began |= asked;
                // Each open request has the client too. What waits for the socket has a limit of its own.
                if asked || Arc::strong_count(&client) > 1 || waits.load(Ordering::Relaxed) {
                    idle = None;
                    continue;
                }
                if !began {
                    return;
                }
                if !ending {
                    ending = true;
                    serving.as_mut().graceful_shutdown();
                }
                // Over HTTP/2 the end of an answer may wait for the client to have room in its stream.
                let since: &mut Instant = idle.get_or_insert_with(Instant::now);
                if since.elapsed() >= gateway.limits.take_time {
                    return;
                }
            }
        }
    }
}
