//! Routes that are gone though their owner wants some: what they gave last goes on.
//!
//! Pure. Somebody deleted them, or the kind with all of them. They are made again with the shares that they had, so that a version
//! that is not ready yet does not take all of it, and what served keeps its pods.

use std::collections::BTreeMap;

use super::RoutePlan;
use super::shift::Shift;
use super::world::{Owner, Split, World};
use crate::words::Shares;

/// The world as if those routes still said what they said.
pub(super) fn restored(mut world: World) -> World {
    for split in &mut world.splits {
        // Where the kind is not known, nobody can say that they are there.
        let went = split.last.is_empty() && split.routes.held.is_empty();
        if !went || split.leaving || split.functions.is_empty() {
            continue;
        }
        let shares = world.memory.shares.get(&split.owner).into_iter().flatten();
        let runs = shares.filter(|(version, _)| {
            let state = world.versions.get(version);
            state.is_some_and(|state| state.materialised)
        });
        split.last = runs.copied().collect();
    }
    world
}

/// What is remembered of the shares that the routes give: what those that are there are to say now, or go on saying. Of an owner whose
/// routes were never there nothing is.
pub(super) fn shares(world: &World, shifts: &[Shift<'_>]) -> BTreeMap<Owner, Shares> {
    let of = |split: &Split, plan: &RoutePlan| match plan {
        RoutePlan::Off => None,
        _ if split.routes.held.is_empty() => world.memory.shares.get(&split.owner).cloned(),
        RoutePlan::Serve { shares, .. } => Some(shares.clone()),
        RoutePlan::Keep => Some(split.last.clone()),
    };
    (shifts.iter())
        .filter(|shift| {
            let split = shift.split;
            // Which routes are wanted is not known where it is not known what is.
            !split.functions.is_empty() || split.routes.exist || split.wanted.is_none()
        })
        .filter_map(|shift| {
            let shares = of(shift.split, &shift.plan.route)?;
            Some((shift.plan.owner.clone(), shares))
        })
        .collect()
}
