//! Looks up what a watch tells to be gone: it may have lost no more than the label that the watch goes by.
//!
//! Reads only. An object that is there stays in the cache, and its app is looked at: the next write puts the label back. Until
//! the API server has said that it is gone, it is not. Where the label cannot be put back, it is looked up ever more rarely.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::debug;

use super::failure::timed;
use super::key::AppKey;
use super::objects::Tracked;
use super::queue::{Queue, Retries};
use super::sink::Sink;
use crate::backoff::Backoff;
use crate::kubernetes::names;

/// When a lookup that failed is tried again, and one that found an object without its label: at first, and at most.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// Looks up one object after the other, for ever.
pub(super) async fn settle<K, F>(
    kind: &'static str,
    client: Client,
    sink: Sink,
    doubts: Arc<Queue<(AppKey, String)>>,
    reduce: fn(K) -> Option<F>,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
    F: Tracked,
{
    let mut retries = Retries::new(AGAIN);
    loop {
        let object = doubts.next().await;
        let (key, name) = &object;
        let api = Api::<K>::namespaced(client.clone(), &key.namespace);
        let this = ListParams::default().fields(&format!("metadata.name={name}"));
        let again = match timed(api.list(&this)).await {
            Ok(mut list) => match list.items.pop() {
                None => {
                    let version = list.metadata.resource_version;
                    let version = version.and_then(|version| version.parse().ok());
                    sink.touch(sink.cache.forget::<F>(key, name, version.unwrap_or(0)));
                    false
                }
                Some(found) => {
                    let labelled = found.labels().contains_key(names::APP);
                    if let Some(found) = reduce(found) {
                        sink.touch(sink.cache.put(found));
                    }
                    // No watch tells of it until its label is back. What somebody else has made under the name needs none.
                    let again = !labelled && sink.cache.holds::<F>(key, name);
                    if again {
                        sink.touch([key.clone()]);
                    }
                    again
                }
            },
            Err(error) => {
                debug!(kind, %error, name, "a lookup failed and is tried again");
                true
            }
        };
        if again {
            let wait = retries.failed(&object);
            doubts.add_at(object.clone(), Instant::now() + wait);
        } else {
            retries.over(&object);
        }
        doubts.done(&object);
    }
}
