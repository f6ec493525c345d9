//! The watches: what happens in the cluster goes into the cache, and the apps that it concerns into the queue.
//!
//! Only reads. One task per kind; a kind that the API server does not know is asked for again until it does.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

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
use tracing::{debug, info, warn};

use super::cache::{AppKey, Cache, ObjectKey, State, Tracked};
use super::claims::{self, Claim, Claimant, route_claims};
use super::facts::{PodFacts, SliceFacts};
use super::follow::follow;
use super::queue::Queue;
use crate::api::gateway::{Gateway, HttpRoute};
use crate::api::{Alias, Deployment, Repository};
use crate::kubernetes::names;

/// Where events go.
#[derive(Clone)]
pub(super) struct Sink {
    pub(super) cache: Arc<Cache>,
    pub(super) queue: Arc<Queue<AppKey>>,
    /// Repositories whose object changed.
    pub(super) repositories: Arc<Queue<ObjectKey>>,
    /// Custom resources that turned out to be unreadable, by kind.
    pub(super) unreadable: Arc<Queue<(&'static str, ObjectKey)>>,
    /// Address of the API server, for messages.
    pub(super) server: Arc<str>,
}

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

/// Kinds that a cluster may go without. Ours are not among them: a server that does not know them yet knows nothing of
/// any owner, and what has no owner would be taken down.
const OPTIONAL: [&str; 2] = ["HTTPRoute", "Gateway"];

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
    let ours =
        || Config::default().labels(&format!("{}={}", names::MANAGED_BY, names::FIELD_MANAGER));
    // Slices are managed by Kubernetes, but carry the other labels of their Service.
    let of_apps = || Config::default().labels(names::APP);
    let mut spawn = Spawner {
        client,
        sink,
        tasks,
    };
    let claims = (claims::DEPLOYMENT, claims::deployment_claims as fn(&_) -> _);
    spawn.guarded::<Deployment>("Deployment.cutwater.dev", claims);
    let claims = (claims::ALIAS, claims::alias_claims as fn(&_) -> _);
    spawn.guarded::<Alias>("Alias", claims);
    spawn.tracked::<ConfigMap>("ConfigMap", ours());
    spawn.tracked::<Service>("Service", ours());
    spawn.tracked::<Workload>("Deployment.apps", ours());
    spawn.tracked::<HorizontalPodAutoscaler>("HorizontalPodAutoscaler", ours());
    spawn.tracked::<PodDisruptionBudget>("PodDisruptionBudget", ours());
    spawn.reduced::<Pod, PodFacts>("Pod", ours(), PodFacts::of);
    spawn.reduced::<EndpointSlice, SliceFacts>("EndpointSlice", of_apps(), SliceFacts::of);
    spawn.run::<HttpRoute>("HTTPRoute", Config::default(), route_event);
    spawn.run::<Gateway>("Gateway", Config::default(), gateway_event);
    spawn.run::<DeserializeGuard<Repository>>("Repository", Config::default(), repository_event);
}

/// One thing that happened to one object, or the end of a list.
pub(super) enum Happened<K> {
    Seen(K),
    Gone(K),
    /// These and no others are there.
    Listed(HashSet<ObjectKey>),
}

/// How claims of a kind are called, and what an object claims.
type ClaimsOf<K> = (&'static str, fn(&K) -> (Claimant, HashSet<Claim>));

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

    fn tracked<K>(&mut self, kind: &'static str, config: Config)
    where
        K: Tracked + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + 'static,
    {
        self.run::<K>(kind, config, move |sink, happened| match happened {
            Happened::Seen(object) => sink.touch(sink.cache.put(object)),
            Happened::Gone(object) => sink.touch(sink.cache.remove(&object)),
            Happened::Listed(keep) => sink.touch(sink.cache.retain::<K>(&keep)),
        });
    }

    fn reduced<K, F>(&mut self, kind: &'static str, config: Config, reduce: fn(&K) -> Option<F>)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        F: Tracked + 'static,
    {
        self.run::<K>(kind, config, move |sink, happened| match happened {
            Happened::Seen(object) => {
                sink.touch(reduce(&object).and_then(|facts| sink.cache.put(facts)));
            }
            Happened::Gone(object) => {
                sink.touch(reduce(&object).and_then(|facts| sink.cache.remove(&facts)));
            }
            Happened::Listed(keep) => sink.touch(sink.cache.retain::<F>(&keep)),
        });
    }

    /// Custom resources: one that cannot be read never stops the watch of the others.
    fn guarded<K>(&mut self, kind: &'static str, (prefix, claims): ClaimsOf<K>)
    where
        K: Tracked + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + 'static,
    {
        self.run::<DeserializeGuard<K>>(kind, Config::default(), move |sink, happened| {
            match happened {
                Happened::Seen(DeserializeGuard(Ok(object))) => {
                    sink.clear_unreadable(kind, key_of(&object));
                    let (claimant, wanted) = claims(&object);
                    let touched = sink.cache.lock().claims.set(&claimant, wanted);
                    sink.touch(touched);
                    sink.touch(sink.cache.put(object));
                }
                Happened::Seen(DeserializeGuard(Err(invalid))) => {
                    let key = (
                        invalid.metadata.namespace.clone().unwrap_or_default(),
                        invalid.metadata.name.clone().unwrap_or_default(),
                    );
                    warn!(
                        kind,
                        namespace = key.0,
                        name = key.1,
                        error = invalid.error,
                        "an object cannot be read; the last readable state of it goes on"
                    );
                    let mut state = sink.cache.lock();
                    let app = state.app_of_object::<K>(&key);
                    let news = state
                        .unreadable
                        .insert((kind, key.clone()), invalid.error.clone());
                    drop(state);
                    // Saying so changes the object, which is then seen again: say it once.
                    if news.as_ref() != Some(&invalid.error) {
                        sink.unreadable.add((kind, key));
                    }
                    sink.touch(app);
                }
                Happened::Gone(DeserializeGuard(result)) => {
                    let object = match result {
                        Ok(object) => object,
                        Err(invalid) => {
                            let key = (
                                invalid.metadata.namespace.unwrap_or_default(),
                                invalid.metadata.name.unwrap_or_default(),
                            );
                            let object = format!("{prefix}{}", key.1);
                            let touched = sink.cache.lock().claims.remove(&key.0, &object);
                            sink.touch(touched);
                            sink.clear_unreadable(kind, key);
                            return;
                        }
                    };
                    sink.clear_unreadable(kind, key_of(&object));
                    let (namespace, name) = key_of(&object);
                    let name = format!("{prefix}{name}");
                    let touched = sink.cache.lock().claims.remove(&namespace, &name);
                    sink.touch(touched);
                    sink.touch(sink.cache.remove(&object));
                }
                Happened::Listed(keep) => {
                    let mut state = sink.cache.lock();
                    (state.unreadable).retain(|(held, key), _| *held != kind || keep.contains(key));
                    let touched = state.claims.retain(prefix, &keep);
                    drop(state);
                    sink.touch(touched);
                    sink.touch(sink.cache.retain::<K>(&keep));
                }
            }
        });
    }
}

impl Sink {
    fn touch(&self, apps: impl IntoIterator<Item = AppKey>) {
        for app in apps {
            self.queue.add(app);
        }
    }

    /// An object that could not be read can be, or is gone. Apps of the namespace waited for that.
    fn clear_unreadable(&self, kind: &'static str, key: ObjectKey) {
        let namespace = key.0.clone();
        if self.cache.lock().unreadable.remove(&(kind, key)).is_some() {
            let apps = self.cache.apps();
            self.touch(apps.into_iter().filter(|app| app.namespace == namespace));
        }
    }
}

pub(super) fn key_of<K: ResourceExt>(object: &K) -> ObjectKey {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Notes that a kind is there and listed, or missing. When that changes, every app has to be looked at.
pub(super) fn mark(sink: &Sink, kind: &'static str, there: bool) {
    if !there && !OPTIONAL.contains(&kind) {
        if sink.cache.lock().unknown.insert(kind) {
            warn!(
                kind,
                server = %sink.server,
                "the API server does not know this kind; install it with `cutwater crd | kubectl apply --server-side -f -`"
            );
        }
        return;
    }
    let mut state = sink.cache.lock();
    let changed = if there {
        state.unknown.remove(kind);
        state.missing.remove(kind) | state.synced.insert(kind)
    } else {
        state.missing.insert(kind)
    };
    drop(state);
    if changed {
        if there {
            debug!(kind, "listed");
        } else {
            info!(
                kind,
                "the API server does not know this kind; it is asked again"
            );
        }
        sink.touch(sink.cache.apps());
    }
}

/// Our routes are tracked; all of them claim.
fn route_event(sink: &Sink, happened: Happened<HttpRoute>) {
    match happened {
        Happened::Seen(route) => {
            let (claimant, claims) = route_claims(&route);
            let touched = sink.cache.lock().claims.set(&claimant, claims);
            sink.touch(touched);
            sink.touch(sink.cache.put(route));
        }
        Happened::Gone(route) => {
            let (namespace, name) = key_of(&route);
            let name = format!("{}{name}", claims::ROUTE);
            let touched = sink.cache.lock().claims.remove(&namespace, &name);
            sink.touch(touched);
            sink.touch(sink.cache.remove(&route));
        }
        Happened::Listed(keep) => {
            let touched = sink.cache.lock().claims.retain(claims::ROUTE, &keep);
            sink.touch(touched);
            sink.touch(sink.cache.retain::<HttpRoute>(&keep));
        }
    }
}

fn gateway_event(sink: &Sink, happened: Happened<Gateway>) {
    let mut state = sink.cache.lock();
    let changed = match happened {
        Happened::Seen(mut gateway) => {
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
        Happened::Seen(DeserializeGuard(Ok(mut repository))) => {
            repository.meta_mut().managed_fields = None;
            let key = key_of(&repository);
            let mut state = sink.cache.lock();
            state.unread_repositories.remove(&key);
            let before = state
                .repositories
                .insert(key.clone(), Arc::new(repository.clone()));
            let same = before.is_some_and(|before| before.spec == repository.spec);
            if same { Vec::new() } else { vec![key] }
        }
        Happened::Seen(DeserializeGuard(Err(invalid))) => {
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
