//! A push for which others contend: how long to wait before the next look, whether the next push is one change or several, and when to
//! give up. What is pushed, and what a look at the remote says, is the caller's.
//!
//! ```text
//! push --refused--> pause --> look --> lost(what moved) --> push again, or give up
//! ```
//!
//! The pause comes before the look, so that what is decided next is decided on what is there.

use std::thread;
use std::time::{Duration, Instant};

use crate::git;

/// How often it is looked whether a signal came.
const BREATH: Duration = Duration::from_millis(50);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(20);
/// A try counts as if it had taken this long at least.
const SHORTEST: Duration = Duration::from_millis(50);
/// Most refusals in a row after which nothing had changed at the remote. Even: as many tries with several changes at once as with one.
const STANDSTILLS_MAX: u32 = 4;
/// Most tries in all where nothing else is said.
const TRIES_MAX: u32 = 40;

/// What moved at the remote since what was pushed was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Nothing: nobody was faster, and the server has another reason.
    Nothing,
    /// What the push expected elsewhere: somebody was faster.
    Expected,
    /// Something else, which does not explain the refusal.
    Other,
}

/// Why there is no further try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The server refuses, and nothing moves.
    Refused,
    /// Others were faster, this many times.
    Outrun(u32),
}

/// One client among those that push to the same refs.
pub(crate) struct Contention {
    tries: u32,
    tries_max: u32,
    /// Refusals that the refs did not explain.
    unexplained: u32,
    unexplained_max: u32,
    /// Refusals in a row after which nothing had moved.
    standstills: u32,
    atomic: bool,
    /// When the try began that runs.
    since: Instant,
}

impl Contention {
    pub(crate) fn new() -> Self {
        Self::within(TRIES_MAX, TRIES_MAX)
    }

    /// The same with at most `tries`, and as many as `unexplained` of them that the refs do not explain.
    pub(crate) fn within(tries: u32, unexplained: u32) -> Self {
        Self {
            tries: 0,
            tries_max: tries,
            unexplained: 0,
            unexplained_max: unexplained,
            standstills: 0,
            atomic: true,
            since: Instant::now(),
        }
    }

    /// True where the next push is to make its changes all at once. Some servers take no several changes at once: after a refusal that
    /// nothing explains, the one change that matters is pushed by itself, and after the next one all of them again.
    pub(crate) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// The try was lost. Unless a signal stops it, waits a random part of what as many tries take as were lost so far, each as long as this one.
    ///
    /// Were all that lost to try again at once, each of them would cost the server one push for each of the others. And a wait
    /// helps only as far as it is long beside a try: milliseconds at a path, seconds over ssh to a busy server.
    pub(crate) fn pause(&mut self) {
        self.tries += 1;
        let longest = (self.since.elapsed().max(SHORTEST) * self.tries).min(LONGEST);
        let end = Instant::now() + longest.mul_f64(fastrand::f64());
        while !git::was_interrupted() {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            thread::sleep(rest.min(BREATH));
        }
        self.since = Instant::now();
    }

    /// Counts a try that was lost, by what a look behind the pause found.
    ///
    /// # Errors
    /// When there is no further try.
    pub(crate) fn lost(&mut self, moved: Moved) -> Result<(), GivenUp> {
        if moved != Moved::Expected {
            self.atomic = !self.atomic;
        }
        match moved {
            Moved::Nothing => self.standstills += 1,
            Moved::Expected => self.standstills = 0,
            // Others get on, or something moves: that is no reason to stop, as long as it ends.
            Moved::Other => {
                self.standstills = 0;
                self.unexplained += 1;
            }
        }
        if self.standstills >= STANDSTILLS_MAX {
            return Err(GivenUp::Refused);
        }
        if self.unexplained >= self.unexplained_max {
            return Err(GivenUp::Outrun(self.unexplained));
        }
        if self.tries >= self.tries_max {
            return Err(GivenUp::Outrun(self.tries));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of tries after which this had moved.
    fn end(mut contention: Contention, moved: &[Moved]) -> Result<(), GivenUp> {
        moved.iter().try_for_each(|moved| {
            contention.tries += 1;
            contention.lost(*moved)
        })
    }

    #[test]
    fn what_is_refused_though_nothing_moves_is_given_up_soon_and_a_race_late() {
        use Moved::{Expected, Nothing, Other};
        for (moved, expected) in [
            (vec![Nothing; 3], Ok(())),
            (vec![Nothing; 4], Err(GivenUp::Refused)),
            (
                [vec![Nothing; 3], vec![Expected], vec![Nothing; 3]].concat(),
                Ok(()),
            ),
            (
                [vec![Nothing; 3], vec![Other], vec![Nothing; 3]].concat(),
                Ok(()),
            ),
            (vec![Expected; 19], Ok(())),
            (vec![Expected; 20], Err(GivenUp::Outrun(20))),
            (vec![Other; 10], Err(GivenUp::Outrun(10))),
        ] {
            assert_eq!(
                end(Contention::within(20, 10), &moved),
                expected,
                "{moved:?}"
            );
        }
    }

    #[test]
    fn a_refusal_that_nothing_explains_is_tried_the_other_way() {
        let mut contention = Contention::new();
        assert!(contention.is_atomic());
        for (moved, atomic) in [
            (Moved::Expected, true),
            (Moved::Nothing, false),
            (Moved::Expected, false),
            (Moved::Other, true),
        ] {
            assert_eq!(contention.lost(moved), Ok(()));
            assert_eq!(contention.is_atomic(), atomic, "{moved:?}");
        }
    }
}
