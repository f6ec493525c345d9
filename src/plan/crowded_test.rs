//! Where several versions want the places of a full cluster at once, and where pods that never had a place count as lost.

use super::room_test::{function, pods, serving, set};
use super::tests::{Story, shares, v};
use super::*;
use crate::words::Share;

/// A cluster with room for so many pods, in which those of the versions that are named first have waited longest.
fn fit(story: &mut Story, room: u32, order: &[u32]) {
    for number in order {
        let asked = function(story, *number).asked;
        if pods(story, *number) > asked {
            set(story, *number, asked, asked);
        }
    }
    for number in order {
        let all: u32 = order.iter().map(|number| pods(story, *number)).sum();
        let asked = function(story, *number).asked;
        let ready = asked.min(pods(story, *number) + room.saturating_sub(all));
        set(story, *number, ready, asked);
    }
}

fn work(story: &mut Story, room: u32, order: &[u32], rounds: u32) {
    for _ in 0..rounds {
        story.pass(2).act();
        fit(story, room, order);
    }
}

fn share(story: &Story, number: u32) -> Share {
    effective::share_of(&story.serving(), v(number))
}

#[test]
fn a_new_version_does_not_go_back_because_another_new_one_is_newer() {
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 10, 10).version(9, 10, 10);
    story.want(&[(8, 90), (9, 10)]).act();
    set(&mut story, 9, 10, 10);
    set(&mut story, 8, 2, 10);
    function(&mut story, 8).no_room = false;
    for _ in 0..200 {
        story.pass(5).act();
    }
    assert_eq!(story.serving(), shares(&[(8, 20), (9, 10), (7, 70)]));
    assert!(story.plan().splits[0].stalled);
}

#[test]
fn what_stays_takes_no_place_that_is_made_for_a_way_back() {
    for room in [10, 12] {
        let mut story = serving(&[(6, 100)], 10, 10);
        story.version(7, 10, 10).want(&[(7, 100)]).act();
        work(&mut story, room, &[7, 6], 400);
        assert_eq!(story.serving(), shares(&[(7, 100)]));
        story.version(8, 10, 10).want(&[(7, 90), (8, 10)]).act();
        work(&mut story, room, &[8, 7, 6], 400);
        assert_eq!(story.serving(), shares(&[(7, 90), (8, 10)]));
        story.want(&[(6, 90), (8, 10)]).act();
        work(&mut story, room, &[8, 7, 6], 600);
        assert_eq!(story.serving(), shares(&[(6, 90), (8, 10)]), "{room}");
        assert!(pods(&story, 6) >= 8, "{room}: {} pods", pods(&story, 6));
    }
}

#[test]
fn of_two_new_versions_none_takes_all_places() {
    for order in [[8, 9, 7], [9, 8, 7]] {
        for (pods, wish) in [(4, [(8, 50), (9, 50)]), (10, [(8, 50), (9, 50)])] {
            let mut story = serving(&[(7, 100)], pods, pods);
            story.version(8, pods, pods).version(9, pods, pods);
            story.want(&wish).act();
            work(&mut story, pods, &order, 600);
            assert_eq!(story.serving(), shares(&wish), "{pods}, {order:?}");
        }
    }
}

#[test]
fn half_of_the_pods_step_in_for_all_where_the_others_never_had_a_place() {
    for (all, half) in [(10, 5), (2, 1)] {
        let mut story = serving(&[(7, 100)], all, all);
        story.version(8, all, all).want(&[(7, 50), (8, 50)]).act();
        work(&mut story, all, &[8, 7], 400);
        assert_eq!(story.serving(), shares(&[(7, 50), (8, 50)]));
        let there = (pods(&story, 7), pods(&story, 8));
        assert_eq!(there, (half, half));
        // The node with the pods of version 7 is gone.
        let asked = function(&mut story, 7).asked;
        set(&mut story, 7, 0, asked);
        story.act();
        story.pass(5).act();
        assert_eq!(story.serving(), shares(&[(8, 100)]), "of {all}");
    }
    // A canary of one pod is never sent everything, in a full cluster either.
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 10, 10).want(&[(7, 90), (8, 10)]).act();
    work(&mut story, 10, &[8, 7], 400);
    assert_eq!(story.serving(), shares(&[(7, 90), (8, 10)]));
    let asked = function(&mut story, 7).asked;
    set(&mut story, 7, 0, asked);
    set(&mut story, 8, 1, 10);
    story.act();
    story.pass(5).act();
    assert!(share(&story, 8) <= Share::from_basis_points(2_000));
}

#[test]
fn a_way_back_comes_where_the_last_pods_of_several_versions_have_all_places() {
    for (room, now) in [
        (2, vec![(7, 90), (8, 10)]),
        (3, vec![(7, 60), (8, 30), (9, 10)]),
    ] {
        let mut story = last_pods(&now);
        let order: Vec<u32> = now.iter().map(|(number, _)| *number).chain([6]).collect();
        work(&mut story, room, &order, 700);
        assert_eq!(story.serving(), shares(&[(6, 100)]), "{room}");
    }
}

#[test]
fn a_release_goes_on_beside_a_version_that_is_listed_at_nothing() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(7, 0), (8, 100)]).act();
    work(&mut story, 4, &[7, 8], 400);
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story
        .version(9, 4, 4)
        .want(&[(9, 100), (8, 0), (7, 0)])
        .act();
    work(&mut story, 4, &[7, 8, 9], 600);
    assert_eq!(story.serving(), shares(&[(9, 100)]));
}

#[test]
fn the_places_that_a_finished_shift_leaves_go_to_who_needs_them() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(7, 50), (8, 50)]).act();
    // Pods take longer to end than a share waits before it runs ahead.
    for _ in 0..100 {
        story.pass(65).act();
        fit(&mut story, 4, &[7, 8]);
    }
    assert_eq!(story.serving(), shares(&[(7, 50), (8, 50)]));
    assert_eq!((pods(&story, 7), pods(&story, 8)), (2, 2));
}

#[test]
fn a_share_does_not_run_ahead_before_it_is_what_its_pods_bear() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(8, 100)]).act();
    function(&mut story, 8).no_room = true;
    story.pass(61).act();
    set(&mut story, 7, 3, 3);
    set(&mut story, 8, 1, 4);
    // Named, and then nobody looked for a while.
    story.act();
    let named = story.serving();
    story.pass(200).act();
    assert_eq!(named, shares(&[(7, 100)]));
    assert_eq!(share(&story, 8), Share::from_basis_points(2_500));
}

#[test]
fn what_waits_beside_others_gets_all_of_its_pods_where_room_comes() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 10, 10).version(9, 10, 10);
    story.want(&[(8, 50), (9, 50)]).act();
    work(&mut story, 4, &[7, 8, 9], 60);
    work(&mut story, 40, &[7, 8, 9], 200);
    assert_eq!(story.serving(), shares(&[(8, 50), (9, 50)]));
    assert_eq!((pods(&story, 8), pods(&story, 9)), (10, 10));
}

/// Versions with one pod each in a cluster with room for no more, and a way back that waits.
fn last_pods(now: &[(u32, u32)]) -> Story {
    let room = u32::try_from(now.len()).unwrap();
    let mut story = serving(&[(6, 100)], room, room);
    for (number, _) in now {
        story.version(*number, room, room);
    }
    story.want(now).act();
    set(&mut story, 6, 0, 0);
    for (number, _) in now {
        set(&mut story, *number, 1, room);
    }
    let order: Vec<u32> = now.iter().map(|(number, _)| *number).chain([6]).collect();
    work(&mut story, room, &order, 700);
    assert_eq!(story.serving(), shares(now));
    story.want(&[(6, 100)]).act();
    story
}

#[test]
fn a_version_whose_pod_stays_for_an_alias_does_not_go_for_a_way_back() {
    let mut story = last_pods(&[(7, 90), (8, 10)]);
    let mut alias = story.world.splits[0].clone();
    alias.owner = Owner {
        kind: OwnerKind::Alias,
        name: "staging".to_owned(),
    };
    (alias.wanted, alias.last) = (Some(shares(&[(8, 100)])), shares(&[(8, 100)]));
    let routes = &mut alias.routes;
    (routes.sent, routes.named, routes.held) = ([v(8)].into(), [v(8)].into(), [v(8)].into());
    routes.ruled.clear();
    story.world.splits.push(alias);
    work(&mut story, 2, &[7, 6, 8], 700);
    assert_eq!(story.serving(), shares(&[(6, 100)]));
}

#[test]
fn a_way_back_comes_where_what_is_lost_keeps_its_share() {
    let mut story = last_pods(&[(7, 90), (8, 10)]);
    story.world.splits[0].on_loss = OnLoss::Hold;
    work(&mut story, 2, &[7, 8, 6], 700);
    assert_eq!(story.serving(), shares(&[(6, 100)]));
}

#[test]
fn no_second_version_goes_while_the_pod_of_the_first_one_ends() {
    let mut story = last_pods(&[(7, 60), (8, 30), (9, 10)]);
    // The status tells of all that have pods.
    story.world.splits[0].protects = [v(6), v(7), v(8), v(9)].into();
    for _ in 0..330 {
        story.pass(2).act();
        // A pod that ends keeps its place.
        for number in [7, 8, 9] {
            let asked = function(&mut story, number).asked;
            let ready = pods(&story, number).min(asked);
            set(&mut story, number, ready, asked);
        }
        set(&mut story, 6, 0, 3);
    }
    let [seven, eight] = [7, 8].map(|number| share(&story, number).basis_points());
    assert_eq!((seven, eight), (6_666, 3_334));
}

#[test]
fn pods_that_came_all_at_once_are_known_to_have_been_there() {
    let mut story = serving(&[(6, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(7, 90), (6, 10)]).act();
    set(&mut story, 7, 0, 10);
    story.pass(61).act();
    set(&mut story, 6, 1, 1);
    set(&mut story, 7, 9, 9);
    for _ in 0..20 {
        story.pass(5).act();
    }
    assert_eq!(story.serving(), shares(&[(7, 90), (6, 10)]));
    let asked = function(&mut story, 7).asked;
    set(&mut story, 7, 0, asked);
    story.act();
    story.pass(5).act();
    assert!(
        share(&story, 6) <= Share::from_basis_points(2_000),
        "{:?}",
        story.serving()
    );
}

#[test]
fn what_answers_nothing_or_is_listed_nowhere_goes_first_for_a_way_back() {
    // The larger one crashes, and the smaller one is all that serves.
    let mut story = last_pods(&[(7, 90), (8, 10)]);
    story.world.splits[0].on_loss = OnLoss::Hold;
    for _ in 0..330 {
        story.pass(2).act();
        set(&mut story, 6, 0, 2);
        set(&mut story, 7, 0, 2);
        function(&mut story, 7).placed = 1;
        set(&mut story, 8, 1, 2);
    }
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    // The smaller one is listed at 0 %, so its pod stays.
    let mut story = last_pods(&[(7, 90), (8, 10)]);
    story.want(&[(6, 100), (8, 0)]).act();
    work(&mut story, 2, &[7, 6, 8], 700);
    assert_eq!(story.serving(), shares(&[(6, 100)]));
}

#[test]
fn more_pods_come_where_another_version_declares_few() {
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 2, 2).version(9, 20, 20);
    story.want(&[(8, 50), (9, 50)]).act();
    work(&mut story, 10, &[7, 8, 9], 60);
    work(&mut story, 60, &[7, 8, 9], 300);
    assert_eq!(story.serving(), shares(&[(8, 50), (9, 50)]));
}
