//! How many pods shares take: those that serve now, those that a rise needs, and those that are left to what gives way.
//!
//! Pure. What a number of pods bears is arithmetic, and stands in [`super::capacity`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{self, Pods};
use super::effective::share_of;
use super::world::{FunctionState, Split, Version, World};
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

/// Pods, per function, below which an app does not fall by more than a step while its versions give way: those that served when the
/// shift began, and those that what serves is to have, ready or not. An outage makes no app smaller.
pub(super) fn whole(
    world: &World,
    split: &Split,
    basis: &BTreeMap<FunctionName, u32>,
) -> BTreeMap<FunctionName, u32> {
    let rising: BTreeSet<VersionNumber> = rising(split).map(|(version, _)| version).collect();
    let serving = (split.last.iter())
        .filter(|(version, share)| !share.is_zero() && !rising.contains(version));
    let mut asked: BTreeMap<FunctionName, u32> = BTreeMap::new();
    for state in serving.filter_map(|(version, _)| world.versions.get(version)) {
        for (name, function) in &state.functions {
            let sum = asked.entry(name.clone()).or_default();
            *sum = sum.saturating_add(count(function));
        }
    }
    for (name, pods) in basis {
        let sum = asked.entry(name.clone()).or_default();
        *sum = (*sum).max(*pods);
    }
    asked
}

/// Pods that a version is to have now, or still has.
fn count(function: &FunctionState) -> u32 {
    function.asked.max(function.ready)
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
        let states = serving.filter_map(|(version, _)| world.versions.get(version));
        let functions = states.filter_map(|state| state.functions.get(name));
        let all = functions.map(|function| function.ready.max(function.asked));
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

/// Pods that are left to the versions whose share is to fall: those that the share takes which they still have, and fewer where no
/// pod fits beside them. `whole` is what all traffic took when that began; however far shares run ahead, all versions together are a
/// step short of it at most.
pub(super) fn left(
    world: &World,
    split: &Split,
    (whole, full): (&BTreeMap<FunctionName, u32>, bool),
) -> BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>> {
    let mut all: BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>> =
        (falling(split).map(|(version, _)| (version, BTreeMap::new()))).collect();
    for (name, whole) in whole {
        let have = have(world, split, name);
        let sum = have
            .values()
            .fold(0_u32, |sum, pods| sum.saturating_add(*pods));
        let mut spare = sum.saturating_sub(whole.saturating_sub(capacity::step(*whole)));
        // Whoever has most gives first, so that all give alike.
        let mut falling: Vec<(VersionNumber, Share)> = falling(split).collect();
        falling.sort_by_key(|(version, _)| Reverse(have.get(version).copied()));
        for (version, share) in falling {
            let Some(now) = have.get(&version).copied() else {
                continue;
            };
            let given = given(world, version, name);
            let [due, lean] = [false, true].map(|full| capacity::left(share, *whole, full));
            let least = if full && now <= due { lean } else { due };
            let left = if given.is_some_and(|given| given < lean) {
                // Its share came back.
                least
            } else {
                let fewer = now.saturating_sub(least).min(spare);
                spare -= fewer;
                now - fewer
            };
            // What gave nothing is held down by nothing.
            if left < now || given.is_some() || now <= 1 {
                all.entry(version).or_default().insert(name.clone(), left);
            }
        }
    }
    all.retain(|_, left| !left.is_empty());
    all
}

/// Pods of a function that each version of a split counts for: of one that comes the ready ones, of the others those that they are to have.
fn have(world: &World, split: &Split, name: &FunctionName) -> BTreeMap<VersionNumber, u32> {
    let wanted = split.wanted.iter().flatten().chain(&split.last);
    let rising: BTreeSet<VersionNumber> = rising(split).map(|(version, _)| version).collect();
    wanted
        .filter_map(|(version, _)| {
            let function = world.versions.get(version)?.functions.get(name)?;
            let pods = if rising.contains(version) {
                function.ready
            } else {
                given(world, *version, name).unwrap_or_else(|| count(function))
            };
            Some((*version, pods))
        })
        .collect()
}

/// Pods of a function that were left to a version that gave way.
fn given(world: &World, version: VersionNumber, name: &FunctionName) -> Option<u32> {
    let past = world.memory.versions.get(&version)?;
    past.left.get(name).copied()
}
