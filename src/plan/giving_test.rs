//! What versions give up in a full cluster when wishes change, nodes go, and what is lost comes back; and that no wish takes too much.

use proptest::prelude::*;

use super::room_test::{fit, function, pods, serving, set, worked};
use super::tests::{Story, shares, v, web};
use super::*;

#[test]
fn an_old_measure_takes_no_pods_that_came_since() {
    // An autoscaler grew past what was left for a release forward, and then it goes back.
    let mut story = Story::new();
    story.version(8, 2, 50).want(&[(8, 100)]).act();
    story.ready(8, 10).act();
    story.pass(2).act();
    story.version(9, 2, 50).want(&[(9, 100)]).act();
    function(&mut story, 9).no_room = true;
    story.pass(61).act();
    story.ready(8, 20).act();
    story.version(7, 2, 50).want(&[(7, 100)]).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    let Scale::Auto { max, .. } = story.plan().run[&v(8)][&web()] else {
        panic!("not scaled");
    };
    assert!(max >= 18, "{max}");
}

#[test]
fn a_way_back_gets_on_after_a_node_is_lost_before_its_first_pod() {
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    set(&mut story, 8, 6, 9);
    worked(&mut story, 6, 600);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn what_is_lost_keeps_its_pods_to_come_back_with() {
    let mut story = serving(&[(7, 95), (8, 5)], 10, 10);
    story.version(9, 10, 10).want(&[(9, 100)]).act();
    function(&mut story, 9).no_room = true;
    story.pass(61).act();
    let Scale::Fixed(left) = story.plan().run[&v(7)][&web()] else {
        panic!("scaled");
    };
    set(&mut story, 7, 0, left);
    story.act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(left));
    set(&mut story, 7, left, left);
    for _ in 0..20 {
        story.pass(5).act();
    }
    assert_eq!(story.serving(), shares(&[(7, 95), (8, 5)]));
}

#[test]
fn a_release_forward_takes_no_pods_of_what_lacks_some_itself() {
    let mut story = serving(&[(7, 100)], 10, 10);
    story.version(8, 10, 10).want(&[(8, 100)]).act();
    function(&mut story, 8).no_room = true;
    set(&mut story, 7, 2, 10);
    story.act();
    story.pass(61).act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(10));
    // The nodes are back.
    set(&mut story, 7, 10, 10);
    for _ in 0..50 {
        story.pass(5).act();
    }
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(9));
}

#[test]
fn a_version_that_keeps_its_share_is_held_down_by_no_way_back() {
    let mut story = Story::new();
    story.version(8, 2, 50).version(9, 2, 50);
    story.want(&[(8, 90), (9, 10)]).act();
    story.ready(8, 9).ready(9, 2).act();
    story.pass(2).act();
    story.version(7, 2, 50).want(&[(8, 90), (7, 10)]).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    let steady = function(&mut story, 8);
    (steady.asked, steady.no_room) = (14, true);
    story.act();
    function(&mut story, 8).no_room = false;
    story.act();
    let run = &story.plan().run[&v(8)][&web()];
    assert!(matches!(run, Scale::Auto { max: 50, .. }), "{run:?}");
}

#[test]
fn what_is_listed_at_nothing_gets_its_pods_back_and_those_that_requests_need() {
    // It never served.
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).version(9, 4, 4);
    story.want(&[(9, 0), (8, 100)]).act();
    worked(&mut story, 5, 300);
    for _ in 0..10 {
        story.pass(2).act();
        fit(&mut story, 12);
    }
    assert_eq!(pods(&story, 9), 4);

    // A route that cannot be written sends to it still.
    let mut story = serving(&[(7, 100)], 4, 4);
    story.version(8, 4, 4).want(&[(7, 0), (8, 100)]).act();
    story.ready(8, 4).act();
    story.pass(2).act();
    story.world.splits[0].routes.behind = [v(7)].into();
    story.version(9, 4, 4).want(&[(7, 0), (9, 100)]).act();
    function(&mut story, 9).no_room = true;
    story.pass(61);
    set(&mut story, 7, 1, 4);
    story.world.splits[0].routes.behind = [v(7)].into();
    let plan = plan(&story.world);
    assert_eq!(plan.run[&v(7)][&web()], Scale::Fixed(4));
}

#[test]
fn a_way_back_gets_its_pod_where_another_function_took_the_place() {
    let jobs: FunctionName = "jobs".parse().unwrap();
    let put = |story: &mut Story, number, ready| {
        let one = FunctionState {
            min: 1,
            max: 1,
            autoscaled: false,
            asked: 1,
            placed: ready,
            ready,
            no_room: ready == 0,
            starting: false,
        };
        let version = story.world.versions.get_mut(&v(number)).unwrap();
        version.functions.insert(jobs.clone(), one);
    };
    let mut story = serving(&[(8, 100)], 4, 4);
    put(&mut story, 8, 1);
    story.version(7, 4, 4);
    put(&mut story, 7, 0);
    story.want(&[(7, 100)]).act();
    set(&mut story, 7, 0, 4);
    story.pass(61).act();
    assert_eq!(story.plan().run[&v(8)][&web()], Scale::Fixed(3));
    set(&mut story, 8, 3, 3);
    put(&mut story, 7, 1);
    worked(&mut story, 3, 600);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn a_pod_that_is_replaced_takes_no_others_with_it_on_a_way_back_that_waits() {
    let mut story = serving(&[(8, 100)], 10, 10);
    story.version(7, 10, 10).want(&[(7, 100)]).act();
    function(&mut story, 7).no_room = true;
    story.pass(61).act();
    set(&mut story, 8, 9, 9);
    story.pass(130).act();
    for _ in 0..6 {
        let asked = function(&mut story, 8).asked;
        set(&mut story, 8, asked - 1, asked);
        function(&mut story, 8).no_room = false;
        story.act();
        let asked = function(&mut story, 8).asked;
        set(&mut story, 8, asked, asked);
        story.pass(5).act();
    }
    let Scale::Fixed(pods) = story.plan().run[&v(8)][&web()] else {
        panic!("scaled");
    };
    assert!(pods >= 7, "{pods}");
}

#[test]
fn nothing_goes_for_pods_that_have_their_place_and_crash() {
    let mut story = serving(&[(7, 100)], 2, 2);
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    let new = function(&mut story, 8);
    (new.placed, new.no_room, new.starting) = (1, true, true);
    story.pass(61).act();
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(2));
    let new = function(&mut story, 8);
    (new.placed, new.no_room, new.starting) = (2, false, false);
    for _ in 0..60 {
        story.pass(5).act();
    }
    assert_eq!(story.plan().run[&v(7)][&web()], Scale::Fixed(2));
}

/// A split of one or two of five versions.
fn split() -> impl Strategy<Value = Vec<(u32, u32)>> {
    let parts = prop_oneof![
        Just(vec![100]),
        Just(vec![50, 50]),
        Just(vec![90, 10]),
        Just(vec![10, 90]),
    ];
    (Just(vec![5, 6, 7, 8, 9]).prop_shuffle(), parts).prop_map(
        |(versions, parts): (Vec<u32>, Vec<u32>)| versions.into_iter().zip(parts).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn in_a_full_cluster_no_wish_takes_more_than_a_step_and_whole_ones_are_served_in_the_end(
        first in split(), second in split(), third in split(), small in 0..4_u32, after in 0..60_u32,
    ) {
        // Few pods cannot be parted among several versions.
        let pods = if small > 0 { small } else { 10 };
        let whole = |split: Vec<(u32, u32)>| if small > 0 { vec![(split[0].0, 100)] } else { split };
        let [first, second, third] = [first, second, third].map(whole);
        let mut story = serving(&first, pods, pods);
        let room = pods * u32::try_from(first.len()).unwrap();
        let mut fewest = room;
        for (wish, rounds) in [(second.clone(), after), (third.clone(), 400)] {
            for (number, _) in &wish {
                if !story.world.versions.contains_key(&v(*number)) {
                    story.version(*number, pods, pods);
                }
            }
            story.want(&wish).act();
            fewest = fewest.min(worked(&mut story, room, rounds));
        }
        // Where there is room for several versions, those that come first may take what others need.
        if pods > 1 && small > 0 {
            prop_assert_eq!(story.serving(), shares(&third));
        }
        // No version takes more pods than it declares.
        let most = [&second, &third].map(|wish| pods * u32::try_from(wish.len()).unwrap());
        let whole = most.into_iter().fold(room, u32::min);
        prop_assert!(fewest + capacity::step(whole) >= whole, "{} of {}", fewest, whole);
    }
}
