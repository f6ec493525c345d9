//! Capacity before share: from ten pods to a version that starts with two.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::place::{Place, seconds};
use super::witness::Witness;
use crate::lab::SOON;
use crate::support::{audit, wait_for};

const APP: &str = "checkout";
const NEXT: &str = "scale: {min: 2, max: 10, cpu: 70}\nresources: {requests: {cpu: 1m}}\nenv: [{name: START_DELAY, value: 2s}]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_rises_only_as_pods_become_ready() {
    let place = Place::new("capacity").await;
    let more = json!({"drainDelay": "2s"});
    place.begin(APP, "scale: {min: 10}", more.clone()).await;
    place.until_pods(APP, 1, 10).await;
    place.until_ready(APP).await;
    assert_eq!(place.releases.publish(APP, NEXT), 2);
    let witness = Witness::start(&place, APP).await;
    let load = place.load(APP);
    let (begin, since) = (Instant::now(), Timestamp::now());

    place.deploy_with(APP, &[(2, 100.0)], more).await;
    wait_for("all to v2", SOON * 2, async || {
        let weights = place.weights(APP).await;
        if weights == [(2, 10_000)].into() {
            Ok(())
        } else {
            Err(format!("{weights:?}; {}", place.conditions(APP).await))
        }
    })
    .await;
    let shifted = begin.elapsed();
    place.until_pods_leave(APP, 1).await;
    place.until_ready(APP).await;
    let requests = audit::read(&place.cluster.audit_log, "cutwater", since);
    let requests = (requests.iter()).filter(|request| request.namespace == place.namespace);
    let seen = load.stop().await;

    let states = witness.rise(2);
    println!("ready pods and share, at each state of the route: {states:?}");
    println!(
        "at 100 % after {}, {} requests to the API server until the old pods were gone",
        seconds(shifted),
        requests.count()
    );
    for (pods, share) in &states {
        assert!(
            *share <= pods * 1_000,
            "{share} on {pods} ready pods of ten"
        );
    }
    assert_eq!(states.last(), Some(&(10, 10_000)));
    assert!(states.is_sorted_by_key(|(_, share)| *share), "{states:?}");
    seen.assert_none_lost();
    place.end().await;
}
