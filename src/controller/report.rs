//! Telling: status subresources and events. The one place that writes either, and only where something changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Resource};
use parking_lot::Mutex;
use serde_json::json;
use tracing::{info, warn};

use super::cache::Cache;
use super::events::Events;
use super::failure::{Failure, failure, is_about_uid, is_not_found, timed};
use super::fetched::Fetch;
use super::key::{AppKey, ObjectKey};
use super::objects::{AppObjects, Tracked};
use super::repository_status::repository_status;
use super::sync::Told;
use super::wish::{self, Wish};
use crate::api::condition::{self, Say, State};
use crate::api::{
    Alias, Class, Deployment, DeploymentStatus, Reason, Repository, RepositoryStatus,
    STATUS_MANAGER, Type,
};
use crate::panics::Panic;
use crate::plan::{Owner, OwnerKind};
use crate::words::CommitId;

/// Mere numbers and words in a status (ready pods, messages) are written at most this often, while pods start one by one.
const CALM: Duration = Duration::from_secs(1);

/// Writes statuses and events.
pub(super) struct Reports {
    client: Client,
    events: Events,
    /// When a status was written last, of owners whose status changed within the last moments.
    written: Mutex<HashMap<(AppKey, Owner), Instant>>,
    /// Owners that were ready and are not, though nobody asked for anything, while that has not been said in an event.
    unsaid: Mutex<HashSet<(AppKey, Owner)>>,
    /// What was said of apps in an event of each owner, while it is so.
    told: Mutex<HashMap<(AppKey, Reason), String>>,
}

impl Reports {
    pub(super) fn new(client: Client) -> Self {
        Self {
            events: Events::new(client.clone()),
            client,
            written: Mutex::default(),
            unsaid: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// True where an owner is not ready any more, nobody asked for anything, and this is the first to say why. That a gateway
    /// takes a changed route is no reason: it follows from one, and may be seen before it.
    fn is_lost(
        &self,
        key: &AppKey,
        wish: &Wish,
        was_ready: bool,
        is_ready: bool,
        reason: &str,
    ) -> bool {
        let mut unsaid = self.unsaid.lock();
        let place = (key.clone(), wish.owner.clone());
        let unasked = wish.status.observed_generation == wish.generation && !wish.leaving;
        if is_ready || !unasked {
            unsaid.remove(&place);
            return false;
        }
        if reason == Reason::WaitingForGateway.as_str() {
            if was_ready {
                unsaid.insert(place);
            }
            return false;
        }
        unsaid.remove(&place) || was_ready
    }

    /// How long a status may wait that differs in mere numbers and words from the one that stands; none where it must not.
    fn may_wait(&self, key: &AppKey, wish: &Wish, status: &DeploymentStatus) -> Option<Duration> {
        let mut written = self.written.lock();
        written.retain(|_, when| when.elapsed() < CALM);
        let place = (key.clone(), wish.owner.clone());
        let left = written
            .get(&place)
            .map(|when| CALM.saturating_sub(when.elapsed()));
        match left {
            Some(left) if essence(status) == essence(&wish.status) => Some(left),
            _ => {
                written.insert(place, Instant::now());
                None
            }
        }
    }

    /// Writes the status of an owner if it differs, and an event if its readiness has another reason than before. Returns
    /// when to look again: where it differs too little to be written now, or the answer says that the owner has changed.
    pub(super) async fn owner(
        &self,
        cache: &Cache,
        key: &AppKey,
        wish: &Wish,
        status: &DeploymentStatus,
    ) -> Result<Option<Duration>, Failure> {
        if *status == wish.status {
            return Ok(None);
        }
        if let Some(wait) = self.may_wait(key, wish, status) {
            return Ok(Some(wait));
        }
        let name = &wish.owner.name;
        let reference = match wish.owner.kind {
            OwnerKind::Deployment => {
                let api = Api::<Deployment>::namespaced(self.client.clone(), &key.namespace);
                let object = write(&api, name, wish.uid.as_ref(), status).await;
                object.map(|object| object.map(|object| take_in(cache, object)))
            }
            OwnerKind::Alias => {
                let api = Api::<Alias>::namespaced(self.client.clone(), &key.namespace);
                let object = write(&api, name, wish.uid.as_ref(), status).await;
                object.map(|object| object.map(|object| take_in(cache, object)))
            }
        };
        let Some((reference, answer)) = reference
            .map_err(|error| failure(&format!("write the status of {}", wish.owner), &error))?
        else {
            return Ok(None);
        };
        let ready = |status: &DeploymentStatus| {
            let condition = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == Type::Ready.as_str());
            condition.map(|condition| {
                (
                    condition.status.clone(),
                    condition.reason.clone(),
                    condition.message.clone(),
                )
            })
        };
        let (before, after) = (ready(&wish.status), ready(status));
        if let Some((state, reason, note)) = after
            && before
                .as_ref()
                .is_none_or(|(s, r, _)| (s, r) != (&state, &reason))
        {
            // Steps on the way are in the conditions; an event says what went wrong, and how it ended. What was ready and
            // is not, though nobody asked for anything, is no step.
            let was_ready = before.as_ref().is_some_and(|(s, _, _)| s == "True");
            let lost = self.is_lost(key, wish, was_ready, state != "False", &reason);
            let recovers = before.is_some_and(|(_, reason, _)| is_fault(&reason));
            if lost || recovers || !is_step(&reason) {
                self.events
                    .publish(&reference, lost || is_fault(&reason), &reason, &note);
            }
        }
        if !wish.ignored.is_empty() && wish.status.observed_generation != wish.generation {
            let fields: Vec<String> = wish
                .ignored
                .iter()
                .map(|field| format!("spec.{field}"))
                .collect();
            let note = format!(
                "{} means nothing to deployments.cutwater.dev and is ignored: a tool took it for a Deployment of apps",
                fields.join(", ")
            );
            self.events
                .publish(&reference, true, "IgnoredFields", &note);
        }
        Ok(wish.is_outdated(&answer).then_some(Duration::ZERO))
    }

    /// Says once, in an event of each owner, that what the anchor remembers could not be read.
    pub(super) fn forgotten(&self, key: &AppKey, objects: &AppObjects, lost: Option<&str>) {
        let note = lost.map(ToOwned::to_owned);
        self.all_owners(key, objects, Reason::MemoryLost, note);
    }

    /// Says something of an app once, in an event of each owner, and again when it is something else or was over.
    pub(super) fn all_owners(
        &self,
        key: &AppKey,
        objects: &AppObjects,
        reason: Reason,
        note: Option<String>,
    ) {
        let mut told = self.told.lock();
        let place = (key.clone(), reason);
        let Some(note) = note else {
            told.remove(&place);
            return;
        };
        if told.insert(place, note.clone()).as_ref() == Some(&note) {
            return;
        }
        drop(told);
        warn!(namespace = key.namespace, app = %key.app, note);
        let deployments = objects.deployments.iter().map(|(_, o)| o.object_ref(&()));
        let aliases = objects.aliases.iter().map(|(_, o)| o.object_ref(&()));
        for reference in deployments.chain(aliases) {
            self.events
                .publish(&reference, true, reason.as_str(), &note);
        }
    }

    /// Says of the owners of an app that the work on it broke off by a fault of this program.
    pub(super) async fn broken(&self, cache: &Cache, key: &AppKey, panic: &Panic) {
        let message = format!(
            "the controller failed on this app ({panic}) and tries again; its traffic stays as it is; please report it, with the controller's log"
        );
        for wish in wish::wishes(&cache.app(key), &BTreeMap::new()) {
            let mut status = wish.status.clone();
            let say = Say::new(
                Type::Ready,
                State::Unknown,
                Reason::Unknown,
                message.clone(),
            );
            let now = jiff::Timestamp::now();
            condition::set(&mut status.conditions, &say, wish.generation, now);
            if let Err(failure) = self.owner(cache, key, &wish, &status).await {
                warn!(
                    ?key,
                    message = failure.message,
                    "a status could not be written"
                );
            }
        }
    }

    /// Writes the status of a Repository after a fetch and what was synced of it, if it differs.
    pub(super) async fn repository(
        &self,
        cache: &Cache,
        key: &ObjectKey,
        fetch: &Fetch,
        told: &Told,
    ) {
        let Some(repository) = cache.repository(&key.0, &key.1) else {
            return;
        };
        let before = repository.status.clone().unwrap_or_default();
        let status = repository_status(&repository, &before, fetch, told);
        let news = told.changed.as_ref();
        if status == before && news.is_none() {
            return;
        }
        let written = self
            .write_repository(cache, key, &repository, &status)
            .await;
        let reference = match written {
            Ok(Some(reference)) => reference,
            Ok(None) => return,
            Err(error) => {
                warn!(namespace = key.0, name = key.1, %error, "the status of a Repository could not be written");
                return;
            }
        };
        log_synced(key, &before, &status);
        if let Some(note) = news {
            let reason = Reason::Succeeded.as_str();
            self.events.publish(&reference, false, reason, note);
        }
        let ready =
            |status: &RepositoryStatus| condition::find(&status.conditions, Type::Ready).cloned();
        if let Some(now) = ready(&status)
            && ready(&before).is_none_or(|old| old.reason != now.reason)
        {
            let is_read = now.reason == Reason::Succeeded.as_str();
            let note = match &fetch.head {
                Ok(head) if is_read => {
                    format!("read at {}", head.as_ref().map_or("", CommitId::as_str))
                }
                _ => now.message,
            };
            if is_fault(&now.reason) || is_read {
                self.events
                    .publish(&reference, !is_read, &now.reason, &note);
            }
        }
    }

    /// Has the status of a Repository hold which commit counts; false where the Repository is gone, or another one now.
    pub(super) async fn keep(
        &self,
        cache: &Cache,
        key: &ObjectKey,
        repository: &Repository,
        status: &RepositoryStatus,
    ) -> Result<bool, Failure> {
        let written = self.write_repository(cache, key, repository, status).await;
        let written = written.map_err(|error| {
            failure(
                "write in the status of the Repository which commit counts",
                &error,
            )
        })?;
        Ok(written.is_some())
    }

    async fn write_repository(
        &self,
        cache: &Cache,
        key: &ObjectKey,
        repository: &Repository,
        status: &RepositoryStatus,
    ) -> Result<Option<ObjectReference>, kube::Error> {
        let api = Api::<Repository>::namespaced(self.client.clone(), &key.0);
        let uid = repository.metadata.uid.as_ref();
        let written = write(&api, &key.1, uid, status).await?;
        Ok(written.map(|object| {
            let reference = object.object_ref(&());
            cache.put_status(key, &object);
            reference
        }))
    }

    /// Says of an object that somebody changed it by hand, and that it was put back.
    pub(super) fn put_back(&self, reference: &ObjectReference, note: &str) {
        let reason = Reason::PutBack.as_str();
        self.events.publish(reference, false, reason, note);
    }

    /// Says of an object that it cannot be read, in its status and an event, unless its status says so already. False where
    /// that failed and should be tried again: nothing else would, for the object stays as it is.
    pub(super) async fn unreadable(&self, kind: &str, key: &ObjectKey, error: &str) -> bool {
        let said = self.try_unreadable(kind, key, error).await;
        if let Err(error) = &said {
            warn!(kind, namespace = key.0, name = key.1, %error, "the status of an unreadable object could not be written and is tried again");
        }
        said.is_ok()
    }

    async fn try_unreadable(
        &self,
        kind: &str,
        key: &ObjectKey,
        error: &str,
    ) -> Result<(), kube::Error> {
        let plural = match kind {
            "Alias" => "aliases",
            _ => "deployments",
        };
        let kind = kind.split('.').next().unwrap_or(kind);
        let gvk = GroupVersionKind::gvk("cutwater.dev", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &key.0, &resource);
        let Some(found) = timed(api.get_opt(&key.1)).await? else {
            return Ok(());
        };
        let message =
            format!("the object cannot be read: {error}; its last readable state goes on");
        let stalled = Say::new(
            Type::Stalled,
            true,
            Reason::MalformedObject,
            message.clone(),
        );
        let conditions = found.data.pointer("/status/conditions");
        let conditions = conditions.and_then(serde_json::Value::as_array);
        let said = conditions.into_iter().flatten().any(|condition| {
            condition["type"] == stalled.type_.as_str()
                && condition["reason"] == stalled.reason.as_str()
                && condition["message"] == message.as_str()
        });
        if said {
            return Ok(());
        }
        let mut conditions = Vec::new();
        let says = [
            Say::new(Type::Ready, false, stalled.reason, message.clone()),
            Say::new(Type::Reconciling, false, stalled.reason, message.clone()),
            stalled,
        ];
        for say in &says {
            condition::set(&mut conditions, say, None, jiff::Timestamp::now());
        }
        let body = json!({"status": {"conditions": conditions}});
        let params = PatchParams::default();
        timed(api.patch_status(&key.1, &params, &Patch::Merge(&body))).await?;
        let reason = Reason::MalformedObject.as_str();
        let reference = found.object_ref(&resource);
        self.events.publish(&reference, true, reason, &message);
        Ok(())
    }
}

/// Notes in the log what became of the sync of a Repository, where that is another thing than before.
fn log_synced(key: &ObjectKey, before: &RepositoryStatus, now: &RepositoryStatus) {
    let synced = |status: &RepositoryStatus| {
        let condition = condition::find(&status.conditions, Type::Synced)?;
        Some((condition.reason.clone(), condition.message.clone()))
    };
    let (namespace, repository) = (&key.0, &key.1);
    match synced(now).filter(|said| synced(before).as_ref() != Some(said)) {
        Some((reason, message)) if is_fault(&reason) => {
            warn!(namespace, repository, reason, message, "sync of releases");
        }
        Some((reason, message)) => {
            info!(namespace, repository, reason, message, "sync of releases");
        }
        None => {}
    }
}

/// A status without the numbers and words that change while pods start.
fn essence(status: &DeploymentStatus) -> DeploymentStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    for version in &mut status.serving {
        version.ready_replicas = 0;
        version.wanted_replicas = 0;
    }
    status
}

/// Takes in the answer to a status. It may hold a change by somebody else that no watch will tell of as news, once this is known.
fn take_in<K>(cache: &Cache, object: K) -> (ObjectReference, ObjectMeta)
where
    K: Tracked + Resource<DynamicType = ()>,
{
    let answer = (object.object_ref(&()), object.meta().clone());
    cache.put(object);
    answer
}

/// Server-side apply of a status. `None` where the object is gone, or is another one now.
async fn write<K>(
    api: &Api<K>,
    name: &str,
    uid: Option<&String>,
    status: &impl serde::Serialize,
) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name, "uid": uid},
        "status": status,
    });
    let params = PatchParams::apply(STATUS_MANAGER).force();
    match timed(api.patch_status(name, &params, &Patch::Apply(&body))).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_not_found(&error) || is_about_uid(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the reason of a condition means; a word of another release means that something is wrong.
fn class(reason: &str) -> Class {
    Reason::of(reason).map_or(Class::Fault, Reason::class)
}

/// Reasons that only pass on the way to what is wanted.
fn is_step(reason: &str) -> bool {
    class(reason) == Class::Step
}

fn is_fault(reason: &str) -> bool {
    matches!(class(reason), Class::Fault | Class::Stalled)
}
