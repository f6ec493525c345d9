//! One app on this machine: what is wanted, what runs, what the gateway does; and one step from one to the next.
//!
//! The step is the controller's: resolve, observe, [`plan::plan`], carry out. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::checkout::Checkout;
use super::keys;
use super::programs::Starter;
use super::resolve::{self, Resolution};
use super::secrets::Secrets;
use super::source::{self, Tip};
use super::state::{Remembered, Served, StateFolder};
use super::versions::{self, Materialised};
use crate::api::{RequestMatch, Wanted};
use crate::gateway::{Entry, Route};
use crate::plan::asked::Asked;
use crate::plan::slots::slots;
use crate::plan::{self, Cause, Owner, OwnerKind, RouteFacts, RoutePlan, Split, World};
use crate::releases::Release;
use crate::store::Mirror;
use crate::words::{AppName, FunctionName, Share, VersionNumber, VersionWord};

/// More versions of an app at once than anybody means.
const MANY: usize = 5;

/// One app.
#[derive(Default)]
pub(super) struct App {
    pub(super) remembered: Remembered,
    pub(super) running: BTreeMap<VersionNumber, Materialised>,
    /// What stands against what is wanted, for people.
    pub(super) problems: Vec<String>,
    /// Each owner, and whether all of it is so.
    pub(super) complete: BTreeMap<Owner, bool>,
    /// Each owner, and the newest commit of the branch of which all was so.
    pub(super) reached: BTreeMap<Owner, String>,
}

/// What every step works with.
pub(super) struct Tools<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) tip: &'a Tip,
    pub(super) folder: &'a StateFolder,
    pub(super) starter: &'a Starter,
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
    /// A version that its releases name is not there.
    pub(super) missing: bool,
}

impl App {
    /// An app of which this is remembered.
    pub(super) fn of(remembered: Remembered) -> Self {
        Self {
            remembered,
            ..Self::default()
        }
    }

    /// Makes one step towards what is wanted.
    pub(super) fn step(&mut self, name: &AppName, tools: &Tools<'_>, now: Timestamp) -> Stepped {
        let before = self.remembered.clone();
        let mut rerouted = false;
        for version in self.running.values_mut() {
            rerouted |= version.look(now);
        }
        self.problems.clear();
        let releases: Vec<&Release> = (tools.tip.releases.iter())
            .filter(|release| release.app() == name)
            .collect();
        let resolutions: Vec<Resolution> = (releases.iter())
            .map(|release| {
                let owner = source::owner(release);
                let mirror = tools.mirror;
                resolve::resolve(mirror, name, &owner, &release.wanted, &mut self.remembered)
            })
            .collect();
        for (release, resolution) in releases.iter().zip(&resolutions) {
            let owner = source::owner(release);
            let problem = resolution.problem.iter();
            let rule = &release.wanted.override_rule;
            let (_, keyless) = keys::overrides(rule, &tools.starter.secrets);
            self.problems
                .extend((problem.chain(&keyless)).map(|problem| format!("{owner}: {problem}")));
        }
        let mut versions: BTreeMap<VersionNumber, plan::Version> = (self.running.iter())
            .map(|(number, running)| (*number, running.state()))
            .collect();
        for (number, _) in resolutions.iter().flat_map(|r| r.shares.iter().flatten()) {
            if let Some(record) = self.remembered.records.get(number) {
                versions
                    .entry(*number)
                    .or_insert_with(|| versions::absent(record));
            }
        }
        let world = self.world(&releases, &resolutions, versions, now);
        let plan = plan::plan(&world);
        self.say(&plan);
        for (release, resolution) in releases.iter().zip(&resolutions) {
            let owner = source::owner(release);
            if resolution.problem.is_some() {
                // The plan is about what was wanted before.
                self.complete.insert(owner, false);
            } else if self.complete.get(&owner) == Some(&true) {
                self.reached.insert(owner, tools.tip.commit.clone());
            }
        }
        self.start(name, &plan, tools);
        rerouted |= self.take_over(&plan, now);
        self.assign(&releases, &before);
        let leaving: Vec<Materialised> = (plan.remove.iter())
            .filter_map(|version| self.running.remove(version))
            .collect();
        rerouted |= !leaving.is_empty();
        let needed: BTreeSet<VersionNumber> = (self.running.keys().copied())
            .chain(
                self.remembered
                    .pinned
                    .values()
                    .flatten()
                    .map(|pinned| pinned.number),
            )
            .collect();
        self.remembered
            .records
            .retain(|number, _| needed.contains(number));
        if self.remembered != before
            && let Err(error) = tools.folder.write(name, &self.remembered)
        {
            // It is said each time, and goes on: traffic matters more than what a restart would know.
            self.problems.push(error.to_string());
        }
        Stepped {
            rerouted,
            leaving,
            wake: plan.wake,
            missing: resolutions.iter().any(|found| found.problem.is_some()),
            gone: releases.is_empty() && self.running.is_empty() && plan.close,
        }
    }

    /// The world of a plan, with the versions that are wanted or run.
    pub(super) fn world(
        &self,
        releases: &[&Release],
        resolutions: &[Resolution],
        versions: BTreeMap<VersionNumber, plan::Version>,
        now: Timestamp,
    ) -> World {
        // The gateway takes its table as a whole, with all that runs.
        let here: BTreeSet<VersionNumber> = (versions.iter())
            .filter(|(_, version)| version.materialised)
            .map(|(number, _)| *number)
            .collect();
        let mut splits: Vec<Split> = (releases.iter().zip(resolutions))
            .map(|(release, resolution)| self.split(release, resolution, &here))
            .collect();
        let owners: BTreeSet<Owner> = releases
            .iter()
            .map(|release| source::owner(release))
            .collect();
        let leaving = self
            .remembered
            .served
            .keys()
            .filter(|owner| !owners.contains(*owner));
        splits.extend(leaving.map(|owner| self.leaving(owner, &here)));
        splits.sort_by(|a, b| a.owner.cmp(&b.owner));
        World {
            now,
            // The gateway does what it is told before the next request.
            settle: SignedDuration::ZERO,
            splits,
            versions,
            memory: self.remembered.memory.clone(),
        }
    }

    fn facts(&self, owner: &Owner, here: &BTreeSet<VersionNumber>) -> (plan::Shares, RouteFacts) {
        let Some(served) = self.remembered.served.get(owner) else {
            return (plan::Shares::new(), RouteFacts::default());
        };
        let shares = served.shares.iter().map(|(number, _)| *number);
        let facts = RouteFacts {
            exist: true,
            accepted: true,
            written: Some(served.since),
            named: shares.clone().chain(here.iter().copied()).collect(),
            ruled: served.overrides.iter().copied().collect(),
            held: shares.chain(served.overrides.iter().copied()).collect(),
            surplus: false,
        };
        (served.shares.clone(), facts)
    }

    fn split(
        &self,
        release: &Release,
        resolution: &Resolution,
        here: &BTreeSet<VersionNumber>,
    ) -> Split {
        let owner = source::owner(release);
        let (last, routes) = self.facts(&owner, here);
        let pinned = self.remembered.pinned.get(&owner);
        let pinned = pinned.into_iter().flatten();
        let protects = pinned.map(|pinned| pinned.number).collect();
        let asked = Asked {
            owner,
            wanted: Some(&release.wanted),
            shares: resolution.shares.clone(),
            protects,
            leaving: false,
            // Open requests are waited for, and not a time.
            drain: SignedDuration::ZERO,
            last,
            routes,
        };
        asked.split(&self.remembered.records)
    }

    /// The split of an owner that is not in the releases any more.
    fn leaving(&self, owner: &Owner, here: &BTreeSet<VersionNumber>) -> Split {
        let (last, routes) = self.facts(owner, here);
        let asked = Asked {
            owner: owner.clone(),
            wanted: None,
            shares: None,
            protects: BTreeSet::new(),
            leaving: true,
            drain: SignedDuration::ZERO,
            last,
            routes,
        };
        asked.split(&self.remembered.records)
    }

    /// Remembers what the plan says of traffic and of what comes next. True where the gateway is to do something else.
    pub(super) fn take_over(&mut self, plan: &plan::Plan, now: Timestamp) -> bool {
        let mut rerouted = false;
        for split in &plan.splits {
            rerouted |= self.route(split, now);
        }
        for owner in &plan.release {
            self.remembered.pinned.remove(owner);
            self.remembered.served.remove(owner);
            self.reached.remove(owner);
        }
        self.remembered.memory = plan.memory.clone();
        rerouted
    }

    /// What waits, for people.
    fn say(&mut self, plan: &plan::Plan) {
        self.complete = (plan.splits.iter())
            .map(|split| (split.owner.clone(), split.complete))
            .collect();
        for split in &plan.splits {
            for waiting in &split.waiting {
                let why = match &waiting.cause {
                    Cause::NotReady(functions) => {
                        let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
                        let troubles = self
                            .running
                            .get(&waiting.version)
                            .map(Materialised::troubles);
                        match troubles.filter(|troubles| !troubles.is_empty()) {
                            Some(troubles) => troubles.join("; "),
                            None => format!("{} is not ready", names.join(", ")),
                        }
                    }
                    Cause::Settling => "is about to get its share".to_owned(),
                    Cause::Capacity { function, .. } => format!("{function} has too few processes"),
                    Cause::Backends(count) => format!("{count} versions at once are too many"),
                };
                self.problems
                    .push(format!("{}: {}: {why}", split.owner, waiting.version));
            }
        }
    }

    fn start(&mut self, name: &AppName, plan: &plan::Plan, tools: &Tools<'_>) {
        for version in plan.run.keys() {
            if self.running.contains_key(version) {
                continue;
            }
            let Some(record) = self.remembered.records.get(version) else {
                continue;
            };
            let checkout = Checkout::new(
                tools.mirror.clone(),
                tools.tip.settings.clone(),
                tools.folder.snapshots(),
                record.clone(),
            );
            match Materialised::start(tools.starter, tools.folder, record, checkout) {
                Ok(running) => {
                    drop(self.running.insert(*version, running));
                    let count = self.running.len();
                    if count > MANY {
                        tracing::warn!(
                            "{name}: {count} versions run at once; one that is listed no more goes on for its rollbackWindow: shorten that where memory is scarce"
                        );
                    }
                }
                Err(problem) => self.problems.push(format!("{name} {version}: {problem}")),
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
    /// they come back to it with it.
    fn assign(&mut self, releases: &[&Release], before: &Remembered) {
        let Remembered {
            served,
            pinned,
            slots: all,
            ..
        } = &mut self.remembered;
        all.retain(|owner, _| served.contains_key(owner));
        for release in releases {
            let owner = source::owner(release);
            if release.wanted.affinity.is_none() {
                all.remove(&owner);
                continue;
            }
            let (now, wanted) = (served.get(&owner), pinned.get(&owner));
            let previous = all.get(&owner);
            if previous.is_some() {
                let shares = wanted.into_iter().flatten();
                let shares = shares.filter(|entry| !entry.share.is_zero());
                let whole = now.is_some_and(|now| {
                    shares
                        .map(|entry| (entry.number, entry.share))
                        .eq(now.shares.iter().copied())
                });
                let changed =
                    before.served.get(&owner) != now || before.pinned.get(&owner) != wanted;
                if !whole || !changed {
                    continue;
                }
            }
            let made = now.and_then(|now| slots(previous.map(Arc::as_ref), &now.shares));
            if let Some(made) = made {
                all.insert(owner, Arc::new(made));
            }
        }
    }

    /// What the gateway is to do for the app.
    pub(super) fn routes(&self, releases: &[&Release], secrets: &Secrets) -> Vec<Route> {
        let mut routes = Vec::new();
        for release in releases {
            let owner = source::owner(release);
            let Some(served) = self.remembered.served.get(&owner).cloned() else {
                continue;
            };
            let slots = self.remembered.slots.get(&owner).cloned();
            let rules = self.rules(&owner, &release.wanted);
            let (overrides, _) = keys::overrides(&release.wanted.override_rule, secrets);
            for named in &release.wanted.routes {
                let Some(function) = self.function(named.route.function.as_ref(), &served) else {
                    continue;
                };
                routes.push(Route {
                    hostnames: named.route.hostnames.clone(),
                    path: named.route.path.clone(),
                    owner: shown(&owner),
                    app: release.app().clone(),
                    entries: self.entries(&served, &function),
                    function,
                    overrides: overrides.clone(),
                    rules: rules.clone(),
                    affinity: release.wanted.affinity.clone().zip(slots.clone()),
                });
            }
        }
        routes
    }

    /// The rules of an owner. One for a word that is not resolved yet does not count until it is.
    fn rules(&self, owner: &Owner, wanted: &Wanted) -> Vec<(RequestMatch, VersionNumber)> {
        let pinned = self.remembered.pinned.get(owner);
        let number = |word: &VersionWord| {
            let mut entries = pinned.into_iter().flatten();
            Some(entries.find(|entry| entry.word == *word)?.number)
        };
        (wanted.rules.iter())
            .filter_map(|rule| Some((rule.requests.clone(), number(&rule.version)?)))
            .collect()
    }

    fn function(&self, named: Option<&FunctionName>, served: &Served) -> Option<FunctionName> {
        named.cloned().or_else(|| {
            let (number, _) = served.shares.first()?;
            match self.remembered.records.get(number)?.functions.as_slice() {
                [only] => Some(only.name.clone()),
                _ => None,
            }
        })
    }

    fn entries(&self, served: &Served, function: &FunctionName) -> Vec<Entry> {
        let share = |number: VersionNumber| {
            let found = served.shares.iter().find(|(other, _)| *other == number);
            found.map_or(Share::ZERO, |(_, share)| *share)
        };
        let numbers = served.shares.iter().map(|(number, _)| *number);
        let mut all: Vec<VersionNumber> = numbers.collect();
        all.extend(
            served
                .overrides
                .iter()
                .filter(|number| share(**number).is_zero()),
        );
        all.into_iter()
            .map(|version| Entry {
                version,
                share: share(version),
                upstream: (self.running.get(&version)).and_then(|it| it.upstream(function)),
            })
            .collect()
    }
}

/// An owner in words.
pub(super) fn shown(owner: &Owner) -> String {
    match owner.kind {
        OwnerKind::Deployment => format!("Deployment {}", owner.name),
        OwnerKind::Alias => format!("Alias {}", owner.name),
    }
}
