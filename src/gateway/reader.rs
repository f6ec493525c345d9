//! Streams of HTTP/2 whose client takes nothing: they are reset, and what they hold is free again.
//!
//! A connection whose client takes nothing is found by its writes, which no longer go on. A stream is not: the connection is
//! well, and the body is not asked for its next part. So each stream knows how many parts its body has handed out, and is
//! watched while the last of them waits for room.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

tokio::task_local! {
    static STREAM: Arc<Taken>;
}

/// How far the body of one answer has come.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Parts that were handed out so far, while the last waits to be taken; 0 while the body is asked, and once it is gone.
    waiting: AtomicU64,
}

impl Taken {
    /// That of the stream whose task this is; nothing over HTTP/1.
    pub(super) fn of_stream() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    pub(super) fn handed(&self, parts: u64) {
        self.waiting.store(parts, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) {
        self.waiting.store(0, Ordering::Relaxed);
    }
}

/// Runs the streams of HTTP/2 connections, each for as long as its client takes what is there within this time.
#[derive(Debug, Clone)]
pub(super) struct Streams(pub(super) Duration);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let time = self.0;
        let taken = Arc::<Taken>::default();
        // A stream whose task ends early is reset.
        tokio::spawn(STREAM.scope(Arc::clone(&taken), until_slow(stream, taken, time)));
    }
}

async fn until_slow<F: Future>(stream: F, taken: Arc<Taken>, time: Duration) {
    let mut stream = pin!(stream);
    let mut seen = 0;
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let waiting = taken.waiting.load(Ordering::Relaxed);
        if waiting != seen {
            seen = waiting;
            timer = (waiting > 0).then(|| Box::pin(sleep(time)));
        }
        match &mut timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    })
    .await;
}
