//! One HTTPRoute: weighted backends behind a path, then a rule per version for the override header.
//!
//! This is where a weight becomes an object; where it is decided is [`crate::plan::effective`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::diff;
use super::names;
use super::object::{Kind, Object};
use crate::plan::{BACKENDS_MAX, Owner};
use crate::words::{AppName, FunctionName, Shares, VersionNumber};

/// Where a split is reached: one route of a Deployment or Alias.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSpec {
    /// Name of the route, unique in its owner.
    pub name: String,
    /// Host names, 1 to 16.
    pub hostnames: Vec<String>,
    /// Path prefix; begins with a slash.
    pub path: String,
    /// The function that answers.
    pub function: FunctionName,
    /// Versions that are not simply reached by that function: it has changed.
    pub others: BTreeMap<VersionNumber, Reached>,
    /// Namespace of the gateway.
    pub gateway_namespace: String,
    /// Name of the gateway.
    pub gateway: String,
    /// One listener of the gateway; all of them where absent.
    pub section: Option<String>,
    /// The override header is honoured.
    pub overrides: bool,
    /// What it gives, and is to give as yet: it could not be written for a while, so versions that it does not name are only named.
    pub keeps: Option<Keeps>,
}

/// What a route gives, and the versions that it refers to in any way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeps {
    /// Its shares.
    pub shares: Shares,
    /// The versions that any rule of it refers to.
    pub held: BTreeSet<VersionNumber>,
}

/// How a route reaches a version while its function changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The function that answers as yet.
    pub function: FunctionName,
    /// The one that is named with no share: it answers next, or answered before.
    pub beside: Option<FunctionName>,
}

impl RouteSpec {
    /// The function by which a version is reached, and the one that is named beside it. Where a rule has no place for `named`
    /// versions with all of those, the function changes in one write.
    fn reached(
        &self,
        version: VersionNumber,
        fits: bool,
    ) -> (&FunctionName, Option<&FunctionName>) {
        match self.others.get(&version) {
            Some(reached) if fits || reached.beside.is_none() => {
                (&reached.function, reached.beside.as_ref())
            }
            _ => (&self.function, None),
        }
    }
}

/// The HTTPRoute of one route.
pub(super) fn object(
    app: &AppName,
    owner: &Owner,
    route: &RouteSpec,
    shares: &Shares,
    idle: &[VersionNumber],
    overrides: &[VersionNumber],
) -> Object {
    let name = names::route(app, owner, &route.name);
    let mut parent = json!({
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": route.gateway_namespace,
        "name": route.gateway,
    });
    if let Some(section) = &route.section {
        parent["sectionName"] = json!(section);
    }
    let path = json!({"type": "PathPrefix", "value": route.path});
    // The rule that any request meets comes first: gateways go by what matches best, not by order. But Envoy Gateway names
    // what it gives to Envoy by the index of the rule, and where an index comes to mean another rule, Envoy for a moment
    // has a route to a cluster that is gone, and answers with 503. So this one keeps its index when versions come and go.
    let keeps = route.keeps.as_ref();
    let mut named: Vec<(VersionNumber, u32)> = (keeps.map_or(shares, |it| &it.shares).iter())
        .map(|(version, share)| (*version, share.basis_points()))
        .collect();
    let given: Vec<VersionNumber> = named.iter().map(|(version, _)| *version).collect();
    let others = (shares.iter().map(|(version, _)| version).chain(idle))
        .filter(|version| !given.contains(version));
    named.extend(others.map(|version| (*version, 0)));
    named.truncate(BACKENDS_MAX);
    if keeps.is_some() {
        // Which of the others is to have a share next is no reason to write the route anew.
        named[given.len().min(BACKENDS_MAX)..].sort_unstable();
    }
    let beside = |fits| {
        let versions = named.iter().map(|(version, _)| *version);
        versions.filter_map(move |version| Some((version, route.reached(version, fits).1?)))
    };
    let fits = named.len() + beside(true).count() <= BACKENDS_MAX;
    // The function that has the share comes first: from that it is read back which one does.
    let backends: Vec<Value> = (named.iter())
        .map(|(version, weight)| (*version, route.reached(*version, fits).0, *weight))
        .chain(beside(fits).map(|(version, function)| (version, function, 0)))
        .map(|(version, function, weight)| backend(app, version, function, weight))
        .collect();
    let mut rules = vec![json!({"matches": [{"path": path}], "backendRefs": backends})];
    if route.overrides {
        let asked_for = overrides
            .iter()
            .filter(|version| keeps.is_none_or(|keeps| keeps.held.contains(version)));
        rules.extend(asked_for.map(|version| {
            let header = json!({
                "type": "Exact",
                "name": names::override_header(app),
                "value": version.get().to_string(),
            });
            json!({
                "matches": [{"path": path, "headers": [header]}],
                "backendRefs": [backend(app, *version, route.reached(*version, fits).0, 1)],
            })
        }));
    }
    let (api_version, kind, _) = Kind::HttpRoute.api();
    Object {
        kind: Kind::HttpRoute,
        body: json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": name,
                "labels": {
                    names::MANAGED_BY: names::FIELD_MANAGER,
                    "app.kubernetes.io/name": app,
                    names::APP: app,
                },
                "annotations": {names::OWNER: owner},
            },
            "spec": {"parentRefs": [parent], "hostnames": route.hostnames, "rules": rules},
        }),
        name,
    }
}

fn backend(app: &AppName, version: VersionNumber, function: &FunctionName, weight: u32) -> Value {
    json!({
        "group": "",
        "kind": "Service",
        "name": names::workload(app, version, function),
        "port": names::SERVICE_PORT,
        "weight": weight,
    })
}

/// True when all that `wanted` changes of a route as it was found is that backends without a share are named no more:
/// what happens to requests stays the same.
#[must_use]
pub fn only_unnames(found: &Value, wanted: &Value) -> bool {
    let mut found = found.clone();
    let empty = Vec::new();
    let rules = |of: &Value| of["spec"]["rules"].as_array().cloned();
    let wanted_rules = rules(wanted).unwrap_or_default();
    let Some(found_rules) = found["spec"]["rules"].as_array_mut() else {
        return false;
    };
    for (found, wanted) in found_rules.iter_mut().zip(&wanted_rules) {
        let stay = wanted["backendRefs"].as_array().unwrap_or(&empty);
        if let Some(backends) = found["backendRefs"].as_array_mut() {
            backends.retain(|backend| {
                backend["weight"] != 0 || stay.iter().any(|stays| stays["name"] == backend["name"])
            });
        }
    }
    diff::is_route_as(&found, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::OwnerKind;
    use crate::words::Share;

    fn route(shares: &[(u32, u32)], idle: &[u32]) -> Value {
        route_that_keeps(shares, idle, None)
    }

    fn route_that_keeps(shares: &[(u32, u32)], idle: &[u32], keeps: Option<Keeps>) -> Value {
        let v = |number: u32| VersionNumber::new(number).unwrap();
        let spec = RouteSpec {
            name: "main".to_owned(),
            hostnames: vec!["shop.test".to_owned()],
            path: "/".to_owned(),
            function: "web".parse().unwrap(),
            others: BTreeMap::new(),
            gateway_namespace: "shop".to_owned(),
            gateway: "public".to_owned(),
            section: None,
            overrides: true,
            keeps,
        };
        let owner = Owner {
            kind: OwnerKind::Deployment,
            name: "shop".to_owned(),
        };
        let shares: Shares = (shares.iter())
            .map(|(number, points)| (v(*number), Share::from_basis_points(*points)))
            .collect();
        let idle: Vec<VersionNumber> = idle.iter().copied().map(v).collect();
        let overrides = [v(8)];
        let app = "shop".parse().unwrap();
        object(&app, &owner, &spec, &shares, &idle, &overrides).body
    }

    #[test]
    fn a_version_without_a_share_is_named_with_no_weight() {
        let body = route(&[(8, 10_000)], &[7]);
        let backends = &body["spec"]["rules"][0]["backendRefs"];
        let weight = |index: usize| (&backends[index]["name"], &backends[index]["weight"]);
        assert_eq!(weight(0), (&json!("shop-v8-web"), &json!(10_000)));
        assert_eq!(weight(1), (&json!("shop-v7-web"), &json!(0)));
        assert_eq!(backends[2], Value::Null);
    }

    #[test]
    fn what_could_not_be_written_keeps_its_shares_and_rules_and_names_the_rest() {
        let v = |number: u32| VersionNumber::new(number).unwrap();
        for (held, rules) in [(&[7, 8][..], 2), (&[7], 1)] {
            let keeps = Keeps {
                shares: [(v(7), Share::ALL)].into(),
                held: held.iter().copied().map(v).collect(),
            };
            let body = route_that_keeps(&[(9, 10_000)], &[7, 8], Some(keeps));
            let backends = body["spec"]["rules"][0]["backendRefs"].as_array().unwrap();
            let weights: Vec<(&Value, &Value)> = (backends.iter())
                .map(|backend| (&backend["name"], &backend["weight"]))
                .collect();
            let service = |name: &str| Value::from(name);
            let (first, second, third) = (
                service("shop-v7-web"),
                service("shop-v8-web"),
                service("shop-v9-web"),
            );
            let (all, none) = (json!(10_000), json!(0));
            assert_eq!(weights, [(&first, &all), (&second, &none), (&third, &none)]);
            assert_eq!(body["spec"]["rules"].as_array().unwrap().len(), rules);
        }
    }

    #[test]
    fn to_name_a_version_no_more_is_told_from_any_other_change() {
        let found = route(&[(8, 10_000)], &[7, 6]);
        assert!(only_unnames(&found, &route(&[(8, 10_000)], &[6])));
        assert!(only_unnames(&found, &route(&[(8, 10_000)], &[])));
        assert!(!only_unnames(&found, &route(&[(8, 10_000)], &[7, 9])));
        assert!(!only_unnames(
            &found,
            &route(&[(8, 9_000), (7, 1_000)], &[])
        ));
        let mut other = route(&[(8, 10_000)], &[]);
        other["spec"]["hostnames"] = json!(["other.test"]);
        assert!(!only_unnames(&found, &other));
    }
}
