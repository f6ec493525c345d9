//! The API server goes away in the middle of a shift, and comes back.

use crate::lab::Lab;
use serde_json::json;

use crate::lab::faults::AWHILE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_goes_on_after_the_api_server_was_away() {
    let mut lab = Lab::own();
    let scope = lab.scope("restart").await;
    scope.releases.publish("shop", "scale: {min: 2}");
    scope.releases.publish("shop", "scale: {min: 2}");
    let window = json!({"rollbackWindow": "1h"});
    let deploy = async |versions: &[(u32, f64)], more: &serde_json::Value| {
        scope.deploy_with("shop", versions, more.clone()).await;
    };
    deploy(&[(1, 50.0), (2, 50.0)], &window).await;
    scope.until_ready("shop").await;
    // Both have pods: Kubernetes' own controllers take up to half a minute to come back, and nothing here waits for them.
    for version in [2, 1] {
        deploy(&[(version, 100.0)], &window).await;
        lab.own_server().stop_apiserver();
        // Away for longer than settle and drain delays together: nothing may be decided by their having passed.
        tokio::time::sleep(AWHILE).await;
        lab.own_server().start_apiserver();
        scope.until_weights("shop", &[(version, 10_000)]).await;
        scope.until_ready("shop").await;
    }
    assert_eq!(
        scope.workloads("shop").await,
        ["shop-v1-web", "shop-v2-web"]
    );
    deploy(&[(1, 100.0)], &json!({})).await;
    lab.own_server().restart_apiserver();
    scope.until_workloads("shop", &["shop-v1-web"]).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_ready("shop").await;
    scope.stays_put("shop").await;
    let starts = lab.controller.whole_log();
    let starts = starts.matches("the controller is running").count();
    assert_eq!(starts, 1, "it lived through it");
}
