use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::api::{Deployment, DeploymentStatus, SpecError};
use crate::controller::cache::Cache;
use crate::controller::objects::Tracked;
use crate::kubernetes::Object;
use crate::plan::SplitPlan;
use crate::words::Share;

/// Seconds that gateways are given.
const SETTLE: i64 = 5;

/// What is there, what is planned, and what is known.
struct Case {
    cache: Cache,
    plan: Plan,
    wishes: Vec<Wish>,
    unreadable: BTreeSet<Owner>,
    routes_seen: bool,
    unwritten: BTreeSet<String>,
    rendered: Rendered,
    /// Whether gateways accept the routes that are put in from now on, and for how many seconds they have.
    accepted: Option<i64>,
    ages: Ages,
}

fn key() -> AppKey {
    AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    }
}

fn owner(text: &str) -> Owner {
    Owner::try_from(text.to_owned()).unwrap()
}

impl Case {
    fn new() -> Self {
        Self {
            cache: Cache::default(),
            plan: Plan {
                settled: true,
                ..Plan::default()
            },
            wishes: Vec::new(),
            unreadable: BTreeSet::new(),
            routes_seen: true,
            unwritten: BTreeSet::new(),
            rendered: Rendered {
                objects: Vec::new(),
                files: BTreeMap::new(),
            },
            accepted: Some(SETTLE),
            ages: Ages::new(),
        }
    }

    fn refusing(mut self) -> Self {
        self.accepted = None;
        self
    }

    /// The gateways have accepted the routes that are put in from now on for that long.
    fn accepted_for(mut self, seconds: i64) -> Self {
        self.accepted = Some(seconds);
        self
    }

    fn put<K: Tracked + DeserializeOwned>(self, mut object: Value) -> Self {
        object["metadata"]["namespace"] = json!("prod");
        object["metadata"]["uid"] = json!("u");
        object["metadata"]["managedFields"] = json!([{"manager": "cutwater"}]);
        self.cache.put::<K>(serde_json::from_value(object).unwrap());
        self
    }

    fn route(self, name: &str, version: u32) -> Self {
        self.route_at(name, version, "shop.test", "/")
    }

    fn route_at(mut self, name: &str, version: u32, hostname: &str, path: &str) -> Self {
        if let Some(seconds) = self.accepted {
            let age = SignedDuration::from_secs(seconds);
            self.ages.insert(name.to_owned(), age);
        }
        self.put::<HttpRoute>(json!({
            "metadata": {
                "name": name, "generation": 1, "annotations": {"cutwater.dev/owner": "cwd/shop"},
            },
            "spec": {"hostnames": [hostname], "parentRefs": [{"name": "web"}], "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": path}}],
                "backendRefs": [{"name": format!("shop-v{version}-web"), "weight": 10000}],
            }]},
        }))
    }

    fn workload(self, name: &str) -> Self {
        self.put::<k8s_openapi::api::core::v1::Service>(json!({"metadata": {"name": name}}))
    }

    fn split(mut self, who: &str, route: RoutePlan) -> Self {
        let split = SplitPlan::settled(owner(who), route);
        self.plan.splits.push(split);
        self
    }

    /// A Deployment that wishes for routes of these names, of which some are rendered.
    fn wishes(mut self, routes: &[&str], rendered: &[&str]) -> Self {
        for name in rendered {
            self.rendered.objects.push(Object {
                kind: Kind::HttpRoute,
                name: (*name).to_owned(),
                body: Value::Null,
            });
        }
        self.wishes_at(routes, "shop.test")
    }

    /// A Deployment that wishes for routes of these names, for a hostname.
    fn wishes_at(mut self, routes: &[&str], hostname: &str) -> Self {
        let routes: Vec<Value> = (routes.iter())
            .map(|name| json!({"name": name, "hostnames": [hostname], "gateway": {"name": "web"}}))
            .collect();
        let object = json!({
            "apiVersion": "cutwater.dev/v1alpha1",
            "kind": "Deployment",
            "metadata": {"name": "shop", "namespace": "prod"},
            "spec": {"app": "shop", "repository": "main", "versions": [{"version": 1, "percentage": 100}], "routes": routes},
        });
        let object: Deployment = serde_json::from_value(object).unwrap();
        self.wishes.push(Wish {
            owner: owner("cwd/shop"),
            created: Timestamp::UNIX_EPOCH,
            uid: None,
            generation: None,
            leaving: false,
            held: true,
            finalizers: Vec::new(),
            resource_version: None,
            wanted: object.spec.wanted(),
            ignored: Vec::new(),
            status: DeploymentStatus::default(),
            taken_by: None,
        });
        self
    }

    fn doomed(&self) -> (Vec<String>, Vec<String>) {
        let names = |doomed: Vec<Doomed>| {
            assert!(doomed.iter().all(|doomed| doomed.uid() == Some("u")));
            doomed
                .iter()
                .map(|doomed| doomed.name().to_owned())
                .collect()
        };
        self.asks(|removal| {
            (
                names(removal.routes()),
                names(removal.workloads(&self.rendered)),
            )
        })
    }

    /// Seconds until a route may go.
    fn over_in(&self) -> Option<i64> {
        self.asks(|removal| removal.over_in().map(|wait| wait.as_secs()))
    }

    fn asks<T>(&self, ask: impl Fn(&Removal<'_>) -> T) -> T {
        let objects = self.cache.app(&key());
        ask(&Removal {
            key: &key(),
            objects: &objects,
            plan: &self.plan,
            records: &Records::new(),
            wishes: &self.wishes,
            unreadable: &self.unreadable,
            routes_seen: self.routes_seen,
            unwritten: &self.unwritten,
            accepted: &self.ages,
            settle: SignedDuration::from_secs(SETTLE),
        })
    }
}

fn serve() -> RoutePlan {
    RoutePlan::Serve {
        shares: [("v1".parse().unwrap(), Share::ALL)].into(),
        idle: Vec::new(),
        overrides: Vec::new(),
    }
}

#[test]
fn a_route_goes_only_where_its_owner_is_known_to_be_gone_or_to_say_so() {
    let live = || Case::new().route("shop.main", 1);
    let goes = vec!["shop.main".to_owned()];
    let stays = Vec::<String>::new();
    let cases = [
        ("nobody is there", live(), &goes),
        (
            "the owner leaves",
            live().split("cwd/shop", RoutePlan::Off),
            &goes,
        ),
        (
            "nothing is decided",
            live().split("cwd/shop", RoutePlan::Keep),
            &stays,
        ),
        (
            "an Alias alone has a split",
            live().split("cwa/stage", serve()),
            &goes,
        ),
        (
            "it is wanted, and held back",
            live().split("cwd/shop", serve()).wishes(&["main"], &[]),
            &stays,
        ),
        (
            "it was taken out",
            live().split("cwd/shop", serve()).wishes(&[], &[]),
            &goes,
        ),
    ];
    for (what, case, expected) in cases {
        assert_eq!(case.doomed().0, *expected, "{what}");
    }

    let mut odd = live().split("cwd/shop", serve()).wishes(&[], &[]);
    odd.wishes[0].wanted = Err(SpecError::VersionCount(0));
    assert_eq!(odd.doomed().0, stays, "the spec cannot be understood");

    let mut unseen = live();
    unseen.routes_seen = false;
    assert_eq!(unseen.doomed().0, stays, "the kind cannot be seen");

    let mut unreadable = live();
    unreadable.unreadable.insert(owner("cwd/shop"));
    assert_eq!(unreadable.doomed().0, stays, "its owner cannot be read");
    let mut other = live();
    other.unreadable.insert(owner("cwd/other"));
    assert_eq!(
        other.doomed().0,
        goes,
        "it names another owner, which is gone"
    );

    let mut failed = live().route("shop.web", 1);
    failed = failed
        .split("cwd/shop", serve())
        .wishes(&["web"], &["shop.web"]);
    failed.unwritten.insert("shop.web".to_owned());
    assert_eq!(
        failed.doomed().0,
        stays,
        "what takes over could not be written"
    );

    let mut alias = Case::new().route("shop.stage.main", 1);
    assert_eq!(alias.doomed().0, ["shop.stage.main"]);
    alias.unreadable.insert(owner("cwa/stage"));
    assert_eq!(alias.doomed().0, stays);
}

#[test]
fn a_route_that_is_taken_over_from_goes_once_the_other_stands() {
    let live = || Case::new().route("shop.main", 1);
    let goes = vec!["shop.main".to_owned()];
    let stays = Vec::<String>::new();
    let cases = [
        (
            "another route takes over and is not there",
            live()
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
        (
            "another route has taken over",
            live()
                .route("shop.web", 1)
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &goes,
        ),
        (
            "another route takes over and is refused",
            live()
                .refusing()
                .route("shop.web", 1)
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
        (
            "another route has just taken over",
            live()
                .accepted_for(SETTLE - 1)
                .route("shop.web", 1)
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
        (
            "a route for all hostnames below takes over and is not there",
            (Case::new().route_at("shop.main", 1, "eu.shop.test", "/"))
                .split("cwd/shop", serve())
                .wishes_at(&["web"], "*.shop.test"),
            &stays,
        ),
        (
            "one for a hostname below takes over and is not there",
            (Case::new().route_at("shop.main", 1, "*.test", "/"))
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
        (
            "a route for all hostnames below has taken over",
            (Case::new().route_at("shop.main", 1, "eu.shop.test", "/"))
                .route_at("shop.web", 1, "*.shop.test", "/")
                .split("cwd/shop", serve())
                .wishes_at(&["web"], "*.shop.test"),
            &goes,
        ),
        (
            "another hostname takes nothing over",
            (Case::new().route_at("shop.main", 1, "shop.test.org", "/"))
                .split("cwd/shop", serve())
                .wishes_at(&["web"], "*.shop.test"),
            &goes,
        ),
        (
            "another route takes over and is still elsewhere",
            live()
                .route_at("shop.web", 1, "other.test", "/")
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
        (
            "another route takes over and is still at another path",
            live()
                .route_at("shop.web", 1, "shop.test", "/old")
                .split("cwd/shop", serve())
                .wishes(&["web"], &["shop.web"]),
            &stays,
        ),
    ];
    for (what, case, expected) in cases {
        assert_eq!(case.doomed().0, *expected, "{what}");
    }
}

#[test]
fn who_waits_for_the_settle_delay_is_told_when_it_is_over() {
    let renamed = |seconds| {
        (Case::new().route("shop.main", 1).accepted_for(seconds))
            .route("shop.web", 1)
            .split("cwd/shop", serve())
            .wishes(&["web"], &["shop.web"])
    };
    assert_eq!(renamed(SETTLE - 2).over_in(), Some(2));
    assert_eq!(renamed(SETTLE).over_in(), None);
    let settled = (Case::new().accepted_for(1).route("shop.main", 1))
        .split("cwd/shop", serve())
        .wishes(&["main"], &["shop.main"]);
    assert_eq!(settled.over_in(), None, "nothing waits for it");
}

#[test]
fn nothing_goes_that_a_route_still_sends_to_and_nothing_of_a_strange_name() {
    let case = Case::new()
        .route("shop.main", 1)
        .workload("shop-v1-web")
        .workload("shop-v2-web")
        .workload("shop-notes")
        .split("cwd/shop", RoutePlan::Keep);
    assert_eq!(case.doomed().1, ["shop-v2-web"]);
}

#[test]
fn nothing_goes_that_a_route_of_somebody_else_sends_to() {
    let case = || Case::new().workload("shop-v1-web").workload("shop-v2-web");
    let gone = case();
    assert_eq!(gone.doomed().1, ["shop-v1-web", "shop-v2-web"]);
    let held = case();
    let route = ("prod".to_owned(), "shop.main".to_owned());
    let sends = |version: &str| [(key(), [version.parse().unwrap()].into())].into();
    assert_eq!(held.cache.note_stranger(&route, sends("v1")), [key()]);
    assert!(held.cache.note_stranger(&route, sends("v1")).is_empty());
    assert_eq!(held.doomed().1, ["shop-v2-web"]);
    assert_eq!(held.cache.note_stranger(&route, sends("v2")), [key()]);
    assert_eq!(held.doomed().1, ["shop-v1-web"]);
    assert_eq!(held.cache.retain_strangers(&[].into()), [key()]);
    assert_eq!(held.doomed().1, ["shop-v1-web", "shop-v2-web"]);
    // Of an app of which there is nothing else, nothing is left.
    let empty = Cache::default();
    empty.note_stranger(&route, sends("v1"));
    assert_eq!(empty.apps(), [key()]);
    empty.note_stranger(&route, BTreeMap::new());
    assert!(empty.apps().is_empty());
}
