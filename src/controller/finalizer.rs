//! The finalizer on Deployments and Aliases: put on before anything is made, taken off when nothing is left.
//!
//! Reads and writes metadata alone, so that it works on objects that cannot be read, too.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cache::{Cache, Unreadable, owner_of};
use super::failure::{Failure, failure, is_conflict, is_not_found, timed};
use super::key::{AppKey, ObjectKey};
use super::objects::Tracked;
use super::wish::Wish;
use crate::api::{Alias, Deployment, FINALIZER, FINALIZER_MANAGER};
use crate::plan::{Owner, OwnerKind};

/// Tries where somebody else writes the object at the same time.
const TRIES: usize = 5;

/// Where the finalizer is.
pub(super) struct Held<'a> {
    pub(super) client: &'a Client,
    pub(super) cache: &'a Cache,
    pub(super) namespace: &'a str,
}

impl<'a> Held<'a> {
    pub(super) fn new(client: &'a Client, cache: &'a Cache, key: &'a AppKey) -> Self {
        Self {
            client,
            cache,
            namespace: &key.namespace,
        }
    }

    /// Puts the finalizer on. Server-side apply adds it to whatever finalizers there are, so a write of somebody else in
    /// between is no conflict; the uid sees to it that nothing is made.
    pub(super) async fn put_on(&self, wish: &Wish) -> Result<(), Failure> {
        let written = match wish.owner.kind {
            OwnerKind::Deployment => self.apply::<Deployment>(wish).await,
            OwnerKind::Alias => self.apply::<Alias>(wish).await,
        };
        written.map_err(|error| failure(&format!("write the finalizer of {}", wish.owner), &error))
    }

    /// Takes the finalizer off: the object goes. It is the object of that uid or none.
    pub(super) async fn take_off(
        &self,
        owner: &Owner,
        metadata: &ObjectMeta,
    ) -> Result<(), Failure> {
        let written = match owner.kind {
            OwnerKind::Deployment => self.remove::<Deployment>(owner, metadata).await,
            OwnerKind::Alias => self.remove::<Alias>(owner, metadata).await,
        };
        written.map_err(|error| failure(&format!("take the finalizer off {owner}"), &error))
    }

    async fn apply<K: Owning>(&self, wish: &Wish) -> Result<(), kube::Error> {
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": wish.owner.name, "uid": wish.uid, "finalizers": [FINALIZER]},
        });
        let params = PatchParams::apply(FINALIZER_MANAGER).force();
        let patch = Patch::Apply(&body);
        let written = timed(api.patch_metadata(&wish.owner.name, &params, &patch)).await?;
        // Where somebody changed the spec meanwhile, the watch brings it: the old one is not of this resource version.
        if !wish.is_outdated(&written.metadata) {
            self.take_in::<K>(&wish.owner, written.metadata);
        }
        Ok(())
    }

    async fn remove<K: Owning>(
        &self,
        owner: &Owner,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error> {
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        let mut now = metadata.clone();
        for tries in 1.. {
            let finalizers = now.finalizers.iter().flatten();
            let others: Vec<&String> = finalizers.filter(|name| *name != FINALIZER).collect();
            // With the resource version, a change by somebody else in between is a conflict and not lost.
            let body = json!({"metadata": {
                "finalizers": others,
                "resourceVersion": now.resource_version,
            }});
            let params = PatchParams::default();
            let patch = Patch::Merge(&body);
            match timed(api.patch_metadata(&owner.name, &params, &patch)).await {
                Ok(written) => {
                    self.take_in::<K>(owner, written.metadata);
                    return Ok(());
                }
                Err(error) if is_not_found(&error) => return Ok(()),
                Err(error) if is_invalid(&error) => {
                    return self.let_go_of_invalid::<K>(owner, metadata).await;
                }
                Err(error) if is_conflict(&error) && tries < TRIES => {}
                Err(error) => return Err(error),
            }
            let found = timed(api.list_metadata(&only(owner))).await?.items.pop();
            match found.map(|found| found.metadata) {
                Some(found) if found.uid == metadata.uid => now = found,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// The same for an object that the schema does not allow any more: the API server takes no change of it but one that makes
    /// it valid. It is being deleted, and nobody reads its spec again, so it gets one that is.
    async fn let_go_of_invalid<K: Owning>(
        &self,
        owner: &Owner,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error> {
        let resource = ApiResource::erase::<K>(&());
        let api =
            Api::<DynamicObject>::namespaced_with(self.client.clone(), self.namespace, &resource);
        let found = timed(api.list(&only(owner))).await?.items.pop();
        let same = |found: &DynamicObject| {
            found.metadata.uid == metadata.uid && found.metadata.deletion_timestamp.is_some()
        };
        let Some(found) = found.filter(same) else {
            return Ok(());
        };
        let finalizers = found.metadata.finalizers.iter().flatten();
        let others: Vec<&String> = finalizers.filter(|name| *name != FINALIZER).collect();
        let body = json!({
            "metadata": {"finalizers": others, "resourceVersion": found.metadata.resource_version},
            "spec": last_spec(owner.kind, &found.data["spec"]),
        });
        let params = PatchParams::default();
        timed(api.patch(&owner.name, &params, &Patch::Merge(&body))).await?;
        Ok(())
    }

    fn take_in<K: Owning>(&self, owner: &Owner, metadata: ObjectMeta) {
        let object = (self.namespace.to_owned(), owner.name.clone());
        self.cache.renew::<K>(&object, metadata);
    }
}

/// What makes a spec valid, whatever it is: what may never change as it is, and of the rest as little as there must be.
fn last_spec(kind: OwnerKind, spec: &Value) -> Value {
    let mut last = json!({"app": "gone", "repository": "gone"});
    let versions = match kind {
        OwnerKind::Deployment => ("versions", json!([{"version": 1, "percentage": 100}])),
        OwnerKind::Alias => ("version", json!(1)),
    };
    last[versions.0] = versions.1;
    for (field, value) in spec.as_object().into_iter().flatten() {
        let fixed = matches!(field.as_str(), "app" | "repository" | "name");
        if fixed && value.is_string() {
            last[field] = value.clone();
        } else if last.get(field).is_none() {
            last[field] = Value::Null;
        }
    }
    last
}

fn only(owner: &Owner) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={}", owner.name))
}

fn is_invalid(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

/// Takes the finalizer off an object that cannot be read, is being deleted, and of which no app knows: nobody else would.
/// False where that has to wait, or failed.
pub(super) async fn let_go(
    client: &Client,
    cache: &Cache,
    kind: &str,
    object: &ObjectKey,
    unreadable: &Unreadable,
) -> bool {
    let finalizers = unreadable.metadata.finalizers.iter().flatten();
    if !unreadable.is_leaving() || !finalizers.into_iter().any(|name| name == FINALIZER) {
        return true;
    }
    let owner = owner_of(kind, &object.1);
    let known = {
        let state = cache.lock();
        let app = match owner.kind {
            OwnerKind::Deployment => state.app_of_object::<Deployment>(object),
            OwnerKind::Alias => state.app_of_object::<Alias>(object),
        };
        app.is_some() || !state.apps_served(&object.0, &owner).is_empty()
    };
    if known {
        return false;
    }
    let held = Held {
        client,
        cache,
        namespace: &object.0,
    };
    held.take_off(&owner, &unreadable.metadata).await.is_ok()
}

/// Deployments and Aliases.
trait Owning:
    Tracked
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
{
}

impl Owning for Deployment {}
impl Owning for Alias {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_spec_keeps_what_may_not_change_and_drops_the_rest() {
        let spec =
            json!({"app": "shop", "repository": 7, "versions": "many", "routes": [], "name": "x"});
        let last = last_spec(OwnerKind::Deployment, &spec);
        let versions = json!([{"version": 1, "percentage": 100}]);
        let expected = json!({
            "app": "shop", "repository": "gone", "versions": versions, "routes": null, "name": "x",
        });
        assert_eq!(last, expected);
        let expected = json!({"app": "gone", "repository": "gone", "version": 1});
        assert_eq!(last_spec(OwnerKind::Alias, &json!("nothing")), expected);
    }
}
