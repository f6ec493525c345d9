//! How many pods a version has ever found a place for, while it has not found one for all that it declares.
//!
//! Pure. In a full cluster pods that a version asks for may never have been there: they bore nothing, so they are no loss when others step
//! in for it. What has had all of its pods counts for those that it is to have, however many are gone now.

use std::collections::BTreeMap;

use super::room;
use super::world::{FunctionState, Version, VersionMemory, World};
use crate::words::{FunctionName, VersionNumber};

/// Brings what is remembered of a version up to date, per function; nothing of one that has found a place for all of its pods. `now` is
/// what is remembered of it besides.
pub(super) fn found(
    state: &Version,
    past: Option<&VersionMemory>,
    now: &VersionMemory,
) -> BTreeMap<FunctionName, u32> {
    let pods = |name: &FunctionName, function: &FunctionState| {
        let placed = room::placed(function);
        let left = now.left.get(name).copied();
        // An autoscaler may have more by now than was left to its version.
        if let Some(left) = left.filter(|left| !function.autoscaled || function.asked <= *left) {
            return Some(left);
        }
        if placed >= function.asked.max(function.min) {
            return None;
        }
        // What served and is not remembered had all of its pods.
        let before = past.and_then(|past| past.found.get(name)).or(left.as_ref());
        match before {
            Some(found) => Some(placed.max(*found)),
            None => (function.no_room && !now.served).then_some(placed),
        }
    };
    let functions = state.functions.iter();
    functions
        .filter_map(|(name, function)| Some((name.clone(), pods(name, function)?)))
        .collect()
}

/// Pods of a function of a version that bore its share, before any was lost.
pub(super) fn bore(
    world: &World,
    version: VersionNumber,
    (name, function): (&FunctionName, &FunctionState),
) -> u32 {
    let past = world.memory.versions.get(&version);
    let found = past.and_then(|past| past.found.get(name));
    let most = found.map_or(function.asked, |found| (*found).max(room::placed(function)));
    function.ready.max(most)
}
