//! Tables of who has a place.

use serde_json::{Value, json};

use super::*;

const APP: &str = "shop";

fn gateway() -> Gateway {
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"gatewayClassName": "any", "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP"},
            {"name": "https", "port": 443, "protocol": "HTTPS"},
        ]},
    }))
    .unwrap()
}

/// Made in that second of a minute.
fn made(second: u32, name: &str, namespace: &str) -> Value {
    json!({"name": name, "namespace": namespace, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")})
}

/// A Deployment of a namespace, which asks for `a.test` in the way that `route` says.
fn wish(second: u32, namespace: &str, route: &Value) -> Deployment {
    let mut place =
        json!({"hostnames": ["a.test"], "gateway": {"name": "web", "namespace": "default"}});
    for (key, value) in route.as_object().unwrap() {
        place[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment", "metadata": made(second, APP, namespace),
        "spec": {"app": APP, "repository": "main", "versions": [{"version": 1, "percentage": 100}], "routes": [place]},
    }))
    .unwrap()
}

/// An HTTPRoute for `a.test`, with what the gateway says of it; `ours` belongs to the Deployment of its namespace.
fn route(
    second: u32,
    namespace: &str,
    ours: bool,
    parent: &Value,
    rules: &Value,
    said: Option<bool>,
) -> HttpRoute {
    let mut parent_ref = json!({"name": "web", "namespace": "default"});
    for (key, value) in parent.as_object().unwrap() {
        parent_ref[key] = value.clone();
    }
    let mut metadata = made(second, if ours { "shop.main" } else { "theirs" }, namespace);
    if ours {
        metadata["labels"] = json!({names::APP: APP});
        metadata["managedFields"] = json!([{"manager": names::FIELD_MANAGER}]);
        metadata["annotations"] = json!({names::OWNER: "cwd/shop"});
    }
    let said = said.map(|said| {
        json!([{"parentRef": parent_ref, "controllerName": "test", "conditions": [{
            "type": "Accepted", "status": if said { "True" } else { "False" }, "reason": "", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}])
    });
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
        "spec": {"parentRefs": [parent_ref], "hostnames": ["a.test"], "rules": rules},
        "status": {"parents": said.unwrap_or_else(|| json!([]))},
    }))
    .unwrap()
}

fn everything() -> Value {
    json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}])
}

/// A route for all requests, on all listeners.
fn whole(second: u32, namespace: &str, ours: bool, said: Option<bool>) -> HttpRoute {
    route(second, namespace, ours, &json!({}), &everything(), said)
}

fn claims(wishes: &[&Deployment], routes: &[&HttpRoute]) -> Claims {
    let mut claims = Claims::default();
    for (claimant, wanted) in (wishes.iter().map(|wish| deployment_claims(wish)))
        .chain(routes.iter().map(|route| route_claims(route)))
    {
        claims.set(&claimant, wanted);
    }
    claims
}

/// Nobody.
const NOBODY: &str = "";

/// Who stands against the Deployment `shop` of a namespace that asks for `a.test` in this way.
fn against(claims: &Claims, namespace: &str, section: Option<&str>, path: &str) -> String {
    let claim = Claim::new(
        ("default".to_owned(), "web".to_owned()),
        section,
        "a.test",
        path,
    );
    let holder = claims.holder(&claim, Some(&gateway()), namespace, "cwd/shop");
    holder.map_or_else(String::new, |holder| {
        format!("{} {}", holder.namespace, holder.name)
    })
}

#[test]
fn of_two_wishes_the_older_holds_and_the_next_follows_when_it_goes() {
    let (old, young) = (wish(1, "old", &json!({})), wish(2, "young", &json!({})));
    let mut claims = claims(&[&young, &old], &[]);
    assert_eq!(against(&claims, "old", None, "/"), NOBODY);
    assert_eq!(against(&claims, "young", None, "/"), "old cwd/shop");
    let touched = claims.remove("old", "cwd/shop");
    assert_eq!(touched.len(), 1, "the young one is looked at again");
    assert_eq!(against(&claims, "young", None, "/"), NOBODY);

    let mut leaving = old.clone();
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    let claims = self::claims(&[&young, &leaving], &[]);
    assert_eq!(
        against(&claims, "young", None, "/"),
        NOBODY,
        "it is being deleted"
    );
}

#[test]
fn of_the_same_age_namespace_and_name_decide() {
    let (a, b) = (wish(1, "a", &json!({})), wish(1, "b", &json!({})));
    let claims = claims(&[&b, &a], &[]);
    assert_eq!(against(&claims, "b", None, "/"), "a cwd/shop");
}

#[test]
fn who_serves_a_place_keeps_it_from_an_older_wish() {
    let (old, young) = (wish(1, "old", &json!({})), wish(2, "young", &json!({})));
    for said in [None, Some(true)] {
        let serving = whole(9, "young", true, said);
        let claims = claims(&[&young, &old], &[&serving]);
        assert_eq!(against(&claims, "young", None, "/"), NOBODY);
        assert_eq!(against(&claims, "old", None, "/"), "young cwd/shop");
        // Of two that serve, the gateways send to the older route.
        let both = self::claims(&[&young, &old], &[&serving, &whole(10, "old", true, said)]);
        assert_eq!(against(&both, "young", None, "/"), NOBODY);
        assert_eq!(against(&both, "old", None, "/"), "young cwd/shop");
    }
}

#[test]
fn whose_route_was_just_deleted_has_the_place_before_an_older_wish() {
    let old = wish(1, "old", &json!({}));
    for (generation, accepted, holds) in [(3, true, true), (3, false, false), (2, true, false)] {
        let mut young = wish(2, "young", &json!({}));
        young.metadata.generation = Some(3);
        young.status = serde_json::from_value(json!({
            "observedGeneration": generation, "routes": [{"name": "main", "accepted": accepted}],
        }))
        .unwrap();
        let mut claims = claims(&[&young, &old], &[]);
        let (first, second) = if holds {
            (NOBODY, "young cwd/shop")
        } else {
            ("old cwd/shop", NOBODY)
        };
        assert_eq!(against(&claims, "young", None, "/"), first);
        assert_eq!(against(&claims, "old", None, "/"), second);
        // It leaves nothing behind.
        claims.remove("young", "cwd/shop");
        assert_eq!(against(&claims, "old", None, "/"), NOBODY);
        let live = self::claims(&[&young, &old], &[&whole(9, "old", true, Some(true))]);
        assert_eq!(against(&live, "young", None, "/"), "old cwd/shop");
    }
}

#[test]
fn whose_route_is_deleted_before_a_gateway_took_it_has_the_place_all_the_same() {
    let (old, young) = (wish(1, "old", &json!({})), wish(2, "young", &json!({})));
    let serving = whole(9, "young", true, None);
    let mut claims = claims(&[&young, &old], &[&serving]);
    claims.remove("young", "httproute/shop.main");
    assert_eq!(against(&claims, "old", None, "/"), "young cwd/shop");
    // Whatever its status says meanwhile, and until it asks for something else.
    let (claimant, wanted) = deployment_claims(&young);
    claims.set(&claimant, wanted.clone());
    assert_eq!(against(&claims, "old", None, "/"), "young cwd/shop");
    claims.set(&claimant, HashSet::new());
    claims.set(&claimant, wanted);
    assert_eq!(against(&claims, "young", None, "/"), "old cwd/shop");
}

#[test]
fn what_was_just_written_counts_at_once_and_is_news_when_a_watch_tells_it() {
    let (old, young) = (wish(1, "old", &json!({})), wish(2, "young", &json!({})));
    let mut claims = claims(&[&young, &old], &[]);
    let (claimant, taken) = route_claims(&whole(9, "young", true, None));
    claims.foretell(&claimant, taken.clone());
    assert_eq!(against(&claims, "old", None, "/"), "young cwd/shop");
    assert!(!claims.set(&claimant, taken.clone()).is_empty());
    assert!(claims.set(&claimant, taken).is_empty());
}

#[test]
fn who_waits_for_a_place_that_a_write_gave_up_is_told() {
    let old = wish(2, "old", &json!({}));
    let app = AppKey {
        namespace: "old".to_owned(),
        app: APP.parse().unwrap(),
    };
    for goes in [false, true] {
        let (claimant, taken) = route_claims(&whole(9, "young", true, Some(true)));
        let mut claims = claims(&[&old], &[&whole(9, "young", true, Some(true))]);
        assert_eq!(against(&claims, "old", None, "/"), "young cwd/shop");
        let gateway = ("default".to_owned(), "web".to_owned());
        let other = Claim::new(gateway, None, "b.test", "/");
        let less: HashSet<Claim> = HashSet::from([other]);
        claims.foretell(&claimant, less.clone());
        // A second write before any news comes, which may give up all.
        let last = less.iter().filter(|_| !goes).cloned();
        claims.foretell(&claimant, last.collect());
        assert_eq!(against(&claims, "old", None, "/"), NOBODY);
        let touched = if goes {
            claims.remove("young", "httproute/shop.main")
        } else {
            claims.set(&claimant, less.clone())
        };
        assert!(touched.contains(&app), "{touched:?}");
        assert!(!claims.set(&claimant, taken).is_empty());
        assert!(!claims.set(&claimant, less.clone()).is_empty());
        assert!(claims.set(&claimant, less).is_empty());
    }
}

#[test]
fn what_a_gateway_refuses_takes_nothing() {
    let young = wish(5, "young", &json!({}));
    for (said, wanted) in [
        (Some(true), "stranger httproute/theirs"),
        (Some(false), NOBODY),
        (None, NOBODY),
    ] {
        let theirs = whole(1, "stranger", false, said);
        let claims = claims(&[&young], &[&theirs]);
        assert_eq!(against(&claims, "young", None, "/"), wanted, "{said:?}");
    }
    // Nor does a Deployment whose route was refused hold it by its age.
    let old = wish(1, "old", &json!({}));
    let claims = claims(&[&young, &old], &[&whole(2, "old", true, Some(false))]);
    assert_eq!(against(&claims, "young", None, "/"), NOBODY);
}

#[test]
fn a_claim_is_for_the_listeners_that_it_names() {
    let redirect =
        json!([{"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}]);
    let theirs = "stranger httproute/theirs";
    let table = [
        (json!({"sectionName": "http"}), Some("https"), NOBODY),
        (json!({"sectionName": "http"}), Some("http"), theirs),
        (json!({"sectionName": "http"}), None, theirs),
        (json!({"port": 80}), Some("https"), NOBODY),
        (json!({"port": 443}), Some("https"), theirs),
        (json!({}), Some("https"), theirs),
        (json!({"sectionName": "nowhere"}), Some("https"), NOBODY),
        (
            json!({"kind": "Service", "group": ""}),
            Some("https"),
            NOBODY,
        ),
        (json!({"namespace": "elsewhere"}), Some("https"), NOBODY),
    ];
    for (parent, section, wanted) in table {
        let route = route(1, "stranger", false, &parent, &redirect, Some(true));
        let claims = claims(&[], &[&route]);
        assert_eq!(
            against(&claims, "shop", section, "/"),
            wanted,
            "{parent} {section:?}"
        );
    }
    // Serving on one listener is no claim on another one.
    let ours = route(
        5,
        "shop",
        true,
        &json!({"sectionName": "http"}),
        &everything(),
        Some(true),
    );
    let theirs = route(
        6,
        "stranger",
        false,
        &json!({"port": 443}),
        &everything(),
        Some(true),
    );
    let claims = claims(&[&wish(1, "shop", &json!({}))], &[&ours, &theirs]);
    assert_eq!(against(&claims, "shop", Some("http"), "/"), NOBODY);
    assert_eq!(
        against(&claims, "shop", None, "/"),
        "stranger httproute/theirs"
    );
}

#[test]
fn a_claim_is_for_the_path_and_only_for_a_match_that_takes_all_requests() {
    let prefix = |path: &str| json!({"type": "PathPrefix", "value": path});
    let header = json!([{"name": "a", "value": "b"}]);
    let theirs = "stranger httproute/theirs";
    let table = [
        (json!([]), "/", NOBODY),
        (json!([{}]), "/", theirs),
        (
            json!([{"matches": [{"path": prefix("/shop")}]}]),
            "/shop/",
            theirs,
        ),
        (
            json!([{"matches": [{"path": prefix("/shop/")}]}]),
            "/shop",
            theirs,
        ),
        (
            json!([{"matches": [{"path": prefix("/shop")}]}]),
            "/",
            NOBODY,
        ),
        (
            json!([{"matches": [{"path": prefix("/shop")}]}]),
            "/shopping",
            NOBODY,
        ),
        (
            json!([{"matches": [{"path": {"type": "Exact", "value": "/shop"}}]}]),
            "/shop",
            NOBODY,
        ),
        (
            json!([{"matches": [{"path": prefix("/"), "headers": header}]}]),
            "/",
            NOBODY,
        ),
        (
            json!([{"matches": [{"path": prefix("/"), "queryParams": header}]}]),
            "/",
            NOBODY,
        ),
        (
            json!([{"matches": [{"path": prefix("/"), "method": "POST"}]}]),
            "/",
            NOBODY,
        ),
        (json!([{"matches": [{"method": "POST"}, {}]}]), "/", theirs),
    ];
    for (rules, path, wanted) in table {
        let route = route(1, "stranger", false, &json!({}), &rules, Some(true));
        let claims = claims(&[], &[&route]);
        assert_eq!(
            against(&claims, "shop", None, path),
            wanted,
            "{rules} {path}"
        );
    }
}

#[test]
fn a_list_forgets_what_is_gone() {
    let mut claims = claims(
        &[&wish(1, "shop", &json!({}))],
        &[&whole(2, "stranger", false, Some(true))],
    );
    let kept = HashSet::from([("shop".to_owned(), "shop".to_owned())]);
    claims.retain(DEPLOYMENT, &kept);
    claims.retain(ROUTE, &HashSet::new());
    assert_eq!(against(&claims, "other", None, "/"), "shop cwd/shop");
    claims.retain(DEPLOYMENT, &HashSet::new());
    assert_eq!(against(&claims, "other", None, "/"), NOBODY);
}
