//! Shares out of random splits and standings, and the cases by name.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::effective::*;
use super::loss;
use crate::words::{Share, Shares, VersionNumber};

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
    resume(wanted, last, last, standings)
}

/// As [`run`], where some versions of a split had stepped in for others.
fn resume(
    wanted: &[(u32, u32)],
    last: &[(u32, u32)],
    intact: &[(u32, u32)],
    standings: &[(u32, Standing)],
) -> Option<Shares> {
    let standings: BTreeMap<_, _> = standings.iter().map(|(n, s)| (v(*n), *s)).collect();
    let (wanted, last, intact) = (shares(wanted), shares(last), shares(intact));
    effective(&wanted, &last, &intact, OnLoss::Shift, |version| {
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
    let back = effective(&shares(&split), &without, &without, OnLoss::Shift, |_| {
        READY
    });
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
    let got = effective(&split, &split, &split, OnLoss::Hold, |version| {
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
        last in prop_oneof![Just(Shares::new()), any_split()],
        before in prop_oneof![Just(None), any_split().prop_map(Some)],
        standings in any_standings(),
        hold in any::<bool>(),
    ) {
        let on_loss = if hold { OnLoss::Hold } else { OnLoss::Shift };
        let standing = |version: VersionNumber| standings[version.get() as usize];
        let last: Shares = last.into_iter().filter(|(_, share)| !share.is_zero()).collect();
        let intact = before.unwrap_or_else(|| last.clone());
        let intact: Shares = intact.into_iter().filter(|(_, share)| !share.is_zero()).collect();
        // What has a share is named.
        let standing = |version: VersionNumber| Standing {
            named: standing(version).named || !share_of(&last, version).is_zero(),
            ..standing(version)
        };
        let versions = wanted.iter().chain(&last).chain(&intact);
        let all = versions.map(|(version, _)| (*version, standing(*version))).collect();
        // As a plan does it: what was decided, and from what the next one is.
        let decide = |last: &Shares, origin: &Shares| {
            let intact = loss::intact(&wanted, on_loss, origin, (&all, &all));
            let got = effective(&wanted, last, &intact, on_loss, standing);
            let said = got.as_ref().unwrap_or(last);
            let past = if origin == last { Shares::new() } else { origin.clone() };
            let next = loss::remembered(&wanted, (&past, intact), last, said);
            (next.map_or_else(|| said.clone(), |intact| intact.shares), got)
        };
        let (next, got) = decide(&last, &intact);
        let Some(got) = got else {
            // Nothing that has or may have a share is ready: what was said before is as good.
            for (version, share) in last.iter().chain(&wanted).chain(&intact) {
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
        // What is wanted comes first, in its order.
        let place = |version| wanted.iter().position(|(listed, _)| *listed == version);
        let order: Vec<usize> = (got.iter())
            .map(|(version, _)| place(*version).unwrap_or(wanted.len()))
            .collect();
        prop_assert!(order.is_sorted(), "order was not kept: {order:?}");
        let (next, again) = decide(&got, &next);
        // Where nobody can serve any more, what was said stays.
        prop_assert_eq!(again.as_ref().unwrap_or(&got), &got, "not stable");
        let (last, _) = decide(&got, &next);
        prop_assert_eq!(last, next, "what is remembered is not stable");
    }
}

#[test]
fn who_was_lost_comes_back_to_what_it_had() {
    let intact = [(1, 9_500), (2, 500)];
    let stepped_in = [(2, 10_000)];
    let unheard = Standing {
        eligible: false,
        ..READY
    };
    for (first, becomes) in [
        (DOWN, &stepped_in[..]),
        (AWAITED, &stepped_in),
        (unheard, &stepped_in),
        (bears(2_000), &[(1, 2_000), (2, 8_000)]),
        (READY, &intact),
    ] {
        let got = resume(
            &[(3, 10_000)],
            &stepped_in,
            &intact,
            &[(1, first), (3, DOWN)],
        );
        assert_eq!(got, Some(shares(becomes)), "{first:?}");
    }
    // What is wanted took of it meanwhile.
    let intact = [(3, 2_000), (1, 7_600), (2, 400)];
    let got = resume(&[(3, 2_000)], &stepped_in, &intact, &[]);
    assert_eq!(got, Some(shares(&intact)));
}
