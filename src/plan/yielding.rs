//! Which version goes for a way back where the last pods of several versions have all places.
//!
//! Pure. A last pod goes only with the share of its version, and that only rises elsewhere when a pod of what comes is ready: where not one
//! has a place, neither ever happens. So after the deadline the version with the smallest share leaves, and the others step in for it.

use jiff::SignedDuration;

use super::demand::{falling, rising};
use super::world::{Split, World};
use super::{Wake, later, progress, room, served};
use crate::words::{Share, VersionNumber};

/// A pod that is deleted is given less than that to end.
const POD_ENDS: SignedDuration = SignedDuration::from_secs(60);

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
    let serves = |version: VersionNumber| {
        let state = world.versions.get(&version);
        state.is_some_and(|state| state.functions.values().all(|it| it.ready > 0))
    };
    // Of what others send to, or anybody lists, the pods stay; and so does the last one of an autoscaler.
    let is_free = |version: VersionNumber| {
        let others = world.splits.iter().filter(|it| it.owner != split.owner);
        let state = world.versions.get(&version);
        let is_fixed = state.is_none_or(|state| state.functions.values().all(|it| !it.autoscaled));
        let is_kept = world.sent_by_others.contains(&version)
            || split.routes.behind.contains(&version)
            || split.holds.contains(&version)
            || others.into_iter().any(|other| names(other, version));
        is_fixed && !is_kept && !wants(split, version)
    };
    let gone = leaving.iter().filter(|(version, _)| is_free(*version));
    // What answers nothing any more goes first.
    let first = gone.min_by_key(|(version, share)| (serves(*version), *share, *version));
    let first = first.map(|(version, _)| *version)?;
    let goes_on = |(version, _): &&(VersionNumber, Share)| *version != first && serves(*version);
    (split.last.iter().any(|entry| goes_on(&entry))).then_some(first)
}

fn wants(split: &Split, version: VersionNumber) -> bool {
    let mut wanted = split.wanted.iter().flat_map(|wanted| wanted.iter());
    wanted.any(|(listed, _)| *listed == version)
}

/// A split wants the version, or its routes give it a share. Where it is not known what is wanted, what its status names counts.
fn names(split: &Split, version: VersionNumber) -> bool {
    let is_unknown = split.wanted.is_none();
    wants(split, version)
        || split.last.iter().any(|(served, _)| *served == version)
        || split.holds.contains(&version)
        || (is_unknown && split.protects.contains(&version))
}

/// True where a version that no split names has pods, or had some a moment ago: they go by themselves, and take a while to end.
fn makes_room(world: &World, split: &Split, wake: &mut Wake) -> bool {
    let is_used = |version: VersionNumber| {
        world.sent_by_others.contains(&version)
            || world.splits.iter().any(|split| names(split, version))
    };
    let mut goes = false;
    for (version, state) in world
        .versions
        .iter()
        .filter(|(version, _)| !is_used(**version))
    {
        let past = world.memory.versions.get(version);
        let released = past.and_then(|past| past.released);
        let drain = world.settle.saturating_add(split.drain);
        let ended = |since| room::long(split, since).max(later(since, POD_ENDS));
        let ends = |since| later(ended(since), drain);
        // An autoscaler keeps one.
        goes |= (state.functions.values()).any(|it| !it.autoscaled && room::placed(it) > 0)
            || released.is_some_and(|since| !wake.reached(ends(since)));
    }
    goes
}
