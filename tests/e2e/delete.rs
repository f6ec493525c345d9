//! Deleting a Deployment in the three ways of Kubernetes: routes go first, open requests end, then pods go, then the rest.

use std::time::{Duration, Instant};

use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

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
        let witness = Witness::start(&place, app);
        let open = open_requests(&place, app).await;
        let begin = Instant::now();
        let params = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        place.delete(app, &params).await;
        deleted.push((app, witness, open, begin));
    }
    for (app, witness, mut open, begin) in deleted {
        while let Some(answer) = open.join_next().await {
            let (answer, end) = answer.unwrap();
            // The last chunk, and the mark of the end.
            assert!(
                answer.ends_with("\r\ndone\n\r\n0\r\n\r\n"),
                "{app}: cut after {:?}, {answer:?}",
                end - begin
            );
            assert!(end > begin + DRAIN, "{app}: it was open while pods ended");
        }
        place.until_gone(app, SOON).await;
        let route = witness.first(|what| matches!(what, What::Route(_, None)));
        let pod = witness.first(|what| matches!(what, What::Ending(..)));
        let (route, pod) = (route.unwrap(), pod.unwrap());
        println!(
            "{app}: route gone after {}, pods told to end {} later, the object gone after {}",
            seconds(route.duration_since(begin)),
            seconds(pod.duration_since(route)),
            seconds(begin.elapsed()),
        );
        assert!(pod.duration_since(route) >= DRAIN, "{app}: too early");
        until_nothing_is_left(&place, app).await;
    }
    place.end().await;
}

type Ends = JoinSet<(String, Instant)>;

/// Requests whose answers have begun when this returns. They end with the whole text of the answer.
async fn open_requests(place: &Place, app: &str) -> Ends {
    let mut open = JoinSet::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(&place.cluster.gateway).await.unwrap();
        let host = place.hostname(app);
        let request = format!(
            "GET /slow?seconds={OPEN_SECONDS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = vec![0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(begin, b"HTTP/1.1 200");
        open.spawn(async move {
            let mut rest = String::new();
            if let Err(error) = stream.read_to_string(&mut rest).await {
                rest += &format!(" ({error})");
            }
            (rest, Instant::now())
        });
    }
    open
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
