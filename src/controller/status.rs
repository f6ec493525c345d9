//! The status of an owner: made from what was decided and what happened, in one place, on every path.
//!
//! Pure, time is an argument. Writing it, and the events that go with it, is [`super::report`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::acceptance::Ages;
use super::answer::{Answer, Gateways};
use super::backends;
use super::failure::Failure;
use super::key::AppKey;
use super::leading::OwnerRoutes;
use super::objects::AppObjects;
use super::observe;
use super::places;
use super::resolve::Resolution;
use super::wish::Wish;
use crate::api::condition::{self, Say, State};
use crate::api::{DeploymentStatus, HistoryEntry, HistoryShare, RouteState, ServingVersion, Type};
use crate::kubernetes::names;
use crate::plan::effective::share_of;
use crate::plan::{Memory, OwnerKind, Plan, RoutePlan, Scale, SplitPlan};
use crate::resolve::Records;
use crate::words::{FunctionName, Share, Shares, VersionNumber};

/// Deployments that the status remembers.
const HISTORY: usize = 10;

/// Everything that a status is made from.
pub(super) struct Facts<'a> {
    pub(super) key: &'a AppKey,
    pub(super) wish: &'a Wish,
    pub(super) resolution: &'a Resolution,
    pub(super) records: &'a Records,
    pub(super) objects: &'a AppObjects,
    pub(super) plan: Option<&'a Plan>,
    /// What could not be written.
    pub(super) failures: &'a [Failure],
    /// What stands against the routes: gateways that are not there, claims of others.
    pub(super) obstacles: &'a [Failure],
    pub(super) gateways: &'a Gateways,
    /// Names of routes that could not be written when it was decided.
    pub(super) unwritable: &'a BTreeSet<String>,
    /// For how long each route is as it is, at least.
    pub(super) standing: &'a Ages,
    pub(super) now: Timestamp,
}

/// The status as it should stand.
pub(super) fn status(facts: &Facts<'_>) -> DeploymentStatus {
    let mut status = facts.wish.status.clone();
    status.observed_generation = facts.wish.generation;
    let split = facts.split();
    if facts.wish.taken_by.is_none() {
        status.wanted.clone_from(&facts.resolution.pinned);
        status.serving = facts.serving(split);
        status.routes = facts.routes();
        status.versions = Some(facts.shares(split).to_string()).filter(|line| !line.is_empty());
    } else {
        // Nothing is made for it: no place that it asks for now is its own.
        for route in &mut status.routes {
            route.accepted = false;
        }
    }
    let says = facts.conditions(split);
    for say in &says {
        condition::set(
            &mut status.conditions,
            say,
            facts.wish.generation,
            facts.now,
        );
    }
    facts.remember(&mut status, &says);
    status
}

impl Facts<'_> {
    fn split(&self) -> Option<&SplitPlan> {
        let plan = self.plan?;
        plan.splits
            .iter()
            .find(|split| split.owner == self.wish.owner)
    }

    /// What the routes say, whatever the plan wanted of them: one that could not be written sends to whom it did. Where they differ, the
    /// one that the plan goes by. Of an owner that wants none, what was decided.
    pub(super) fn shares(&self, split: Option<&SplitPlan>) -> Shares {
        let app = &self.key.app;
        let (all, listed) = ((app, self.objects), self.wish.http_routes(app));
        let nothing = Memory::default();
        let memory = self.plan.map_or(&nothing, |plan| &plan.memory);
        let owner = &self.wish.owner;
        let routes = OwnerRoutes::new(all, owner, listed, self.unwritable, memory);
        if let Some(served) = routes.served() {
            return served.clone();
        }
        match split.map(|split| &split.route) {
            Some(RoutePlan::Serve { shares, .. }) if !self.wants_routes() => shares.clone(),
            _ => Shares::new(),
        }
    }

    pub(super) fn wants_routes(&self) -> bool {
        let wanted = self.wish.wanted.as_ref();
        wanted.is_ok_and(|wanted| !wanted.routes.is_empty())
    }

    fn serving(&self, split: Option<&SplitPlan>) -> Vec<ServingVersion> {
        let shares = self.shares(split);
        let Some(plan) = self.plan else {
            return self.wish.status.serving.clone();
        };
        let mut numbers: Vec<VersionNumber> = self
            .resolution
            .pinned
            .iter()
            .map(|entry| entry.number)
            .collect();
        for (number, _) in &shares {
            if !numbers.contains(number) {
                numbers.push(*number);
            }
        }
        let kept = self.kept(plan).into_iter();
        numbers.extend(kept.filter(|number| share_of(&shares, *number).is_zero()));
        (numbers.into_iter())
            .filter_map(|number| {
                let record = self.records.get(&number)?;
                let scales = plan.run.get(&number)?;
                Some(ServingVersion {
                    number,
                    id: format!("g{}", record.tree),
                    commit: record.commit.to_string(),
                    percentage: share_of(&shares, number),
                    ready_replicas: scales.keys().map(|name| self.ready(number, name)).sum(),
                    wanted_replicas: scales.values().map(|scale| pods_of(*scale)).sum(),
                })
            })
            .collect()
    }

    /// Versions whose pods are kept though the owner does not list them: those that others step in for, those that are named and
    /// cannot be had yet, and those that going back to is instant, which are the Deployment's to tell.
    fn kept(&self, plan: &Plan) -> Vec<VersionNumber> {
        let intact = plan.memory.intact.get(&self.wish.owner);
        let intact = intact.map_or(&[][..], |intact| &intact.shares);
        let tells = self.wish.owner.kind == OwnerKind::Deployment;
        let left = |number: &VersionNumber| {
            let past = plan.memory.versions.get(number);
            let drains = past.is_some_and(|past| past.released.is_some() && !past.listed);
            let held = self.resolution.holds.contains(number);
            held || (tells && drains) || intact.iter().any(|(lost, _)| lost == number)
        };
        let app = &self.key.app;
        let routes = || self.objects.routes_of(app, &self.wish.owner);
        let named: BTreeSet<VersionNumber> = (routes()
            .flat_map(|route| backends::shares(app, route)))
        .filter(|(_, share)| tells || !share.is_zero())
        .map(|(number, _)| number)
        .collect();
        let pinned = |number: &VersionNumber| {
            (self.resolution.pinned.iter()).any(|entry| entry.number == *number)
        };
        let running = plan.run.keys().rev().copied();
        running
            .filter(|number| (left(number) || named.contains(number)) && !pinned(number))
            .collect()
    }

    pub(super) fn ready(&self, number: VersionNumber, function: &FunctionName) -> u32 {
        let service = names::workload(&self.key.app, number, function);
        observe::ready_endpoints(self.objects, &service)
    }

    fn routes(&self) -> Vec<RouteState> {
        let Ok(wanted) = &self.wish.wanted else {
            return Vec::new();
        };
        (wanted.routes.iter())
            .map(|named| {
                let name = names::route(&self.key.app, &self.wish.owner, named.name.as_str());
                let route = self.objects.routes.get(&name);
                RouteState {
                    name: named.name.clone(),
                    accepted: route.is_some_and(|route| {
                        places::is_at(route, &named.route)
                            && Answer::of(route, self.gateways).is_accepted()
                    }),
                    url: None,
                }
            })
            .collect()
    }

    /// What is pinned is what the spec wants now, and not what it wanted before.
    pub(super) fn is_pinned_as_wanted(&self) -> bool {
        self.wish.wanted.as_ref().is_ok_and(|wanted| {
            let words = wanted
                .versions
                .iter()
                .map(|entry| (&entry.version, entry.percentage));
            words.eq(self
                .resolution
                .pinned
                .iter()
                .map(|entry| (&entry.version, entry.percentage)))
        })
    }

    /// Keeps the ten newest deployments.
    fn remember(&self, status: &mut DeploymentStatus, says: &[Say]) {
        let known =
            self.wish.taken_by.is_none() && self.resolution.troubles.iter().all(|t| !t.pending);
        let fresh = known && self.resolution.shares.is_some() && !self.wish.leaving;
        if !fresh || !self.is_pinned_as_wanted() {
            return;
        }
        let versions: Vec<HistoryShare> = (self.resolution.pinned.iter())
            .map(|entry| HistoryShare {
                number: entry.number,
                percentage: entry.percentage,
            })
            .collect();
        if status
            .history
            .first()
            .is_none_or(|newest| newest.versions != versions)
        {
            let wanted = self.wish.wanted.as_ref().ok();
            let sequence = status.history.first().map_or(0, |newest| newest.sequence) + 1;
            let entry = HistoryEntry {
                sequence,
                time: condition::whole_second(self.now),
                author: None,
                source: None,
                message: wanted.and_then(|wanted| wanted.message.clone()),
                versions,
                stable: false,
                rolled_back_from: None,
            };
            status.history.insert(0, entry);
            status.history.truncate(HISTORY);
        }
        let converged = says
            .iter()
            .any(|say| say.type_ == Type::Converged && say.state == State::True);
        if let Some(newest) = status.history.first_mut() {
            let alone = newest
                .versions
                .iter()
                .any(|version| version.percentage == Share::ALL);
            newest.stable |= converged && alone;
        }
    }
}

pub(super) fn pods_of(scale: Scale) -> u32 {
    match scale {
        Scale::Fixed(pods) => pods,
        Scale::Auto { min, .. } => min,
    }
}

#[cfg(test)]
mod tests;
