//! One split: what its routes are to say now, and what a version still waits for.
//!
//! Pure. Reads the world, decides nothing about workloads.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::{self, Pods};
use super::demand::{self, pods, reached, steps_in};
use super::effective::{self, OnLoss, Standing, is_same, share_of};
use super::giving::{self, Giving};
use super::loss;
use super::naming::{self, Known};
use super::progress;
use super::room;
use super::served;
use super::world::{Intact, Progress, Served, Split, Version, World};
use super::yielding;
use super::{BACKENDS_MAX, Cause, RoutePlan, SplitPlan, Waiting, Wake, later};
use crate::words::{FunctionName, Share, Shares, VersionNumber};

/// A split with what was decided for it.
pub(super) struct Shift<'w> {
    pub(super) split: &'w Split,
    pub(super) plan: SplitPlan,
    /// Ready pods that served when the shift began; kept while a share waits for capacity.
    pub(super) basis: Option<BTreeMap<FunctionName, u32>>,
    /// Pods that the wanted shares take, for versions whose share is to rise.
    pub(super) needs: BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>>,
    /// Versions that its routes name.
    pub(super) known: Known,
    /// Versions that its routes have served.
    pub(super) served: BTreeMap<VersionNumber, Served>,
    /// How far it is, while it waits.
    pub(super) progress: Option<Progress>,
    /// What versions give up where there is no room.
    pub(super) giving: Giving,
    /// What it would be if no version had been lost, while others step in for one.
    pub(super) intact: Option<Intact>,
}

impl Shift<'_> {
    /// Shares that the routes have or are to have, or that the version comes back to.
    pub(super) fn carries(&self, version: VersionNumber) -> bool {
        let next = match &self.plan.route {
            RoutePlan::Serve { shares, .. } => share_of(shares, version),
            RoutePlan::Keep | RoutePlan::Off => Share::ZERO,
        };
        let intact = self.intact.as_ref().map(|intact| &intact.shares[..]);
        let back = share_of(intact.unwrap_or_default(), version);
        let last = share_of(&self.split.last, version);
        [next, back, last].iter().any(|share| !share.is_zero())
    }

    /// The routes are to say something else than they do, other than no more to name what gets nothing.
    pub(super) fn moves(&self) -> bool {
        let RoutePlan::Serve { shares, idle, .. } = &self.plan.route else {
            return false;
        };
        let routes = &self.split.routes;
        // Where none is, none may be wanted, or none can be made.
        if !routes.exist {
            return false;
        }
        let names = idle.iter().any(|version| !routes.named.contains(version));
        !is_same(shares, &self.split.last) || names || routes.surplus
    }

    /// What its routes say until they say what was decided, where there are several: any of them may turn out to be none that can be
    /// written while it is.
    pub(super) fn from(&self) -> Option<Shares> {
        let RoutePlan::Serve { shares, .. } = &self.plan.route else {
            return None;
        };
        let (routes, last) = (&self.split.routes, &self.split.last);
        let goes = (routes.several || routes.surplus) && !is_same(shares, last);
        goes.then(|| last.clone())
    }

    /// The owner wants the version to have a share.
    pub(super) fn wants(&self, version: VersionNumber) -> bool {
        let wanted = self.split.wanted.as_deref().unwrap_or_default();
        !self.split.leaving && !share_of(wanted, version).is_zero()
    }

    /// It waits for pods for which there is no room.
    pub(super) fn is_lean(&self) -> bool {
        let lean = self.progress.as_ref().is_some_and(|progress| progress.lean);
        lean && self.split.wanted.is_some() && !self.split.leaving
    }

    /// Requests reach its versions by routes, or are to.
    pub(super) fn is_reached(&self) -> bool {
        self.split.routes.exist || !self.split.functions.is_empty()
    }

    /// Its share is to fall.
    pub(super) fn falls(&self, version: VersionNumber) -> bool {
        demand::falling(self.split).any(|(falling, _)| falling == version)
    }

    /// A gateway may still send to the version, or look for what stands behind it.
    pub(super) fn names(&self, version: VersionNumber) -> bool {
        self.known.contains_key(&version)
    }

    /// The owner lists the version. Of one whose wish is not known, what its status and its routes name counts: what is not
    /// decided stays as it is.
    pub(super) fn lists(&self, version: VersionNumber) -> bool {
        if self.split.leaving {
            return false;
        }
        if self.split.holds.contains(&version) {
            return true;
        }
        if let Some(wanted) = &self.split.wanted {
            return wanted.iter().any(|(listed, _)| *listed == version);
        }
        self.split.protects.contains(&version) || self.split.routes.held.contains(&version)
    }
}

pub(super) fn shift<'w>(world: &'w World, split: &'w Split, wake: &mut Wake) -> Shift<'w> {
    let known = naming::known(world, split);
    let wanted = match (&split.wanted, split.leaving) {
        (Some(wanted), false) => wanted,
        (_, leaving) => return undecided(world, split, leaving, known),
    };
    let past: Shares = loss::past(world, split).collect();
    let origin = if past.is_empty() {
        split.last.clone()
    } else {
        past.clone()
    };
    let basis = (world.memory.basis.get(&split.owner).cloned())
        .unwrap_or_else(|| demand::serving_pods(world, split));
    let late = progress::is_late(world, split, wake);
    let mut standings = BTreeMap::new();
    for (version, _) in wanted.iter().chain(&split.last).chain(&origin) {
        // Going back is never the part that waits.
        let is_wanted = wanted.iter().any(|(listed, _)| listed == version);
        let overdue = late && is_wanted && progress::returns(world, split, *version);
        let mut standing = standing(world, split, *version, &basis, (&known, overdue), wake);
        if overdue {
            standing.bears = Share::ALL;
        }
        standings.insert(*version, standing);
    }
    let as_they_are = standings.clone();
    make_room(wanted, (&split.last, &origin), &mut standings);
    let yields = yielding::yields(world, split, late, wake);
    if let Some(standing) = yields.and_then(|version| standings.get_mut(&version)) {
        give_way(standing);
    }
    let last = &split.last;
    // What has to go is not lost: its share goes to others, whatever becomes of a lost one's.
    let on_loss = yields.map_or(split.on_loss, |_| OnLoss::Shift);
    let intact = loss::intact(wanted, on_loss, &origin, (&as_they_are, &standings));
    let shares = effective::effective(wanted, last, &intact, on_loss, |v| standings[&v]);
    // In another order they are no other split: the routes stay as they are.
    let shares = shares.map(|shares| effective::in_order_of(shares, last));
    let mut waiting = waiting(world, split, shares.as_deref(), &standings, &basis);
    let ready = |version| standings.get(&version).is_some_and(|it| it.serves);
    let said = shares.as_ref().unwrap_or(&split.last);
    let intact = loss::remembered(wanted, (&past, intact), last, said);
    let back = intact.as_ref().map(|intact| &intact.shares[..]);
    let back = back.unwrap_or_default();
    let beside = naming::beside(world, split, (said, back), &known, ready, wake);
    let unheard = naming::unheard(world, split, said, &known, wake);
    waiting.extend(beside.crowded.iter().map(|version| Waiting {
        version: *version,
        cause: Cause::Backends(said.len() + beside.idle.len() + beside.crowded.len()),
    }));
    // Where nothing that the gateways know is ready, the route stays; but what is ready is named to them.
    let news = (beside.idle.iter()).any(|version| !split.routes.named.contains(version));
    let shares = shares.or_else(|| (news && !split.last.is_empty()).then(|| split.last.clone()));
    let progress = progress::progress(world, split, shares.as_ref(), &waiting, wake);
    let giving = giving::giving(world, split, (&origin, &basis), progress.as_ref(), wake);
    let lean = progress.as_ref().is_some_and(|progress| progress.lean);
    // A gateway that says nothing is another matter, with words of its own.
    let is_open = (waiting.iter()).any(|waiting| waiting.cause != Cause::Settling);
    let stalled = is_open
        & (progress.as_ref()).is_some_and(|progress| progress::is_stalled(split, progress, wake));
    let short = (waiting.iter()).any(|waiting| matches!(waiting.cause, Cause::Capacity { .. }));
    let needs = demand::needs(world, split, &basis);
    let served: Shares = (wanted.iter().copied())
        .filter(|(_, share)| !share.is_zero())
        .collect();
    // One of several routes that cannot be written sends to whom the others do not any more.
    let has_share = |version, shares: &Shares| !share_of(shares, version).is_zero();
    let strays = (split.routes.sent.iter())
        .any(|version| !has_share(*version, &served) && !has_share(*version, last));
    let all = (shares.as_ref()).is_some_and(|shares| is_same(shares, &served));
    let complete = all && waiting.is_empty() && !strays && !split.routes.differ;
    let asked_for = |version: &VersionNumber| {
        let awaited = (world.versions.get(version)).is_some_and(|state| state.awaited);
        standings[version].eligible || (awaited && split.routes.ruled.contains(version))
    };
    let overrides = (wanted.iter())
        .map(|(version, _)| *version)
        .filter(asked_for)
        .collect();
    Shift {
        split,
        plan: SplitPlan {
            owner: split.owner.clone(),
            route: shares.map_or(RoutePlan::Keep, |shares| RoutePlan::Serve {
                shares,
                idle: beside.idle,
                overrides,
            }),
            complete,
            settled: false,
            waiting,
            stalled,
            unheard,
        },
        basis: (short || lean || giving::gave(world, split)).then_some(basis),
        giving,
        needs,
        known,
        served: served::served(world, split),
        progress,
        intact,
    }
}

/// Where a rule has no place for all versions at once, those that are not wanted and have least give way as if they were
/// lost: their places are free once their shares are gone.
fn make_room(
    wanted: &[(VersionNumber, Share)],
    (last, origin): (&Shares, &Shares),
    standings: &mut BTreeMap<VersionNumber, Standing>,
) {
    let is_wanted = |version| wanted.iter().any(|(listed, _)| *listed == version);
    let places = (standings.iter())
        .filter(|(version, standing)| {
            standing.serves || standing.named || !share_of(last, **version).is_zero()
        })
        .count();
    let carried: BTreeSet<VersionNumber> = (last.iter().chain(origin))
        .map(|(version, _)| *version)
        .filter(|version| !is_wanted(*version))
        .collect();
    let mut leaving: Vec<(Share, VersionNumber)> = (carried.into_iter())
        .map(|version| (share_of(last, version), version))
        .collect();
    leaving.sort_unstable();
    let excess = places.saturating_sub(BACKENDS_MAX);
    for (_, version) in leaving.into_iter().take(excess) {
        if let Some(standing) = standings.get_mut(&version) {
            give_way(standing);
        }
    }
}

/// Its share goes as if it were lost.
fn give_way(standing: &mut Standing) {
    standing.serves = false;
    standing.awaited = false;
}

fn undecided<'w>(world: &World, split: &'w Split, leaving: bool, known: Known) -> Shift<'w> {
    let intact = world.memory.intact.get(&split.owner);
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
            settled: false,
            waiting: Vec::new(),
            stalled: false,
            unheard: Vec::new(),
        },
        basis: (world.memory.basis.get(&split.owner).cloned()).filter(|_| !leaving),
        giving: Giving {
            whole: (world.memory.whole.get(&split.owner).cloned()).filter(|_| !leaving),
            ..Giving::default()
        },
        needs: BTreeMap::new(),
        known,
        served: if leaving {
            BTreeMap::new()
        } else {
            served::served(world, split)
        },
        progress: (world.memory.progress.get(&split.owner).cloned()).filter(|_| !leaving),
        intact: intact.filter(|_| !leaving).cloned(),
    }
}

fn standing(
    world: &World,
    split: &Split,
    version: VersionNumber,
    basis: &BTreeMap<FunctionName, u32>,
    (known, overdue): (&Known, bool),
    wake: &mut Wake,
) -> Standing {
    let Some(state) = world.versions.get(&version) else {
        return Standing::NONE;
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
    let held = !share_of(&split.last, version).is_zero();
    // A version that served is known to work: what no request reaches of it may come later.
    let proven = overdue || served::lately(world, split, version);
    let ready = serves && (all_ready || proven);
    let settled = match state.ready_since {
        _ if !ready => false,
        _ if first || held => true,
        // What became ready at a time that is yet to come says nothing: somebody's clock was put back.
        since => {
            let known = naming::is_settled(world, split, known, version, wake);
            let mut over = |since| since > world.now || wake.reached(later(since, world.settle));
            known & since.is_none_or(&mut over)
        }
    };
    let runs_ahead = progress::past(world, split)
        .is_some_and(|progress| room::runs_ahead(world, split, progress, wake));
    let bears = |runs_ahead: bool| {
        let all = reached(split, state).filter_map(|name| pods(state, name, basis));
        let each = all.map(|pods| {
            let ahead = if runs_ahead && pods.ready > 0 {
                capacity::ahead(pods, room::last_pods(world, split))
            } else {
                0
            };
            let ready = pods.ready.saturating_add(ahead);
            capacity::bears(Pods { ready, ..pods })
        });
        each.min().unwrap_or(Share::ZERO)
    };
    // First it has what its pods bear.
    let wanted = split.wanted.as_deref().unwrap_or_default();
    let behind = share_of(&split.last, version) < bears(false).min(share_of(wanted, version));
    let bears = bears(runs_ahead && !behind);
    Standing {
        serves,
        named: first || held || split.routes.named.contains(&version),
        eligible: settled,
        bears,
        steps_in: steps_in(world, split, state),
        awaited: state.awaited && !serves,
    }
}

fn waiting(
    world: &World,
    split: &Split,
    shares: Option<&[(VersionNumber, Share)]>,
    standings: &BTreeMap<VersionNumber, Standing>,
    basis: &BTreeMap<FunctionName, u32>,
) -> Vec<Waiting> {
    let mut list = Vec::new();
    for (version, share) in split.wanted.iter().flatten() {
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
        } else if got >= *share && (standing.eligible || !share.is_zero()) {
            None
        } else if standing.eligible {
            shortest(split, state, *share, basis)
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
fn shortest(
    split: &Split,
    state: &Version,
    share: Share,
    basis: &BTreeMap<FunctionName, u32>,
) -> Option<Cause> {
    reached(split, state)
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
