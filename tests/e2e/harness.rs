//! The cluster, without Cutwater: what everything else here stands on.

use std::process::Command;

use crate::support::apiserver::succeed;
use crate::support::e2e::Cluster;
use crate::support::{http, tools};

/// Two versions of the test application behind one plain HTTPRoute.
#[test]
fn the_cluster_splits_traffic_by_plain_weights() {
    let cluster = Cluster::from_environment();
    let script = tools::checkout().join("tests/e2e/smoke.sh");
    let output = Command::new(script).arg(&cluster.image).output().unwrap();
    println!("{}", succeed(output));
}

/// A client that the other tests count answers with sees the gateway's own.
#[tokio::test]
async fn an_unknown_host_gets_404() {
    let cluster = Cluster::from_environment();
    let response = http::get(&cluster.gateway, "nobody.test", "/", &[])
        .await
        .unwrap();
    assert_eq!(response.status, 404);
}
