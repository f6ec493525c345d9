//! The pure decision: ten versions of two functions each, all ready, one change of shares.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Instant;

use cutwater::plan::{
    FunctionState, Memory, OnLoss, Owner, OwnerKind, RouteFacts, Split, Version, World, plan,
};
use cutwater::words::{FunctionName, Share, Shares, VersionNumber};
use jiff::{SignedDuration, Timestamp};

use crate::table::Row;

const ROUNDS: usize = 21;
const CALLS: u32 = 2_000;

pub fn measure() {
    let now = world(false);
    let change = world(true);
    Row::plain(
        "plan of ten versions, nothing to do",
        time(&now),
        String::new(),
    )
    .leave();
    Row::plain(
        "plan of ten versions, shares change",
        time(&change),
        String::new(),
    )
    .leave();
}

/// The median of some rounds.
fn time(world: &World) -> String {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(plan(black_box(world)));
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    format!("{:.1} µs", rounds[ROUNDS / 2])
}

fn world(change: bool) -> World {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let numbers: Vec<VersionNumber> = (1..=10)
        .map(|number| VersionNumber::new(number).unwrap())
        .collect();
    let names: Vec<FunctionName> = ["web", "api"].map(|name| name.parse().unwrap()).to_vec();
    let state = FunctionState {
        min: 2,
        max: 10,
        autoscaled: true,
        asked: 3,
        placed: 3,
        ready: 3,
        no_room: false,
        starting: false,
    };
    let versions: BTreeMap<_, _> = (numbers.iter())
        .map(|number| {
            let version = Version {
                materialised: true,
                functions: names.iter().map(|name| (name.clone(), state)).collect(),
                ready_since: Some(now - SignedDuration::from_hours(1)),
                awaited: false,
            };
            (*number, version)
        })
        .collect();
    let shares = |points: u32| -> Shares {
        let rest = (10_000 - points) / 9;
        let last = 10_000 - points - rest * 8;
        (numbers.iter().enumerate())
            .map(|(index, number)| {
                let points = match index {
                    0 => points,
                    9 => last,
                    _ => rest,
                };
                (*number, Share::from_basis_points(points))
            })
            .collect()
    };
    World {
        now,
        settle: SignedDuration::from_secs(1),
        splits: vec![Split {
            owner: Owner {
                kind: OwnerKind::Deployment,
                name: "checkout".to_owned(),
            },
            wanted: Some(shares(if change { 5_500 } else { 1_000 })),
            leaving: false,
            on_loss: OnLoss::Shift,
            rollback_window: SignedDuration::from_hours(1),
            drain: SignedDuration::from_secs(30),
            progress_deadline: SignedDuration::from_mins(10),
            protects: BTreeSet::new(),
            holds: BTreeSet::new(),
            functions: BTreeSet::from([names[0].clone()]),
            last: shares(1_000),
            routes: RouteFacts {
                exist: true,
                accepted: true,
                rejected: false,
                silent: false,
                written: None,
                several: false,
                behind: BTreeSet::new(),
                differ: false,
                sent: numbers.iter().copied().collect(),
                named: numbers.iter().copied().collect(),
                ruled: BTreeSet::new(),
                held: numbers.iter().copied().collect(),
                surplus: false,
            },
        }],
        versions,
        sent_by_others: BTreeSet::new(),
        memory: Memory::default(),
    }
}
