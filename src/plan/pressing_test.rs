//! How a way back in a full cluster gets its first pods, what it takes for that and gives back, and what is given up for nobody.

use super::room_test::{function, pods, serving, set, worked};
use super::tests::{Story, shares, v, web};
use super::*;
use crate::words::Share;

/// The second function of a version: so many pods that are to be there, and so many that have a place and are ready.
fn jobs(story: &mut Story, number: u32, asked: u32, ready: u32) {
    let function = FunctionState {
        min: asked,
        max: asked,
        autoscaled: false,
        asked,
        placed: ready,
        ready,
        no_room: ready < asked,
        starting: false,
    };
    let version = story.world.versions.get_mut(&v(number)).unwrap();
    let name: FunctionName = "jobs".parse().unwrap();
    version.functions.insert(name, function);
}

fn left(story: &Story, number: u32) -> u32 {
    match story.plan().run[&v(number)][&web()] {
        Scale::Fixed(pods) => pods,
        Scale::Auto { max, .. } => max,
    }
}

/// A version has as many pods as it is to have: how many.
fn obeyed(story: &mut Story, number: u32) -> u32 {
    let asked = left(story, number);
    set(story, number, asked, asked);
    asked
}

/// Version 8 serves with so many pods, and version 7, which it replaced, is to come back; there is no room for it.
fn back(pods: u32) -> Story {
    let mut story = serving(&[(7, 100)], pods, pods);
    story.version(8, pods, pods).want(&[(8, 100)]).act();
    story.ready(8, pods).act();
    story.pass(2).act();
    story.pass(2).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    set(&mut story, 7, 0, pods);
    story.want(&[(7, 100)]).act();
    set(&mut story, 7, 0, pods);
    story.pass(61).act();
    assert_eq!(left(&story, 8), pods - 1);
    story
}

#[test]
fn pods_that_are_gone_for_a_moment_are_not_taken_for_lost() {
    for placed in [0, 1] {
        let mut story = back(10);
        set(&mut story, 8, 9, 9);
        function(&mut story, 7).placed = placed;
        story.pass(130).act();
        set(&mut story, 8, 3, 9);
        story.act();
        assert!(left(&story, 8) >= 8, "{}", left(&story, 8));
        obeyed(&mut story, 8);
        story.pass(30).act();
        assert!(left(&story, 8) >= 8, "{}", left(&story, 8));
    }
}

#[test]
fn what_comes_and_crashes_in_its_place_takes_no_pod_of_another_function() {
    let mut story = serving(&[(8, 100)], 4, 4);
    jobs(&mut story, 8, 1, 1);
    story.version(7, 4, 4);
    jobs(&mut story, 7, 1, 1);
    story.want(&[(7, 100)]).act();
    set(&mut story, 7, 0, 4);
    story.pass(61).act();
    assert_eq!(left(&story, 8), 3);
    set(&mut story, 8, 3, 3);
    function(&mut story, 7).placed = 1;
    for _ in 0..10 {
        story.pass(70).act();
        assert_eq!(left(&story, 8), 3);
    }
}

#[test]
fn what_steps_in_for_a_version_that_crashes_on_the_way_back_keeps_what_it_has() {
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    for _ in 0..600 {
        worked(&mut story, 10, 1);
        if effective::share_of(&story.serving(), v(7)) >= Share::from_basis_points(5_000) {
            break;
        }
    }
    let had = pods(&story, 8);
    let came = pods(&story, 7);
    set(&mut story, 7, 0, 10);
    function(&mut story, 7).placed = came;
    story.pass(130).act();
    story.act();
    story.act();
    assert!(left(&story, 8) >= had, "{} of {had}", left(&story, 8));
}

#[test]
fn a_way_back_gets_on_after_each_loss_of_pods() {
    let mut story = back(10);
    set(&mut story, 8, 6, 9);
    story.pass(130).act();
    story.pass(130).act();
    let asked = left(&story, 8);
    set(&mut story, 8, 3, asked);
    worked(&mut story, 3, 900);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn a_way_back_gets_on_where_other_functions_took_the_places() {
    // Both places that were made go to the function with several pods.
    let mut story = serving(&[(8, 100)], 4, 4);
    jobs(&mut story, 8, 3, 3);
    story.version(7, 4, 4);
    jobs(&mut story, 7, 3, 0);
    story.want(&[(7, 100)]).act();
    set(&mut story, 7, 0, 4);
    story.pass(61).act();
    assert_eq!(left(&story, 8), 3);
    set(&mut story, 8, 3, 3);
    jobs(&mut story, 8, 2, 2);
    jobs(&mut story, 7, 3, 2);
    // The next one as well.
    for _ in 0..100 {
        story.pass(5).act();
    }
    assert!(left(&story, 8) <= 2, "{}", left(&story, 8));
    jobs(&mut story, 7, 3, 3);
    let room = left(&story, 8) + 1;
    worked(&mut story, room, 600);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn a_way_back_to_larger_pods_comes_and_one_that_never_fits_leaves_half() {
    // The first pod of version 7 takes as much as two of version 8.
    let mut story = back(10);
    for _ in 0..120 {
        let asked = obeyed(&mut story, 8);
        let fits = u32::from(asked <= 8).max(pods(&story, 7));
        set(&mut story, 7, fits, 10);
        story.pass(5).act();
    }
    let share = effective::share_of(&story.serving(), v(7));
    assert!(!share.is_zero(), "{:?}", story.serving());
    // Of version 6, that is older and never served here, no pod fits anywhere.
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(6, 10, 10).want(&[(6, 100)]).act();
    set(&mut story, 6, 0, 10);
    for _ in 0..400 {
        obeyed(&mut story, 8);
        story.pass(5).act();
        assert!(left(&story, 8) >= 5, "{}", left(&story, 8));
    }
    // Once it is wanted no more, all is as it was.
    story.want(&[(8, 100)]).act();
    assert_eq!(left(&story, 8), 10);
}

#[test]
fn a_function_without_a_node_takes_no_pods_of_another_one_after_the_other() {
    let mut story = serving(&[(8, 100)], 10, 10);
    jobs(&mut story, 8, 1, 0);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    set(&mut story, 7, 0, 10);
    story.pass(61).act();
    set(&mut story, 8, 9, 9);
    story.pass(130).act();
    assert!(left(&story, 8) >= 7, "{}", left(&story, 8));
}

#[test]
fn an_outage_of_what_serves_while_a_way_back_presses_takes_no_more_than_half() {
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(6, 10, 10).want(&[(6, 100)]).act();
    set(&mut story, 6, 0, 10);
    story.pass(61).act();
    set(&mut story, 8, 9, 9);
    story.pass(130).act();
    let asked = left(&story, 8);
    set(&mut story, 8, 0, asked);
    story.pass(130).act();
    for _ in 0..20 {
        story.pass(61).act();
        let asked = left(&story, 8);
        assert!(asked >= 5, "{asked}");
        set(&mut story, 8, asked, asked);
    }
    // Nor is it noted again and again that nothing more is taken.
    story.pass(1_000).act();
    let before = story.world.memory.clone();
    story.pass(1_000).act();
    assert_eq!(story.world.memory, before);
}

#[test]
fn no_version_gives_more_than_half_though_others_have_many() {
    let mut story = serving(&[(8, 50), (9, 50)], 10, 10);
    story.version(7, 10, 10);
    story.want(&[(8, 50), (7, 50)]).act();
    set(&mut story, 7, 0, 10);
    for _ in 0..9 {
        story.pass(61).act();
        let asked = left(&story, 9);
        assert!(asked >= 5, "{asked}");
        set(&mut story, 9, asked, asked);
    }
}

#[test]
fn what_came_in_part_goes_for_what_serves_after_another_change_of_mind() {
    let mut story = back(10);
    for _ in 0..2 {
        obeyed(&mut story, 8);
        story.pass(130).act();
    }
    let had = left(&story, 8);
    assert!(had <= 6, "{had}");
    set(&mut story, 8, had, had);
    set(&mut story, 7, 0, 10);
    function(&mut story, 7).placed = 1;
    story.want(&[(8, 100)]).act();
    set(&mut story, 8, had, 10);
    set(&mut story, 7, 0, 10);
    function(&mut story, 7).placed = 1;
    story.act();
    story.pass(60).act();
    assert_eq!(left(&story, 7), 0);
    assert_eq!(left(&story, 8), 10);
}

#[test]
fn a_kept_version_that_lacks_a_pod_for_a_moment_keeps_the_others() {
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 10, 10).want(&[(8, 100)]).act();
    story.ready(8, 10).act();
    story.pass(2).act();
    story.pass(60).act();
    assert_eq!(left(&story, 7), 10);
    set(&mut story, 7, 9, 10);
    set(&mut story, 8, 9, 10);
    story.act();
    assert_eq!(left(&story, 7), 10);
}

#[test]
fn what_a_way_back_pressed_for_is_given_back_whatever_is_wanted_next() {
    for next in [9, 6] {
        let mut story = back(10);
        for _ in 0..3 {
            obeyed(&mut story, 8);
            story.pass(130).act();
        }
        let asked = left(&story, 8);
        assert_eq!(asked, 5);
        set(&mut story, 8, asked, asked);
        story.version(next, 4, 4).want(&[(next, 100)]).act();
        let new = function(&mut story, next);
        (new.asked, new.placed, new.no_room, new.starting) = (4, 4, false, false);
        story.act();
        assert!(left(&story, 8) >= 9, "{next}: {}", left(&story, 8));
    }
}

#[test]
fn what_steps_in_for_a_lost_version_gives_no_pod_for_it() {
    let mut story = serving(&[(7, 50), (8, 50)], 2, 2);
    set(&mut story, 7, 0, 2);
    story.act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    for _ in 0..5 {
        story.pass(61).act();
        assert_eq!(left(&story, 8), 2);
    }
}

#[test]
fn a_way_back_presses_on_where_the_function_that_has_no_pod_gives_no_more() {
    let mut story = serving(&[(8, 100)], 10, 10);
    let name: FunctionName = "jobs".parse().unwrap();
    story.world.splits[0].functions = [web(), name].into();
    jobs(&mut story, 8, 4, 4);
    story.version(6, 10, 10);
    jobs(&mut story, 6, 4, 0);
    story.want(&[(6, 100)]).act();
    set(&mut story, 6, 0, 10);
    story.pass(61).act();
    set(&mut story, 8, 9, 9);
    jobs(&mut story, 8, 3, 3);
    set(&mut story, 6, 2, 10);
    for _ in 0..8 {
        jobs(&mut story, 6, 4, 0);
        story.pass(130).act();
        jobs(&mut story, 8, 2, 2);
    }
    assert!(left(&story, 8) < 9, "{}", left(&story, 8));
}

#[test]
fn a_clock_that_was_put_back_keeps_no_way_back_waiting() {
    let mut story = back(10);
    set(&mut story, 8, 9, 9);
    story.world.now -= SignedDuration::from_hours(1);
    story.act();
    for _ in 0..3 {
        story.pass(130).act();
    }
    assert!(left(&story, 8) <= 8, "{}", left(&story, 8));
}

#[test]
fn what_steps_in_for_a_lost_version_is_not_taken_for_what_is_left() {
    let mut story = serving(&[(7, 90), (8, 10)], 10, 10);
    set(&mut story, 7, 0, 10);
    story.act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story.pass(61).act();
    for _ in 0..4 {
        obeyed(&mut story, 8);
        story.pass(130).act();
    }
    assert!(left(&story, 8) >= 9, "{}", left(&story, 8));
}

#[test]
fn a_fix_of_what_crashes_gets_a_place() {
    let mut story = serving(&[(8, 100)], 10, 10);
    set(&mut story, 8, 0, 10);
    function(&mut story, 8).placed = 8;
    story.version(9, 10, 10).want(&[(9, 100)]).act();
    set(&mut story, 9, 0, 10);
    for _ in 0..3 {
        story.pass(61).act();
    }
    assert!(left(&story, 8) < 8, "{}", left(&story, 8));
}

#[test]
fn a_canary_goes_on_in_steps_in_a_full_cluster_and_turns_round() {
    for pods in [4, 10] {
        let mut story = serving(&[(7, 100)], pods, pods);
        story.version(8, pods, pods);
        let steps: &[&[(u32, u32)]] = &[
            &[(7, 75), (8, 25)],
            &[(7, 50), (8, 50)],
            &[(7, 25), (8, 75)],
            &[(7, 50), (8, 50)],
            &[(8, 100)],
        ];
        for step in steps {
            story.want(step).act();
            let fewest = worked(&mut story, pods, 900);
            assert_eq!(story.serving(), shares(step), "{pods}");
            assert!(fewest + 1 >= pods, "{fewest} of {pods}");
        }
    }
    // A change of mind halfway, twice.
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    for _ in 0..600 {
        worked(&mut story, 10, 1);
        if effective::share_of(&story.serving(), v(7)) >= Share::from_basis_points(5_000) {
            break;
        }
    }
    assert_ne!(story.serving(), shares(&[(7, 100)]));
    story.want(&[(8, 100)]).act();
    worked(&mut story, 10, 900);
    assert_eq!(story.serving(), shares(&[(8, 100)]));
}

#[test]
fn nothing_goes_while_a_pod_of_what_comes_has_a_place_and_crashes() {
    let mut story = serving(&[(7, 100)], 2, 2);
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    let new = function(&mut story, 8);
    (new.placed, new.no_room, new.starting) = (1, true, false);
    for _ in 0..60 {
        story.pass(61).act();
        assert_eq!(left(&story, 7), 2);
    }
}

#[test]
fn a_function_that_starts_holds_up_no_first_pod_of_another() {
    let mut story = serving(&[(8, 100)], 4, 4);
    jobs(&mut story, 8, 1, 1);
    story.version(7, 4, 4);
    jobs(&mut story, 7, 1, 0);
    story.want(&[(7, 100)]).act();
    set(&mut story, 7, 0, 4);
    story.pass(61).act();
    assert_eq!(left(&story, 8), 3);
    set(&mut story, 8, 3, 3);
    jobs(&mut story, 7, 1, 0);
    let name: FunctionName = "jobs".parse().unwrap();
    let version = story.world.versions.get_mut(&v(7)).unwrap();
    let hangs = version.functions.get_mut(&name).unwrap();
    (hangs.placed, hangs.no_room, hangs.starting) = (1, false, true);
    for _ in 0..4 {
        story.pass(61).act();
    }
    assert_eq!(left(&story, 8), 2);
}
