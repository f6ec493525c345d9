//! Which version goes for a way back where the last pods of several versions have all places.
//!
//! Pure. A last pod goes only with the share of its version, and that only rises elsewhere when a pod of what comes is ready: where not one
//! has a place, neither ever happens. So after the deadline the version with the smallest share leaves, and the others step in for it.

use super::demand::{falling, rising};
use super::effective::share_of;
use super::world::{Split, Version, World};
use super::{progress, room, served};
use crate::words::VersionNumber;

/// The version whose share goes now, if any has to. `late`: it was waited as long as a way back waits.
pub(super) fn yields(world: &World, split: &Split, late: bool) -> Option<VersionNumber> {
    let progress = progress::past(world, split).filter(|progress| progress.lean && late)?;
    let is_known =
        |version| progress.back.contains(&version) || served::has_share(world, split, version);
    let is_stuck = progress::is_back(world, split, progress)
        && rising(split).all(|(version, _)| is_known(version))
        && !room::barren(world, split).is_empty();
    if !is_stuck || makes_room(world) {
        return None;
    }
    let is_last = |version: &VersionNumber| {
        let state = world.versions.get(version);
        state.is_none_or(|state| state.functions.values().all(|it| room::placed(it) <= 1))
    };
    let leaving: Vec<_> = falling(split).collect();
    let all_last = leaving.iter().all(|(version, _)| is_last(version));
    if leaving.len() < 2 || !all_last {
        return None;
    }
    let wanted = split.wanted.as_deref().unwrap_or_default();
    let gone = leaving
        .into_iter()
        .filter(|(version, _)| share_of(wanted, *version).is_zero());
    let smallest = gone.min_by_key(|(version, share)| (*share, *version));
    smallest.map(|(version, _)| version)
}

/// True where a version that no split sends anything to, nor lists, has pods: they go by themselves.
fn makes_room(world: &World) -> bool {
    let is_used = |version: VersionNumber| {
        world.splits.iter().any(|split| {
            let wanted = split.wanted.iter().flat_map(|wanted| wanted.iter());
            let mut named = wanted.chain(&split.last);
            named.any(|(other, _)| *other == version)
        })
    };
    let has_pods = |state: &Version| state.functions.values().any(|it| room::placed(it) > 0);
    (world.versions.iter()).any(|(version, state)| has_pods(state) && !is_used(*version))
}
