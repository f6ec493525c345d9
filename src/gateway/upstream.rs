//! One process behind the gateway: its open requests, and connections to it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::upload::Upload;
use super::wire::Wire;

/// Most idle connections that are kept.
const IDLE_MAX: usize = 64;
/// How long an idle connection is used again: below the 5 s after which Node closes one. A request that may be repeated is, where
/// the process closes just then.
const IDLE_TIME: Duration = Duration::from_secs(4);
/// The same for a request that may not be repeated: below the 2 s after which gunicorn closes one.
const SURE_TIME: Duration = Duration::from_secs(1);
/// The bit of the state that says that no more requests are taken; the others count.
const DRAINING: usize = 1 << (usize::BITS - 1);

/// A connection that can carry a request.
pub(super) type Sender = http1::SendRequest<Upload>;

/// One process: its address, how many requests and upgraded connections are open, and idle connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    /// Count and [`DRAINING`] in one word, so that no request slips in between.
    state: AtomicUsize,
    /// How many of them have no end of their own.
    endless: AtomicUsize,
    fewer_open: Notify,
    idle: Mutex<VecDeque<(Sender, Instant)>>,
}

/// An open request or upgraded connection; dropped when its last byte has passed.
#[derive(Debug)]
pub(super) struct Open {
    upstream: Arc<Upstream>,
    endless: AtomicBool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// A connection ended, the process takes no other one, and another process may have the request.
    #[error("cannot connect: {error}")]
    Again {
        request: Box<Request<Upload>>,
        /// The process may have seen it: it is one that changes nothing.
        seen: bool,
        error: io::Error,
    },
    #[error("cannot connect in time")]
    ConnectTime,
    #[error("{0}")]
    Ended(hyper::Error),
}

impl Upstream {
    /// A process that listens at this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            state: AtomicUsize::new(0),
            endless: AtomicUsize::new(0),
            fewer_open: Notify::new(),
            idle: Mutex::default(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests and upgraded connections that are open.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.state.load(Ordering::SeqCst) & !DRAINING
    }

    /// Takes no more requests from now on, and returns when the last open one has ended. For good: a process that is to
    /// serve again gets a new upstream. May be cancelled, and called again to wait on.
    pub async fn drain(&self) {
        self.state.fetch_or(DRAINING, Ordering::SeqCst);
        self.lock().clear();
        loop {
            let mut ended = std::pin::pin!(self.fewer_open.notified());
            ended.as_mut().enable();
            if self.open_requests() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Returns once no request is open but those without an end of their own: upgraded connections and event streams. It may
    /// take new ones.
    pub async fn answered(&self) {
        loop {
            let mut ended = std::pin::pin!(self.fewer_open.notified());
            ended.as_mut().enable();
            if self.open_requests() <= self.endless.load(Ordering::SeqCst) {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn takes_requests(&self) -> bool {
        self.state.load(Ordering::SeqCst) & DRAINING == 0
    }

    /// Counts a request in; `None` where it takes none any more.
    pub(super) fn open(self: &Arc<Self>) -> Option<Open> {
        let before = self.state.fetch_add(1, Ordering::SeqCst);
        let open = Open {
            upstream: Arc::clone(self),
            endless: AtomicBool::new(false),
        };
        (before & DRAINING == 0).then_some(open)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Sender, Instant)>> {
        self.idle.lock()
    }

    /// The idle connection that was used last, if one is fit for use and has been idle for no longer than this.
    fn reuse(&self, time: Duration) -> Option<Sender> {
        let mut idle = self.lock();
        while let Some((sender, since)) = idle.pop_back() {
            let age = since.elapsed();
            if age > IDLE_TIME {
                // All others have been idle for longer.
                idle.clear();
            } else if age > time {
                idle.push_back((sender, since));
                return None;
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.lock();
        // Under the lock: `drain` sets its mark first and empties the list then.
        if !self.takes_requests() {
            return;
        }
        while idle.len() >= IDLE_MAX
            || (idle.front()).is_some_and(|(_, since)| since.elapsed() > IDLE_TIME)
        {
            idle.pop_front();
        }
        idle.push_back((sender, Instant::now()));
    }

    async fn connect(&self, time: Duration) -> Result<Sender, SendError> {
        let stream = tokio::time::timeout(time, TcpStream::connect(self.address))
            .await
            .map_err(|_| SendError::ConnectTime)?
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(SendError::Connect)?;
        let (sender, connection) = http1::Builder::new()
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(TokioIo::new(Wire(stream)))
            .await
            .map_err(SendError::Ended)?;
        // It ends with its sender, and what it has to say the request hears.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}

/// A connection, and whether it has carried a request before.
pub(super) struct Connection {
    sender: Sender,
    reused: bool,
}

impl Open {
    /// A connection for a request of this method. Where there is none, nothing was sent.
    pub(super) async fn connection(
        &self,
        method: &Method,
        connect_time: Duration,
    ) -> Result<Connection, SendError> {
        self.connected(idle_time(method), connect_time).await
    }

    async fn connected(
        &self,
        time: Duration,
        connect_time: Duration,
    ) -> Result<Connection, SendError> {
        let (sender, reused) = match self.upstream.reuse(time) {
            Some(sender) => (sender, true),
            None => (self.upstream.connect(connect_time).await?, false),
        };
        Ok(Connection { sender, reused })
    }

    /// Sends a request, first over this connection, and returns the head of the answer, with the connection that carries the rest.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        mut connection: Connection,
        connect_time: Duration,
    ) -> Result<(Response<Incoming>, Sender), SendError> {
        let repeatable = request.method().is_idempotent();
        let mut time = idle_time(request.method());
        let mut seen = false;
        loop {
            let Connection { mut sender, reused } = connection;
            let mut again = (reused && repeatable).then(|| repeated(&request)).flatten();
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut error) => match error.take_message() {
                    // Nothing of it was sent; each turn takes a connection from the list, so this ends.
                    Some(unsent) if reused => request = unsent,
                    Some(unsent) if !seen || unsent.method().is_safe() => {
                        // The process ended right after it had taken the connection.
                        return Err(SendError::Again {
                            request: Box::new(unsent),
                            seen,
                            error: io::Error::other(error.into_error()),
                        });
                    }
                    _ => {
                        let error = error.into_error();
                        match again.take().filter(|_| !error.is_parse()) {
                            // The process closed the connection when the request was on its way. The next one is a new one.
                            Some(same) => (request, time, seen) = (same, Duration::ZERO, true),
                            None => return Err(SendError::Ended(error)),
                        }
                    }
                },
            }
            connection = match self.connected(time, connect_time).await {
                Ok(connection) => connection,
                Err(SendError::Connect(error)) if !seen || request.method().is_safe() => {
                    let request = Box::new(request);
                    return Err(SendError::Again {
                        request,
                        seen,
                        error,
                    });
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Keeps a connection whose answer has been read, once it is ready for another request.
    pub(super) fn keep(&self, mut sender: Sender) {
        if sender.is_ready() {
            self.upstream.keep(sender);
        } else if !sender.is_closed() {
            let upstream = Arc::clone(&self.upstream);
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    upstream.keep(sender);
                }
            });
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// The answer has no end of its own.
    pub(super) fn is_endless(&self) {
        if !self.endless.swap(true, Ordering::SeqCst) {
            self.upstream.endless.fetch_add(1, Ordering::SeqCst);
            self.upstream.fewer_open.notify_waiters();
        }
    }
}

/// For how long a connection may have been idle that is to carry a request of this method.
fn idle_time(method: &Method) -> Duration {
    if method.is_idempotent() {
        IDLE_TIME
    } else {
        SURE_TIME
    }
}

/// The same request once more; nothing where it has a body, which is gone with the first one.
fn repeated(request: &Request<Upload>) -> Option<Request<Upload>> {
    let mut again = Request::new(request.body().again()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.endless.load(Ordering::SeqCst) {
            self.upstream.endless.fetch_sub(1, Ordering::SeqCst);
        }
        self.upstream.state.fetch_sub(1, Ordering::SeqCst);
        self.upstream.fewer_open.notify_waiters();
    }
}
