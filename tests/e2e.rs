//! Tests on a real node: real pods, Envoy Gateway and Envoy. `make e2e` runs them inside the cluster it starts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    let_underscore_drop,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has said what it has to say, and nobody outside uses it"
)]

mod support;

use std::process::Command;

use support::apiserver::succeed;
use support::e2e::Cluster;
use support::http;

/// Two versions of the test application behind one plain HTTPRoute: what everything else here stands on.
#[test]
fn the_cluster_splits_traffic_by_plain_weights() {
    let cluster = Cluster::from_environment();
    let script = support::tools::checkout().join("tests/e2e/smoke.sh");
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
