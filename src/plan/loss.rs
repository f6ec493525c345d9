//! Versions that lost their pods while others step in for them: what their split would be if nothing had been lost.
//!
//! Pure. The routes say only who answers now. Where what is wanted cannot run, that alone would leave everything with those that
//! stepped in, however short the loss was: a canary would keep all traffic. So the split is remembered as it would be, and
//! whoever comes back gets again what it had.

use std::collections::BTreeMap;

use super::Shares;
use super::effective::{self, OnLoss, Standing, share_of};
use super::world::{Split, World};
use crate::words::{Share, VersionNumber};

/// The split from which the next one is decided: what is remembered, as far as it may still come back, else what the routes say.
pub(super) fn origin(world: &World, split: &Split) -> Shares {
    let Some(past) = world.memory.intact.get(&split.owner) else {
        return split.last.clone();
    };
    let may_come = |version: &VersionNumber| {
        let state = world.versions.get(version);
        state.is_some_and(|state| state.materialised) || !share_of(&split.last, *version).is_zero()
    };
    let left = past.iter().filter(|(version, _)| may_come(version));
    left.copied().collect()
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
            decided[&version]
        }
    };
    effective::effective(wanted, origin, origin, on_loss, restored)
        .unwrap_or_else(|| origin.clone())
}

/// What has to be remembered: what the split would be, where that is not what is `said` now, nor all of what is wanted is.
pub(super) fn remembered(
    wanted: &[(VersionNumber, Share)],
    intact: Shares,
    said: &Shares,
) -> Option<Shares> {
    let listed = wanted.iter().filter(|(_, share)| !share.is_zero());
    (intact != *said && !listed.eq(said)).then_some(intact)
}
