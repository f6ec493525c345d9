//! Versions that lost their pods while others step in for them: what their split would be if nothing had been lost.
//!
//! Pure. The routes say only who answers now. Where what is wanted cannot run, that alone would leave everything with those that
//! stepped in, however short the loss was: a canary would keep all traffic. So the split is remembered as it would be, and
//! whoever comes back gets again what it had.

use std::collections::BTreeMap;

use super::effective::{self, OnLoss, Standing, is_same, share_of};
use super::world::{Intact, Split, World};
use crate::words::{Share, Shares, VersionNumber};

/// What is remembered of a split, as far as it may still come back; nothing where the routes say something else than they did then.
pub(super) fn past<'w>(
    world: &'w World,
    split: &Split,
) -> impl Iterator<Item = (VersionNumber, Share)> + 'w {
    let past = world.memory.intact.get(&split.owner);
    let past = past.filter(|past| past.said.contains(&split.last));
    let shares = past.into_iter().flat_map(|past| &past.shares).copied();
    shares.filter(|(version, _)| world.versions.contains_key(version))
}

/// What the split would be if nothing of `origin` had been lost. `standings` are those of the versions as they are, and `decided` those
/// to go by, in which a version may have been made to give way.
pub(super) fn intact(
    wanted: &[(VersionNumber, Share)],
    on_loss: OnLoss,
    origin: &Shares,
    (standings, decided): (
        &BTreeMap<VersionNumber, Standing>,
        &BTreeMap<VersionNumber, Standing>,
    ),
) -> Shares {
    let restored = |version: VersionNumber| {
        let lost = !standings[&version].serves && !standings[&version].awaited;
        if lost && !share_of(origin, version).is_zero() {
            // It would have what it had, and no more.
            Standing {
                serves: true,
                named: true,
                eligible: true,
                ..Standing::NONE
            }
        } else {
            let standing = decided[&version];
            // Where the routes do not name it, it gets nothing more yet, and others keep what they had.
            let bears = if standing.named {
                standing.bears
            } else {
                Share::ZERO
            };
            Standing { bears, ..standing }
        }
    };
    effective::effective(wanted, origin, origin, on_loss, restored)
        .unwrap_or_else(|| origin.clone())
}

/// What has to be remembered: what the split would be, until that is what the routes say, or all that is wanted is. `past` is what is
/// remembered already; empty where nothing is.
pub(super) fn remembered(
    wanted: &[(VersionNumber, Share)],
    (past, intact): (&Shares, Shares),
    last: &Shares,
    said: &Shares,
) -> Option<Intact> {
    let listed = wanted.iter().filter(|(_, share)| !share.is_zero());
    let listed: Shares = listed.copied().collect();
    // A write may fail, and what it was to bring with it.
    let unwritten = !past.is_empty() && !is_same(said, last);
    let shares = if is_same(&listed, said) {
        unwritten.then(|| past.clone())
    } else {
        (!is_same(&intact, said) || unwritten).then_some(intact)
    };
    shares.map(|shares| Intact {
        shares,
        said: [last.clone(), said.clone()],
    })
}
