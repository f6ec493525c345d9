//! Too few pods: how far a share moves all the same, and how long it waits for more.

use super::tests::{Story, shares, shares_of, v, web};
use super::*;
use crate::words::Share;

/// v7 with 10 pods served, then v8 with 10 pods serves.
fn shifted() -> Story {
    let mut story = Story::new();
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    story.ready(7, 10).act();
    story.version(8, 10, 10).want(&[(8, 100)]).act();
    story.ready(8, 10).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story
}

#[test]
fn going_back_moves_at_once_as_far_as_pods_bear_and_ends_at_the_deadline_without_the_others() {
    for pods in 1..10 {
        let mut story = shifted();
        story.pass(60).ready(7, pods).act();
        story.want(&[(7, 100)]).act();
        let part = shares(&[(7, pods * 10), (8, 100 - pods * 10)]);
        assert_eq!(story.serving(), part);
        story.pass(599).act();
        assert_eq!(story.serving(), part);
        let waiting = &story.plan().splits[0].waiting;
        assert!(matches!(
            waiting[0].cause,
            Cause::Capacity { needed: 10, .. }
        ));
        story.pass(1).act();
        assert_eq!(story.serving(), shares(&[(7, 100)]));
        assert!(story.plan().splits[0].complete);
    }
}

#[test]
fn going_back_after_the_window_ends_too_where_there_is_room_for_few_pods() {
    let mut story = shifted();
    story.pass(3599).act();
    story.pass(100).act();
    assert_eq!(story.running(), [8]);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    story.ready(7, 2).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(7, 20), (8, 80)]));
    story.pass(600).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

/// A second function of a version, which no route reaches.
fn worker(story: &mut Story, number: u32, ready: u32) {
    let state = FunctionState {
        min: 3,
        max: 3,
        autoscaled: false,
        asked: 3,
        placed: ready,
        ready,
        no_room: false,
        starting: false,
    };
    let version = story.world.versions.get_mut(&v(number)).unwrap();
    version.functions.insert("worker".parse().unwrap(), state);
}

#[test]
fn a_function_that_no_route_reaches_holds_back_no_share() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]);
    worker(&mut story, 7, 3);
    story.act();
    story.ready(7, 1).act();
    // It has to run once before the version is sent anything at all.
    story.version(8, 1, 1).want(&[(8, 100)]);
    worker(&mut story, 8, 0);
    story.act();
    story.ready(8, 1).act().pass(5).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    worker(&mut story, 8, 2);
    story.act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    // Not even that is waited for on the way back.
    worker(&mut story, 7, 0);
    story.world.versions.get_mut(&v(7)).unwrap().ready_since = None;
    story.act();
    story.want(&[(7, 100)]).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn a_canary_of_one_pod_is_never_sent_everything() {
    let mut story = Story::new();
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    story.ready(7, 10).act();
    story.version(8, 1, 1).want(&[(7, 99), (8, 1)]).act();
    story.ready(8, 1).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(7, 99), (8, 1)]));
    story.ready(7, 0).act();
    // Twice what a pod bore before: 2 of 11.
    let lent = shares_of(&[(7, 8_182), (8, 1_818)]);
    assert_eq!(story.serving(), lent);
    story.pass(3600).act();
    assert_eq!(story.serving(), lent);
    story.ready(8, 0).act();
    assert_eq!(story.serving(), lent, "nothing is ready");
    story.ready(7, 9).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story.ready(7, 10).ready(8, 1).act();
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(7, 99), (8, 1)]));
}

#[test]
fn a_canary_that_has_just_come_is_not_sent_everything_either() {
    let mut story = Story::new();
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    story.ready(7, 10).act();
    story.version(8, 1, 1).want(&[(7, 99), (8, 1)]).act();
    story.ready(7, 0).ready(8, 1).act();
    let share = |number| effective::share_of(&story.serving(), v(number)).basis_points();
    assert!(share(8) > 0 && share(8) <= 2_000, "{:?}", story.serving());
    assert_eq!(share(7) + share(8), Share::ALL.basis_points());
}

#[test]
fn steps_take_hardly_more_pods_than_one() {
    for steps in [vec![100], vec![10, 25, 50, 75, 100]] {
        let mut story = Story::new();
        story.version(7, 2, 50).want(&[(7, 100)]).act();
        story.ready(7, 10).act();
        story.version(8, 2, 50);
        let mut asked = 0;
        for step in steps {
            if step == 100 {
                story.want(&[(8, 100)]);
            } else {
                story.want(&[(7, 100 - step), (8, step)]);
            }
            story.act();
            let Scale::Auto { min, .. } = story.plan().run[&v(8)][&web()] else {
                panic!("not scaled");
            };
            asked = min;
            // Less than an autoscaler takes to scale down.
            story.ready(8, min).act();
            story.pass(120).act();
        }
        assert_eq!(story.serving(), shares(&[(8, 100)]));
        assert!((10..=12).contains(&asked), "{asked} pods where 10 served");
    }
}

/// A node with room for so many pods: what scales down makes room, what has none is refused.
fn fit(story: &mut Story, room: u32) {
    let state = |story: &Story, number: u32| {
        let version = story.world.versions.get(&v(number));
        version.map_or((0, 0), |it| {
            (it.functions[&web()].asked, it.functions[&web()].ready)
        })
    };
    // An autoscaler takes what it may take away.
    if let Scale::Auto { min, .. } = story.plan().run[&v(7)][&web()] {
        let old = story.world.versions.get_mut(&v(7)).unwrap();
        old.functions.get_mut(&web()).unwrap().asked = min;
    }
    for (number, other) in [(7, 8), (8, 7)] {
        let (asked, ready) = state(story, number);
        let free = room - state(story, other).1.min(room);
        if asked != ready {
            story.ready(number, asked.min(ready.max(free)));
        }
        let (_, ready) = state(story, number);
        let version = story.world.versions.get_mut(&v(number)).unwrap();
        let function = version.functions.get_mut(&web()).unwrap();
        (function.asked, function.placed) = (asked, ready);
        function.no_room = asked > ready;
    }
}

#[test]
fn in_a_node_without_room_a_shift_ends_by_steps() {
    for (room, max) in [(10, 10), (12, 10), (12, 11)] {
        let mut story = Story::new();
        let min = if max == 10 { 10 } else { 2 };
        story.version(7, min, max).want(&[(7, 100)]).act();
        story.ready(7, 10).act();
        story.version(8, min, max).want(&[(8, 100)]).act();
        fit(&mut story, room);
        story.pass(59).act();
        let kept = story.plan().run[&v(7)][&web()];
        assert_ne!(kept, Scale::Fixed(9), "room may still come");
        for _ in 0..60 {
            story.pass(2).act();
            fit(&mut story, room);
            let ready: u32 = (story.world.versions.values())
                .map(|version| version.functions[&web()].ready)
                .sum();
            assert!(ready <= room, "{ready} pods");
            assert!(!story.plan().splits[0].stalled);
        }
        assert_eq!(story.serving(), shares(&[(8, 100)]), "room for {room}");
        assert!(story.plan().splits[0].complete);
        let pods = story.world.versions[&v(8)].functions[&web()].ready;
        assert!(pods >= 10, "{pods} pods");
    }
}

#[test]
fn nothing_is_given_up_for_a_pod_that_is_starting() {
    let mut story = Story::new();
    story.version(7, 2, 2).want(&[(7, 100)]).act();
    story.ready(7, 2).act();
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    let set = |story: &mut Story, starting: bool| {
        let new = story.world.versions.get_mut(&v(8)).unwrap();
        let function = new.functions.get_mut(&web()).unwrap();
        (function.no_room, function.starting) = (true, starting);
    };
    set(&mut story, true);
    for _ in 0..30 {
        story.pass(10).act();
        assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(2));
    }
    // One that never gets ready is waited for no longer than for anything else.
    story.pass(300).act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(1));
    story.want(&[(7, 100)]).act().want(&[(8, 100)]).act();
    set(&mut story, false);
    story.pass(61).act();
    story.pass(1).act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(1));
}

#[test]
fn the_way_back_in_a_full_cluster_gets_its_pods() {
    for forgets in [false, true] {
        let mut story = Story::new();
        story.version(7, 4, 4).want(&[(7, 100)]).act();
        story.ready(7, 4).act();
        story.version(8, 4, 4).want(&[(8, 100)]).act();
        for _ in 0..300 {
            story.pass(2).act();
            fit(&mut story, 4);
        }
        assert_eq!(story.serving(), shares(&[(8, 100)]));
        story.want(&[(7, 100)]).act();
        for round in 0..300 {
            if forgets && round == 20 {
                let served = |_: &VersionNumber| VersionMemory {
                    served: true,
                    ..VersionMemory::default()
                };
                let versions = story.world.versions.keys();
                let versions = versions.map(|version| (*version, served(version)));
                story.world.memory = Memory {
                    versions: versions.collect(),
                    ..Memory::default()
                };
            }
            story.pass(2).act();
            fit(&mut story, 4);
            let run = &story.plan().run[&v(7)][&web()];
            assert_eq!(*run, Scale::Fixed(4), "round {round}");
        }
        assert_eq!(story.serving(), shares(&[(7, 100)]), "{forgets}");
    }
}

#[test]
fn where_a_pod_more_has_room_no_shift_takes_fewer_than_served_before() {
    for (pods, room) in [(2, 3), (4, 5), (4, 6), (10, 11), (10, 13), (10, 10), (2, 2)] {
        let mut story = Story::new();
        story.version(7, pods, pods).want(&[(7, 100)]).act();
        story.ready(7, pods).act();
        story.version(8, pods, pods).want(&[(8, 100)]).act();
        fit(&mut story, room);
        let (mut fewest, mut most) = (pods, 0);
        for _ in 0..300 {
            story.pass(2).act();
            fit(&mut story, room);
            let of = |number: u32| {
                let version = story.world.versions.get(&v(number));
                version.map_or(0, |it| it.functions[&web()].ready)
            };
            fewest = fewest.min(of(7) + of(8));
            // What each bears of the requests that one pod bore before, in percent.
            for number in [7, 8] {
                let share = effective::share_of(&story.serving(), v(number)).basis_points();
                if share > 0 {
                    most = most.max(share * pods / of(number).max(1) / 100);
                }
            }
            assert!(!story.plan().splits[0].stalled, "{pods} {room}");
        }
        assert_eq!(story.serving(), shares(&[(8, 100)]), "{pods} {room}");
        assert!(story.plan().splits[0].complete, "{pods} {room}");
        if room > pods {
            assert!(fewest >= pods, "{pods} {room}: {fewest}");
            assert!(most <= 100, "{pods} {room}: {most} %");
        } else {
            assert!(fewest >= pods - 1, "{pods} {room}: {fewest}");
        }
    }
}

#[test]
fn who_changes_the_wish_again_and_again_takes_no_pod_more() {
    let mut story = Story::new();
    story.version(7, 4, 4).want(&[(7, 100)]).act();
    story.ready(7, 4).act();
    for wanted in [8, 9, 8, 9, 8, 9] {
        story.version(wanted, 4, 4).want(&[(wanted, 100)]).act();
        for _ in 0..50 {
            for number in [8, 9] {
                if let Some(new) = story.world.versions.get_mut(&v(number)) {
                    new.functions.get_mut(&web()).unwrap().no_room = true;
                }
            }
            story.pass(5).act();
            let pods = &story.plan().run[&v(7)][&web()];
            assert!(
                [Scale::Fixed(4), Scale::Fixed(3)].contains(pods),
                "{pods:?} for {wanted}"
            );
        }
    }
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(3));
    story.want(&[(7, 100)]).act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(4));
}

#[test]
fn what_gets_nothing_goes_before_what_serves() {
    let mut story = Story::new();
    story.version(7, 2, 2).want(&[(7, 100)]).act();
    story.ready(7, 2).act();
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    story.ready(8, 2).act();
    story.pass(1).act();
    story.pass(60).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    assert_eq!(
        story.plan().run[&v(7)][&web()],
        Scale::Fixed(2),
        "it is kept"
    );
    story.version(9, 2, 2).want(&[(9, 100)]).act();
    let refuse = |story: &mut Story, no_room: bool| {
        let new = story.world.versions.get_mut(&v(9)).unwrap();
        new.functions.get_mut(&web()).unwrap().no_room = no_room;
    };
    refuse(&mut story, true);
    story.pass(59).act();
    assert_eq!(
        story.plan().run[&v(7)][&web()],
        Scale::Fixed(2),
        "room may come"
    );
    for _ in 0..5 {
        story.pass(2).act();
    }
    let run = story.plan().run.clone();
    assert_eq!(run[&v(7)][&web()], Scale::Fixed(0));
    assert_eq!(run[&v(8)][&web()], Scale::Fixed(2));
}
