//! What a route names beside its shares: a version before it gets one, and after it has lost it.
//!
//! Pure. A gateway may learn of a route and of the backends behind it apart, in any order. So no write names a version and
//! gives it a share, and none takes away a version that had a share: it is named first, gets its share once the gateways
//! have accepted that and had the settle delay, keeps its name at no share while going back is to be instant, and loses
//! its name before its pods go. The way back is the one exception, to what the same routes served or what is older: a gateway
//! that says nothing at all is waited for no longer than the deadline, for nobody may be there who could answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::effective::share_of;
use super::loss;
use super::progress;
use super::served;
use super::world::{Named, Split, World};
use super::{BACKENDS_MAX, Wake, later};
use crate::words::{Share, Shares, VersionNumber};

/// Versions that the routes of a split name, with what is known of each.
pub(super) type Known = BTreeMap<VersionNumber, Named>;

/// Brings what is remembered of the names in the routes of a split up to date.
pub(super) fn known(world: &World, split: &Split) -> Known {
    let past = world.memory.named.get(&split.owner);
    let routes = &split.routes;
    let listed = |version: &VersionNumber| {
        let wanted = split.wanted.iter().flatten();
        split.wanted.is_none() || wanted.clone().any(|(listed, _)| listed == version)
    };
    let back: Shares = loss::past(world, split).collect();
    let expected = split.wanted.iter().flatten().chain(&back);
    let expected = expected.map(|(version, _)| version);
    let mut versions: BTreeSet<VersionNumber> = (routes.held.iter())
        .chain(expected.filter(|version| routes.named.contains(version)))
        .copied()
        .collect();
    // Routes that do not name it any more count once the gateways have accepted them.
    if routes.exist && !routes.accepted {
        versions.extend(past.into_iter().flatten().map(|(version, _)| *version));
    }
    let update = |version: VersionNumber| {
        let before = past.and_then(|past| past.get(&version));
        let before = before.copied().unwrap_or_default();
        let named = routes.named.contains(&version);
        let since = before.since.filter(|_| named);
        let has_share = [&split.last, &back]
            .iter()
            .any(|shares| !share_of(shares, version).is_zero());
        let idles = !listed(&version) && !has_share && !routes.sent.contains(&version);
        let idle = before.idle.filter(|_| idles);
        let now = |holds: bool, answered: bool| (holds && answered).then_some(world.now);
        // A gateway that refuses its route serves nobody by it, and holds up no other.
        let since = since.or_else(|| now(named, routes.accepted || routes.rejected));
        let quiet = named && routes.silent && since.is_none();
        Named {
            since,
            silent: (before.silent.filter(|_| quiet)).or_else(|| now(named, quiet)),
            idle: idle.or_else(|| now(idles, routes.accepted)),
        }
    };
    (versions.into_iter())
        .map(|version| (version, update(version)))
        .collect()
}

/// True once the gateways know a version for sure, or where traffic goes back to it and they said nothing for too long.
pub(super) fn is_settled(
    world: &World,
    split: &Split,
    known: &Known,
    version: VersionNumber,
    wake: &mut Wake,
) -> bool {
    let Some(named) = known.get(&version) else {
        return false;
    };
    if let Some(since) = named.since {
        return wake.reached(later(since, world.settle));
    }
    let returns = progress::returns(world, split, version) || served::lately(world, split, version);
    returns && is_unheard(world.settle, split, named, wake)
}

/// Versions with a share that the gateways have said nothing of for longer than the way back waits. Where nothing was gone back
/// from, nothing was waited for.
pub(super) fn unheard(
    world: &World,
    split: &Split,
    shares: &Shares,
    known: &Known,
    wake: &mut Wake,
) -> Vec<VersionNumber> {
    let is_wanted = |version: &VersionNumber| {
        let mut wanted = split.wanted.iter().flatten();
        wanted.any(|(listed, _)| listed == version)
    };
    if known.keys().all(is_wanted) {
        return Vec::new();
    }
    let versions = shares.iter().map(|(version, _)| *version);
    let mut silent = |version: &VersionNumber| {
        let named = known.get(version);
        named.is_some_and(|named| is_unheard(world.settle, split, named, wake))
    };
    versions.filter(|version| silent(version)).collect()
}

fn is_unheard(settle: SignedDuration, split: &Split, named: &Named, wake: &mut Wake) -> bool {
    let wait = split.progress_deadline.max(settle);
    (named.silent).is_some_and(|since| wake.reached(later(since, wait)))
}

/// What is named beside the shares, and the wanted versions that there is no place for.
pub(super) struct Beside {
    pub(super) idle: Vec<VersionNumber>,
    pub(super) crowded: Vec<VersionNumber>,
}

/// Decides what is named beside `shares`: what had a share until now, then what is wanted and `ready`, then what comes `back`
/// once it is ready, then what left most recently, as far as there is place.
pub(super) fn beside(
    world: &World,
    split: &Split,
    (shares, back): (&Shares, &[(VersionNumber, Share)]),
    known: &Known,
    ready: impl Fn(VersionNumber) -> bool,
    wake: &mut Wake,
) -> Beside {
    let has_share = |version: VersionNumber| !share_of(shares, version).is_zero();
    let had = split.last.iter().filter(|(_, share)| !share.is_zero());
    let had = had.map(|(version, _)| version);
    // A route may send to what is not there at all, as somebody's edit has it: no other has to name that.
    let is_there = |version: &&VersionNumber| {
        let state = world.versions.get(version);
        state.is_some_and(|state| state.materialised)
    };
    let sent = split.routes.sent.iter().filter(is_there);
    let had: BTreeSet<VersionNumber> = had.chain(sent).copied().collect();
    let mut idle: Vec<VersionNumber> = (had.into_iter())
        .filter(|version| !has_share(*version))
        .collect();
    let mut crowded = Vec::new();
    let places = BACKENDS_MAX.saturating_sub(shares.len());
    for (version, _) in split.wanted.iter().flatten() {
        let named = split.routes.named.contains(version);
        if has_share(*version) || idle.contains(version) || !(named || ready(*version)) {
            continue;
        }
        if idle.len() < places {
            idle.push(*version);
        } else {
            crowded.push(*version);
        }
    }
    for (version, _) in back {
        let named = split.routes.named.contains(version);
        let waits = !has_share(*version) && !idle.contains(version) && (named || ready(*version));
        if waits && idle.len() < places {
            idle.push(*version);
        }
    }
    let mut leaving: Vec<_> = (known.iter())
        .filter(|(version, named)| {
            let state = world.versions.get(version);
            split.routes.named.contains(version)
                && !has_share(**version)
                && !idle.contains(version)
                && state.is_some_and(|state| state.materialised)
                && !is_over(world, split, (**version, named), wake)
        })
        .map(|(version, named)| (named.idle, *version))
        .collect();
    leaving.sort_by(|a, b| b.cmp(a));
    let room = places.saturating_sub(idle.len());
    idle.extend(leaving.into_iter().take(room).map(|(_, version)| version));
    // Why each is named changes from plan to plan. In the order of their numbers that alone is no reason to write.
    idle.sort_unstable();
    Beside { idle, crowded }
}

/// True when a version that left loses its name: just before its pods may go, and never before the gateways have had the
/// settle delay since it lost its share. One that never had a share is nothing to go back to.
fn is_over(
    world: &World,
    split: &Split,
    (version, named): (VersionNumber, &Named),
    wake: &mut Wake,
) -> bool {
    let settle = world.settle;
    let past = world.memory.versions.get(&version);
    let stays = if past.is_some_and(|past| past.served) {
        (split.drain.saturating_add(settle)).max(split.rollback_window)
    } else {
        settle
    };
    let wait = stays.saturating_sub(settle).max(settle);
    // Where the gateways have not accepted what took its share, it is not known whether they still send to it.
    named
        .idle
        .is_some_and(|idle| wake.reached(later(idle, wait)) && split.routes.accepted)
}
