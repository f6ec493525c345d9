//! The controller is killed at any moment, and started again, with git in reach and with git away.

use std::time::Duration;

use cutwater::api::gateway::HttpRoute;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::lab::{Controller, Lab, SOON, Scope};
use crate::support::wait_for;

/// Moments to kill it at: any, but the same in each run.
struct Moments(u64);

impl Moments {
    /// Between nothing and a bit more than a whole shift takes.
    fn next(&mut self) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Half of them in the first moments, where most is written.
        let within = if self.0 & (1 << 40) == 0 { 400 } else { 4_500 };
        Duration::from_millis((self.0 >> 33) % within)
    }
}

/// Everything that is there of the app, by kind and name.
async fn inventory(scope: &Scope) -> Vec<String> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=cutwater");
    let mut all = Vec::new();
    let mut add = |kind: &str, names: Vec<String>| {
        all.extend(names.into_iter().map(|name| format!("{kind} {name}")));
    };
    let routes = scope.api::<HttpRoute>().list(&ours).await.unwrap();
    add("route", routes.iter().map(ResourceExt::name_any).collect());
    let services = scope.api::<Service>().list(&ours).await.unwrap();
    add(
        "service",
        services.iter().map(ResourceExt::name_any).collect(),
    );
    let workloads = scope.api::<Workload>().list(&ours).await.unwrap();
    add(
        "workload",
        workloads.iter().map(ResourceExt::name_any).collect(),
    );
    let maps = scope.api::<ConfigMap>().list(&ours).await.unwrap();
    add("map", maps.iter().map(ResourceExt::name_any).collect());
    all
}

async fn until_inventory(scope: &Scope, versions: &[u32]) {
    let mut wanted = Vec::new();
    if !versions.is_empty() {
        wanted.push("route shop.main".to_owned());
        for kind in ["service", "workload"] {
            wanted.extend(versions.iter().map(|v| format!("{kind} shop-v{v}-web")));
        }
        wanted.push("map shop.cutwater.dev".to_owned());
    }
    wait_for(&format!("exactly {wanted:?}"), SOON, async || {
        let seen = inventory(scope).await;
        if seen == wanted {
            Ok(())
        } else {
            Err(format!("{seen:?}; {}", scope.conditions("shop").await))
        }
    })
    .await;
}

async fn killed_after(controller: &mut Controller, moment: Duration) {
    tokio::time::sleep(moment).await;
    controller.kill();
    controller.again();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_ends_where_it_was_to() {
    let mut lab = Lab::lent();
    let scope = lab.scope("killed").await;
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    let mut moments = Moments(7);
    for round in 0..10 {
        let moment = moments.next();
        eprintln!("round {round}: killed after {moment:?}");
        if round % 5 == 4 {
            scope.delete("shop", &DeleteParams::background()).await;
            killed_after(&mut lab.controller, moment).await;
            scope.until_gone("shop", SOON).await;
            until_inventory(&scope, &[]).await;
            continue;
        }
        let version = 1 + round % 2;
        scope.deploy("shop", &[(version, 100.0)]).await;
        killed_after(&mut lab.controller, moment).await;
        scope.until_weights("shop", &[(version, 10_000)]).await;
        until_inventory(&scope, &[version]).await;
        scope.until_ready("shop").await;
        assert_eq!(scope.pods("shop", version).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_git_away_it_goes_on_from_the_records() {
    let mut lab = Lab::lent();
    let scope = lab.scope("killed-away").await;
    scope.releases.publish("shop", "scale: {min: 2}");
    scope.releases.publish("shop", "scale: {min: 2}");
    let window = json!({"rollbackWindow": "1h"});
    scope
        .deploy_with("shop", &[(1, 50.0), (2, 50.0)], window.clone())
        .await;
    scope.until_ready("shop").await;
    let away = scope.releases.remote().with_extension("away");
    std::fs::rename(scope.releases.remote(), &away).unwrap();

    // Rollback among versions that have pods.
    let mut moments = Moments(11);
    for round in 0..4 {
        let version = 1 + round % 2;
        let moment = moments.next();
        eprintln!("round {round}: killed after {moment:?}");
        scope
            .deploy_with("shop", &[(version, 100.0)], window.clone())
            .await;
        tokio::time::sleep(moment).await;
        lab.controller.kill();
        lab.controller.forget();
        lab.controller.again();
        scope.until_weights("shop", &[(version, 10_000)]).await;
        scope.until_ready("shop").await;
        until_inventory(&scope, &[1, 2]).await;
    }

    // A workload that is deleted by hand is made again from the record.
    scope
        .deploy_with("shop", &[(1, 50.0), (2, 50.0)], window)
        .await;
    scope.until_ready("shop").await;
    lab.controller.kill();
    lab.controller.forget();
    lab.controller.again();
    // Killed between status and event, it has said it without an event.
    scope
        .until_repository_is("main", "False", "NotARepository")
        .await;
    scope
        .api::<Workload>()
        .delete("shop-v1-web", &DeleteParams::background())
        .await
        .unwrap();
    until_inventory(&scope, &[1, 2]).await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
    assert_eq!(scope.pods("shop", 1).await.len(), 2);

    // Drain, and then the end.
    scope.deploy("shop", &[(2, 100.0)]).await;
    until_inventory(&scope, &[2]).await;
    scope.until_ready("shop").await;
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_gone("shop", SOON).await;
    until_inventory(&scope, &[]).await;
}
