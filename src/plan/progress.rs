//! Whether a shift that waits gets on: since when it waits, and when it last came nearer to its end.
//!
//! Pure. Where there is no room for the pods that a shift waits for, the versions that leave give way after a while ([`super::room`]).
//! What makes no progress within its deadline is said to be stalled; the way back does not wait longer than that.

use super::effective::share_of;
use super::room;
use super::served;
use super::world::{Progress, Split, World};
use super::{Cause, Waiting, Wake, later};
use crate::words::{Share, Shares, VersionNumber};

/// Progress is noted at most so often within the deadline: each pod that becomes ready would be a write. Room that does not
/// come within such a part of the deadline is made.
const NOTED: i32 = 10;

/// How often a way back presses for its first pods, each time for twice as much: that takes all that there are, since a step is a tenth.
const PRESSED: u32 = 5;

/// Brings what is remembered of a shift up to date; nothing where it waits for nothing that may fail to come.
pub(super) fn progress(
    world: &World,
    split: &Split,
    shares: Option<&Shares>,
    waiting: &[Waiting],
    wake: &mut Wake,
) -> Option<Progress> {
    let wanted = split.wanted.as_ref()?;
    waiting.first()?;
    let past = past(world, split);
    let is_settling = (waiting.iter()).all(|waiting| waiting.cause == Cause::Settling);
    if is_settling && past.is_none() {
        return None;
    }
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
        pressed: 0,
        barren: None,
        room: 0,
    };
    let Some(past) = past else {
        return Some(fresh);
    };
    let nearer = fresh.ready > past.ready || fresh.points > past.points;
    let cramped = waiting
        .iter()
        .any(|waiting| room::has_no_room(world, waiting.version));
    let due = later(past.moved, split.progress_deadline / NOTED);
    // What is up now may be down in a moment: that ends no wait. The first of it, and of the share that follows, is noted at once.
    let at_once = (is_settling && past.ready == 0) || (past.points == 0 && fresh.points > 0);
    let next = if nearer && (at_once || due <= world.now) {
        Progress {
            moved: world.now,
            ready: fresh.ready.max(past.ready),
            points: fresh.points.max(past.points),
            ..past.clone()
        }
    } else {
        let lean = past.lean || (cramped && wake.reached(due));
        let here = || past.room.max(room::here(world, split));
        Progress {
            lean,
            room: if lean { here() } else { 0 },
            ..past.clone()
        }
    };
    Some(pressed(world, split, next, wake))
}

/// Brings up to date how hard a way back presses for its first pods: a function without any gives nobody a share, however long it is
/// waited. `past` is what is remembered, else up to date.
fn pressed(world: &World, split: &Split, past: Progress, wake: &mut Wake) -> Progress {
    let presses = past.lean && is_back(world, split, &past);
    if !presses || room::barren(world, split).is_empty() {
        return Progress {
            pressed: 0,
            barren: None,
            ..past
        };
    }
    let due = (past.barren).map(|since| room::long(split, since.max(past.moved)));
    // What took all that it may has no more to note.
    let is_due = past.pressed < PRESSED && due.is_some_and(|due| wake.reached(due));
    Progress {
        pressed: past.pressed + u32::from(is_due),
        barren: past.barren.filter(|_| !is_due).or(Some(world.now)),
        ..past
    }
}

/// The shares as they are, or as they would be if no version had lost its pods.
fn origin<'w>(world: &'w World, split: &'w Split) -> &'w Shares {
    let intact = world.memory.intact.get(&split.owner);
    intact.map_or(&split.last, |intact| &intact.shares)
}

/// The versions that are to have more than they have, or had before they lost their pods.
fn newcomers<'w>(world: &'w World, split: &'w Split) -> impl Iterator<Item = VersionNumber> {
    let origin = origin(world, split);
    let wanted = split.wanted.as_deref().unwrap_or_default();
    let rises = |(version, share): &&(VersionNumber, Share)| *share > share_of(origin, *version);
    wanted.iter().filter(rises).map(|(version, _)| *version)
}

/// Some version is to have more than it has, or had before it lost its pods.
pub(super) fn brings(world: &World, split: &Split) -> bool {
    newcomers(world, split).next().is_some()
}

/// Traffic goes back: to a version that served lately, or to one that is older than another that leaves. What only comes back to the share
/// that it lost with its pods is not gone back to.
pub(super) fn is_back(world: &World, split: &Split, progress: &Progress) -> bool {
    let newest = leaving(world, split).max();
    newcomers(world, split).any(|version| {
        progress.back.contains(&version) || newest.is_some_and(|newest| newest > version)
    })
}

/// What is remembered of the shift to what is wanted now.
pub(super) fn past<'w>(world: &'w World, split: &Split) -> Option<&'w Progress> {
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

/// True for a version that traffic goes back to: the same routes had served it lately when the shift began, or it is older than one that leaves.
pub(super) fn returns(world: &World, split: &Split, version: VersionNumber) -> bool {
    let back = past(world, split).is_some_and(|past| past.back.contains(&version));
    back || leaving(world, split).any(|other| other > version)
}

/// The versions that are to have less than they have, or had before they lost their pods.
fn leaving<'w>(world: &'w World, split: &'w Split) -> impl Iterator<Item = VersionNumber> {
    let wanted = split.wanted.as_deref().unwrap_or_default();
    let falls = |(version, share): &&(VersionNumber, Share)| *share > share_of(wanted, *version);
    let falling = origin(world, split).iter().filter(falls);
    falling.map(|(version, _)| *version)
}
