//! A gateway implementation's half of the Gateway API: it accepts every HTTPRoute that names the Gateway `web`.
//!
//! No traffic flows here. The real one is in the end-to-end tests; this one can be told to hold back or to refuse.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use cutwater::api::gateway::{Gateway, HttpRoute};
use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// What it does with the routes of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Refuse,
    Silence,
}

/// Accepts routes until it is dropped.
pub struct Accepter {
    answers: Arc<Mutex<std::collections::HashMap<String, Answer>>>,
    client: Client,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Accepter {
    /// Starts it in threads of its own, so that it serves the tests of all runtimes.
    pub fn start(kubeconfig: &Path) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let answers: Arc<Mutex<std::collections::HashMap<String, Answer>>> = Arc::default();
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let held = answers.clone();
        let (send, receive) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .unwrap();
            let client = Client::try_from(config).unwrap();
            make_gateway(&client).await;
            tokio::spawn(accept_gateways(client.clone()));
            send.send(client.clone()).unwrap();
            let api = Api::<HttpRoute>::all(client.clone());
            let mut routes = Box::pin(
                watcher(api, watcher::Config::default())
                    .default_backoff()
                    .applied_objects(),
            );
            while let Some(route) = routes.next().await {
                if let Ok(route) = route {
                    answer(&client, &route, &held).await;
                }
            }
        });
        let client = receive.recv_timeout(Duration::from_secs(10)).unwrap();
        Self {
            answers,
            client,
            runtime: Some(runtime),
        }
    }

    /// From now on it does this with routes of a namespace, those that are there included.
    pub fn set(&self, namespace: &str, wanted: Answer) {
        self.answers
            .lock()
            .unwrap()
            .insert(namespace.to_owned(), wanted);
        let (client, held, namespace) = (
            self.client.clone(),
            self.answers.clone(),
            namespace.to_owned(),
        );
        self.runtime.as_ref().unwrap().spawn(async move {
            let api = Api::<HttpRoute>::namespaced(client.clone(), &namespace);
            for route in api.list(&kube::api::ListParams::default()).await.unwrap() {
                answer(&client, &route, &held).await;
            }
        });
    }
}

impl Drop for Accepter {
    fn drop(&mut self) {
        // A test's own runtime must not wait for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The Gateway `web` in namespace `default`, where the Gateway API is installed.
async fn make_gateway(client: &Client) {
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web"},
        "spec": {
            "gatewayClassName": "accepter",
            "listeners": [{
                "name": "http",
                "protocol": "HTTP",
                "port": 80,
                "allowedRoutes": {"namespaces": {"from": "All"}},
            }],
        },
    });
    let api = Api::<Gateway>::namespaced(client.clone(), "default");
    let params = PatchParams::apply("test").force();
    // Without the Gateway API there is none: some tests want it so.
    let _ = api.patch("web", &params, &Patch::Apply(&gateway)).await;
}

/// Accepts each Gateway.
async fn accept_gateways(client: Client) {
    let api = Api::<Gateway>::all(client.clone());
    let mut gateways = Box::pin(
        watcher(api, watcher::Config::default())
            .default_backoff()
            .applied_objects(),
    );
    while let Some(gateway) = gateways.next().await {
        let Ok(gateway) = gateway else { continue };
        let said = gateway.status.iter().flat_map(|status| &status.conditions);
        let mut accepted = said.filter(|said| said.type_ == "Accepted");
        if accepted.any(|accepted| accepted.status == "True") {
            continue;
        }
        let condition = json!({
            "type": "Accepted", "status": "True", "observedGeneration": gateway.metadata.generation,
            "reason": "Accepted", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let status = json!({"status": {"conditions": [condition]}});
        let namespace = gateway.namespace().unwrap_or_default();
        let api = Api::<Gateway>::namespaced(client.clone(), &namespace);
        let params = PatchParams::default();
        let _ = (api.patch_status(&gateway.name_any(), &params, &Patch::Merge(&status))).await;
    }
}

async fn answer(
    client: &Client,
    route: &HttpRoute,
    answers: &Mutex<std::collections::HashMap<String, Answer>>,
) {
    let namespace = route.namespace().unwrap();
    let wanted = answers
        .lock()
        .unwrap()
        .get(&namespace)
        .copied()
        .unwrap_or(Answer::Accept);
    let generation = route.metadata.generation;
    let status = if wanted == Answer::Accept {
        "True"
    } else {
        "False"
    };
    let said = route
        .status
        .iter()
        .flat_map(|status| &status.parents)
        .flat_map(|p| &p.conditions);
    let mut said = said.filter(|c| c.type_ == "Accepted");
    if wanted == Answer::Silence
        || said.any(|c| c.observed_generation == generation && c.status == status)
    {
        return;
    }
    let parents: Vec<_> = (route
        .spec
        .parent_refs
        .iter()
        .filter(|parent| parent.name == "web"))
    .map(|parent| {
        let accepted = if wanted == Answer::Accept {
            "Accepted"
        } else {
            "NotAllowedByListeners"
        };
        let said = [
            ("Accepted", status, accepted),
            ("ResolvedRefs", "True", "ResolvedRefs"),
        ];
        let conditions = said.map(|(type_, status, reason)| {
            json!({
                "type": type_,
                "status": status,
                "reason": reason,
                "message": "as the test wants it",
                "observedGeneration": generation,
                "lastTransitionTime": jiff::Timestamp::now().to_string(),
            })
        });
        json!({
            "parentRef": parent,
            "controllerName": "example.com/accepter",
            "conditions": conditions,
        })
    })
    .collect();
    let api = Api::<HttpRoute>::namespaced(client.clone(), &namespace);
    let body = json!({"status": {"parents": parents}});
    // A route that is gone, or has changed meanwhile, is seen again. What an API server that is away did not take is said again, as
    // gateways do.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let (name, params, patch) = (
        route.name_any(),
        PatchParams::default(),
        Patch::Merge(&body),
    );
    loop {
        let said = api.patch_status(&name, &params, &patch);
        match said.await {
            Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => return,
            Ok(_) => return,
            Err(_) if std::time::Instant::now() > deadline => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
