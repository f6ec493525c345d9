//! The watches: what happens in the cluster goes into the cache, and the apps that it concerns into the queue.
//!
//! Only reads. One task per kind; a kind that the API server does not know is asked for again until it does.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tracing::warn;

use super::key::ObjectKey;
use super::key::key_of;
use super::sink::{Happened, Sink};

use super::cache::{State, version_of};

use super::claims::{self, route_claims};
use super::facts::{PodFacts, SliceFacts};
use super::follow::follow;
use super::foreign_routes;
use super::objects::Tracked;
use super::owners;
use super::queue::Queue;
use super::recheck;
use crate::api::gateway::{Gateway, HttpRoute};
use crate::api::{Alias, Deployment, Repository, annotation};
use crate::kubernetes::names;

/// Kinds that must have been listed once before anything is decided.
pub(super) const KINDS: [&str; 12] = [
    "Deployment.cutwater.dev",
    "Alias",
    "Repository",
    "ConfigMap",
    "Service",
    "Deployment.apps",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Pod",
    "EndpointSlice",
    "HTTPRoute",
    "Gateway",
];

/// Objects per page of a list: a page is held in memory several times over while it is read.
const PAGE: u32 = 100;

/// True when every kind has been listed once, or is known to be missing where it may be.
pub(super) fn is_synced(state: &State) -> bool {
    KINDS
        .iter()
        .all(|kind| state.synced.contains(kind) || state.missing.contains(kind))
}

/// Starts all watches.
pub(super) fn start(client: &Client, sink: &Sink, tasks: &mut JoinSet<()>) {
    let mut spawn = Spawner {
        client,
        sink,
        tasks,
    };
    let told = owners::told::<Deployment>("Deployment.cutwater.dev", claims::deployment_claims);
    spawn.run("Deployment.cutwater.dev", Config::default(), told);
    let told = owners::told::<Alias>("Alias", claims::alias_claims);
    spawn.run("Alias", Config::default(), told);
    spawn.tracked::<ConfigMap, ConfigMap>("ConfigMap", Some);
    spawn.tracked::<Service, Service>("Service", Some);
    spawn.tracked::<Workload, Workload>("Deployment.apps", Some);
    spawn.tracked::<HorizontalPodAutoscaler, _>("HorizontalPodAutoscaler", Some);
    spawn.tracked::<PodDisruptionBudget, PodDisruptionBudget>("PodDisruptionBudget", Some);
    // Slices are managed by Kubernetes, but carry the labels of their Service.
    spawn.tracked::<EndpointSlice, SliceFacts>("EndpointSlice", |slice| SliceFacts::of(&slice));
    spawn.pods();
    spawn.run::<HttpRoute>("HTTPRoute", Config::default(), route_event);
    spawn.run::<Gateway>("Gateway", Config::default(), gateway_event);
    spawn.run::<DeserializeGuard<Repository>>("Repository", Config::default(), repository_event);
}

struct Spawner<'a> {
    client: &'a Client,
    sink: &'a Sink,
    tasks: &'a mut JoinSet<()>,
}

impl Spawner<'_> {
    fn run<K>(
        &mut self,
        kind: &'static str,
        config: Config,
        on: impl Fn(&Sink, Happened<K>) + Send + Sync + 'static,
    ) where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let api = Api::<K>::all(self.client.clone());
        let sink = self.sink.clone();
        let config = config.page_size(PAGE);
        self.tasks.spawn(follow(kind, api, config, sink, on));
    }

    /// Objects that carry the label of an app. One that the watch tells to be gone may have lost its label only, which
    /// anybody can take off: it is looked up before it counts as gone.
    fn tracked<K, F>(&mut self, kind: &'static str, reduce: fn(K) -> Option<F>)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
        F: Tracked,
    {
        let doubts = Arc::new(Queue::new());
        let sink = self.sink.clone();
        let lookups = recheck::settle(kind, self.client.clone(), sink, doubts.clone(), reduce);
        self.tasks.spawn(lookups);
        let of_apps = Config::default().labels(names::APP);
        self.run::<K>(kind, of_apps, move |sink, happened| match happened {
            Happened::Seen(object, listed) => {
                let object = reduce(object).map(|object| sink.cache.put_listed(object, listed));
                sink.touch(object.into_iter().flatten());
            }
            Happened::Gone(object) => {
                let object = reduce(object).and_then(|object| {
                    let (_, name, _) = object.identity();
                    Some((sink.cache.home(&object)?, name))
                });
                if let Some(object) = object {
                    doubts.add(object);
                }
            }
            Happened::Listed(keep) => {
                for object in sink.cache.absent::<F>(&keep) {
                    doubts.add(object);
                }
            }
        });
    }

    fn pods(&mut self) {
        let ours = format!("{}={}", names::MANAGED_BY, names::FIELD_MANAGER);
        let ours = Config::default().labels(&ours);
        self.run::<Pod>("Pod", ours, |sink, happened| match happened {
            Happened::Seen(pod, listed) => {
                let facts = PodFacts::of(&pod).map(|facts| sink.cache.put_listed(facts, listed));
                sink.touch(facts.into_iter().flatten());
            }
            Happened::Gone(pod) => {
                sink.touch(PodFacts::of(&pod).and_then(|facts| sink.cache.remove(&facts)));
            }
            Happened::Listed(keep) => sink.touch(sink.cache.retain::<PodFacts>(&keep)),
        });
    }
}

/// Our routes are tracked, and so is what others send to versions of ours; all of them claim.
fn route_event(sink: &Sink, happened: Happened<HttpRoute>) {
    match happened {
        Happened::Seen(route, listed) => {
            let (claimant, claims) = route_claims(&route);
            let sends = match sink.cache.home(&route) {
                Some(_) => BTreeMap::new(),
                None => foreign_routes::sends(&route),
            };
            // What others send to is known before it is forgotten that the route was ours.
            sink.touch(sink.cache.note_stranger(&key_of(&route), sends));
            sink.touch(sink.cache.put_listed(route, listed));
            // Last: what is held is never older than what is claimed by it.
            let touched = sink.cache.lock().claims.set(&claimant, claims);
            sink.touch(touched);
        }
        Happened::Gone(route) => {
            let (namespace, name) = key_of(&route);
            let key = (namespace.clone(), name.clone());
            sink.touch(sink.cache.note_stranger(&key, BTreeMap::new()));
            let name = format!("{}{name}", claims::ROUTE);
            let touched = sink.cache.lock().claims.remove(&namespace, &name);
            sink.touch(touched);
            sink.touch(sink.cache.remove(&route));
        }
        Happened::Listed(keep) => {
            let touched = sink.cache.lock().claims.retain(claims::ROUTE, &keep);
            sink.touch(touched);
            sink.touch(sink.cache.retain_strangers(&keep));
            sink.touch(sink.cache.retain::<HttpRoute>(&keep));
        }
    }
}

fn gateway_event(sink: &Sink, happened: Happened<Gateway>) {
    let mut state = sink.cache.lock();
    let changed = match happened {
        Happened::Seen(mut gateway, _) => {
            gateway.meta_mut().managed_fields = None;
            let key = key_of(&gateway);
            let gateway = Arc::new(gateway);
            let before = state.gateways.insert(key, gateway.clone());
            before
                .is_none_or(|before| before.spec != gateway.spec || before.status != gateway.status)
        }
        Happened::Gone(gateway) => state.gateways.remove(&key_of(&gateway)).is_some(),
        Happened::Listed(keep) => {
            let before = state.gateways.len();
            state.gateways.retain(|key, _| keep.contains(key));
            before != state.gateways.len()
        }
    };
    drop(state);
    // Gateways change rarely; which routes name one is not worth an index.
    if changed {
        sink.touch(sink.cache.apps());
    }
}

fn repository_event(sink: &Sink, happened: Happened<DeserializeGuard<Repository>>) {
    let touched: Vec<ObjectKey> = match happened {
        Happened::Seen(DeserializeGuard(Ok(mut repository)), listed) => {
            repository.meta_mut().managed_fields = None;
            let key = key_of(&repository);
            let mut state = sink.cache.lock();
            state.unread_repositories.remove(&key);
            let before = state.repositories.get(&key).cloned();
            // The answer to a write of a status may be newer than what the watch tells of.
            let is_old = |before: &Arc<Repository>| {
                listed.is_none() && version_of(before) > version_of(&repository)
            };
            if before.as_ref().is_some_and(is_old) {
                return;
            }
            let word = |it: &Repository| it.annotations().get(annotation::PRUNE).cloned();
            let same = before.is_some_and(|before| {
                before.spec == repository.spec && word(&before) == word(&repository)
            });
            (state.repositories).insert(key.clone(), Arc::new(repository));
            if same { Vec::new() } else { vec![key] }
        }
        Happened::Seen(DeserializeGuard(Err(invalid)), _) => {
            warn!(
                name = invalid.metadata.name,
                error = invalid.error,
                "a Repository cannot be read; its last readable state goes on"
            );
            let metadata = invalid.metadata;
            let key = (
                metadata.namespace.unwrap_or_default(),
                metadata.name.unwrap_or_default(),
            );
            sink.cache.lock().unread_repositories.insert(key);
            Vec::new()
        }
        Happened::Gone(guard) => {
            let key = key_of(&guard);
            let mut state = sink.cache.lock();
            state.repositories.remove(&key);
            state.unread_repositories.remove(&key);
            vec![key]
        }
        Happened::Listed(keep) => {
            let mut state = sink.cache.lock();
            state.unread_repositories.retain(|key| keep.contains(key));
            let gone: Vec<ObjectKey> = (state.repositories.keys())
                .filter(|key| !keep.contains(*key))
                .cloned()
                .collect();
            for key in &gone {
                state.repositories.remove(key);
            }
            gone
        }
    };
    for key in touched {
        let apps = sink.cache.lock().apps_of_repository(&key.0, &key.1);
        sink.touch(apps);
        sink.repositories.add(key);
    }
}
