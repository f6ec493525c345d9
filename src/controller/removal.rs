//! What may go: the one place that names objects for deletion.
//!
//! Pure. A [`Doomed`] is made here alone, and nothing else can be deleted. A live route goes only where its owner is known to
//! be leaving, to be gone, or to wish for other routes that stand: not because something could not be read, written or listed.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use kube::{Resource, ResourceExt};

use super::acceptance::Ages;
use super::foreign_routes;
use super::key::AppKey;
use super::objects::AppObjects;
use super::places;
use super::wish::Wish;
use crate::api::Wanted;
use crate::api::gateway::HttpRoute;
use crate::kubernetes::render::Rendered;
use crate::kubernetes::{Kind, names};
use crate::plan::{Owner, OwnerKind, Plan, RoutePlan};
use crate::resolve::Records;
use crate::words::VersionNumber;

/// An object that goes, as it was seen: one that was made anew meanwhile under its name is another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doomed {
    kind: Kind,
    name: String,
    uid: Option<String>,
}

impl Doomed {
    fn new<K: Resource>(kind: Kind, object: &K) -> Self {
        Self {
            kind,
            name: object.name_any(),
            uid: object.uid(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }
}

/// What is known where it is asked what may go.
pub(super) struct Removal<'a> {
    pub(super) key: &'a AppKey,
    pub(super) objects: &'a AppObjects,
    pub(super) plan: &'a Plan,
    pub(super) records: &'a Records,
    pub(super) wishes: &'a [Wish],
    /// Deployments and Aliases of the namespace that cannot be read.
    pub(super) unreadable: &'a BTreeSet<Owner>,
    /// HTTPRoutes are a kind that can be seen.
    pub(super) routes_seen: bool,
    /// Routes that the gateways accept as they are, and for how long they have.
    pub(super) accepted: &'a Ages,
    /// How long a gateway is given to act on what it has accepted.
    pub(super) settle: SignedDuration,
    /// Routes that could not be written just now.
    pub(super) unwritten: &'a BTreeSet<String>,
}

impl Removal<'_> {
    /// Routes of owners that leave or are gone, and those that were taken out of a spec.
    pub(super) fn routes(&self) -> Vec<Doomed> {
        if !self.routes_seen {
            return Vec::new();
        }
        let goes = |name: &str, route: &HttpRoute| {
            let mut splits = self.plan.splits.iter();
            let split = splits.find(|split| names::is_route_of(&self.key.app, &split.owner, name));
            match split.map(|split| (&split.owner, &split.route)) {
                Some((_, RoutePlan::Off)) => true,
                Some((_, RoutePlan::Keep)) => false,
                Some((owner, RoutePlan::Serve { .. })) => self.is_taken_out(owner, name, route),
                None => self.is_nobodys(name, route),
            }
        };
        (self.objects.routes.iter())
            .filter(|(name, route)| goes(name, route))
            .map(|(_, route)| Doomed::new(Kind::HttpRoute, route.as_ref()))
            .collect()
    }

    /// The owner does not wish for it any more, and the routes that are to take its requests stand.
    fn is_taken_out(&self, owner: &Owner, name: &str, route: &HttpRoute) -> bool {
        let wish = self.wishes.iter().find(|wish| wish.owner == *owner);
        let Some(Ok(wanted)) = wish.map(|wish| &wish.wanted) else {
            return false;
        };
        wanted.routes.iter().all(|named| {
            let other = names::route(&self.key.app, owner, named.name.as_str());
            let hostnames = places::takes_over(&named.route, &route.spec.hostnames);
            let seen = (self.objects, self.accepted);
            let stands = !self.unwritten.contains(&other)
                && places::stands(seen, self.settle, &other, &named.route, &hostnames);
            other != name && (hostnames.is_empty() || stands)
        })
    }

    /// How long until the next route that is accepted may take over from one that is not wished any more, or has hostnames that are not.
    pub(super) fn over_in(&self) -> Option<SignedDuration> {
        let waits = |name: &str, route: &HttpRoute| {
            let mut splits = self.plan.splits.iter();
            splits.any(|split| {
                let wish = self.wishes.iter().find(|wish| wish.owner == split.owner);
                let wanted = wish.and_then(|wish| wish.wanted.as_ref().ok());
                matches!(split.route, RoutePlan::Serve { .. })
                    && names::is_route_of(&self.key.app, &split.owner, name)
                    && wanted.is_some_and(|wanted| !self.has_all(wanted, &split.owner, name, route))
            })
        };
        (self.objects.routes.iter()).find(|(name, route)| waits(name, route))?;
        let left = (self.accepted.values()).map(|age| self.settle.saturating_sub(*age));
        left.filter(SignedDuration::is_positive).min()
    }

    /// A route is wished with all of the hostnames that it has.
    fn has_all(&self, wanted: &Wanted, owner: &Owner, name: &str, route: &HttpRoute) -> bool {
        let mut routes = wanted.routes.iter();
        routes.any(|named| {
            let hostnames = &named.route.hostnames;
            names::route(&self.key.app, owner, named.name.as_str()) == name
                && (route.spec.hostnames.iter()).all(|hostname| hostnames.contains(hostname))
        })
    }

    /// No object that can be the owner is there, readable or not.
    fn is_nobodys(&self, name: &str, route: &HttpRoute) -> bool {
        match names::alias_of_route(&self.key.app, name) {
            Some(Some(alias)) => {
                let owner = Owner {
                    kind: OwnerKind::Alias,
                    name: alias.to_owned(),
                };
                self.objects.aliases.get(alias).is_none() && !self.unreadable.contains(&owner)
            }
            Some(None) => {
                // The name does not say which Deployment; the annotation does, where it was left.
                let annotations = route.metadata.annotations.as_ref();
                let said = annotations
                    .and_then(|all| all.get(names::OWNER))
                    .and_then(|text| Owner::try_from(text.clone()).ok());
                let mut unreadable = self.unreadable.iter();
                let unclear = unreadable.any(|owner| {
                    owner.kind == OwnerKind::Deployment
                        && said.as_ref().is_none_or(|said| said == owner)
                });
                self.objects.deployments.is_empty() && !unclear
            }
            None => false,
        }
    }

    /// Workloads of versions that do not run any more, with all that is about them, and files that no version mounts.
    pub(super) fn workloads(&self, rendered: &Rendered) -> Vec<Doomed> {
        let sent_to = self.sent_to();
        let version = |name: &str| names::version_of(&self.key.app, name);
        let over = |name: &str| {
            version(name).is_some_and(|version| {
                !self.plan.run.contains_key(&version) && !sent_to.contains(&version)
            })
        };
        let unwanted = |kind: Kind, name: &str| {
            let rendered = version(name).is_none_or(|version| {
                let known = self.records.contains_key(&version);
                !self.plan.run.contains_key(&version) || !known || has(rendered, kind, name)
            });
            over(name) || !rendered
        };
        let mut doomed = Vec::new();
        // A scaler goes before what it scales.
        for (name, object) in self.objects.autoscalers.iter() {
            if unwanted(Kind::Autoscaler, name) {
                doomed.push(Doomed::new(Kind::Autoscaler, object.as_ref()));
            }
        }
        for (name, object) in self.objects.budgets.iter() {
            if unwanted(Kind::DisruptionBudget, name) {
                doomed.push(Doomed::new(Kind::DisruptionBudget, object.as_ref()));
            }
        }
        for (_, object) in self.objects.workloads.iter().filter(|(name, _)| over(name)) {
            doomed.push(Doomed::new(Kind::Workload, object.as_ref()));
        }
        for (_, object) in self.objects.services.iter().filter(|(name, _)| over(name)) {
            doomed.push(Doomed::new(Kind::Service, object.as_ref()));
        }
        let known = |version| self.records.contains_key(version);
        if !self.plan.run.keys().all(known)
            || !sent_to.iter().all(|v| self.plan.run.contains_key(v))
        {
            // Which files are mounted is not known.
            return doomed;
        }
        let files = names::files(&self.key.app, "");
        for (name, object) in self.objects.config_maps.iter() {
            if name.starts_with(&files) && !rendered.files.contains_key(name) {
                doomed.push(Doomed::new(Kind::ConfigMap, object.as_ref()));
            }
        }
        doomed
    }

    /// The anchor, where nothing is left that it speaks of.
    pub(super) fn anchor(&self) -> Option<Doomed> {
        let anchor = (self.objects.config_maps).get(&names::anchor(&self.key.app))?;
        self.plan
            .close
            .then(|| Doomed::new(Kind::ConfigMap, anchor.as_ref()))
    }

    /// Versions that some route still sends requests to, ours or not, whatever the plan says.
    fn sent_to(&self) -> BTreeSet<VersionNumber> {
        (self.objects.routes.iter())
            .flat_map(|(_, route)| foreign_routes::backends(route))
            .filter_map(|backend| names::version_of(&self.key.app, &backend.name))
            .chain(self.objects.strangers.values().flatten().copied())
            .collect()
    }
}

fn has(rendered: &Rendered, kind: Kind, name: &str) -> bool {
    let mut objects = rendered.objects.iter();
    objects.any(|object| object.kind == kind && object.name == name)
}

#[cfg(test)]
mod tests;
