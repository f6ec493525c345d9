//! One app harms no other: not by what its objects hold, not by its git server, not by a fault that it brings to light.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::lab::faults::AWHILE;
use crate::lab::versions::{self, Recipe};
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

const EACH: usize = 20;

/// Puts something into the memory of an app, as its anchor holds it.
async fn remember(scope: &Scope, app: &str, change: impl Fn(&mut Value)) {
    let maps = scope.api::<ConfigMap>();
    let name = format!("{app}.cutwater.dev");
    let anchor = maps.get(&name).await.unwrap();
    let mut memory: Value = serde_json::from_str(&anchor.data.unwrap()["memory"]).unwrap();
    change(&mut memory);
    let edit = json!({"data": {"memory": memory.to_string()}});
    let params = PatchParams::default();
    maps.patch(&name, &params, &Patch::Merge(&edit))
        .await
        .unwrap();
}

/// A server that takes connections and never says a word.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    port
}

/// How long it takes from the wish for a first version to its route.
async fn first_version(scope: &Scope, app: &str) -> Duration {
    scope.releases.publish(app, "");
    let start = Instant::now();
    scope.deploy(app, &[(1, 100.0)]).await;
    let (routes, route) = (scope.api::<HttpRoute>(), format!("{app}.main"));
    wait_for(&route, SOON, async || routes.get_opt(&route).await.unwrap()).await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_full_of_faults_costs_another_one_nothing() {
    let mut lab = Lab::own();
    lab.controller.kill();
    lab.controller.environment = vec!["CUTWATER_TEST_PANIC=doomed".to_owned()];
    lab.controller.again();
    let (bad, good) = (lab.scope("bad").await, lab.scope("good").await);
    let calm = first_version(&good, "calm").await;

    let apps = |what: &str| -> Vec<String> { (0..EACH).map(|n| format!("{what}{n}")).collect() };
    let all = [apps("poisoned"), apps("refused"), vec!["doomed".to_owned()]].concat();
    versions::import(&bad.releases.remote(), &all, &[1], &Recipe::default());
    for app in &all {
        if app.starts_with("refused") {
            bad.apply(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("{app}-v1-web")},
                "spec": {"ports": [{"port": 80}]},
            }))
            .await;
        }
        bad.deploy(app, &[(1, 100.0)]).await;
    }
    for app in apps("poisoned") {
        bad.until_ready(&app).await;
        let worse = |memory: &mut Value| {
            memory["versions"]["1"]["released"] = json!("9999-12-30T22:00:00Z");
            memory["gone"] = json!({"cwd/nobody": "9999-12-30T22:00:00Z"});
        };
        remember(&bad, &app, worse).await;
    }
    for number in 0..EACH {
        let scheme = if number % 2 == 0 { "http" } else { "https" };
        let url = format!("{scheme}://127.0.0.1:{}/shop.git", silent());
        bad.apply(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository",
            "metadata": {"name": format!("silent{number}")}, "spec": {"url": url, "interval": "5s"},
        }))
        .await;
    }
    let message = bad
        .until_condition("doomed", "Ready", "Unknown", "Unknown")
        .await;
    assert!(
        message.contains("the controller failed on this app"),
        "{message}"
    );
    bad.until_event("doomed", "Unknown").await;
    bad.until_condition("refused0", "Ready", "False", "NameTaken")
        .await;

    let beside = first_version(&good, "beside").await;
    println!("a first version: {calm:?} before, {beside:?} beside the faults");
    assert!(
        beside < calm + Duration::from_secs(2),
        "{calm:?} before, {beside:?} beside"
    );
    good.until_ready("beside").await;
    // Those that were poisoned are well, and whoever keeps silent is said to.
    for app in apps("poisoned") {
        bad.until_ready(&app).await;
    }
    let silence = "no answer within 20 s";
    wait_for("a silent server to be said", SOON * 2, async || {
        let said = bad.repository_says("silent0").await;
        if said.contains(silence) {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    bad.until_condition("doomed", "Ready", "Unknown", "Unknown")
        .await;
    assert!(
        !lab.controller
            .whole_log()
            .contains("a part of the controller ended")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_is_lost_is_said_and_takes_no_pods() {
    let scope = Lab::shared().scope("memory").await;
    let window = json!({"rollbackWindow": "1h"});
    for number in 1..=2 {
        scope.releases.publish("shop", "");
        scope
            .deploy_with("shop", &[(number, 100.0)], window.clone())
            .await;
        scope.until_ready("shop").await;
    }
    let both = vec!["shop-v1-web".to_owned(), "shop-v2-web".to_owned()];
    assert_eq!(scope.workloads("shop").await, both);
    // Whoever thinks of going back sees what is there for it.
    let object = scope.api::<Deployment>().get("shop").await.unwrap();
    let serving = object.status.unwrap().serving.into_iter();
    let serving: Vec<_> = serving
        .map(|one| {
            (
                one.number.get(),
                one.percentage.basis_points(),
                one.ready_replicas,
            )
        })
        .collect();
    assert_eq!(serving, [(2, 10_000, 1), (1, 0, 1)]);
    // As a newer program might have written it.
    let newer = |memory: &mut Value| memory["versions"]["1"]["served"] = json!("since noon");
    remember(&scope, "shop", newer).await;
    scope.until_event("shop", "MemoryLost").await;
    remember(&scope, "shop", |memory| *memory = json!({})).await;
    stays(
        "the pods of both",
        AWHILE + Duration::from_secs(2),
        both,
        async || scope.workloads("shop").await,
    )
    .await;
    // It counts from now on, and is no later than now.
    remember(&scope, "shop", |memory| {
        memory["versions"]["1"]["released"] = json!("2999-01-01T00:00:00Z");
    })
    .await;
    wait_for("a time that has come", SOON, async || {
        let anchor = scope
            .api::<ConfigMap>()
            .get("shop.cutwater.dev")
            .await
            .unwrap();
        let memory: Value = serde_json::from_str(&anchor.data.unwrap()["memory"]).unwrap();
        let released = memory["versions"]["1"]["released"]
            .as_str()
            .unwrap_or("none");
        match released.parse::<Timestamp>() {
            Ok(time) if time <= Timestamp::now() => Ok(()),
            _ => Err(released.to_owned()),
        }
    })
    .await;
    scope
        .deploy_with("shop", &[(2, 100.0)], json!({"rollbackWindow": "0s"}))
        .await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_repositories_for_one_app_never_meet() {
    let lab = Lab::shared();
    let (scope, other) = (lab.scope("two").await, lab.scope("two-other").await);
    scope.releases.publish("shop", "");
    other.releases.publish("shop", "");
    scope
        .apply(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "other"},
            "spec": {"url": other.releases.url(), "interval": "5s"},
        }))
        .await;
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    let stage = json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias", "metadata": {"name": "stage"},
        "spec": {
            "app": "shop", "repository": "other", "version": 1,
            "routes": [{"hostnames": [scope.hostname("stage")], "gateway": {"name": "web", "namespace": "default"}}],
        },
    });
    scope.apply(stage).await;
    scope.until_event("stage", "RepositoryConflict").await;
    assert!(scope.weights_of("shop", "shop.stage.main").await.is_empty());
    // The older one goes on as if it were alone.
    scope.stays_put("shop").await;
    scope.until_ready("shop").await;
}
