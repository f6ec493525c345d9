//! Which version goes for a way back where the last pods of several versions have all places.
//!
//! Pure. A last pod goes only with the share of its version, and that only rises elsewhere when a pod of what comes is ready: where not one
//! has a place, neither ever happens. So after the deadline the version with the smallest share leaves, and the others step in for it.

use super::demand::{falling, rising};
use super::effective::share_of;
use super::world::{Split, World};
use super::{Wake, later, progress, room, served};
use crate::words::VersionNumber;

/// The version whose share goes now, if any has to. `late`: it was waited as long as a way back waits.
pub(super) fn yields(
    world: &World,
    split: &Split,
    late: bool,
    wake: &mut Wake,
) -> Option<VersionNumber> {
    let progress = progress::past(world, split).filter(|progress| progress.lean && late)?;
    let is_known =
        |version| progress.back.contains(&version) || served::has_share(world, split, version);
    let is_stuck = progress::is_back(world, split, progress)
        && rising(split).all(|(version, _)| is_known(version))
        && !room::barren(world, split).is_empty();
    if !is_stuck || makes_room(world, split, wake) {
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
    // Of what others send to, or list, the pods stay.
    let is_free = |version: VersionNumber| {
        let others = world.splits.iter().filter(|it| it.owner != split.owner);
        let is_kept = world.sent_by_others.contains(&version)
            || split.routes.behind.contains(&version)
            || split.holds.contains(&version)
            || others.into_iter().any(|other| names(other, version));
        share_of(wanted, version).is_zero() && !is_kept
    };
    let gone = leaving.into_iter().filter(|(version, _)| is_free(*version));
    let smallest = gone.min_by_key(|(version, share)| (*share, *version));
    smallest.map(|(version, _)| version)
}

/// A split wants the version, or its routes give it a share.
fn names(split: &Split, version: VersionNumber) -> bool {
    let wanted = split.wanted.iter().flat_map(|wanted| wanted.iter());
    let mut named = wanted.chain(&split.last);
    named.any(|(other, _)| *other == version)
        || split.protects.contains(&version)
        || split.holds.contains(&version)
}

/// True where a version that no split names has pods, or had some a moment ago: they go by themselves, and take a while to end.
fn makes_room(world: &World, split: &Split, wake: &mut Wake) -> bool {
    let is_used = |version| world.splits.iter().any(|split| names(split, version));
    let mut goes = false;
    for (version, state) in world
        .versions
        .iter()
        .filter(|(version, _)| !is_used(**version))
    {
        let past = world.memory.versions.get(version);
        let released = past.and_then(|past| past.released);
        let drain = world.settle.saturating_add(split.drain);
        let ends = |since| later(room::long(split, since), drain);
        goes |= state.functions.values().any(|it| room::placed(it) > 0)
            || released.is_some_and(|since| !wake.reached(ends(since)));
    }
    goes
}
