//! How long versions and owners live: what runs, at what scale, what goes, and what has to be remembered for that.
//!
//! Pure. Takes the shifts as decided and adds the workloads around them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::found;
use super::giving::Left;
use super::room;
use super::shift::{self, Shift};
use super::vanished;
use super::world::{FunctionState, Memory, Owner, Served, Version, VersionMemory, World};
use super::{Plan, Scale, Wake, later};
use crate::words::{FunctionName, VersionNumber};

pub(super) fn settle(world: &World, mut shifts: Vec<Shift<'_>>, mut wake: Wake) -> Plan {
    let mut memory = Memory {
        versions: BTreeMap::new(),
        basis: (shifts.iter())
            .filter_map(|shift| Some((shift.plan.owner.clone(), shift.basis.clone()?)))
            .collect(),
        whole: (shifts.iter())
            .filter_map(|shift| Some((shift.plan.owner.clone(), shift.giving.whole.clone()?)))
            .collect(),
        named: (shifts.iter())
            .filter(|shift| !shift.known.is_empty())
            .map(|shift| (shift.plan.owner.clone(), shift.known.clone()))
            .collect(),
        progress: (shifts.iter())
            .filter_map(|shift| Some((shift.plan.owner.clone(), shift.progress.clone()?)))
            .collect(),
        gone: BTreeMap::new(),
        intact: (shifts.iter())
            .filter_map(|shift| Some((shift.plan.owner.clone(), shift.intact.clone()?)))
            .collect(),
        shares: vanished::shares(world, &shifts),
        from: (shifts.iter())
            .filter_map(|shift| Some((shift.plan.owner.clone(), shift.from()?)))
            .collect(),
        served: BTreeMap::new(),
    };
    let times = Times::of(world, &shifts);
    let open = is_open(world, &shifts, &times);
    let mut run = BTreeMap::new();
    let mut remove = BTreeSet::new();
    let mut for_others = BTreeSet::new();
    let mut settled = true;
    for shift in &mut shifts {
        shift.plan.settled = is_settled(world, shift, &mut wake);
        settled &= shift.plan.settled;
    }
    let room = Room::of(world, &shifts);
    let mut candidates: BTreeSet<VersionNumber> = world.versions.keys().copied().collect();
    candidates.extend(shift::versions(&shifts));
    for version in candidates {
        let Some(state) = world.versions.get(&version) else {
            continue;
        };
        let listed = shifts.iter().any(|shift| shift.lists(version));
        let answers = |shift: &Shift<'_>| !shift.split.leaving && shift.carries(version);
        if !listed && !shifts.iter().any(answers) && !state.materialised {
            continue;
        }
        let past = world.memory.versions.get(&version);
        let mut now = remember(world, &shifts, version, listed, past);
        if let Some(since) = now.released {
            settled &= wake.reached(later(since, world.settle));
        }
        let named = shifts.iter().any(|shift| shift.names(version));
        if !listed && is_due(&now, &times, &mut wake) && !named {
            remove.insert(version);
            continue;
        }
        let ours = listed
            || is_answering(&shifts, version)
            || (shifts.iter()).any(|shift| shift.split.routes.exist && shift.carries(version));
        if !ours && world.sent_by_others.contains(&version) {
            for_others.insert(version);
        }
        let keeps_pods = match now.released {
            Some(since) => !wake.reached(later(since, times.window.max(times.drain))),
            None => open,
        };
        let drained = (now.released).is_some_and(|since| wake.reached(later(since, times.drain)));
        for (name, left) in room.left(&shifts, (version, state), (listed, drained), past) {
            now.left.insert(name.clone(), left.pods);
            now.had.insert(name, left.had);
        }
        now.found = found::found(state, past, &now);
        if keeps_pods {
            now.floor = floor(&shifts, version, state, past);
            now.floor.retain(|name, _| !now.left.contains_key(name));
        }
        let caps = (shifts.iter())
            .any(|shift| shift.giving.caps && shift.giving.left.contains_key(&version));
        let most = room.most(&shifts, version);
        run.insert(version, scale(state, &now, caps, &most));
        memory.versions.insert(version, now);
    }
    memory.served = served(&shifts, |version| run.contains_key(&version));

    let (release, close) = release(world, &shifts, run.is_empty(), &mut memory, &mut wake);
    Plan {
        run,
        remove,
        for_others,
        splits: shifts.into_iter().map(|shift| shift.plan).collect(),
        release,
        close,
        settled,
        memory,
        wake: wake.next,
    }
}

/// Gateways have had the settle delay since the routes of a split were written, and since they accepted them without what lost
/// its share. What other owners of the app do is no matter of this one's users.
fn is_settled(world: &World, shift: &Shift<'_>, wake: &mut Wake) -> bool {
    // What this very plan moves has not even been written yet.
    let written = if shift.moves() {
        Some(world.now)
    } else {
        shift.split.routes.written
    };
    let left = shift.served.values().filter_map(|served| served.left);
    let mut settled = true;
    for since in written.into_iter().chain(left) {
        settled &= wake.reached(later(since, world.settle));
    }
    settled
}

/// What each owner goes back to, as far as it runs.
fn served(
    shifts: &[Shift<'_>],
    runs: impl Fn(VersionNumber) -> bool,
) -> BTreeMap<Owner, BTreeMap<VersionNumber, Served>> {
    let of = |shift: &Shift<'_>| -> BTreeMap<VersionNumber, Served> {
        let served = shift.served.iter().filter(|(version, _)| runs(**version));
        served.map(|(version, it)| (*version, *it)).collect()
    };
    (shifts.iter())
        .map(|shift| (shift.plan.owner.clone(), of(shift)))
        .filter(|(_, served)| !served.is_empty())
        .collect()
}

/// Owners that are let go, and whether nothing is left at all.
fn release(
    world: &World,
    shifts: &[Shift<'_>],
    nothing_runs: bool,
    memory: &mut Memory,
    wake: &mut Wake,
) -> (BTreeSet<Owner>, bool) {
    let materialised = world.versions.values().any(|version| version.materialised);
    let nobody = shifts.iter().all(|shift| shift.split.leaving);
    let mut release = BTreeSet::new();
    let mut all_gone = true;
    for shift in shifts.iter().filter(|shift| shift.split.leaving) {
        let owner = shift.plan.owner.clone();
        if shift.split.routes.exist {
            all_gone = false;
            continue;
        }
        if !materialised {
            // Nothing is left to drain. Nor may there be an anchor to remember a wait in: there never was one, or the
            // whole namespace is being deleted and takes no new one.
            release.insert(owner);
            continue;
        }
        let since = world.memory.gone.get(&owner).copied().unwrap_or(world.now);
        memory.gone.insert(owner.clone(), since);
        if wake.reached(later(since, world.settle.saturating_add(shift.split.drain))) {
            release.insert(owner);
        } else {
            all_gone = false;
        }
    }
    let close = nobody && all_gone && !materialised && nothing_runs;
    if nobody && !close {
        // The last owner stays until everything that it leaves behind is gone.
        release.clear();
    }
    (release, close)
}

/// How long a version lives on once no gateway sends to it.
struct Times {
    /// Settle delay and the longest drain delay of any split.
    drain: SignedDuration,
    /// The longest rollback window of any split that stays.
    window: SignedDuration,
}

impl Times {
    fn of(world: &World, shifts: &[Shift<'_>]) -> Self {
        let drain = shifts.iter().map(|shift| shift.split.drain).max();
        let windows = (shifts.iter())
            .filter(|shift| !shift.split.leaving)
            .map(|shift| shift.split.rollback_window);
        Self {
            drain: (world.settle).saturating_add(drain.unwrap_or(DRAIN_WITHOUT_OWNER)),
            window: windows.max().unwrap_or(SignedDuration::ZERO),
        }
    }
}

/// Drain delay for workloads whose owner vanished without its finalizer, so that nobody can be asked.
const DRAIN_WITHOUT_OWNER: SignedDuration = SignedDuration::from_secs(30);

/// True while a share is on its way, or a version that lost its share is not drained yet.
fn is_open(world: &World, shifts: &[Shift<'_>], times: &Times) -> bool {
    let moving = shifts
        .iter()
        .any(|shift| !shift.split.leaving && !shift.plan.complete);
    let draining = world.memory.versions.values().any(|version| {
        version.served
            && version
                .released
                .is_some_and(|since| later(since, times.drain) > world.now)
    });
    let unsettled = shifts.iter().any(|shift| {
        let leaves = |(version, _): &(VersionNumber, _)| !shift.lists(*version);
        shift.split.last.iter().any(leaves)
    });
    moving || draining || unsettled
}

/// Brings what is known of a version up to date: has it served, and since when does no gateway send to it.
fn remember(
    world: &World,
    shifts: &[Shift<'_>],
    version: VersionNumber,
    listed: bool,
    past: Option<&VersionMemory>,
) -> VersionMemory {
    let past = past.cloned().unwrap_or_default();
    let carries = shifts.iter().any(|shift| shift.carries(version));
    let mut now = VersionMemory {
        served: past.served || carries,
        ..VersionMemory::default()
    };
    // An override header reaches a listed version without a share; once it is listed nowhere, no rule may name it.
    let sent_to = carries
        || shifts.iter().any(|shift| {
            let routes = &shift.split.routes;
            let unsure = routes.exist && !routes.accepted && shift.names(version);
            let ruled = !listed && routes.ruled.contains(&version);
            ruled || unsure
        });
    // Whoever takes the place of a route of ours has its requests.
    let sent = is_answering(shifts, version) || world.sent_by_others.contains(&version);
    let same = past.listed == listed;
    now.released = match past.released {
        _ if carries || (listed && !now.served) => None,
        // One of several routes sends to it still, or again.
        Some(_) if !listed && sent => None,
        Some(since) if same => Some(since),
        _ if sent_to || sent => None,
        _ => Some(world.now),
    };
    now.listed = listed && now.released.is_some();
    now
}

/// True where one of our routes gives the version a share, whichever of them counts.
fn is_answering(shifts: &[Shift<'_>], version: VersionNumber) -> bool {
    (shifts.iter()).any(|shift| shift.split.routes.sent.contains(&version))
}

/// True when the workloads of a version that nobody lists may go.
fn is_due(version: &VersionMemory, times: &Times, wake: &mut Wake) -> bool {
    let Some(since) = version.released else {
        return false;
    };
    let wait = if version.served {
        times.drain.max(times.window)
    } else {
        times.drain
    };
    wake.reached(later(since, wait))
}

/// Pods that each autoscaler has to hold: what the shares to come take, and what those that leave have now.
fn floor(
    shifts: &[Shift<'_>],
    version: VersionNumber,
    state: &Version,
    past: Option<&VersionMemory>,
) -> BTreeMap<FunctionName, u32> {
    let mut floor = past.map(|past| past.floor.clone()).unwrap_or_default();
    for (name, function) in state.functions.iter().filter(|(_, f)| f.autoscaled) {
        let rising = (shifts.iter())
            .filter_map(|shift| shift.needs.get(&version)?.get(name).copied())
            .max();
        let held = floor.get(name).copied();
        // What a version has when its share begins to fall is what going back takes.
        let leaving = (held.is_none() && rising.is_none()).then_some(function.ready);
        if let Some(most) = held.max(rising).max(leaving)
            && most > function.min
        {
            floor.insert(name.clone(), most.min(function.max));
        }
    }
    floor
}

/// Whether pods have to go for others.
struct Room<'w> {
    /// Versions to which routes of others send.
    strangers: &'w BTreeSet<VersionNumber>,
    /// A shift waits for pods for which there is no room.
    lean: bool,
    /// There is no room now for pods that some version is to have.
    cramped: bool,
    /// Nor for pods of one that has a share.
    starved: bool,
}

impl<'w> Room<'w> {
    /// The most pods that are asked for of a version, where all of those that it serves or comes to say so.
    fn most(&self, shifts: &[Shift<'_>], version: VersionNumber) -> BTreeMap<FunctionName, u32> {
        let is_behind = |shift: &Shift<'_>| shift.split.routes.behind.contains(&version);
        if self.strangers.contains(&version) || shifts.iter().any(is_behind) {
            return BTreeMap::new();
        }
        let about = shifts.iter().filter(|shift| {
            let is_about = shift.carries(version) || shift.needs.contains_key(&version);
            shift.is_reached() && is_about
        });
        let all = about.map(|shift| shift.giving.most.get(&version).cloned());
        all.reduce(|all, one| Some(in_both(all?, &one?, u32::max)))
            .flatten()
            .unwrap_or_default()
    }

    fn of(world: &'w World, shifts: &[Shift<'_>]) -> Self {
        Self {
            strangers: &world.sent_by_others,
            lean: shifts.iter().any(Shift::is_lean),
            cramped: (world.versions.keys()).any(|version| room::has_no_room(world, *version)),
            starved: (world.versions.keys())
                .filter(|version| shifts.iter().any(|shift| shift.carries(**version)))
                .any(|version| room::has_no_room(world, *version)),
        }
    }

    /// What is left to a version; nothing where it may have all that it declares. `drained`: no request is on its way to it.
    fn left(
        &self,
        shifts: &[Shift<'_>],
        (version, state): (VersionNumber, &Version),
        (listed, drained): (bool, bool),
        past: Option<&VersionMemory>,
    ) -> BTreeMap<FunctionName, Left> {
        let having = |count: &dyn Fn(&FunctionState) -> u32| -> BTreeMap<FunctionName, Left> {
            let functions = state.functions.iter();
            functions
                .map(|(name, it)| (name.clone(), Left::of(count(it))))
                .collect()
        };
        if !listed {
            let left = left(shifts, version, past);
            // One that came only in part is nothing to go back to at once.
            let in_part = |it: &FunctionState| it.no_room && room::placed(it) * 2 <= it.asked;
            let came_in_part = state.functions.values().any(in_part);
            let gives = self.lean || (self.starved && came_in_part);
            let goes = !left.is_empty() || (gives && !is_answering(shifts, version));
            if self.cramped && drained && goes {
                // Nothing is sent to it any more, and others need all of the room.
                return having(&|_| 0);
            }
            return left;
        }
        let about =
            |shift: &Shift<'_>| shift.carries(version) || shift.needs.contains_key(&version);
        let gets = |shift: &Shift<'_>| (shift.is_reached() || shift.is_lean()) && about(shift);
        let behind = |shift: &Shift<'_>| shift.split.routes.behind.contains(&version);
        let gets = shifts.iter().any(|shift| gets(shift) || behind(shift))
            || is_answering(shifts, version)
            || self.strangers.contains(&version);
        let lacks = state.functions.values().any(|function| function.no_room);
        if self.lean && lacks && !gets {
            // What serves gives up no pod for one to which nothing is sent.
            return having(&|function| function.placed.max(function.ready).max(1));
        }
        // Once there is room again, it gets what it is listed for.
        let is_back = !self.lean && !self.cramped;
        left(shifts, version, past.filter(|_| !is_back))
    }
}

/// What is left to a version that gives way, or gave way and was not asked for since.
fn left(
    shifts: &[Shift<'_>],
    version: VersionNumber,
    past: Option<&VersionMemory>,
) -> BTreeMap<FunctionName, Left> {
    let wanted = (shifts.iter()).any(|shift| shift.wants(version) && !shift.falls(version));
    let before = past.filter(|_| !wanted).map(Left::remembered);
    // Where it has only a name, nothing is sent to it.
    let reached = shifts.iter().filter(|shift| shift.is_reached());
    let about: Vec<&Shift<'_>> = reached
        .filter(|shift| shift.carries(version) || shift.needs.contains_key(&version))
        .collect();
    let about = if about.is_empty() {
        shifts.iter().collect()
    } else {
        about
    };
    let rises = about.iter().any(|shift| shift.needs.contains_key(&version));
    // A route that is behind the others sends all of its requests to it.
    let is_behind = |shift: &Shift<'_>| shift.split.routes.behind.contains(&version);
    if rises || shifts.iter().any(is_behind) {
        return BTreeMap::new();
    }
    let carrying = about.iter().filter(|shift| shift.carries(version));
    let carrying: Vec<&&Shift<'_>> = carrying.collect();
    let left = match &carrying[..] {
        [] => before,
        [shift] => shift.giving.left.get(&version).cloned().or(before),
        // Where all of them leave it, whoever needs most of its pods says how many; else others count on them.
        several => (several.iter())
            .map(|shift| shift.giving.left.get(&version).cloned())
            .reduce(|all, one| Some(in_both(all?, &one?, more)))
            .flatten(),
    };
    left.unwrap_or_default()
}

/// The larger of the two of each function that both know.
fn in_both<T: Copy>(
    all: BTreeMap<FunctionName, T>,
    one: &BTreeMap<FunctionName, T>,
    larger: impl Fn(T, T) -> T,
) -> BTreeMap<FunctionName, T> {
    let both = all.into_iter().filter_map(|(name, it)| {
        let other = *one.get(&name)?;
        Some((name, larger(it, other)))
    });
    both.collect()
}

/// What is left where more is.
fn more(all: Left, one: Left) -> Left {
    if one.pods > all.pods { one } else { all }
}

/// How many pods each function of a version is given. An autoscaler keeps what the load asks for, but where what is left to it is a cap.
/// Of what several versions wait for, none asks for more than `most`.
fn scale(
    state: &Version,
    memory: &VersionMemory,
    caps: bool,
    most: &BTreeMap<FunctionName, u32>,
) -> BTreeMap<FunctionName, Scale> {
    (state.functions.iter())
        .map(|(name, function)| {
            let held = memory.floor.get(name).copied().unwrap_or(0);
            let left = memory.left.get(name).copied().unwrap_or(u32::MAX);
            let scale = if function.autoscaled {
                // No autoscaler goes below one pod.
                let most = if caps { left } else { u32::MAX };
                Scale::Auto {
                    min: function.min.max(held).min(left).max(1),
                    max: function.max.min(most).max(1),
                }
            } else {
                let most = most.get(name).copied().unwrap_or(u32::MAX);
                Scale::Fixed(function.min.min(left).min(most))
            };
            (name.clone(), scale)
        })
        .collect()
}
