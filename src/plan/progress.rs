//! Whether a shift that waits gets on: since when it waits, and when it last came nearer to its end.
//!
//! Pure. Where there is no room for the pods that a shift waits for, the versions that leave give way after a while. What makes no progress within its deadline is said to be stalled; the way back does not wait longer than that.

use std::collections::BTreeSet;

use super::effective::share_of;
use super::served;
use super::world::{Progress, Split, World};
use super::{Cause, Waiting, Wake, later};
use crate::words::{Share, Shares, VersionNumber};

/// Progress is noted at most so often within the deadline: each pod that becomes ready would be a write. Room that does not
/// come within such a part of the deadline is made.
const NOTED: i32 = 10;

/// Brings what is remembered of a shift up to date; nothing where it waits for nothing that may fail to come.
pub(super) fn progress(
    world: &World,
    split: &Split,
    shares: Option<&Shares>,
    waiting: &[Waiting],
    wake: &mut Wake,
) -> Option<Progress> {
    let wanted = split.wanted.as_ref()?;
    let open = |waiting: &&Waiting| waiting.cause != Cause::Settling;
    waiting.iter().find(open)?;
    let ready = waiting.iter().map(|waiting| {
        let state = world.versions.get(&waiting.version);
        let functions = state.into_iter().flat_map(|state| state.functions.values());
        functions.map(|function| function.ready).sum::<u32>()
    });
    let now = shares.unwrap_or(&split.last);
    let points = wanted.iter().map(|(version, share)| {
        let got = share_of(now, *version).min(*share);
        got.basis_points()
    });
    let fresh = Progress {
        wanted: wanted.clone(),
        began: world.now,
        moved: world.now,
        ready: ready.sum(),
        points: points.sum(),
        back: (wanted.iter().map(|(version, _)| *version))
            .filter(|version| served::lately(world, split, *version))
            .collect(),
        lean: false,
        room: 0,
    };
    let Some(past) = past(world, split) else {
        return Some(fresh);
    };
    let nearer = fresh.ready > past.ready || fresh.points > past.points;
    let cramped = waiting
        .iter()
        .any(|waiting| has_no_room(world, waiting.version));
    let due = later(past.moved, split.progress_deadline / NOTED);
    if nearer && due <= world.now {
        return Some(Progress {
            began: past.began,
            ready: fresh.ready.max(past.ready),
            points: fresh.points.max(past.points),
            back: past.back.clone(),
            lean: past.lean,
            room: past.room,
            ..fresh
        });
    }
    let lean = past.lean || (cramped && wake.reached(due));
    let room = if lean {
        past.room.max(here(world, split))
    } else {
        0
    };
    Some(Progress {
        lean,
        room,
        ..past.clone()
    })
}

/// Ready pods of the versions of a split, without those that are given up already.
fn here(world: &World, split: &Split) -> u32 {
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
    !comes || wake.reached(later(progress.moved, split.progress_deadline / NOTED * 2))
}

/// True where a version that gets nothing still has pods: they go first.
fn idles(world: &World, split: &Split) -> bool {
    let has_share = |version: VersionNumber| {
        let wanted = split.wanted.as_deref().unwrap_or_default();
        !share_of(&split.last, version).is_zero() || !share_of(wanted, version).is_zero()
    };
    world.versions.iter().any(|(version, state)| {
        let past = world.memory.versions.get(version);
        let is_released = past.is_some_and(|past| past.released.is_some());
        is_released && !has_share(*version) && state.functions.values().any(|it| it.ready > 0)
    })
}

/// True where a pod that the shift waits for has its place, and is starting: what goes makes room for none. It is not waited for longer
/// than for any progress.
fn starts(world: &World, split: &Split, progress: &Progress, wake: &mut Wake) -> bool {
    if wake.reached(later(progress.moved, split.progress_deadline)) {
        return false;
    }
    let mut rising = (split.wanted.iter().flat_map(|wanted| wanted.iter()))
        .filter(|(version, share)| *share > share_of(&split.last, *version));
    rising.any(|(version, _)| {
        let state = world.versions.get(version);
        let mut functions = state.into_iter().flat_map(|state| state.functions.values());
        functions.any(|function| function.starting)
    })
}

/// True where the share of what comes may run ahead of its pods: nothing else makes room for the next one.
pub(super) fn runs_ahead(world: &World, split: &Split, wake: &mut Wake) -> bool {
    let Some(progress) = past(world, split).filter(|progress| progress.lean) else {
        return false;
    };
    if starts(world, split, progress, wake) {
        return false;
    }
    let is_long = wake.reached(later(progress.moved, split.progress_deadline / NOTED * 2));
    let falls = |(version, share): &(VersionNumber, Share)| {
        let wanted = split.wanted.as_ref();
        *share > wanted.map_or(Share::ZERO, |wanted| share_of(wanted, *version))
    };
    let mut leaving = split.last.iter().filter(|it| falls(it));
    let is_least = leaving.all(|(version, _)| {
        let left = world.memory.versions.get(version).map(|past| &past.left);
        left.is_some_and(|left| !left.is_empty() && left.values().all(|pods| *pods <= 1))
    });
    is_long || (is_least && is_full(world, split, progress, wake))
}

/// True when more pods of a version cannot be made or placed now.
pub(super) fn has_no_room(world: &World, version: VersionNumber) -> bool {
    let state = world.versions.get(&version);
    let mut functions = state.into_iter().flat_map(|state| state.functions.values());
    functions.any(|function| function.no_room)
}

/// What is remembered of the shift to what is wanted now.
fn past<'w>(world: &'w World, split: &Split) -> Option<&'w Progress> {
    let past = world.memory.progress.get(&split.owner)?;
    (split.wanted.as_ref() == Some(&past.wanted)).then_some(past)
}

/// True when the shift has waited as long as the way back waits at most.
pub(super) fn is_late(world: &World, split: &Split, wake: &mut Wake) -> bool {
    past(world, split).is_some_and(|past| wake.reached(later(past.began, split.progress_deadline)))
}

/// True when nothing has come nearer within the deadline.
pub(super) fn is_stalled(split: &Split, progress: &Progress, wake: &mut Wake) -> bool {
    // When the way back is not waited for any longer.
    let _late = wake.reached(later(progress.began, split.progress_deadline));
    wake.reached(later(progress.moved, split.progress_deadline))
}

/// True for a version that traffic goes back to: the same routes had served it lately when the shift began, or it is older than one that serves.
pub(super) fn returns(world: &World, split: &Split, version: VersionNumber) -> bool {
    let newer = |(other, share): &(VersionNumber, Share)| *other > version && !share.is_zero();
    let back = past(world, split).is_some_and(|past| past.back.contains(&version));
    back || split.last.iter().any(newer)
}
