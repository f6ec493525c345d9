//! A share of traffic in basis points, read from the decimal text of a percentage.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{WORD_MAX, shown};

/// A share of traffic, in basis points: 0 to 10,000, which is 100 %. It is also the weight in an HTTPRoute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u16);

/// Why a percentage was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a percentage: {problem}")]
pub struct ShareError {
    given: String,
    problem: &'static str,
}

impl Share {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic.
    pub const ALL: Self = Self(10_000);

    /// A share from basis points; more than all is all.
    #[must_use]
    pub fn from_basis_points(points: u32) -> Self {
        Self(u16::try_from(points.min(10_000)).unwrap_or(10_000))
    }

    /// The share in basis points, 0 to 10,000.
    #[must_use]
    pub fn basis_points(self) -> u32 {
        u32::from(self.0)
    }

    /// What is left of all traffic beside this share.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(10_000 - self.0)
    }

    /// True for 0 %.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    /// Reads `0` to `100` with at most two decimals, from the text: 14.29 is 1,429 basis points, with no rounding of binary fractions on the way.
    fn from_str(given: &str) -> Result<Self, ShareError> {
        let fail = |problem| {
            Err(ShareError {
                given: shown(given, WORD_MAX),
                problem,
            })
        };
        let (whole, fraction) = given.split_once('.').unwrap_or((given, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return fail("write a number from 0 to 100, such as 12.5");
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 2 {
            return fail("at most two decimals are allowed");
        }
        let Ok(whole) = whole.parse::<u32>() else {
            return fail("it is more than 100");
        };
        let hundredths = format!("{fraction:0<2}").parse::<u32>().unwrap_or(0);
        if whole > 100 || (whole == 100 && hundredths > 0) {
            return fail("it is more than 100");
        }
        Ok(Self::from_basis_points(whole * 100 + hundredths))
    }
}

impl fmt::Display for Share {
    /// The percentage without the sign: `90`, `12.5`, `0.01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        let text = match hundredths {
            0 => whole.to_string(),
            h if h % 10 == 0 => format!("{whole}.{}", h / 10),
            h => format!("{whole}.{h:02}"),
        };
        f.pad(&text)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Percentage;
        impl Visitor<'_> for Percentage {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage from 0 to 100 with at most two decimals")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Share, E> {
                value.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Share, E> {
                value.to_string().parse().map_err(E::custom)
            }

            // The shortest text that reads back as this number is the text that was written, for up to 15 digits.
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Share, E> {
                value.to_string().parse().map_err(E::custom)
            }
        }
        deserializer
            .deserialize_any(Percentage)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_from_their_text_to_the_basis_point() {
        for (text, points) in [
            ("0", 0),
            ("100", 10_000),
            ("14.29", 1_429),
            ("1.15", 115),
            ("98.85", 9_885),
            ("0.01", 1),
            ("12.50", 1_250),
            ("100.00", 10_000),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.basis_points(), points, "{text}");
            let json: Share = serde_json::from_str(text).unwrap();
            assert_eq!(json, share, "{text}");
        }
        for bad in [
            "", "-1", "100.01", "101", "1.234", "1e2", "x", "1.", ".5", "NaN",
        ] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_share_survives_its_own_text_and_json() {
        for points in 0..=10_000 {
            let share = Share::from_basis_points(points);
            assert_eq!(share.to_string().parse::<Share>().unwrap(), share);
            let json = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&json).unwrap(), share);
        }
    }
}
