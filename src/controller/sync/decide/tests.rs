//! Any valid state, synced after any other one, gives the same cluster as alone.

use proptest::prelude::*;

use super::*;
use crate::branch::{Commit, Known, Tip};
use crate::releases::{self, Release};
use crate::settings::Settings;

const REPOSITORY: &str = "uid";

pub(in crate::controller::sync) fn release(name: usize, version: u8, label: bool) -> Release {
    let label = if label { ", labels: {team: shop}" } else { "" };
    let text = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: a{name}{label}}}\nspec: {{app: a{name}, repository: main, versions: [{{version: {version}, percentage: 100}}]}}\n"
    );
    let file = format!("releases/a{name}.yaml");
    let mut read = releases::read(&file, text.as_bytes()).unwrap();
    read.releases.remove(0)
}

/// A state of the branch: for each of five names, nothing or a version; never all of them nothing.
fn state() -> impl Strategy<Value = Vec<Release>> {
    let one = proptest::option::of((1..4_u8, any::<bool>()));
    let all = proptest::collection::vec(one, 5);
    all.prop_filter("it has something", |all| all.iter().any(Option::is_some))
        .prop_map(|all| {
            let named = all.into_iter().enumerate();
            let some =
                named.filter_map(|(name, it)| it.map(|(version, label)| (name, version, label)));
            some.map(|(name, version, label)| release(name, version, label))
                .collect()
        })
}

fn id(number: u8) -> CommitId {
    CommitId::from_bytes(&[number; 20])
}

/// Syncs a state as of commit `number`.
fn sync(tip: &Tip, cluster: &mut Cluster, number: u8, releases: &[Release]) -> Tip {
    let head = id(number);
    let nothing = Known::new();
    let (tip, problems) = tip.next(Commit {
        id: &head,
        settings: Settings::default(),
        releases,
        unreadable: Vec::new(),
        bare: &[],
        empty: None,
        follows: &|_| true,
        known: &nothing,
        lost: &[],
        namespace: Some("prod"),
        may_stay: None,
    });
    assert!(problems.is_empty(), "{problems:?}");
    let wanted = tip
        .releases
        .iter()
        .map(|it| Desired::of(it, &head))
        .collect();
    let decision = decide(Question {
        repository: REPOSITORY,
        wanted,
        head: &head,
        recalls: &|owner| tip.recalls(owner),
        before: &|_| None,
        keeps: &|owner| tip.held.contains_key(owner),
        released: false,
        elsewhere: None,
        path: "releases",
        empty: false,
        cluster,
        settled: &Settled::default(),
        came_after: &|newer, older| Some(newer >= older),
    });
    assert!(decision.held.is_empty(), "{:?}", decision.held);
    for Apply { desired, .. } in decision.applies {
        let body = desired.body("prod", REPOSITORY, None);
        let map = |key: &str| serde_json::from_value(body["metadata"][key].clone()).unwrap();
        let live = Live {
            annotations: map("annotations"),
            labels: map("labels"),
            of: Some((desired.app().parse().unwrap(), "main".to_owned())),
            spec: Some(desired.spec),
            ..Live::default()
        };
        cluster.objects.insert(desired.owner, live);
    }
    for delete in decision.deletes {
        cluster.objects.remove(&delete.owner);
    }
    tip
}

/// What of a cluster does not depend on when it was written.
fn essence(cluster: &Cluster) -> Vec<String> {
    let objects = cluster.objects.iter();
    objects
        .map(|(owner, live)| {
            format!(
                "{owner} {:?} {:?} {:?}",
                live.spec,
                live.labels,
                live.digest()
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn a_state_after_another_one_is_as_alone(a in state(), b in state(), forgets: bool) {
        let mut after = Cluster::default();
        let tip = sync(&Tip::default(), &mut after, 1, &a);
        // A controller that was started anew and remembers nothing decides the same.
        let tip = if forgets { Tip::default() } else { tip };
        let tip = sync(&tip, &mut after, 2, &b);
        let mut alone = Cluster::default();
        sync(&Tip::default(), &mut alone, 2, &b);
        prop_assert_eq!(essence(&after), essence(&alone));
        let before = essence(&after);
        sync(&tip, &mut after, 2, &b);
        prop_assert_eq!(essence(&after), before);
    }
}
