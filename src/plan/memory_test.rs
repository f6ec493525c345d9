//! Plans with a memory that is lost or wrong, clocks that are put forward or back, and owners of whom nothing is known.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::tests::{Story, shares, v};
use super::*;

/// v7 served and keeps its pods, v8 serves.
fn shifted() -> Story {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story
}

#[test]
fn where_only_that_versions_served_is_left_in_memory_no_rollback_window_ends() {
    let mut story = shifted();
    story.pass(100).act();
    let served = VersionMemory {
        served: true,
        ..VersionMemory::default()
    };
    story.world.memory = Memory {
        versions: [(v(7), served.clone()), (v(8), served)].into(),
        ..Memory::default()
    };
    story.act();
    story.pass(3500).act();
    assert_eq!(story.running(), [7, 8]);
    story.want(&[(7, 100)]).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn what_was_served_is_remembered_until_all_routes_say_what_was_decided() {
    for (several, surplus, remembered) in [
        (false, false, false),
        (true, false, true),
        (false, true, true),
    ] {
        let mut story = shifted();
        story.world.splits[0].routes.several = several;
        story.world.splits[0].routes.surplus = surplus;
        let owner = story.world.splits[0].owner.clone();
        let from = |story: &Story| plan(&story.world).memory.from.get(&owner).cloned();
        assert_eq!(from(&story), None, "nothing moves");
        story.want(&[(7, 100)]);
        let served = remembered.then(|| shares(&[(8, 100)]));
        assert_eq!(from(&story), served, "{several} {surplus}");
        story.act();
        assert_eq!(from(&story), None, "it has moved");
    }
}

#[test]
fn a_clock_that_is_put_back_makes_nobody_wait_for_the_time_to_come_again() {
    let mut story = shifted();
    story.version(9, 1, 1).want(&[(9, 100)]).act();
    story.ready(9, 1).act();
    assert_eq!(story.idle(), [7, 9]);
    story.pass(-7200).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(9, 100)]));
    assert!(!story.plan().settled);
    story.pass(1).act();
    assert!(story.plan().settled);
    // Windows count from now on.
    story.pass(3590).act();
    assert_eq!(story.running(), [7, 8, 9]);
    story.pass(100).act();
    assert_eq!(story.running(), [9]);
}

#[test]
fn a_clock_that_is_put_forward_moves_no_share() {
    let mut story = shifted();
    story.version(9, 1, 1).want(&[(9, 100)]).act();
    story.pass(1_000_000_000).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    assert_eq!(story.running(), [8, 9]);
}

/// An Alias in the world of a Deployment.
fn alias(story: &Story) -> Split {
    Split {
        owner: Owner {
            kind: OwnerKind::Alias,
            name: "typo".to_owned(),
        },
        wanted: None,
        last: Shares::new(),
        routes: RouteFacts::default(),
        protects: BTreeSet::new(),
        holds: BTreeSet::new(),
        ..story.world.splits[0].clone()
    }
}

#[test]
fn an_owner_of_whom_nothing_is_known_protects_what_it_names_and_nothing_else() {
    let mut story = Story::new();
    story.world.splits[0].rollback_window = SignedDuration::ZERO;
    let mut alias = alias(&story);
    alias.protects = [v(2)].into();
    alias.routes.held = [v(3)].into();
    story.world.splits.push(alias);
    for number in 1..=6 {
        story.version(number, 3, 3).want(&[(number, 100)]).act();
        story.ready(number, 3).act();
        story.pass(2).act();
        story.pass(100).act();
        story.pass(100).act();
    }
    assert_eq!(story.running(), [2, 3, 6]);
}

#[test]
fn what_is_named_and_cannot_be_had_yet_keeps_its_pods_and_gets_no_share() {
    let mut story = Story::new();
    for number in 1..=3 {
        story.version(number, 2, 2).want(&[(number, 100)]).act();
        story.ready(number, 2).act();
        story.pass(2).act();
        story.pass(100).act();
    }
    story.world.splits[0].holds = [v(1)].into();
    story.act();
    for _ in 0..3 {
        story.pass(4000).act();
    }
    assert_eq!(story.running(), [1, 3]);
    assert_eq!(story.serving(), shares(&[(3, 100)]));
    story.world.splits[0].holds.clear();
    story.want(&[(1, 100)]).act();
    story.pass(2).act();
    assert_eq!(story.serving(), shares(&[(1, 100)]));
}

#[test]
fn what_a_route_that_was_taken_out_still_sends_to_stays_until_it_is_gone() {
    let mut story = shifted();
    // Nothing that is written changes it.
    for _ in 0..4 {
        story.world.splits[0].routes.sent.insert(v(7));
        story.pass(4000);
        let decided = plan(&story.world);
        assert!(decided.run.contains_key(&v(7)));
        assert!(!decided.splits[0].complete);
        story.carry_out(&decided);
    }
    // Its window begins when that route is gone.
    story.act();
    assert_eq!(story.running(), [7, 8]);
    assert!(story.plan().splits[0].complete);
    for _ in 0..3 {
        story.pass(4000).act();
    }
    assert_eq!(story.running(), [8]);
}

#[test]
fn what_routes_of_others_send_to_stays_and_goes_when_they_do_not() {
    let mut story = shifted();
    story.world.sent_by_others = [v(7)].into();
    story.act();
    for _ in 0..3 {
        story.pass(4000).act();
        assert_eq!(plan(&story.world).for_others, [v(7)].into());
    }
    assert_eq!(story.running(), [7, 8]);
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    // Its window begins anew: whoever sends to it no more may want it back.
    story.world.sent_by_others.clear();
    story.act();
    assert!(plan(&story.world).for_others.is_empty());
    assert_eq!(story.running(), [7, 8]);
    story.pass(4000).act();
    assert_eq!(story.running(), [8]);
    // What is listed, and what nobody ever made, is not kept for others.
    story.world.sent_by_others = [v(6), v(8)].into();
    story.act();
    assert!(plan(&story.world).for_others.is_empty());
}

proptest! {
    #[test]
    fn no_time_in_what_is_remembered_or_asked_for_can_overflow(
        times in proptest::collection::vec(prop_oneof![
            Just(Timestamp::MIN), Just(Timestamp::MAX), Just(Timestamp::UNIX_EPOCH),
        ], 7),
        periods in proptest::collection::vec(prop_oneof![
            Just(SignedDuration::MIN), Just(SignedDuration::MAX), Just(SignedDuration::ZERO),
        ], 4),
    ) {
        let mut story = shifted();
        story.version(9, 2, 4).want(&[(9, 90), (8, 10)]).act();
        let world = &mut story.world;
        world.now = times[0];
        world.settle = periods[0];
        let split = &mut world.splits[0];
        split.drain = periods[1];
        split.rollback_window = periods[2];
        split.progress_deadline = periods[3];
        split.routes.written = Some(times[1]);
        for version in world.versions.values_mut() {
            version.ready_since = Some(times[2]);
        }
        for version in world.memory.versions.values_mut() {
            version.released = Some(times[3]);
        }
        for named in world.memory.named.values_mut().flat_map(|named| named.values_mut()) {
            (named.since, named.idle) = (Some(times[4]), Some(times[5]));
        }
        for progress in world.memory.progress.values_mut() {
            (progress.began, progress.moved) = (times[5], times[6]);
        }
        let mut leaving = split.clone();
        leaving.leaving = true;
        leaving.owner.name = "other".to_owned();
        world.memory.gone.insert(leaving.owner.clone(), times[6]);
        world.splits.push(leaving);
        let _plan = plan(world);
    }
}
