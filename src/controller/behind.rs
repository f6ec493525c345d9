//! What is written to a route that is behind the others of its owner: first the names of what is new to it, then the shares.
//!
//! Pure. What a plan says of names goes by the routes that count in it. One that could not be written, that was taken out of the
//! spec, or that gives something else, may have to learn the names of versions that the others have given a share for long. So
//! it keeps what it gives until its own gateways know them. Which shares there are to be is not decided here.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use kube::ResourceExt;

use super::acceptance::Heard;
use super::answer::Answer;
use super::backends;
use super::key::AppKey;
use super::leading::OwnerRoutes;
use super::objects::AppObjects;
use super::places::Routes;
use super::wish::Wish;
use crate::api::gateway::HttpRoute;
use crate::kubernetes::{Keeps, names};
use crate::plan::effective::share_of;
use crate::plan::{BACKENDS_MAX, Plan, RoutePlan, Split, World};
use crate::words::{Shares, VersionNumber};

/// What is known where it is asked what is written.
pub(super) struct Behind<'a> {
    pub(super) key: &'a AppKey,
    pub(super) objects: &'a AppObjects,
    pub(super) wishes: &'a [Wish],
    pub(super) world: &'a World,
    pub(super) plan: &'a Plan,
    /// Names of routes that cannot be written.
    pub(super) unwritable: &'a BTreeSet<String>,
    pub(super) heard: Heard<'a>,
}

/// Until when a route keeps what it gives.
#[derive(Debug, PartialEq, Eq)]
enum Until {
    /// Until it is written, or something is said of it.
    News,
    /// Until that time has passed, unless there is news.
    Passed(SignedDuration),
}

impl Behind<'_> {
    /// Has the routes that are behind keep what they give, as long as they have to. When the next of them may have waited enough.
    pub(super) fn keep(&self, routes: &mut Routes) -> Option<SignedDuration> {
        let mut next: Option<SignedDuration> = None;
        for wish in self.wishes {
            let owner = &wish.owner;
            let Some(specs) = routes.get_mut(owner) else {
                continue;
            };
            let mut plans = self.plan.splits.iter();
            let plan = plans.find(|split| split.owner == *owner);
            let mut splits = self.world.splits.iter();
            let split = splits.find(|split| split.owner == *owner);
            let (Some(split), Some(RoutePlan::Serve { shares, .. })) =
                (split, plan.map(|plan| &plan.route))
            else {
                continue;
            };
            let (app, listed) = (&self.key.app, wish.http_routes(&self.key.app));
            let (all, memory) = ((app, self.objects), &self.world.memory);
            let of_owner = OwnerRoutes::new(all, owner, listed, self.unwritable, memory);
            for spec in specs {
                let live = self
                    .objects
                    .routes
                    .get(&names::route(app, owner, &spec.name));
                let Some(live) = live.filter(|live| !of_owner.counts(live)) else {
                    continue;
                };
                let Some(until) = self.until(split, (shares, &of_owner), live) else {
                    continue;
                };
                if let Until::Passed(wait) = until {
                    next = Some(next.map_or(wait, |next| next.min(wait)));
                }
                spec.keeps = Some(self.keeps(live));
            }
        }
        next
    }

    /// Until when a route keeps what it gives; nothing where it may be given all of `shares` now.
    fn until(
        &self,
        split: &Split,
        (shares, of_owner): (&Shares, &OwnerRoutes<'_>),
        live: &HttpRoute,
    ) -> Option<Until> {
        let gives = backends::shares(&self.key.app, live);
        let new: Vec<VersionNumber> = (shares.iter())
            .filter(|(version, share)| !share.is_zero() && share_of(&gives, *version).is_zero())
            .map(|(version, _)| *version)
            .collect();
        // Nobody is sent anything by one that gives nothing; and where a rule has no place for all names, it is one write.
        if new.is_empty() || gives.is_empty() || gives.len() + new.len() > BACKENDS_MAX {
            return None;
        }
        let main = backends::main_rule(live);
        let named: BTreeSet<VersionNumber> = backends::versions_of(self.key, main).collect();
        if new.iter().any(|version| !named.contains(version)) {
            return Some(Until::News);
        }
        // Where requests fail already, waiting loses more than it saves.
        if !self.reaches_pods(live) {
            return None;
        }
        // What the others go away from is none of its business: it waits for what they go to, and takes one step. What they go to may
        // never come, and what they go away from is newer than what it gives: so it waits no longer than the deadline.
        let is_left = |version: &VersionNumber| {
            let wanted = split.wanted.as_ref();
            wanted.is_some_and(|wanted| share_of(wanted, *version).is_zero())
        };
        let is_back = |version: &VersionNumber| gives.iter().any(|(given, _)| given > version);
        let goes_back = new.iter().all(is_back);
        if of_owner.goes_on() && new.iter().any(is_left) && !goes_back {
            let Some(progress) = self.world.memory.progress.get(&split.owner) else {
                return Some(Until::News);
            };
            let waited = self.world.now.duration_since(progress.began);
            let wait = split.progress_deadline.saturating_sub(waited);
            if wait.is_positive() {
                return Some(Until::Passed(wait));
            }
        }
        // What nobody serves may change.
        if self.heard.knows(live) {
            return None;
        }
        let name = live.name_any();
        if let Some(age) = self.heard.looked.accepted.get(&name) {
            return Some(Until::Passed(self.heard.settle.saturating_sub(*age)));
        }
        if !Answer::of(live, self.heard.gateways).is_open() || !goes_back {
            return Some(Until::News);
        }
        // A gateway that says nothing holds up no way back for longer than that.
        let wait = split.progress_deadline.max(self.heard.settle);
        let standing = self.heard.looked.standing.get(&name);
        let wait = wait.saturating_sub(standing.copied().unwrap_or_default());
        wait.is_positive().then_some(Until::Passed(wait))
    }

    /// A pod is ready behind each backend that a route sends to.
    fn reaches_pods(&self, live: &HttpRoute) -> bool {
        let backends = backends::main_rule(live).into_iter();
        let mut backends = backends.flat_map(|rule| &rule.backend_refs);
        backends.all(|backend| {
            let version = names::version_of(&self.key.app, &backend.name);
            let function = names::function_of(&self.key.app, &backend.name);
            let state = version.and_then(|version| self.world.versions.get(&version));
            let function = state
                .zip(function)
                .and_then(|(it, name)| it.functions.get(&name));
            backend.weight == Some(0) || function.is_some_and(|function| function.ready > 0)
        })
    }

    fn keeps(&self, live: &HttpRoute) -> Keeps {
        let rules = live.spec.rules.iter();
        let held = rules.flat_map(|rule| backends::versions_of(self.key, Some(rule)));
        Keeps {
            shares: backends::shares(&self.key.app, live),
            held: held.collect(),
        }
    }
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
