//! One HTTPRoute: weighted backends behind a path, then a rule per version for the override header.
//!
//! This is where a weight becomes an object; where it is decided is [`crate::plan::effective`].

use serde_json::{Value, json};

use super::names;
use super::object::{Kind, Object};
use crate::plan::{Owner, Shares};
use crate::words::{AppName, FunctionName, VersionNumber};

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
    /// Namespace of the gateway.
    pub gateway_namespace: String,
    /// Name of the gateway.
    pub gateway: String,
    /// One listener of the gateway; all of them where absent.
    pub section: Option<String>,
    /// The override header is honoured.
    pub overrides: bool,
}

/// The HTTPRoute of one route.
pub(super) fn object(
    app: &AppName,
    owner: &Owner,
    route: &RouteSpec,
    shares: &Shares,
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
    let backends: Vec<Value> = (shares.iter())
        .map(|(version, share)| backend(app, *version, &route.function, share.basis_points()))
        .collect();
    let mut rules = vec![json!({"matches": [{"path": path}], "backendRefs": backends})];
    if route.overrides {
        rules.extend(overrides.iter().map(|version| {
            let header = json!({
                "type": "Exact",
                "name": names::override_header(app),
                "value": version.get().to_string(),
            });
            json!({
                "matches": [{"path": path, "headers": [header]}],
                "backendRefs": [backend(app, *version, &route.function, 1)],
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
