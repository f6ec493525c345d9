//! What the versions that leave give up where there is no room for the pods of those that come.
//!
//! Pure. Versions give up pods by their shares, and a step more where not one pod fits beside them. All versions of a split together are
//! never further below what they had when that began than a step: then pods of those that come have to be ready first. Only a way back
//! that has no place for the first pod of a function takes more, little by little, and half of them at most: without that pod it never ends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::capacity;
use super::demand::{falling, rising};
use super::effective::share_of;
use super::progress;
use super::room;
use super::served;
use super::world::{Had, Progress, Split, VersionMemory, World};
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
    /// The most pods that are asked for of versions that come or stay, where several of them wait for what is given: none takes what the
    /// shares of others take.
    pub(super) most: BTreeMap<VersionNumber, BTreeMap<FunctionName, u32>>,
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
    wanted: Share,
    way: Way,
    /// Pods that have a place, ready or not.
    placed: u32,
    ready: u32,
    /// Pods that it is to have.
    asked: u32,
    /// Most pods that it declares.
    max: u32,
    /// No autoscaler decides how many.
    is_fixed: bool,
    /// There is no room for more.
    no_room: bool,
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

    /// It is to have more pods than have a place.
    fn lacks(&self) -> bool {
        self.placed < self.asked
    }

    /// What it had when it began to give some up.
    fn had(&self) -> Had {
        let fresh = Had {
            pods: self.counts(),
            share: self.share,
        };
        self.given.map_or(fresh, |left| left.had)
    }

    /// Pods that its share takes.
    fn due(&self) -> u32 {
        let had = self.had();
        let due = capacity::due(self.share, had.share, had.pods);
        due.min(self.max.max(self.counts()))
    }

    /// Pods went for another reason that its share takes, and others serve. `idle` places have pods of versions that are listed at 0 %:
    /// those are no loss.
    fn suffers(&self, idle: u32) -> bool {
        let had = self.given.map_or(
            Had {
                pods: self.asked,
                share: Share::ALL,
            },
            |left| left.had,
        );
        let due = capacity::due(self.share, had.share, had.pods);
        self.ready > 0 && self.placed.saturating_add(idle) < due.min(self.asked)
    }

    /// One of its pods has a place, and is not ready: that takes time, or another version, and no more room.
    fn is_placed(&self) -> bool {
        self.placed > self.ready
    }
}

/// How far the versions of a split give way.
#[derive(Default)]
struct Terms {
    /// Nothing fits beside those that are here.
    full: bool,
    /// Traffic goes back.
    back: bool,
    /// What comes needs room.
    needed: bool,
    press: Press,
}

/// How hard a way back presses for the first pods of functions that have none.
#[derive(Default)]
struct Press {
    barren: BTreeSet<FunctionName>,
    /// How often it did so; each time takes twice as much.
    times: u32,
    /// All but one may go: it has waited as long as a way back waits, for versions that are known to fit.
    all: bool,
}

impl Terms {
    fn new(world: &World, split: &Split, progress: &Progress, wake: &mut Wake) -> Self {
        Self {
            full: room::is_full(world, split, progress, wake),
            back: progress::is_back(world, split, progress),
            needed: false,
            press: Press::new(world, split, progress, wake),
        }
    }
}

impl Press {
    fn new(world: &World, split: &Split, progress: &Progress, wake: &mut Wake) -> Self {
        let late = wake.reached(later(progress.began, split.progress_deadline));
        let is_known = rising(split).all(|(version, _)| {
            progress.back.contains(&version) || served::has_share(world, split, version)
        });
        Self {
            barren: room::barren(world, split),
            times: progress.pressed,
            all: late && is_known,
        }
    }

    /// How many pods of a function all versions together may be short of those that they had.
    fn short(&self, whole: u32, presses: bool) -> u32 {
        let times = if presses { self.times } else { 0 };
        let step = capacity::step(whole);
        step.saturating_mul(2_u32.saturating_pow(times))
    }

    /// The fewest pods that are left to a version which takes `due` for its share: with half of them each bears twice as much.
    fn least(&self, due: u32, presses: bool) -> u32 {
        if presses && self.all {
            return 1;
        }
        due.div_ceil(2).max(1)
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
        return given_back(world, split, (served, basis));
    };
    let mut terms = Terms::new(world, split, progress, wake);
    let late = wake.reached(later(progress.began, split.progress_deadline));
    let mut giving = Giving {
        caps: terms.back && !late,
        ..Giving::default()
    };
    let mut all = BTreeMap::new();
    let members = members(world, split, served);
    // What has its place and is not ready needs no room. A way back does not rely on that for long: its node may be broken.
    let patient = !terms.back || !room::is_long(split, progress, wake);
    let waits = |it: &Member| {
        let needs = it.way == Way::Rises && it.lacks() && it.no_room;
        needs && !(patient && it.is_placed())
    };
    // Who only comes back to the share that it lost has it given by others, who need their pods for that.
    terms.needed = progress::brings(world, split) && members.values().flatten().any(waits);
    // Where a function gives no more, others make room for its first pod.
    let is_last =
        |it: &Member| it.way != Way::Falls || it.counts() <= terms.press.least(it.due(), true);
    let is_helpless =
        |name| (members.get(name)).is_none_or(|all: &Vec<Member>| all.iter().all(is_last));
    let press = &terms.press;
    let helpless = press.barren.iter().any(is_helpless);
    for (name, members) in members {
        let past = world.memory.whole.get(&split.owner);
        let past = past.and_then(|past| past.get(&name)).copied();
        let basis = basis.get(&name).copied().unwrap_or(0);
        let presses = press.times > 0 && (helpless || press.barren.contains(&name));
        let whole = whole(&members, past, basis);
        let mut gave = give(
            &members,
            (whole, idle(world, split, &name)),
            presses,
            &terms,
        );
        if past.is_some() {
            rest(&members, whole, &mut gave);
        }
        if past.is_some() || !gave.is_empty() {
            for (version, pods) in most(&members, whole) {
                let functions = giving.most.entry(version).or_default();
                functions.insert(name.clone(), pods);
            }
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

/// What is left where nothing waits for room. What a way back pressed for is given back, whatever is wanted now.
fn given_back(
    world: &World,
    split: &Split,
    (served, basis): (&Shares, &BTreeMap<FunctionName, u32>),
) -> Giving {
    let mut giving = Giving::default();
    if !gave(world, split) {
        return giving;
    }
    let past = world.memory.whole.get(&split.owner);
    for (name, members) in members(world, split, served) {
        let past = past.and_then(|past| past.get(&name)).copied();
        let basis = basis.get(&name).copied().unwrap_or(0);
        let whole = whole(&members, past, basis);
        for (version, left) in give(&members, (whole, 0), false, &Terms::default()) {
            let all = giving.left.entry(version).or_default();
            all.insert(name.clone(), left);
        }
    }
    giving.whole = past.cloned();
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
                wanted: share_of(split.wanted.as_deref().unwrap_or_default(), version),
                way,
                placed: room::placed(function),
                ready: function.ready,
                asked: function.asked,
                max: function.max,
                is_fixed: !function.autoscaled,
                no_room: function.no_room,
                given: given.filter(|left| {
                    // One that has more again, since nothing held its autoscaler, begins anew.
                    let is_held = !function.autoscaled || function.asked <= left.pods;
                    way != Way::Rises && is_held
                }),
            });
        }
    }
    members
}

/// The sum of what members count for.
fn sum(members: &[Member], count: impl Fn(&Member) -> u32) -> u32 {
    let counts = members.iter().map(count);
    counts.fold(0_u32, u32::saturating_add)
}

/// Pods that all versions had when they began to give some up: none counts that has no place, an outage makes no app smaller, and what
/// comes back or is added meanwhile counts as well.
fn whole(members: &[Member], past: Option<u32>, basis: u32) -> u32 {
    let comes = |it: &Member| if it.way == Way::Rises { it.ready } else { 0 };
    let stays = |it: &Member| if it.way == Way::Rises { 0 } else { it.placed };
    let kept = |it: &Member| stays(it).min(it.counts());
    let gave = members.iter().any(|it| it.given.is_some());
    if let Some(past) = past.filter(|_| gave) {
        return past.max(sum(members, kept));
    }
    let placed = sum(members, stays);
    let most = placed.saturating_add(sum(members, comes));
    placed.max(basis).min(most)
}

/// What is left to each version that gives something up, or did. `presses`: a way back needs the first pod of a function. `idle` pods of
/// the function are those of versions that are listed at 0 %.
fn give(
    members: &[Member],
    (whole, idle): (u32, u32),
    presses: bool,
    terms: &Terms,
) -> BTreeMap<VersionNumber, Left> {
    let short = terms.press.short(whole, presses);
    let counts = sum(members, Member::counts);
    let mut spare = counts.saturating_sub(whole.saturating_sub(short));
    let mut falling: Vec<&Member> = members.iter().filter(|it| it.way == Way::Falls).collect();
    // Whoever has most gives first, so that all give alike.
    falling.sort_by_key(|it| Reverse(it.counts()));
    let mut all = BTreeMap::new();
    for member in falling {
        let (now, had, due) = (member.counts(), member.had(), member.due());
        let fewest = terms.press.least(due, presses);
        let lean = due.saturating_sub(short).max(fewest);
        let least = if terms.full && now <= due { lean } else { due };
        let pods = if member.given.is_some_and(|left| left.pods < lean) {
            // Its share came back.
            least
        } else if !terms.needed || (member.suffers(idle) && !terms.back) {
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

/// Pods of a function that have a place and belong to versions which are listed at 0 % and get nothing.
fn idle(world: &World, split: &Split, name: &FunctionName) -> u32 {
    let listed = split.wanted.iter().flat_map(|wanted| wanted.iter());
    let idle = listed
        .filter(|(version, share)| share.is_zero() && share_of(&split.last, *version).is_zero());
    let states = idle.filter_map(|(version, _)| world.versions.get(version));
    let functions = states.filter_map(|state| state.functions.get(name));
    functions.map(room::placed).fold(0, u32::saturating_add)
}

/// The most pods that are asked for of each version that comes or stays: those that it has, and those that its share takes, with what no
/// share takes. One alone may have what is there.
fn most(members: &[Member], whole: u32) -> Vec<(VersionNumber, u32)> {
    let stays: Vec<&Member> = members.iter().filter(|it| it.way != Way::Falls).collect();
    if stays.len() < 2 {
        return Vec::new();
    }
    let takes = |it: &Member| capacity::due(it.wanted, Share::ALL, whole).min(it.max);
    let all = stays
        .iter()
        .map(|it| takes(it))
        .fold(0, u32::saturating_add);
    let spare = whole.saturating_sub(all);
    let most = |it: &Member| it.placed.max(takes(it).saturating_add(spare));
    // Once all have that, each asks for one more: there may be room by now.
    let more = u32::from(stays.iter().all(|it| it.placed >= most(it).min(it.max)));
    let most = |it: &Member| most(it).saturating_add(more);
    let fixed = stays.into_iter().filter(|it| it.is_fixed);
    fixed.map(|it| (it.version, most(it))).collect()
}

/// Where something was given, what came for an earlier wish and leaves again takes no place that is made for others: its share says what
/// it needs.
fn rest(members: &[Member], whole: u32, gave: &mut BTreeMap<VersionNumber, Left>) {
    if members.iter().all(|it| it.given.is_none()) {
        return;
    }
    let waits =
        |it: &&Member| it.way == Way::Falls && it.is_fixed && it.lacks() && it.given.is_none();
    for member in members.iter().filter(waits) {
        let share = member.share;
        let pods = (member.placed).max(capacity::due(share, Share::ALL, whole));
        let had = Had { pods, share };
        gave.entry(member.version).or_insert(Left { pods, had });
    }
}
