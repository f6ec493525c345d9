//! What the API server says to a Deployment that can never work.

use cutwater::words::VersionWord;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::*;

const FORM: &str = "a version is a number (8 or v8), an id (g and 7 to 40 hex digits), or a label (a letter, then letters, digits, `.`, `_` and `-`)";
const RANGE: &str = "a version number goes from 1 to 9999999; an id begins with `g`";
const LATEST: &str = "`LATEST` is the tracked branch and changes with it; publish, and name the version by number (8), id or label";
const LESS: &str =
    "the percentages total less than 100 and must total exactly 100; raise one of them";
const MORE: &str =
    "the percentages total more than 100 and must total exactly 100; lower one of them";
const TWICE: &str = "a version is listed twice (8 and v8 are one version); keep one entry with the whole percentage";

fn changed(spec: Value) -> Value {
    with(deployment(), spec)
}

fn routed(change: Value) -> Value {
    changed(json!({"routes": [route(change)]}))
}

fn two(first: Value, second: Value) -> Value {
    let entry = |version| json!({"version": version, "percentage": 50});
    changed(json!({"versions": [entry(first), entry(second)]}))
}

#[tokio::test]
async fn a_version_is_named_in_a_way_that_stays() {
    let at = "spec.versions[0].version";
    let typed = "in body must be of type integer,string: \"number\"";
    let mut cases = vec![
        (changed(all_to(&json!(1.5))), at, typed),
        (changed(all_to(&json!(0))), at, RANGE),
        (changed(all_to(&json!(-1))), at, RANGE),
        (changed(all_to(&json!(10_000_000))), at, RANGE),
        (changed(all_to(&json!("LATEST"))), at, LATEST),
        (
            changed(all_to(&json!("x".repeat(64)))),
            at,
            "may not be more than 63 bytes",
        ),
        (two(json!(8), json!(8)), "spec.versions", TWICE),
        (two(json!(8), json!("v8")), "spec.versions", TWICE),
        (two(json!("8"), json!(8)), "spec.versions", TWICE),
        (
            two(json!("gabc1234"), json!("gABC1234")),
            "spec.versions",
            TWICE,
        ),
        (two(json!("green"), json!("green")), "spec.versions", TWICE),
    ];
    let words = [
        "",
        "0",
        "08",
        "v0",
        "v08",
        "10000000",
        "v10000000",
        "1.5",
        "gabc",
        "g12345",
        "a b",
        "@v1.4.0",
        "-a",
        "a..b",
        "a.",
        "a.lock",
        "_a",
        "a/b",
    ];
    // The program refuses the same words where the schema did not.
    for word in words {
        assert!(word.parse::<VersionWord>().is_err(), "{word}");
    }
    cases.extend(words.map(|word| (changed(all_to(&json!(word))), at, FORM)));
    all_refused(cases).await;
}

#[tokio::test]
async fn percentages_total_exactly_one_hundred() {
    let at = "spec.versions";
    let rounded = "a percentage has at most two decimals, such as 12.5 or 14.29; round it";
    let thirds = [json!(33.333), json!(66.67)];
    all_refused(vec![
        (changed(shares(&[json!(99)])), at, LESS),
        (changed(shares(&[json!(99.99)])), at, LESS),
        (changed(shares(&[json!(90), json!(10.01)])), at, MORE),
        (changed(shares(&[json!(100), json!(100)])), at, MORE),
        (changed(shares(&[json!(0), json!(0)])), at, LESS),
        (
            changed(shares(&thirds)),
            "spec.versions[0].percentage",
            rounded,
        ),
        (
            changed(shares(&[json!(50.000_001), json!(50)])),
            "spec.versions[0].percentage",
            rounded,
        ),
        (
            changed(shares(&[json!(-1), json!(100)])),
            "spec.versions[0].percentage",
            "in body should be greater than or equal to 0",
        ),
        (
            changed(shares(&[json!(101)])),
            "spec.versions[0].percentage",
            "in body should be less than or equal to 100",
        ),
        (
            changed(shares(&[json!("90"), json!(10)])),
            "spec.versions[0].percentage",
            "in body must be of type number: \"string\"",
        ),
        (changed(shares(&[])), at, "should have at least 1 items"),
        (
            changed(shares(&vec![json!(100.0 / 11.0); 11])),
            at,
            "must have at most 10 items",
        ),
        (
            changed(json!({"versions": [{"version": 1}]})),
            "spec.versions[0].percentage",
            "Required value",
        ),
        (changed(json!({"versions": null})), at, "Required value"),
    ])
    .await;
}

#[tokio::test]
async fn names_fit_what_is_made_of_them() {
    let label = "an app name is at most 30 lower-case letters, digits and dashes, with no dash at either end";
    let inside = "an app name must not hold a part that reads as a version, such as `v1`; choose a name without it";
    let object = "the name of an object is lower-case letters, digits, dashes and dots, and begins and ends with a letter or a digit";
    all_refused(vec![
        (changed(json!({"app": "Checkout"})), "spec.app", label),
        (changed(json!({"app": "check_out"})), "spec.app", label),
        (changed(json!({"app": "-a"})), "spec.app", label),
        (changed(json!({"app": "a-v1"})), "spec.app", inside),
        (changed(json!({"app": "v12"})), "spec.app", inside),
        (
            changed(json!({"app": "x".repeat(31)})),
            "spec.app",
            "may not be more than 30 bytes",
        ),
        (changed(json!({"app": null})), "spec.app", "Required value"),
        (
            changed(json!({"repository": "Shop"})),
            "spec.repository",
            object,
        ),
        (
            changed(json!({"repository": null})),
            "spec.repository",
            "Required value",
        ),
        (
            named(deployment(), "checkout-v8-web"),
            "<nil>",
            "the object's name reads like one of its own workloads (`<app>-v1-<function>`); choose a name without `-v` and digits",
        ),
        (
            named(deployment(), &"x".repeat(64)),
            "<nil>",
            "the object's name has more than 63 characters and could not stand in a label; choose a shorter one",
        ),
        (
            changed(json!({"message": "x".repeat(1025)})),
            "spec.message",
            "may not be more than 1024 bytes",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_route_is_one_that_a_gateway_can_take() {
    let path = "spec.routes[0].path";
    let host = "spec.routes[0].hostnames[0]";
    let form = "a hostname is lower-case letters, digits, dashes and dots, with no port and no scheme, such as shop.example.com or *.example.com";
    let dots = "a path holds no `//`, `/./`, `/../` or `%2f`; write it without them";
    let query = "a path holds no query and no fragment; leave out what begins with `?` or `#`";
    let unnamed =
        "with more than one route each needs a name; a single route without one is called `main`";
    let mut cases = vec![
        (
            routed(json!({"path": "shop"})),
            path,
            "a path starts with a slash; write one in front of it",
        ),
        (routed(json!({"path": "/a?b=c"})), path, query),
        (routed(json!({"path": "/a#b"})), path, query),
        (
            routed(json!({"path": "/a b"})),
            path,
            "a path holds letters, digits and -/._~!$&'()*+,;=:@ only; write other characters as % and two hex digits",
        ),
        (
            routed(json!({"path": "/.well-known/cutwater/x"})),
            path,
            "paths below /.well-known/cutwater are taken; choose another one",
        ),
        (
            routed(json!({"hostnames": ["10.0.0.1"]})),
            host,
            "a hostname is not an IP address; use a name, such as shop.example.com",
        ),
        (
            routed(json!({"hostnames": []})),
            "spec.routes[0].hostnames",
            "should have at least 1 items",
        ),
        (
            routed(json!({"hostnames": ["a.example", "a.example"]})),
            "spec.routes[0].hostnames[1]",
            "Duplicate value: \"a.example\"",
        ),
        (
            routed(json!({"gateway": null})),
            "spec.routes[0].gateway",
            "Required value",
        ),
        (
            routed(json!({"gateway": {"namespace": "a.b"}})),
            "spec.routes[0].gateway.namespace",
            "a namespace is at most 63 lower-case letters, digits and dashes, with no dash at either end",
        ),
        (
            routed(json!({"function": "Web"})),
            "spec.routes[0].function",
            "a function name is at most 15 lower-case letters, digits and dashes, with no dash at either end",
        ),
        (
            routed(json!({"name": "a.b"})),
            "spec.routes[0].name",
            "a route name is at most 30 lower-case letters, digits and dashes, with no dash at either end",
        ),
        (
            changed(json!({"routes": [route(json!({"name": "a"})), route(json!({}))]})),
            "spec.routes",
            unnamed,
        ),
        (
            changed(json!({"routes": [route(json!({"name": "a"})), route(json!({"name": "a"}))]})),
            "spec.routes",
            "two routes have one name; give each its own",
        ),
        (
            changed(json!({"routes": vec![route(json!({"name": "a"})); 17]})),
            "spec.routes",
            "must have at most 16 items",
        ),
    ];
    for bad in ["/a//b", "/a/../b", "/a/./b", "/a/..", "/a/.", "/a%2Fb"] {
        cases.push((routed(json!({"path": bad})), path, dots));
    }
    for bad in [
        "Shop.example",
        "https://a.example",
        "a.example:80",
        "a..b",
        "-a.b",
        "*",
        "a.*.b",
        "*a.b",
    ] {
        cases.push((routed(json!({"hostnames": [bad]})), host, form));
    }
    all_refused(cases).await;
}

#[tokio::test]
async fn options_fit_together() {
    let period = "a length of time goes from 0s to 8760h and is written in hours, minutes and seconds, such as 30s, 5m or 1h30m";
    let both = "mode `key` needs both `header` (the header that holds the key) and `secretRef` (the Secret that knows it)";
    let alone =
        "`header` and `secretRef` count in mode `key` only; set `mode: key`, or leave them out";
    let one_match = "set exactly one of `header`, `cookie` and `query`";
    let ruled = |rule: Value| {
        changed(json!({"versions": [{"version": 8, "percentage": 100}], "rules": [rule]}))
    };
    let one = "set exactly one of `header` and `cookie`";
    let mut cases = vec![
        (
            changed(json!({"override": {"mode": "off"}})),
            "spec.override.mode",
            "supported values: \"header\", \"key\", \"none\"",
        ),
        (
            changed(json!({"override": {"mode": "key", "header": "X-Key"}})),
            "spec.override",
            both,
        ),
        (
            changed(json!({"override": {"header": "X-Key"}})),
            "spec.override",
            alone,
        ),
        (
            changed(
                json!({"override": {"mode": "key", "header": "X Key", "secretRef": {"name": "a", "key": "b"}}}),
            ),
            "spec.override.header",
            "the name of a header is letters, digits, `-` and `_`, without the colon",
        ),
        (
            changed(
                json!({"override": {"mode": "key", "header": "cutwater-version-x", "secretRef": {"name": "a", "key": "b"}}}),
            ),
            "spec.override.header",
            "headers that begin with Cutwater-Version- name a version; choose another header",
        ),
        (
            changed(
                json!({"override": {"mode": "key", "header": "X-Key", "secretRef": {"name": "a", "key": "b/c"}}}),
            ),
            "spec.override.secretRef.key",
            "a key of a Secret is letters, digits, `-`, `_` and `.`",
        ),
        (
            ruled(json!({"version": 99, "header": {"name": "X-Beta", "value": "1"}})),
            "spec.rules",
            "a rule names a version that is not listed in versions; list it, at 0 percent if it is to get no share, or take the rule out",
        ),
        (ruled(json!({"version": 8})), "spec.rules[0]", one_match),
        (
            ruled(
                json!({"version": 8, "header": {"name": "a", "value": "b"}, "cookie": {"name": "a", "value": "b"}}),
            ),
            "spec.rules[0]",
            one_match,
        ),
        (
            ruled(
                json!({"version": 8, "header": {"name": "Cutwater-Version-checkout", "value": "8"}}),
            ),
            "spec.rules[0].header.name",
            "headers that begin with Cutwater-Version- name a version; choose another header",
        ),
        (
            ruled(json!({"version": 8, "header": {"name": "X-Beta", "value": " 1"}})),
            "spec.rules[0].header.value",
            "the value of a header is plain ASCII characters, with no space at either end",
        ),
        (
            ruled(json!({"version": 8, "cookie": {"name": "beta", "value": "a;b"}})),
            "spec.rules[0].cookie.value",
            "the value of a cookie is plain ASCII characters without spaces and `;`",
        ),
        (
            ruled(json!({"version": 8, "query": {"name": "", "value": ""}})),
            "spec.rules[0].query.name",
            "should be at least 1 chars long",
        ),
        (
            changed(
                json!({"versions": [{"version": 8, "percentage": 100}], "rules": vec![json!({"version": 8, "query": {"name": "a", "value": "b"}}); 17]}),
            ),
            "spec.rules",
            "must have at most 16 items",
        ),
        (changed(json!({"affinity": {}})), "spec.affinity", one),
        (
            changed(json!({"affinity": {"header": "X-User", "cookie": "user"}})),
            "spec.affinity",
            one,
        ),
        (
            changed(json!({"affinity": {"cookie": "a;b"}})),
            "spec.affinity.cookie",
            "the name of a cookie is letters, digits, `-`, `_` and `.`",
        ),
        (
            changed(json!({"onLoss": "drop"})),
            "spec.onLoss",
            "supported values: \"shift\", \"hold\"",
        ),
    ];
    for bad in [
        "5",
        "1d",
        "-5s",
        "5s5m",
        "1.5h",
        "8761h",
        "99999999h",
        "5 m",
    ] {
        cases.push((
            changed(json!({"rollbackWindow": bad})),
            "spec.rollbackWindow",
            period,
        ));
        cases.push((
            changed(json!({"drainDelay": bad})),
            "spec.drainDelay",
            period,
        ));
    }
    all_refused(cases).await;
}

#[tokio::test]
async fn app_and_repository_never_change() {
    let server = ApiServer::shared();
    let client = server.client(User::Admin).await;
    let namespace = server.namespace("refused");
    for mut object in [deployment(), alias()] {
        let api = api_of(&client, &namespace, &mut object);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let made = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &made).await.unwrap();
        for field in ["app", "repository"] {
            let change = Patch::Merge(json!({"spec": {field: "other"}}));
            let error = api.patch(&name, &PatchParams::default(), &change).await;
            let Err(kube::Error::Api(refusal)) = error else {
                panic!("{error:?}")
            };
            let (at, said) = reasons(&refusal).pop().unwrap();
            assert_eq!(at, format!("spec.{field}"));
            let text = format!(
                "{field} never changes; delete this object and make a new one, or keep the old value"
            );
            assert!(said.ends_with(&text), "{said}");
        }
        let change = Patch::Merge(json!({"spec": {"rollbackWindow": "2h"}}));
        api.patch(&name, &PatchParams::default(), &change)
            .await
            .unwrap();
    }
}
