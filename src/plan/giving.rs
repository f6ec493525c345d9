//! What the versions that leave give up where there is no room for the pods of those that come.
//!
//! Pure. Versions give up pods by their shares, and a step more where not one pod fits beside them. All versions of a split together are
//! never further below what they had when that began than a step: then pods of those that come have to be ready first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::capacity;
use super::demand::{falling, rising};
use super::effective::share_of;
use super::room;
use super::world::{FunctionState, Had, Progress, Split, VersionMemory, World};
use super::{Wake, later};
use crate::words::{FunctionName, Share, Shares, VersionNumber};

/// What is left to a function of a version that gave pods up, and what it had before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) pods: u32,
    pub(super) had: Had,
}

impl Left {
    /// So many pods, and it had no more.
    pub(super) fn of(pods: u32) -> Self {
        let share = Share::ALL;
        let had = Had { pods, share };
        Self { pods, had }
    }

    /// What is remembered of a version.
    pub(super) fn remembered(past: &VersionMemory) -> BTreeMap<FunctionName, Self> {
        let left = past.left.iter().map(|(name, pods)| {
            let had = past.had.get(name).copied();
            let left = had.map_or_else(|| Self::of(*pods), |had| Self { pods: *pods, had });
            (name.clone(), left)
        });
        left.collect()
    }
}

/// What versions give up.
#[derive(Debug, Default)]
pub(super) struct Giving {
    /// Pods that all versions had when that began, per function; nothing where none has given any.
    pub(super) whole: Option<BTreeMap<FunctionName, u32>>,
    pub(super) left: BTreeMap<VersionNumber, BTreeMap<FunctionName, Left>>,
    /// Autoscalers are held to it, whatever the load asks for: else a way back would wait for them.
    pub(super) caps: bool,
    /// It was measured anew, which is done once for each wish.
    pub(super) anew: bool,
}

/// Where the share of a version goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Rises,
    Stays,
    Falls,
}

/// A function of a version that serves, or comes.
struct Member {
    version: VersionNumber,
    share: Share,
    way: Way,
    /// Pods that have a place, ready or not.
    placed: u32,
    ready: u32,
    /// It is to have more than have a place.
    lacks: bool,
    /// No autoscaler decides how many.
    is_fixed: bool,
    given: Option<Left>,
}

impl Member {
    /// Pods that it counts for: those that it may keep, and of what comes those that are ready.
    fn counts(&self) -> u32 {
        match self.given {
            _ if self.way == Way::Rises => self.ready,
            Some(left) if self.way == Way::Falls => left.pods,
            _ => self.placed,
        }
    }
}

/// Decides what versions give up. `served` are those that have shares or come back to them, `basis` the ready pods that served when the
/// shift began, and `progress` how far it is, while it waits.
pub(super) fn giving(
    world: &World,
    split: &Split,
    (served, basis): (&Shares, &BTreeMap<FunctionName, u32>),
    progress: Option<&Progress>,
    wake: &mut Wake,
) -> Giving {
    let Some(progress) = progress.filter(|progress| progress.lean) else {
        let whole = world.memory.whole.get(&split.owner);
        return Giving {
            whole: whole.filter(|_| gave(world, split)).cloned(),
            ..Giving::default()
        };
    };
    let full = room::is_full(world, split, progress, wake);
    let late = wake.reached(later(progress.began, split.progress_deadline));
    let back = is_back(split, progress);
    let long = full && back && !progress.anew && room::is_long(split, progress, wake);
    let mut giving = Giving {
        caps: back && !late,
        anew: progress.anew,
        ..Giving::default()
    };
    let mut all = BTreeMap::new();
    let members = members(world, split, served);
    // What has its place and is not ready needs no room.
    let waits = |it: &Member| it.way == Way::Rises && it.lacks;
    let needed = members.values().flatten().any(waits);
    let came: BTreeSet<FunctionName> = (members.iter())
        .filter(|(_, all)| all.iter().any(|it| it.way == Way::Rises && it.placed > 0))
        .map(|(name, _)| name.clone())
        .collect();
    for (name, mut members) in members {
        let past = world.memory.whole.get(&split.owner);
        let past = past.and_then(|past| past.get(&name)).copied();
        let basis = basis.get(&name).copied().unwrap_or(0);
        // Another function may have taken the place that was made for the first pod of what comes.
        let taken = long && came.iter().any(|other| *other != name);
        let (whole, anew) = whole(&mut members, (past, basis), (long, taken));
        giving.anew |= anew;
        let mut gave = give(&members, whole, (full, back, needed));
        if past.is_some() {
            rest(&members, whole, &mut gave);
        }
        if !gave.is_empty() {
            all.insert(name.clone(), whole);
        }
        for (version, left) in gave {
            giving
                .left
                .entry(version)
                .or_default()
                .insert(name.clone(), left);
        }
    }
    giving.whole = Some(all).filter(|all| !all.is_empty());
    giving
}

/// A version that has a share gave pods up. Another change of mind begins with the pods that served before the first one, and not with
/// those that are left.
pub(super) fn gave(world: &World, split: &Split) -> bool {
    (split.last.iter()).any(|(version, share)| {
        let past = world.memory.versions.get(version);
        !share.is_zero() && past.is_some_and(|past| !past.left.is_empty())
    })
}

/// Traffic goes back: to a version that served lately, or to one that is older than another that leaves.
fn is_back(split: &Split, progress: &Progress) -> bool {
    let newest = falling(split).map(|(version, _)| version).max();
    rising(split).any(|(version, _)| {
        progress.back.contains(&version) || newest.is_some_and(|newest| newest > version)
    })
}

/// Pods of a function that have a place.
fn placed(function: &FunctionState) -> u32 {
    function.placed.max(function.ready)
}

/// Per function, the versions that serve or come. What is listed at 0 % is none of them.
fn members(world: &World, split: &Split, served: &Shares) -> BTreeMap<FunctionName, Vec<Member>> {
    let rises: BTreeSet<VersionNumber> = rising(split).map(|(version, _)| version).collect();
    let falls: BTreeSet<VersionNumber> = falling(split).map(|(version, _)| version).collect();
    let serving = split.last.iter().chain(served);
    let serving = serving.filter(|(_, share)| !share.is_zero());
    let all: BTreeSet<VersionNumber> = serving
        .map(|(version, _)| *version)
        .chain(rises.iter().copied())
        .collect();
    let mut members: BTreeMap<FunctionName, Vec<Member>> = BTreeMap::new();
    for version in all {
        let Some(state) = world.versions.get(&version) else {
            continue;
        };
        let past = world.memory.versions.get(&version);
        let way = if rises.contains(&version) {
            Way::Rises
        } else if falls.contains(&version) {
            Way::Falls
        } else {
            Way::Stays
        };
        for (name, function) in &state.functions {
            let pods = past.and_then(|past| past.left.get(name)).copied();
            let had = past.and_then(|past| past.had.get(name)).copied();
            let share = share_of(&split.last, version);
            let given = pods.map(|pods| Left {
                pods,
                had: had.unwrap_or(Had { pods, share }),
            });
            members.entry(name.clone()).or_default().push(Member {
                version,
                share,
                way,
                placed: placed(function),
                ready: function.ready,
                lacks: placed(function) < function.asked,
                is_fixed: !function.autoscaled,
                // One that is to have more again, since nothing held its autoscaler, begins anew.
                given: given.filter(|left| way != Way::Rises && function.asked <= left.pods),
            });
        }
    }
    members
}

/// Pods that all versions had when they began to give some up: none counts that has no place, an outage makes no app smaller, and what
/// comes back or is added meanwhile counts as well. And whether that was measured anew.
fn whole(
    members: &mut [Member],
    (past, basis): (Option<u32>, u32),
    (long, taken): (bool, bool),
) -> (u32, bool) {
    let sum = |count: &dyn Fn(&Member) -> u32, members: &[Member]| {
        let counts = members.iter().map(count);
        counts.fold(0_u32, u32::saturating_add)
    };
    let stays = |count: fn(&Member) -> u32| {
        move |it: &Member| if it.way == Way::Rises { 0 } else { count(it) }
    };
    let comes = sum(
        &|it| if it.way == Way::Rises { it.ready } else { 0 },
        members,
    );
    let lacks = |it: &Member| it.given.is_some_and(|left| it.placed < left.pods);
    let starves = |it: &Member| it.way == Way::Rises && it.lacks && it.ready == 0;
    let gave = members.iter().any(|it| it.given.is_some());
    let starves = taken && gave && members.iter().any(starves);
    if long && (starves || members.iter().any(lacks)) {
        // Pods went for another reason. A way back does not wait for these.
        for member in members.iter_mut().filter(|it| it.given.is_some()) {
            let (pods, share) = (member.counts().min(member.placed).max(1), member.share);
            member.given = Some(Left {
                pods,
                had: Had { pods, share },
            });
        }
        let now = |it: &Member| it.counts().min(it.placed);
        return (sum(&stays(now), members).saturating_add(comes), true);
    }
    let placed = sum(&stays(|it| it.placed), members);
    let fresh = placed.max(basis).min(placed.saturating_add(comes));
    let whole = match past.filter(|_| gave) {
        Some(past) => past.max(sum(&stays(|it| it.counts().min(it.placed)), members)),
        None => fresh,
    };
    (whole, false)
}

/// What is left to each version that gives something up, or did.
fn give(
    members: &[Member],
    whole: u32,
    (full, back, needed): (bool, bool, bool),
) -> BTreeMap<VersionNumber, Left> {
    let counts = members.iter().map(Member::counts);
    let sum = counts.fold(0_u32, u32::saturating_add);
    let step = capacity::step(whole);
    let mut spare = sum.saturating_sub(whole.saturating_sub(step));
    let mut falling: Vec<&Member> = members.iter().filter(|it| it.way == Way::Falls).collect();
    // Whoever has most gives first, so that all give alike.
    falling.sort_by_key(|it| Reverse(it.counts()));
    let mut all = BTreeMap::new();
    for member in falling {
        let now = member.counts();
        let fresh = Had {
            pods: now,
            share: member.share,
        };
        let had = member.given.map_or(fresh, |left| left.had);
        let due = capacity::due(member.share, had.share, had.pods);
        let lean = due.saturating_sub(step).max(1);
        let least = if full && now <= due { lean } else { due };
        let pods = if member.given.is_some_and(|left| left.pods < lean) {
            // Its share came back.
            least
        } else if !needed || (member.lacks && !back) {
            // Where it has lost some itself, which may come back, a release forward waits.
            now
        } else {
            let fewer = now.saturating_sub(least).min(spare);
            spare -= fewer;
            now - fewer
        };
        if pods < now || member.given.is_some() {
            all.insert(member.version, Left { pods, had });
        }
    }
    all
}

/// Where something was given, what came for an earlier wish and leaves again takes no place that is made for others: its share says what
/// it needs.
fn rest(members: &[Member], whole: u32, gave: &mut BTreeMap<VersionNumber, Left>) {
    if members.iter().all(|it| it.given.is_none()) {
        return;
    }
    let waits =
        |it: &&Member| it.way == Way::Falls && it.is_fixed && it.lacks && it.given.is_none();
    for member in members.iter().filter(waits) {
        let share = member.share;
        let pods = (member.placed).max(capacity::due(share, Share::ALL, whole));
        let had = Had { pods, share };
        gave.entry(member.version).or_insert(Left { pods, had });
    }
}
