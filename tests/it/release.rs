//! The main job: publish, deploy, shift, and what is made on the way.

use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_get_the_shares_that_a_deployment_says() {
    let lab = Lab::shared();
    let scope = lab.scope("split").await;
    let first = scope.releases.publish("checkout", "scale: {min: 2}");
    scope.deploy("checkout", &[(first, 100.0)]).await;
    scope.until_weights("checkout", &[(1, 10_000)]).await;
    scope.until_ready("checkout").await;

    let second = scope.releases.publish("checkout", "scale: {min: 2}");
    assert_eq!((first, second), (1, 2));
    scope.deploy("checkout", &[(1, 90.0), (2, 10.0)]).await;
    scope
        .until_weights("checkout", &[(1, 9_000), (2, 1_000)])
        .await;
    scope.until_ready("checkout").await;
    assert_eq!(
        scope.workloads("checkout").await,
        ["checkout-v1-web", "checkout-v2-web"]
    );

    scope.deploy("checkout", &[(2, 100.0)]).await;
    scope.until_weights("checkout", &[(2, 10_000)]).await;
    scope
        .until_workloads("checkout", &["checkout-v2-web"])
        .await;
    scope.until_ready("checkout").await;
}
