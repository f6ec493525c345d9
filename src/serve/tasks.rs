//! The long tasks of `serve`, which go on until they are told to end. One that ends unasked, by a panic above all, ends the
//! program, so that nothing dies unseen: whoever watches over the program starts it again, and it goes on where it was.

use std::any::Any;
use std::collections::HashMap;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::{AbortHandle, Id, JoinSet};

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
        Ok(panic) => format!("panicked: {}", words(panic.as_ref())),
        Err(error) => error.to_string(),
    }
}

/// What a panic says.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = (panic.downcast_ref::<String>().map(String::as_str))
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without words").to_owned()
}

/// Does a piece of work; the words of its panic where it comes to no end. What is half done is for the caller to put right.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words(panic.as_ref()))
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

    #[test]
    fn a_panic_in_guarded_work_is_its_words() {
        assert_eq!(guarded(|| 3), Ok(3));
        let failed: Result<u32, String> = guarded(|| panic!("a number"));
        assert_eq!(failed, Err("a number".to_owned()));
    }

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
