//! What happened in the cluster and when: every change of some objects, in the order of the API server.
//!
//! Resource versions of one API server are one sequence over all kinds, so "how many pods were ready when the route said
//! this" has an exact answer, which polling does not give.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cutwater::api::gateway::HttpRoute;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::place::Place;
use crate::lab::objects::weights_in;

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// When the test heard of it.
    pub time: Instant,
    pub resource_version: u64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A route has these weights; none where it was deleted.
    Route(String, Option<BTreeMap<u32, u32>>),
    /// That many endpoints of a version are ready.
    Ready(u32, u32),
    /// A pod of a version was told to end.
    Ending(u32, String),
}

/// Watches an app until it is dropped.
pub struct Witness {
    changes: Arc<Mutex<Vec<Change>>>,
    _watches: JoinSet<()>,
}

impl Witness {
    /// From when this returns on, nothing is missed.
    pub async fn start(place: &Place, app: &str) -> Self {
        let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
        let (listed, mut lists) = mpsc::channel(3);
        let mut watches = JoinSet::new();
        let of_app = watcher::Config::default().labels(&format!("cutwater.dev/app={app}"));
        let name = app.to_owned();
        let routes = watcher(place.api::<HttpRoute>(), of_app.clone());
        watches.spawn(follow(
            routes,
            changes.clone(),
            listed.clone(),
            move |route, gone| {
                let weights = (!gone).then(|| weights_in(&name, route));
                Some(What::Route(route.name_any(), weights))
            },
        ));
        let slices = watcher(place.api::<EndpointSlice>(), of_app.clone());
        watches.spawn(follow(
            slices,
            changes.clone(),
            listed.clone(),
            |slice, gone| {
                let version = slice.labels().get("cutwater.dev/version")?.parse().ok()?;
                let ready = slice.endpoints.iter().flatten().filter(|endpoint| {
                    let conditions = endpoint.conditions.as_ref();
                    conditions.and_then(|c| c.ready).unwrap_or(true)
                });
                let ready = if gone { 0 } else { ready.count() };
                Some(What::Ready(version, u32::try_from(ready).unwrap()))
            },
        ));
        let pods = watcher(place.api::<Pod>(), of_app);
        watches.spawn(follow(pods, changes.clone(), listed, |pod, gone| {
            let version = pod.labels().get("cutwater.dev/version")?.parse().ok()?;
            let ending = gone || pod.metadata.deletion_timestamp.is_some();
            ending.then(|| What::Ending(version, pod.name_any()))
        }));
        for _ in 0..3 {
            lists.recv().await.unwrap();
        }
        Self {
            changes,
            _watches: watches,
        }
    }

    /// All changes so far, in the order of the API server.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = self.changes.lock().unwrap().clone();
        changes.sort_by_key(|change| change.resource_version);
        changes
    }

    /// When something was first seen.
    pub fn first(&self, wanted: impl Fn(&What) -> bool) -> Option<Instant> {
        let changes = self.changes();
        let found = changes.iter().find(|change| wanted(&change.what));
        found.map(|change| change.time)
    }

    /// When the route first gave a version no share, and when the first of its pods was told to end.
    pub fn leaving(&self, version: u32) -> (Instant, Instant) {
        let left = self.first(|what| match what {
            What::Route(_, Some(weights)) => !weights.contains_key(&version),
            _ => false,
        });
        let ending = self.first(|what| matches!(what, What::Ending(other, _) if *other == version));
        (
            left.expect("the route left it"),
            ending.expect("its pods left"),
        )
    }

    /// Ready pods and share of a version at each state of the route.
    pub fn rise(&self, version: u32) -> Vec<(u32, u32)> {
        let (mut pods, mut states) = (0, Vec::new());
        for change in self.changes() {
            match change.what {
                What::Ready(other, count) if other == version => pods = count,
                What::Route(_, weights) => {
                    let weights = weights.expect("the route is never deleted");
                    states.push((pods, weights.get(&version).copied().unwrap_or(0)));
                }
                What::Ready(..) | What::Ending(..) => {}
            }
        }
        states.dedup();
        states
    }
}

async fn follow<K: Resource<DynamicType = ()> + 'static>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    changes: Arc<Mutex<Vec<Change>>>,
    listed: mpsc::Sender<()>,
    read: impl Fn(&K, bool) -> Option<What>,
) {
    let mut events = Box::pin(events);
    while let Some(event) = events.next().await {
        let (object, gone) = match event.expect("the API server stays up") {
            Event::Apply(object) | Event::InitApply(object) => (object, false),
            Event::Delete(object) => (object, true),
            Event::InitDone => {
                // Nobody listens for a list that is made again.
                let _ = listed.try_send(());
                continue;
            }
            Event::Init => continue,
        };
        if let Some(what) = read(&object, gone) {
            let resource_version = object.meta().resource_version.as_ref().unwrap();
            changes.lock().unwrap().push(Change {
                time: Instant::now(),
                resource_version: resource_version.parse().unwrap(),
                what,
            });
        }
    }
}
