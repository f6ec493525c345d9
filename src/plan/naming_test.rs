//! What routes name before a version gets a share and after it has lost it. That no write names and sends at once is checked
//! in each story as it is carried out.

use jiff::SignedDuration;

use super::tests::{Story, shares, v};
use super::*;

/// v7 served, v8 serves; both with one pod.
fn shifted() -> Story {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    assert_eq!(story.idle(), [0; 0], "a version without pods is not named");
    story.ready(8, 1).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    assert_eq!(story.idle(), [8], "named as soon as it is ready");
    story.pass(1).act();
    story
}

#[test]
fn a_version_is_named_first_and_keeps_its_name_until_just_before_its_pods_go() {
    let mut story = shifted();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    assert_eq!(story.idle(), [7]);
    story.pass(3598).act();
    assert_eq!((story.idle(), story.running()), (vec![7], vec![7, 8]));
    story.pass(1).act();
    assert_eq!((story.idle(), story.running()), (vec![], vec![7, 8]));
    assert!(story.plan().settled, "nothing is new for any request");
    story.pass(1).act();
    assert_eq!(story.running(), [8]);
    assert_eq!(story.plan().wake, None);
}

#[test]
fn going_back_to_a_version_that_is_named_takes_one_write() {
    let mut story = shifted();
    story.pass(3000).act();
    story.want(&[(7, 100)]);
    // Also where the gateway has not accepted what was written last.
    story.world.splits[0].routes.accepted = false;
    let back = plan(&story.world);
    let RoutePlan::Serve {
        shares: got, idle, ..
    } = &back.splits[0].route
    else {
        panic!("{back:?}");
    };
    assert_eq!((got, idle), (&shares(&[(7, 100)]), &vec![v(8)]));
    assert!(back.splits[0].complete);
}

#[test]
fn a_share_is_not_given_before_the_name_is_accepted_and_settled() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1);
    let named = plan(&story.world);
    story.carry_out(&named);
    // A new version waits however long that takes.
    for _ in 0..10 {
        keeps_silent(&mut story, true);
        story.pass(600);
        let waiting = plan(&story.world);
        story.carry_out(&waiting);
    }
    assert_eq!(story.serving(), shares(&[(7, 100)]), "the gateway is away");
    story.world.splits[0].routes.accepted = true;
    story.act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
}

/// The gateway has not accepted what was written last: it says nothing, or that it refuses it.
fn keeps_silent(story: &mut Story, silent: bool) {
    story.world.splits[0].routes.accepted = false;
    story.world.splits[0].routes.silent = silent;
}

/// v8 serves, and v7 has just lost its name, within its rollback window.
fn unnamed() -> Story {
    let mut story = shifted();
    story.pass(3599).act();
    assert_eq!((story.idle(), story.running()), (vec![], vec![7, 8]));
    story
}

/// Wants a version back that is named no more, and lets time pass while its gateway has not accepted the name.
fn waits(story: &mut Story, version: u32, silent: bool, seconds: i64) -> Plan {
    story.want(&[(version, 100)]);
    let named = plan(&story.world);
    story.carry_out(&named);
    assert_eq!(story.idle(), [version]);
    keeps_silent(story, silent);
    let heard = plan(&story.world);
    story.carry_out(&heard);
    keeps_silent(story, silent);
    story.pass(seconds);
    plan(&story.world)
}

fn route_of(plan: &Plan) -> &Shares {
    let RoutePlan::Serve { shares, .. } = &plan.splits[0].route else {
        panic!("{plan:?}");
    };
    shares
}

#[test]
fn the_way_back_waits_for_a_silent_gateway_no_longer_than_the_deadline() {
    let mut story = unnamed();
    let waiting = waits(&mut story, 7, true, 599);
    assert_eq!(*route_of(&waiting), shares(&[(8, 100)]));
    assert_eq!(waiting.splits[0].unheard, []);
    let second = SignedDuration::from_secs(1);
    assert_eq!(waiting.wake, Some(story.world.now + second));
    let back = plan(&story.pass(1).world);
    assert_eq!(*route_of(&back), shares(&[(7, 100)]));
    assert_eq!(back.splits[0].unheard, [v(7)]);
    // It is the same when it is planned again, and the pods of v8 stay as long as nothing is said.
    story.carry_out(&back);
    keeps_silent(&mut story, true);
    story.pass(9_000);
    let later = plan(&story.world);
    assert_eq!(*route_of(&later), shares(&[(7, 100)]));
    assert_eq!(later.splits[0].unheard, [v(7)]);
    assert!(later.run.contains_key(&v(8)) && later.remove.is_empty());
    story.carry_out(&later);
    story.act();
    assert_eq!(story.plan().splits[0].unheard, []);
    assert_eq!(
        story.plan().memory.named[&story.plan().splits[0].owner][&v(7)].silent,
        None
    );
}

#[test]
fn a_first_route_that_nobody_answers_has_not_been_waited_for() {
    let mut story = unnamed();
    keeps_silent(&mut story, true);
    let heard = plan(&story.world);
    story.carry_out(&heard);
    keeps_silent(&mut story, true);
    story.pass(9_000);
    assert_eq!(plan(&story.world).splits[0].unheard, []);
}

#[test]
fn the_way_back_does_not_go_on_past_a_gateway_that_refuses() {
    let mut story = unnamed();
    let waiting = waits(&mut story, 7, false, 90_000);
    assert_eq!(*route_of(&waiting), shares(&[(8, 100)]));
    assert_eq!(waiting.splits[0].unheard, []);
}

/// Forward again to a newer version that had the traffic before.
#[test]
fn to_go_back_to_a_newer_version_waits_no_longer_either() {
    let mut story = Story::new();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act().pass(1).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story.pass(3599).act();
    let waiting = waits(&mut story, 8, true, 599);
    assert_eq!(*route_of(&waiting), shares(&[(7, 100)]));
    let back = plan(&story.pass(1).world);
    assert_eq!(*route_of(&back), shares(&[(8, 100)]));
}

#[test]
fn pods_stay_while_a_gateway_has_not_accepted_that_they_are_named_no_more() {
    let mut story = shifted();
    story.pass(3599);
    let unnamed = plan(&story.world);
    story.carry_out(&unnamed);
    story.world.splits[0].routes.accepted = false;
    story.pass(600);
    let waiting = plan(&story.world);
    assert!(waiting.remove.is_empty() && waiting.run.contains_key(&v(7)));
    story.carry_out(&waiting);
    story.world.splits[0].routes.accepted = true;
    story.act();
    assert_eq!(story.running(), [8]);
}

#[test]
fn when_all_that_serves_is_lost_what_is_ready_is_named_and_then_gets_the_share_at_once() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(7, 0).act();
    story.ready(8, 1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
}

#[test]
fn ten_versions_make_place_for_ten_others_in_a_rule_of_sixteen() {
    let mut story = Story::new();
    story.world.splits[0].rollback_window = SignedDuration::ZERO;
    let tens = |from: u32| {
        (from..from + 10)
            .map(|number| (number, 10))
            .collect::<Vec<_>>()
    };
    for from in [1, 11] {
        for (number, _) in tens(from) {
            story.version(number, 1, 1);
        }
        story.want(&tens(from)).act();
        for (number, _) in tens(from) {
            story.ready(number, 1);
        }
        for _ in 0..20 {
            story.pass(40).act();
        }
        assert_eq!(story.serving(), shares(&tens(from)));
        assert!(story.plan().splits[0].complete);
    }
    assert_eq!(story.running(), (11..=20).collect::<Vec<u32>>());
}

#[test]
fn a_route_that_its_gateway_refuses_holds_up_no_other() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    story.ready(7, 1).act();
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act();
    // One of two routes is refused as a whole: nobody is served by it.
    story.world.splits[0].routes.accepted = false;
    story.world.splits[0].routes.rejected = true;
    let now = plan(&story.world);
    story.world.memory = now.memory;
    story.world.now += SignedDuration::from_secs(1);
    let RoutePlan::Serve { shares: got, .. } = &plan(&story.world).splits[0].route else {
        panic!("nothing is decided");
    };
    assert_eq!(*got, shares(&[(8, 100)]));
}

/// What the routes are to say, in order.
fn written(story: &Story) -> (Shares, Vec<u32>) {
    let plan = plan(&story.world);
    let RoutePlan::Serve { shares, idle, .. } = &plan.splits[0].route else {
        panic!("{plan:?}");
    };
    let idle = idle.iter().map(|version| version.get());
    (shares.clone(), idle.collect())
}

#[test]
fn an_order_alone_is_never_written() {
    let mut story = Story::new();
    story.version(1, 1, 1).want(&[(1, 100)]).act();
    story.ready(1, 1).act();
    for canary in [4, 2] {
        story.version(canary, 1, 1);
        story.want(&[(1, 90), (canary, 10)]).act();
        story.ready(canary, 1).act().pass(1).act();
        assert_eq!(story.serving(), shares(&[(1, 90), (canary, 10)]));
    }
    // The same in another order is what is there.
    story.want(&[(2, 10), (1, 90)]);
    assert_eq!(written(&story), (shares(&[(1, 90), (2, 10)]), vec![4]));
    story.pass(1).act();
    assert!(story.plan().splits[0].complete && story.plan().settled);
    // One has just lost its share and the other long ago, until both have.
    for older in [2, 4] {
        story.want(&[(1, 100)]);
        assert_eq!(written(&story), (shares(&[(1, 100)]), vec![2, 4]));
        story.act().pass(1).act();
        assert_eq!(written(&story), (shares(&[(1, 100)]), vec![2, 4]));
        story.want(&[(1, 90), (6 - older, 10)]).act().pass(1).act();
    }
}
