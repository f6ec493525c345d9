//! Which version a user meets, where the requests of one user belong together.
//!
//! Pure. 10,000 slots, one per basis point, are given to versions; a key always falls into the same slot. No hash of the
//! key and the shares alone could keep what is promised here, so each assignment is made from the one before it:
//!
//! - a slot moves only from a version that loses share to a version that gains share,
//! - and exactly as many move as must: what the losing versions lose.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::words::{Share, Total, VersionNumber};

/// The version of each slot. Slot `n` is the `n`th basis point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots(Vec<VersionNumber>);

/// Why a text holds no slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is damaged: it is not what its checksum was made of, or holds no {COUNT} slots")]
pub struct SlotsError;

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

/// Runs of slots with one version, behind a checksum: `4f1c8a90 7x9000 8x1000`. Small, for versions have few runs.
impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs: Vec<String> = (self.0.chunk_by(|a, b| a == b))
            .map(|run| format!("{}x{}", run[0].get(), run.len()))
            .collect();
        let runs = runs.join(" ");
        write!(f, "{} {runs}", checksum(&runs))
    }
}

impl FromStr for Slots {
    type Err = SlotsError;

    fn from_str(text: &str) -> Result<Self, SlotsError> {
        let (sum, runs) = text.split_once(' ').ok_or(SlotsError)?;
        if sum != checksum(runs) {
            return Err(SlotsError);
        }
        let mut slots = Vec::new();
        for run in runs.split(' ') {
            let (version, count) = run.split_once('x').ok_or(SlotsError)?;
            let version = version.parse().ok().and_then(VersionNumber::new);
            let count: u64 = count.parse().map_err(|_| SlotsError)?;
            // Before they are made: a text may ask for any number.
            if count > COUNT {
                return Err(SlotsError);
            }
            let version = version.ok_or(SlotsError)?;
            slots.extend((0..count).map(|_| version));
        }
        let whole = slots.len() as u64 == COUNT;
        whole.then_some(Self(slots)).ok_or(SlotsError)
    }
}

fn checksum(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..4])
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
    if Total::of(shares.iter().map(|(_, share)| *share)) != Total::ALL {
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
        None => vec![None; Share::ALL.basis_points() as usize],
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

    #[test]
    fn slots_are_read_as_they_were_written_and_what_is_damaged_is_refused() {
        let before = slots(None, &shares(&[(7, 5_000), (8, 5_000)])).unwrap();
        let slots = slots(Some(&before), &shares(&[(8, 2_500), (12, 7_500)])).unwrap();
        let text = slots.to_string();
        assert_eq!(text.split_once(' ').unwrap().1, "12x5000 8x2500 12x2500");
        assert_eq!(text.parse(), Ok(slots));
        let sealed = |runs: &str| format!("{} {runs}", checksum(runs));
        for damaged in [
            String::new(),
            "12x5000 8x2500 12x2500".to_owned(),
            text.replace("8x2500", "9x2500"),
            text[..text.len() - 1].to_owned(),
            sealed("7x9999"),
            sealed("7x10001"),
            sealed("7x18446744073709551615 8x10001"),
            sealed("0x10000"),
            sealed("7x10000 "),
            sealed("x"),
        ] {
            assert_eq!(damaged.parse::<Slots>(), Err(SlotsError), "{damaged}");
        }
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
