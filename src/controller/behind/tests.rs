//! Tables of what a route that is behind keeps, and for how long.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::api::Deployment;
use crate::api::gateway::Gateway;
use crate::controller::acceptance::{Ages, Looked};
use crate::controller::answer::Gateways;
use crate::controller::cache::Cache;
use crate::controller::{observe, wish};
use crate::plan::{FunctionState, Memory, OnLoss, Progress, RouteFacts, SplitPlan, Version};
use crate::words::Share;

const SETTLE: SignedDuration = SignedDuration::from_secs(5);
const DEADLINE: SignedDuration = SignedDuration::from_secs(600);

/// The route `b` of a Deployment whose other route `a` gives what the plan began with.
struct Case {
    /// What it says: versions with their weights.
    says: &'static [(u32, u32)],
    /// Whether the gateway has accepted it as it is, where it has said something.
    accepted: Option<bool>,
    /// For how long it has been accepted in seconds.
    since: i64,
    /// For how many seconds it is as it is.
    age: i64,
    /// What is to be served.
    shares: &'static [(u32, u32)],
    /// What is wanted, where that is not served yet.
    wanted: Option<&'static [(u32, u32)]>,
    /// Versions with a ready pod.
    ready: &'static [u32],
    /// The gateway is not there.
    nowhere: bool,
    /// It could not be written.
    unwritable: bool,
    /// Nor can the other one.
    stuck: bool,
    /// What the plan began with.
    last: &'static [(u32, u32)],
    /// For how many seconds the shift to what is wanted waits already, where it waits for something that may never come.
    waits: Option<i64>,
}

/// Accepted long ago, with the name of what is to be served.
const KNOWN: Case = Case {
    says: &[(1, 10_000), (3, 0)],
    accepted: Some(true),
    since: 60,
    age: 60,
    shares: &[(3, 10_000)],
    wanted: None,
    ready: &[1, 2, 3, 4],
    nowhere: false,
    unwritable: false,
    stuck: false,
    last: &[(3, 10_000)],
    waits: None,
};

fn v(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn shares(list: &[(u32, u32)]) -> Shares {
    (list.iter())
        .map(|(number, points)| (v(*number), Share::from_basis_points(*points)))
        .collect()
}

fn key() -> AppKey {
    AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    }
}

fn route(name: &str, says: &[(u32, u32)], accepted: Option<bool>) -> HttpRoute {
    let backends: Vec<_> = (says.iter())
        .map(|(version, weight)| json!({"name": format!("shop-v{version}-web"), "weight": weight}))
        .collect();
    let conditions: Vec<_> = (accepted.iter())
        .flat_map(|accepted| [("Accepted", *accepted), ("ResolvedRefs", true)])
        .map(|(type_, holds)| {
            json!({
                "type": type_, "status": if holds { "True" } else { "False" }, "observedGeneration": 2,
                "reason": "Because", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let parent = json!({"name": "web"});
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("shop.{name}"), "namespace": "prod", "generation": 2, "resourceVersion": "1",
            "labels": {names::APP: "shop"}, "managedFields": [{"manager": names::FIELD_MANAGER}],
        },
        "spec": {
            "parentRefs": [parent], "hostnames": ["shop.test"], "rules": [{"backendRefs": backends}],
        },
        "status": {"parents": [{"parentRef": parent, "controllerName": "test", "conditions": conditions}]},
    }))
    .unwrap()
}

fn world(case: &Case, wish: &Wish) -> World {
    let version = |number: u32| {
        let function = FunctionState {
            min: 1,
            max: 1,
            autoscaled: false,
            asked: 1,
            ready: u32::from(case.ready.contains(&number)),
            placed: 0,
            no_room: false,
            starting: false,
        };
        let functions = [("web".parse().unwrap(), function, None)];
        (v(number), Version::of(true, functions))
    };
    let split = Split {
        owner: wish.owner.clone(),
        wanted: Some(shares(case.wanted.unwrap_or(case.shares))),
        leaving: false,
        on_loss: OnLoss::Shift,
        rollback_window: SignedDuration::ZERO,
        drain: SignedDuration::ZERO,
        progress_deadline: DEADLINE,
        protects: BTreeSet::new(),
        holds: BTreeSet::new(),
        functions: BTreeSet::new(),
        last: shares(case.last),
        routes: RouteFacts::default(),
    };
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let progress = case.waits.map(|seconds| {
        let began = now - SignedDuration::from_secs(seconds);
        let progress = Progress {
            wanted: split.wanted.clone().unwrap(),
            began,
            moved: began,
            ready: 0,
            points: 0,
            back: BTreeSet::new(),
            lean: false,
            pressed: 0,
            barren: None,
            room: 0,
        };
        (wish.owner.clone(), progress)
    });
    World {
        now,
        settle: SETTLE,
        splits: vec![split],
        versions: (1..=20).map(version).collect(),
        sent_by_others: BTreeSet::new(),
        memory: Memory {
            shares: [(wish.owner.clone(), shares(case.last))].into(),
            progress: progress.into_iter().collect(),
            ..Memory::default()
        },
    }
}

/// What the route keeps, and after how many seconds it is looked at again.
fn kept(case: &Case) -> (Option<Keeps>, Option<i64>) {
    let cache = Cache::default();
    let deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": "1"},
        "spec": {
            "app": "shop", "repository": "main", "versions": [{"version": 3, "percentage": 100}],
            "routes": [
                {"name": "a", "hostnames": ["a.test"], "gateway": {"name": "web"}},
                {"name": "b", "hostnames": ["b.test"], "gateway": {"name": "web"}},
            ],
        },
    }))
    .unwrap();
    cache.put(deployment);
    cache.put(route("a", case.last, Some(true)));
    cache.put(route("b", case.says, case.accepted));
    let objects = cache.app(&key());
    let wishes = wish::wishes(&objects, &std::collections::BTreeMap::new());
    let world = world(case, &wishes[0]);
    let owner = wishes[0].owner.clone();
    let serve = RoutePlan::Serve {
        shares: shares(case.shares),
        idle: Vec::new(),
        overrides: Vec::new(),
    };
    let plan = Plan {
        splits: vec![SplitPlan::settled(owner.clone(), serve)],
        ..Plan::default()
    };
    let gateway: Gateway = serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "prod"}, "spec": {"gatewayClassName": "any"},
    }))
    .unwrap();
    let there = (!case.nowhere).then(|| {
        let place = ("prod".to_owned(), "web".to_owned());
        (place, std::sync::Arc::new(gateway))
    });
    let gateways: Gateways = there.into_iter().collect();
    let ages = |is_there: bool, seconds: i64| -> Ages {
        let age = ("shop.b".to_owned(), SignedDuration::from_secs(seconds));
        is_there.then_some(age).into_iter().collect()
    };
    let looked = Looked {
        accepted: ages(case.accepted == Some(true), case.since),
        standing: ages(true, case.age),
    };
    let behind = Behind {
        key: &key(),
        objects: &objects,
        wishes: &wishes,
        world: &world,
        plan: &plan,
        unwritable: &[(case.stuck, "shop.a"), (case.unwritable, "shop.b")]
            .iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        heard: Heard {
            gateways: &gateways,
            looked: &looked,
            settle: SETTLE,
        },
    };
    let named = &wishes[0].wanted.as_ref().unwrap().routes[1];
    let spec = observe::route_spec(&key(), &wishes[0], named, "web".parse().unwrap());
    let mut routes: Routes = [(owner, vec![spec])].into();
    let next = behind.keep(&mut routes).map(|wait| wait.as_secs());
    let spec = routes.into_values().flatten().next().unwrap();
    (spec.keeps, next)
}

/// Whether it keeps what it gives, and when it is looked at again.
fn check(cases: impl IntoIterator<Item = (&'static str, Case, bool, Option<i64>)>) {
    for (what, case, keeps, next) in cases {
        let (kept, wait) = kept(&case);
        assert_eq!((kept.is_some(), wait), (keeps, next), "{what}");
    }
}

#[test]
fn what_nobody_wants_any_more_is_not_given_to_a_route_before_the_others_leave_it() {
    let left = Case {
        wanted: Some(&[(4, 10_000)]),
        ..KNOWN
    };
    check([
        ("the others go on", Case { ..left }, true, None),
        (
            "what they go to has not come yet",
            Case {
                waits: Some(590),
                ..left
            },
            true,
            Some(10),
        ),
        (
            "and does not come in time",
            Case {
                waits: Some(600),
                ..left
            },
            false,
            None,
        ),
        (
            "the others have to stay as they are",
            Case {
                stuck: true,
                ..left
            },
            false,
            None,
        ),
        (
            "all requests fail",
            Case {
                ready: &[3],
                ..left
            },
            false,
            None,
        ),
        (
            "and it gives what is worse than that",
            Case {
                says: &[(5, 10_000), (3, 0)],
                ..left
            },
            false,
            None,
        ),
        (
            "a part of it is wanted",
            Case {
                wanted: Some(&[(3, 9_000), (4, 1_000)]),
                ..left
            },
            false,
            None,
        ),
    ]);
}

#[test]
fn what_is_new_to_a_route_is_named_and_known_before_it_gets_a_share_there() {
    let unnamed = Case {
        says: &[(1, 10_000)],
        ..KNOWN
    };
    let fresh = Case { since: 2, ..KNOWN };
    let unheard = Case {
        accepted: None,
        ..KNOWN
    };
    check([
        ("known", KNOWN, false, None),
        ("not named", unnamed, true, None),
        ("accepted just now", fresh, true, Some(3)),
        ("not accepted yet", unheard, true, None),
        (
            "refused, so nobody serves it",
            Case {
                accepted: Some(false),
                ..KNOWN
            },
            false,
            None,
        ),
        (
            "on a gateway that is not there",
            Case {
                nowhere: true,
                accepted: None,
                ..KNOWN
            },
            false,
            None,
        ),
        (
            "all requests fail",
            Case {
                ready: &[3],
                accepted: None,
                ..KNOWN
            },
            false,
            None,
        ),
        (
            "all requests fail, and it is not named",
            Case {
                ready: &[3],
                says: &[(1, 10_000)],
                ..KNOWN
            },
            true,
            None,
        ),
        (
            "nothing is new to it",
            Case {
                says: &[(1, 5_000), (3, 5_000)],
                accepted: None,
                ..KNOWN
            },
            false,
            None,
        ),
    ]);
}

#[test]
fn a_gateway_that_says_nothing_holds_up_no_way_back_for_longer_than_the_deadline() {
    let silent = |says, age| Case {
        says,
        age,
        accepted: None,
        ..KNOWN
    };
    let (back, forward): (&[_], &[_]) = (&[(4, 10_000), (3, 0)], &[(1, 10_000), (3, 0)]);
    check([
        ("on the way back", silent(back, 590), true, Some(10)),
        ("no longer", silent(back, 600), false, None),
        ("forward", silent(forward, 6_000), true, None),
        (
            "back to a name that it has not",
            silent(&[(4, 10_000)], 6_000),
            true,
            None,
        ),
    ]);
}

#[test]
fn what_the_plan_went_by_is_decided_there() {
    let level = |last| Case {
        last,
        accepted: None,
        says: &[(1, 10_000), (3, 0)],
        ..KNOWN
    };
    check([
        (
            "it says what the plan began with",
            level(&[(1, 10_000)]),
            false,
            None,
        ),
        (
            "but it could not be written",
            Case {
                unwritable: true,
                ..level(&[(1, 10_000)])
            },
            true,
            None,
        ),
    ]);
}

#[test]
fn what_gives_nothing_keeps_nothing() {
    // Somebody has sent it to a Service of his own.
    for says in [&[][..], &[(1, 0)]] {
        let foreign = Case { says, ..KNOWN };
        check([("it gives nothing", foreign, false, None)]);
    }
}

#[test]
fn where_a_rule_has_no_place_for_old_and_new_it_is_one_write() {
    const OLD: &[(u32, u32)] = &[
        (1, 1_250),
        (2, 1_250),
        (3, 1_250),
        (4, 1_250),
        (5, 1_250),
        (6, 1_250),
        (7, 1_250),
        (8, 1_250),
    ];
    const FITS: &[(u32, u32)] = &[
        (11, 1_250),
        (12, 1_250),
        (13, 1_250),
        (14, 1_250),
        (15, 1_250),
        (16, 1_250),
        (17, 1_250),
        (18, 1_250),
    ];
    const MORE: &[(u32, u32)] = &[
        (11, 1_250),
        (12, 1_250),
        (13, 1_250),
        (14, 1_250),
        (15, 1_250),
        (16, 1_250),
        (17, 1_250),
        (18, 1_000),
        (19, 250),
    ];
    let full = |shares| Case {
        says: OLD,
        shares,
        ..KNOWN
    };
    check([
        ("there is place", full(FITS), true, None),
        ("there is none", full(MORE), false, None),
    ]);
}

#[test]
fn it_keeps_its_shares_and_the_rules_of_what_it_refers_to() {
    let unnamed = Case {
        says: &[(2, 4_000), (1, 6_000), (4, 0)],
        ..KNOWN
    };
    let (kept, _) = kept(&unnamed);
    let wanted = Keeps {
        shares: shares(&[(2, 4_000), (1, 6_000)]),
        held: [v(1), v(2), v(4)].into(),
    };
    assert_eq!(kept, Some(wanted));
}
