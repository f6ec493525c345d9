//! What people change by hand is put right.

use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::lab::{Lab, SOON};
use crate::support::wait_for;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_or_deleted_by_hand_is_put_right() {
    let scope = Lab::shared().scope("drift").await;
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope.until_ready("shop").await;
    let half = [(1, 5_000), (2, 5_000)];
    let nobody = PatchParams::default();

    // Weights.
    let routes = scope.api::<HttpRoute>();
    let mut rules =
        serde_json::to_value(routes.get("shop.main").await.unwrap().spec.rules).unwrap();
    let last = rules.as_array_mut().unwrap().last_mut().unwrap();
    last["backendRefs"][0]["weight"] = json!(1);
    let edit = json!({"spec": {"rules": rules}});
    let edited = routes
        .patch("shop.main", &nobody, &Patch::Merge(&edit))
        .await;
    let rules = edited.unwrap().spec.rules;
    assert_eq!(rules.last().unwrap().backend_refs[0].weight, Some(1));
    scope.until_weights("shop", &half).await;

    // The whole route.
    routes
        .delete("shop.main", &DeleteParams::default())
        .await
        .unwrap();
    scope.until_weights("shop", &half).await;

    // A Service.
    let services = scope.api::<Service>();
    services
        .delete("shop-v2-web", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("the Service again", SOON, async || {
        services.get_opt("shop-v2-web").await.unwrap()
    })
    .await;
    scope.until_weights("shop", &half).await;

    // How many pods there are.
    let workloads = scope.api::<Workload>();
    let scale = json!({"spec": {"replicas": 3}});
    workloads
        .patch("shop-v1-web", &nobody, &Patch::Merge(&scale))
        .await
        .unwrap();
    wait_for("one pod of v1 again", SOON, async || {
        let workload = workloads.get("shop-v1-web").await.unwrap();
        match workload.spec.replicas {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // Its pods, and itself.
    workloads
        .delete("shop-v1-web", &DeleteParams::background())
        .await
        .unwrap();
    scope
        .until_workloads("shop", &["shop-v1-web", "shop-v2-web"])
        .await;
    scope.until_weights("shop", &half).await;
    scope.until_ready("shop").await;

    // The anchor: it owns nothing, and is made again with what it remembered.
    let anchor = async || {
        let anchor = scope.api::<ConfigMap>().get_opt("shop.cutwater.dev").await;
        anchor.unwrap().and_then(|map| map.data)
    };
    let before = anchor().await;
    let pods = (scope.pods("shop", 1).await, scope.pods("shop", 2).await);
    scope
        .api::<ConfigMap>()
        .delete("shop.cutwater.dev", &DeleteParams::foreground())
        .await
        .unwrap();
    wait_for("the anchor again", SOON, async || match anchor().await {
        again if again == before => Ok(()),
        again => Err(format!("{again:?}")),
    })
    .await;
    let now = (scope.pods("shop", 1).await, scope.pods("shop", 2).await);
    assert_eq!(now, pods, "no pod was started anew");
    scope.until_weights("shop", &half).await;
    scope.until_ready("shop").await;
    scope.stays_put("shop").await;

    // A Service of a version that only drains: the route names it still.
    let window = json!({"rollbackWindow": "1h"});
    scope.deploy_with("shop", &[(2, 100.0)], window).await;
    scope.until_weights("shop", &[(2, 10_000)]).await;
    services
        .delete("shop-v1-web", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("the Service of v1 again", SOON, async || {
        services.get_opt("shop-v1-web").await.unwrap()
    })
    .await;
    scope.until_ready("shop").await;
}

/// A release is under way that cannot end, and somebody deletes the route.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_deleted_during_a_release_comes_back_with_what_served() {
    let scope = Lab::shared().scope("drift-release").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    scope
        .releases
        .publish("shop", "env: [{name: TEST_POD, value: crash}]");
    scope.deploy("shop", &[(2, 100.0)]).await;
    scope
        .until_condition("shop", "WorkloadsReady", "False", "PodsCrashing")
        .await;
    let routes = scope.api::<HttpRoute>();
    let before = routes.get("shop.main").await.unwrap().metadata.uid;
    routes
        .delete("shop.main", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("another route", SOON, async || {
        let route = routes.get_opt("shop.main").await.unwrap()?;
        (route.metadata.uid != before).then_some(())
    })
    .await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    scope.mark_pods("shop", 2, "ready").await;
    scope.until_weights("shop", &[(2, 10_000)]).await;
    scope.until_ready("shop").await;
}
