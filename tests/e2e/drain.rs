//! When the pods of an old version leave: after the drain delay, and never before.

use std::time::{Duration, Instant};

use serde_json::json;

use super::load::OpenRequests;
use super::place::{Place, seconds};
use super::witness::Witness;

const APP: &str = "checkout";
const DRAIN: Duration = Duration::from_secs(5);
/// What watches, planning and writing may add on a machine that is busy.
const LATE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_pods_leave_after_the_drain_delay_and_never_before() {
    let place = Place::new("drain").await;
    let more = json!({"drainDelay": "5s", "rollbackWindow": "0s"});
    place.begin(APP, "scale: {min: 2}", more.clone()).await;
    assert_eq!(place.releases.publish(APP, "scale: {min: 2}"), 2);
    let witness = Witness::start(&place, APP).await;
    let load = place.load(APP);
    // Longer than it takes until the pods are told to end.
    let open = OpenRequests::begin(&place.cluster.gateway, &place.hostname(APP), 11).await;

    place.deploy_with(APP, &[(2, 100.0)], more).await;
    place.until_weights(APP, &[(2, 10_000)]).await;
    place.until_pods_leave(APP, 1).await;
    let seen = load.stop().await;
    open.all_end_whole().await;
    place.until_workloads(APP, &["checkout-v2-web"]).await;
    place.until_ready(APP).await;

    let (left, ending) = witness.leaving(1);
    let between = |from: Instant| ending.duration_since(from);
    println!(
        "the first old pod was told to end {} after the route had left its version, {} after its last answer",
        seconds(between(left)),
        seconds(between(seen.last[&1])),
    );
    assert!(between(left) >= DRAIN, "too early");
    assert!(between(seen.last[&1]) >= DRAIN, "too early");
    assert!(between(left) <= DRAIN + LATE, "too late");
    seen.assert_none_lost();
    assert_eq!(place.living_pods(APP, 2).await.len(), 2);
    place.end().await;
}

/// Going back within the rollback window needs no pod to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_rollback_window_going_back_starts_no_pod() {
    let place = Place::new("window").await;
    let more = json!({"drainDelay": "1s", "rollbackWindow": "1h"});
    place.begin(APP, "", more.clone()).await;
    place.releases.publish(APP, "");
    let before = place.living_pods(APP, 1).await;
    place.deploy_with(APP, &[(2, 100.0)], more.clone()).await;
    place.until_weights(APP, &[(2, 10_000)]).await;
    place.until_ready(APP).await;

    let load = place.load(APP);
    let begin = Instant::now();
    place.deploy_with(APP, &[(1, 100.0)], more).await;
    place.until_weights(APP, &[(1, 10_000)]).await;
    println!("back at v1 in {}", seconds(begin.elapsed()));
    place.until_ready(APP).await;
    load.stop().await.assert_none_lost();
    assert_eq!(place.living_pods(APP, 1).await, before);
    place.end().await;
}
