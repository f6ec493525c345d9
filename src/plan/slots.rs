//! Which version a user meets, where the requests of one user belong together.
//!
//! Pure. 10,000 slots, one per basis point, are given to versions; a key always falls into the same slot. No hash of the
//! key and the shares alone could keep what is promised here, so each assignment is made from the one before it:
//!
//! - a slot moves only from a version that loses share to a version that gains share,
//! - and exactly as many move as must: what the losing versions lose.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::words::{Share, VersionNumber};

/// The version of each slot. Slot `n` is the `n`th basis point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots(Vec<VersionNumber>);

/// Number of slots: one per basis point.
pub const COUNT: u64 = 10_000;

impl Slots {
    /// The version that a key falls to. The slot of a key is the first eight bytes of its SHA-256, as a big-endian number,
    /// modulo 10,000; this never changes.
    #[must_use]
    pub fn version(&self, key: &[u8]) -> VersionNumber {
        let slot = usize::try_from(key_hash(key) % COUNT).unwrap_or_default();
        self.0[slot]
    }

    /// The versions of all 10,000 slots, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = VersionNumber> {
        self.0.iter().copied()
    }
}

/// The first eight bytes of the SHA-256 of a key, as a big-endian number.
#[must_use]
pub fn key_hash(key: &[u8]) -> u64 {
    (Sha256::digest(key).iter().take(8)).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Slots for these shares, made from the previous ones; the first time in the order of the entries.
///
/// `None` where the shares do not total 100 %.
#[must_use]
pub fn slots(previous: Option<&Slots>, shares: &[(VersionNumber, Share)]) -> Option<Slots> {
    let total: u32 = shares.iter().map(|(_, share)| share.basis_points()).sum();
    if total != Share::ALL.basis_points() {
        return None;
    }
    let mut left: BTreeMap<VersionNumber, u32> = BTreeMap::new();
    for (version, share) in shares {
        *left.entry(*version).or_default() += share.basis_points();
    }
    let mut take = |version: VersionNumber| {
        let left = left.get_mut(&version).filter(|left| **left > 0)?;
        *left -= 1;
        Some(version)
    };
    // First everybody keeps what it may keep; then what is free goes to those that still lack some, in order.
    let kept: Vec<Option<VersionNumber>> = match previous {
        Some(previous) => previous.iter().map(&mut take).collect(),
        None => vec![None; total as usize],
    };
    let mut lacking = shares
        .iter()
        .flat_map(|(version, share)| std::iter::repeat_n(*version, share.basis_points() as usize));
    kept.into_iter()
        .map(|slot| slot.or_else(|| lacking.find_map(&mut take)))
        .collect::<Option<Vec<_>>>()
        .map(Slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(list: &[(u32, u32)]) -> Vec<(VersionNumber, Share)> {
        list.iter()
            .map(|(number, points)| {
                let version = VersionNumber::new(*number).unwrap();
                (version, Share::from_basis_points(*points))
            })
            .collect()
    }

    /// How many slots each version has.
    fn counts(slots: &Slots) -> BTreeMap<VersionNumber, u32> {
        let mut counts = BTreeMap::new();
        for version in slots.iter() {
            *counts.entry(version).or_default() += 1;
        }
        counts
    }

    #[test]
    fn the_first_slots_are_given_in_the_order_of_the_entries() {
        let slots = slots(None, &shares(&[(8, 1_000), (7, 9_000)])).unwrap();
        let numbers: Vec<u32> = slots.iter().map(VersionNumber::get).collect();
        assert_eq!(numbers.len(), 10_000);
        assert!(numbers[..1_000].iter().all(|number| *number == 8));
        assert!(numbers[1_000..].iter().all(|number| *number == 7));
    }

    #[test]
    fn shares_that_are_not_all_have_no_slots() {
        assert_eq!(slots(None, &shares(&[(8, 1_000), (7, 8_999)])), None);
        assert_eq!(slots(None, &[]), None);
    }

    /// Written down, so that no release moves users.
    #[test]
    fn the_slot_of_a_key_never_changes() {
        assert_eq!(key_hash(b"anna") % 10_000, 6_846);
        assert_eq!(key_hash(b""), 0xe3b0_c442_98fc_1c14);
    }

    /// Up to ten versions, some of them at 0 %.
    fn any_split() -> impl Strategy<Value = Vec<(VersionNumber, Share)>> {
        proptest::collection::btree_map(1..14_u32, 0..100_u32, 1..=10)
            .prop_map(|map| map.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
            .prop_map(|list| {
                let total = list.iter().map(|(_, weight)| weight).sum::<u32>().max(1);
                let mut points: Vec<(u32, u32)> = (list.iter())
                    .map(|(number, weight)| (*number, weight * 10_000 / total))
                    .collect();
                points[0].1 += 10_000 - points.iter().map(|(_, points)| points).sum::<u32>();
                shares(&points)
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn slots_move_only_from_losers_to_gainers_and_no_more_than_must(
            chain in proptest::collection::vec(any_split(), 2..8),
        ) {
            let mut before: Option<(Slots, BTreeMap<VersionNumber, u32>)> = None;
            for split in chain {
                let previous = before.as_ref().map(|(slots, _)| slots);
                let after = slots(previous, &split).unwrap();
                let has = counts(&after);
                let has_now = |version: VersionNumber| has.get(&version).copied().unwrap_or(0);
                for (version, share) in &split {
                    prop_assert_eq!(has_now(*version), share.basis_points());
                }
                if let Some((before, had)) = &before {
                    let had_before = |version: VersionNumber| had.get(&version).copied().unwrap_or(0);
                    let mut moved = 0;
                    for (from, to) in before.iter().zip(after.iter()).filter(|(a, b)| a != b) {
                        moved += 1;
                        prop_assert!(has_now(from) < had_before(from), "{from} loses none");
                        prop_assert!(has_now(to) > had_before(to), "{to} gains none");
                    }
                    let must: u32 = (had.iter())
                        .map(|(version, had)| had.saturating_sub(has_now(*version)))
                        .sum();
                    prop_assert_eq!(moved, must);
                }
                before = Some((after, has));
            }
        }
    }
}
