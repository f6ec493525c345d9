//! The writes of sync: Deployments and Aliases by server-side apply with a field manager of their own, and their removal.
//!
//! The only part that writes what people write. Each write names the object that it was decided on, by uid and resource version: one that
//! changed meanwhile is a conflict, and is decided on anew.

use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use serde_json::json;

use super::super::cache::Cache;
use super::super::failure::{Failure, failure, is_conflict, is_not_found, timed};
use super::super::key::AppKey;
use super::super::queue::Queue;
use super::decide::{Apply, Delete};
use super::desired::spec_of;
use super::live::Live;
use crate::api::{Alias, Deployment, OwnerKind, Reason, SYNC_MANAGER, annotation};
use crate::plan::Owner;

/// Most times that an object is written again at once because its status was written meanwhile.
const CONFLICTS: usize = 5;

/// Writes in one namespace, for one Repository.
pub(super) struct Writer<'a> {
    pub(super) client: &'a Client,
    pub(super) cache: &'a Cache,
    pub(super) apps: &'a Queue<AppKey>,
    pub(super) namespace: &'a str,
    /// The uid of the Repository.
    pub(super) repository: &'a str,
}

impl Writer<'_> {
    /// Asks the API server whether it would take an object.
    pub(super) async fn try_out(&self, apply: &Apply) -> Result<(), Failure> {
        let mut live = apply.live.clone();
        // The API server writes nothing, so a status that was written meanwhile is in nobody's way.
        if let Some(live) = &mut live {
            live.resource_version = None;
        }
        let answer = self
            .send(apply, &mut live, true)
            .await
            .map_err(|error| said(apply, &error))?;
        let is_there = (answer.metadata.resource_version).is_some_and(|it| !it.is_empty());
        if apply.live.is_none() && is_there {
            return Err(Failure {
                reason: Reason::Progressing,
                message: format!(
                    "{}: {} is there, and the watch has not told of it yet",
                    apply.desired.at, apply.desired.owner
                ),
            });
        }
        Ok(())
    }

    /// Writes an object; what stands there then. Where only its status was written meanwhile, once more at once.
    pub(super) async fn apply(&self, apply: &Apply) -> Result<DynamicObject, Failure> {
        let mut live = apply.live.clone();
        let mut answer = self.send(apply, &mut live, false).await;
        for _ in 0..CONFLICTS {
            let is_conflict = answer.as_ref().is_err_and(is_conflict);
            if !is_conflict || !self.is_as_seen(apply, &mut live).await {
                break;
            }
            answer = self.send(apply, &mut live, false).await;
        }
        let answer = answer.map_err(|error| said(apply, &error))?;
        self.take_in(&apply.desired.owner, &answer);
        Ok(answer)
    }

    /// True for an object of which nothing but the status is other than it was seen; from now on it is seen as of that status.
    async fn is_as_seen(&self, apply: &Apply, live: &mut Option<Live>) -> bool {
        let Some(live) = live else {
            return false;
        };
        let owner = &apply.desired.owner;
        let found = timed(self.api(owner.kind).get_metadata_opt(&owner.name)).await;
        let Ok(Some(found)) = found else {
            return false;
        };
        let found = found.metadata;
        let is_as_seen = found.uid == live.uid
            && found.generation == live.generation
            && found.deletion_timestamp.is_none()
            && found.labels.unwrap_or_default() == live.labels
            && found.annotations.unwrap_or_default() == live.annotations;
        if is_as_seen {
            live.resource_version = found.resource_version;
        }
        is_as_seen
    }

    /// Sends an object, which is there as `live`: what was sent of it is in there afterwards.
    async fn send(
        &self,
        apply: &Apply,
        live: &mut Option<Live>,
        dry_run: bool,
    ) -> Result<DynamicObject, kube::Error> {
        let desired = &apply.desired;
        let api = self.api(desired.owner.kind);
        let name = &desired.owner.name;
        let spec = live.as_ref().and_then(|live| live.spec.as_ref());
        // What an apply leaves, because somebody else set it, is taken out by a patch that says so.
        if let Some(spec) = spec.and_then(|spec| desired.takes_out(spec)) {
            let params = PatchParams {
                field_manager: Some(SYNC_MANAGER.to_owned()),
                dry_run,
                ..PatchParams::default()
            };
            let metadata = live.as_ref().map(Live::precondition);
            let patch = json!({"metadata": metadata, "spec": spec});
            let answer = timed(api.patch(name, &params, &Patch::Merge(&patch))).await?;
            if dry_run {
                return Ok(answer);
            }
            if let Some(live) = live {
                live.spec = spec_in(&desired.owner, &answer);
                live.generation = answer.metadata.generation;
                live.resource_version = answer.metadata.resource_version;
            }
        }
        let body = desired.body(self.namespace, self.repository, live.as_ref());
        let mut params = PatchParams::apply(SYNC_MANAGER).force();
        params.dry_run = dry_run;
        timed(api.patch(name, &params, &Patch::Apply(&body))).await
    }

    /// Removes an object, if it is as it was when that was decided, and sync wrote it: annotations can be copied. Or asks the API server
    /// whether it would.
    pub(super) async fn delete(&self, delete: &Delete, dry_run: bool) -> Result<(), Failure> {
        let Delete { owner, live } = delete;
        let api = self.api(owner.kind);
        let failed = |error: &kube::Error| failure(&format!("remove {owner}"), error);
        let found = timed(api.get_metadata_opt(&owner.name)).await;
        let Some(found) = found.map_err(|error| failed(&error))? else {
            return Ok(());
        };
        let metadata = found.metadata;
        let annotations = metadata.annotations.clone().unwrap_or_default();
        if metadata.uid != live.uid
            || metadata.generation != live.generation
            || annotations != live.annotations
        {
            return Err(Failure {
                reason: Reason::Progressing,
                message: format!("{owner} has changed since it was to be removed"),
            });
        }
        let mut managers = metadata.managed_fields.iter().flatten();
        let wrote = managers.any(|entry| {
            entry.manager.as_deref() == Some(SYNC_MANAGER)
                && entry.operation.as_deref() == Some("Apply")
        });
        if !wrote {
            return Err(Failure {
                reason: Reason::PruneHeld,
                message: format!(
                    "{owner} has the annotation {} and was not written by sync, so it stays: take the annotation off, or remove the object yourself",
                    annotation::SYNCED_BY
                ),
            });
        }
        let params = DeleteParams {
            dry_run,
            preconditions: Some(Preconditions {
                resource_version: metadata.resource_version,
                uid: metadata.uid,
            }),
            ..DeleteParams::default()
        };
        match timed(api.delete(&owner.name, &params)).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) if is_conflict(&error) => Err(Failure {
                reason: Reason::Progressing,
                ..failed(&error)
            }),
            Err(error) => Err(failed(&error)),
        }
    }

    fn api(&self, kind: OwnerKind) -> Api<DynamicObject> {
        let resource = match kind {
            OwnerKind::Deployment => ApiResource::erase::<Deployment>(&()),
            OwnerKind::Alias => ApiResource::erase::<Alias>(&()),
        };
        Api::namespaced_with(self.client.clone(), self.namespace, &resource)
    }

    /// What was written is known before a watch tells of it.
    fn take_in(&self, owner: &Owner, answer: &DynamicObject) {
        let touched = match owner.kind {
            OwnerKind::Deployment => {
                (answer.clone().try_parse::<Deployment>()).map(|object| self.cache.put(object))
            }
            OwnerKind::Alias => {
                (answer.clone().try_parse::<Alias>()).map(|object| self.cache.put(object))
            }
        };
        // One that cannot be read is told of by the watch.
        for app in touched.into_iter().flatten() {
            self.apps.add(app);
        }
    }
}

/// The spec of an answer, in the form in which both sides are compared.
pub(super) fn spec_in(owner: &Owner, answer: &DynamicObject) -> Option<serde_json::Value> {
    let answer = answer.clone();
    match owner.kind {
        OwnerKind::Deployment => {
            let object = answer.try_parse::<Deployment>().ok()?;
            Some(spec_of(&object.spec))
        }
        OwnerKind::Alias => Some(spec_of(&answer.try_parse::<Alias>().ok()?.spec)),
    }
}

fn said(apply: &Apply, error: &kube::Error) -> Failure {
    let owner = &apply.desired.owner;
    let mut failure = failure(&format!("apply {owner}"), error);
    // Somebody wrote it meanwhile, maybe this program its status: it is decided on anew.
    if is_conflict(error) {
        failure.reason = Reason::Progressing;
    }
    failure.message = format!("{}: {}", apply.desired.at, failure.message);
    failure
}

#[cfg(test)]
mod tests;
