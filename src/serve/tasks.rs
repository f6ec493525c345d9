//! The long tasks of `serve`, which go on until they are told to end. One that ends unasked, by a panic above all, ends the
//! program, so that nothing dies unseen: whoever watches over the program starts it again, and it goes on where it was.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::panics::Panic;

/// All of them.
#[derive(Default)]
pub(super) struct Tasks {
    set: JoinSet<()>,
    /// What each is for.
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one. `does` says what for, as in `the task that follows the repository`.
    pub(super) fn spawn(
        &mut self,
        does: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), does);
        handle
    }

    /// Waits until one has ended; what it was for, and how it ended.
    pub(super) async fn ended(&mut self) -> String {
        let (id, how) = match self.set.join_next_with_id().await {
            None => pending().await,
            Some(Ok((id, ()))) => (id, "ended by itself".to_owned()),
            Some(Err(error)) => (error.id(), said(error)),
        };
        let does = self.names.get(&id).copied().unwrap_or("works");
        format!("the task that {does} {how}")
    }
}

/// How a task failed, in words.
pub(super) fn said(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("panicked: {}", Panic::of(panic.as_ref())),
        Err(error) => error.to_string(),
    }
}

/// When something was done last.
#[derive(Debug)]
pub(super) struct Last(Mutex<Instant>);

impl Last {
    /// Now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Takes note that it was done now.
    pub(super) fn note(&self) {
        *self.lock() = Instant::now();
    }

    /// How long ago that was.
    pub(super) fn age(&self) -> Duration {
        self.lock().elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_ends_is_named_with_how_it_ended() {
        let mut tasks = Tasks::default();
        tasks.spawn("waits", pending());
        tasks.spawn("looks", async { panic!("no {}", "thread") });
        assert_eq!(
            tasks.ended().await,
            "the task that looks panicked: no thread"
        );
        tasks.spawn("tells", async {});
        assert_eq!(tasks.ended().await, "the task that tells ended by itself");
    }
}
