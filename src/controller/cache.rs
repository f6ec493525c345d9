//! What the cluster holds of each app, kept current by watches and by the answers to our own writes.
//!
//! Holds and hands out; decides nothing and talks to nobody. Reads give a copy of one app's shared pointers, so that a
//! reconcile sees one moment and costs the same among ten objects or ten thousand.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Resource, ResourceExt};

use super::answer::Gateways;
use super::claims::Claims;
use super::facts::{PodFacts, SliceFacts};
use super::follow::Failing;
use super::moment::Moment;
use crate::api::gateway::HttpRoute;
use crate::api::{Alias, Deployment, Repository};
use crate::kubernetes::names;
use crate::plan::{Owner, OwnerKind};
use crate::words::AppName;

/// One app in one namespace: what one reconcile is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AppKey {
    pub(super) namespace: String,
    pub(super) app: AppName,
}

/// Namespace and name.
pub(super) type ObjectKey = (String, String);

/// Objects of one kind by name, each with the resource version at which it was seen.
#[derive(Debug)]
pub(super) struct Slot<T>(BTreeMap<String, (u128, Arc<T>)>);

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
        self.0.get(name).map(|(_, object)| object)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.0
            .iter()
            .map(|(name, (_, object))| (name.as_str(), object))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts an object in unless a newer one is there; true when something changed. Resource versions of one kind can
    /// be compared as numbers.
    fn put(&mut self, name: String, version: u128, object: Arc<T>) -> bool {
        match self.0.get(&name) {
            Some((held, _)) if *held >= version && version > 0 => false,
            _ => {
                self.0.insert(name, (version, object));
                true
            }
        }
    }
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
}

impl AppObjects {
    fn is_empty(&self) -> bool {
        self.deployments.is_empty()
            && self.aliases.is_empty()
            && self.config_maps.is_empty()
            && self.services.is_empty()
            && self.workloads.is_empty()
            && self.autoscalers.is_empty()
            && self.budgets.is_empty()
            && self.routes.is_empty()
            && self.slices.is_empty()
            && self.pods.is_empty()
    }
}

/// An object that belongs to one app.
pub(super) trait Tracked: Sized + Send + Sync + 'static {
    /// The app, or `None` for an object that is not ours.
    fn app(&self) -> Option<AppKey>;
    /// Namespace, name and resource version.
    fn identity(&self) -> (String, String, u128);
    /// Where it is kept.
    fn slot(objects: &mut AppObjects) -> &mut Slot<Self>;
    /// Drops what nobody reads, before it is kept.
    fn prune(&mut self) {}
    /// Takes over what only an earlier sight of the object can tell.
    fn inherit(&mut self, _earlier: &Self) {}
}

/// The app that a label names.
pub(super) fn app_by_label<K: ResourceExt>(object: &K) -> Option<AppKey> {
    let labels = object.labels();
    if labels.get(names::MANAGED_BY).map(String::as_str) != Some(names::FIELD_MANAGER) {
        return None;
    }
    Some(AppKey {
        namespace: object.namespace()?,
        app: labels.get(names::APP)?.parse().ok()?,
    })
}

pub(super) fn identity_of<K: ResourceExt>(object: &K) -> (String, String, u128) {
    let version = object.resource_version().and_then(|text| text.parse().ok());
    (
        object.namespace().unwrap_or_default(),
        object.name_any(),
        version.unwrap_or(0),
    )
}

macro_rules! tracked {
    ($($kind:ty, $slot:ident, $app:expr, $prune:expr;)*) => {$(
        impl Tracked for $kind {
            fn app(&self) -> Option<AppKey> {
                let app: fn(&Self) -> Option<AppKey> = $app;
                app(self)
            }

            fn identity(&self) -> (String, String, u128) {
                identity_of(self)
            }

            fn slot(objects: &mut AppObjects) -> &mut Slot<Self> {
                &mut objects.$slot
            }

            fn prune(&mut self) {
                let prune: fn(&mut Self) = $prune;
                self.meta_mut().managed_fields = None;
                prune(self);
            }
        }
    )*};
}

tracked! {
    Deployment, deployments, |object| {
        Some(AppKey { namespace: object.namespace()?, app: object.spec.app.clone() })
    }, |_| {};
    Alias, aliases, |object| {
        Some(AppKey { namespace: object.namespace()?, app: object.spec.app.clone() })
    }, |_| {};
    ConfigMap, config_maps, app_by_label, |map| {
        // Files are immutable and named by their content: only the anchor is ever read.
        if !map.name_any().ends_with(names::ANCHOR_SUFFIX) {
            map.data = None;
            map.binary_data = None;
        }
    };
    Service, services, app_by_label, |service| service.status = None;
    Workload, workloads, app_by_label, |workload| {
        if let Some(status) = &mut workload.status {
            // Only why its pods could not be made is read.
            if let Some(conditions) = &mut status.conditions {
                conditions.retain(|condition| condition.type_.as_deref() == Some("ReplicaFailure"));
            }
        }
    };
    HorizontalPodAutoscaler, autoscalers, app_by_label, |scaler| scaler.status = None;
    PodDisruptionBudget, budgets, app_by_label, |budget| budget.status = None;
    HttpRoute, routes, app_by_label, |_| {};
}

impl Tracked for PodFacts {
    fn app(&self) -> Option<AppKey> {
        Some(self.app.clone())
    }

    fn identity(&self) -> (String, String, u128) {
        (
            self.app.namespace.clone(),
            self.name.clone(),
            self.resource_version,
        )
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
        (
            self.app.namespace.clone(),
            self.name.clone(),
            self.resource_version,
        )
    }

    fn slot(objects: &mut AppObjects) -> &mut Slot<Self> {
        &mut objects.slices
    }
}

/// Objects that went lately. The answer to a write may come after the news that the object is gone: it must not bring it
/// back, for nobody would ever say again that it went.
#[derive(Debug, Default)]
struct Removed {
    versions: HashMap<Place, u128>,
    order: VecDeque<(Instant, Place)>,
}

/// Type, namespace and name.
type Place = (TypeId, String, String);

impl Removed {
    /// Longer than any answer takes.
    const KEPT: Duration = Duration::from_mins(1);

    fn note(&mut self, place: Place, version: u128) {
        while let Some((when, old)) = self.order.front()
            && when.elapsed() > Self::KEPT
        {
            self.versions.remove(old);
            self.order.pop_front();
        }
        self.order.push_back((Instant::now(), place.clone()));
        self.versions.insert(place, version);
    }

    /// True for an object as it was before it went.
    fn covers(&self, place: &Place, version: u128) -> bool {
        self.versions
            .get(place)
            .is_some_and(|gone| version <= *gone)
    }
}

fn place<K: Tracked>(object: &K) -> (Place, u128) {
    let (namespace, name, version) = object.identity();
    ((TypeId::of::<K>(), namespace, name), version)
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

/// What is behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    apps: HashMap<AppKey, AppObjects>,
    removed: Removed,
    pub(super) repositories: HashMap<ObjectKey, Arc<Repository>>,
    /// Repositories that cannot be read: they are there all the same.
    pub(super) unread_repositories: HashSet<ObjectKey>,
    pub(super) gateways: Gateways,
    pub(super) claims: Claims,
    /// Custom resources that cannot be read: kind, namespace and name, and why.
    pub(super) unreadable: HashMap<(&'static str, ObjectKey), String>,
    /// Kinds whose first list is complete.
    pub(super) synced: BTreeSet<&'static str>,
    /// Kinds that the API server does not know.
    pub(super) missing: BTreeSet<&'static str>,
    /// Kinds that it does not know and has to, of which that has been said.
    pub(super) unknown: BTreeSet<&'static str>,
    /// Kinds whose watch fails.
    pub(super) failing: BTreeMap<&'static str, Failing>,
}

impl Cache {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an object; the app that it changes, if it changes anything.
    pub(super) fn put<K: Tracked>(&self, mut object: K) -> Option<AppKey> {
        let key = object.app()?;
        object.prune();
        let (place, version) = place(&object);
        let mut state = self.lock();
        if state.removed.covers(&place, version) {
            return None;
        }
        let (_, _, name) = place;
        let objects = state.apps.entry(key.clone()).or_default();
        if let Some(earlier) = K::slot(objects).get(&name) {
            object.inherit(earlier);
        }
        K::slot(objects)
            .put(name, version, Arc::new(object))
            .then_some(key)
    }

    /// Forgets an object; the app that it changes.
    pub(super) fn remove<K: Tracked>(&self, object: &K) -> Option<AppKey> {
        let key = object.app()?;
        let (place, version) = place(object);
        let mut state = self.lock();
        let had = state.forget::<K>(&key, &place.2);
        state.removed.note(place, version);
        had.then_some(key)
    }

    /// Forgets all objects of a kind but the named ones; the apps that this changes.
    pub(super) fn retain<K: Tracked>(&self, keep: &HashSet<ObjectKey>) -> Vec<AppKey> {
        let mut state = self.lock();
        let mut gone = Vec::new();
        for (key, objects) in &mut state.apps {
            for name in K::slot(objects).0.keys() {
                if !keep.contains(&(key.namespace.clone(), name.clone())) {
                    gone.push((key.clone(), name.clone()));
                }
            }
        }
        for (key, name) in &gone {
            state.forget::<K>(key, name);
        }
        gone.into_iter().map(|(key, _)| key).collect()
    }

    /// One app as it stands; shared pointers, no copies of objects.
    pub(super) fn app(&self, key: &AppKey) -> AppObjects {
        self.lock().apps.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn apps(&self) -> Vec<AppKey> {
        self.lock().apps.keys().cloned().collect()
    }

    pub(super) fn repository(&self, namespace: &str, name: &str) -> Option<Arc<Repository>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().repositories.get(&key).cloned()
    }
}

impl State {
    fn forget<K: Tracked>(&mut self, key: &AppKey, name: &str) -> bool {
        let Some(objects) = self.apps.get_mut(key) else {
            return false;
        };
        let had = K::slot(objects).0.remove(name).is_some();
        if objects.is_empty() {
            self.apps.remove(key);
        }
        had
    }

    /// Apps whose Deployment or Aliases name a Repository.
    pub(super) fn apps_of_repository(&self, namespace: &str, name: &str) -> BTreeSet<AppKey> {
        (self.apps.iter())
            .filter(|(key, objects)| {
                let uses = |repository: &str| repository == name;
                key.namespace == namespace
                    && (objects
                        .deployments
                        .iter()
                        .any(|(_, d)| uses(&d.spec.repository))
                        || objects
                            .aliases
                            .iter()
                            .any(|(_, a)| uses(&a.spec.repository)))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The app that an unreadable Deployment or Alias belonged to when it could be read.
    pub(super) fn app_of_object<K: Tracked>(&mut self, object: &ObjectKey) -> Option<AppKey> {
        for (key, objects) in &mut self.apps {
            if key.namespace == object.0 && K::slot(objects).0.contains_key(&object.1) {
                return Some(key.clone());
            }
        }
        None
    }

    /// True when a custom resource in the namespace cannot be read, so that nobody knows whose owner it is.
    pub(super) fn is_unclear(&self, namespace: &str) -> bool {
        self.unreadable
            .keys()
            .any(|(_, (held, _))| held == namespace)
    }

    /// Deployments and Aliases in the namespace that cannot be read.
    pub(super) fn unreadable_owners(&self, namespace: &str) -> BTreeSet<Owner> {
        (self.unreadable.keys())
            .filter(|(_, (held, _))| held == namespace)
            .map(|(kind, (_, name))| Owner {
                kind: match *kind {
                    "Alias" => OwnerKind::Alias,
                    _ => OwnerKind::Deployment,
                },
                name: name.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(version: u32) -> Service {
        let mut service = Service::default();
        service.metadata.name = Some("shop-v1-web".to_owned());
        service.metadata.namespace = Some("prod".to_owned());
        service.metadata.resource_version = Some(version.to_string());
        let labels = [
            (names::MANAGED_BY, names::FIELD_MANAGER),
            (names::APP, "shop"),
        ];
        service.metadata.labels = Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        service
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_is_gone() {
        let cache = Cache::default();
        let key = cache.put(service(5)).unwrap();
        assert_eq!(cache.remove(&service(7)), Some(key.clone()));
        assert_eq!(cache.put(service(6)), None);
        assert_eq!(cache.put(service(7)), None);
        assert!(cache.app(&key).services.is_empty());
        assert!(cache.put(service(8)).is_some(), "made again");
    }
}
