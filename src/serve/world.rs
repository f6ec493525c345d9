//! The world of a plan: what is wanted of an app, what runs of it and what the gateway does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::app::App;
use super::versions::{self, Materialised};
use crate::branch;
use crate::plan::intent::Asked;
use crate::plan::{self, Owner, RouteFacts, Split, World};
use crate::releases::Release;
use crate::resolve::Resolution;
use crate::words::{Share, Shares, VersionNumber};

impl App {
    /// The versions that are wanted, run, or are to run again because they are served.
    pub(super) fn versions(
        &self,
        resolutions: &[Resolution],
    ) -> BTreeMap<VersionNumber, plan::Version> {
        let mut versions: BTreeMap<VersionNumber, plan::Version> = (self.running.iter())
            .map(|(number, running)| (*number, running.state()))
            .collect();
        for number in self.returning.versions() {
            if let Some(record) = self.remembered.records.get(&number) {
                let version = || versions::absent(record);
                let version = versions.entry(number).or_insert_with(version);
                version.materialised = true;
                version.awaited = true;
            }
        }
        let listed = resolutions.iter().flat_map(|r| r.shares.iter().flatten());
        for (number, _) in listed {
            if let Some(record) = self.remembered.records.get(number) {
                let version = || versions::absent(record);
                versions.entry(*number).or_insert_with(version);
            }
        }
        versions
    }

    /// True while what was served before is not served again, or nothing is known against what is wanted and it is not there yet.
    /// An owner that is served again as it was is where it was: what it wants beside that keeps nobody waiting.
    pub(super) fn starts(&self, resolutions: &[Resolution], has_files: bool) -> bool {
        let failed = |number: &VersionNumber| {
            let ended =
                has_files && (self.running.get(number)).is_some_and(Materialised::has_ended);
            ended || self.unfit.contains(number)
        };
        let starts = (self.wanted.keys().zip(resolutions)).any(|(owner, resolution)| {
            let shares = resolution.shares.iter().flatten();
            self.complete.get(owner) != Some(&true)
                && (!self.returning.had(owner) || self.answering(owner).is_empty())
                && !self.refused.contains_key(owner)
                && resolution.faults().next().is_none()
                && !shares.into_iter().any(|(number, _)| failed(number))
        });
        starts || self.returning.undecided().next().is_some()
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
            .map(|(release, resolution)| self.split(release, resolution, &versions, &here))
            .collect();
        let owners: BTreeSet<Owner> = releases
            .iter()
            .map(|release| branch::owner(release))
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
            sent_by_others: BTreeSet::new(),
            memory: self.remembered.memory.clone(),
        }
    }

    fn facts(&self, owner: &Owner, here: &BTreeSet<VersionNumber>) -> (Shares, RouteFacts) {
        let Some(served) = self.remembered.served.get(owner) else {
            return (Shares::new(), RouteFacts::default());
        };
        let shares = served.shares.iter().map(|(number, _)| *number);
        let facts = RouteFacts {
            exist: true,
            accepted: true,
            rejected: false,
            silent: false,
            written: Some(served.since),
            named: shares.clone().chain(here.iter().copied()).collect(),
            sent: shares.clone().collect(),
            ruled: served.overrides.iter().copied().collect(),
            held: shares.chain(served.overrides.iter().copied()).collect(),
            surplus: false,
            several: false,
            behind: BTreeSet::new(),
            differ: false,
        };
        (served.shares.clone(), facts)
    }

    fn split(
        &self,
        release: &Release,
        resolution: &Resolution,
        versions: &BTreeMap<VersionNumber, plan::Version>,
        here: &BTreeSet<VersionNumber>,
    ) -> Split {
        let owner = branch::owner(release);
        let (last, routes) = self.facts(&owner, here);
        let pinned = self.remembered.pinned.get(&owner);
        let pinned = pinned.into_iter().flatten();
        let protects = pinned.map(|pinned| pinned.number).collect();
        let shares = resolution.shares.as_ref();
        let shares = shares.map(|wanted| self.until_back(&owner, &last, wanted, versions));
        let asked = Asked {
            owner,
            wanted: Some(&release.wanted),
            shares,
            protects,
            holds: resolution.holds.clone(),
            leaving: false,
            // Open requests are waited for, and not a time.
            drain: SignedDuration::ZERO,
            last,
            routes,
        };
        asked.split(&self.remembered.records)
    }

    /// What an owner is to have now: what it wants, but while a version that served it is on its way back after a restart, what it
    /// had, and nothing for others. The gateway gives the requests of one that does not answer yet to those that do: a new version
    /// that is ready first would get all of them, whatever its share. Where the versions that are ready are to have everything,
    /// nobody is waited for.
    fn until_back(
        &self,
        owner: &Owner,
        last: &Shares,
        wanted: &Shares,
        versions: &BTreeMap<VersionNumber, plan::Version>,
    ) -> Shares {
        let is_awaited = |(number, share): &(VersionNumber, Share)| {
            !share.is_zero() && self.returning.is_undecided(*number)
        };
        let is_ready = |number: &VersionNumber| {
            let functions = versions.get(number).map(|version| &version.functions);
            functions.is_some_and(|all| all.values().all(|function| function.ready > 0))
        };
        let is_missing =
            |(number, share): &(VersionNumber, Share)| !share.is_zero() && !is_ready(number);
        // What others stepped in for comes back as well.
        let intact = self.remembered.memory.intact.get(owner);
        let intact = intact.filter(|intact| intact.said.contains(last));
        let had = intact.map_or(last, |intact| &intact.shares);
        let is_held = self.returning.holds_back() && had.iter().chain(last).any(is_awaited);
        if !is_held || !wanted.iter().any(is_missing) {
            return wanted.clone();
        }
        let mut shares = had.clone();
        for (number, _) in wanted {
            if shares.iter().all(|(other, _)| other != number) {
                shares.push(*number, Share::ZERO);
            }
        }
        shares
    }

    /// The split of an owner that is not in the releases any more.
    fn leaving(&self, owner: &Owner, here: &BTreeSet<VersionNumber>) -> Split {
        let (last, routes) = self.facts(owner, here);
        let asked = Asked {
            owner: owner.clone(),
            wanted: None,
            shares: None,
            protects: BTreeSet::new(),
            holds: BTreeSet::new(),
            leaving: true,
            drain: SignedDuration::ZERO,
            last,
            routes,
        };
        asked.split(&self.remembered.records)
    }
}
