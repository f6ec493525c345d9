//! Versions that are lost and come back, whatever is wanted meanwhile.

use super::tests::{Story, shares, v};
use super::{OnLoss, plan};

/// v1 and v2 serve 95 to 5.
fn canary() -> Story {
    let mut story = Story::new();
    story.version(1, 1, 1).version(2, 1, 1);
    story.want(&[(1, 95), (2, 5)]).act();
    story.ready(1, 1).ready(2, 1).act().pass(5).act();
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
    story
}

fn lose(story: &mut Story, version: u32) {
    story.ready(version, 0).act();
}

fn come_back(story: &mut Story, version: u32) {
    story.ready(version, 1).act().pass(5).act();
}

#[test]
fn who_was_lost_gets_its_share_again_while_what_is_wanted_cannot_run() {
    for wanted_first in [true, false] {
        let mut story = canary();
        if !wanted_first {
            lose(&mut story, 1);
        }
        story.version(3, 1, 1).want(&[(3, 100)]).act();
        if wanted_first {
            lose(&mut story, 1);
        }
        assert_eq!(story.serving(), shares(&[(2, 100)]), "{wanted_first}");
        // It goes, and loses its name, no sooner than it is known that nobody comes back.
        story.pass(100_000).act();
        assert_eq!(story.running(), [1, 2, 3]);
        assert!(story.idle().contains(&1));
        come_back(&mut story, 1);
        assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
        assert!(story.plan().memory.intact.is_empty());
        // What is wanted takes over once it can.
        come_back(&mut story, 3);
        assert_eq!(story.serving(), shares(&[(3, 100)]));
        story.pass(100_000).act();
        assert_eq!(story.running(), [3]);
    }
}

#[test]
fn a_loss_is_forgotten_once_what_is_wanted_is_served() {
    let mut story = canary();
    lose(&mut story, 1);
    assert!(!story.plan().memory.intact.is_empty());
    story.want(&[(2, 100)]).act();
    assert!(story.plan().splits[0].complete);
    assert!(story.plan().memory.intact.is_empty());
    // It can be gone back to for the window, from now on.
    story.pass(3_598).act();
    assert_eq!((story.running(), story.idle()), (vec![1, 2], vec![1]));
    come_back(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(2, 100)]));
    story.pass(3_600).act();
    assert_eq!(story.running(), [2]);
}

#[test]
fn what_rises_meanwhile_keeps_what_it_got() {
    let mut story = canary();
    story.version(3, 2, 10).want(&[(3, 100)]).act();
    lose(&mut story, 1);
    story.version(4, 1, 1).version(5, 1, 1);
    story.want(&[(4, 20), (5, 80)]).act();
    come_back(&mut story, 4);
    assert_eq!(story.serving(), shares(&[(4, 20), (2, 80)]));
    // Now something else is wanted that cannot run either.
    story.want(&[(3, 100)]).act();
    assert_eq!(story.serving(), shares(&[(4, 20), (2, 80)]));
    come_back(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(4, 20), (1, 76), (2, 4)]));
}

#[test]
fn the_one_that_stepped_in_may_be_lost_too() {
    let mut story = canary();
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    lose(&mut story, 1);
    lose(&mut story, 2);
    assert_eq!(story.serving(), shares(&[(2, 100)]));
    // Nobody is there to lose a request to: v1 answers for all.
    story.ready(1, 1).act();
    assert_eq!(story.serving(), shares(&[(1, 100)]));
    come_back(&mut story, 2);
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
}

#[test]
fn a_version_whose_workloads_are_gone_is_waited_for_no_more() {
    let mut story = canary();
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    lose(&mut story, 1);
    story.world.versions.remove(&v(1));
    story.act();
    assert_eq!(story.serving(), shares(&[(2, 100)]));
    assert!(story.plan().memory.intact.is_empty());
}

#[test]
fn a_loss_outlives_a_time_in_which_it_is_not_known_what_is_wanted() {
    let mut story = canary();
    lose(&mut story, 1);
    story.world.splits[0].wanted = None;
    story.pass(100_000).act();
    assert_eq!(story.running(), [1, 2]);
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    come_back(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
}

#[test]
fn a_write_that_fails_leaves_what_it_was_to_bring_back() {
    for route_fails in [true, false] {
        let mut story = canary();
        story.version(3, 1, 1).want(&[(3, 100)]).act();
        lose(&mut story, 1);
        let old = story.world.memory.clone();
        story.ready(1, 1).act().pass(5);
        if route_fails {
            story.world.memory = plan(&story.world).memory;
        } else {
            story.world.memory = old;
        }
        story.act().pass(5).act();
        assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]), "{route_fails}");
    }
}

#[test]
fn what_is_remembered_of_another_time_moves_nothing() {
    let mut story = canary();
    lose(&mut story, 1);
    let old = story.world.memory.intact.clone();
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    come_back(&mut story, 3);
    come_back(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(3, 100)]));
    story.world.memory.intact = old;
    story.version(4, 1, 1).want(&[(4, 100)]).act();
    assert_eq!(story.serving(), shares(&[(3, 100)]));
}

#[test]
fn a_share_that_is_held_is_held_whatever_is_wanted() {
    let mut story = canary();
    story.world.splits[0].on_loss = OnLoss::Hold;
    story
        .version(3, 1, 1)
        .want(&[(1, 50), (2, 5), (3, 45)])
        .act();
    lose(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
    story.want(&[(3, 100)]).act();
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
}

#[test]
fn the_first_pod_of_a_lost_version_bears_its_part_however_long_something_else_waits() {
    let mut story = Story::new();
    story.version(1, 10, 10).version(2, 10, 10);
    story.want(&[(1, 50), (2, 50)]).act();
    story.ready(1, 10).ready(2, 10).act().pass(5).act();
    story
        .version(3, 1, 1)
        .want(&[(3, 100)])
        .act()
        .pass(700)
        .act();
    lose(&mut story, 1);
    story.ready(1, 1).act().pass(5).act();
    assert_eq!(story.serving(), shares(&[(1, 10), (2, 90)]));
}

#[test]
fn what_answers_is_made_again_though_something_else_is_wanted() {
    let mut story = canary();
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    let state = story.world.versions.get_mut(&v(1)).unwrap();
    state.materialised = false;
    story.ready(1, 0).act();
    assert_eq!(story.running(), [1, 2, 3]);
}

#[test]
fn a_loss_is_remembered_while_what_takes_over_is_not_written() {
    let mut story = canary();
    story.version(3, 1, 1).want(&[(3, 100)]).act();
    lose(&mut story, 1);
    story.ready(3, 1).act().pass(5);
    // The route cannot be written, and v3 is lost before it is tried again.
    let decided = plan(&story.world);
    assert!(decided.splits[0].complete);
    story.world.memory = decided.memory;
    lose(&mut story, 3);
    come_back(&mut story, 1);
    assert_eq!(story.serving(), shares(&[(1, 95), (2, 5)]));
}

#[test]
fn what_one_of_several_routes_sends_to_keeps_its_name_and_nothing_is_complete() {
    let mut story = canary();
    story.want(&[(2, 100)]).act();
    assert!(story.plan().splits[0].complete);
    // The first route was written, and another one never was.
    for _ in 0..3 {
        story.world.splits[0].routes.sent.insert(v(1));
        let decided = plan(&story.world);
        story.world.memory = decided.memory.clone();
        assert!(!decided.splits[0].complete && decided.run.contains_key(&v(1)));
        story.pass(3_500);
    }
    // It is written now: v1 has its name for the window, from now on.
    story.act();
    assert_eq!((story.running(), story.idle()), (vec![1, 2], vec![1]));
    story.pass(3_000).act();
    assert_eq!((story.running(), story.idle()), (vec![1, 2], vec![1]));
    story.pass(601).act();
    assert_eq!(story.running(), [2]);
}
