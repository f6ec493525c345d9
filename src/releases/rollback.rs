//! Where a rollback goes: a pure choice among what was deployed.
//!
//! A rollback is a new deployment, never a step backwards in a list: what counts is which versions had all the traffic, and
//! which of them somebody went away from since.

use std::collections::BTreeSet;

use super::Part;
use crate::words::{Share, VersionNumber};

/// What was deployed at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The versions with their shares; nothing where one of them cannot be said for sure.
    pub parts: Vec<Part>,
    /// For a rollback: the versions that it went away from.
    pub rolled_back_from: Vec<VersionNumber>,
}

impl Deployment {
    /// The version that had all the traffic alone.
    fn stable(&self) -> Option<VersionNumber> {
        only(&self.parts)
    }
}

/// The one version that has all the traffic; others beside it are at 0 %.
fn only(parts: &[Part]) -> Option<VersionNumber> {
    let all = parts.iter().find(|part| part.percentage == Share::ALL);
    all.map(|part| part.version)
}

/// The version of the newest stable deployment that lives, is not the only one now, and was not rolled back from since it was
/// last promoted. `past` is what was deployed, the newest first; whether it begins with what is deployed now does not matter.
#[must_use]
pub fn target(
    now: &[Part],
    past: impl IntoIterator<Item = Deployment>,
    lives: impl Fn(VersionNumber) -> bool,
) -> Option<VersionNumber> {
    let only_now = only(now);
    let mut left = BTreeSet::new();
    past.into_iter().find_map(|deployment| {
        left.extend(deployment.rolled_back_from.iter().copied());
        let version = deployment.stable()?;
        let may = !left.contains(&version) && Some(version) != only_now && lives(version);
        may.then_some(version)
    })
}

/// What a rollback to `target` goes away from: the other versions of now, the one with the largest share first.
#[must_use]
pub fn left_by(now: &[Part], target: VersionNumber) -> Vec<VersionNumber> {
    let mut others: Vec<&Part> = now.iter().filter(|part| part.version != target).collect();
    others.sort_by_key(|part| std::cmp::Reverse(part.percentage));
    others.into_iter().map(|part| part.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> VersionNumber {
        text.parse().unwrap()
    }

    /// `1` is version 1 alone, `1:90 2:10` a split, and what stands behind a `<` was rolled back from.
    fn deployment(text: &str) -> Deployment {
        let (parts, from) = text.split_once('<').unwrap_or((text, ""));
        let part = |word: &str| {
            let (version, share) = word.split_once(':').unwrap_or((word, "100"));
            Part {
                version: number(version),
                percentage: share.parse().unwrap(),
            }
        };
        Deployment {
            parts: parts.split_whitespace().map(part).collect(),
            rolled_back_from: from.split_whitespace().map(number).collect(),
        }
    }

    /// The target, where the first of `past` is what is deployed now.
    fn back(past: &[&str], dead: &[&str]) -> Option<String> {
        let past: Vec<Deployment> = past.iter().map(|text| deployment(text)).collect();
        let now = past[0].parts.clone();
        let dead: Vec<VersionNumber> = dead.iter().map(|text| number(text)).collect();
        target(&now, past, |version| !dead.contains(&version)).map(|found| found.to_string())
    }

    #[test]
    fn the_newest_stable_version_is_the_target() {
        for (past, expected) in [
            (&["2", "1"][..], Some("v1")),
            (&["1"], None),
            (&["1:90 2:10"], None),
            (&["1:90 2:10", "1"], Some("v1")),
            (&["2", "1:50 2:50", "1:90 2:10", "1"], Some("v1")),
            (&["3:100 2:0", "3", "2"], Some("v2")),
            (&["3", "1:50 2:50", "1:100 2:0", "2"], Some("v1")),
            // The same version again is no way back.
            (&["2", "2", "1"], Some("v1")),
            // Removed, or not known for sure, is nothing to go back to.
            (&["2", "", "1"], Some("v1")),
        ] {
            assert_eq!(back(past, &[]).as_deref(), expected, "{past:?}");
        }
    }

    #[test]
    fn what_was_rolled_back_from_comes_back_only_after_it_was_promoted_again() {
        for (past, expected) in [
            (&["1<2", "2", "1"][..], None),
            (&["2<3", "3", "2", "1"], Some("v1")),
            (&["1<2", "2<3", "3", "2", "1"], None),
            // Promoted again since, so it counts again.
            (&["4", "3", "2<3", "3", "2"], Some("v3")),
            (&["3", "2<3", "3", "2", "1"], Some("v2")),
            // A newer one came, and is bad too: not to the one that was bad before.
            (&["4", "2<3", "3", "2", "1"], Some("v2")),
            (&["2<4", "4", "2<3", "3", "2", "1"], Some("v1")),
            // From a split, to its older half, and once more.
            (&["1<2", "1:90 2:10", "1"], None),
            (&["2<3 1", "2:20 3:70 1:10", "3", "1", "2"], None),
        ] {
            assert_eq!(back(past, &[]).as_deref(), expected, "{past:?}");
        }
    }

    #[test]
    fn a_version_that_does_not_live_is_passed_over() {
        assert_eq!(back(&["3", "2", "1"], &["v2"]).as_deref(), Some("v1"));
        assert_eq!(back(&["3", "2", "1"], &["v1", "v2"]), None);
    }

    #[test]
    fn a_rollback_leaves_all_others_the_largest_first() {
        let now = deployment("1:20 2:10 3:70").parts;
        let left = |to: &str| {
            let left = left_by(&now, number(to));
            left.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(left("1"), ["v3", "v2"]);
        assert_eq!(left("9"), ["v3", "v1", "v2"]);
    }
}
