//! Which function of a version a route names while the function of the route changes.
//!
//! Pure. A version and a function together are a backend, and no write names a backend and gives it a share. So the new function
//! of each version is named beside the old one, takes over what the old one has once the gateways know it, and the old one keeps
//! its name until they know that, too. Which version gets which share is not decided here.

use std::collections::BTreeMap;

use super::backends::main_rule;
use super::key::AppKey;
use crate::api::gateway::HttpRoute;
use crate::kubernetes::{Reached, RouteSpec, names};
use crate::resolve::Records;
use crate::words::{FunctionName, VersionNumber};

/// The versions of a live route that are not simply reached by the function that is wished. `learned`: the gateways have said
/// what they think of the route as it is now, and had the settle delay.
pub(super) fn others(
    key: &AppKey,
    live: &HttpRoute,
    spec: &RouteSpec,
    records: &Records,
    learned: bool,
) -> BTreeMap<VersionNumber, Reached> {
    // Requests of another place are not those that the old function answers; where some stay, no request of theirs may be lost.
    let moves = !is_there(live, spec);
    let reached = |(version, functions): (VersionNumber, Vec<FunctionName>)| {
        let now = functions.first()?.clone();
        let wished = &spec.function;
        let has = records
            .get(&version)
            .is_some_and(|record| record.functions.iter().any(|it| it.name == *wished));
        let (function, beside) = if now == *wished {
            let before = functions.get(1).filter(|_| !learned && !moves)?;
            (now, Some(before.clone()))
        } else if !has {
            // There is nothing else behind it to send to.
            (now, None)
        } else if moves {
            return None;
        } else if learned && functions.contains(wished) {
            (wished.clone(), Some(now))
        } else {
            (now, Some(wished.clone()))
        };
        Some((version, Reached { function, beside }))
    };
    named(key, live).into_iter().filter_map(reached).collect()
}

/// The functions of each version in the rule that any request meets; the one that has its share comes first.
fn named(key: &AppKey, live: &HttpRoute) -> BTreeMap<VersionNumber, Vec<FunctionName>> {
    let mut named: BTreeMap<VersionNumber, Vec<FunctionName>> = BTreeMap::new();
    let backends = main_rule(live).into_iter();
    for backend in backends.flat_map(|rule| &rule.backend_refs) {
        let version = names::version_of(&key.app, &backend.name);
        let function = names::function_of(&key.app, &backend.name);
        if let Some((version, function)) = version.zip(function) {
            named.entry(version).or_default().push(function);
        }
    }
    named
}

fn is_there(live: &HttpRoute, spec: &RouteSpec) -> bool {
    let path = main_rule(live).and_then(|rule| rule.matches.first()?.path.as_ref());
    let stays = (live.spec.hostnames.iter()).any(|hostname| spec.hostnames.contains(hostname));
    stays && path.is_some_and(|path| path.value == spec.path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::{Kind, render};
    use crate::plan::{Owner, OwnerKind, Plan, RoutePlan, SplitPlan};
    use crate::words::Share;
    use crate::words::Shares;

    fn v(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    fn spec(function: &str, hostname: &str) -> RouteSpec {
        RouteSpec {
            name: "main".to_owned(),
            hostnames: vec![hostname.to_owned()],
            path: "/".to_owned(),
            function: function.parse().unwrap(),
            others: BTreeMap::new(),
            gateway_namespace: "edge".to_owned(),
            gateway: "web".to_owned(),
            section: None,
            overrides: true,
            keeps: None,
        }
    }

    /// Records of versions, each with its functions.
    fn records(versions: &[(u32, &[&str])]) -> Records {
        let record = |(number, functions): &(u32, &[&str])| {
            let functions: Vec<Value> = (functions.iter())
                .map(|name| json!({"name": name, "image": "shop@sha256:1", "port": 8080}))
                .collect();
            let record = serde_json::from_value(json!({
                "app": "shop", "number": number, "tree": "1".repeat(40), "commit": "2".repeat(40),
                "publishedAt": "2026-01-01T00:00:00Z", "functions": functions,
            }));
            (v(*number), record.unwrap())
        };
        versions.iter().map(record).collect()
    }

    /// The route as it is written.
    fn written(spec: RouteSpec, shares: &[(u32, u32)], idle: &[u32]) -> HttpRoute {
        let owner = Owner {
            kind: OwnerKind::Deployment,
            name: "shop".to_owned(),
        };
        let shares: Shares = (shares.iter())
            .map(|(number, points)| (v(*number), Share::from_basis_points(*points)))
            .collect();
        let route = RoutePlan::Serve {
            overrides: shares.iter().map(|(version, _)| *version).collect(),
            shares,
            idle: idle.iter().copied().map(v).collect(),
        };
        let split = SplitPlan::settled(owner.clone(), route);
        let plan = Plan {
            splits: vec![split],
            settled: true,
            ..Plan::default()
        };
        let app = "shop".parse().unwrap();
        let routes = [(owner, vec![spec])].into();
        let rendered = render(&app, &plan, &Records::new(), &routes);
        assert_eq!(rendered.objects[0].kind, Kind::HttpRoute);
        serde_json::from_value(rendered.objects[0].body.clone()).unwrap()
    }

    /// `v7-web 10000`, for each backend of the rule that any request meets, then for each other rule.
    fn backends(route: &HttpRoute) -> Vec<String> {
        let rules = route.spec.rules.iter();
        let backends = rules.flat_map(|rule| &rule.backend_refs);
        backends
            .map(|backend| {
                let name = backend.name.trim_start_matches("shop-");
                format!("{name} {}", backend.weight.unwrap())
            })
            .collect()
    }

    fn next(live: &HttpRoute, wished: &RouteSpec, records: &Records, learned: bool) -> RouteSpec {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        RouteSpec {
            others: others(&key, live, wished, records, learned),
            ..wished.clone()
        }
    }

    #[test]
    fn another_function_is_named_first_and_the_old_one_loses_its_name_last() {
        let records = records(&[(7, &["web", "api"]), (8, &["web", "api"])]);
        let write = |spec| written(spec, &[(7, 10_000)], &[8]);
        let mut live = write(spec("web", "a.test"));
        let wished = spec("api", "a.test");
        let steps: [&[&str]; 3] = [
            &[
                "v7-web 10000",
                "v8-web 0",
                "v7-api 0",
                "v8-api 0",
                "v7-web 1",
            ],
            &[
                "v7-api 10000",
                "v8-api 0",
                "v7-web 0",
                "v8-web 0",
                "v7-api 1",
            ],
            &["v7-api 10000", "v8-api 0", "v7-api 1"],
        ];
        let mut learned = false;
        for step in steps {
            live = write(next(&live, &wished, &records, learned));
            assert_eq!(backends(&live), step);
            // Nothing more before the gateways know it.
            let same = write(next(&live, &wished, &records, false));
            assert_eq!(backends(&same), step);
            learned = true;
        }
        let rest = write(next(&live, &wished, &records, true));
        assert_eq!(backends(&rest), steps[2]);
    }

    #[test]
    fn a_change_of_mind_on_the_way_is_one_more_change() {
        let records = records(&[(7, &["web", "api"])]);
        let write = |spec| written(spec, &[(7, 10_000)], &[]);
        let live = write(spec("web", "a.test"));
        let (there, back) = (spec("api", "a.test"), spec("web", "a.test"));
        let live = write(next(&live, &there, &records, true));
        assert_eq!(backends(&live), ["v7-web 10000", "v7-api 0", "v7-web 1"]);
        let live = write(next(&live, &back, &records, false));
        assert_eq!(backends(&live), ["v7-web 10000", "v7-api 0", "v7-web 1"]);
        let live = write(next(&live, &back, &records, true));
        assert_eq!(backends(&live), ["v7-web 10000", "v7-web 1"]);
    }

    #[test]
    fn a_version_without_the_new_function_stays_with_the_old_one_until_it_leaves() {
        let records = records(&[(7, &["web"]), (8, &["web", "api"])]);
        let live = written(spec("web", "a.test"), &[(7, 10_000)], &[]);
        for hostname in ["a.test", "b.test"] {
            let next = next(&live, &spec("api", hostname), &records, true);
            let live = written(next, &[(7, 10_000)], &[8]);
            assert_eq!(backends(&live), ["v7-web 10000", "v8-api 0", "v7-web 1"]);
        }
    }

    #[test]
    fn requests_of_another_place_go_to_its_own_function_at_once() {
        let records = records(&[(7, &["web", "api"])]);
        let live = written(spec("web", "a.test"), &[(7, 10_000)], &[]);
        let next = next(&live, &spec("api", "b.test"), &records, false);
        let live = written(next, &[(7, 10_000)], &[]);
        assert_eq!(backends(&live), ["v7-api 10000", "v7-api 1"]);
    }

    #[test]
    fn a_hostname_that_stays_has_its_function_changed_in_steps() {
        let records = records(&[(7, &["web", "api"])]);
        let live = written(spec("web", "a.test"), &[(7, 10_000)], &[]);
        let mut wished = spec("api", "a.test");
        wished.hostnames.push("b.test".to_owned());
        let live = written(next(&live, &wished, &records, true), &[(7, 10_000)], &[]);
        assert_eq!(backends(&live), ["v7-web 10000", "v7-api 0", "v7-web 1"]);
    }

    #[test]
    fn where_a_rule_has_no_place_for_both_it_is_one_write() {
        let all: Vec<(u32, &[&str])> = (1..=9).map(|n| (n, &["web", "api"][..])).collect();
        let records = records(&all);
        let shares: Vec<(u32, u32)> = (1..=9).map(|n| (n, 1_111)).collect();
        let live = written(spec("web", "a.test"), &shares, &[]);
        let next = next(&live, &spec("api", "a.test"), &records, true);
        let live = written(next, &shares, &[]);
        assert_eq!(backends(&live)[..2], ["v1-api 1111", "v2-api 1111"]);
        assert_eq!(live.spec.rules[0].backend_refs.len(), 9);
    }
}
