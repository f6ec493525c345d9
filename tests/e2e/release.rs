//! A whole release, in requests lost and in requests to the API server.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::place::{Place, seconds};
use crate::lab::SOON;
use crate::support::{audit, wait_for};

const APP: &str = "checkout";
/// Requests that a release may take: Flagger takes 116 and Argo Rollouts 201.
const REQUESTS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_loses_no_request_and_asks_little_of_the_api_server() {
    let place = Place::new("release").await;
    let more = json!({"drainDelay": "2s"});
    place.begin(APP, "scale: {min: 3}", more.clone()).await;
    assert_eq!(place.releases.publish(APP, "scale: {min: 3}"), 2);
    let load = place.load(APP);
    let (begin, since) = (Instant::now(), Timestamp::now());

    place.deploy_with(APP, &[(2, 100.0)], more).await;
    place.until_weights(APP, &[(2, 10_000)]).await;
    let shifted = begin.elapsed();
    place.until_ready(APP).await;
    let converged = begin.elapsed();
    place.until_workloads(APP, &["checkout-v2-web"]).await;
    wait_for("the old pods to be gone", SOON, async || {
        match place.pods(APP, 1).await.len() {
            0 => Ok(()),
            some => Err(format!("{some} pods")),
        }
    })
    .await;
    let gone = begin.elapsed();
    let seen = load.stop().await;

    let requests = audit::read(&place.cluster.audit_log, "cutwater", since);
    let ours = |request: &&audit::AuditEntry| request.namespace == place.namespace;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests.iter().filter(ours) {
        let kind = format!("{} {}", request.verb, request.resource);
        let after = request.time.duration_since(since).as_secs_f64();
        println!("{after:7.3} s: {kind} {}", request.name);
        *kinds.entry(kind).or_default() += 1;
    }
    let count: usize = kinds.values().sum();
    println!(
        "shifted after {}, converged after {}, old pods gone after {}; {count} requests to the API server: {kinds:#?}",
        seconds(shifted),
        seconds(converged),
        seconds(gone),
    );
    println!("answers {:?}, {} lost", seen.answers, seen.faults.len());
    seen.assert_none_lost();
    assert!(count <= REQUESTS, "{count} requests");
    place.end().await;
}
