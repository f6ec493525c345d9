//! A watch that fails: since when, why, and whether that makes the controller unready.

use std::time::{Duration, Instant};

/// A watch that has not failed again for this time goes on: it is tried at least every five seconds, and a connection is given
/// up after thirty.
pub(super) const QUIET: Duration = Duration::from_secs(45);
/// From this time on, a watch that fails makes the controller unready.
const LASTING: Duration = Duration::from_secs(30);

/// A kind whose watch fails.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) since: Instant,
    pub(super) again: Instant,
    pub(super) why: String,
}

impl Failing {
    pub(super) fn lasts(&self) -> bool {
        self.again.elapsed() < QUIET && self.since.elapsed() > LASTING
    }
}
