//! Gateways that are not there, and hostnames that are taken.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::json;

use super::place::Place;
use crate::lab::SOON;
use crate::support::http;
use crate::support::wait::stays;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_exist_is_said_and_mended_by_naming_another() {
    let place = Place::new("nogateway").await;
    place.releases.publish("checkout", "");
    let hostnames = [place.hostname("checkout")];
    let routes =
        json!([{"hostnames": hostnames, "gateway": {"name": "nowhere", "namespace": "default"}}]);
    let more = json!({"routes": routes});
    place.deploy_with("checkout", &[(1, 100.0)], more).await;
    let message = place
        .until_condition("checkout", "RoutesAccepted", "False", "GatewayNotFound")
        .await;
    println!("{message}");
    assert!(
        message.contains("no Gateway `nowhere` in namespace `default`"),
        "{message}"
    );
    place
        .until_condition("checkout", "WorkloadsReady", "True", "Succeeded")
        .await;
    place
        .until_condition("checkout", "Ready", "False", "GatewayNotFound")
        .await;
    let gateway = &place.cluster.gateway;
    let refused = http::get(gateway, &hostnames[0], "/", &[]).await.unwrap();
    assert_eq!(refused.status, 404);

    place.deploy("checkout", &[(1, 100.0)]).await;
    place
        .until_condition("checkout", "RoutesAccepted", "True", "Succeeded")
        .await;
    place.until_ready("checkout").await;
    place.until_served(&hostnames[0]).await;
    place.end().await;
}

/// Of two claims on one hostname the older keeps it, and the newer follows when the older goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_claims_on_one_hostname_the_older_keeps_it() {
    let place = Place::new("claims").await;
    let more = json!({"drainDelay": "1s"});
    place.begin("first", "", more).await;
    let host = place.hostname("first");
    place.releases.publish("second", "");
    let routes = json!([{"hostnames": [host], "gateway": {"name": "web", "namespace": "default"}}]);
    let more = json!({"routes": routes, "drainDelay": "1s"});
    place.deploy_with("second", &[(1, 100.0)], more).await;
    let message = place
        .until_condition("second", "RoutesAccepted", "False", "RouteClaimed")
        .await;
    println!("{message}");
    assert!(message.contains("cwd/first"), "{message}");
    let answers = || async {
        let response = place.get_at(&host, "/", &[]).await;
        response.body.contains("\"app\":\"first\"")
    };
    stays("the answering app", Duration::from_secs(1), true, answers).await;
    place.until_ready("first").await;

    place.delete("first", &DeleteParams::default()).await;
    place
        .until_condition("second", "RoutesAccepted", "True", "Succeeded")
        .await;
    crate::support::wait_for("the second to answer", SOON, async || {
        let gateway = &place.cluster.gateway;
        let response = http::get(gateway, &host, "/", &[]).await?;
        if response.body.contains("\"app\":\"second\"") {
            Ok(())
        } else {
            Err(format!("{response:?}"))
        }
    })
    .await;
    place.until_gone("first", SOON).await;
    place.until_ready("second").await;
    place.end().await;
}
