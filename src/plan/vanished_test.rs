//! What happens where the routes of an owner are gone, and nobody asked for that.

use super::tests::{Story, shares, v};
use super::*;

/// v7 serves with ten pods, and v8 is wanted.
fn shifting() -> Story {
    let mut story = Story::new();
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    story.ready(7, 10).act();
    story.pass(100).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story.version(8, 10, 10).want(&[(8, 100)]).act();
    story
}

fn lose_routes(story: &mut Story) {
    let split = &mut story.world.splits[0];
    split.last = Shares::new();
    split.routes = RouteFacts::default();
}

#[test]
fn what_served_goes_on_while_what_is_wanted_is_not_ready() {
    for ready in [0, 1] {
        let mut story = shifting();
        story.ready(8, ready).act();
        lose_routes(&mut story);
        story.act();
        for _ in 0..3 {
            story.pass(4000).act();
            assert_eq!(story.running(), [7, 8]);
        }
        let most = if ready == 0 { 10_000 } else { 9_000 };
        let stays = effective::share_of(&story.serving(), v(7));
        assert!(stays.basis_points() >= most, "{ready}: {stays}");
        // The release ends as it would have.
        story.ready(8, 10).act();
        story.pass(2).act();
        story.pass(2).act();
        assert_eq!(story.serving(), shares(&[(8, 100)]));
    }
}

#[test]
fn what_is_gone_itself_is_not_gone_back_to() {
    let mut story = shifting();
    story.ready(8, 1).act();
    lose_routes(&mut story);
    story.world.versions.remove(&v(7));
    story.act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
}

#[test]
fn routes_that_went_while_nothing_could_be_decided_are_remembered_until_it_can() {
    let mut story = shifting();
    story.world.splits[0].wanted = None;
    lose_routes(&mut story);
    story.act();
    story.pass(4000).act();
    story.want(&[(8, 100)]).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn who_wants_no_routes_any_more_is_not_held_to_what_they_said() {
    let mut story = shifting();
    story.world.splits[0].functions.clear();
    lose_routes(&mut story);
    story.act();
    assert!(story.plan().memory.shares.is_empty());
}

#[test]
fn a_kind_that_is_not_known_for_a_while_is_no_reason_to_begin_anew() {
    let mut story = shifting();
    story.ready(8, 1).act();
    let before = story.serving();
    // Nobody can say that they are gone.
    lose_routes(&mut story);
    story.world.splits[0].routes.exist = true;
    for _ in 0..3 {
        story.pass(600);
        let decided = plan(&story.world);
        assert!(decided.run.contains_key(&v(7)));
        story.world.memory = decided.memory;
    }
    story.world.splits[0].routes.exist = false;
    story.act();
    assert_eq!(story.serving(), before);
}

#[test]
fn what_no_route_ever_gave_is_not_remembered() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]);
    story.world.versions.get_mut(&v(7)).unwrap().materialised = true;
    story.ready(7, 1);
    // The place is somebody else's: nothing can be written.
    for _ in 0..2 {
        let decided = plan(&story.world);
        assert!(decided.memory.shares.is_empty());
        story.world.memory = decided.memory;
    }
    story.version(8, 1, 1).want(&[(8, 100)]);
    story.world.versions.get_mut(&v(8)).unwrap().materialised = true;
    story.ready(8, 1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
}
