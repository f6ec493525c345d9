//! Many objects at once, what the controller wrote for them, and a bare loop that writes as many of the same kinds.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::lab::releases::IMAGE;
use crate::support::{AuditEntry, wait_for};

/// Requests under way at the same time: as many as the controller has workers.
const AT_ONCE: usize = 16;

/// Writes by verb and resource.
pub type Counts = BTreeMap<(String, String), usize>;

pub fn writes(requests: &[AuditEntry]) -> Counts {
    let mut counts = Counts::new();
    for request in requests.iter().filter(|request| request.is_write()) {
        let key = (request.verb.clone(), request.resource.clone());
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// The counts in one line, per object.
pub fn describe(counts: &Counts, objects: usize) -> String {
    let parts: Vec<String> = (counts.iter())
        .map(|((verb, resource), count)| {
            format!("{verb} {resource} {:.2}", *count as f64 / objects as f64)
        })
        .collect();
    parts.join(", ")
}

pub fn repository(url: &str) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Repository",
        "metadata": {"name": "main"},
        "spec": {"url": url},
    })
}

/// A Deployment with one version.
pub fn single(app: &str, version: u32) -> Value {
    let mut object = crate::weights::deployment(app, 50);
    object["spec"]["versions"] = json!([{"version": version, "percentage": 100}]);
    object
}

/// A plain apps/v1 Deployment with the pods that the controller makes.
pub fn workload(name: &str, round: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": {"round": round.to_string()}},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "web",
                        "image": IMAGE,
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                        "env": [{"name": "PORT", "value": "8080"}],
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    }],
                },
            },
        },
    })
}

/// A Service as the controller makes them.
pub fn service(name: &str, round: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": {"round": round}},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    })
}

/// Applies objects of any kinds, some at a time.
pub async fn apply(client: &Client, namespace: &str, objects: Vec<Value>) {
    stream::iter(objects)
        .for_each_concurrent(AT_ONCE, |object| apply_one(client, namespace, object))
        .await;
}

async fn apply_one(client: &Client, namespace: &str, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let params = PatchParams::apply("bench").force();
    api_of(client, namespace, &object)
        .patch(&name, &params, &Patch::Apply(&object))
        .await
        .unwrap();
}

fn api_of(client: &Client, namespace: &str, object: &Value) -> Api<DynamicObject> {
    let word = |key: &str| object[key].as_str().unwrap().to_owned();
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let gvk = GroupVersionKind::gvk(group, version, &kind);
    let plural = match kind.as_str() {
        "Repository" => "repositories".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

pub async fn delete_all<K>(client: &Client, namespace: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    Api::<K>::namespaced(client.clone(), namespace)
        .delete_collection(&DeleteParams::background(), &ListParams::default())
        .await
        .unwrap();
}

pub async fn until_no_pods(client: &Client, namespace: &str) {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    wait_for("the end of all pods", Duration::from_mins(5), async || {
        let left = api.list_metadata(&ListParams::default()).await.unwrap();
        if left.items.is_empty() {
            Ok(())
        } else {
            Err(format!("{} pods", left.items.len()))
        }
    })
    .await;
}

/// Applies the Deployments and then, for each, its part of `counts`: what a loop would need that has nothing to decide.
pub async fn bare(
    client: &Client,
    namespace: &str,
    objects: Vec<Value>,
    counts: &Counts,
    round: u32,
) {
    let total = objects.len();
    stream::iter(objects.into_iter().enumerate())
        .for_each_concurrent(AT_ONCE, async |(index, object)| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            apply_one(client, namespace, object.clone()).await;
            for ((verb, resource), count) in counts {
                let share = count * (index + 1) / total - count * index / total;
                for number in 0..share {
                    let what = Write {
                        client,
                        namespace,
                        owner: &name,
                        name: format!("{name}-{number}"),
                        tag: format!("{round}-{number}"),
                    };
                    what.send(verb, resource, round).await;
                }
            }
        })
        .await;
}

struct Write<'a> {
    client: &'a Client,
    namespace: &'a str,
    owner: &'a str,
    name: String,
    tag: String,
}

impl Write<'_> {
    async fn send(&self, verb: &str, resource: &str, round: u32) {
        let (name, tag) = (&self.name, &self.tag);
        let meta = json!({"name": name, "annotations": {"round": tag}});
        let object = match (verb, resource) {
            ("patch", "configmaps") => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"memory": tag}})
            }
            ("patch", "services") => service(name, tag),
            ("patch", "deployments.apps") => workload(name, round),
            ("patch", "httproutes.gateway.networking.k8s.io") => json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta,
                "spec": {
                    "parentRefs": [{"name": "web", "namespace": "default"}],
                    "hostnames": [format!("{name}.test")],
                    "rules": [{
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [{"name": name, "port": 80, "weight": 100 - round}, {"name": name, "port": 81, "weight": round}],
                    }],
                },
            }),
            // A patch adds to the series of an event that was sent before.
            ("create" | "patch", "events.events.k8s.io") => return self.event().await,
            ("patch", "deployments.cutwater.dev") => {
                let body = json!({"metadata": {"annotations": {"round": tag}}});
                let api = self.owners();
                api.patch(self.owner, &PatchParams::default(), &Patch::Merge(&body))
                    .await
                    .unwrap();
                return;
            }
            ("patch", "deployments.cutwater.dev/status") => return self.status().await,
            other => {
                // Nothing else is written today; a new kind is to be added here, not left out in silence.
                assert!(
                    other.1.starts_with("repositories"),
                    "the bare loop does not know {other:?}"
                );
                return;
            }
        };
        apply_one(self.client, self.namespace, object).await;
    }

    fn owners(&self) -> Api<cutwater::api::Deployment> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn status(&self) {
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": "True", "reason": "Succeeded", "message": self.tag,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let body = json!({
            "apiVersion": "cutwater.dev/v1alpha1",
            "kind": "Deployment",
            "metadata": {"name": self.owner},
            "status": {"conditions": [
                condition("Ready"), condition("Reconciling"), condition("Stalled"), condition("VersionsResolved"),
                condition("WorkloadsReady"), condition("RoutesAccepted"), condition("Converged"),
            ]},
        });
        let params = PatchParams::apply("floor").force();
        let patch = Patch::Apply(&body);
        self.owners()
            .patch_status(self.owner, &params, &patch)
            .await
            .unwrap();
    }

    async fn event(&self) {
        let event: k8s_openapi::api::events::v1::Event = serde_json::from_value(json!({
            "metadata": {"generateName": "bare-"},
            "eventTime": jiff::Timestamp::now().to_string(),
            "reportingController": "cutwater.dev/bench",
            "reportingInstance": "bench",
            "action": "Reconcile",
            "reason": "Progressing",
            "type": "Normal",
            "note": self.tag,
            "regarding": {"apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment", "name": self.owner, "namespace": self.namespace},
        }))
        .unwrap();
        let api = Api::namespaced(self.client.clone(), self.namespace);
        api.create(&PostParams::default(), &event).await.unwrap();
    }
}
