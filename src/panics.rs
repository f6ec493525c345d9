//! A panic ends the piece of work that it comes up in, and not the program: one app harms no other.
//!
//! A panic is a fault of this program. What it says is handed to the caller, who passes it on; what was being worked on stays as it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;

/// A panic that was caught, with what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panic(String);

impl Panic {
    /// What a thread or a task ended with.
    #[must_use]
    pub fn of(payload: &(dyn Any + Send)) -> Self {
        let text = (payload.downcast_ref::<&str>().copied())
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text.unwrap_or("without a message").to_owned())
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

/// Runs a piece of work to its end, or to its panic.
///
/// What the work shares with others is behind locks that are only held to read and to replace, so nothing is left half done.
///
/// # Errors
/// When it panics.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panic> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    result.map_err(|payload| Panic::of(payload.as_ref()))
}

/// The same for work that waits for nothing. What is half done is for the caller to put right.
///
/// # Errors
/// When it panics.
pub fn guarded_now<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panic::of(payload.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_message() {
        let number: Option<u32> = std::hint::black_box(None);
        assert_eq!(guarded(async { 3 }).await, Ok(3));
        assert_eq!(guarded_now(|| 3), Ok(3));
        let failed = guarded(async { number.unwrap() }).await;
        assert!(failed.unwrap_err().message().contains("None"));
        let said = |failed: Result<u32, Panic>| failed.unwrap_err().to_string();
        assert_eq!(said(guarded_now(|| number.expect("a number"))), "a number");
        assert_eq!(said(guarded_now(|| panic!("no {}", "thread"))), "no thread");
        let other = || std::panic::panic_any(3);
        assert_eq!(said(guarded_now(other)), "without a message");
    }
}
