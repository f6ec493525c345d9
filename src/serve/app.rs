//! One app on this machine: what is wanted, what runs, what the gateway does; and one step from one to the next.
//!
//! The step is the controller's: resolve, observe, [`plan::plan`], carry out. Nothing is decided here. What is wanted is in
//! [`super::wanted`], what the plan sees of it in [`super::world`], and what the gateway does in [`super::routes`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::checkout::Checkout;
use super::claims::{Refusal, Refused, Settled};
use super::lack::Lack;
use super::lookups::Lookups;
use super::programs::Starter;
use super::resolve;
use super::returning::{self, Returning};
use super::secrets::Secrets;
use super::state::{Remembered, Served, StateFolder};
use super::versions::Materialised;
use crate::api::{Reason, Trouble};
use crate::branch::{self, Tip};
use crate::gateway::{Overrides, Route};
use crate::plan::slots::slots;
use crate::plan::{self, Owner, RoutePlan};
use crate::releases::Release;
use crate::resolve::{Answer, Resolution};
use crate::store::Mirror;
use crate::words::{AppName, CommitId, VersionNumber, VersionWord};

/// More versions of an app at once than anybody means.
const MANY: usize = 5;

/// Why what a repository says of a version does not count.
const FOREIGN: &str = "the repository was exchanged for another one, whose versions do not count";
/// Why it is not known what a word means while the branch was not read since the start.
const UNASKED: &str = "the branch could not be read since the start, and a version that is named is not in the copy of the repository";

/// One app.
#[derive(Default)]
pub(super) struct App {
    pub(super) remembered: Remembered,
    pub(super) running: BTreeMap<VersionNumber, Materialised>,
    /// Versions that were served before this `serve` started, and are not back yet.
    pub(super) returning: Returning,
    /// Versions that are to run and cannot.
    pub(super) unfit: BTreeSet<VersionNumber>,
    pub(super) lookups: Lookups,
    /// What stands against what is wanted, for people.
    pub(super) problems: Vec<String>,
    /// Each owner that is wanted or leaves, and whether all of it is so.
    pub(super) complete: BTreeMap<Owner, bool>,
    /// The owners that are wanted, each with what holds for it: what it wants, or what it wanted before that.
    pub(super) wanted: BTreeMap<Owner, Arc<Release>>,
    /// The places that owners claim and do not get.
    pub(super) refused: BTreeMap<Owner, Refused>,
    /// Those that are not among the releases any more, and go on where nobody else answers yet.
    pub(super) lingering: BTreeMap<Owner, Arc<Release>>,
    /// What others answer for owners that do not answer yet, for people.
    pub(super) handed: Vec<String>,
    /// Why it is not known what was served before this `serve` started.
    pub(super) lost: Option<String>,
    /// The same owners, each with what the gateway goes by.
    pub(super) shown: BTreeMap<Owner, Arc<Release>>,
    /// Who may ask each owner that is wanted for a version.
    pub(super) overrides: BTreeMap<Owner, Overrides>,
    /// What the gateway was given last.
    pub(super) routed: Vec<Route>,
    /// Each owner, and the newest commit of the branch of which all was so.
    pub(super) reached: BTreeMap<Owner, CommitId>,
    /// Nothing is known against what is wanted, and it is not there yet.
    pub(super) is_starting: bool,
    /// The repository had been fetched, so that files of versions could be had.
    pub(super) had_files: bool,
    /// A version or function that is wanted is not there.
    pub(super) misses: bool,
}

/// What every step works with.
pub(super) struct Tools<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) tip: &'a Tip,
    pub(super) folder: &'a StateFolder,
    pub(super) starter: &'a Starter,
    /// The repository is another one than before, and what it says of versions does not count.
    pub(super) foreign: bool,
    /// The repository has answered since the start: what it does not have is not there.
    pub(super) own: bool,
    /// Versions of the app may be at the remote that have not come yet.
    pub(super) awaits: bool,
    /// How often refs of the app have moved.
    pub(super) moves: u64,
    /// How many programs may be started.
    pub(super) room: usize,
    /// How many of them are for versions of any app that were served before and are not back yet.
    pub(super) owed: usize,
}

/// What a step did.
#[derive(Default)]
pub(super) struct Stepped {
    /// The gateway is to do something else.
    pub(super) rerouted: bool,
    /// Versions that no request reaches once the gateway does it; their programs are to end.
    pub(super) leaving: Vec<Materialised>,
    /// When to step again even if nothing happens.
    pub(super) wake: Option<Timestamp>,
    /// Nothing is left of the app.
    pub(super) gone: bool,
}

impl App {
    /// All apps of which something is remembered. What they served has its variables before anything new is made.
    ///
    /// One of which it is `lost` says so until what is wanted of it is served.
    pub(super) fn all(
        remembered: BTreeMap<AppName, Remembered>,
        lost: BTreeMap<AppName, String>,
        secrets: &Secrets,
    ) -> BTreeMap<AppName, Self> {
        let lost = lost.into_iter().map(|(name, problem)| {
            let lost = format!(
                "what was served of it before is not known, so what is wanted now is begun anew: {problem}; where that cannot run, release a version that can"
            );
            tracing::warn!("{name}: {lost}");
            let app = Self {
                lost: Some(lost),
                ..Self::default()
            };
            (name, app)
        });
        for remembered in remembered.values() {
            returning::claim(remembered, secrets);
        }
        let apps = remembered.into_iter();
        apps.map(|(name, remembered)| (name, Self::of(remembered)))
            .chain(lost)
            .collect()
    }

    /// An app of which this is remembered.
    pub(super) fn of(remembered: Remembered) -> Self {
        Self {
            returning: Returning::of(&remembered),
            remembered,
            ..Self::default()
        }
    }

    /// Makes one step towards what is wanted; [`Self::claim`] and [`Self::judge`] end it. `before`: what is remembered.
    pub(super) fn step(
        &mut self,
        name: &AppName,
        tools: &Tools<'_>,
        before: &Remembered,
        now: Timestamp,
    ) -> Stepped {
        let mut rerouted = false;
        for version in self.running.values_mut() {
            rerouted |= version.look(now);
        }
        let has_files = tools.mirror.fetched_at().is_some();
        if has_files && !std::mem::replace(&mut self.had_files, has_files) {
            // What could not be started for want of its files has not failed: it is started at once.
            self.running.retain(|_, it| !it.have_all_ended());
        }
        self.returning.arrive(&self.running, &self.unfit, has_files);
        self.problems.clear();
        let asked = self.asked(name, tools.tip);
        self.look_up(name, tools, &asked);
        let resolutions = self.resolutions(tools, &asked);
        rerouted |= self.adopt(&asked, &resolutions);
        self.expect();
        let all: Vec<Arc<Release>> = self.wanted.values().cloned().collect();
        let releases: Vec<&Release> = all.iter().map(Arc::as_ref).collect();
        self.complain(tools, &asked, &resolutions);
        let shares: BTreeMap<Owner, Resolution> = (asked.iter().zip(resolutions))
            .map(|(release, resolution)| (branch::owner(release), resolution))
            .collect();
        let resolutions: Vec<Resolution> = (self.wanted.keys())
            .map(|owner| {
                let resolution = shares.get(owner).cloned().unwrap_or_default();
                self.with_asked_for(owner, resolution)
            })
            .collect();
        let versions = self.versions(&resolutions);
        let world = self.world(&releases, &resolutions, versions, now);
        let plan = plan::plan(&world);
        self.complete = (plan.splits.iter())
            .map(|split| (split.owner.clone(), split.complete))
            .collect();
        self.say(&plan);
        for (owner, resolution) in self.wanted.keys().zip(&resolutions) {
            // The plan is about what was wanted before.
            if !resolution.is_whole() || !tools.tip.has(owner) || self.has_strayed(owner) {
                self.complete.insert(owner.clone(), false);
            }
        }
        self.start(name, &plan, tools);
        // What cannot be started is known now, and keeps no room from others.
        let failed = self.returning.arrive(&self.running, &self.unfit, has_files);
        self.is_starting = self.starts(&resolutions, has_files);
        self.misses = resolutions
            .iter()
            .any(|found| found.faults().next().is_some());
        let moved = self.take_over(&plan, now);
        rerouted |= moved | self.show() | self.admit(&tools.starter.secrets);
        self.assign(before);
        let leaving: Vec<Materialised> = (plan.remove.iter())
            .filter_map(|version| self.running.remove(version))
            .collect();
        rerouted |= !leaving.is_empty();
        self.forget(&plan);
        Stepped {
            rerouted,
            leaving,
            // What lost its share in this step is let go of in the next one.
            wake: if failed || moved {
                Some(now)
            } else {
                plan.wake
            },
            gone: self.wanted.is_empty() && self.running.is_empty() && plan.close,
        }
    }

    /// What the versions of each owner are.
    fn resolutions(&mut self, tools: &Tools<'_>, asked: &[Arc<Release>]) -> Vec<Resolution> {
        let there = self.remembered.records.keys().copied().collect();
        let lookups = &self.lookups;
        let look = |word: &VersionWord| match lookups.answer(word) {
            Answer::Is(_) | Answer::Not(_) if tools.foreign => {
                Answer::Not(Trouble::new(Reason::RepositoryConflict, FOREIGN))
            }
            Answer::Not(_) if !tools.own => {
                Answer::Not(Trouble::new(Reason::RepositoryUnreachable, UNASKED))
            }
            answer => answer,
        };
        // What another repository, or one that has not answered, does not have may be there all the same.
        let check = |number| match lookups.answer(&VersionWord::Number(number)) {
            Answer::Not(_) if !tools.own || tools.foreign => Answer::Unknown,
            answer => answer,
        };
        let remembered = &mut self.remembered;
        let resolve = |release: &Arc<Release>| {
            let (owner, wanted) = (branch::owner(release), &release.wanted);
            resolve::resolve(&owner, wanted, remembered, &there, look, check)
        };
        asked.iter().map(resolve).collect()
    }

    /// Counts on what was served before for as long as somebody who is there is served by it.
    fn expect(&mut self) {
        let answers =
            (self.remembered.answers()).filter(|(owner, _)| self.wanted.contains_key(*owner));
        let serving: BTreeSet<VersionNumber> = answers.map(|(_, version)| version).collect();
        self.returning.keep(|version| serving.contains(&version));
    }

    /// How many programs are yet to be started of versions that were served before, as far as they can be.
    pub(super) fn owed(&self) -> usize {
        let missing =
            (self.returning.undecided()).filter(|version| !self.running.contains_key(version));
        missing
            .filter_map(|version| self.remembered.records.get(&version))
            .map(|record| record.functions.len())
            .sum()
    }

    /// How many programs run.
    pub(super) fn programs(&self) -> usize {
        self.running.values().map(Materialised::programs).sum()
    }

    /// Takes over who has which place. True where that changes what the gateway does.
    pub(super) fn claim(&mut self, settled: BTreeMap<Owner, Settled>) -> bool {
        let mut refused = BTreeMap::new();
        self.remembered.claims.clear();
        for (owner, settled) in settled {
            if !settled.refused.is_empty() {
                refused.insert(owner.clone(), settled.refused);
            }
            self.remembered.claims.insert(owner, settled.claims);
        }
        let changed = self.refused != refused;
        self.refused = refused;
        changed
    }

    /// Says of each owner which places it does not get, and whether all that it wants is so.
    pub(super) fn judge(&mut self, tip: &Tip) {
        for (owner, refused) in &self.refused {
            let texts = refused.values().map(|Refusal { text, .. }| text);
            let problems = texts.map(|text| format!("{owner}: {text}"));
            self.problems.extend(problems);
        }
        self.problems.extend(self.handed.iter().cloned());
        for owner in self.wanted.keys() {
            let Some(complete) = self.complete.get_mut(owner) else {
                continue;
            };
            // The plan knows nothing of places that others have.
            *complete &= !self.refused.contains_key(owner);
            if let Some(commit) = tip.commit_of(owner).filter(|_| *complete) {
                self.reached.insert(owner.clone(), commit.clone());
            }
        }
        if self.complete.values().any(|complete| !complete) {
            self.problems.extend(self.lost.clone());
        } else {
            self.lost = None;
        }
    }

    /// Forgets the records that nobody needs.
    fn forget(&mut self, plan: &plan::Plan) {
        let pinned = self.remembered.pinned.values();
        let pinned = pinned.chain(self.remembered.words.values()).flatten();
        let served = self.remembered.served.values();
        let needed: BTreeSet<VersionNumber> = (self.running.keys())
            .chain(plan.run.keys())
            .copied()
            .chain(pinned.map(|pinned| pinned.number))
            // What is served is what a restart begins with, whether it runs just now or not.
            .chain(served.flat_map(Served::versions))
            .collect();
        self.remembered
            .records
            .retain(|number, _| needed.contains(number));
    }

    /// Remembers what the plan says of traffic and of what comes next. True where the gateway is to do something else.
    pub(super) fn take_over(&mut self, plan: &plan::Plan, now: Timestamp) -> bool {
        let mut rerouted = false;
        for split in &plan.splits {
            rerouted |= self.route(split, now);
        }
        self.remembered.memory = plan.memory.clone();
        rerouted
    }

    /// Starts what is to run and does not, what was served before first. What cannot be started is tried again at the next step.
    fn start(&mut self, name: &AppName, plan: &plan::Plan, tools: &Tools<'_>) {
        self.unfit.clear();
        let (mut room, mut owed) = (tools.room, tools.owed);
        let returns = |version: &&VersionNumber| self.returning.is_undecided(**version);
        let (back, new): (Vec<_>, Vec<_>) = plan.run.keys().partition(returns);
        for version in back.into_iter().chain(new) {
            let Some(record) = self.remembered.records.get(version) else {
                continue;
            };
            if self.running.contains_key(version) {
                continue;
            }
            let wanted = record.functions.len();
            let returns = self.returning.is_undecided(*version);
            if returns {
                owed = owed.saturating_sub(wanted);
            }
            // Nothing new takes the room of what was served before, of whichever app.
            let left = if returns {
                room
            } else {
                room.saturating_sub(owed)
            };
            let checkout = Checkout::new(
                tools.mirror.clone(),
                tools.tip.settings.clone(),
                tools.folder.snapshots(),
                record.clone(),
            );
            let started = if wanted > left {
                Err(Lack::Room {
                    most: tools.starter.most,
                })
            } else {
                Materialised::start(tools.starter, tools.folder, record, checkout)
            };
            match started {
                Ok(running) => {
                    room -= wanted;
                    drop(self.running.insert(*version, running));
                    let count = self.running.len();
                    if count > MANY {
                        tracing::warn!(
                            "{name}: {count} versions run at once; one that is listed no more goes on for its rollbackWindow: shorten that where memory is scarce"
                        );
                    }
                }
                Err(problem) => {
                    self.unfit.insert(*version);
                    self.problems.push(format!("{name} {version}: {problem}"));
                }
            }
        }
    }

    /// Takes over what the plan says of one owner. True where that is something else than before.
    fn route(&mut self, split: &plan::SplitPlan, now: Timestamp) -> bool {
        let (shares, overrides) = match &split.route {
            RoutePlan::Keep => return false,
            RoutePlan::Off => return self.remembered.served.remove(&split.owner).is_some(),
            RoutePlan::Serve {
                shares, overrides, ..
            } => (shares, overrides),
        };
        let before = self.remembered.served.get(&split.owner);
        if before.is_some_and(|served| served.shares == *shares && served.overrides == *overrides) {
            return false;
        }
        let served = Served {
            shares: shares.clone(),
            overrides: overrides.clone(),
            since: now,
        };
        self.remembered.served.insert(split.owner.clone(), served);
        true
    }

    /// Gives slots to the versions of owners with an affinity key, made from those that they had; the others need none.
    ///
    /// Only once all that is wanted is served: while a version is not ready, the gateway gives its users to the others, and
    /// they come back to it with it. They go with what the gateway goes by: what is wanted may say something else before it is
    /// served.
    pub(super) fn assign(&mut self, before: &Remembered) {
        let Remembered {
            served,
            pinned,
            slots: all,
            ..
        } = &mut self.remembered;
        all.retain(|owner, _| served.contains_key(owner));
        for (owner, release) in &self.shown {
            if release.wanted.affinity.is_none() {
                all.remove(owner);
                continue;
            }
            let (now, wanted) = (served.get(owner), pinned.get(owner));
            let previous = all.get(owner);
            if previous.is_some() {
                let shares = wanted.into_iter().flatten();
                let shares = shares.filter(|entry| !entry.share.is_zero());
                let whole = now.is_some_and(|now| {
                    shares
                        .map(|entry| (entry.number, entry.share))
                        .eq(now.shares.iter().copied())
                });
                let changed = before.served.get(owner) != now || before.pinned.get(owner) != wanted;
                if !whole || !changed {
                    continue;
                }
            }
            let made = now.and_then(|now| slots(previous.map(Arc::as_ref), &now.shares));
            if let Some(made) = made {
                all.insert(owner.clone(), Arc::new(made));
            }
        }
    }
}
