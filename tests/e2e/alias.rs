//! An Alias beside a Deployment: its own hostname and split, the same pods.

use serde_json::{Value, json};

use super::load::count;
use super::place::Place;
use crate::lab::SOON;
use crate::support::wait_for;

const APP: &str = "checkout";
const HEADER: &str = "Cutwater-Version-checkout";
const BOTH: [&str; 2] = ["checkout-v1-web", "checkout-v2-web"];

fn alias(place: &Place) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Alias",
        "metadata": {"name": "staging"},
        "spec": {
            "app": APP,
            "repository": "main",
            "version": 2,
            "canary": {"version": 1, "percentage": 25},
            "rollbackWindow": "0s",
            "drainDelay": "1s",
            "routes": [{
                "hostnames": [place.hostname("staging")],
                "gateway": {"name": "web", "namespace": "default"},
            }],
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_with_a_canary_shares_the_pods_of_the_deployment() {
    let place = Place::new("alias").await;
    let more = json!({"drainDelay": "1s"});
    place.begin(APP, "", more.clone()).await;
    place.releases.publish(APP, "");
    let both = [(1, 90.0), (2, 10.0)];
    place.deploy_with(APP, &both, more.clone()).await;
    place.until_weights(APP, &[(1, 9_000), (2, 1_000)]).await;
    place.until_ready(APP).await;
    let pods = async || {
        let mut names = place.living_pods(APP, 1).await;
        names.extend(place.living_pods(APP, 2).await);
        names
    };
    let before = pods().await;
    assert_eq!(before.len(), 2);
    let load = place.load(APP);

    place.apply(alias(&place)).await;
    place.until_alias_ready("staging").await;
    let host = place.hostname("staging");
    place.until_served(&host).await;
    assert_eq!(place.workloads(APP).await, BOTH);
    assert_eq!(pods().await, before, "no second copy, none started again");
    let routes = place.weights_of(APP, "checkout.staging.main").await;
    assert_eq!(routes, [(1, 2_500), (2, 7_500)].into());

    // Each has its own split.
    let gateway = &place.cluster.gateway;
    for (host, shares) in [
        (&host, [(1, 25.0), (2, 75.0)]),
        (&place.hostname(APP), [(1, 90.0), (2, 10.0)]),
    ] {
        let seen = count(gateway, host, 2_000).await;
        println!("{shares:?}: answered {:?}", seen.answers);
        seen.assert_none_lost();
        for (version, share) in shares {
            seen.assert_share(version, share);
        }
    }
    for (value, version) in [("1", 1), ("2", 2)] {
        let seen = place.versions_with(&host, (HEADER, value), 20).await;
        assert_eq!(seen, [version; 20]);
    }

    // What the Deployment leaves the Alias still uses.
    place.deploy_with(APP, &[(1, 100.0)], more).await;
    place.until_weights(APP, &[(1, 10_000)]).await;
    place.until_ready(APP).await;
    let other = count(gateway, &host, 400).await;
    other.assert_none_lost();
    other.assert_share(2, 75.0);
    assert_eq!(place.workloads(APP).await, BOTH);
    assert_eq!(pods().await, before);

    // And what it alone used goes with it.
    let aliases = place.api::<cutwater::api::Alias>();
    aliases
        .delete("staging", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    place.until_workloads(APP, &["checkout-v1-web"]).await;
    wait_for("the alias to go", SOON, async || {
        match aliases.get_opt("staging").await.unwrap() {
            None => Ok(()),
            Some(_) => Err("it is there"),
        }
    })
    .await;
    load.stop().await.assert_none_lost();
    place.end().await;
}
