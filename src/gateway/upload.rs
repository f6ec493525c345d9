//! The body of a request on its way to a process: counted, bounded, and watched, never held.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Version;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use super::metrics::Counts;

/// How long is read on what a client still sends when nobody takes it any more, so that it gets to reading its answer: a
/// connection that is closed before that may take the answer with it.
const LINGER: Duration = Duration::from_secs(10);
/// The same where nothing comes.
const LINGER_IDLE: Duration = Duration::from_secs(1);

/// The body of a request.
#[derive(Debug)]
pub(super) struct Upload {
    /// `None` where the request is repeated, which has none.
    body: Option<Incoming>,
    /// Somebody has asked for it, and its end has not come.
    open: bool,
    /// Its connection is its own, and ends with it.
    own_connection: bool,
    left: u64,
    counts: Arc<Counts>,
    /// `None` where there is no body.
    progress: Option<Arc<Progress>>,
}

/// How far the body of a request has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: AtomicU64,
    bytes: AtomicU64,
    awaits_client: AtomicBool,
    too_large: AtomicBool,
    broken: AtomicBool,
    ended: AtomicBool,
}

/// Who kept silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silent {
    /// The client, in the middle of its body.
    Client,
    /// The process.
    Process,
}

/// Why the body of a request ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the body is larger than the gateway takes")]
    TooLarge,
    #[error("the client ended the body early: {0}")]
    Broken(hyper::Error),
}

impl Upload {
    pub(super) fn new(body: Incoming, version: Version, limit: u64, counts: Arc<Counts>) -> Self {
        let progress = (!body.is_end_stream()).then(Arc::default);
        Self {
            body: Some(body),
            open: false,
            own_connection: version != Version::HTTP_2,
            left: limit,
            counts,
            progress,
        }
    }

    /// The body of the same request once more; nothing where there is one.
    pub(super) fn again(&self) -> Option<Self> {
        self.progress.is_none().then(|| Self {
            body: None,
            open: false,
            own_connection: self.own_connection,
            left: self.left,
            counts: Arc::clone(&self.counts),
            progress: None,
        })
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    /// Another process is to get it.
    pub(super) fn turn(&mut self, counts: Arc<Counts>) {
        self.counts = counts;
    }

    fn mark(&self, which: fn(&Progress) -> &AtomicBool, value: bool) {
        if let Some(progress) = &self.progress {
            which(progress).store(value, Ordering::Relaxed);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        self.open = !matches!(polled, Poll::Ready(None | Some(Err(_))));
        self.mark(|progress| &progress.awaits_client, polled.is_pending());
        let is_last = Body::is_end_stream(&*self);
        let Some(frame) = ready!(polled) else {
            self.mark(|progress| &progress.ended, true);
            return Poll::Ready(None);
        };
        if let Some(progress) = &self.progress {
            progress.frames.fetch_add(1, Ordering::Relaxed);
        }
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.mark(|progress| &progress.broken, true);
                return Poll::Ready(Some(Err(UploadError::Broken(error))));
            }
        };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.mark(|progress| &progress.too_large, true);
            return Poll::Ready(Some(Err(UploadError::TooLarge)));
        };
        self.left = left;
        if let Some(progress) = &self.progress {
            progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.counts.received.inc_by(bytes);
        self.mark(|progress| &progress.ended, is_last);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(none, Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let open = self.open && self.own_connection && !Body::is_end_stream(self);
        let runtime = tokio::runtime::Handle::try_current();
        if let (true, Some(body), Ok(runtime)) = (open, self.body.take(), runtime) {
            runtime.spawn(timeout(LINGER, drained(body)));
        }
    }
}

/// Reads on to the end, or until nothing comes.
async fn drained(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(LINGER_IDLE, body.frame()).await {}
}

impl Progress {
    pub(super) fn too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    /// True once all of it was taken.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Returns when nothing has moved for that long, or at most twice that long; a client that sends fewer than `least` bytes in
/// that time counts as silent.
pub(super) async fn silence(progress: Option<Arc<Progress>>, time: Duration, least: u64) -> Silent {
    let Some(progress) = progress else {
        tokio::time::sleep(time).await;
        return Silent::Process;
    };
    let moved = || {
        let frames = progress.frames.load(Ordering::Relaxed);
        (frames, progress.bytes.load(Ordering::Relaxed))
    };
    loop {
        let before = moved();
        tokio::time::sleep(time).await;
        let now = moved();
        let awaits_client = progress.awaits_client.load(Ordering::Relaxed);
        if awaits_client && now.1 - before.1 < least {
            return Silent::Client;
        }
        if now.0 == before.0 {
            return Silent::Process;
        }
    }
}
