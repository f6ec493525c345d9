//! Whether more pods fit where a shift waits for some, and what gives way where they do not.
//!
//! Pure. Nobody says how much room a cluster has: what fits is known from what was seen ([`Progress::room`]).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::demand::{falling, reached, rising};
use super::effective::share_of;
use super::world::{FunctionState, Progress, Split, World};
use super::{Wake, later};
use crate::words::{FunctionName, VersionNumber};

/// What may come is waited for within such a part of the deadline, from when something last came.
const LONG: i32 = 5;

/// Ready pods of the versions of a split, without those that are given up already.
pub(super) fn here(world: &World, split: &Split) -> u32 {
    let wanted = split.wanted.iter().flat_map(|wanted| wanted.iter());
    let all = wanted.chain(split.last.iter());
    let all: BTreeSet<VersionNumber> = all.map(|(version, _)| *version).collect();
    let of = |version: VersionNumber| {
        let state = world.versions.get(&version);
        let given = world.memory.versions.get(&version).map(|past| &past.left);
        let functions = state.into_iter().flat_map(|state| &state.functions);
        functions
            .map(|(name, function)| {
                let left = given.and_then(|left| left.get(name));
                function.ready.min(left.copied().unwrap_or(u32::MAX))
            })
            .fold(0_u32, u32::saturating_add)
    };
    all.into_iter().map(of).fold(0, u32::saturating_add)
}

/// True where a pod more takes one less of a version that leaves: none fits beside those that are here, as far as was seen, or none
/// came for a while.
pub(super) fn is_full(world: &World, split: &Split, progress: &Progress, wake: &mut Wake) -> bool {
    if starts(world, split, progress, wake) {
        return false;
    }
    // An autoscaler may keep pods of what gets nothing.
    let comes = progress.room > here(world, split) || idles(world, split);
    !comes || is_long(split, progress, wake)
}

/// True where nothing has come nearer for so long that what may come is not waited for.
pub(super) fn is_long(split: &Split, progress: &Progress, wake: &mut Wake) -> bool {
    wake.reached(long(split, progress.moved))
}

/// Until when what may come is waited for, from a moment on.
pub(super) fn long(split: &Split, since: Timestamp) -> Timestamp {
    later(since, split.progress_deadline / LONG)
}

/// Pods of a function that have a place.
pub(super) fn placed(function: &FunctionState) -> u32 {
    function.placed.max(function.ready)
}

/// Functions of what comes that are to be reached, and of which no pod has a place, nor finds one.
pub(super) fn barren(world: &World, split: &Split) -> BTreeSet<FunctionName> {
    let states = rising(split).filter_map(|(version, _)| world.versions.get(&version));
    let functions = states.flat_map(|state| {
        let is_barren = |it: &FunctionState| it.no_room && !it.starting && placed(it) == 0;
        reached(split, state).filter(move |name| is_barren(&state.functions[*name]))
    });
    functions.cloned().collect()
}

/// True where a version that gets nothing still has pods: they go first.
fn idles(world: &World, split: &Split) -> bool {
    // What is listed keeps its pods.
    let is_listed = |version: VersionNumber| {
        let mut wanted = split.wanted.iter().flat_map(|wanted| wanted.iter());
        wanted.any(|(listed, _)| *listed == version)
    };
    world.versions.iter().any(|(version, state)| {
        let past = world.memory.versions.get(version);
        let is_released = past.is_some_and(|past| past.released.is_some());
        let gets_nothing = share_of(&split.last, *version).is_zero() && !is_listed(*version);
        is_released && gets_nothing && state.functions.values().any(|it| it.ready > 0)
    })
}

/// True where a pod that the shift waits for has its place, and is starting: what goes makes room for none. It is not waited for longer
/// than for any progress, nor by another function that has no pod at all.
fn starts(world: &World, split: &Split, progress: &Progress, wake: &mut Wake) -> bool {
    if wake.reached(later(progress.moved, split.progress_deadline)) {
        return false;
    }
    if !barren(world, split).is_empty() && is_long(split, progress, wake) {
        return false;
    }
    rising(split).any(|(version, _)| {
        let state = world.versions.get(&version);
        let mut functions = state.into_iter().flat_map(|state| state.functions.values());
        functions.any(|function| function.starting)
    })
}

/// True where the share of what comes may run ahead of its pods: nothing else makes room for the next one.
pub(super) fn runs_ahead(
    world: &World,
    split: &Split,
    progress: &Progress,
    wake: &mut Wake,
) -> bool {
    if !progress.lean {
        return false;
    }
    if starts(world, split, progress, wake) {
        return false;
    }
    let is_long = is_long(split, progress, wake);
    is_long || (last_pods(world, split).is_some() && is_full(world, split, progress, wake))
}

/// How many versions leave, where one pod of each function is left to each of them: these go only with their shares.
pub(super) fn last_pods(world: &World, split: &Split) -> Option<u32> {
    let is_last = |version: VersionNumber| {
        let left = world.memory.versions.get(&version).map(|past| &past.left);
        let state = world.versions.get(&version);
        let mut functions = state.into_iter().flat_map(|state| &state.functions);
        functions.all(|(name, function)| {
            let left = left.and_then(|left| left.get(name)).copied();
            left.unwrap_or(function.asked.max(function.ready)) <= 1
        })
    };
    let count = u32::try_from(falling(split).count()).unwrap_or(u32::MAX);
    (falling(split).all(|(version, _)| is_last(version))).then_some(count)
}

/// True when more pods of a version cannot be made or placed now.
pub(super) fn has_no_room(world: &World, version: VersionNumber) -> bool {
    let state = world.versions.get(&version);
    let mut functions = state.into_iter().flat_map(|state| state.functions.values());
    functions.any(|function| function.no_room)
}
