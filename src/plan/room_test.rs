//! Where there is no room: what gives way among several versions and owners, and what does not.

use super::tests::{Story, shares, v, web};
use super::*;
use crate::words::Share;

pub(super) fn function(story: &mut Story, number: u32) -> &mut FunctionState {
    let version = story.world.versions.get_mut(&v(number)).unwrap();
    version.functions.get_mut(&web()).unwrap()
}

pub(super) fn pods(story: &Story, number: u32) -> u32 {
    let version = story.world.versions.get(&v(number));
    version.map_or(0, |it| it.functions[&web()].ready)
}

/// A cluster with room for so many pods: what scales down makes room, what has none is refused. Who waits longest has it first. An
/// autoscaler keeps as many pods as it may, as one does under load.
pub(super) fn fit(story: &mut Story, room: u32) {
    let numbers: Vec<u32> = story.world.versions.keys().map(|it| it.get()).collect();
    for number in &numbers {
        if let Some(Scale::Auto { min, max }) =
            story.plan().run.get(&v(*number)).map(|it| it[&web()])
        {
            let function = function(story, *number);
            function.asked = function.ready.clamp(min, max);
        }
        let asked = function(story, *number).asked;
        if pods(story, *number) > asked {
            set(story, *number, asked, asked);
        }
    }
    for number in &numbers {
        let all: u32 = numbers.iter().map(|number| pods(story, *number)).sum();
        let asked = function(story, *number).asked;
        let ready = asked.min(pods(story, *number) + room.saturating_sub(all));
        set(story, *number, ready, asked);
    }
}

/// So many pods of a version have a place and are ready, of those that it is to have.
pub(super) fn set(story: &mut Story, number: u32, ready: u32, asked: u32) {
    story.ready(number, ready);
    let function = function(story, number);
    (function.asked, function.placed) = (asked, ready);
    function.no_room = asked > ready;
}

/// These versions serve, with so many pods each; no more fit.
pub(super) fn serving(list: &[(u32, u32)], pods: u32, max: u32) -> Story {
    let mut story = Story::new();
    for (number, _) in list {
        story.version(*number, pods.min(max), max);
    }
    story.want(list).act();
    for (number, _) in list {
        story.ready(*number, pods).act();
    }
    story.pass(2).act();
    assert_eq!(story.serving(), shares(list));
    story
}

/// Fewest pods at any time while it is worked on.
pub(super) fn worked(story: &mut Story, room: u32, rounds: u32) -> u32 {
    let mut fewest = room;
    for _ in 0..rounds {
        story.pass(2).act();
        fit(story, room);
        let all = story.world.versions.keys().map(|it| pods(story, it.get()));
        fewest = fewest.min(all.sum());
    }
    fewest
}

#[test]
fn several_versions_give_way_to_one_and_one_of_several_does() {
    for (before, after) in [
        (vec![(7, 50), (8, 50)], vec![(9, 100)]),
        (vec![(7, 90), (8, 10)], vec![(7, 90), (9, 10)]),
        (vec![(7, 40), (8, 30), (9, 30)], vec![(6, 100)]),
        (vec![(8, 50), (9, 50)], vec![(7, 100)]),
        (vec![(7, 10), (8, 90)], vec![(7, 10), (9, 90)]),
        (vec![(7, 10), (8, 90)], vec![(7, 10), (6, 90)]),
    ] {
        let mut story = serving(&before, 10, 10);
        let room = 10 * u32::try_from(before.len()).unwrap();
        for (number, _) in &after {
            if !before.iter().any(|(other, _)| other == number) {
                story.version(*number, 10, 10);
            }
        }
        story.want(&after).act();
        let fewest = worked(&mut story, room, 600);
        assert_eq!(story.serving(), shares(&after), "from {before:?}");
        assert!(fewest >= room - capacity::step(room), "{fewest} of {room}");
    }
}

#[test]
fn an_outage_of_what_serves_takes_no_more_of_its_pods_than_a_step() {
    for ready in [0, 3] {
        let mut story = serving(&[(7, 100)], 10, 10);
        story.version(8, 10, 10).want(&[(8, 100)]).act();
        function(&mut story, 8).no_room = true;
        story.act();
        story.ready(7, ready).act();
        for _ in 0..100 {
            story.pass(5).act();
            assert!(
                [Scale::Fixed(9), Scale::Fixed(10)].contains(&story.plan().run[&v(7)][&web()]),
                "{ready}: {:?}",
                story.plan().run
            );
        }
    }
}

#[test]
fn on_the_way_back_what_an_autoscaler_keeps_under_load_gives_way() {
    let mut story = Story::new();
    story.version(8, 2, 50).want(&[(8, 100)]).act();
    story.ready(8, 10).act();
    story.pass(2).act();
    story.version(7, 2, 50).want(&[(7, 100)]).act();
    let fewest = worked(&mut story, 10, 600);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    assert!(fewest >= 9, "{fewest}");
    let run = &story.plan().run[&v(7)][&web()];
    assert!(matches!(run, Scale::Auto { max: 50, .. }), "{run:?}");
}

#[test]
fn no_autoscaler_is_held_down_for_a_release_forward_nor_for_long() {
    for (old, new) in [(7, 8), (8, 7)] {
        for (min, ready) in [(2, 10), (1, 1)] {
            let mut story = Story::new();
            story.version(old, min, 50).want(&[(old, 100)]).act();
            story.ready(old, ready).act();
            story.pass(2).act();
            story.version(new, 2, 50).want(&[(new, 100)]).act();
            function(&mut story, new).no_room = true;
            for _ in 0..200 {
                story.pass(5).act();
                let Scale::Auto { max, .. } = story.plan().run[&v(old)][&web()] else {
                    panic!("not scaled");
                };
                let after = story
                    .world
                    .now
                    .duration_since(Timestamp::UNIX_EPOCH)
                    .as_secs();
                // Where not one pod has found a place for long, it takes more than a step.
                let least = if after < 180 { ready - 1 } else { ready / 2 };
                assert!(
                    max == 50 || (new < old && after <= 610 && max >= least),
                    "{max} after {after} s"
                );
            }
        }
    }
}

#[test]
fn what_lacks_pods_itself_gives_way_too() {
    for before in [true, false] {
        let mut story = serving(&[(8, 100)], 10, 10);
        if before {
            set(&mut story, 8, 6, 10);
        }
        story.version(7, 10, 10).want(&[(7, 100)]).act();
        worked(&mut story, if before { 6 } else { 10 }, 32);
        // A node is lost.
        let room = 6;
        let ready = pods(&story, 8).min(room);
        let asked = function(&mut story, 8).asked;
        set(&mut story, 8, ready, asked);
        worked(&mut story, room, 600);
        assert_eq!(story.serving(), shares(&[(7, 100)]), "{before}");
    }
}

#[test]
fn what_was_lost_when_that_began_counts_too() {
    for placed in [0, 10] {
        let mut story = serving(&[(7, 50), (8, 50)], 10, 10);
        story.version(9, 10, 10).want(&[(9, 100)]).act();
        function(&mut story, 9).no_room = true;
        story.ready(7, 0);
        function(&mut story, 7).placed = placed;
        story.act();
        assert_eq!(story.serving(), shares(&[(8, 100)]));
        story.pass(61).act();
        story.pass(61).act();
        story.ready(7, 10).act();
        for _ in 0..50 {
            story.pass(5).act();
        }
        let of = |number| match story.plan().run[&v(number)][&web()] {
            Scale::Fixed(pods) => pods,
            Scale::Auto { .. } => 0,
        };
        assert!(of(7) + of(8) >= 17, "{} {}", of(7), of(8));
    }
}

#[test]
fn what_is_added_while_it_is_waited_counts_too() {
    let mut story = Story::new();
    story.version(7, 2, 50).want(&[(7, 100)]).act();
    story.ready(7, 10).act();
    story.pass(2).act();
    story.version(8, 2, 50).want(&[(8, 100)]).act();
    let new = function(&mut story, 8);
    (new.no_room, new.starting) = (true, true);
    story.pass(61).act();
    story.ready(7, 14).act();
    let Scale::Auto { min, max } = story.plan().run[&v(7)][&web()] else {
        panic!("not scaled");
    };
    assert!(max >= 13 && min >= 10, "{min} {max}");
}

#[test]
fn what_is_listed_at_nothing_does_not_take_the_place_that_is_made() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(7, 0), (8, 100)]).act();
    worked(&mut story, 5, 300);
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story.version(9, 4, 4).want(&[(7, 0), (9, 100)]).act();
    worked(&mut story, 5, 600);
    assert_eq!(story.serving(), shares(&[(9, 100)]));
    assert!(pods(&story, 7) >= 1);

    // Nor do its pods count for those that serve.
    let mut story = serving(&[(6, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(6, 100), (7, 0)]).act();
    story.ready(7, 10).act();
    story.pass(2).act();
    story.version(8, 10, 10).want(&[(7, 0), (8, 100)]).act();
    function(&mut story, 8).no_room = true;
    story.pass(61).act();
    story.pass(61).act();
    story.ready(8, 1).act();
    for _ in 0..100 {
        story.pass(5).act();
    }
    assert_eq!(story.plan().run[&v(6)][&web()], Scale::Fixed(8));
}

#[test]
fn a_wish_that_is_not_known_for_a_while_takes_no_pod_more() {
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 10, 10).want(&[(8, 100)]).act();
    function(&mut story, 8).no_room = true;
    for _ in 0..5 {
        story.pass(61).act();
        story.pass(61).act();
        let asked = function(&mut story, 7).asked;
        story.ready(7, asked);
        function(&mut story, 7).placed = asked;
        story.act();
        let wanted = story.world.splits[0].wanted.take();
        story.act();
        story.world.splits[0].wanted = wanted;
        story.act();
    }
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(9));
}

#[test]
fn a_version_that_is_listed_at_nothing_keeps_a_pod_and_gets_the_others_back() {
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(7, 0), (8, 100)]).act();
    for _ in 0..300 {
        story.pass(2).act();
        fit(&mut story, 4);
        assert!(pods(&story, 7) >= 1, "{:?}", story.plan().run);
    }
    let served = |story: &Story| effective::share_of(&story.serving(), v(8));
    assert_eq!(served(&story), Share::ALL);
    let RoutePlan::Serve { overrides, .. } = &story.plan().splits[0].route else {
        panic!("no route");
    };
    assert!(overrides.contains(&v(7)), "{overrides:?}");
    assert!(story.plan().splits[0].complete && !story.plan().splits[0].stalled);
    for _ in 0..10 {
        story.pass(2).act();
        fit(&mut story, 8);
    }
    assert_eq!((pods(&story, 7), pods(&story, 8)), (4, 4));
}

/// Another owner of the app, with these shares, and routes or none.
fn beside(story: &mut Story, list: &[(u32, u32)], routed: bool) {
    let mut split = story.world.splits[0].clone();
    split.owner = Owner {
        kind: OwnerKind::Alias,
        name: "stable".to_owned(),
    };
    split.wanted = Some(shares(list));
    split.last = shares(list);
    if !routed {
        split.functions.clear();
        split.routes = RouteFacts::default();
        split.last = Shares::new();
    }
    story.world.splits.push(split);
}

#[test]
fn an_alias_without_routes_or_one_that_leaves_too_does_not_keep_pods_from_giving_way() {
    // A name alone, without routes, to which nothing is sent.
    let mut story = serving(&[(8, 100)], 4, 4);
    beside(&mut story, &[(8, 100)], false);
    story.version(7, 4, 4).want(&[(7, 100)]).act();
    worked(&mut story, 4, 400);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    assert!(pods(&story, 8) >= 1, "a name keeps a pod");

    // Both leave in one commit.
    let mut story = serving(&[(8, 100)], 4, 4);
    beside(&mut story, &[(8, 100)], true);
    story.version(7, 4, 4).want(&[(7, 100)]);
    story.world.splits[1].wanted = Some(shares(&[(7, 100)]));
    story.pass(61).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    story.pass(61).act();
    assert_eq!(story.plan().run[&v(8)][&web()], Scale::Fixed(3));

    // One stays.
    let mut story = serving(&[(8, 100)], 4, 4);
    beside(&mut story, &[(8, 100)], true);
    story.version(7, 4, 4).want(&[(7, 100)]);
    story.pass(61).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    story.pass(61).act();
    assert_eq!(story.plan().run[&v(8)][&web()], Scale::Fixed(4));
}

#[test]
fn a_gateway_that_is_waited_for_starts_no_deadline_anew() {
    let mut story = serving(&[(7, 100)], 2, 2);
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    // Its pod comes and goes, each time before it may be sent anything.
    for _ in 0..5 {
        story.pass(100).act();
        story.ready(8, 1).act();
        story.ready(8, 0).act();
    }
    assert!(!story.plan().splits[0].stalled);
    story.pass(300).act();
    assert!(!story.plan().splits[0].complete);
    story.pass(300).act();
    assert!(story.plan().splits[0].stalled);
}
