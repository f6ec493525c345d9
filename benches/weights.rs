//! From the API server's answer to an apply that changes percentages, to the HTTPRoute's new weights as a watch sees them.
//!
//! The floor is the least that any controller can do: a task in this process that watches the same custom resource and
//! sends one HTTPRoute by server-side apply. Both are seen by the same watch.

use std::time::{Duration, Instant};

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::seen::Seen;

/// Weights of the rule that every request meets, and the number of hostnames.
pub type Weights = (Vec<u32>, usize);

pub fn weights(route: &HttpRoute) -> Weights {
    let rule = (route.spec.rules.iter()).find(|rule| {
        rule.matches
            .iter()
            .all(|matched| matched.headers.is_empty())
    });
    let backends = rule.map(|rule| rule.backend_refs.as_slice());
    let weights = (backends.unwrap_or_default().iter())
        .map(|backend| backend.weight.unwrap_or(1))
        .collect();
    (weights, route.spec.hostnames.len())
}

/// A Deployment of versions 1 and 2.
pub fn deployment(app: &str, second: u32) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": app},
        "spec": {
            "app": app,
            "repository": "main",
            "versions": [{"version": 1, "percentage": 100 - second}, {"version": 2, "percentage": second}],
            "routes": [{"hostnames": [format!("{app}.test")], "gateway": {"name": "web", "namespace": "default"}}],
        },
    })
}

/// Changes the percentages `count` times and says how long each took to reach `route`.
pub async fn sample(
    client: &Client,
    routes: &Seen<Weights>,
    namespace: &str,
    app: &str,
    route: &str,
    count: usize,
) -> Vec<Duration> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply("bench").force();
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        // Never the same twice in a row, and never 0 or 100.
        let second = 10 + u32::try_from(number * 7 % 80).unwrap();
        let body = deployment(app, second);
        api.patch(app, &params, &Patch::Apply(&body)).await.unwrap();
        let answered = Instant::now();
        let wanted = vec![(100 - second) * 100, second * 100];
        let seen = routes
            .until(
                "new weights",
                namespace,
                route,
                Duration::from_secs(20),
                |held| held.0 == wanted,
            )
            .await;
        times.push(seen.saturating_duration_since(answered));
        // What follows a change, such as statuses, comes to rest; and no rhythm is met.
        tokio::time::sleep(Duration::from_millis(150 + (number as u64 * 37) % 100)).await;
    }
    times
}

/// The bare loop. It runs until it is dropped.
pub struct Floor(tokio::task::JoinHandle<()>);

impl Floor {
    pub fn start(client: &Client, namespace: &str, app: &str) -> Self {
        let api = Api::<Deployment>::all(client.clone());
        let routes = Api::<HttpRoute>::namespaced(client.clone(), namespace);
        let app = app.to_owned();
        Self(tokio::spawn(async move {
            let params = PatchParams::apply("floor").force();
            let mut events = Box::pin(
                watcher(api, watcher::Config::default())
                    .default_backoff()
                    .applied_objects(),
            );
            while let Some(event) = events.next().await {
                let Ok(object) = event else { continue };
                if object.name_any() != app {
                    continue;
                }
                let backends: Vec<Value> = (object.spec.versions.iter())
                    .enumerate()
                    .map(|(index, entry)| {
                        let name = format!("{app}-v{}-web", index + 1);
                        json!({"name": name, "port": 80, "weight": entry.percentage.basis_points()})
                    })
                    .collect();
                let body = json!({
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "HTTPRoute",
                    "metadata": {"name": Self::ROUTE},
                    "spec": {
                        "parentRefs": [{"name": "web", "namespace": "default"}],
                        "hostnames": ["floor.test"],
                        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backends}],
                    },
                });
                let _ = routes
                    .patch(Self::ROUTE, &params, &Patch::Apply(&body))
                    .await;
            }
        }))
    }

    /// The name of its route.
    pub const ROUTE: &str = "floor";
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.0.abort();
    }
}
