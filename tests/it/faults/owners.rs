//! Two Deployments for one app, and the ways to delete one.

use cutwater::api::gateway::HttpRoute;
use cutwater::api::{Alias, Deployment};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use crate::lab::faults::AWHILE;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::{User, wait_for};

async fn serving(name: &str) -> Scope {
    let scope = Lab::shared().scope(name).await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    scope
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_deployment_of_an_app_changes_nothing_until_the_first_goes() {
    let scope = serving("second").await;
    scope.releases.publish("shop", "");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut second = scope.deployment("shop", &[(2, 100.0)], json!({}));
    second["metadata"]["name"] = json!("again");
    scope.apply(second).await;
    let message = scope
        .until_condition("again", "Stalled", "True", "AppTaken")
        .await;
    assert!(message.contains("cwd/shop"), "{message}");
    scope.until_event("again", "AppTaken").await;
    let others = async || (scope.conditions("again").await, scope.events("again").await);
    let before = others().await;
    scope.stays_put("shop").await;
    assert_eq!(others().await, before);
    assert_eq!(before.1["AppTaken"], 1);
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    assert_eq!(scope.workloads("shop").await, ["shop-v1-web"]);
    scope.until_ready("shop").await;

    // It takes over what is served: the route is not made anew, and what it wishes for is reached from there.
    let since = Timestamp::now();
    let uid = route_uid(&scope).await;
    scope.delete("shop", &DeleteParams::foreground()).await;
    scope.until_gone("shop", SOON).await;
    scope.until_weights("shop", &[(2, 10_000)]).await;
    scope.until_ready("again").await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    assert_eq!(route_uid(&scope).await, uid);
    let requests = Lab::shared().server.audit_requests(User::Cutwater, since);
    let weights = requests.iter().filter(|request| {
        request.namespace == scope.namespace && request.resource.starts_with("httproutes")
    });
    assert!(weights.clone().count() > 0);
    for request in weights {
        assert_ne!(request.verb, "delete", "{request:?}");
    }
    let object = scope.api::<Deployment>().get("again").await.unwrap();
    let conditions = object.status.unwrap().conditions;
    let stalled = conditions.iter().find(|c| c.type_ == "Stalled").unwrap();
    assert_eq!(stalled.status, "False");
}

async fn route_uid(scope: &Scope) -> Option<String> {
    let route = scope.api::<HttpRoute>().get("shop.main").await.unwrap();
    route.metadata.uid
}

/// The second one is deleted: nothing of the first's goes with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_deployment_goes_without_a_trace() {
    let scope = serving("second-goes").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut second = scope.deployment("shop", &[(1, 100.0)], json!({}));
    second["metadata"]["name"] = json!("again");
    scope.apply(second).await;
    scope
        .until_condition("again", "Stalled", "True", "AppTaken")
        .await;
    scope.delete("again", &DeleteParams::foreground()).await;
    scope.until_gone("again", SOON).await;
    scope.stays_put("shop").await;
    scope.until_ready("shop").await;
}

/// Route first, pods after the drain, then the anchor, and the object itself last.
async fn order_of(how: PropagationPolicy) {
    let scope = serving("deleted").await;
    let params = DeleteParams {
        propagation_policy: Some(how),
        ..DeleteParams::default()
    };
    scope.delete("shop", &params).await;
    let mut steps: Vec<[bool; 5]> = Vec::new();
    let mut route_gone = None;
    let mut pods_gone = None;
    let start = std::time::Instant::now();
    loop {
        let there = seen(&scope).await;
        if !there[0] {
            route_gone.get_or_insert(start.elapsed());
        }
        if !there[2] {
            pods_gone.get_or_insert(start.elapsed());
        }
        if steps.last() != Some(&there) {
            steps.push(there);
        }
        if there == [false; 5] {
            break;
        }
        assert!(start.elapsed() < SOON, "still there: {there:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for [route, service, workload, anchor, owner] in &steps {
        assert!(!route || *service, "{steps:?}");
        assert!(!route || *workload, "{steps:?}");
        assert!(!(*service || *workload) || *anchor, "{steps:?}");
        assert!(!anchor || *owner, "{steps:?}");
    }
    let waited = pods_gone.unwrap().saturating_sub(route_gone.unwrap());
    let drain = std::time::Duration::from_secs(crate::lab::controller::DRAIN);
    assert!(waited >= drain, "pods went {waited:?} after the route");
    wait_for("no pods", SOON, async || {
        let pods = scope.pods("shop", 1).await;
        if pods.is_empty() {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    })
    .await;
}

/// Whether the route, the Service, the workload, the anchor and the Deployment are there.
async fn seen(scope: &Scope) -> [bool; 5] {
    // What goes last is looked at first: what is there later was there when that was looked at, however long this takes.
    let owner = scope.api::<Deployment>().get_opt("shop").await;
    let anchor = scope.api::<ConfigMap>().get_opt("shop.cutwater.dev").await;
    let workloads = scope.workloads("shop").await;
    let service = scope.api::<Service>().get_opt("shop-v1-web").await;
    let route = scope.api::<HttpRoute>().get_opt("shop.main").await;
    [
        route.unwrap().is_some(),
        service.unwrap().is_some(),
        !workloads.is_empty(),
        anchor.unwrap().is_some(),
        owner.unwrap().is_some(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_in_the_background_everything_goes_in_order() {
    order_of(PropagationPolicy::Background).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_in_the_foreground_everything_goes_in_order() {
    order_of(PropagationPolicy::Foreground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_as_an_orphan_everything_goes_in_order() {
    order_of(PropagationPolicy::Orphan).await;
}

fn alias(scope: &Scope, name: &str, version: u32) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Alias",
        "metadata": {"name": name},
        "spec": {
            "app": "shop",
            "repository": "main",
            "version": version,
            "rollbackWindow": "0s",
            "routes": [{"hostnames": [scope.hostname(name)], "gateway": {"name": "web", "namespace": "default"}}],
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_alias_shares_stays_when_the_deployment_is_deleted() {
    let scope = serving("shared").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope.until_ready("shop").await;
    scope.apply(alias(&scope, "stage", 1)).await;
    scope.until_alias_ready("stage").await;
    let pods = scope.pods("shop", 1).await;
    let wanted = [(1, 10_000)].into();
    assert_eq!(scope.weights_of("shop", "shop.stage.main").await, wanted);

    scope.delete("shop", &DeleteParams::foreground()).await;
    scope.until_gone("shop", SOON).await;
    scope.until_workloads("shop", &["shop-v1-web"]).await;
    assert!(scope.weights("shop").await.is_empty());
    stays(
        "the pods of the Alias",
        AWHILE,
        (pods, wanted),
        async || {
            let weights = scope.weights_of("shop", "shop.stage.main").await;
            (scope.pods("shop", 1).await, weights)
        },
    )
    .await;

    let api = scope.api::<Alias>();
    api.delete("stage", &DeleteParams::foreground())
        .await
        .unwrap();
    wait_for("the Alias gone, and all with it", SOON, async || {
        let there = seen(&scope).await;
        let alias = api.get_opt("stage").await.unwrap().is_some();
        if there == [false; 5] && !alias {
            Ok(())
        } else {
            Err(format!("{there:?} {alias}"))
        }
    })
    .await;
}
