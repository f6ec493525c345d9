//! The controller killed in the middle of a shift and started again: the split stays, then the shift goes on. No request is
//! lost meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::place::{Place, forget_mirrors, kill_controller, seconds, start_controller};
use super::witness::Witness;
use crate::lab::SOON;
use crate::support::wait::stays;
use crate::support::wait_for;

const APP: &str = "checkout";
const FIELDS: &str = "env: [{name: START_DELAY, value: 2s}]";
/// How long nobody is there to decide anything.
const DOWN: Duration = Duration::from_millis(1_500);

/// When the controller is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The apply was answered.
    Applied,
    /// The new version's pods are starting.
    Starting,
    /// The route has the new weights.
    Shifted,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_killed_changes_no_split_and_goes_on() {
    let place = Place::new("crash").await;
    let more = json!({"drainDelay": "1s"});
    place.begin(APP, FIELDS, more.clone()).await;
    let load = place.load(APP);
    let mut old = 1;
    for (moment, git_away) in [
        (Moment::Applied, false),
        (Moment::Starting, false),
        (Moment::Shifted, false),
        (Moment::Starting, true),
        (Moment::Shifted, true),
    ] {
        let new = place.releases.publish(APP, FIELDS);
        let split = [(old, 0.0), (new, 100.0)];
        place.deploy_with(APP, &split, more.clone()).await;
        until(&place, moment, new).await;
        kill_controller();
        if git_away {
            place.git_away(true);
            forget_mirrors();
        }
        let served = place.weights(APP).await;
        stays(
            "the split without a controller",
            DOWN,
            served.clone(),
            || place.weights(APP),
        )
        .await;
        start_controller();
        until_shifted(&place, &served, old, new).await;
        if git_away {
            // What serves goes on, and people are told what is not known.
            place.git_away(false);
        }
        place.until_ready(APP).await;
        let so_far = load.seen();
        println!(
            "killed at {moment:?}, git away: {git_away}; the split was {served:?}; {} answers, {} lost so far",
            so_far.total(),
            so_far.faults.len()
        );
        old = new;
    }
    let seen = load.stop().await;
    println!("answers {:?}", seen.answers);
    seen.assert_none_lost();
    place.end().await;
}

async fn until(place: &Place, moment: Moment, new: u32) {
    let workload = format!("{APP}-v{new}-web");
    match moment {
        Moment::Applied => {}
        Moment::Starting => {
            let what = format!("{workload} to be made");
            wait_for(&what, SOON, async || {
                let seen = place.workloads(APP).await;
                if seen.contains(&workload) {
                    Ok(())
                } else {
                    Err(format!("{seen:?}"))
                }
            })
            .await;
        }
        Moment::Shifted => place.until_weights(APP, &[(new, 10_000)]).await,
    }
}

/// The split goes from what it was to what is wanted, without a third in between.
async fn until_shifted(place: &Place, served: &BTreeMap<u32, u32>, old: u32, new: u32) {
    let wanted: BTreeMap<u32, u32> = [(new, 10_000)].into();
    wait_for(&format!("v{old} to give all to v{new}"), SOON, async || {
        let seen = place.weights(APP).await;
        assert!(
            seen == wanted || seen == *served,
            "the split became {seen:?}, it was {served:?}"
        );
        if seen == wanted {
            Ok(())
        } else {
            Err(format!("{seen:?}; {}", place.conditions(APP).await))
        }
    })
    .await;
}

/// With git away and nothing known of a version, nothing changes; when git is back, it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_only_git_knows_waits_for_git() {
    let place = Place::new("away").await;
    let more = json!({"drainDelay": "1s"});
    place.begin(APP, "", more.clone()).await;
    let new = place.releases.publish(APP, "");
    let load = place.load(APP);
    kill_controller();
    forget_mirrors();
    place.git_away(true);
    start_controller();
    place.deploy_with(APP, &[(new, 100.0)], more).await;
    let message = place
        .until_condition(APP, "VersionsResolved", "False", "NotARepository")
        .await;
    println!("git away: {message}");
    // What is wanted is not known, so nobody may be told that it is served.
    place
        .until_condition(APP, "Converged", "False", "NotARepository")
        .await;
    let before = [(1, 10_000)].into();
    stays("the split", DOWN, before, || place.weights(APP)).await;

    place.git_away(false);
    place.until_weights(APP, &[(new, 10_000)]).await;
    place.until_ready(APP).await;
    load.stop().await.assert_none_lost();
    place.end().await;
}

/// The ready pods that a share is measured by, and when the old pods may go, outlive the controller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rise_and_a_drain_that_had_begun_go_on_by_their_own_measure() {
    let place = Place::new("middle").await;
    let more = json!({"drainDelay": "5s"});
    place.begin(APP, "scale: {min: 4}", more.clone()).await;
    place.until_pods(APP, 1, 4).await;
    place.until_ready(APP).await;
    let fields = format!(
        "scale: {{min: 1, max: 4, cpu: 70}}\nresources: {{requests: {{cpu: 1m}}}}\n{FIELDS}"
    );
    assert_eq!(place.releases.publish(APP, &fields), 2);
    let witness = Witness::start(&place, APP).await;
    let load = place.load(APP);
    place.deploy_with(APP, &[(2, 100.0)], more).await;

    // In the middle of the rise, and git is away from here on.
    wait_for("a part of the share", SOON, async || {
        match place.weights(APP).await.get(&2) {
            Some(share) => Ok(*share),
            None => Err(place.conditions(APP).await),
        }
    })
    .await;
    let start_blind = || {
        kill_controller();
        forget_mirrors();
        start_controller();
    };
    kill_controller();
    place.git_away(true);
    let part = place.weights(APP).await;
    place.until_pods(APP, 2, 4).await;
    assert_eq!(
        place.weights(APP).await,
        part,
        "nobody is there to change it"
    );
    start_blind();
    place.until_weights(APP, &[(2, 10_000)]).await;
    // In the middle of the drain.
    start_blind();
    place.until_pods_leave(APP, 1).await;
    place.git_away(false);
    place.until_ready(APP).await;
    let seen = load.stop().await;

    let states = witness.rise(2);
    println!("ready pods and share, at each state of the route: {states:?}; killed at {part:?}");
    for (pods, share) in &states {
        assert!(
            *share <= pods * 2_500,
            "{share} on {pods} ready pods of four"
        );
    }
    let (left, ending) = witness.leaving(1);
    let drained = ending.duration_since(left);
    println!("the old pods were told to end {} after", seconds(drained));
    assert!(drained >= Duration::from_secs(5), "too early");
    seen.assert_none_lost();
    place.end().await;
}
