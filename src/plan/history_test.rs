//! Plans over random histories: whatever happens in whatever order, what must always be true is true.

use proptest::prelude::*;

use super::tests::{Story, shares_of, v};
use super::*;

/// Something that happens to a world.
#[derive(Debug, Clone)]
enum Happens {
    /// The split that is wanted changes: weights of versions 1 to 5.
    Want(Vec<(u32, u32)>),
    /// Pods of a version become ready or are lost.
    Ready(u32, u32),
    /// Time passes, in seconds; or the clock is put forward, or back.
    Pass(i64),
    /// It is not known any more what is wanted.
    Forget,
}

fn any_event() -> impl Strategy<Value = Happens> {
    let want = proptest::collection::btree_map(1..=5_u32, 0..=4_u32, 1..=4)
        .prop_map(|map| Happens::Want(map.into_iter().collect()));
    prop_oneof![
        3 => want,
        6 => (1..=5_u32, 0..=6_u32).prop_map(|(version, pods)| Happens::Ready(version, pods)),
        4 => prop_oneof![Just(1_i64), Just(2), Just(40), Just(4_000), Just(-3), Just(-5_000), Just(1_000_000_000)].prop_map(Happens::Pass),
        1 => Just(Happens::Forget),
    ]
}

/// Whole percentages that total 100 out of any weights.
fn percentages(weights: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    let mut list: Vec<(u32, u32)> = (weights.iter())
        .map(|(version, weight)| (*version, (weight * 100).checked_div(total).unwrap_or(0)))
        .collect();
    let given: u32 = list.iter().map(|(_, percent)| percent).sum();
    list[0].1 += 100 - given;
    list
}

fn ready_pods(story: &Story, version: VersionNumber) -> u32 {
    let state = story.world.versions.get(&version);
    state.map_or(0, |state| state.functions.values().map(|f| f.ready).sum())
}

/// What must be true after every step.
fn check(story: &Story, before: &Shares, happened: &Happens) {
    let plan = story.plan();
    let now = story.serving();
    if let RoutePlan::Serve { shares, .. } = &plan.splits[0].route {
        let total: u32 = shares.iter().map(|(_, share)| share.basis_points()).sum();
        assert_eq!(total, 10_000, "after {happened:?}");
        for (version, share) in shares {
            assert!(!share.is_zero());
            // What nobody else can bear stays with the version that lost its pods.
            let had = effective::share_of(before, *version);
            assert!(
                ready_pods(story, *version) > 0 || *share <= had,
                "{version} has {share} % and no ready pod, after {happened:?}"
            );
        }
    }
    // What the routes send to runs, and what goes is sent nothing.
    for (version, _) in now.iter().chain(before) {
        assert!(
            !plan.remove.contains(version),
            "{version} was removed while it was sent to, after {happened:?}"
        );
    }
    for (version, share) in &now {
        assert!(
            plan.run.contains_key(version),
            "{version} has {share} and does not run"
        );
    }
    // With nothing known to be wanted, nothing moves.
    if matches!(happened, Happens::Forget) {
        assert_eq!(now, *before);
        assert!(plan.remove.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_must_always_be_true_is_true_in_any_history(
        events in proptest::collection::vec(any_event(), 1..40),
        scaled in any::<bool>(),
    ) {
        let mut story = Story::new();
        let max = if scaled { 6 } else { 2 };
        for version in 1..=5 {
            story.version(version, 2, max);
        }
        for event in &events {
            let before = story.serving();
            match event {
                Happens::Want(weights) => {
                    for (version, _) in weights {
                        // A version that was removed can be wanted again.
                        if !story.world.versions.contains_key(&v(*version)) {
                            story.version(*version, 2, max);
                        }
                    }
                    story.want(&percentages(weights));
                }
                Happens::Ready(version, pods) => {
                    let state = story.world.versions.get(&v(*version));
                    if state.is_some_and(|state| state.materialised) {
                        story.ready(*version, *pods);
                    }
                }
                Happens::Pass(seconds) => {
                    story.pass(*seconds);
                }
                Happens::Forget => story.world.splits[0].wanted = None,
            }
            // Each act checks that it comes to rest: a second plan of the same world changes nothing.
            story.act();
            check(&story, &before, event);
        }
        // In the end, with everything ready and time enough, everybody gets what was wanted last.
        story.want(&percentages(&[(1, 1), (3, 2), (5, 1)]));
        for version in [1, 3, 5] {
            if !story.world.versions.contains_key(&v(version)) {
                story.version(version, 2, max);
            }
        }
        story.act();
        for _ in 0..10 {
            for version in 1..=5 {
                if story.world.versions.get(&v(version)).is_some_and(|state| state.materialised) {
                    story.ready(version, 20);
                }
            }
            story.pass(4_000).act();
        }
        prop_assert_eq!(story.serving(), shares_of(&[(1, 2_500), (3, 5_000), (5, 2_500)]));
        let running: Vec<u32> = story.plan().run.keys().map(|version| version.get()).collect();
        prop_assert_eq!(running, vec![1, 3, 5]);
        prop_assert!(story.plan().splits[0].complete);
        prop_assert_eq!(story.plan().wake, None);
    }
}
