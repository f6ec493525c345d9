//! The control plane that the other tests stand on does what they think it does.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::support::{ApiServer, Options, User, wait_for};

const DEADLINE: Duration = Duration::from_secs(30);

fn deployment(name: &str, mark: Option<&str>) -> Deployment {
    let env = mark.map(|mark| json!([{"name": "TEST_POD", "value": mark}]));
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "example.com/none", "env": env}]}
            }
        }
    }))
    .unwrap()
}

async fn ready_endpoints(slices: &Api<EndpointSlice>) -> usize {
    let list = slices.list(&ListParams::default()).await.unwrap();
    let all = list
        .items
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten());
    all.filter(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready) == Some(true)
    })
    .count()
}

#[tokio::test]
async fn three_replicas_become_ready_endpoints() {
    let server = ApiServer::shared();
    let namespace = server.namespace("harness");
    let start = jiff::Timestamp::now();
    let client = server.client(User::Cutwater).await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(client, &namespace);

    deployments
        .create(&PostParams::default(), &deployment("web", None))
        .await
        .unwrap();
    let ports = ["create", "service", "clusterip", "web", "--tcp=80:8080"];
    let made = server.kubectl(&[&["-n", &namespace][..], &ports].concat());
    assert!(made.status.success(), "{made:?}");

    wait_for("three ready replicas", DEADLINE, async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        match status.ready_replicas {
            Some(3) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    wait_for(
        "three ready endpoints",
        DEADLINE,
        async || match ready_endpoints(&slices).await {
            3 => Ok(()),
            other => Err(other.to_string()),
        },
    )
    .await;

    let requests = server.audit_requests(User::Cutwater, start);
    let writes: Vec<_> = requests
        .iter()
        .filter(|request| request.is_write())
        .collect();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    assert_eq!(writes[0].resource, "deployments.apps");
}

#[tokio::test]
async fn a_marked_pod_shows_why_it_is_not_ready() {
    let server = ApiServer::shared();
    let namespace = server.namespace("harness");
    let client = server.client(User::Admin).await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);

    for (mark, reason) in [
        ("stay-unready", None),
        ("image-pull-error", Some("ErrImagePull")),
        ("crash", Some("CrashLoopBackOff")),
    ] {
        deployments
            .create(&PostParams::default(), &deployment(mark, Some(mark)))
            .await
            .unwrap();
        let of = ListParams::default().labels(&format!("app={mark}"));
        wait_for(mark, DEADLINE, async || {
            let list = pods.list(&of).await.unwrap().items;
            let shown = list
                .iter()
                .filter(|pod| waiting_reason(pod) == Some(reason.map(String::from)));
            if shown.count() == 3 {
                Ok(())
            } else {
                Err(format!(
                    "{:?}",
                    list.iter().map(waiting_reason).collect::<Vec<_>>()
                ))
            }
        })
        .await;
    }

    // A mark comes and goes while the pod lives.
    let of = ListParams::default().labels("app=crash");
    let name = pods.list(&of).await.unwrap().items[0]
        .metadata
        .name
        .clone()
        .unwrap();
    for (mark, ready) in [
        ("ready", "True"),
        ("stay-unready", "False"),
        ("ready", "True"),
    ] {
        let label = json!({"metadata": {"labels": {"cutwater.test/pod": mark}}});
        pods.patch(&name, &PatchParams::default(), &Patch::Merge(label))
            .await
            .unwrap();
        wait_for(&format!("Ready={ready}"), DEADLINE, async || {
            let pod = pods.get(&name).await.unwrap();
            let conditions = pod.status.unwrap().conditions.unwrap_or_default();
            conditions
                .into_iter()
                .find(|condition| condition.type_ == "Ready" && condition.status == ready)
        })
        .await;
    }
}

/// The outer option says whether KWOK has said anything about the pod.
#[expect(
    clippy::option_option,
    reason = "no container, or one that does not wait"
)]
fn waiting_reason(pod: &Pod) -> Option<Option<String>> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    Some(
        status
            .state
            .as_ref()?
            .waiting
            .as_ref()
            .and_then(|waiting| waiting.reason.clone()),
    )
}

#[tokio::test]
async fn a_restarted_api_server_has_its_data() {
    let mut server = ApiServer::start(Options::default());
    let namespace = server.namespace("kept");
    server.restart_apiserver();
    let client = server.client(User::Admin).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client);
    namespaces.get(&namespace).await.unwrap();
}
