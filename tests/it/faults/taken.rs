//! Names that somebody else's objects have: they are never touched.

use cutwater::api::FIELD_MANAGER;
use cutwater::api::gateway::HttpRoute;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::lab::faults::AWHILE;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

/// An object of somebody else's.
struct Foreign {
    api: Api<DynamicObject>,
    made: DynamicObject,
}

impl Foreign {
    async fn make(scope: &Scope, object: Value) -> Self {
        let api = api_of(scope, &object);
        let made: DynamicObject = serde_json::from_value(object).unwrap();
        let made = api.create(&PostParams::default(), &made).await.unwrap();
        Self { api, made }
    }

    /// The same for a name of ours, which is taken away from ours first.
    async fn instead(scope: &Scope, object: Value) -> Self {
        let (api, name) = (api_of(scope, &object), object["metadata"]["name"].as_str());
        let name = name.unwrap();
        api.delete(name, &DeleteParams::background()).await.unwrap();
        wait_for(&format!("{name} gone"), SOON, async || {
            match api.get_opt(name).await.unwrap() {
                None => Ok(()),
                Some(_) => Err("there"),
            }
        })
        .await;
        Self::make(scope, object).await
    }

    fn name(&self) -> &str {
        self.made.metadata.name.as_deref().unwrap()
    }

    /// Others (the deployment controller, the gateway) write a status and annotations at a time of their own. Each write has
    /// its writer's name on it, so it is seen whether the controller wrote, however late the others are.
    async fn untouched(&self) {
        let now = self.api.get(self.name()).await.unwrap();
        let (was, is) = (&self.made.metadata, &now.metadata);
        assert_eq!(is.uid, was.uid, "{} was replaced", self.name());
        assert_eq!(is.deletion_timestamp, None, "{} is deleted", self.name());
        assert_eq!(is.labels, was.labels, "labels of {}", self.name());
        let content = |object: &DynamicObject| {
            let mut data = object.data.clone();
            data.as_object_mut().unwrap().remove("status");
            data
        };
        assert_eq!(content(&now), content(&self.made), "{}", self.name());
        let ours = (is.managed_fields.iter().flatten())
            .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
            .collect::<Vec<_>>();
        assert!(ours.is_empty(), "{} was written: {ours:?}", self.name());
    }

    async fn delete(self) {
        self.untouched().await;
        self.api
            .delete(self.name(), &DeleteParams::background())
            .await
            .unwrap();
    }
}

fn api_of(scope: &Scope, object: &Value) -> Api<DynamicObject> {
    let word = |key: &str| object[key].as_str().unwrap();
    let api_version = word("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, word("kind")));
    Api::namespaced_with(scope.client.clone(), &scope.namespace, &resource)
}

fn workload(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "mine"}},
            "template": {
                "metadata": {"labels": {"app": "mine"}},
                "spec": {"containers": [{"name": "mine", "image": "example.com/mine"}]},
            },
        },
    })
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 1}]}})
}

fn route(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"hostnames": ["mine.test"], "parentRefs": [{"name": "mine"}]},
    })
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"mine": "yes"}})
}

/// The whole of it for one object that stands in the way of an app's first version.
async fn in_the_way(what: &str, object: Value) {
    let scope = Lab::shared().scope("taken").await;
    let foreign = Foreign::make(&scope, object).await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    let message = scope
        .until_fault("shop", "WorkloadsReady", "NameTaken")
        .await;
    assert!(message.contains(what), "{message}");
    assert!(message.contains("it is not touched"), "{message}");
    scope
        .until_condition("shop", "Stalled", "True", "NameTaken")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.events("shop").await["NameTaken"], 1);
    foreign.delete().await;
    scope.until_ready("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_somebody_elses_is_never_touched() {
    in_the_way("Service `shop-v1-web`", service("shop-v1-web")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_of_somebody_elses_is_never_touched() {
    in_the_way("apps Deployment `shop-v1-web`", workload("shop-v1-web")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_somebody_elses_is_never_touched() {
    in_the_way("HTTPRoute `shop.main`", route("shop.main")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_of_somebody_elses_is_never_touched() {
    in_the_way("ConfigMap `shop.cutwater.dev`", map("shop.cutwater.dev")).await;
}

/// Somebody deletes an object of ours and makes another one under its name, before the controller has seen either. It may
/// have what is ours on it: a copy has that, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_makes_anew_under_a_name_of_ours_is_theirs() {
    let lab = Lab::lent();
    let objects = [
        service("shop-v1-web"),
        workload("shop-v1-web"),
        route("shop.main"),
        map("shop.cutwater.dev"),
    ];
    let mut all = Vec::new();
    for object in &objects {
        for copied in [false, true] {
            let mut object = object.clone();
            if copied {
                object["metadata"]["labels"] = json!({
                    "cutwater.dev/app": "shop", "app.kubernetes.io/managed-by": "cutwater",
                });
                object["metadata"]["annotations"] =
                    json!({"cutwater.dev/applied": "0123456789abcdef"});
            }
            let scope = lab.scope("anew").await;
            scope.releases.publish("shop", "");
            scope.deploy("shop", &[(1, 100.0)]).await;
            scope.until_ready("shop").await;
            all.push((scope, object, copied));
        }
    }
    lab.controller.pause(true);
    let taken = all.into_iter().map(async |(scope, object, copied)| {
        let foreign = Foreign::instead(&scope, object).await;
        (scope, foreign, copied)
    });
    let all = join_all(taken).await;
    lab.controller.pause(false);
    let looks = all.into_iter().map(async |(scope, foreign, copied)| {
        let message = scope
            .until_fault("shop", "WorkloadsReady", "NameTaken")
            .await;
        assert!(message.contains(foreign.name()), "{message}");
        scope.stays_put("shop").await;
        foreign.untouched().await;
        if copied {
            scope.delete("shop", &DeleteParams::background()).await;
            scope.until_gone("shop", SOON).await;
            foreign.untouched().await;
        } else {
            foreign.delete().await;
            scope.until_ready("shop").await;
        }
    });
    join_all(looks).await;
}

/// v1 and v2 have files of their own, and v2 serves all traffic. What is gone back from keeps its pods for no longer than it must.
async fn second_serves(lab: &Lab, name: &str) -> Scope {
    let scope = lab.scope(name).await;
    for number in 1..=2 {
        let text = format!("{number}\n");
        (scope.releases).write("apps/shop/public/index.html", &text);
        let files = "files: {mountPath: /app, include: [public/**]}\n";
        scope.releases.publish("shop", files);
        scope.deploy("shop", &[(number, 100.0)]).await;
        scope.until_ready("shop").await;
    }
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    scope
}

/// The live route of the app, as somebody writes it down and applies it elsewhere.
async fn copy(scope: &Scope, name: &str) -> Value {
    let live = scope.api::<HttpRoute>().get("shop.main").await.unwrap();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": name,
            "labels": live.metadata.labels,
            "annotations": live.metadata.annotations,
        },
        "spec": serde_json::to_value(&live.spec).unwrap(),
    })
}

/// What is made for v2: its workload, its Service, and the files that it mounts.
async fn made_for_second(scope: &Scope) -> Vec<String> {
    let workload = scope.api::<Workload>().get_opt("shop-v2-web").await;
    let Some(workload) = workload.unwrap() else {
        return Vec::new();
    };
    let pods = workload.spec.template.spec.unwrap();
    let maps = pods.volumes.into_iter().flatten();
    let maps = maps.filter_map(|volume| Some(volume.config_map?.name));
    let services = scope.api::<Service>();
    let service = services.get_opt("shop-v2-web").await.unwrap();
    let mut made = vec![workload.metadata.uid.unwrap()];
    made.extend(service.and_then(|service| service.metadata.uid));
    for name in maps {
        let map = scope.api::<ConfigMap>().get_opt(&name).await.unwrap();
        made.extend(map.and_then(|map| map.metadata.uid));
    }
    made
}

/// Somebody deletes our route and makes it again from what was written down, while the controller is away: requests still go to
/// what it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_route_of_somebody_else_sends_to_stays() {
    let mut lab = Lab::lent();
    let scope = second_serves(&lab, "taken-route").await;
    lab.controller.kill();
    let foreign = Foreign::instead(&scope, copy(&scope, "shop.main").await).await;
    let made = made_for_second(&scope).await;
    assert_eq!(made.len(), 3, "{made:?}");
    lab.controller.again();
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_event("shop", "ForeignRoute").await;
    scope
        .until_fault("shop", "WorkloadsReady", "NameTaken")
        .await;
    wait_for("what is kept to be said", SOON, async || {
        let said = scope.conditions("shop").await;
        if said.contains("is somebody else's and sends to v2") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    stays("what v2 has", AWHILE * 3, made, async || {
        made_for_second(&scope).await
    })
    .await;
    assert_eq!(scope.events("shop").await["ForeignRoute"], 1);
    foreign.delete().await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_workloads("shop", &["shop-v1-web"]).await;
    scope.until_ready("shop").await;
}

/// A copy of our route under another name has the requests of another hostname, say. It keeps what it sends to, also where the
/// Deployment is deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_copy_of_a_route_sends_to_stays() {
    let scope = second_serves(Lab::shared(), "copied-route").await;
    let mut copied = copy(&scope, "mine").await;
    copied["spec"]["hostnames"] = json!([scope.hostname("mine")]);
    let foreign = Foreign::make(&scope, copied).await;
    let made = made_for_second(&scope).await;
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_ready("shop").await;
    scope.until_event("shop", "ForeignRoute").await;
    let message = scope
        .until_condition("shop", "WorkloadsReady", "True", "Succeeded")
        .await;
    assert!(
        message.contains("HTTPRoute `mine` is somebody else's"),
        "{message}"
    );
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    let message = scope
        .until_condition("shop", "Ready", "False", "Draining")
        .await;
    assert!(
        message.contains("delete it, or take the Services"),
        "{message}"
    );
    stays("what v2 has", AWHILE * 2, made, async || {
        made_for_second(&scope).await
    })
    .await;
    foreign.delete().await;
    scope.until_gone("shop", SOON).await;
    assert!(scope.workloads("shop").await.is_empty());
}

/// Names of a version to come are taken: the one that serves goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_holds_back_only_the_version_that_needs_it() {
    let scope = Lab::shared().scope("taken-later").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    let theirs = [service("shop-v2-web"), workload("shop-v2-web")];
    let mut foreign = Vec::new();
    for object in theirs {
        foreign.push(Foreign::make(&scope, object).await);
    }
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(2, 100.0)]).await;
    scope
        .until_fault("shop", "WorkloadsReady", "NameTaken")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    // What is ours is still put right.
    let services = scope.api::<Service>();
    services
        .delete("shop-v1-web", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("the Service of v1", SOON, async || {
        services.get_opt("shop-v1-web").await.unwrap()
    })
    .await;
    // Deleting the Deployment leaves what is not its own.
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_gone("shop", SOON).await;
    stays("somebody else's objects", AWHILE, (), async || {
        for object in &foreign {
            object.untouched().await;
        }
    })
    .await;
}
