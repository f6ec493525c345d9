//! One control plane, from one Deployment to a thousand: what is measured, in which order.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::bulk::{self, Counts};
use crate::lab::versions;
use crate::ready;
use crate::say;
use crate::stage::{PATIENCE, Stage, THOUSAND, memory, poke};
use crate::support::User;
use crate::table::{Row, Samples, load_average};
use crate::weights::{self, Floor};

/// Samples of each figure that is a latency.
const SAMPLES: usize = 200;

/// Measures what is asked for; all of it where nothing is.
pub async fn measure(parts: &[&str]) {
    let asked = |part: &str| parts.is_empty() || parts.contains(&part);
    let mut stage = Stage::start().await;
    let one = stage.namespace("one").await;
    let app = versions::app(THOUSAND);
    stage.controller();
    bulk::apply(&stage.client, &one, vec![weights::deployment(&app, 50)]).await;
    stage
        .owners
        .until(
            "the first Deployment to be ready",
            &one,
            &app,
            PATIENCE,
            |ready| *ready,
        )
        .await;
    stage.rest().await;
    if asked("memory") {
        memory(&mut stage, 1, &one, &app).await;
    }
    if asked("weights") {
        latency(&mut stage, &one, &app, "1 Deployment").await;
    }
    if asked("ready") {
        ready::measure(&mut stage, &one, &app).await;
    }
    if asked("bulk") || asked("idle") || parts.is_empty() {
        thousand(&mut stage, &one, &app, &asked).await;
    }
}

async fn latency(stage: &mut Stage, namespace: &str, app: &str, among: &str) {
    let route = format!("{app}.main");
    let half = SAMPLES / 2;
    say(&format!(
        "weight latency among {among}: the floor, the controller, the floor"
    ));
    let mut floor = bare(stage, namespace, app, half).await;
    stage.controller();
    poke(stage, namespace, app).await;
    stage.rest().await;
    let ours = weights::sample(
        &stage.client,
        &stage.routes,
        namespace,
        app,
        &route,
        SAMPLES,
    )
    .await;
    stage.rest().await;
    floor.extend(bare(stage, namespace, app, half).await);
    let (ours, floor) = (Samples::new(&ours), Samples::new(&floor));
    let what = |part: &str| format!("apply to new weights, {among}: {part}");
    let load = format!("floor (load {:.1})", load_average());
    Row::ratio(
        &what("median"),
        ours.median(),
        floor.median(),
        "ms",
        &load,
        2.0,
    )
    .leave();
    Row::ratio(&what("p99"), ours.p99(), floor.p99(), "ms", &load, 4.0).leave();
    stage.controller();
    poke(stage, namespace, app).await;
    stage.rest().await;
}

/// The floor, with nobody else at work.
async fn bare(stage: &mut Stage, namespace: &str, app: &str, count: usize) -> Vec<Duration> {
    stage.stop_controller();
    let floor = Floor::start(&stage.client, namespace, app);
    // The first few open connections.
    weights::sample(
        &stage.client,
        &stage.routes,
        namespace,
        app,
        Floor::ROUTE,
        5,
    )
    .await;
    let times = weights::sample(
        &stage.client,
        &stage.routes,
        namespace,
        app,
        Floor::ROUTE,
        count,
    )
    .await;
    drop(floor);
    times
}

/// A thousand Deployments: made at once, changed at once, one changed among them, and idle.
async fn thousand(stage: &mut Stage, one: &str, app: &str, asked: &dyn Fn(&str) -> bool) {
    let namespace = stage.namespace("thousand").await;
    let apps: Vec<String> = (0..THOUSAND).map(versions::app).collect();
    let objects = |hostnames: u32| -> Vec<_> {
        (apps.iter())
            .map(|app| {
                let mut object = bulk::single(app, 1);
                if hostnames == 2 {
                    let names = [format!("{app}.test"), format!("www.{app}.test")];
                    object["spec"]["routes"][0]["hostnames"] = serde_json::json!(names);
                }
                object
            })
            .collect()
    };
    say("1,000 new Deployments, applied at once");
    let made = at_once(stage, &namespace, objects(1), 1).await;
    stage
        .owners
        .until_count(
            "Deployments to be ready",
            &namespace,
            THOUSAND,
            PATIENCE,
            |ready| *ready,
        )
        .await;
    stage.rest().await;
    say("the hostnames of all 1,000, changed at once");
    let changed = at_once(stage, &namespace, objects(2), 2).await;
    stage
        .owners
        .until_count(
            "Deployments to be ready",
            &namespace,
            THOUSAND,
            PATIENCE,
            |ready| *ready,
        )
        .await;
    stage.rest().await;
    if asked("memory") {
        memory(stage, THOUSAND, one, app).await;
    }
    if asked("weights") {
        latency(stage, one, app, "1,000 Deployments").await;
    }
    if asked("idle") {
        idle(stage).await;
    }
    if asked("bulk") {
        stage.stop_controller();
        let bare = stage.server.namespace("bare");
        for (what, (seconds, writes), second) in [
            (
                "1,000 new Deployments applied at once, to all routes written",
                made,
                1,
            ),
            (
                "a change to all 1,000 applied at once, to all routes written",
                changed,
                2,
            ),
        ] {
            say("the bare loop of the same writes");
            let start = Instant::now();
            bulk::bare(&stage.client, &bare, objects(second), &writes, second).await;
            let floor = start.elapsed().as_secs_f64();
            Row::ratio(what, seconds, floor, "s", "bare loop", 2.0).leave();
            Row::plain(
                "its writes, each",
                bulk::describe(&writes, THOUSAND),
                String::new(),
            )
            .leave();
        }
    }
}

/// Seconds until all routes are as wanted, and what the controller wrote until then.
async fn at_once(
    stage: &Stage,
    namespace: &str,
    objects: Vec<serde_json::Value>,
    hostnames: usize,
) -> (f64, Counts) {
    let count = objects.len();
    let (since, start) = (Timestamp::now(), Instant::now());
    bulk::apply(&stage.client, namespace, objects).await;
    let all = stage
        .routes
        .until_count("all routes", namespace, count, PATIENCE, |held| {
            held.1 == hostnames
        })
        .await;
    let writes = stage.writes(since);
    (all.saturating_duration_since(start).as_secs_f64(), writes)
}

async fn idle(stage: &mut Stage) {
    let seconds = std::env::var("CUTWATER_BENCH_IDLE").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(300);
    say(&format!("{seconds} idle seconds"));
    stage.controller();
    let (since, used) = (Timestamp::now(), stage.controller().processor());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = stage.controller().processor() - used;
    let writes: usize = stage.writes(since).values().sum();
    let requests = stage.server.audit_requests(User::Cutwater, since);
    let reads = requests
        .iter()
        .filter(|request| request.verb != "watch")
        .count()
        - writes;
    let what = format!("writes in {seconds} idle seconds, 1,001 Deployments");
    let mut row = Row::most(&what, writes as f64, "writes", 0.0);
    row.beside = format!("other requests but watches: {reads}; processor {used:.2} s");
    row.leave();
}
