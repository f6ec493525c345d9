//! The objects of one app: how each kind is told to belong to it, and where it is kept.
//!
//! Holds and hands out; decides nothing and talks to nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Resource, ResourceExt};

use super::facts::{PodFacts, SliceFacts};
use super::foreign_routes::Strangers;
use super::key::{AppKey, identity_of};
use super::moment::Moment;
use super::ownership;
use crate::api::gateway::HttpRoute;
use crate::api::{Alias, Deployment};
use crate::kubernetes::{Kind, names};
use crate::plan::{Memory, Owner, OwnerKind};
use crate::words::AppName;

/// Objects of one kind by name.
#[derive(Debug)]
pub(super) struct Slot<T>(BTreeMap<String, Held<T>>);

#[derive(Debug)]
struct Held<T> {
    /// The resource version at which it was seen.
    version: u128,
    seen: Instant,
    object: Arc<T>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            object: self.object.clone(),
            ..*self
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.0.get(name).map(|held| &held.object)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.0
            .iter()
            .map(|(name, held)| (name.as_str(), &held.object))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// True when a newer object of that name is held than one of that version.
    pub(super) fn is_newer(&self, name: &str, version: u128, listed: Option<Instant>) -> bool {
        self.0.get(name).is_some_and(|held| {
            version > 0 && held.version > version && listed.is_none_or(|began| held.seen >= began)
        })
    }

    /// Puts an object in unless a newer one is there; true when something changed. Resource versions of one kind can be
    /// compared as numbers, but for an API server that went back to a backup: what a list holds is newer than all that was
    /// seen before the list began.
    pub(super) fn put(
        &mut self,
        name: String,
        version: u128,
        object: Arc<T>,
        listed: Option<Instant>,
    ) -> bool {
        let same = self
            .0
            .get(&name)
            .is_some_and(|held| held.version == version);
        if (version > 0 && same) || self.is_newer(&name, version, listed) {
            return false;
        }
        let seen = Instant::now();
        let held = Held {
            version,
            seen,
            object,
        };
        self.0.insert(name, held);
        true
    }
}

/// What a plan wanted remembered, as this program knows it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) memory: Memory,
    /// The resource version of an anchor that could not be written: what that one says is older.
    pub(super) over: Option<String>,
}

/// Everything that belongs to one app in one namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct AppObjects {
    pub(super) deployments: Slot<Deployment>,
    pub(super) aliases: Slot<Alias>,
    pub(super) config_maps: Slot<ConfigMap>,
    pub(super) services: Slot<Service>,
    pub(super) workloads: Slot<Workload>,
    pub(super) autoscalers: Slot<HorizontalPodAutoscaler>,
    pub(super) budgets: Slot<PodDisruptionBudget>,
    pub(super) routes: Slot<HttpRoute>,
    pub(super) slices: Slot<SliceFacts>,
    pub(super) pods: Slot<PodFacts>,
    /// HTTPRoutes of others that send to versions of the app.
    pub(super) strangers: Strangers,
    /// What the last plan wanted remembered, for an anchor that is gone or cannot be written.
    pub(super) kept: Option<Arc<Kept>>,
}

impl AppObjects {
    pub(super) fn is_empty(&self) -> bool {
        self.deployments.is_empty()
            && self.aliases.is_empty()
            && self.slices.is_empty()
            && self.pods.is_empty()
            && self.strangers.is_empty()
            && !self.has_made()
    }

    /// Something of that kind and name is there.
    pub(super) fn has(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::ConfigMap => self.config_maps.get(name).is_some(),
            Kind::Service => self.services.get(name).is_some(),
            Kind::Workload => self.workloads.get(name).is_some(),
            Kind::Autoscaler => self.autoscalers.get(name).is_some(),
            Kind::DisruptionBudget => self.budgets.get(name).is_some(),
            Kind::HttpRoute => self.routes.get(name).is_some(),
        }
    }

    /// Something is there that the controller made.
    pub(super) fn has_made(&self) -> bool {
        !(self.config_maps.is_empty()
            && self.services.is_empty()
            && self.workloads.is_empty()
            && self.autoscalers.is_empty()
            && self.budgets.is_empty()
            && self.routes.is_empty())
    }

    /// HTTPRoutes that serve an owner.
    pub(super) fn routes_of(
        &self,
        app: &AppName,
        owner: &Owner,
    ) -> impl Iterator<Item = &HttpRoute> {
        (self.routes.iter())
            .filter(|(name, _)| names::is_route_of(app, owner, name))
            .map(|(_, route)| route.as_ref())
    }

    /// True when a route says of itself that it serves an owner. The name alone does not tell one Deployment from another.
    pub(super) fn serves(&self, key: &AppKey, owner: &Owner) -> bool {
        let text = owner.to_string();
        self.routes_of(&key.app, owner).any(|route| {
            let annotations = route.metadata.annotations.as_ref();
            owner.kind == OwnerKind::Alias
                || annotations.and_then(|all| all.get(names::OWNER)) == Some(&text)
        })
    }
}

/// An object that belongs to one app.
pub(super) trait Tracked: Sized + Send + Sync + 'static {
    /// An object of that name may come to belong to another app.
    const ROAMS: bool = false;
    /// The app, or `None` for an object that is not ours.
    fn app(&self) -> Option<AppKey>;
    /// Namespace, name and resource version.
    fn identity(&self) -> (String, String, u128);
    /// What tells it from one that was made anew under its name; nothing where that makes no difference.
    fn uid(&self) -> Option<&str> {
        None
    }
    /// Where it is kept.
    fn slot(objects: &mut AppObjects) -> &mut Slot<Self>;
    /// Drops what nobody reads, before it is kept.
    fn prune(&mut self) {}
    /// Takes over what only an earlier sight of the object can tell.
    fn inherit(&mut self, _earlier: &Self) {}
}

/// The identity of what is kept as facts: it lies in the namespace of its app.
fn in_app(app: &AppKey, name: &str, version: u128) -> (String, String, u128) {
    (app.namespace.clone(), name.to_owned(), version)
}

macro_rules! tracked {
    ($($kind:ty, $slot:ident, $roams:expr, $app:expr, $prune:expr;)*) => {$(
        impl Tracked for $kind {
            const ROAMS: bool = $roams;

            fn app(&self) -> Option<AppKey> {
                let app: fn(&Self) -> Option<AppKey> = $app;
                app(self)
            }

            fn identity(&self) -> (String, String, u128) {
                identity_of(self)
            }

            fn uid(&self) -> Option<&str> {
                self.meta().uid.as_deref()
            }

            fn slot(objects: &mut AppObjects) -> &mut Slot<Self> {
                &mut objects.$slot
            }

            fn prune(&mut self) {
                let prune: fn(&mut Self) = $prune;
                ownership::shorten(self.meta_mut());
                prune(self);
            }
        }
    )*};
}

tracked! {
    Deployment, deployments, true, |object| {
        Some(AppKey { namespace: object.namespace()?, app: object.spec.app.clone() })
    }, |_| {};
    Alias, aliases, true, |object| {
        Some(AppKey { namespace: object.namespace()?, app: object.spec.app.clone() })
    }, |_| {};
    ConfigMap, config_maps, false, |map| ownership::app_of(map.meta()), |map| {
        // Files are immutable and named by their content: only the anchor is ever read.
        if !map.name_any().ends_with(names::ANCHOR_SUFFIX) {
            map.data = None;
            map.binary_data = None;
        }
    };
    Service, services, false, |service| ownership::app_of(service.meta()), |service| service.status = None;
    Workload, workloads, false, |workload| ownership::app_of(workload.meta()), |workload| {
        if let Some(status) = &mut workload.status {
            // Only why its pods could not be made is read.
            if let Some(conditions) = &mut status.conditions {
                conditions.retain(|condition| condition.type_.as_deref() == Some("ReplicaFailure"));
            }
        }
    };
    HorizontalPodAutoscaler, autoscalers, false, |scaler| ownership::app_of(scaler.meta()), |scaler| scaler.status = None;
    PodDisruptionBudget, budgets, false, |budget| ownership::app_of(budget.meta()), |budget| budget.status = None;
    HttpRoute, routes, false, |route| ownership::app_of(route.meta()), |_| {};
}

impl Tracked for PodFacts {
    fn app(&self) -> Option<AppKey> {
        Some(self.app.clone())
    }

    fn identity(&self) -> (String, String, u128) {
        in_app(&self.app, &self.name, self.resource_version)
    }

    fn slot(objects: &mut AppObjects) -> &mut Slot<Self> {
        &mut objects.pods
    }

    fn inherit(&mut self, earlier: &Self) {
        // One that was seen unready became ready under our eyes, whatever the clock of its node says.
        self.ready_since = self
            .ready_since
            .map(|_| earlier.ready_since.unwrap_or_else(Moment::now));
    }
}

impl Tracked for SliceFacts {
    fn app(&self) -> Option<AppKey> {
        Some(self.app.clone())
    }

    fn identity(&self) -> (String, String, u128) {
        in_app(&self.app, &self.name, self.resource_version)
    }

    fn slot(objects: &mut AppObjects) -> &mut Slot<Self> {
        &mut objects.slices
    }
}
