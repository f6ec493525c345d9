//! One app harms no other: a panic in the work on one thing ends that piece of work, and not the program.
//!
//! A panic is a fault of this program. Its message is passed on, counted and said; what was being worked on stays as it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;

/// Runs a piece of work to its end; the message of the panic where it does not come to it.
///
/// What the work shares with others is behind locks that are only held to read and to replace, so nothing is left half done.
pub(super) async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    result.map_err(|panic| message(panic.as_ref()))
}

/// The same for work that waits for nothing.
pub(super) fn guarded_now<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = (panic.downcast_ref::<&str>().copied())
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

/// Panics where the app is called as the variable says: tests prove by it that others go on. No program that is built for
/// release reads it.
#[cfg(debug_assertions)]
pub(super) fn inject(app: &str) {
    let named = std::env::var("CUTWATER_TEST_PANIC");
    assert!(
        named.is_err() || named.is_ok_and(|named| named != app),
        "a test asked for it"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_message() {
        let number: Option<u32> = std::hint::black_box(None);
        assert_eq!(guarded(async { 3 }).await, Ok(3));
        let failed = guarded(async { number.unwrap() }).await;
        assert!(failed.unwrap_err().contains("None"));
        let failed = guarded_now(|| number.expect("a number"));
        assert_eq!(failed, Err("a number".to_owned()));
    }
}
