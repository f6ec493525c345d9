//! Versions that never become ready: they never get a share, and the conditions say which pods and why.

use cutwater::api::Deployment;
use serde_json::json;

use super::place::Place;
use super::witness::{What, Witness};
use crate::lab::SOON;
use crate::support::wait_for;

const APP: &str = "checkout";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_never_ready_gets_no_share_and_the_condition_says_why() {
    let place = Place::new("trouble").await;
    let more = json!({"drainDelay": "1s"});
    place.begin(APP, "", more.clone()).await;
    let variable = |name: &str| format!("env: [{{name: {name}, value: '1'}}]");
    let unready = place.releases.publish(APP, &variable("NEVER_READY"));
    let nowhere = format!("cutwater.test/nowhere@sha256:{}", "1".repeat(64));
    place.releases.app_of(APP, &nowhere, "");
    let unpullable = place.releases.publish_written(APP);
    let crashing = place.releases.publish(APP, &variable("CRASH"));
    let good = place.releases.publish(APP, "");
    let witness = Witness::start(&place, APP).await;
    let load = place.load(APP);

    for (version, reason, words) in [
        (
            unready,
            "WaitingForPods",
            "runs, but its readiness probe does not succeed",
        ),
        (unpullable, "ImagePullFailed", "nowhere@sha256"),
        (crashing, "PodsCrashing", "last exit code 1"),
    ] {
        let split = [(1, 90.0), (version, 10.0)];
        place.deploy_with(APP, &split, more.clone()).await;
        let message = until_said(&place, reason, words).await;
        println!("{reason}: {message}");
        assert!(message.starts_with(&format!("v{version} web: 0 of 1 pods ready")));
        let pods = place.living_pods(APP, version).await;
        assert!(pods.iter().any(|pod| message.contains(pod)), "{message}");
        place
            .until_condition(APP, "Converged", "False", "Progressing")
            .await;
        assert_eq!(place.weights(APP).await, [(1, 10_000)].into());
    }

    place
        .deploy_with(APP, &[(1, 90.0), (good, 10.0)], more)
        .await;
    place.until_weights(APP, &[(1, 9_000), (good, 1_000)]).await;
    place
        .until_workloads(APP, &["checkout-v1-web", "checkout-v5-web"])
        .await;
    place.until_ready(APP).await;

    let mut routes = 0;
    for change in witness.changes() {
        if let What::Route(_, weights) = change.what {
            let weights = weights.expect("the route is never deleted");
            routes += 1;
            for bad in [unready, unpullable, crashing] {
                assert!(!weights.contains_key(&bad), "{weights:?}");
            }
        }
    }
    assert!(routes > 0, "nothing was watched");
    let seen = load.stop().await;
    println!("{routes} states of the route, answers {:?}", seen.answers);
    seen.assert_none_lost();
    place.end().await;
}

/// The message of `WorkloadsReady`, once it is false for a reason and has these words.
async fn until_said(place: &Place, reason: &str, words: &str) -> String {
    let what = format!("WorkloadsReady=False ({reason}) with `{words}`");
    wait_for(&what, SOON * 2, async || {
        let object = place.api::<Deployment>().get(APP).await.unwrap();
        let conditions = object.status.unwrap_or_default().conditions;
        let said = conditions
            .iter()
            .find(|condition| condition.type_ == "WorkloadsReady")
            .ok_or("nothing said yet")?;
        if said.status == "False" && said.reason == reason && said.message.contains(words) {
            return Ok(said.message.clone());
        }
        Err(format!("{} {}: {}", said.status, said.reason, said.message))
    })
    .await
}
