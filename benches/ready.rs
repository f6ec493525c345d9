//! How long Deployments of new versions take to become ready, beside as many of apps/v1.

use std::time::Instant;

use cutwater::api::Deployment;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment as Workload;

use crate::bulk;
use crate::lab::versions;
use crate::say;
use crate::stage::{HUNDREDS, PATIENCE, Stage, memory, poke};
use crate::support::User;
use crate::table::Row;

/// Deployments of new versions to all ready, beside as many of apps/v1.
pub async fn measure(stage: &mut Stage, one: &str, app: &str) {
    stage.stop_controller();
    let served = plain(stage, true).await;
    let plain = plain(stage, false).await;
    stage.controller();
    poke(stage, one, app).await;
    stage.rest().await;
    let namespace = stage.namespace("ready").await;
    say(&format!(
        "{HUNDREDS} Deployments of new versions to all ready"
    ));
    let objects = (0..HUNDREDS)
        .map(|number| bulk::single(&versions::app(number), 1))
        .collect();
    let (since, start, used) = (
        Timestamp::now(),
        Instant::now(),
        stage.controller().processor(),
    );
    bulk::apply(&stage.client, &namespace, objects).await;
    let pods = stage
        .workloads
        .until_count("workloads", &namespace, HUNDREDS, PATIENCE, |ready| *ready)
        .await;
    let routed = stage
        .routes
        .until_count("routes", &namespace, HUNDREDS, PATIENCE, |_| true)
        .await;
    let all = stage
        .owners
        .until_count("Deployments", &namespace, HUNDREDS, PATIENCE, |ready| {
            *ready
        })
        .await;
    let used = stage.controller().processor() - used;
    stage.rest().await;
    let seconds = |when: Instant| when.saturating_duration_since(start).as_secs_f64();
    let other = format!("{HUNDREDS} apps/v1 Deployments available");
    let what = |what: &str| format!("{HUNDREDS} Deployments of new versions: {what}");
    Row::ratio(
        &what("all pods available"),
        seconds(pods),
        plain,
        "s",
        &other,
        1.5,
    )
    .leave();
    Row::ratio(
        &what("all routes written"),
        seconds(routed),
        plain,
        "s",
        &other,
        1.5,
    )
    .leave();
    Row::ratio(&what("all Ready"), seconds(all), plain, "s", &other, 1.5).leave();
    let other = format!("{HUNDREDS} apps/v1 Deployments with a Service each");
    let mut row = Row::ratio(&what("all Ready"), seconds(all), served, "s", &other, 1.5);
    row.target = String::new();
    row.met = None;
    row.leave();
    let requests = stage.server.audit_requests(User::Cutwater, since).len();
    let writes = stage.writes(since);
    Row::plain(
        &what("requests each, to rest"),
        format!("{:.2}", requests as f64 / HUNDREDS as f64),
        format!(
            "processor {used:.1} s; {}",
            bulk::describe(&writes, HUNDREDS)
        ),
    )
    .leave();
    memory(stage, HUNDREDS, one, app).await;
    say("deleting them");
    bulk::delete_all::<Deployment>(&stage.client, &namespace).await;
    stage
        .owners
        .until_none("their end", &namespace, PATIENCE)
        .await;
    stage
        .workloads
        .until_none("the end of their workloads", &namespace, PATIENCE)
        .await;
    stage.rest().await;
}

/// Seconds from the first apply to all available.
async fn plain(stage: &Stage, services: bool) -> f64 {
    let namespace = stage.server.namespace("plain");
    say(&format!(
        "{HUNDREDS} plain apps/v1 Deployments to all available"
    ));
    let names = (0..HUNDREDS).map(versions::app);
    let objects = names.flat_map(|name| {
        let service = services.then(|| bulk::service(&name, "0"));
        [bulk::workload(&name, 0)].into_iter().chain(service)
    });
    let start = Instant::now();
    bulk::apply(&stage.client, &namespace, objects.collect()).await;
    let all = stage
        .workloads
        .until_count(
            "plain Deployments",
            &namespace,
            HUNDREDS,
            PATIENCE,
            |ready| *ready,
        )
        .await;
    let seconds = all.saturating_duration_since(start).as_secs_f64();
    bulk::delete_all::<Workload>(&stage.client, &namespace).await;
    stage
        .workloads
        .until_none("their end", &namespace, PATIENCE)
        .await;
    bulk::until_no_pods(&stage.client, &namespace).await;
    seconds
}
