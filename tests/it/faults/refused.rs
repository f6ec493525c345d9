//! Objects that can never be written: what does not depend on them goes on.

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::lab::faults::AWHILE;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
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

/// What that policy says.
const FROZEN: &str = "this hostname is frozen";

/// An admission policy by which the HTTPRoute of this name in the namespace cannot be changed.
fn frozen(scope: &Scope, route: &str) -> Value {
    let name = format!("frozen-{}", scope.namespace);
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["gateway.networking.k8s.io"], "apiVersions": ["*"],
                    "operations": ["UPDATE"], "resources": ["httproutes"],
                }]},
                "matchConditions": [{
                    "name": "this-one",
                    "expression": format!("request.namespace == '{}' && request.name == '{route}'", scope.namespace),
                }],
                "validations": [{"expression": "false", "message": FROZEN}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]})
}

/// The route that cannot be written keeps what it gives; the others go on without it, also by another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_refused_holds_up_no_other_one() {
    let mut lab = Lab::lent();
    let scope = lab.scope("refused-route").await;
    let route = |name: &str| {
        let hostname = format!("{name}.{}.test", scope.namespace);
        json!({"name": name, "hostnames": [hostname], "gateway": {"name": "web", "namespace": "default"}})
    };
    let two = json!({"routes": [route("main"), route("another")]});
    for number in 1..=3 {
        scope.releases.publish("shop", "");
        if number < 3 {
            let whole = [(number, 100.0)];
            scope.deploy_with("shop", &whole, two.clone()).await;
            scope.until_ready("shop").await;
        }
    }
    let file = lab.server.directory().join("frozen-route.json");
    let policy = frozen(&scope, "shop.another");
    std::fs::write(&file, policy.to_string()).unwrap();
    let file = file.to_str().unwrap();
    assert!(lab.server.kubectl(&["apply", "-f", file]).status.success());
    wait_for("the policy to act", SOON, async || {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let note = json!({"metadata": {"annotations": {"note": "dry"}}});
        let routes = scope.api::<HttpRoute>();
        let written = routes
            .patch("shop.another", &params, &Patch::Merge(&note))
            .await;
        match written {
            Err(kube::Error::Api(refusal)) if refusal.message.contains(FROZEN) => Ok(()),
            other => Err(format!("{:?}", other.map(|_| "the write is let through"))),
        }
    })
    .await;
    // Forward to a version that no route names, and back to one whose name is gone.
    for version in [3, 1] {
        scope
            .deploy_with("shop", &[(version, 100.0)], two.clone())
            .await;
        scope.until_weights("shop", &[(version, 10_000)]).await;
        let message = scope
            .until_condition("shop", "Ready", "False", "ApiServerRefused")
            .await;
        assert!(message.contains(FROZEN), "{message}");
        let stays = scope.weights_of("shop", "shop.another").await;
        assert_eq!(stays.into_iter().collect::<Vec<_>>(), [(2, 10_000)]);
        assert!(
            scope
                .workloads("shop")
                .await
                .contains(&"shop-v2-web".to_owned())
        );
    }
    // The route that is refused comes first by its name, and gives version 2.
    let kept = ["shop-v1-web", "shop-v2-web"];
    scope.until_workloads("shop", &kept).await;
    let main = async || {
        let route = scope.api::<HttpRoute>().get("shop.main").await.unwrap();
        (route.metadata.generation, scope.weights("shop").await)
    };
    let before = main().await;
    let attempts = |log: &str| log.matches(FROZEN).count();
    let earlier = attempts(&lab.controller.whole_log());
    lab.controller.kill();
    lab.controller.again();
    wait_for("an attempt of the new process", SOON, async || {
        let now = attempts(&lab.controller.whole_log());
        if now > earlier { Ok(()) } else { Err("none") }
    })
    .await;
    stays("shop.main", AWHILE, before.clone(), main).await;
    assert!(lab.server.kubectl(&["delete", "-f", file]).status.success());
    // It names the version first, and gives it a share after the settle delay.
    let seen = std::sync::Mutex::new(Vec::new());
    wait_for("the share in that route, too", SOON, async || {
        assert_eq!(main().await, before, "it is as it is to be");
        let route = scope.api::<HttpRoute>().get("shop.another").await.unwrap();
        let backends = route.spec.rules[0].backend_refs.iter();
        let weights: Vec<(String, u32)> = backends
            .map(|backend| (backend.name.clone(), backend.weight.unwrap_or(1)))
            .collect();
        let is_done = weights.contains(&("shop-v1-web".to_owned(), 10_000));
        seen.lock().unwrap().push(weights.clone());
        if is_done {
            Ok(())
        } else {
            Err(format!("{weights:?}"))
        }
    })
    .await;
    let seen = seen.into_inner().unwrap();
    let named = ("shop-v1-web".to_owned(), 0);
    assert!(
        seen.iter().any(|weights| weights.contains(&named)),
        "{seen:?}"
    );
    scope.until_ready("shop").await;
}
