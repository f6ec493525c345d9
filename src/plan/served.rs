//! Which versions the routes of an owner have served: those that its traffic goes back to.
//!
//! Pure. Kept for each owner alone. That a version serves the users of an Alias says nothing of whether the gateways know it behind
//! the route of a Deployment, nor of what its pods bear there: to take it into the Deployment is a step forward, and waits as one.

use std::collections::{BTreeMap, BTreeSet};

use super::effective::share_of;
use super::later;
use super::loss;
use super::world::{Served, Split, World};
use crate::words::{Shares, VersionNumber};

/// Brings what is remembered of the versions that the routes of a split have served up to date.
pub(super) fn served(world: &World, split: &Split) -> BTreeMap<VersionNumber, Served> {
    let routes = &split.routes;
    let past = world.memory.served.get(&split.owner);
    let comes_back: Shares = loss::past(world, split).collect();
    let sent = split.last.iter().filter(|(_, share)| !share.is_zero());
    let sent = sent.map(|(version, _)| version).chain(&routes.sent);
    let sent: BTreeSet<VersionNumber> = sent.copied().collect();
    let wants = |version: VersionNumber, before: Served| {
        let wanted = split.wanted.as_ref();
        wanted.map_or(before.back, |wanted| !share_of(wanted, version).is_zero())
    };
    // Where the gateways have not accepted what took its share, it is not known whether they still send to it.
    let known = !routes.exist || routes.accepted;
    let update = |version: VersionNumber, before: Served| {
        if sent.contains(&version) || !share_of(&comes_back, version).is_zero() {
            return Served::default();
        }
        Served {
            left: before.left.or_else(|| known.then_some(world.now)),
            back: wants(version, before) && counts(world, split, before),
        }
    };
    let before = |version| past.and_then(|past| past.get(version)).copied();
    (past.into_iter().flat_map(BTreeMap::keys).chain(&sent))
        .filter(|version| world.versions.contains_key(version))
        .map(|version| {
            let before = before(version).unwrap_or_default();
            (*version, update(*version, before))
        })
        .collect()
}

/// True for a version that has no share now and had one, by the routes of this very owner, within its rollback window: it is
/// known to work there.
pub(super) fn lately(world: &World, split: &Split, version: VersionNumber) -> bool {
    let past = world.memory.served.get(&split.owner);
    let past = past.and_then(|past| past.get(&version));
    let counts = past.is_some_and(|past| counts(world, split, *past));
    counts && share_of(&split.last, version).is_zero()
}

/// True for a version that has a share by the routes of this very owner, or comes back to the one that it lost with its pods.
pub(super) fn has_share(world: &World, split: &Split, version: VersionNumber) -> bool {
    let past = world.memory.served.get(&split.owner);
    let past = past.and_then(|past| past.get(&version));
    past.is_some_and(|past| past.left.is_none())
}

/// Its window is not over, or was not when it was asked for again.
fn counts(world: &World, split: &Split, served: Served) -> bool {
    let over = |since| later(since, split.rollback_window) <= world.now;
    served.back || !served.left.is_some_and(over)
}
