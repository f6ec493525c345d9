//! The writes: server-side apply with one field manager, and deletions of what [`super::removal`] named.
//!
//! The only part that writes workloads, routes and anchors. An object of somebody else's is never touched: before a name
//! is used for the first time it is asked who has it.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::failure::{
    Failure, is_about_uid, is_conflict, is_not_found, is_refused, may_be_written, object_failure,
    timed,
};
use super::key::AppKey;

use super::objects::{AppObjects, Tracked};

use super::cache::Cache;
use super::moment::Moment;
use super::objects::Slot;
use super::ownership;
use super::removal::Doomed;
use super::unwritten::Unwritten;
use crate::api::Reason;
use crate::api::gateway::HttpRoute;
use crate::kubernetes::{self, Kind, Object, diff, names};
use crate::plan::Owner;

/// Kind, namespace and name.
type Target = (Kind, String, String);

/// Writes objects and remembers what it wrote.
pub(super) struct Applier {
    client: Client,
    cache: Arc<Cache>,
    /// For each object: what was found to be in place, and in which state of the object.
    verified: Mutex<HashMap<Target, (u64, String)>>,
    /// When each route was written last, by this process, with something that changes what happens to requests.
    routes: Mutex<HashMap<(String, String), Moment>>,
    /// When each route was deleted last, by this process.
    deleted: Mutex<HashMap<(String, String), Moment>>,
    /// Routes that could not be written.
    unwritten: Unwritten,
    /// When this process began.
    began: Moment,
}

/// A kind that the controller makes.
trait Made:
    Tracked
    + Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
    fn slot_of(objects: &AppObjects) -> &Slot<Self>;

    /// Changes whenever the fields change that we set: the spec has a number for that, labels, annotations, owners and our
    /// name among the managers have none.
    fn mark(&self) -> String {
        let metadata = self.meta();
        match metadata.generation {
            Some(generation) if generation > 0 => {
                let mut hasher = DefaultHasher::new();
                (&metadata.uid, &metadata.labels, &metadata.annotations).hash(&mut hasher);
                ownership::is_nameless(metadata).hash(&mut hasher);
                for owner in metadata.owner_references.iter().flatten() {
                    (&owner.kind, &owner.name, &owner.uid).hash(&mut hasher);
                }
                format!("g{generation}-{:x}", hasher.finish())
            }
            _ => self.resource_version().unwrap_or_default(),
        }
    }
}

macro_rules! made {
    ($($kind:ty, $slot:ident;)*) => {$(
        impl Made for $kind {
            fn slot_of(objects: &AppObjects) -> &Slot<Self> {
                &objects.$slot
            }
        }
    )*};
}

made! {
    ConfigMap, config_maps;
    Service, services;
    Workload, workloads;
    HorizontalPodAutoscaler, autoscalers;
    PodDisruptionBudget, budgets;
    HttpRoute, routes;
}

macro_rules! by_kind {
    ($kind:expr, $self:ident.$method:ident($($argument:expr),*)) => {
        match $kind {
            Kind::ConfigMap => $self.$method::<ConfigMap>($($argument),*),
            Kind::Service => $self.$method::<Service>($($argument),*),
            Kind::Workload => $self.$method::<Workload>($($argument),*),
            Kind::Autoscaler => $self.$method::<HorizontalPodAutoscaler>($($argument),*),
            Kind::DisruptionBudget => $self.$method::<PodDisruptionBudget>($($argument),*),
            Kind::HttpRoute => $self.$method::<HttpRoute>($($argument),*),
        }
    };
    (await $kind:expr, $self:ident.$method:ident($($argument:expr),*)) => {
        match $kind {
            Kind::ConfigMap => $self.$method::<ConfigMap>($($argument),*).await,
            Kind::Service => $self.$method::<Service>($($argument),*).await,
            Kind::Workload => $self.$method::<Workload>($($argument),*).await,
            Kind::Autoscaler => $self.$method::<HorizontalPodAutoscaler>($($argument),*).await,
            Kind::DisruptionBudget => $self.$method::<PodDisruptionBudget>($($argument),*).await,
            Kind::HttpRoute => $self.$method::<HttpRoute>($($argument),*).await,
        }
    };
}

impl Applier {
    pub(super) fn new(client: Client, cache: Arc<Cache>) -> Self {
        Self {
            client,
            cache,
            verified: Mutex::default(),
            routes: Mutex::default(),
            deleted: Mutex::default(),
            unwritten: Unwritten::default(),
            began: Moment::now(),
        }
    }

    /// When this process began: what it does not know of was written before that.
    pub(super) fn began(&self, now: Timestamp) -> Timestamp {
        self.began.time(now)
    }

    /// When a route of an owner was deleted last. Not known of what an earlier process did: that was long ago.
    pub(super) fn route_deleted(
        &self,
        key: &AppKey,
        owner: &Owner,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let deleted = self.deleted.lock();
        let of_owner = deleted.iter().filter(|(route, _)| is_of(key, owner, route));
        of_owner.map(|(_, moment)| moment.time(now)).max()
    }

    /// When a route was written last. Not known of what an earlier process wrote: that was long ago.
    pub(super) fn route_written(
        &self,
        key: &AppKey,
        name: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let routes = self.routes.lock();
        let written = routes.get(&(key.namespace.clone(), name.to_owned()))?;
        Some(written.time(now))
    }

    /// True where a route of an owner was written after that moment.
    pub(super) fn wrote_route_after(&self, key: &AppKey, owner: &Owner, moment: Moment) -> bool {
        let routes = self.routes.lock();
        let mut routes = routes.iter().filter(|(route, _)| is_of(key, owner, route));
        routes.any(|(_, written)| written.is_after(moment))
    }

    /// The routes of an app that cannot be written; `is_known`: the gateways know a route as it is now.
    pub(super) fn unwritable(
        &self,
        key: &AppKey,
        is_known: impl Fn(&str) -> bool,
    ) -> BTreeSet<String> {
        self.unwritten.routes(key, is_known)
    }

    fn note_route(&self, key: &AppKey, name: &str, written: bool) {
        let mut routes = self.routes.lock();
        let route = (key.namespace.clone(), name.to_owned());
        if written {
            routes.insert(route, Moment::now());
        } else {
            routes.remove(&route);
            (self.unwritten).forget(&key.namespace, |gone| gone == name);
            let mut deleted = self.deleted.lock();
            deleted.insert(route, Moment::now());
        }
    }

    /// Forgets what it knows of an app of which nothing is left.
    pub(super) fn forget(&self, key: &AppKey) {
        let (version, other) = (format!("{}-v", key.app), format!("{}.", key.app));
        let of_app = |namespace: &str, name: &str| {
            namespace == key.namespace && (name.starts_with(&version) || name.starts_with(&other))
        };
        (self.lock()).retain(|(_, namespace, name), _| !of_app(namespace, name));
        let mut routes = self.routes.lock();
        routes.retain(|(namespace, name), _| !of_app(namespace, name));
        let mut deleted = self.deleted.lock();
        deleted.retain(|(namespace, name), _| !of_app(namespace, name));
        (self.unwritten).forget(&key.namespace, |name| of_app(&key.namespace, name));
    }

    /// True when the cluster holds what is wanted of an object.
    pub(super) fn in_place(&self, key: &AppKey, objects: &AppObjects, object: &Object) -> bool {
        by_kind!(object.kind, self.is_in_place(key, objects, object))
    }

    /// Makes an object as it is wanted. What it already is, it stays, without a request.
    pub(super) async fn ensure(
        &self,
        key: &AppKey,
        objects: &AppObjects,
        object: &Object,
    ) -> Result<(), Failure> {
        if self.in_place(key, objects, object) {
            if object.kind == Kind::HttpRoute {
                self.unwritten.in_place(key, &object.name);
            }
            return Ok(());
        }
        by_kind!(await object.kind, self.apply(key, objects, object))
    }

    /// Deletes an object of ours; one that is gone already is fine, and so is another that has its name now.
    pub(super) async fn delete(&self, key: &AppKey, doomed: &Doomed) -> Result<(), Failure> {
        by_kind!(await doomed.kind(), self.remove(key, doomed))
    }

    fn is_in_place<K: Made>(&self, key: &AppKey, objects: &AppObjects, object: &Object) -> bool {
        let Some(found) = K::slot_of(objects).get(&object.name) else {
            return false;
        };
        let target = (object.kind, key.namespace.clone(), object.name.clone());
        let state = (fingerprint(object), found.mark());
        if self.lock().get(&target) == Some(&state) {
            return true;
        }
        let in_place = !ownership::is_anchored(found.meta())
            && !ownership::is_nameless(found.meta())
            && serde_json::to_value(found.as_ref())
                .is_ok_and(|found| diff::is_in_place(&found, object));
        if in_place {
            self.lock().insert(target, state);
        }
        in_place
    }

    async fn apply<K: Made>(
        &self,
        key: &AppKey,
        objects: &AppObjects,
        object: &Object,
    ) -> Result<(), Failure> {
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let found = K::slot_of(objects).get(&object.name);
        if found.is_none() {
            self.check_free(&api, key, object).await?;
        }
        // Force: the fields that we set are ours alone; whoever changed them by hand is put right.
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        let mut body = diff::stamped(object);
        // Only the one that was seen: somebody may just have made another one under its name.
        let seen = found.and_then(|found| found.uid());
        if let Some(uid) = &seen {
            body["metadata"]["uid"] = json!(uid);
        }
        let mut applied = timed(api.patch(&object.name, &params, &Patch::Apply(&body))).await;
        if seen.is_some() && applied.as_ref().is_err_and(is_about_uid) {
            self.check_free(&api, key, object).await?;
            body = diff::stamped(object);
            applied = timed(api.patch(&object.name, &params, &Patch::Apply(&body))).await;
        }
        let target = (object.kind, key.namespace.clone(), object.name.clone());
        let applied = applied.map_err(|error| {
            if object.kind == Kind::HttpRoute {
                if may_be_written(&error) {
                    self.note_route(key, &object.name, true);
                }
                (self.unwritten).failed(key, &object.name, is_refused(&error));
            }
            object_failure("apply", object.kind, &object.name, &error)
        })?;
        self.lock()
            .insert(target, (fingerprint(object), applied.mark()));
        let quiet = || {
            let Some(found) = found else { return false };
            // A label or annotation that is put right changes nothing for any request.
            let (was, is) = (found.meta(), applied.meta());
            let same =
                was.generation.is_some() && (&was.uid, was.generation) == (&is.uid, is.generation);
            let found = serde_json::to_value(found.as_ref()).ok();
            same || found.is_some_and(|found| kubernetes::only_unnames(&found, &object.body))
        };
        if object.kind == Kind::HttpRoute && !quiet() {
            self.note_route(key, &object.name, true);
        }
        self.take_in(applied);
        if object.kind == Kind::HttpRoute {
            self.unwritten.in_place(key, &object.name);
            self.cache.lock().foretell(key, &object.name);
        }
        Ok(())
    }

    /// Errors when somebody else has the name.
    async fn check_free<K: Made>(
        &self,
        api: &Api<K>,
        key: &AppKey,
        object: &Object,
    ) -> Result<(), Failure> {
        let found = timed(api.get_metadata_opt(&object.name)).await;
        let found =
            found.map_err(|error| object_failure("look up", object.kind, &object.name, &error))?;
        let Some(found) = found else {
            return Ok(());
        };
        // It may be one of ours whose labels were taken off, so that no watch tells of it.
        if ownership::app_of(&found.metadata).as_ref() == Some(key) {
            return Ok(());
        }
        Err(Failure {
            reason: Reason::NameTaken,
            message: format!(
                "{} `{}` in namespace `{}` is somebody else's (the field manager `{}` has set none of its fields); rename or delete it, it is not touched",
                object.kind,
                object.name,
                key.namespace,
                names::FIELD_MANAGER,
            ),
        })
    }

    async fn remove<K: Made>(&self, key: &AppKey, doomed: &Doomed) -> Result<(), Failure> {
        let (kind, name) = (doomed.kind(), doomed.name());
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: doomed.uid().map(ToOwned::to_owned),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match timed(api.delete(name, &params)).await {
            Ok(_) => {}
            Err(error) if is_not_found(&error) || is_conflict(&error) => {}
            Err(error) => return Err(object_failure("delete", kind, name, &error)),
        }
        self.lock()
            .remove(&(kind, key.namespace.clone(), name.to_owned()));
        if kind == Kind::HttpRoute {
            self.note_route(key, name, false);
        }
        Ok(())
    }

    /// The answer to a write is news, too: the next plan must not wait for the watch to tell it.
    fn take_in<K: Made>(&self, object: K) {
        self.cache.put(object);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, (u64, String)>> {
        self.verified.lock()
    }
}

/// True for a route, by namespace and name, that serves an owner.
fn is_of(key: &AppKey, owner: &Owner, (namespace, name): &(String, String)) -> bool {
    *namespace == key.namespace && names::is_route_of(&key.app, owner, name)
}

fn fingerprint(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.body.to_string().hash(&mut hasher);
    hasher.finish()
}
