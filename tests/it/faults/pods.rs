//! Pods that never become ready, and pods that cease to be.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use crate::lab::{Lab, SOON, Scope};
use crate::support::wait_for;

/// An app with v1 serving, half of whose traffic is wanted for a v2 with marked pods. Returns what was said before that.
async fn half_wanted(scope: &Scope, app: &str, mark: &str) -> BTreeMap<String, i32> {
    scope.releases.publish(app, "");
    scope.deploy(app, &[(1, 100.0)]).await;
    scope.until_ready(app).await;
    let env = format!("env: [{{name: TEST_POD, value: {mark}}}]");
    scope.releases.publish(app, &env);
    let events = scope.events(app).await;
    scope.deploy(app, &[(1, 50.0), (2, 50.0)]).await;
    events
}

/// The pods are named with their trouble, get nothing, and get their share once they are ready.
async fn never_served(mark: &str, reason: &str, words: &str) {
    let scope = Lab::shared().scope(mark).await;
    let before = half_wanted(&scope, "shop", mark).await;
    scope
        .until_condition("shop", "WorkloadsReady", "False", reason)
        .await;
    scope
        .until_condition("shop", "Ready", "False", reason)
        .await;
    // The first message may be of a pod that nobody has started yet.
    let message = wait_for(words, SOON, async || {
        let condition = scope.condition("shop", "WorkloadsReady").await.unwrap();
        if condition.message.contains(words) {
            Ok(condition.message)
        } else {
            Err(condition.message)
        }
    })
    .await;
    let pod = &scope.pods("shop", 2).await[0];
    assert!(message.contains(pod), "{pod} is not in: {message}");
    assert!(message.contains("v2 web: 0 of 1 pods ready"), "{message}");
    if reason != "WaitingForPods" {
        // To wait for pods is a step of any release: that is no event.
        scope.until_event("shop", reason).await;
    }
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    let times = |said: &BTreeMap<String, i32>| said.get(reason).copied().unwrap_or(0);
    let times = times(&scope.events("shop").await) - times(&before);
    assert!(times <= 1, "{reason} was said {times} times");
    scope.mark_pods("shop", 2, "ready").await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_cannot_be_pulled_gets_no_traffic() {
    never_served(
        "image-pull-error",
        "ImagePullFailed",
        "ErrImagePull: failed to pull",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_crash_get_no_traffic() {
    never_served("crash", "PodsCrashing", "CrashLoopBackOff").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_never_become_ready_get_no_traffic() {
    never_served(
        "stay-unready",
        "WaitingForPods",
        "its readiness probe does not succeed",
    )
    .await;
}

/// With nothing to fall back to: there is no route, and the reason is the pods'.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_version_that_crashes_is_said_as_that() {
    let scope = Lab::shared().scope("first-crash").await;
    scope
        .releases
        .publish("shop", "env: [{name: TEST_POD, value: crash}]");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope
        .until_fault("shop", "WorkloadsReady", "PodsCrashing")
        .await;
    scope
        .until_condition("shop", "RoutesAccepted", "False", "NothingReady")
        .await;
    scope.stays_put("shop").await;
    assert!(scope.weights("shop").await.is_empty());
    scope.mark_pods("shop", 1, "ready").await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_ready("shop").await;
}

/// v1 and v2 serve half of the traffic each.
async fn halves(scope: &Scope, more: serde_json::Value) {
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    scope
        .deploy_with("shop", &[(1, 50.0), (2, 50.0)], more)
        .await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_served_version_that_loses_its_pods_lends_its_share() {
    let scope = Lab::shared().scope("loss").await;
    halves(&scope, json!({})).await;
    scope.mark_pods("shop", 2, "stay-unready").await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    let message = scope
        .until_fault("shop", "WorkloadsReady", "WaitingForPods")
        .await;
    assert!(message.contains("v2 web: 0 of 1 pods ready"), "{message}");
    let message = scope
        .until_condition("shop", "Converged", "False", "Progressing")
        .await;
    assert!(message.contains("v2 has no ready pod of web"), "{message}");
    scope.stays_put("shop").await;
    scope.mark_pods("shop", 2, "ready").await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;

    // All of them: there is nobody to lend to, and the last split stays.
    scope.mark_pods("shop", 1, "stay-unready").await;
    scope.until_weights("shop", &[(2, 10_000)]).await;
    scope.mark_pods("shop", 2, "stay-unready").await;
    wait_for("both versions to be named", SOON, async || {
        let message = scope
            .condition("shop", "WorkloadsReady")
            .await
            .unwrap()
            .message;
        if message.contains("v1 web: 0 of") && message.contains("v2 web: 0 of") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(2, 10_000)].into());
    scope.mark_pods("shop", 1, "ready").await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.mark_pods("shop", 2, "ready").await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_is_held_stays_with_the_version_that_lost_its_pods() {
    let scope = Lab::shared().scope("hold").await;
    halves(&scope, json!({"onLoss": "hold"})).await;
    scope.mark_pods("shop", 2, "stay-unready").await;
    scope
        .until_fault("shop", "WorkloadsReady", "WaitingForPods")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 5_000), (2, 5_000)].into());
    scope.mark_pods("shop", 2, "ready").await;
    scope.until_ready("shop").await;
}

/// A namespace in which no more than so many pods may be.
async fn quota(scope: &Scope, pods: u32) {
    scope
        .apply(json!({
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "pods"},
            "spec": {"hard": {"pods": pods.to_string()}},
        }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_named_in_its_own_words_and_the_old_version_gives_way_where_it_can() {
    let lab = Lab::shared();
    let soon = json!({"progressDeadline": "10s"});
    let stuck = async {
        let scope = lab.scope("quota").await;
        quota(&scope, 1).await;
        scope.releases.publish("shop", "");
        scope.deploy_with("shop", &[(1, 100.0)], soon.clone()).await;
        scope.until_ready("shop").await;
        scope.releases.publish("shop", "");
        scope.deploy_with("shop", &[(2, 100.0)], soon.clone()).await;
        let message = scope
            .until_condition("shop", "Stalled", "True", "PodsRefused")
            .await;
        assert!(message.contains("exceeded quota"), "{message}");
        assert!(message.contains("raise the limit"), "{message}");
        assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
        // Kubernetes tries a refused pod ever more rarely, but at once where this changes: it says that there is one pod of the app.
        let sets = scope.api::<ReplicaSet>();
        wait_for("the number of other pods", SOON, async || {
            let sets = sets.list(&ListParams::default()).await.unwrap();
            let told = |set: &ReplicaSet| set.annotations().get("cutwater.dev/other-pods").cloned();
            let told: Vec<String> = sets.iter().filter_map(told).collect();
            if told == ["1"] {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
        quota(&scope, 2).await;
        scope.until_weights("shop", &[(2, 10_000)]).await;
        scope.until_ready("shop").await;
    };
    let steps = async {
        let scope = lab.scope("quota-steps").await;
        quota(&scope, 4).await;
        scope.releases.publish("shop", "scale: {min: 3}");
        scope.deploy_with("shop", &[(1, 100.0)], soon.clone()).await;
        scope.until_ready("shop").await;
        scope.releases.publish("shop", "scale: {min: 3}");
        scope.deploy_with("shop", &[(2, 100.0)], soon.clone()).await;
        scope
            .until_condition("shop", "WorkloadsReady", "False", "PodsRefused")
            .await;
        scope.until_weights("shop", &[(2, 10_000)]).await;
        scope.until_ready("shop").await;
    };
    tokio::join!(stuck, steps);
}
