//! The split as clients see it, and the header that overrides it.

use serde_json::json;

use super::load::count;
use super::place::Place;

const APP: &str = "checkout";
const HEADER: &str = "Cutwater-Version-checkout";

/// 2,000 requests at each step of 90/10, 50/50, 0/100 and back, and none lost from the first to the last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_are_as_declared_and_no_request_is_lost_on_the_way() {
    let place = Place::new("shares").await;
    place.begin(APP, "scale: {min: 2}", json!({})).await;
    assert_eq!(place.releases.publish(APP, "scale: {min: 2}"), 2);
    let load = place.load(APP);
    for (first, second) in [(9_000, 1_000), (5_000, 5_000), (0, 10_000), (10_000, 0)] {
        let split = [(1, first), (2, second)];
        let percent = |points| f64::from(points) / 100.0;
        let declared = split.map(|(version, points)| (version, percent(points)));
        place.deploy(APP, &declared).await;
        let wanted: Vec<_> = split
            .into_iter()
            .filter(|(_, points)| *points > 0)
            .collect();
        place.until_weights(APP, &wanted).await;
        place.until_ready(APP).await;
        let seen = count(&place.cluster.gateway, &place.hostname(APP), 2_000).await;
        println!("declared {declared:?}: answered {:?}", seen.answers);
        seen.assert_none_lost();
        assert_eq!(seen.total(), 2_000);
        for (version, share) in declared {
            seen.assert_share(version, share);
        }
    }
    let seen = load.stop().await;
    println!("{} further requests all the while, none lost", seen.total());
    seen.assert_none_lost();
    place.end().await;
}

/// Versions come and go in the list, each with a rule for its header: requests without the header notice nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_and_unlisting_a_version_loses_no_request() {
    let place = Place::new("listing").await;
    let more = json!({"rollbackWindow": "1h"});
    place.begin(APP, "", more.clone()).await;
    place.releases.publish(APP, "");
    place
        .deploy_with(APP, &[(1, 100.0), (2, 0.0)], more.clone())
        .await;
    place.until_ready(APP).await;
    let host = place.hostname(APP);
    let loads = [place.load(APP), place.load(APP), place.load(APP)];
    for _ in 0..8 {
        place.deploy_with(APP, &[(1, 100.0)], more.clone()).await;
        place.until_reached(&host, (HEADER, "2"), 1).await;
        place
            .deploy_with(APP, &[(1, 100.0), (2, 0.0)], more.clone())
            .await;
        place.until_reached(&host, (HEADER, "2"), 2).await;
    }
    for load in loads {
        let seen = load.stop().await;
        println!("{} answered, {} lost", seen.total(), seen.faults.len());
        seen.assert_none_lost();
    }
    place.end().await;
}

/// The header reaches a version at 0 %; one that the deployment does not list falls back to the split.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_override_header_reaches_listed_versions_only() {
    let place = Place::new("override").await;
    place.begin(APP, "", json!({})).await;
    place.releases.publish(APP, "");
    place.releases.publish(APP, "");
    let host = place.hostname(APP);

    place.deploy(APP, &[(1, 100.0), (2, 0.0)]).await;
    place.until_ready(APP).await;
    place.until_reached(&host, (HEADER, "2"), 2).await;
    let ask = async |header| place.versions_with(&host, header, 50).await;
    assert_eq!(ask((HEADER, "2")).await, [2; 50]);
    assert_eq!(ask((HEADER, "1")).await, [1; 50]);
    // Names of headers have no case.
    assert_eq!(ask(("cutwater-version-checkout", "2")).await, [2; 50]);
    // Published, but not of this deployment; never published; no number; another app's header.
    for header in [
        (HEADER, "3"),
        (HEADER, "99"),
        (HEADER, "v2"),
        ("Cutwater-Version-other", "2"),
    ] {
        assert_eq!(ask(header).await, [1; 50], "{header:?}");
    }

    // The fall back is the split, and not its first version.
    place.deploy(APP, &[(1, 50.0), (2, 50.0)]).await;
    place.until_weights(APP, &[(1, 5_000), (2, 5_000)]).await;
    place.until_ready(APP).await;
    let seen = ask((HEADER, "3")).await;
    for version in [1, 2] {
        let times = seen.iter().filter(|seen| **seen == version).count();
        assert!(times >= 11, "v{version} answered {times} of 50 at 50 %");
    }

    // Where the internet must not choose, it cannot.
    let closed = json!({"override": {"mode": "none"}});
    place
        .deploy_with(APP, &[(1, 100.0), (2, 0.0)], closed)
        .await;
    place.until_weights(APP, &[(1, 10_000)]).await;
    place.until_ready(APP).await;
    assert_eq!(ask((HEADER, "2")).await, [1; 50]);
    place.end().await;
}
