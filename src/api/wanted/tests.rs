//! A good spec, and one change for each way in which it can be wrong.

use serde_json::{Value, json};

use super::*;

fn deployment(change: impl FnOnce(&mut Value)) -> Result<Wanted, SpecError> {
    let mut spec = json!({
        "app": "checkout",
        "repository": "shop",
        "versions": [{"version": 7, "percentage": 90}, {"version": "v8", "percentage": 10}],
        "routes": [{"hostnames": ["shop.example.com"], "gateway": {"name": "web"}}],
    });
    change(&mut spec);
    serde_json::from_value::<DeploymentSpec>(spec)
        .unwrap()
        .wanted()
}

fn versions(entries: Value) -> Result<Wanted, SpecError> {
    deployment(|spec| spec["versions"] = entries)
}

fn routes(entries: Value) -> Result<Wanted, SpecError> {
    deployment(|spec| spec["routes"] = entries)
}

fn alias(change: impl FnOnce(&mut Value)) -> Result<Wanted, SpecError> {
    let mut spec = json!({
        "app": "checkout",
        "repository": "shop",
        "version": 7,
        "canary": {"version": "v8", "percentage": 12.5},
        "description": "what comes next",
    });
    change(&mut spec);
    serde_json::from_value::<AliasSpec>(spec).unwrap().wanted()
}

fn split(wanted: &Wanted) -> Vec<String> {
    (wanted.versions.iter())
        .map(|entry| format!("{} {}", entry.version, entry.percentage))
        .collect()
}

#[test]
fn a_deployment_keeps_the_order_of_its_versions() {
    let wanted = deployment(|_| {}).unwrap();
    assert_eq!(split(&wanted), ["v7 90", "v8 10"]);
    assert_eq!(wanted.routes[0].name, RouteName::only());
    assert_eq!(wanted.routes[0].route.path, "/");
    assert_eq!(wanted.rollback_window.as_secs(), 3600);
}

#[test]
fn an_alias_is_its_main_version_and_what_the_canary_takes() {
    let wanted = alias(|_| {}).unwrap();
    assert_eq!(split(&wanted), ["v7 87.5", "v8 12.5"]);
    assert_eq!(wanted.message.as_deref(), Some("what comes next"));
    let wanted = alias(|spec| spec["canary"] = Value::Null).unwrap();
    assert_eq!(split(&wanted), ["v7 100"]);
    let error = alias(|spec| spec["canary"]["version"] = json!("7")).unwrap_err();
    assert!(matches!(error, SpecError::CanaryIsMain(_)));
    assert_eq!(error.reason(), Reason::VersionTwice);
}

#[test]
fn versions_total_one_hundred_percent_and_differ() {
    let entry =
        |version: u32, percentage: f64| json!({"version": version, "percentage": percentage});
    assert_eq!(versions(json!([])), Err(SpecError::VersionCount(0)));
    let eleven: Vec<Value> = (1..=11).map(|version| entry(version, 1.0)).collect();
    assert_eq!(versions(json!(eleven)), Err(SpecError::VersionCount(11)));
    let short = versions(json!([entry(1, 50.0), entry(2, 49.95)])).unwrap_err();
    assert_eq!(
        short.to_string(),
        "the percentages total 99.95 and must total exactly 100; change one of them"
    );
    assert_eq!(short.reason(), Reason::InvalidSpec);
    let twice = versions(json!([entry(8, 50.0), {"version": "v8", "percentage": 50}]));
    assert!(matches!(twice, Err(SpecError::VersionTwice(_))));
    let mut sevenths: Vec<Value> = (1..=6).map(|version| entry(version, 14.29)).collect();
    sevenths.push(entry(7, 14.26));
    assert!(versions(json!(sevenths)).is_ok());
    assert!(versions(json!([entry(1, 1.15), entry(2, 98.85)])).is_ok());
    assert!(versions(json!([entry(1, 0.0), entry(2, 100.0)])).is_ok());
}

#[test]
fn each_route_has_a_name_and_a_place_of_its_own() {
    let route = |name: &str, hostname: &str, path: &str| json!({"name": name, "hostnames": [hostname], "path": path, "gateway": {"name": "web"}});
    let bare = json!({"hostnames": ["a.example"], "gateway": {"name": "web"}});
    assert_eq!(
        routes(json!([route("a", "a.example", "/"), bare])),
        Err(SpecError::RouteUnnamed(1))
    );
    let twice = routes(json!([
        route("a", "a.example", "/"),
        route("a", "b.example", "/")
    ]));
    assert!(matches!(twice, Err(SpecError::RouteTwice(_))));
    let clash = routes(json!([
        route("a", "a.example", "/x"),
        route("b", "a.example", "/x/")
    ]));
    assert_eq!(
        clash.unwrap_err().to_string(),
        "the routes `a` and `b` both take a.example/x/ on gateway web; change one of them"
    );
    let apart = json!([
        route("a", "a.example", "/"),
        route("b", "a.example", "/x"),
        route("c", "b.example", "/")
    ]);
    assert_eq!(routes(apart).unwrap().routes.len(), 3);
    let many: Vec<Value> = (0..17)
        .map(|n| route(&format!("r{n}"), "a.example", &format!("/{n}")))
        .collect();
    assert_eq!(routes(json!(many)), Err(SpecError::RouteCount(17)));
    let nowhere = json!([{"hostnames": [], "gateway": {"name": "web"}}]);
    assert_eq!(
        routes(nowhere),
        Err(SpecError::HostnameCount(RouteName::only(), 0))
    );
    assert!(routes(json!([])).unwrap().routes.is_empty());
    for bad in [
        "",
        "shop",
        "/a?b",
        "/a#b",
        "/a//b",
        "/a/../b",
        "/..",
        "/a/.",
        "/a%2fb",
        "/.well-known/cutwater/x",
    ] {
        let given = routes(json!([route("a", "a.example", bad)]));
        assert!(matches!(given, Err(SpecError::Path { .. })), "{bad}");
    }
    for bad in [
        "shop.example:8080",
        "https://shop.example",
        "Shop.example",
        "192.0.2.1",
        "*",
        "*.",
        "shop_1.example",
        "-shop.example",
        "shop.example.",
        "a.*.example",
    ] {
        let given = routes(json!([route("a", bad, "/")]));
        assert!(matches!(given, Err(SpecError::Hostname { .. })), "{bad}");
    }
    for good in ["shop.example", "*.example", "a-b.c1.example", "localhost"] {
        assert!(routes(json!([route("a", good, "/")])).is_ok(), "{good}");
    }
}

#[test]
fn an_override_and_an_affinity_are_one_thing_each() {
    let with = |field: &'static str, value: Value| deployment(move |spec| spec[field] = value);
    assert_eq!(
        deployment(|_| {}).unwrap().override_rule,
        OverrideRule::Header
    );
    let none = with("override", json!({"mode": "none"})).unwrap();
    assert_eq!(none.override_rule, OverrideRule::None);
    let secret = json!({"name": "preview", "key": "key"});
    let key = with(
        "override",
        json!({"mode": "key", "header": "X-Key", "secretRef": secret}),
    );
    assert!(matches!(
        key.unwrap().override_rule,
        OverrideRule::Key { .. }
    ));
    for bad in [
        json!({"mode": "key"}),
        json!({"header": "X-Key"}),
        json!({"mode": "none", "secretRef": secret}),
    ] {
        assert_eq!(with("override", bad), Err(SpecError::Override));
    }
    let cookie = with("affinity", json!({"cookie": "session"})).unwrap();
    assert_eq!(
        cookie.affinity,
        Some(AffinityKey::Cookie("session".to_owned()))
    );
    for bad in [json!({}), json!({"header": "a", "cookie": "b"})] {
        assert_eq!(with("affinity", bad), Err(SpecError::Affinity));
    }
}

#[test]
fn fields_of_the_other_kind_are_read_and_named() {
    let spec: DeploymentSpec = serde_json::from_value(json!({
        "app": "a", "repository": "r", "versions": [{"version": 1, "percentage": 100}],
        "selector": {"matchLabels": {"a": "b"}}, "replicas": 3,
    }))
    .unwrap();
    assert_eq!(spec.ignored_fields(), ["selector", "replicas"]);
}

#[test]
fn a_rule_is_for_a_version_that_is_listed_and_has_one_match() {
    let with = |rules: Value| deployment(move |spec| spec["rules"] = rules);
    let beta = json!({"name": "X-Beta", "value": "1"});
    let good = with(json!([
        {"version": "8", "header": beta},
        {"version": 7, "cookie": {"name": "old", "value": "1"}},
        {"version": "v7", "query": {"name": "old", "value": ""}},
    ]));
    let good = good.unwrap().rules;
    assert_eq!(good.len(), 3);
    assert_eq!(good[0].version, "v8".parse().unwrap());
    let RequestMatch::Header { name, value } = &good[0].requests else {
        panic!("{good:?}")
    };
    assert_eq!((name.as_str(), value.as_str()), ("X-Beta", "1"));
    let rule = json!({"version": 8, "header": beta});
    assert_eq!(with(json!(vec![rule; 17])), Err(SpecError::RuleCount(17)));
    for bad in [
        json!([{"version": 8}]),
        json!([{"version": 8, "header": beta, "query": beta}]),
    ] {
        assert_eq!(with(bad), Err(SpecError::Rule(1)));
    }
    let missing = with(json!([{"version": "spring", "header": beta}])).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "rule 1 is for version spring, which is not listed; list it (0 % is enough), or change or take out the rule"
    );
    // The canary counts as listed.
    let of_alias = |version: u32| {
        let beta = beta.clone();
        alias(move |spec| spec["rules"] = json!([{"version": version, "header": beta}]))
    };
    assert_eq!(of_alias(7).unwrap().rules.len(), 1);
    assert_eq!(of_alias(8).unwrap().rules.len(), 1);
    assert!(matches!(of_alias(9), Err(SpecError::RuleVersion { .. })));
}
