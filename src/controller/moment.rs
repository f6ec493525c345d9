//! Moments that this program has seen, by the clock that never jumps.
//!
//! Delays count from them. A clock of the wall that is put back, or a node whose clock is wrong, makes no delay longer or shorter.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// When something happened: some time before it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    seen: Instant,
    before: SignedDuration,
}

impl Moment {
    /// It happened now.
    pub(super) fn now() -> Self {
        Self {
            seen: Instant::now(),
            before: SignedDuration::ZERO,
        }
    }

    /// It happened at that time, as somebody else says who keeps whole seconds: what has just happened counts from now on, so
    /// that a delay is never shorter than it says. So does what is yet to come.
    pub(super) fn said(time: Timestamp, now: Timestamp) -> Self {
        let before = now.duration_since(time);
        let fresh = before < SignedDuration::from_secs(2);
        Self {
            before: if fresh { SignedDuration::ZERO } else { before },
            ..Self::now()
        }
    }

    /// How long ago it happened.
    pub(super) fn age(&self) -> SignedDuration {
        let since = SignedDuration::try_from(self.seen.elapsed()).unwrap_or(SignedDuration::MAX);
        self.before.saturating_add(since)
    }

    /// True when it was seen later than another one.
    pub(super) fn is_after(&self, other: Self) -> bool {
        self.seen > other.seen
    }

    /// The time at which it happened, for who takes it to be `now`.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.age()).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_does_not_follow_a_clock_that_jumps() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let close = |moment: Moment, wanted: Timestamp, taken: Timestamp| {
            let off = moment.time(taken).duration_since(wanted).abs();
            assert!(off < SignedDuration::from_secs(30), "{off:?}");
        };
        close(Moment::said(now - hour, now), now - hour, now);
        // The clock is put back by a day: what has just been seen has just been seen.
        close(Moment::now(), now - 24 * hour, now - 24 * hour);
        // Another clock is an hour ahead.
        close(Moment::said(now + hour, now), now, now);
        let ancient = Moment::said(Timestamp::MIN, Timestamp::MAX);
        assert_eq!(ancient.time(Timestamp::MIN), Timestamp::MIN);
    }
}
