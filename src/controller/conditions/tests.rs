//! A table of troubles: what `Ready`, `Stalled` and `Reconciling` say in each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::*;
use crate::api::gateway::HttpRoute;
use crate::api::{Deployment, ResolvedVersion};
use crate::controller::answer::Gateways;
use crate::controller::cache::Cache;
use crate::controller::facts::{PodFacts, PodTrouble, SliceFacts};
use crate::controller::failure::Failure;
use crate::controller::key::AppKey;
use crate::controller::no_room::Unplaced;
use crate::controller::objects::AppObjects;
use crate::controller::resolve::Resolution;
use crate::controller::wish;
use crate::plan::Plan;
use crate::words::Share;

/// What can be in the way of a Deployment that serves v1 at 100 % with two pods.
#[derive(Default)]
struct Trouble {
    /// What could not be written.
    failure: Option<Reason>,
    obstacle: Option<Reason>,
    /// What the gateway says of the route: conditions with their status.
    said: Vec<(&'static str, &'static str)>,
    /// Ready pods, and the trouble of another one.
    pods: Option<(u32, Reason)>,
    /// The plan waits no longer for a gateway that says nothing.
    unheard: bool,
    /// The routes of this owner, or only those of others of the app, have just been written.
    written: Option<&'static str>,
    /// The Service is somebody else's, whatever pods it finds.
    foreign: bool,
    /// For how many seconds the status says that a gateway is waited for, and for how many the route is as it is.
    silent: Option<(i64, i64)>,
    /// For how many seconds the status says that pods are missing.
    short: Option<i64>,
}

fn failure(reason: Reason) -> Failure {
    Failure {
        reason,
        message: "words".to_owned(),
    }
}

fn key() -> AppKey {
    AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    }
}

fn version() -> VersionNumber {
    VersionNumber::new(1).unwrap()
}

fn function() -> FunctionName {
    "web".parse().unwrap()
}

/// The Deployment, its route, and its pods.
fn objects(trouble: &Trouble) -> AppObjects {
    let mut deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": "1"},
        "spec": {
            "app": "shop", "repository": "main", "versions": [{"version": 1, "percentage": 100}],
            "routes": [{"hostnames": ["a.test"], "gateway": {"name": "web"}}],
        },
    }))
    .unwrap();
    let conditions: Vec<Value> = (trouble.said.iter())
        .map(|(type_, status)| {
            json!({
                "type": type_, "status": status, "reason": "Because", "message": "words",
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let route: HttpRoute = serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {
            "name": "shop.main", "namespace": "prod", "generation": 1, "resourceVersion": "1",
            "labels": {names::APP: "shop"},
            "managedFields": [{"manager": names::FIELD_MANAGER}],
            "annotations": {names::OWNER: "cwd/shop"},
        },
        "spec": {
            "parentRefs": [{"name": "web"}], "hostnames": ["a.test"],
            "rules": [{"backendRefs": [{"name": "shop-v1-web", "port": 80, "weight": 10000}]}],
        },
        "status": {"parents": [{"parentRef": {"name": "web"}, "controllerName": "test", "conditions": conditions}]},
    }))
    .unwrap();
    let ready = trouble.pods.map_or(2, |(ready, _)| ready);
    let cache = Cache::default();
    let before = |type_: &str, reason: &str, since: i64| {
        let since = Timestamp::UNIX_EPOCH - SignedDuration::from_secs(since);
        json!({
            "type": type_, "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": since.to_string(),
        })
    };
    let silent = trouble
        .silent
        .map(|(since, _)| before("RoutesAccepted", "WaitingForGateway", since));
    let short = trouble
        .short
        .map(|since| before("WorkloadsReady", "WaitingForPods", since));
    let conditions: Vec<Value> = silent.into_iter().chain(short).collect();
    if !conditions.is_empty() {
        let status = json!({"conditions": conditions});
        deployment.status = Some(serde_json::from_value(status).unwrap());
    }
    cache.put(deployment);
    cache.put(route);
    let service: Service = serde_json::from_value(json!({
        "metadata": {
            "name": "shop-v1-web", "namespace": "prod", "resourceVersion": "1",
            "managedFields": [{"manager": if trouble.foreign { "kubectl" } else { names::FIELD_MANAGER }}],
        },
    }))
    .unwrap();
    cache.put(service);
    cache.put(SliceFacts {
        app: key(),
        name: "slice".to_owned(),
        resource_version: 1,
        service: "shop-v1-web".to_owned(),
        family: "IPv4".to_owned(),
        ready,
    });
    if let Some((_, reason)) = trouble.pods {
        cache.put(PodFacts {
            app: key(),
            name: "pod".to_owned(),
            resource_version: 1,
            version: version(),
            function: function(),
            ready_since: None,
            unplaced: trouble.short.map(|_| Unplaced::NoRoom),
            placed: true,
            starting: false,
            trouble: Some(PodTrouble {
                reason,
                text: "words".to_owned(),
            }),
        });
    }
    cache.app(&key())
}

/// `Ready` and its reason, then whether `Stalled` and `Reconciling` are true.
fn said(trouble: &Trouble) -> (State, Reason, State, State) {
    let says = says(trouble);
    let say = |type_| says.iter().find(|say| say.type_ == type_).unwrap();
    let ready = say(Type::Ready);
    (
        ready.state,
        ready.reason,
        say(Type::Stalled).state,
        say(Type::Reconciling).state,
    )
}

fn says(trouble: &Trouble) -> Vec<Say> {
    let (objects, version) = (objects(trouble), version());
    let wishes = wish::wishes(&objects, &BTreeMap::new());
    let pinned: ResolvedVersion = serde_json::from_value(json!({
        "version": 1, "percentage": 100, "number": 1, "id": "g1", "commit": "2",
    }))
    .unwrap();
    let resolution = Resolution {
        shares: Some([(version, Share::ALL)].into()),
        pinned: vec![pinned],
        ..Resolution::default()
    };
    let route = RoutePlan::Serve {
        shares: [(version, Share::ALL)].into(),
        idle: Vec::new(),
        overrides: vec![version],
    };
    let split = SplitPlan {
        settled: trouble.written != Some("own"),
        unheard: trouble.unheard.then_some(version).into_iter().collect(),
        ..SplitPlan::settled(wishes[0].owner.clone(), route)
    };
    let plan = Plan {
        run: [(version, [(function(), Scale::Fixed(2))].into())].into(),
        splits: vec![split],
        settled: trouble.written.is_none(),
        ..Plan::default()
    };
    let facts = Facts {
        key: &key(),
        wish: &wishes[0],
        resolution: &resolution,
        records: &BTreeMap::new(),
        objects: &objects,
        plan: Some(&plan),
        failures: &trouble.failure.map(failure).into_iter().collect::<Vec<_>>(),
        obstacles: &trouble
            .obstacle
            .map(failure)
            .into_iter()
            .collect::<Vec<_>>(),
        gateways: &Gateways::new(),
        unwritable: &BTreeSet::new(),
        standing: &(trouble.silent.iter())
            .map(|(_, age)| ("shop.main".to_owned(), SignedDuration::from_secs(*age)))
            .collect(),
        now: Timestamp::UNIX_EPOCH,
    };
    facts.conditions(plan.splits.first())
}

fn good() -> Vec<(&'static str, &'static str)> {
    vec![("Accepted", "True"), ("ResolvedRefs", "True")]
}

fn failed(reason: Reason) -> Trouble {
    Trouble {
        failure: Some(reason),
        said: good(),
        ..Trouble::default()
    }
}

fn obstructed(reason: Reason) -> Trouble {
    Trouble {
        obstacle: Some(reason),
        said: good(),
        ..Trouble::default()
    }
}

fn answered(said: &[(&'static str, &'static str)]) -> Trouble {
    Trouble {
        said: said.to_vec(),
        ..Trouble::default()
    }
}

fn pods(ready: u32, reason: Reason) -> Trouble {
    Trouble {
        pods: Some((ready, reason)),
        said: good(),
        ..Trouble::default()
    }
}

#[test]
fn all_is_well() {
    let wanted = (State::True, Reason::Succeeded, State::False, State::False);
    assert_eq!(said(&answered(&good())), wanted);
    // But not where the pods are behind a Service of somebody else's.
    let foreign = Trouble {
        foreign: true,
        ..answered(&good())
    };
    let waits = (
        State::False,
        Reason::WaitingForPods,
        State::False,
        State::True,
    );
    assert_eq!(said(&foreign), waits);
}

#[test]
fn only_its_own_routes_make_an_owner_settle() {
    let written = |written| Trouble {
        written: Some(written),
        said: good(),
        ..Trouble::default()
    };
    let ready = (State::True, Reason::Succeeded, State::False, State::False);
    assert_eq!(said(&written("others")), ready);
    let settling = (State::False, Reason::Settling, State::False, State::True);
    assert_eq!(said(&written("own")), settling);
}

#[test]
fn that_a_silent_gateway_is_waited_for_no_longer_is_said() {
    for (unheard, said) in [(false, false), (true, true)] {
        let trouble = Trouble {
            unheard,
            ..Trouble::default()
        };
        let says = says(&trouble);
        let routes = says.iter().find(|say| say.type_ == Type::RoutesAccepted);
        let message = &routes.unwrap().message;
        assert!(message.contains("has not accepted"), "{message}");
        let words = "nothing was said for 10m, so it is not waited for any longer than the settle delay: v1 has its share";
        assert_eq!(message.contains(words), said, "{message}");
    }
}

fn all_say(stuck: bool, table: impl IntoIterator<Item = (Trouble, Reason)>) {
    for (trouble, reason) in table {
        let (stalled, reconciling) = (State::from(stuck), State::from(!stuck));
        let wanted = (State::False, reason, stalled, reconciling);
        assert_eq!(said(&trouble), wanted, "{reason}");
    }
}

#[test]
fn what_waiting_does_not_mend_is_stalled() {
    let partly = [&good()[..], &[("PartiallyInvalid", "True")]].concat();
    let unresolved = [("Accepted", "True"), ("ResolvedRefs", "False")];
    let refused = [("Accepted", "False")];
    let of = |make: fn(Reason) -> Trouble, reason| (make(reason), reason);
    all_say(
        true,
        [
            of(failed, Reason::ApiServerRefused),
            of(failed, Reason::NameTaken),
            of(obstructed, Reason::GatewayNotFound),
            of(obstructed, Reason::ListenerNotFound),
            of(obstructed, Reason::RouteClaimed),
            (answered(&refused), Reason::RouteRefused),
            (answered(&unresolved), Reason::RouteRefused),
            (answered(&partly), Reason::RouteRefused),
            (pods(0, Reason::PodsCrashing), Reason::PodsCrashing),
            (pods(0, Reason::ImagePullFailed), Reason::ImagePullFailed),
        ],
    );
}

#[test]
fn what_goes_on_by_itself_is_not_stalled() {
    let of = |make: fn(Reason) -> Trouble, reason| (make(reason), reason);
    all_say(
        false,
        [
            of(failed, Reason::ApiServerError),
            of(obstructed, Reason::GatewayApiMissing),
            (answered(&[]), Reason::WaitingForGateway),
            (answered(&[("Accepted", "True")]), Reason::WaitingForGateway),
            (pods(1, Reason::PodsCrashing), Reason::PodsCrashing),
            (pods(1, Reason::ImagePullFailed), Reason::ImagePullFailed),
            (pods(0, Reason::WaitingForPods), Reason::WaitingForPods),
        ],
    );
}

#[test]
fn a_gateway_that_says_nothing_for_too_long_is_said_to_stall_it() {
    for (silent, stalls) in [
        ((599, 599), false),
        ((600, 600), true),
        // It was closed for another reason before that, and the route was written a moment ago.
        ((6_000, 5), false),
        ((6_000, 601), true),
    ] {
        let trouble = Trouble {
            silent: Some(silent),
            ..answered(&[])
        };
        all_say(stalls, [(trouble, Reason::WaitingForGateway)]);
        // Pods that are missing as well are no reason not to say it.
        let trouble = Trouble {
            silent: Some(silent),
            pods: Some((1, Reason::WaitingForPods)),
            ..answered(&[])
        };
        let says = says(&trouble);
        let stalled = says.iter().find(|say| say.type_ == Type::Stalled).unwrap();
        assert_eq!(stalled.state == State::True, stalls, "{silent:?}");
        let reason = if stalls {
            Reason::WaitingForGateway
        } else {
            Reason::Succeeded
        };
        assert_eq!(stalled.reason, reason);
    }
}

#[test]
fn pods_that_never_come_to_what_is_served_are_said_to_stall_it() {
    for (short, reason, stalls) in [
        (599, Reason::WaitingForPods, false),
        (600, Reason::WaitingForPods, true),
        (600, Reason::PodsCrashing, true),
    ] {
        let trouble = Trouble {
            short: Some(short),
            said: good(),
            ..pods(1, reason)
        };
        all_say(stalls, [(trouble, reason)]);
    }
    // Where no pod is ready nothing is complete: the shift says what it waits for.
    let trouble = Trouble {
        short: Some(60),
        ..pods(0, Reason::WaitingForPods)
    };
    all_say(false, [(trouble, Reason::WaitingForPods)]);
}
