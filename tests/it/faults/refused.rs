//! Objects that can never be written: what does not depend on them goes on.

use cutwater::api::Deployment;
use kube::api::DeleteParams;
use serde_json::json;

use crate::lab::{Lab, SOON};
use crate::support::wait_for;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_refused_keeps_no_old_version_and_no_owner() {
    let scope = Lab::shared().scope("refused").await;
    scope
        .apply(json!({
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-budgets"},
            "spec": {"hard": {"count/poddisruptionbudgets.policy": "0"}},
        }))
        .await;
    wait_for("the quota to act", SOON, async || {
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "probe"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "none"}}},
        });
        if scope.try_apply(budget).await.is_err() {
            return Ok(());
        }
        let api = scope.api::<k8s_openapi::api::policy::v1::PodDisruptionBudget>();
        let _ = api.delete("probe", &DeleteParams::default()).await;
        Err("a budget is taken")
    })
    .await;
    for number in 1..=2 {
        scope
            .releases
            .publish("shop", "scale: {min: 1, maxUnavailable: 1}");
        scope.deploy("shop", &[(number, 100.0)]).await;
        scope.until_weights("shop", &[(number, 10_000)]).await;
        scope
            .until_workloads("shop", &[&format!("shop-v{number}-web")])
            .await;
    }
    let message = scope
        .until_condition("shop", "Stalled", "True", "ApiServerRefused")
        .await;
    assert!(message.contains("no-budgets"), "{message}");
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_gone("shop", SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_holds_back_no_deletion() {
    let scope = Lab::shared().scope("refused-name").await;
    scope
        .apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-v1-web"},
            "spec": {"ports": [{"port": 1}]},
        }))
        .await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope
        .until_condition("shop", "Stalled", "True", "NameTaken")
        .await;
    scope.until_workloads("shop", &["shop-v1-web"]).await;
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_gone("shop", SOON).await;
    scope.until_workloads("shop", &[]).await;
    let found = scope.api::<Deployment>().get_opt("shop").await.unwrap();
    assert!(found.is_none());
}
