//! The versions to choose from where a rollback does not choose by itself.

use std::collections::BTreeSet;

use super::{Event, only};
use crate::words::VersionNumber;

/// Living versions other than the one of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Those that had all the traffic and were not left since: the last one first.
    pub stable: Vec<VersionNumber>,
    /// Those that had it, and were left for another: the last one first.
    pub left: Vec<VersionNumber>,
    /// Those that never had it, as far as is known: those below the ones of now first, then the newest first, and at last those
    /// that were left.
    pub others: Vec<VersionNumber>,
}

impl Candidates {
    /// The best one.
    #[must_use]
    pub fn best(&self) -> Option<VersionNumber> {
        let mut all = self.stable.iter().chain(&self.left).chain(&self.others);
        all.next().copied()
    }
}

/// Sorts the living versions by what `past` says of them, which is as for [`target`](super::target); `left` are those that were left.
#[must_use]
pub fn candidates(
    past: &[Event],
    left: &BTreeSet<VersionNumber>,
    living: impl IntoIterator<Item = VersionNumber>,
) -> Candidates {
    let now = match past.first() {
        Some(Event::Deployed(now)) => now.parts.as_slice(),
        Some(Event::Unknown { guess, .. }) => guess,
        _ => &[],
    };
    let highest = now.iter().map(|part| part.version).max();
    let mut rest: BTreeSet<VersionNumber> = living.into_iter().collect();
    if let Some(alone) = only(now) {
        rest.remove(&alone);
    }
    let mut found = Candidates::default();
    for event in past {
        let Event::Deployed(deployed) = event else {
            continue;
        };
        let known = only(&deployed.parts).filter(|_| deployed.doubt.is_none());
        if let Some(version) = known.filter(|version| rest.remove(version)) {
            let list = if left.contains(&version) {
                &mut found.left
            } else {
                &mut found.stable
            };
            list.push(version);
        }
    }
    found.others = rest.into_iter().rev().collect();
    (found.others).sort_by_key(|version| (left.contains(version), Some(*version) > highest));
    found
}
