//! The finalizer on Deployments and Aliases: put on before anything is made, taken off when nothing is left.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::apply::{Failure, failure, is_not_found, timed};
use super::cache::{AppKey, Cache};
use super::wish::Wish;
use crate::api::{Alias, Deployment, FINALIZER};
use crate::plan::OwnerKind;

/// Puts the finalizer on.
pub(super) async fn hold(
    client: &Client,
    cache: &Cache,
    key: &AppKey,
    wish: &Wish,
) -> Result<(), Failure> {
    let mut finalizers = wish.finalizers.clone();
    finalizers.push(FINALIZER.to_owned());
    write(client, cache, key, wish, &finalizers).await
}

/// Takes the finalizer off: the object goes.
pub(super) async fn release(
    client: &Client,
    cache: &Cache,
    key: &AppKey,
    wish: &Wish,
) -> Result<(), Failure> {
    let others: Vec<String> = wish
        .finalizers
        .iter()
        .filter(|name| *name != FINALIZER)
        .cloned()
        .collect();
    write(client, cache, key, wish, &others).await
}

async fn write(
    client: &Client,
    cache: &Cache,
    key: &AppKey,
    wish: &Wish,
    finalizers: &[String],
) -> Result<(), Failure> {
    // With the resource version, a change by somebody else in between is a conflict and not lost.
    let body = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": wish.resource_version,
    }});
    let (name, params) = (&wish.owner.name, PatchParams::default());
    let patch = Patch::Merge(&body);
    let written = match wish.owner.kind {
        OwnerKind::Deployment => {
            let api = Api::<Deployment>::namespaced(client.clone(), &key.namespace);
            timed(api.patch(name, &params, &patch)).await.map(|object| {
                cache.put(object);
            })
        }
        OwnerKind::Alias => {
            let api = Api::<Alias>::namespaced(client.clone(), &key.namespace);
            timed(api.patch(name, &params, &patch)).await.map(|object| {
                cache.put(object);
            })
        }
    };
    match written {
        Err(error) if !is_not_found(&error) => Err(failure(
            &format!("write the finalizers of {}", wish.owner),
            &error,
        )),
        _ => Ok(()),
    }
}
