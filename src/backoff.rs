//! How long to wait after a failure: twice as long after each one in a row, up to a limit. Pure: who waits keeps the count.

use std::time::Duration;

/// Waits that double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// Waits from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after one more failure, where as many in a row went before it.
    #[must_use]
    pub fn after(self, failures: u32) -> Duration {
        let times = 2_u32.saturating_pow(failures);
        self.first.saturating_mul(times).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        for (failures, millis) in [
            (0, 200),
            (1, 400),
            (7, 25_600),
            (8, 30_000),
            (u32::MAX, 30_000),
        ] {
            assert_eq!(backoff.after(failures).as_millis(), millis, "{failures}");
        }
    }
}
