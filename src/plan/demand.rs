//! How many pods shares take: those that serve now, and those that a rise needs.
//!
//! Pure. What a number of pods bears is arithmetic, and stands in [`super::capacity`].

use std::collections::BTreeMap;

use super::capacity::{self, Pods};
use super::effective::share_of;
use super::found;
use super::world::{Split, Version, World};
use crate::words::{FunctionName, Share, VersionNumber};

/// The versions whose share is to rise, with the share that is wanted.
pub(super) fn rising(split: &Split) -> impl Iterator<Item = (VersionNumber, Share)> {
    let wanted = split
        .wanted
        .iter()
        .flat_map(|wanted| wanted.iter().copied());
    wanted.filter(|(version, share)| *share > share_of(&split.last, *version))
}

/// The versions whose share is to fall, with the share that they have.
pub(super) fn falling(split: &Split) -> impl Iterator<Item = (VersionNumber, Share)> {
    let wanted = split.wanted.as_deref().unwrap_or_default();
    let last = split.last.iter().copied();
    last.filter(|(version, share)| *share > share_of(wanted, *version))
}

/// Pods, per function, that serve the app now: the ready ones of the versions that have a share.
///
/// After a step of a rollout there are more than the app needs: the old version has not scaled down yet, the new one has its
/// minimum. So the version whose pods bear most each says how many it would take for all traffic, unless it has as many as
/// it may have: then it may be short.
pub(super) fn serving_pods(world: &World, split: &Split) -> BTreeMap<FunctionName, u32> {
    let mut pods: BTreeMap<FunctionName, (u32, Option<u32>)> = BTreeMap::new();
    for (version, share) in split.last.iter().filter(|(_, share)| !share.is_zero()) {
        let Some(state) = world.versions.get(version) else {
            continue;
        };
        for (name, function) in &state.functions {
            let (sum, least) = pods.entry(name.clone()).or_default();
            *sum = sum.saturating_add(function.ready);
            if function.ready > 0 && function.ready < function.max {
                let whole = capacity::whole(*share, function.ready);
                *least = Some(least.map_or(whole, |least| least.min(whole)));
            }
        }
    }
    (pods.into_iter())
        .map(|(name, (sum, least))| (name, least.map_or(sum, |least| least.min(sum))))
        .collect()
}

/// The functions of a version that count for its share: those that the routes reach, or all where there are no routes.
pub(super) fn reached<'a>(
    split: &'a Split,
    state: &'a Version,
) -> impl Iterator<Item = &'a FunctionName> {
    let any = split.functions.is_empty();
    (state.functions.keys()).filter(move |name| any || split.functions.contains(*name))
}

/// The most that a version may be sent in place of a lost one.
pub(super) fn steps_in(world: &World, split: &Split, state: &Version) -> Share {
    let of = |name: &FunctionName| {
        let serving = (split.last.iter()).filter(|(_, share)| !share.is_zero());
        let all = serving.filter_map(|(version, _)| {
            let function = world.versions.get(version)?.functions.get(name)?;
            Some(found::bore(world, *version, (name, function)))
        });
        let all = all.fold(0_u32, u32::saturating_add);
        let ready = state
            .functions
            .get(name)
            .map_or(0, |function| function.ready);
        capacity::steps_in(ready, all)
    };
    reached(split, state).map(of).min().unwrap_or(Share::ZERO)
}

/// The pods of a function of a version, beside those that serve.
pub(super) fn pods(
    state: &Version,
    name: &FunctionName,
    basis: &BTreeMap<FunctionName, u32>,
) -> Option<Pods> {
    let function = state.functions.get(name)?;
    Some(Pods {
        ready: function.ready,
        min: function.min,
        max: function.max,
        basis: basis.get(name).copied().unwrap_or(0),
    })
}

/// Pods that the wanted shares take, for versions whose share is to rise above what they have.
pub(super) fn needs(
    world: &World,
    split: &Split,
    basis: &BTreeMap<FunctionName, u32>,
) -> BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>> {
    (rising(split))
        .filter_map(|(version, share)| {
            let state = world.versions.get(&version)?;
            let needs = (state.functions.keys())
                .filter_map(|name| {
                    let pods = pods(state, name, basis)?;
                    Some((name.clone(), capacity::need(share, pods)))
                })
                .collect();
            Some((version, needs))
        })
        .collect()
}
