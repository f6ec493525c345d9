//! Which version gets which share now: the one place where a weight is decided.
//!
//! Pure and total. [`effective`] looks at what is wanted, at what the routes say now, and at how each version stands.

use crate::words::{Share, VersionNumber};

/// A split of traffic: versions with their shares, in order. Complete ones total 100 %.
pub type Shares = Vec<(VersionNumber, Share)>;

/// How a version stands, as far as sending to it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
pub struct Standing {
    /// It has ready pods behind every function that the routes reach, so it can keep the share that it has.
    pub serves: bool,
    /// The routes name it already, so that the next write may give it a share.
    pub named: bool,
    /// Each function has ready pods, and the gateways know it and its pods for sure, so it may get a share for the first time.
    pub eligible: bool,
    /// The most that its ready pods may bear; see [`super::capacity`].
    pub bears: Share,
    /// The most that it may be sent in place of a lost version; see [`super::capacity`].
    pub steps_in: Share,
    /// It does not serve, and is not lost either: see [`super::Version::awaited`].
    pub awaited: bool,
}

impl Standing {
    /// Of a version that nothing is known of.
    pub const NONE: Self = Self {
        serves: false,
        named: false,
        eligible: false,
        bears: Share::ZERO,
        steps_in: Share::ZERO,
        awaited: false,
    };
}

/// What happens to the share of a served version that loses its last ready pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The ready versions take it over until it is back.
    #[default]
    Shift,
    /// It keeps its share: its requests fail, and no other version gets more.
    Hold,
}

/// The split that can be served now, or `None` where nothing at all is ready: then the last route stays untouched.
///
/// - A wanted version gets its share as far as it is ready and its pods can bear it; a share that it has is never
///   taken from it for want of capacity, only a rise waits. Where no version that serves is ready, it gets all of its share.
/// - What is left over stays with the versions that have it now and are ready, in proportion to what they have beyond
///   their own wanted share, so that no third version's share moves while a newcomer starts.
/// - A version that is awaited keeps what it has as one that is ready does, but gets nothing in addition.
/// - If that does not use it up, a version was lost. The ready ones step in for it, in proportion to their shares and as
///   far as their pods allow; the rest stays with the lost one.
/// - If nothing serves yet, the ready wanted ones take all, in proportion to their wanted shares.
///
/// Planning again with the result as `last` gives the result again.
///
/// Order: wanted entries in their order, then carried ones in theirs. Entries without a share are left out.
pub fn effective(
    wanted: &[(VersionNumber, Share)],
    last: &[(VersionNumber, Share)],
    on_loss: OnLoss,
    standing: impl Fn(VersionNumber) -> Standing,
) -> Option<Shares> {
    let mut entries: Vec<Entry> = Vec::with_capacity(wanted.len() + last.len());
    for &(version, share) in wanted {
        entries.push(Entry {
            version,
            wanted: share.basis_points(),
            last: share_of(last, version).basis_points(),
            standing: standing(version),
            given: 0,
        });
    }
    for &(version, share) in last {
        if !entries.iter().any(|entry| entry.version == version) {
            entries.push(Entry {
                version,
                wanted: 0,
                last: share.basis_points(),
                standing: standing(version),
                given: 0,
            });
        }
    }

    if !entries.iter().any(Entry::can_serve) {
        return None;
    }
    // With nobody who serves now there is no capacity to compare with.
    let some_served = entries
        .iter()
        .any(|entry| entry.standing.serves && entry.last > 0);
    for entry in &mut entries {
        entry.given = if some_served || !entry.standing.serves {
            entry.allowed(on_loss)
        } else if entry.standing.named {
            entry.wanted
        } else {
            0
        };
    }
    let all = Share::ALL.basis_points();
    let mut left = all.saturating_sub(entries.iter().map(|entry| entry.given).sum());
    let beyond = |entry: &Entry| entry.last.saturating_sub(entry.given);
    let stays = weights(&entries, Entry::keeps, beyond);
    left -= spread(&mut entries, left.min(stays.iter().sum()), &stays);
    left -= step_in(&mut entries, left);
    let gone = weights(&entries, |entry| !entry.keeps(), beyond);
    left -= spread(&mut entries, left.min(gone.iter().sum()), &gone);
    // Nothing was lost that could keep the rest: nobody serves yet, or the routes did not total 100 %.
    let is_ready = |entry: &Entry| entry.standing.serves;
    let served = weights(&entries, is_ready, |entry| entry.last);
    left -= spread(&mut entries, left, &served);
    let named = weights(&entries, is_ready, |entry| {
        if entry.standing.named {
            entry.wanted
        } else {
            0
        }
    });
    left -= spread(&mut entries, left, &named);
    (left == 0).then(|| {
        (entries.iter().filter(|entry| entry.given > 0))
            .map(|entry| (entry.version, Share::from_basis_points(entry.given)))
            .collect()
    })
}

/// The share of a version in a split; none where it is not listed.
#[must_use]
pub fn share_of(shares: &[(VersionNumber, Share)], version: VersionNumber) -> Share {
    shares
        .iter()
        .find(|(listed, _)| *listed == version)
        .map_or(Share::ZERO, |(_, share)| *share)
}

struct Entry {
    version: VersionNumber,
    wanted: u32,
    last: u32,
    standing: Standing,
    given: u32,
}

impl Entry {
    /// What the version gets of its own wanted share.
    fn allowed(&self, on_loss: OnLoss) -> u32 {
        if !self.standing.serves {
            return if self.keeps() || on_loss == OnLoss::Hold {
                self.wanted.min(self.last)
            } else {
                0
            };
        }
        if self.last == 0 && !self.standing.eligible {
            return 0;
        }
        let bears = self.standing.bears.basis_points();
        self.wanted.min(self.last.max(bears))
    }

    /// Nobody takes over what it has.
    fn keeps(&self) -> bool {
        self.standing.serves || self.standing.awaited
    }

    /// It is ready, and has a share or may get one.
    fn can_serve(&self) -> bool {
        let standing = &self.standing;
        standing.serves && (self.last > 0 || (standing.named && self.wanted > 0))
    }

    /// What it can take over beyond what it is given.
    fn room(&self) -> u32 {
        let most = self.standing.steps_in.basis_points();
        if self.standing.serves && self.given > 0 {
            most.saturating_sub(self.given)
        } else {
            0
        }
    }
}

/// One weight per entry; none for those of which `counts` is not so.
fn weights(
    entries: &[Entry],
    counts: impl Fn(&Entry) -> bool,
    weight: impl Fn(&Entry) -> u32,
) -> Vec<u32> {
    (entries.iter())
        .map(|entry| if counts(entry) { weight(entry) } else { 0 })
        .collect()
}

/// Gives `amount` to the entries in proportion to `weights`, by largest remainder, earlier entries first where
/// remainders are equal. Returns what was given: all of it, or nothing where no entry has a weight.
fn spread(entries: &mut [Entry], amount: u32, weights: &[u32]) -> u32 {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 || amount == 0 {
        return 0;
    }
    let mut given = 0;
    let mut remainders = Vec::with_capacity(entries.len());
    for (index, (entry, weight)) in entries.iter_mut().zip(weights).enumerate() {
        let exact = u64::from(amount) * u64::from(*weight);
        let part = u32::try_from(exact / total).unwrap_or(amount);
        entry.given += part;
        given += part;
        remainders.push((std::cmp::Reverse(exact % total), index));
    }
    remainders.sort_unstable();
    for (_, index) in remainders.into_iter().take((amount - given) as usize) {
        entries[index].given += 1;
    }
    amount
}

/// As [`spread`] in proportion to the shares, but no entry beyond its room: what one cannot take goes to the others.
fn step_in(entries: &mut [Entry], amount: u32) -> u32 {
    let shares: Vec<u32> = (entries.iter())
        .map(|entry| entry.last.max(entry.given))
        .collect();
    let mut left = amount;
    while left > 0 {
        let rooms: Vec<u32> = entries.iter().map(Entry::room).collect();
        let open: Vec<u32> = (rooms.iter().zip(&shares))
            .map(|(room, share)| if *room > 0 { *share } else { 0 })
            .collect();
        let before: Vec<u32> = entries.iter().map(|entry| entry.given).collect();
        if spread(entries, left, &open) == 0 {
            break;
        }
        for (entry, (before, room)) in entries.iter_mut().zip(before.iter().zip(&rooms)) {
            entry.given = entry.given.min(before + room);
            left -= entry.given - before;
        }
    }
    amount - left
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn v(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    fn shares(list: &[(u32, u32)]) -> Shares {
        list.iter()
            .map(|(number, points)| (v(*number), Share::from_basis_points(*points)))
            .collect()
    }

    const READY: Standing = Standing {
        serves: true,
        named: true,
        eligible: true,
        bears: Share::ALL,
        steps_in: Share::ALL,
        awaited: false,
    };
    const AWAITED: Standing = Standing {
        awaited: true,
        ..Standing::NONE
    };
    const DOWN: Standing = Standing::NONE;

    fn bears(points: u32) -> Standing {
        Standing {
            bears: Share::from_basis_points(points),
            steps_in: Share::from_basis_points(points),
            ..READY
        }
    }

    fn run(
        wanted: &[(u32, u32)],
        last: &[(u32, u32)],
        standings: &[(u32, Standing)],
    ) -> Option<Shares> {
        let standings: BTreeMap<_, _> = standings.iter().map(|(n, s)| (v(*n), *s)).collect();
        effective(&shares(wanted), &shares(last), OnLoss::Shift, |version| {
            standings.get(&version).copied().unwrap_or(READY)
        })
    }

    #[test]
    fn ready_versions_get_what_is_wanted_in_the_order_wanted() {
        let got = run(&[(8, 1_000), (7, 9_000)], &[(7, 10_000)], &[]);
        assert_eq!(got, Some(shares(&[(8, 1_000), (7, 9_000)])));
    }

    #[test]
    fn the_share_of_an_unready_newcomer_stays_with_who_has_it() {
        let got = run(&[(7, 9_000), (8, 1_000)], &[(7, 10_000)], &[(8, DOWN)]);
        assert_eq!(got, Some(shares(&[(7, 10_000)])));
        // v7 keeps its own half, and v6 the half that v8 is to have.
        let got = run(
            &[(7, 5_000), (8, 5_000)],
            &[(6, 5_000), (7, 5_000)],
            &[(8, DOWN)],
        );
        assert_eq!(got, Some(shares(&[(7, 5_000), (6, 5_000)])));
        let got = run(&[(8, 10_000)], &[(6, 2_500), (7, 7_500)], &[(8, DOWN)]);
        assert_eq!(got, Some(shares(&[(6, 2_500), (7, 7_500)])));
    }

    #[test]
    fn a_share_rises_only_as_far_as_ready_pods_bear_it() {
        let got = run(&[(8, 10_000)], &[(7, 10_000)], &[(8, bears(2_000))]);
        assert_eq!(got, Some(shares(&[(8, 2_000), (7, 8_000)])));
        // What it has already it keeps.
        let got = run(
            &[(8, 10_000)],
            &[(7, 5_000), (8, 5_000)],
            &[(8, bears(2_000))],
        );
        assert_eq!(got, Some(shares(&[(8, 5_000), (7, 5_000)])));
    }

    #[test]
    fn a_lost_version_gives_its_share_to_the_ready_ones_and_gets_it_back() {
        let split = [(6, 2_000), (7, 4_000), (8, 4_000)];
        let without = run(&split, &split, &[(8, DOWN)]).unwrap();
        assert_eq!(without, shares(&[(6, 3_333), (7, 6_667)]));
        let back = effective(&shares(&split), &without, OnLoss::Shift, |_| READY);
        assert_eq!(back, Some(shares(&split)));
        // v6 can bear no more than it has: v7 takes all.
        let got = run(&split, &split, &[(8, DOWN), (6, bears(2_000))]);
        assert_eq!(got, Some(shares(&[(6, 2_000), (7, 8_000)])));
        // What nobody can bear stays with the lost one.
        let got = run(
            &split,
            &split,
            &[(8, DOWN), (6, bears(2_000)), (7, bears(5_000))],
        );
        assert_eq!(got, Some(shares(&[(6, 2_000), (7, 5_000), (8, 3_000)])));
    }

    #[test]
    fn with_hold_a_lost_version_keeps_its_share() {
        let split = shares(&[(7, 6_000), (8, 4_000)]);
        let got = effective(&split, &split, OnLoss::Hold, |version| {
            if version == v(8) { DOWN } else { READY }
        });
        assert_eq!(got, Some(split));
    }

    #[test]
    fn a_first_deployment_serves_from_what_is_ready() {
        let got = run(&[(7, 9_000), (8, 1_000)], &[], &[(7, DOWN)]);
        assert_eq!(got, Some(shares(&[(8, 10_000)])));
        assert_eq!(run(&[(7, 10_000)], &[], &[(7, DOWN)]), None);
    }

    #[test]
    fn nothing_ready_leaves_the_last_route_untouched() {
        let got = run(&[(8, 10_000)], &[(7, 10_000)], &[(7, DOWN), (8, DOWN)]);
        assert_eq!(got, None);
        // An entry at 0 % is never given a share, even when it alone is ready.
        let got = run(&[(7, 10_000), (8, 0)], &[(7, 10_000)], &[(7, DOWN)]);
        assert_eq!(got, None);
    }

    #[test]
    fn an_awaited_version_keeps_what_it_has_and_gets_no_more() {
        // v1 is to leave, and v2 is to get all.
        let two = [(1, 9_000), (2, 1_000)];
        for (last, down, kept) in [
            (&[(1, 10_000)][..], 2, &[(1, 10_000)][..]),
            (&two, 2, &[(2, 1_000), (1, 9_000)]),
            (&two, 1, &[(2, 10_000)]),
        ] {
            let got = run(&[(2, 10_000)], last, &[(down, AWAITED)]);
            assert_eq!(got, Some(shares(kept)), "{last:?}, v{down} is awaited");
        }
        // Neither is wanted any more, and the one that is ready takes nothing from the other.
        let got = run(&[(3, 10_000)], &two, &[(1, AWAITED), (3, DOWN)]);
        assert_eq!(got, Some(shares(&two)));
        // Nobody is there who could serve: what was said before stays.
        let got = run(&[(3, 10_000)], &two, &[(1, AWAITED), (2, DOWN), (3, DOWN)]);
        assert_eq!(got, None);
    }

    fn any_split() -> impl Strategy<Value = Shares> {
        proptest::collection::btree_map(1..14_u32, 0..100_u32, 1..=10).prop_map(|map| {
            let mut list: Vec<(u32, u32)> = map.into_iter().collect();
            if list.iter().all(|(_, weight)| *weight == 0) {
                list[0].1 = 1;
            }
            let total: u32 = list.iter().map(|(_, weight)| weight).sum();
            let mut points: Vec<u32> = list.iter().map(|(_, w)| w * 10_000 / total).collect();
            let missing = 10_000 - points.iter().sum::<u32>();
            *points.iter_mut().max().unwrap() += missing;
            list.iter()
                .zip(points)
                .map(|((number, _), points)| (v(*number), Share::from_basis_points(points)))
                .collect()
        })
    }

    fn any_standings() -> impl Strategy<Value = Vec<Standing>> {
        let standing = (any::<[bool; 4]>(), 0..=10_000_u32, 0..=10_000_u32).prop_map(
            |([serves, named, eligible, awaited], points, steps_in)| Standing {
                serves,
                named,
                eligible: serves && named && eligible,
                bears: Share::from_basis_points(points),
                steps_in: Share::from_basis_points(steps_in),
                awaited: awaited && !serves,
            },
        );
        proptest::collection::vec(standing, 14)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_comes_in_what_comes_out_is_a_split_that_can_be_served(
            wanted in any_split(),
            last in prop_oneof![Just(Vec::new()), any_split()],
            standings in any_standings(),
            hold in any::<bool>(),
        ) {
            let on_loss = if hold { OnLoss::Hold } else { OnLoss::Shift };
            let standing = |version: VersionNumber| standings[version.get() as usize];
            let last: Shares = last.into_iter().filter(|(_, share)| !share.is_zero()).collect();
            // What has a share is named.
            let standing = |version: VersionNumber| Standing {
                named: standing(version).named || !share_of(&last, version).is_zero(),
                ..standing(version)
            };
            let Some(got) = effective(&wanted, &last, on_loss, standing) else {
                // Nothing that has or may have a share is ready: what was said before is as good.
                for (version, share) in last.iter().chain(&wanted) {
                    let of = standing(*version);
                    prop_assert!(share.is_zero() || !of.serves || !of.named);
                }
                return Ok(());
            };
            let total: u32 = got.iter().map(|(_, share)| share.basis_points()).sum();
            prop_assert_eq!(total, 10_000);
            let some_served = last.iter().any(|(version, _)| standing(*version).serves);
            for (version, share) in &got {
                let had = share_of(&last, *version);
                let of = standing(*version);
                prop_assert!(of.named, "{version} was not named");
                prop_assert!(
                    of.serves || *share <= had,
                    "{version} is not ready and has {share}"
                );
                if of.awaited {
                    let wants = share_of(&wanted, *version);
                    prop_assert!(*share >= had.min(wants), "{version} lost its share");
                }
                if had.is_zero() && some_served {
                    prop_assert!(of.eligible, "{version} was not eligible");
                    prop_assert!(*share <= of.bears.max(of.steps_in), "{version} cannot bear {share}");
                }
            }
            let order: Vec<usize> = (got.iter())
                .map(|(version, _)| {
                    (wanted.iter().chain(&last))
                        .position(|(listed, _)| listed == version)
                        .unwrap()
                })
                .collect();
            prop_assert!(order.is_sorted(), "order was not kept: {order:?}");
            prop_assert_eq!(effective(&wanted, &got, on_loss, standing), Some(got), "not stable");
        }
    }
}
