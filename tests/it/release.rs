//! The main job: publish, deploy, shift, and what is made on the way.

use std::time::{Duration, Instant};

use cutwater::api::gateway::HttpRoute;
use serde_json::json;

use crate::lab::controller::SETTLE;
use crate::lab::releases::IMAGE;
use crate::lab::{Lab, SOON, Scope};

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

/// Each backend of the rule that any request meets, and its weight.
async fn backends(scope: &Scope) -> Vec<(String, u32)> {
    let route = scope.api::<HttpRoute>().get("shop.main").await.unwrap();
    let backends = route.spec.rules[0].backend_refs.iter();
    let backends = backends.map(|backend| (backend.name.clone(), backend.weight.unwrap()));
    backends.collect()
}

/// A route that is to reach another function names it first, gives it the share, and takes the old name away last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_goes_to_another_function_in_three_writes() {
    let scope = Lab::shared().scope("function").await;
    let function = |name: &str| format!("  - {{name: {name}, port: 8080, image: '{IMAGE}'}}\n");
    let app = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: shop}}\nspec:\n  functions:\n{}{}",
        function("web"),
        function("api")
    );
    scope.releases.write("apps/shop/app.yaml", &app);
    assert_eq!(scope.releases.publish_written("shop"), 1);
    let to = async |function: &str| {
        let route = json!({
            "hostnames": [scope.hostname("shop")], "function": function,
            "gateway": {"name": "web", "namespace": "default"},
        });
        let more = json!({"routes": [route]});
        scope.deploy_with("shop", &[(1, 100.0)], more).await;
    };
    to("web").await;
    scope.until_ready("shop").await;
    let mut seen = vec![backends(&scope).await];
    let begun = Instant::now();
    to("api").await;
    let of = |name: &str, weight: u32| (format!("shop-v1-{name}"), weight);
    let last = vec![of("api", 10_000)];
    while seen.last() != Some(&last) {
        let now = backends(&scope).await;
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        assert!(begun.elapsed() < SOON, "{seen:?}");
    }
    let steps = vec![
        vec![of("web", 10_000)],
        vec![of("web", 10_000), of("api", 0)],
        vec![of("api", 10_000), of("web", 0)],
        last,
    ];
    assert_eq!(seen, steps);
    // Each of the two that matter waits for the settle delay.
    let settle = Duration::from_secs(SETTLE);
    assert!(begun.elapsed() >= settle * 2, "{:?}", begun.elapsed());
    scope.until_ready("shop").await;
    scope.stays_put("shop").await;
}
