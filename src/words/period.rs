//! A length of time as people write it in resources: `30s`, `5m`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{WORD_MAX, shown};

/// A length of time in whole seconds, written as hours, minutes and seconds in that order: `30s`, `5m`, `1h30m`.
///
/// At most 8760 hours (365 days). `0s` is a length too; `0` without a unit is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u32);

/// Longest period, in seconds: 365 days.
pub(super) const PERIOD_MAX_SECONDS: u32 = 365 * 24 * 3600;

/// What a good one looks like.
const FORM: &str = "write hours, minutes and seconds in that order, such as 30s, 5m or 1h30m";

/// Why a length of time was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a length of time: {problem}")]
pub struct PeriodError {
    given: String,
    problem: &'static str,
}

impl Period {
    /// A period of that many seconds; more than 365 days is 365 days.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(if seconds > PERIOD_MAX_SECONDS {
            PERIOD_MAX_SECONDS
        } else {
            seconds
        })
    }

    /// The length in whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// The length for timers and for arithmetic with time stamps.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(given: &str) -> Result<Self, PeriodError> {
        let fail = |problem| {
            Err(PeriodError {
                given: shown(given, WORD_MAX),
                problem,
            })
        };
        let mut rest = given;
        let mut total: u32 = 0;
        for (unit, seconds) in [('h', 3600), ('m', 60), ('s', 1)] {
            if let Some((digits, after)) = rest.split_once(unit) {
                let plain =
                    (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let Some(part) = plain.then(|| digits.parse::<u32>().ok()).flatten() else {
                    return fail(FORM);
                };
                total = total.saturating_add(part.saturating_mul(seconds));
                rest = after;
            }
        }
        if given.is_empty() || !rest.is_empty() {
            return fail(FORM);
        }
        if total > PERIOD_MAX_SECONDS {
            return fail("it is longer than 365 days (8760h)");
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Period {
    /// The shortest text with the same length: 90 seconds are `1m30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        let mut text = String::new();
        for (amount, unit) in [(hours, 'h'), (minutes, 'm'), (seconds, 's')] {
            if amount > 0 {
                text.push_str(&amount.to_string());
                text.push(unit);
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_hours_minutes_and_seconds_in_that_order() {
        for (text, seconds, again) in [
            ("0s", 0, "0s"),
            ("30s", 30, "30s"),
            ("90s", 90, "1m30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5400, "1h30m"),
            ("1h1s", 3601, "1h1s"),
            ("8760h", PERIOD_MAX_SECONDS, "8760h"),
        ] {
            let period = text.parse::<Period>().unwrap();
            assert_eq!(period.as_secs(), seconds, "{text}");
            assert_eq!(period.to_string(), again, "{text}");
            assert_eq!(again.parse::<Period>().unwrap(), period);
        }
        for bad in [
            "",
            "5",
            "s",
            "h5m",
            "5m1h",
            "1.5h",
            "-5s",
            "5 m",
            "5M",
            "1d",
            "8761h",
            "999999999s",
            "5s5s",
        ] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
