//! Routes of one Deployment that cannot always be written, as stories in a cluster in memory.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::Deployment;
use crate::controller::simulated::{Asks, Cluster, Write};
use crate::plan::{self, Owner, OwnerKind};
use crate::resolve::Records;
use crate::words::Share;

const VERSIONS: u32 = 4;
const ROUTES: [&str; 3] = ["a", "b", "c"];
/// What is written last in each reconcile.
const ANCHOR: &str = "cutwater.dev";
const PLACES: [&str; 4] = [ROUTES[0], ROUTES[1], ROUTES[2], ANCHOR];

fn number(version: u32) -> VersionNumber {
    VersionNumber::new(version).unwrap()
}

fn records() -> Records {
    let record = |version: u32| {
        let record = serde_json::from_value(json!({
            "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z",
            "functions": [{"name": "web", "image": "shop@sha256:1", "port": 8080}],
        }));
        (number(version), record.unwrap())
    };
    (1..=VERSIONS).map(record).collect()
}

/// A Deployment with several routes, all of it at one version.
struct Story {
    cluster: Cluster,
    records: Records,
    routes: Vec<&'static str>,
    wanted: u32,
    /// The two versions that some route was given last.
    recent: Vec<VersionNumber>,
    /// What was wanted when it was last decided to serve what is wanted.
    decided: u32,
    /// A route that can be written is never held up by ones that cannot: what is wanted is not taken from it.
    is_free: bool,
    now: Timestamp,
}

impl Story {
    fn new(routes: &[&'static str]) -> Self {
        Self {
            cluster: Cluster::new("shop".parse().unwrap()),
            records: records(),
            routes: routes.to_vec(),
            wanted: 1,
            recent: vec![number(1)],
            decided: 1,
            is_free: false,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn asks(&self) -> Asks {
        let routes = self.routes.iter().map(|name| {
            json!({"name": name, "hostnames": [format!("{name}.test")], "function": "web", "gateway": {"name": "web"}})
        });
        let deployment: Deployment = serde_json::from_value(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": "shop"},
            "spec": {
                "app": "shop", "repository": "main", "routes": routes.collect::<Vec<Value>>(),
                "versions": [{"version": self.wanted, "percentage": 100}],
            },
        }))
        .unwrap();
        Asks {
            owner: Owner {
                kind: OwnerKind::Deployment,
                name: "shop".to_owned(),
            },
            wanted: deployment.spec.wanted().unwrap(),
            shares: [(number(self.wanted), Share::ALL)].into(),
            leaving: false,
        }
    }

    /// One reconcile.
    ///
    /// # Errors
    /// What it did that is never to be done.
    fn step(&mut self) -> Result<(), String> {
        let asks = [self.asks()];
        self.now += SignedDuration::from_secs(1);
        let world = self.cluster.world(&asks, &self.records, self.now);
        let plan = plan::plan(&world);
        let before = self.cluster.routes();
        (self.cluster).carry_out(&plan, &asks, &self.records, self.now);
        for version in plan.run.keys() {
            let web = "web".parse().unwrap();
            self.cluster.pod(*version, &web, Some(self.now));
        }
        if let RoutePlan::Serve { shares, .. } = &plan.splits[0].route
            && *shares == asks[0].shares
        {
            self.decided = self.wanted;
        }
        for (name, route) in self.cluster.routes() {
            if let Some(old) = before.get(&name) {
                self.check(&name, old, &route)?;
            }
        }
        Ok(())
    }

    fn check(&mut self, name: &str, old: &HttpRoute, new: &HttpRoute) -> Result<(), String> {
        let key = key();
        let main = backends::main_rule(old);
        let named: Vec<VersionNumber> = backends::versions_of(&key, main).collect();
        let (gave, gives) = (
            backends::shares(&key.app, old),
            backends::shares(&key.app, new),
        );
        let wanted = number(self.wanted);
        if self.is_free && share_of(&gives, wanted) < share_of(&gave, wanted) {
            return Err(format!("{name} takes from {wanted}, which is wanted"));
        }
        for (version, share) in gives {
            if share <= share_of(&gave, version) {
                continue;
            }
            if !named.contains(&version) {
                return Err(format!("{name} names {version} and gives it {share} %"));
            }
            let meant = [self.wanted, self.decided].map(number);
            if !meant.contains(&version) && !self.recent.contains(&version) {
                return Err(format!("{name} gives {version}, which was left"));
            }
            self.recent.retain(|recent| *recent != version);
            self.recent.insert(0, version);
            self.recent.truncate(2);
        }
        Ok(())
    }

    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step().unwrap();
        }
    }

    /// What becomes of writes of a route; `None` for one that can be written.
    fn writes_of(&mut self, route: &str, write: Option<Write>) {
        let name = format!("shop.{route}");
        match write {
            Some(write) => drop(self.cluster.writes_of.insert(name, write)),
            None => drop(self.cluster.writes_of.remove(&name)),
        }
    }

    /// What each route gives, in the order of their names: `v1 100%`.
    fn gives(&self) -> Vec<String> {
        let app = "shop".parse().unwrap();
        let routes = self.cluster.routes();
        let shares = routes.values().map(|route| backends::shares(&app, route));
        shares.map(|shares| shares.to_string()).collect()
    }
}

fn key() -> AppKey {
    AppKey {
        namespace: "shop".to_owned(),
        app: "shop".parse().unwrap(),
    }
}

/// Two routes of which one cannot be written since version 1, and the other one serves version 3 since it has served version 2.
fn one_behind(behind: &str) -> Story {
    let mut story = Story::new(&["api", "main"]);
    story.steps(4);
    story.writes_of(behind, Some(Write::Refused));
    for wanted in [2, 3] {
        story.wanted = wanted;
        story.steps(6);
    }
    story
}

#[test]
fn a_route_that_cannot_be_written_stays_behind_alone() {
    assert_eq!(one_behind("api").gives(), ["v1 100%", "v3 100%"]);
    assert_eq!(one_behind("main").gives(), ["v3 100%", "v1 100%"]);
}

#[test]
fn another_process_takes_what_is_behind_for_nothing_that_is_served() {
    for behind in ["api", "main"] {
        let mut story = one_behind(behind);
        let before = story.cluster.routes();
        story.cluster.restart();
        story.steps(6);
        assert_eq!(story.cluster.routes(), before, "{behind} is behind");
        story.writes_of(behind, None);
        story.steps(6);
        assert_eq!(story.gives(), ["v3 100%"; 2], "{behind} was behind");
    }
}

#[test]
fn one_that_can_be_written_just_when_another_process_begins_is_told_names_first() {
    for behind in ["api", "main"] {
        let mut story = one_behind(behind);
        story.writes_of(behind, None);
        story.cluster.restart();
        story.steps(6);
        assert_eq!(story.gives(), ["v3 100%"; 2], "{behind} was behind");
    }
}

#[test]
fn where_none_can_be_written_for_a_while_nothing_goes_back_to_what_is_behind() {
    for (behind, other) in [("api", "main"), ("main", "api")] {
        for restarts in [false, true] {
            let mut story = one_behind(behind);
            story.wanted = 4;
            // It is named, but its share does not arrive.
            story.steps(2);
            story.writes_of(other, Some(Write::Lost));
            let before = story.gives();
            story.steps(4);
            if restarts {
                story.cluster.restart();
                story.steps(4);
            }
            assert_eq!(story.gives(), before);
            story.writes_of(other, None);
            story.steps(6);
            let mut gives = story.gives();
            gives.sort();
            assert_eq!(gives, ["v1 100%", "v4 100%"], "{behind} is behind");
        }
    }
}

#[test]
fn what_another_process_has_not_tried_yet_counts_no_more_than_what_was_decided() {
    let mut story = Story::new(&ROUTES);
    story.steps(4);
    for (refused, wanted) in [("a", 2), ("c", 3), ("b", 4)] {
        story.writes_of(refused, Some(Write::Refused));
        story.wanted = wanted;
        story.steps(6);
    }
    assert_eq!(story.gives(), ["v1 100%", "v3 100%", "v2 100%"]);
    // The others are refused again at once; this one only fails, so it is taken for one that can be written as yet.
    story.writes_of("a", Some(Write::Lost));
    story.cluster.restart();
    story.steps(2);
    for route in ROUTES {
        story.writes_of(route, None);
    }
    story.steps(8);
    assert_eq!(story.gives(), ["v4 100%"; 3]);
}

#[test]
fn killed_between_any_two_writes_it_goes_on_from_what_was_decided() {
    for behind in ROUTES {
        for killed in PLACES {
            let mut story = Story::new(&ROUTES);
            story.is_free = true;
            story.steps(4);
            let refused = Some(Write::Refused);
            story.writes_of(behind, refused);
            for wanted in [2, 3, 4, 2, 3] {
                story.wanted = wanted;
                for _ in 0..4 {
                    story.writes_of(killed, Some(Write::Killed));
                    story.steps(1);
                    story.writes_of(killed, refused.filter(|_| killed == behind));
                    story.steps(1);
                }
                story.steps(4);
                let gives = story.gives();
                let there = gives.iter().filter(|it| **it == format!("v{wanted} 100%"));
                assert_eq!(there.count(), 2, "{gives:?}");
            }
            story.writes_of(behind, None);
            story.steps(8);
            assert_eq!(story.gives(), ["v3 100%"; 3]);
        }
    }
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Happens {
    Want(u32),
    Writes(usize, Option<Write>),
    Restart,
    Step,
}

fn any_event() -> impl Strategy<Value = Happens> {
    let write = prop_oneof![
        3 => Just(None),
        2 => Just(Some(Write::Refused)),
        2 => Just(Some(Write::Lost)),
        1 => Just(Some(Write::Killed)),
    ];
    prop_oneof![
        2 => (1..=VERSIONS).prop_map(Happens::Want),
        3 => (0..PLACES.len(), write).prop_map(|(route, write)| Happens::Writes(route, write)),
        1 => Just(Happens::Restart),
        6 => Just(Happens::Step),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_cannot_be_written_names_come_first_and_nothing_goes_back(
        events in proptest::collection::vec(any_event(), 1..60),
    ) {
        let mut story = Story::new(&ROUTES);
        story.steps(4);
        for event in &events {
            match event {
                Happens::Want(version) => story.wanted = *version,
                Happens::Writes(route, write) => story.writes_of(PLACES[*route], *write),
                Happens::Restart => story.cluster.restart(),
                Happens::Step => story.step().map_err(TestCaseError::fail)?,
            }
        }
        for place in PLACES {
            story.writes_of(place, None);
        }
        for _ in 0..10 {
            story.step().map_err(TestCaseError::fail)?;
        }
        let wanted = format!("v{} 100%", story.wanted);
        prop_assert_eq!(story.gives(), [wanted.as_str(); 3]);
    }
}
