//! Tables of where a route is written, and what is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::Deployment;
use crate::api::gateway::Gateway;
use crate::controller::cache::Cache;
use crate::controller::claims::route_claims;
use crate::controller::wish;
use crate::plan::SplitPlan;
use crate::words::{Share, VersionNumber};

/// A Gateway with a listener for each name.
fn gateway(name: &str, listeners: &[&str]) -> ((String, String), Arc<Gateway>) {
    let listeners: Vec<Value> = (listeners.iter())
        .map(|name| {
            let allowed = json!({"namespaces": {"from": "All"}});
            json!({"name": name, "port": 80, "protocol": "HTTP", "allowedRoutes": allowed})
        })
        .collect();
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": name, "namespace": "edge"},
        "spec": {"gatewayClassName": "any", "listeners": listeners},
        "status": {"conditions": [{
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    let key = ("edge".to_owned(), name.to_owned());
    (key, Arc::new(serde_json::from_value(gateway).unwrap()))
}

/// Where a route is: hostname, path, function, and gateway or gateway/listener.
type At<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A Deployment that asks for that.
fn deployment((hostname, path, function, gateway): At<'_>) -> Deployment {
    let (gateway, section) = gateway
        .split_once('/')
        .map_or((gateway, None), |(g, s)| (g, Some(s)));
    serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": "1"},
        "spec": {"app": "shop", "repository": "main", "versions": [{"version": 1, "percentage": 100}], "routes": [{
            "hostnames": [hostname], "path": path, "function": function,
            "gateway": {"name": gateway, "namespace": "edge", "sectionName": section},
        }]},
    }))
    .unwrap()
}

/// The HTTPRoute that serves it there.
fn live((hostname, path, function, gateway): At<'_>) -> HttpRoute {
    let (gateway, section) = gateway
        .split_once('/')
        .map_or((gateway, None), |(g, s)| (g, Some(s)));
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {
            "name": "shop.main", "namespace": "prod", "resourceVersion": "1",
            "labels": {names::APP: "shop"},
            "managedFields": [{"manager": names::FIELD_MANAGER}],
            "annotations": {names::OWNER: "cwd/shop"},
        },
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": "edge", "sectionName": section}],
            "hostnames": [hostname],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": path}}],
                "backendRefs": [{"name": format!("shop-v1-{function}"), "port": 80, "weight": 10_000}],
            }],
        },
    }))
    .unwrap()
}

/// Where the first route is to be, if it is to be written, and what stands against that.
fn decided(
    wanted: At<'_>,
    served: Option<At<'_>>,
    others: &[HttpRoute],
) -> (Option<String>, Option<Reason>) {
    let served: Vec<HttpRoute> = served.map(live).into_iter().collect();
    let (at, reason) = all_decided(wanted, &served, others);
    (at.into_iter().next(), reason)
}

/// Where all routes are to be that are to be written, and what stands against those of the spec.
fn all_decided(
    wanted: At<'_>,
    served: &[HttpRoute],
    others: &[HttpRoute],
) -> (Vec<String>, Option<Reason>) {
    let key = AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    };
    let mut claims = Claims::default();
    let cache = Cache::default();
    cache.put(deployment(wanted));
    for route in served.iter().chain(others) {
        let (claimant, taken) = route_claims(route);
        claims.set(&claimant, taken);
        cache.put(route.clone());
    }
    let objects = cache.app(&key);
    let wishes = wish::wishes(&objects, &BTreeMap::new());
    let version = VersionNumber::new(1).unwrap();
    let resolution = Resolution {
        shares: Some([(version, Share::ALL)].into()),
        ..Resolution::default()
    };
    let function = |name: &str| json!({"name": name, "image": "shop@sha256:1", "port": 8080});
    let record = serde_json::from_value(json!({
        "app": "shop", "number": 1, "tree": "1".repeat(40), "commit": "2".repeat(40),
        "publishedAt": "2026-01-01T00:00:00Z", "functions": [function("web"), function("api")],
    }));
    let route = RoutePlan::Serve {
        shares: [(version, Share::ALL)].into(),
        idle: Vec::new(),
        overrides: vec![version],
    };
    let split = SplitPlan::settled(wishes[0].owner.clone(), route);
    let mut unserved = gateway("unserved", &["http"]);
    Arc::make_mut(&mut unserved.1).status = None;
    let around = Around {
        routes_known: true,
        accepted: &Ages::new(),
        settle: SignedDuration::ZERO,
        plan: &Plan {
            splits: vec![split],
            settled: true,
            ..Plan::default()
        },
        gateways: &[
            gateway("web", &["http", "https"]),
            gateway("other", &["http"]),
            unserved,
        ]
        .into(),
        claims: &claims,
        settled: true,
    };
    let (routes, obstacles) = places(
        &key,
        &objects,
        &wishes,
        &[resolution],
        &[(version, record.unwrap())].into(),
        &around,
    );
    let owner = &wishes[0].owner;
    let at = routes[owner].iter().map(|spec| {
        let section = spec.section.as_ref().map(|name| format!("/{name}"));
        format!(
            "{}{} {} {}{}",
            spec.hostnames.join(","),
            spec.path,
            spec.function,
            spec.gateway,
            section.unwrap_or_default()
        )
    });
    let reason = obstacles[owner].first().map(|obstacle| obstacle.reason);
    (at.collect(), reason)
}

#[test]
fn a_live_route_stays_where_it_is_until_the_new_place_can_be_had() {
    let here = ("a.test", "/", "web", "web");
    let stays = Some("a.test/ web web".to_owned());
    let table = [
        (here, None),
        (("a.test", "/", "web", "wbe"), Some(Reason::GatewayNotFound)),
        (
            ("b.test", "/new", "api", "wbe"),
            Some(Reason::GatewayNotFound),
        ),
        (
            ("a.test", "/", "web", "web/htpp"),
            Some(Reason::ListenerNotFound),
        ),
        (
            ("b.test", "/new", "api", "web/htpp"),
            Some(Reason::ListenerNotFound),
        ),
        (
            ("a.test", "/", "web", "unserved"),
            Some(Reason::WaitingForGateway),
        ),
    ];
    for (wanted, reason) in table {
        assert_eq!(
            decided(wanted, Some(here), &[]),
            (stays.clone(), reason),
            "{wanted:?}"
        );
    }
    let moves = [
        (
            ("b.test", "/new", "api", "other/http"),
            "b.test/new api other/http",
        ),
        (("a.test", "/", "web", "web/https"), "a.test/ web web/https"),
    ];
    for (wanted, at) in moves {
        assert_eq!(
            decided(wanted, Some(here), &[]),
            (Some(at.to_owned()), None)
        );
    }
    let listener = ("a.test", "/", "web", "web/http");
    assert_eq!(
        decided(("a.test", "/", "web", "wbe"), Some(listener), &[]),
        (
            Some("a.test/ web web/http".to_owned()),
            Some(Reason::GatewayNotFound)
        )
    );
    assert_eq!(
        decided(here, Some(listener), &[]),
        (stays, None),
        "a listener is taken out"
    );
}

#[test]
fn a_route_that_was_taken_out_is_written_as_long_as_it_is_there() {
    let left = |function| {
        let mut route = live(("a.test", "/old", function, "web/http"));
        route.metadata.name = Some("shop.old".to_owned());
        route
    };
    let wanted = ("a.test", "/", "web", "wbe");
    let missing = Some(Reason::GatewayNotFound);
    let both = ["a.test/ web wbe", "a.test/old api web/http"].map(str::to_owned);
    assert_eq!(
        all_decided(wanted, &[left("api")], &[]),
        (both.to_vec(), missing)
    );
    // There would be nothing behind it.
    assert_eq!(
        all_decided(wanted, &[left("gone")], &[]),
        (both[..1].to_vec(), missing)
    );
}

#[test]
fn a_hostname_stays_on_its_route_until_the_one_that_gets_it_stands() {
    let mut wanted = deployment(("a.test", "/", "web", "web"));
    let mut other = wanted.spec.routes[0].clone();
    wanted.spec.routes[0].name = Some("main".parse().unwrap());
    other.name = Some("other".parse().unwrap());
    other.hostnames = vec!["*.b.test".to_owned()];
    wanted.spec.routes.push(other);
    let key = AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    };
    let mut main = live(("a.test", "/", "web", "web"));
    main.spec
        .hostnames
        .extend(["x.b.test".to_owned(), "c.test".to_owned()]);
    let mut taker = live(("*.b.test", "/", "web", "web"));
    taker.metadata.name = Some("shop.other".to_owned());
    let hostnames = |taker: Option<&HttpRoute>, age: i64| {
        let cache = Cache::default();
        cache.put(wanted.clone());
        cache.put(main.clone());
        if let Some(route) = taker {
            cache.put(route.clone());
        }
        let objects = cache.app(&key);
        let wish = wish::wishes(&objects, &BTreeMap::new()).remove(0);
        let around = Around {
            routes_known: true,
            gateways: &Gateways::new(),
            claims: &Claims::default(),
            plan: &Plan::default(),
            accepted: &[("shop.other".to_owned(), SignedDuration::from_secs(age))].into(),
            settle: SignedDuration::from_secs(5),
            settled: true,
        };
        let named = &wish.wanted.as_ref().unwrap().routes[0];
        let spec = observe::route_spec(&key, &wish, named, "web".parse().unwrap());
        handing_over(&key, &objects, &wish, &main, spec, &around).hostnames
    };
    assert_eq!(hostnames(None, 9), ["a.test", "x.b.test"]);
    assert_eq!(hostnames(Some(&taker), 4), ["a.test", "x.b.test"]);
    assert_eq!(hostnames(Some(&taker), 5), ["a.test"]);
}

#[test]
fn a_first_route_is_written_where_only_its_gateway_is_missing() {
    for (gateway, reason) in [
        ("wbe", Reason::GatewayNotFound),
        ("web/htpp", Reason::ListenerNotFound),
    ] {
        let at = format!("a.test/ web {gateway}");
        let wanted = ("a.test", "/", "web", gateway);
        assert_eq!(decided(wanted, None, &[]), (Some(at), Some(reason)));
    }
}

#[test]
fn a_place_that_somebody_else_has_is_not_added_to_a_live_route() {
    let mut theirs = live(("b.test", "/", "web", "web"));
    theirs.metadata.namespace = Some("theirs".to_owned());
    let here = ("a.test", "/", "web", "web");
    let there = ("b.test", "/", "web", "web");
    let claimed = Some(Reason::RouteClaimed);
    let others = [theirs];
    assert_eq!(decided(there, None, &others), (None, claimed));
    let stays = Some("a.test/ web web".to_owned());
    assert_eq!(decided(there, Some(here), &others), (stays, claimed));
}

#[test]
fn a_route_that_is_elsewhere_is_not_where_it_is_wished() {
    let here = ("a.test", "/shop", "web", "web/http");
    let wished = |at| deployment(at).spec.routes.remove(0);
    assert!(is_at(&live(here), &wished(here)));
    for there in [
        ("b.test", "/shop", "web", "web/http"),
        ("a.test", "/", "web", "web/http"),
        ("a.test", "/shop", "web", "web"),
        ("a.test", "/shop", "web", "other/http"),
    ] {
        assert!(!is_at(&live(here), &wished(there)), "{there:?}");
    }
}

#[test]
fn a_gateway_that_cannot_use_a_new_function_is_not_sent_to_it() {
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "Because", "message": "", "observedGeneration": 2,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let around = |settled| Around {
        routes_known: true,
        accepted: Box::leak(Box::new(Ages::new())),
        settle: SignedDuration::ZERO,
        plan: Box::leak(Box::new(Plan::default())),
        gateways: Box::leak(Box::new(Gateways::new())),
        claims: Box::leak(Box::new(Claims::default())),
        settled,
    };
    for (conditions, learned) in [
        (vec![], false),
        (vec![condition("Accepted", "True")], false),
        (
            vec![
                condition("Accepted", "True"),
                condition("ResolvedRefs", "True"),
            ],
            true,
        ),
        (
            vec![
                condition("Accepted", "True"),
                condition("ResolvedRefs", "False"),
            ],
            false,
        ),
        // It serves nothing of the route.
        (vec![condition("Accepted", "False")], true),
    ] {
        let mut route = live(("a.test", "/", "web", "web"));
        route.metadata.generation = Some(2);
        route.status = serde_json::from_value(json!({"parents": [{
            "parentRef": {"name": "web", "namespace": "edge"},
            "controllerName": "test",
            "conditions": conditions,
        }]}))
        .unwrap();
        assert_eq!(around(true).learned(&route), learned, "{conditions:?}");
        assert!(!around(false).learned(&route), "{conditions:?}");
    }
}

#[test]
fn a_route_of_somebody_else_with_a_name_like_ones_of_ours_has_what_it_has() {
    let here = ("a.test", "/", "web", "web");
    let copy = |metadata: Value| {
        let mut copy = live(here);
        copy.metadata = serde_json::from_value(metadata).unwrap();
        let conditions = json!([{
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]);
        let parent = json!({"name": "web", "namespace": "edge"});
        let said = json!({"parentRef": parent, "controllerName": "test", "conditions": conditions});
        copy.status = Some(serde_json::from_value(json!({"parents": [said]})).unwrap());
        copy
    };
    let made = |route: &mut HttpRoute, at: &str| {
        let time = format!("2026-01-01T00:00:{at}Z");
        route.metadata.creation_timestamp = Some(serde_json::from_value(json!(time)).unwrap());
    };
    let mut theirs =
        copy(json!({"name": "shop.copy", "namespace": "prod", "resourceVersion": "1"}));
    made(&mut theirs, "10");
    let mut ours = live(here);
    for (at, reason) in [("05", None), ("20", Some(Reason::RouteClaimed))] {
        made(&mut ours, at);
        let others = [theirs.clone()];
        let decided = all_decided(here, std::slice::from_ref(&ours), &others);
        assert_eq!(
            decided,
            (vec!["a.test/ web web".to_owned()], reason),
            "{at}"
        );
    }
}
