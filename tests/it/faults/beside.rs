//! A Deployment and an Alias of one app: neither says what is only so of the other, and neither goes back to what only the other served.

use std::collections::BTreeSet;
use std::time::Duration;

use cutwater::api::Alias;
use serde_json::{Value, json};

use crate::lab::gateway::Answer;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

fn stage(scope: &Scope, canary: Option<u32>) -> Value {
    let mut alias = super::held::alias(scope);
    if let Some(version) = canary {
        alias["spec"]["canary"] = json!({"version": version, "percentage": 10});
    }
    alias
}

/// Status and reason of each condition of the Alias.
async fn says(scope: &Scope) -> BTreeSet<String> {
    let object = scope.api::<Alias>().get("stage").await.unwrap();
    let conditions = object.status.unwrap_or_default().conditions;
    let line = |type_: &str, status: &str, reason: &str| format!("{type_}={status} ({reason})");
    (conditions.iter())
        .map(|it| line(&it.type_, &it.status, &it.reason))
        .collect()
}

/// Two versions; the Alias serves the first, and is ready and at rest.
async fn staged(name: &str) -> Scope {
    let scope = Lab::shared().scope(name).await;
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    scope.apply(stage(&scope, None)).await;
    scope.until_alias_ready("stage").await;
    scope
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_of_the_deployment_leaves_the_alias_ready() {
    let scope = staged("beside-shift").await;
    let calm = says(&scope).await;
    assert!(calm.contains("Ready=True (Succeeded)"), "{calm:?}");
    let shift = async {
        for versions in [[(1, 100.0)], [(2, 100.0)], [(1, 100.0)]] {
            scope.deploy("shop", &versions).await;
            scope.until_ready("shop").await;
        }
    };
    let watched = async {
        let hour = Duration::from_hours(1);
        stays("what the Alias says", hour, calm, async || {
            says(&scope).await
        })
        .await;
    };
    tokio::select! {
        () = shift => {}
        () = watched => unreachable!("the shift takes no hour"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_of_the_deployment_cannot_be_written_stalls_no_alias() {
    let scope = staged("beside-refused").await;
    let calm = says(&scope).await;
    // A route of the Deployment, and a Service of a version that the Alias does not list.
    scope
        .apply(json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "shop.main"},
            "spec": {"hostnames": ["mine.test"], "parentRefs": [{"name": "mine"}]},
        }))
        .await;
    scope
        .apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-v2-web"},
            "spec": {"ports": [{"port": 1}]},
        }))
        .await;
    for version in [1, 2] {
        scope.deploy("shop", &[(version, 100.0)]).await;
        let object = ["HTTPRoute `shop.main`", "Service `shop-v2-web`"][version as usize - 1];
        wait_for(&format!("{object} to be said"), SOON, async || {
            let said = scope.conditions("shop").await;
            if said.contains("Stalled=True") && said.contains(object) {
                Ok(())
            } else {
                Err(said)
            }
        })
        .await;
        stays(
            "what the Alias says",
            Duration::from_secs(2),
            calm.clone(),
            async || says(&scope).await,
        )
        .await;
    }
}

/// Past a gateway that says nothing an owner goes back only to what its own routes served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_of_an_alias_is_not_promoted_past_a_silent_gateway() {
    let lab = Lab::shared();
    let scope = staged("beside-silent").await;
    scope.releases.publish("shop", "");
    scope.apply(stage(&scope, Some(3))).await;
    wait_for("the canary", SOON, async || {
        let weights = scope.weights_of("shop", "shop.stage.main").await;
        if weights == [(1, 9_000), (3, 1_000)].into() {
            Ok(())
        } else {
            Err(format!("{weights:?}"))
        }
    })
    .await;
    let more = json!({"progressDeadline": "10s", "rollbackWindow": "1h"});
    let split = [(1, 90.0), (2, 10.0)];
    scope.deploy_with("shop", &split, more.clone()).await;
    let weights = [(1, 9_000), (2, 1_000)];
    scope.until_weights("shop", &weights).await;
    scope.until_ready("shop").await;
    lab.accepter.set(&scope.namespace, Answer::Silence);
    scope.deploy_with("shop", &[(3, 100.0)], more).await;
    scope.until_named("shop", 3).await;
    let deadline = Duration::from_secs(13);
    stays("the split", deadline, weights.into(), async || {
        scope.weights("shop").await
    })
    .await;
    lab.accepter.set(&scope.namespace, Answer::Accept);
    scope.until_weights("shop", &[(3, 10_000)]).await;
}
