//! A live route outlives whatever cannot be read, written or listed, and whatever is taken off the objects around it.

use std::time::Duration;

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Crd;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::lab::faults::{AWHILE, no_finalizers, until_no_finalizers};
use crate::lab::{Lab, SOON, Scope, rights};
use crate::support::{User, wait_for};

/// How long HTTPRoutes are a kind that the API server does not know: watches are tried again some times.
const UNSERVED: Duration = Duration::from_secs(12);
const ROUTES: [&str; 2] = ["shop.main", "shop.stage.main"];

/// What has to stay: the routes, their weights, and the pods.
#[derive(Debug, PartialEq)]
struct Live {
    routes: Vec<Option<String>>,
    weights: Vec<(u32, u32)>,
    pods: Vec<String>,
}

async fn live(scope: &Scope) -> Live {
    let mut routes = Vec::new();
    for name in ROUTES {
        let route = scope.api::<HttpRoute>().get_opt(name).await.unwrap();
        routes.push(route.and_then(|route| route.uid()));
    }
    let pods = scope.api::<Pod>().list(&ListParams::default()).await;
    let mut pods: Vec<String> = pods.unwrap().iter().map(ResourceExt::name_any).collect();
    pods.sort();
    Live {
        routes,
        weights: scope.weights("shop").await.into_iter().collect(),
        pods,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_route_outlives_what_cannot_be_read_written_or_listed() {
    let mut lab = Lab::own();
    let scope = lab.scope("held").await;
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope.apply(alias(&scope)).await;
    scope.until_ready("shop").await;
    scope.until_alias_ready("stage").await;
    let before = live(&scope).await;
    let since = Timestamp::now();

    finalizers_are_stripped(&scope).await;
    the_finalizer_is_refused(&lab, &scope).await;
    labels_and_annotations_are_taken_off(&scope).await;
    managers_are_taken_off(&mut lab, &scope).await;
    anchor_is_deleted(&lab, &scope).await;
    the_kind_is_not_served(&scope).await;
    lists_are_forbidden(&mut lab, &scope).await;

    scope.until_ready("shop").await;
    scope.stays_put("shop").await;
    assert_eq!(live(&scope).await, before);
    let requests = lab.server.audit_requests(User::Cutwater, since);
    let deleted: Vec<_> = requests
        .iter()
        .filter(|request| request.verb == "delete")
        .collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    // And it still goes where its owner says so.
    scope
        .apply(scope.deployment("shop", &[(2, 100.0)], json!({"routes": []})))
        .await;
    wait_for("the route gone", SOON, async || match live(&scope).await {
        now if now.routes[0].is_none() && now.routes[1] == before.routes[1] => Ok(()),
        now => Err(format!("{now:?}")),
    })
    .await;
}

/// An Alias of the app, at a hostname of its own.
pub(super) fn alias(scope: &Scope) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Alias",
        "metadata": {"name": "stage"},
        "spec": {
            "app": "shop",
            "repository": "main",
            "version": 1,
            "routes": [{"hostnames": [scope.hostname("stage")], "gateway": {"name": "web", "namespace": "default"}}],
        },
    })
}

async fn merge<K>(scope: &Scope, name: &str, change: Value) -> K
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api = scope.api::<K>();
    let nobody = PatchParams::default();
    api.patch(name, &nobody, &Patch::Merge(&change))
        .await
        .unwrap()
}

async fn until_held(scope: &Scope) {
    wait_for("the finalizer", SOON, async || {
        let object = scope.api::<Deployment>().get("shop").await.unwrap();
        match object.finalizers() {
            [] => Err("none"),
            _ => Ok(()),
        }
    })
    .await;
}

/// As tools do that replace objects, with a write of somebody else's right behind. Under load, and 60 times, it is
/// `e2e::held`.
async fn finalizers_are_stripped(scope: &Scope) {
    for round in 0..15 {
        let strip = json!({"metadata": {"finalizers": null}});
        merge::<Deployment>(scope, "shop", strip).await;
        let note = json!({"metadata": {"annotations": {"note": round.to_string()}}});
        merge::<Deployment>(scope, "shop", note).await;
        until_held(scope).await;
    }
}

async fn the_finalizer_is_refused(lab: &Lab, scope: &Scope) {
    let file = lab.server.directory().join("no-finalizers.json");
    std::fs::write(&file, no_finalizers().to_string()).unwrap();
    let file = file.to_str().unwrap();
    assert!(lab.server.kubectl(&["apply", "-f", file]).status.success());
    let client = lab.server.client(User::Cutwater).await;
    let theirs = Api::<Deployment>::namespaced(client, &scope.namespace);
    until_no_finalizers(&theirs, "shop").await;
    merge::<Deployment>(scope, "shop", json!({"metadata": {"finalizers": null}})).await;
    let message = scope
        .until_condition("shop", "Ready", "False", "ApiServerRefused")
        .await;
    assert!(message.contains("finalizer"), "{message}");
    assert!(lab.server.kubectl(&["delete", "-f", file]).status.success());
    until_held(scope).await;
    scope.until_ready("shop").await;
}

/// Labels, annotations and owners of what the controller made, until they are back.
async fn stripped<K>(scope: &Scope, name: &str)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api = scope.api::<K>();
    let before = api.get(name).await.unwrap();
    let ours = |object: &K| {
        let labels: Vec<_> = object.labels().iter().collect();
        let annotations = object.annotations().iter();
        let annotations = annotations.filter(|(key, _)| key.starts_with("cutwater.dev/"));
        format!("{labels:?} {:?}", annotations.collect::<Vec<_>>())
    };
    let theirs = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    let mut changes = vec![
        theirs,
        json!({"metadata": {"labels": null, "annotations": null}}),
    ];
    for change in changes.drain(..) {
        merge::<K>(scope, name, change).await;
        wait_for(&format!("all of {name} again"), SOON, async || {
            let now = api.get_opt(name).await.unwrap().ok_or("it is gone")?;
            if now.uid() != before.uid() {
                return Err("it was made anew");
            }
            if ours(&now) == ours(&before) {
                Ok(())
            } else {
                Err("not yet")
            }
        })
        .await;
    }
}

async fn labels_and_annotations_are_taken_off(scope: &Scope) {
    for name in ROUTES {
        stripped::<HttpRoute>(scope, name).await;
    }
    for name in ["shop-v1-web", "shop-v2-web"] {
        stripped::<Service>(scope, name).await;
        stripped::<Workload>(scope, name).await;
    }
    stripped::<ConfigMap>(scope, "shop.cutwater.dev").await;
}

/// Takes the field managers of everybody off an object.
async fn wiped<K>(scope: &Scope, name: &str)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let wipe = json!({"metadata": {"managedFields": [{}]}});
    let now = merge::<K>(scope, name, wipe).await;
    assert!(!is_ours(&now), "{:?}", now.managed_fields());
}

async fn until_ours<K>(scope: &Scope, name: &str)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    wait_for(&format!("our name on {name}"), SOON, async || {
        let now = scope.api::<K>().get(name).await.unwrap();
        if is_ours(&now) {
            Ok(())
        } else {
            let says = scope.conditions("shop").await;
            Err(format!("{:?}; {says}", now.managed_fields()))
        }
    })
    .await;
}

fn is_ours<K: ResourceExt>(object: &K) -> bool {
    let mut managers = object.managed_fields().iter();
    managers.any(|entry| entry.manager.as_deref() == Some("cutwater"))
}

/// As some clients do that write whole objects: while the controller looks, and while it is away.
async fn managers_are_taken_off(lab: &mut Lab, scope: &Scope) {
    const WORKLOADS: [&str; 2] = ["shop-v1-web", "shop-v2-web"];
    const ANCHOR: &str = "shop.cutwater.dev";
    for away in [false, true] {
        if away {
            lab.controller.kill();
        }
        for name in ROUTES {
            wiped::<HttpRoute>(scope, name).await;
        }
        for name in WORKLOADS {
            wiped::<Service>(scope, name).await;
            wiped::<Workload>(scope, name).await;
        }
        wiped::<ConfigMap>(scope, ANCHOR).await;
        if away {
            lab.controller.again();
        }
        for name in ROUTES {
            until_ours::<HttpRoute>(scope, name).await;
        }
        for name in WORKLOADS {
            until_ours::<Service>(scope, name).await;
            until_ours::<Workload>(scope, name).await;
        }
        until_ours::<ConfigMap>(scope, ANCHOR).await;
        scope.until_ready("shop").await;
    }
}

async fn anchor_is_deleted(lab: &Lab, scope: &Scope) {
    let all = [
        "-n",
        &scope.namespace,
        "delete",
        "configmap",
        "--all",
        "--cascade=foreground",
    ];
    assert!(lab.server.kubectl(&all).status.success());
    wait_for("the anchor again", SOON, async || {
        scope
            .api::<ConfigMap>()
            .get_opt("shop.cutwater.dev")
            .await
            .unwrap()
    })
    .await;
}

async fn the_kind_is_not_served(scope: &Scope) {
    const NAME: &str = "httproutes.gateway.networking.k8s.io";
    let api = Api::<Crd>::all(scope.client.clone());
    let good = serde_json::to_value(api.get(NAME).await.unwrap().spec.versions).unwrap();
    let mut away = good.clone();
    for version in away.as_array_mut().unwrap() {
        if version["name"] == "v1" {
            version["served"] = json!(false);
        }
    }
    let set = async |versions: &Value| {
        let patch = json!({"spec": {"versions": versions}});
        let patch = Patch::Merge(&patch);
        api.patch(NAME, &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    set(&away).await;
    wait_for("no routes served", SOON, async || {
        match scope.api::<HttpRoute>().get("shop.main").await {
            Err(_) => Ok(()),
            Ok(_) => Err("served"),
        }
    })
    .await;
    // The watches meet it, and both owners are looked at meanwhile.
    tokio::time::sleep(UNSERVED).await;
    let touch = async |message: &str| {
        let more = json!({"message": message});
        scope
            .deploy_with("shop", &[(1, 50.0), (2, 50.0)], more)
            .await;
    };
    touch("while").await;
    set(&good).await;
    wait_for("served again", SOON, async || {
        scope.api::<HttpRoute>().get("shop.main").await
    })
    .await;
    touch("after").await;
    scope.until_ready("shop").await;
}

/// The watches break while nothing may be listed.
async fn lists_are_forbidden(lab: &mut Lab, scope: &Scope) {
    let gone = ["delete", "clusterrolebinding", "documented"];
    assert!(lab.server.kubectl(&gone).status.success());
    lab.server.restart_apiserver();
    tokio::time::sleep(AWHILE).await;
    rights::grant(&lab.server, |_| true);
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope.until_ready("shop").await;
}
