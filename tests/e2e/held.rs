//! What is done to the objects around a live route loses no request: the route is the same one all the time.

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::place::Place;
use crate::lab::SOON;
use crate::support::wait_for;

const APP: &str = "checkout";
const ROUTE: &str = "checkout.main";

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
    let uid = async || place.api::<HttpRoute>().get(ROUTE).await.unwrap().uid();
    let pods = async || {
        let mut pods = place.living_pods(APP, 1).await;
        pods.extend(place.living_pods(APP, 2).await);
        pods
    };
    let before = (uid().await, pods().await);
    let load = place.load(APP);

    for round in 0..10 {
        merge::<Deployment>(&place, APP, json!({"metadata": {"finalizers": null}})).await;
        let note = json!({"metadata": {"annotations": {"note": round.to_string()}}});
        merge::<Deployment>(&place, APP, note).await;
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
    strip::<HttpRoute>(&place).await;
    strip::<Service>(&place).await;
    strip::<Workload>(&place).await;
    let maps = place.api::<ConfigMap>();
    let anchor = format!("{APP}.cutwater.dev");
    maps.delete(&anchor, &DeleteParams::foreground())
        .await
        .unwrap();
    wait_for("the anchor again", SOON, async || {
        maps.get_opt(&anchor).await.unwrap()
    })
    .await;
    assert_eq!((uid().await, pods().await), before);

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
    assert_eq!(uid().await, before.0);
    let seen = load.stop().await;
    println!("answers {:?}, {} lost", seen.answers, seen.faults.len());
    seen.assert_none_lost();
    place.end().await;
}
