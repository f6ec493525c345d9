//! Deleting a Deployment in the three ways of Kubernetes, and its whole namespace: routes go first, open requests end, then pods go, then the rest.

use std::time::{Duration, Instant};

use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::load::OpenRequests;
use super::place::{Place, seconds};
use super::witness::{What, Witness};
use crate::lab::SOON;
use crate::support::wait_for;

const DRAIN: Duration = Duration::from_secs(5);
/// Longer than settle delay and drain delay together: the pods are told to end while these are open.
const OPEN_SECONDS: u32 = 9;
const FIELDS: &str = "scale: {min: 2, max: 3, cpu: 70, maxUnavailable: 1}\nresources: {requests: {cpu: 1m}}\nfiles: {mountPath: /srv, include: [marker]}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_way_of_deleting_open_requests_end() {
    let place = Place::new("delete").await;
    let ways = [
        ("foreground", PropagationPolicy::Foreground),
        ("background", PropagationPolicy::Background),
        ("orphan", PropagationPolicy::Orphan),
    ];
    for (app, _) in &ways {
        place.begin(app, FIELDS, json!({"drainDelay": "5s"})).await;
    }
    let mut deleted = Vec::new();
    for (app, policy) in ways {
        let witness = Witness::start(&place, app).await;
        let host = place.hostname(app);
        let open = OpenRequests::begin(&place.cluster.gateway, &host, OPEN_SECONDS).await;
        let begin = Instant::now();
        let params = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        place.delete(app, &params).await;
        deleted.push((app, witness, open, begin));
    }
    for (app, witness, open, begin) in deleted {
        for end in open.all_end_whole().await {
            assert!(end > begin + DRAIN, "{app}: it was open while pods ended");
        }
        place.until_gone(app, SOON).await;
        let route = witness.first(|what| matches!(what, What::Route(_, None)));
        let pod = witness.first(|what| matches!(what, What::Ending(..)));
        let (route, pod) = (route.unwrap(), pod.unwrap());
        println!(
            "{app}: route gone after {}, pods told to end {} later",
            seconds(route.duration_since(begin)),
            seconds(pod.duration_since(route)),
        );
        assert!(pod.duration_since(route) >= DRAIN, "{app}: too early");
        until_nothing_is_left(&place, app).await;
    }
    place.end().await;
}

/// Kubernetes deletes everything in it at once and takes nothing new: the finalizer must not wait for what cannot come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_deleted_goes() {
    let place = Place::new("namespace").await;
    place.begin("served", "", json!({})).await;
    // Of this one nothing was ever made.
    place.deploy("nowhere", &[(7, 100.0)]).await;
    place
        .until_condition("nowhere", "VersionsResolved", "False", "VersionNotFound")
        .await;
    let (namespace, client) = (place.namespace.clone(), place.client.clone());
    let begin = Instant::now();
    place.end().await;
    let namespaces = kube::Api::<Namespace>::all(client);
    wait_for("the namespace to go", SOON * 2, async || {
        match namespaces.get_opt(&namespace).await.unwrap() {
            None => Ok(()),
            Some(object) => Err(format!("{:?}", object.status)),
        }
    })
    .await;
    println!("the namespace was gone after {}", seconds(begin.elapsed()));
}

async fn until_nothing_is_left(place: &Place, app: &str) {
    wait_for(&format!("nothing of {app} left"), SOON * 2, async || {
        let mut left = names::<HttpRoute>(place, app).await;
        left.extend(names::<Workload>(place, app).await);
        left.extend(names::<Service>(place, app).await);
        left.extend(names::<ConfigMap>(place, app).await);
        left.extend(names::<HorizontalPodAutoscaler>(place, app).await);
        left.extend(names::<PodDisruptionBudget>(place, app).await);
        left.extend(names::<Pod>(place, app).await);
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    })
    .await;
}

async fn names<K>(place: &Place, app: &str) -> Vec<String>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let params = ListParams::default().labels(&format!("cutwater.dev/app={app}"));
    let list = place.api::<K>().list(&params).await.unwrap();
    (list.iter())
        .map(|object| format!("{} {}", K::kind(&()), object.name_any()))
        .collect()
}
