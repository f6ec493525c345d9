//! One split: what its routes are to say now, and what a version still waits for.
//!
//! Pure. Reads the world, decides nothing about workloads.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{self, Pods};
use super::effective::{self, Standing, share_of};
use super::world::{Split, Version, World};
use super::{BACKENDS_MAX, Cause, RoutePlan, Shares, SplitPlan, Waiting, Wake};
use crate::words::{FunctionName, Share, VersionNumber};

/// A split with what was decided for it.
pub(super) struct Shift<'w> {
    pub(super) split: &'w Split,
    pub(super) plan: SplitPlan,
    /// Ready pods that served when the shift began; kept while a share waits for capacity.
    pub(super) basis: Option<BTreeMap<FunctionName, u32>>,
    /// Pods that the wanted shares take, for versions whose share is to rise.
    pub(super) needs: BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>>,
}

impl Shift<'_> {
    /// Shares that the routes have or are to have.
    pub(super) fn carries(&self, version: VersionNumber) -> bool {
        let next = match &self.plan.route {
            RoutePlan::Serve { shares, .. } => share_of(shares, version),
            RoutePlan::Keep | RoutePlan::Off => Share::ZERO,
        };
        !next.is_zero() || !share_of(&self.split.last, version).is_zero()
    }

    /// The routes are to say something else than they do.
    pub(super) fn moves(&self) -> bool {
        matches!(&self.plan.route, RoutePlan::Serve { shares, .. } if *shares != self.split.last)
    }

    /// The owner lists the version; for one whose wish is not known, it may be any: what is not decided stays as it is.
    pub(super) fn lists(&self, version: VersionNumber) -> bool {
        if self.split.leaving {
            return false;
        }
        match &self.split.wanted {
            Some(wanted) => wanted.iter().any(|(listed, _)| *listed == version),
            None => true,
        }
    }
}

pub(super) fn shift<'w>(world: &'w World, split: &'w Split, wake: &mut Wake) -> Shift<'w> {
    let wanted = match (&split.wanted, split.leaving) {
        (Some(wanted), false) => wanted,
        (_, leaving) => return undecided(split, leaving),
    };
    let basis = (world.memory.basis.get(&split.owner).cloned())
        .unwrap_or_else(|| serving_pods(world, split));
    let mut standings = BTreeMap::new();
    for (version, _) in wanted.iter().chain(&split.last) {
        standings.insert(*version, standing(world, split, *version, &basis, wake));
    }
    let shares = effective::effective(wanted, &split.last, split.on_loss, |v| standings[&v]);
    let mut waiting = waiting(world, wanted, shares.as_deref(), &standings, &basis);
    let shares = match shares {
        Some(shares) if shares.len() > BACKENDS_MAX => {
            waiting.extend(wanted.first().map(|(version, _)| Waiting {
                version: *version,
                cause: Cause::Backends(shares.len()),
            }));
            None
        }
        shares => shares,
    };
    let short = (waiting.iter()).any(|waiting| matches!(waiting.cause, Cause::Capacity { .. }));
    let needs = needs(world, wanted, &split.last, &basis);
    let served: Shares = (wanted.iter().copied())
        .filter(|(_, share)| !share.is_zero())
        .collect();
    let complete = shares.as_ref() == Some(&served) && waiting.is_empty();
    let overrides = (wanted.iter())
        .map(|(version, _)| *version)
        .filter(|version| standings[version].eligible)
        .collect();
    Shift {
        split,
        plan: SplitPlan {
            owner: split.owner.clone(),
            route: shares.map_or(RoutePlan::Keep, |shares| RoutePlan::Serve {
                shares,
                overrides,
            }),
            complete,
            waiting,
        },
        basis: short.then_some(basis),
        needs,
    }
}

fn undecided(split: &Split, leaving: bool) -> Shift<'_> {
    Shift {
        split,
        plan: SplitPlan {
            owner: split.owner.clone(),
            route: if leaving {
                RoutePlan::Off
            } else {
                RoutePlan::Keep
            },
            complete: leaving && !split.routes.exist,
            waiting: Vec::new(),
        },
        basis: None,
        needs: BTreeMap::new(),
    }
}

/// Ready pods, per function, of the versions that have a share now.
fn serving_pods(world: &World, split: &Split) -> BTreeMap<FunctionName, u32> {
    let mut pods = BTreeMap::new();
    for (version, share) in &split.last {
        let Some(state) = world.versions.get(version) else {
            continue;
        };
        for (name, function) in &state.functions {
            if !share.is_zero() {
                *pods.entry(name.clone()).or_default() += function.ready;
            }
        }
    }
    pods
}

fn pods(state: &Version, name: &FunctionName, basis: &BTreeMap<FunctionName, u32>) -> Option<Pods> {
    let function = state.functions.get(name)?;
    Some(Pods {
        ready: function.ready,
        min: function.min,
        max: function.max,
        basis: basis.get(name).copied().unwrap_or(0),
    })
}

fn standing(
    world: &World,
    split: &Split,
    version: VersionNumber,
    basis: &BTreeMap<FunctionName, u32>,
    wake: &mut Wake,
) -> Standing {
    let Some(state) = world.versions.get(&version) else {
        return Standing {
            serves: false,
            eligible: false,
            bears: Share::ZERO,
        };
    };
    let ready = |name: &FunctionName| state.functions.get(name).is_some_and(|f| f.ready > 0);
    let all_ready = !state.functions.is_empty() && state.functions.keys().all(ready);
    let serves = if split.functions.is_empty() {
        all_ready
    } else {
        split.functions.iter().all(ready)
    };
    // Gateways that serve nobody yet have nothing to lose by a first request that comes early.
    let first = split.last.is_empty();
    let known = match state.ready_since {
        Some(since) if serves && all_ready && !first => {
            let held = share_of(&split.last, version);
            held > Share::ZERO || wake.reached(since + world.settle)
        }
        _ => first,
    };
    let bears = (state.functions.keys())
        .filter_map(|name| pods(state, name, basis))
        .map(capacity::bears)
        .min()
        .unwrap_or(Share::ZERO);
    Standing {
        serves,
        eligible: serves && all_ready && known,
        bears,
    }
}

fn waiting(
    world: &World,
    wanted: &[(VersionNumber, Share)],
    shares: Option<&[(VersionNumber, Share)]>,
    standings: &BTreeMap<VersionNumber, Standing>,
    basis: &BTreeMap<FunctionName, u32>,
) -> Vec<Waiting> {
    let mut list = Vec::new();
    for (version, share) in wanted {
        let none = Version::default();
        let state = world.versions.get(version).unwrap_or(&none);
        let standing = standings[version];
        let unready: Vec<FunctionName> = (state.functions.iter())
            .filter(|(_, function)| function.ready == 0)
            .map(|(name, _)| name.clone())
            .collect();
        let got = share_of(shares.unwrap_or_default(), *version);
        let cause = if !unready.is_empty() || state.functions.is_empty() {
            Some(Cause::NotReady(unready))
        } else if got >= *share {
            None
        } else if standing.eligible {
            shortest(state, *share, basis)
        } else {
            Some(Cause::Settling)
        };
        list.extend(cause.map(|cause| Waiting {
            version: *version,
            cause,
        }));
    }
    list
}

/// The function that lacks most pods for a share.
fn shortest(state: &Version, share: Share, basis: &BTreeMap<FunctionName, u32>) -> Option<Cause> {
    (state.functions.keys())
        .filter_map(|name| {
            let pods = pods(state, name, basis)?;
            let needed = capacity::need(share, pods);
            (needed > pods.ready).then(|| (needed - pods.ready, name, pods.ready, needed))
        })
        .max()
        .map(|(_, function, ready, needed)| Cause::Capacity {
            function: function.clone(),
            ready,
            needed,
        })
}

/// Pods that the wanted shares take, for versions whose share is to rise above what they have.
fn needs(
    world: &World,
    wanted: &[(VersionNumber, Share)],
    last: &[(VersionNumber, Share)],
    basis: &BTreeMap<FunctionName, u32>,
) -> BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>> {
    let rises = wanted
        .iter()
        .filter(|(v, share)| *share > share_of(last, *v));
    rises
        .filter_map(|(version, share)| {
            let state = world.versions.get(version)?;
            let needs = (state.functions.keys())
                .filter_map(|name| {
                    let pods = pods(state, name, basis)?;
                    Some((name.clone(), capacity::need(*share, pods)))
                })
                .collect();
            Some((*version, needs))
        })
        .collect()
}

/// All versions that a split is about.
pub(super) fn versions(shifts: &[Shift<'_>]) -> BTreeSet<VersionNumber> {
    let mut all = BTreeSet::new();
    for shift in shifts {
        if let (Some(wanted), false) = (&shift.split.wanted, shift.split.leaving) {
            all.extend(wanted.iter().map(|(version, _)| *version));
        }
        all.extend(shift.split.last.iter().map(|(version, _)| *version));
    }
    all
}
