//! Which version gets which share of the traffic, and how that is written for people.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::{Share, VersionNumber};

/// A split of traffic: versions with their shares, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shares(Vec<(VersionNumber, Share)>);

impl Shares {
    /// A split that gives nothing to anybody.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a version at the end.
    pub fn push(&mut self, version: VersionNumber, share: Share) {
        self.0.push((version, share));
    }
}

impl Deref for Shares {
    type Target = [(VersionNumber, Share)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const N: usize> From<[(VersionNumber, Share); N]> for Shares {
    fn from(shares: [(VersionNumber, Share); N]) -> Self {
        Self(shares.into())
    }
}

impl FromIterator<(VersionNumber, Share)> for Shares {
    fn from_iter<I: IntoIterator<Item = (VersionNumber, Share)>>(shares: I) -> Self {
        Self(shares.into_iter().collect())
    }
}

impl IntoIterator for Shares {
    type Item = (VersionNumber, Share);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Shares {
    type Item = &'a (VersionNumber, Share);
    type IntoIter = std::slice::Iter<'a, (VersionNumber, Share)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Shares {
    /// `v7 90%, v8 10%`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listed(self.0.iter().copied()))
    }
}

/// `v7 90%, v8 10%`: a split as people are shown it, also where versions are named by other words than their numbers.
pub(crate) fn listed<V: fmt::Display>(shares: impl IntoIterator<Item = (V, Share)>) -> String {
    let shares = shares.into_iter();
    let shown = shares.map(|(version, share)| format!("{version} {share}%"));
    shown.collect::<Vec<_>>().join(", ")
}

/// What shares total: all traffic, or more or less than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Total(u32);

impl Total {
    /// All traffic.
    pub const ALL: Self = Self(10_000);

    /// The total of these shares.
    pub fn of(shares: impl IntoIterator<Item = Share>) -> Self {
        let points = shares.into_iter().map(Share::basis_points);
        Self(points.fold(0, u32::saturating_add))
    }

    /// What is left of all traffic, in basis points.
    #[must_use]
    pub fn left(self) -> u32 {
        Self::ALL.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Total {
    /// The percentage without the sign: `110`, `99.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, hundredths) => write!(f, "{whole}.{hundredths:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_written_in_one_way_and_read_back_in_its_order() {
        let split: Shares = [(8, 1_429), (7, 8_571), (9, 0)]
            .into_iter()
            .map(|(version, points)| {
                let version = VersionNumber::new(version).unwrap();
                (version, Share::from_basis_points(points))
            })
            .collect();
        assert_eq!(split.to_string(), "v8 14.29%, v7 85.71%, v9 0%");
        let json = serde_json::to_string(&split).unwrap();
        assert_eq!(json, "[[8,14.29],[7,85.71],[9,0]]");
        assert_eq!(serde_json::from_str::<Shares>(&json).unwrap(), split);
        assert_eq!(Total::of(split.iter().map(|(_, share)| *share)), Total::ALL);
        assert_eq!(Shares::new().to_string(), "");
    }

    #[test]
    fn a_total_may_be_more_or_less_than_all() {
        for (shares, said, left) in [
            (&[][..], "0", 10_000),
            (&["90", "9.99"], "99.99", 1),
            (&["99", "0.5"], "99.50", 50),
            (&["60", "50"], "110", 0),
        ] {
            let total = Total::of(shares.iter().map(|share| share.parse().unwrap()));
            assert_eq!((&*total.to_string(), total.left()), (said, left));
            assert_ne!(total, Total::ALL);
        }
    }
}
