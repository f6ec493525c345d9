//! What is done to the objects around a live route loses no request: the route is the same one all the time.

use std::time::Duration;

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::place::{PANICS, Place, kill_controller, start_controller};
use crate::lab::SOON;
use crate::lab::faults::{AWHILE, no_finalizers, until_no_finalizers};
use crate::support::apiserver::succeed;
use crate::support::wait_for;

const APP: &str = "checkout";
const ALIAS: &str = "staging";
const ROUTE: &str = "checkout.main";
const ROUTES: [&str; 2] = [ROUTE, "checkout.staging.main"];
/// How long HTTPRoutes are a kind that the API server does not know.
const UNSERVED: Duration = Duration::from_secs(12);

async fn merge<K>(place: &Place, name: &str, change: Value)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let nobody = PatchParams::default();
    let api = place.api::<K>();
    api.patch(name, &nobody, &Patch::Merge(&change))
        .await
        .unwrap();
}

/// Takes all labels and annotations off every object of a kind that the controller made, and waits until they are back.
async fn strip<K>(place: &Place)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let ours = ListParams::default().labels("cutwater.dev/app");
    for object in place.api::<K>().list(&ours).await.unwrap() {
        let name = object.name_any();
        let nothing = json!({"metadata": {"labels": null, "annotations": null}});
        merge::<K>(place, &name, nothing).await;
        wait_for(&format!("labels of {name}"), SOON, async || {
            let now = place
                .api::<K>()
                .get(&name)
                .await
                .map_err(|error| error.to_string())?;
            if now.uid() != object.uid() {
                return Err("it was made anew".to_owned());
            }
            if now.labels() == object.labels() {
                Ok(())
            } else {
                Err("none".to_owned())
            }
        })
        .await;
    }
}

/// As tools do that replace objects, with a write of somebody else's right behind.
async fn finalizers_are_stripped(place: &Place) {
    for round in 0..60 {
        merge::<Deployment>(place, APP, json!({"metadata": {"finalizers": null}})).await;
        let note = json!({"metadata": {"annotations": {"note": round.to_string()}}});
        merge::<Deployment>(place, APP, note).await;
        until_held(place).await;
    }
}

async fn until_held(place: &Place) {
    wait_for("the finalizer", SOON, async || {
        let object = place.api::<Deployment>().get(APP).await.unwrap();
        if object.finalizers().is_empty() {
            Err("none")
        } else {
            Ok(())
        }
    })
    .await;
}

async fn the_finalizer_is_refused(place: &Place) {
    let file = place.cluster.logs.join("no-finalizers.json");
    std::fs::write(&file, no_finalizers().to_string()).unwrap();
    let file = file.to_str().unwrap();
    let policy = |verb| succeed(place.cluster.kubectl(&[verb, "-f", file]));
    policy("apply");
    let theirs = place
        .cluster
        .client_of(&place.cluster.kubeconfig_controller)
        .await;
    let theirs = Api::<Deployment>::namespaced(theirs, &place.namespace);
    until_no_finalizers(&theirs, APP).await;
    merge::<Deployment>(place, APP, json!({"metadata": {"finalizers": null}})).await;
    place
        .until_condition(APP, "Ready", "False", "ApiServerRefused")
        .await;
    policy("delete");
    until_held(place).await;
    place.until_ready(APP).await;
}

/// The API server does not know HTTPRoutes for a while. The gateways go on with what they have.
async fn the_kind_is_not_served(place: &Place) {
    let serve = |served: bool| {
        let kind = "crd/httproutes.gateway.networking.k8s.io";
        // The first of its versions is v1, which the controller and the gateways read.
        let patch = json!([
            {"op": "test", "path": "/spec/versions/0/name", "value": "v1"},
            {"op": "replace", "path": "/spec/versions/0/served", "value": served},
        ]);
        let patch = format!("--patch={patch}");
        succeed(
            place
                .cluster
                .kubectl(&["patch", kind, "--type=json", &patch]),
        );
    };
    serve(false);
    wait_for("no routes served", SOON, async || {
        match place.api::<HttpRoute>().get(ROUTE).await {
            Err(_) => Ok(()),
            Ok(_) => Err("served"),
        }
    })
    .await;
    tokio::time::sleep(UNSERVED).await;
    merge::<Deployment>(place, APP, json!({"spec": {"message": "meanwhile"}})).await;
    serve(true);
    wait_for("routes served again", SOON, async || {
        place.api::<HttpRoute>().get(ROUTE).await
    })
    .await;
    merge::<Deployment>(place, APP, json!({"spec": {"message": "after"}})).await;
    place.until_ready(APP).await;
}

/// A controller that is started while it may list nothing at all.
async fn lists_are_forbidden(place: &Place) {
    let kubectl = |words: &[&str]| succeed(place.cluster.kubectl(words));
    kill_controller();
    kubectl(&["delete", "clusterrolebinding", "cutwater"]);
    start_controller();
    tokio::time::sleep(AWHILE).await;
    let role = ["--clusterrole=cluster-admin", "--user=cutwater"];
    kubectl(&["create", "clusterrolebinding", "cutwater", role[0], role[1]]);
    merge::<Deployment>(
        place,
        APP,
        json!({"metadata": {"annotations": {"note": "again"}}}),
    )
    .await;
    place.until_ready(APP).await;
}

fn alias(place: &Place) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Alias",
        "metadata": {"name": ALIAS},
        "spec": {
            "app": APP,
            "repository": "main",
            "version": 2,
            "rollbackWindow": "0s",
            "routes": [{
                "hostnames": [place.hostname(ALIAS)],
                "gateway": {"name": "web", "namespace": "default"},
            }],
        },
    })
}

/// What has to stay: the routes and the pods.
async fn live(place: &Place) -> (Vec<Option<String>>, Vec<String>) {
    let mut uids = Vec::new();
    for route in ROUTES {
        uids.push(place.api::<HttpRoute>().get(route).await.unwrap().uid());
    }
    let mut pods = place.living_pods(APP, 1).await;
    pods.extend(place.living_pods(APP, 2).await);
    (uids, pods)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_whatever_is_taken_off_the_objects_around_a_route() {
    let place = Place::new("held").await;
    let more = json!({"drainDelay": "2s"});
    place.begin(APP, "scale: {min: 2}", more.clone()).await;
    place.releases.publish(APP, "scale: {min: 2}");
    place
        .deploy_with(APP, &[(1, 50.0), (2, 50.0)], more.clone())
        .await;
    place.until_weights(APP, &[(1, 5_000), (2, 5_000)]).await;
    place.until_ready(APP).await;
    place.apply(alias(&place)).await;
    place.until_alias_ready(ALIAS).await;
    place.until_served(&place.hostname(ALIAS)).await;
    let before = live(&place).await;
    let loads = [place.load(APP), place.load(ALIAS)];

    // Another app beside it, on which the controller fails again and again from now on.
    place.releases.publish(PANICS, "");
    place.deploy(PANICS, &[(1, 100.0)]).await;
    let message = place
        .until_condition(PANICS, "Ready", "Unknown", "Unknown")
        .await;
    assert!(message.contains("failed on this app"), "{message}");

    finalizers_are_stripped(&place).await;
    the_finalizer_is_refused(&place).await;
    strip::<HttpRoute>(&place).await;
    strip::<Service>(&place).await;
    strip::<Workload>(&place).await;
    strip::<ConfigMap>(&place).await;
    let maps = place.api::<ConfigMap>();
    let anchor = format!("{APP}.cutwater.dev");
    maps.delete(&anchor, &DeleteParams::foreground())
        .await
        .unwrap();
    wait_for("the anchor again", SOON, async || {
        maps.get_opt(&anchor).await.unwrap()
    })
    .await;
    the_kind_is_not_served(&place).await;
    lists_are_forbidden(&place).await;
    assert_eq!(live(&place).await, before);

    // Another name for the Deployment, and another version with it.
    let mut renamed = place.deployment(APP, &[(2, 100.0)], more);
    renamed["metadata"]["name"] = json!("renamed");
    place.apply(renamed).await;
    place
        .until_condition("renamed", "Stalled", "True", "AppTaken")
        .await;
    place.delete(APP, &DeleteParams::foreground()).await;
    place.until_gone(APP, SOON).await;
    place.until_weights(APP, &[(2, 10_000)]).await;
    place.until_ready("renamed").await;
    place.until_workloads(APP, &["checkout-v2-web"]).await;
    place.until_alias_ready(ALIAS).await;
    assert_eq!(live(&place).await.0, before.0);
    for load in loads {
        let seen = load.stop().await;
        println!("answers {:?}, {} lost", seen.answers, seen.faults.len());
        seen.assert_none_lost();
    }
    place
        .until_condition(PANICS, "Ready", "Unknown", "Unknown")
        .await;
    place.end().await;
}
