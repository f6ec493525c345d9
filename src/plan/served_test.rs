//! Going back is for what the same routes served: what others served comes as any new version does.

use super::tests::{Story, shares, v};
use super::*;

/// The Deployment serves v1 and v2; an Alias of the same app serves v1 and, as its canary, v3.
fn beside_an_alias() -> Story {
    let mut story = Story::new();
    story.version(1, 1, 1).want(&[(1, 100)]).act();
    story.ready(1, 1).act();
    story.version(2, 1, 1).want(&[(1, 90), (2, 10)]).act();
    story.ready(2, 1).act().pass(1).act();
    assert_eq!(story.serving(), shares(&[(1, 90), (2, 10)]));
    story.version(3, 1, 10);
    let named: BTreeSet<VersionNumber> = [v(1), v(3)].into();
    let deployment = &story.world.splits[0];
    let alias = Split {
        owner: Owner {
            kind: OwnerKind::Alias,
            name: "staging".to_owned(),
        },
        wanted: Some(shares(&[(1, 90), (3, 10)])),
        last: shares(&[(1, 90), (3, 10)]),
        routes: RouteFacts {
            named: named.clone(),
            held: named.clone(),
            sent: named,
            ..deployment.routes.clone()
        },
        ..deployment.clone()
    };
    story.world.splits.push(alias);
    story.act();
    story.ready(3, 2).act().pass(600).act();
    assert_eq!(story.idle(), [0; 0]);
    story
}

/// The gateway says nothing of what was written last; that is planned and carried out.
fn silently(story: &mut Story) -> Plan {
    let routes = &mut story.world.splits[0].routes;
    (routes.accepted, routes.silent) = (false, true);
    let plan = plan(&story.world);
    story.carry_out(&plan);
    let routes = &mut story.world.splits[0].routes;
    (routes.accepted, routes.silent) = (false, true);
    plan
}

#[test]
fn a_version_that_an_alias_serves_does_not_go_past_a_silent_gateway() {
    let mut story = beside_an_alias();
    story.want(&[(3, 100)]);
    for _ in 0..10 {
        silently(&mut story);
        story.pass(600);
    }
    assert_eq!(story.idle(), [3], "it is named");
    assert_eq!(story.serving(), shares(&[(1, 90), (2, 10)]));
    story.world.splits[0].routes.accepted = true;
    story.act();
    assert_eq!(story.serving(), shares(&[(1, 90), (2, 10)]));
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(3, 100)]));
}

#[test]
fn a_version_that_an_alias_serves_does_not_get_more_than_its_pods_bear() {
    let mut story = beside_an_alias();
    story.version(1, 1, 10).ready(1, 9);
    story.want(&[(3, 100)]).act().pass(1).act();
    let part = story.serving();
    assert_eq!(part[0], shares(&[(3, 20)])[0]);
    story.pass(90_000).act();
    assert_eq!(story.serving(), part, "two pods bear no more");
    assert!(story.plan().splits[0].stalled);
}

#[test]
fn the_window_in_which_a_version_may_be_gone_back_to_is_that_of_its_own_routes() {
    let mut story = beside_an_alias();
    story.want(&[(1, 100)]).act();
    let owner = story.plan().splits[0].owner.clone();
    let served = |story: &Story| story.plan().memory.served[&owner].clone();
    assert_eq!(served(&story)[&v(2)].left, Some(story.world.now));
    assert_eq!(served(&story)[&v(1)], Served::default());
    // What the Deployment has served is remembered as long as its pods are there, whoever keeps them.
    story.world.splits[1].wanted = Some(shares(&[(1, 90), (2, 10)]));
    story.pass(3600).act().pass(1).act();
    assert!(story.running().contains(&2) && served(&story).contains_key(&v(2)));
    assert_eq!(story.idle(), [0; 0]);
    story.want(&[(2, 100)]);
    for _ in 0..10 {
        silently(&mut story);
        story.pass(600);
    }
    assert_eq!(story.serving(), shares(&[(1, 100)]), "the window is over");
}

#[test]
fn a_way_back_that_has_begun_ends_after_the_window_is_over() {
    let mut story = beside_an_alias();
    story.want(&[(1, 100)]).act();
    story.pass(3599).act();
    assert_eq!(story.idle(), [0; 0]);
    story.want(&[(2, 100)]);
    silently(&mut story);
    silently(&mut story);
    story.pass(600);
    silently(&mut story);
    assert_eq!(story.serving(), shares(&[(2, 100)]));
}

#[test]
fn what_the_routes_of_one_owner_wait_for_is_no_matter_of_another() {
    let mut story = beside_an_alias();
    let settled = |story: &Story| {
        let plan = plan(&story.world);
        let splits = plan.splits.iter().map(|split| split.settled);
        (splits.collect::<Vec<_>>(), plan.settled)
    };
    assert_eq!(settled(&story), (vec![true, true], true));
    story.want(&[(1, 100)]);
    assert_eq!(settled(&story), (vec![false, true], false), "to be written");
    story.act();
    assert_eq!(settled(&story), (vec![false, true], false), "just written");
    story.pass(1).act();
    assert_eq!(settled(&story), (vec![true, true], true));
    // Accepted without what lost its share, some time after it was written.
    story.want(&[(2, 100)]).act().pass(1).act().pass(1).act();
    silently(&mut story);
    story.want(&[(1, 100)]);
    silently(&mut story);
    story.pass(100);
    story.world.splits[0].routes.accepted = true;
    story.act();
    assert_eq!(settled(&story), (vec![false, true], false));
    story.pass(1).act();
    assert_eq!(settled(&story), (vec![true, true], true));
}
