//! Polling with a deadline. No test sleeps for luck.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::time::{Duration, Instant};

/// What a probe may answer: `Some`/`Ok` ends the wait; `Err` says what was seen instead.
pub trait Seen {
    type Value;
    fn seen(self) -> Result<Self::Value, String>;
}

impl<T> Seen for Option<T> {
    type Value = T;
    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".into())
    }
}

impl<T, E: Display> Seen for Result<T, E> {
    type Value = T;
    fn seen(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Asks `probe` until it answers with a value, and panics past `deadline` with what was last seen.
///
/// ```ignore
/// let ready = wait_for("three ready pods", Duration::from_secs(20), async || {
///     let n = ready_pods(&pods).await;
///     if n == 3 { Ok(n) } else { Err(format!("{n} ready")) }
/// }).await;
/// ```
pub async fn wait_for<S: Seen, F: Future<Output = S>>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> F,
) -> S::Value {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    let mut last = "no answer yet".to_owned();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, probe()).await.map(Seen::seen) {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = seen,
            Err(_) => {}
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} for {what}; last seen: {last}"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Fails when `probe` answers with anything but `expected` within `time`: for what must stay as it is.
pub async fn stays<T: PartialEq + Debug, F: Future<Output = T>>(
    what: &str,
    time: Duration,
    expected: T,
    mut probe: impl FnMut() -> F,
) {
    let start = Instant::now();
    while start.elapsed() < time {
        let seen = probe().await;
        assert_eq!(seen, expected, "{what} changed after {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
