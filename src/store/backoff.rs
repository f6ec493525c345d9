//! How long a client whose push was refused waits before it tries again.

use std::thread;
use std::time::{Duration, Instant};

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(20);
/// A try counts as if it had taken this long at least.
const SHORTEST: Duration = Duration::from_millis(50);

/// One client among those that push to the same refs.
pub(crate) struct Racer {
    lost: u32,
    /// The begin of the try that runs.
    since: Instant,
}

impl Racer {
    pub(crate) fn new() -> Self {
        Self {
            lost: 0,
            since: Instant::now(),
        }
    }

    /// The try was lost. Waits a random part of what as many tries take as were lost so far, each as long as this one.
    ///
    /// Were all that lost to try again at once, each of them would cost the server one push for each of the others. And a wait
    /// helps only as far as it is long beside a try: milliseconds at a path, seconds over ssh to a busy server.
    pub(crate) fn pause(&mut self) {
        self.lost += 1;
        let longest = (self.since.elapsed().max(SHORTEST) * self.lost).min(LONGEST);
        thread::sleep(longest.mul_f64(fastrand::f64()));
        self.since = Instant::now();
    }
}
