//! The route of a Deployment or an Alias: where it is reached.
//!
//! Routes are triggers: they belong to the Deployment or Alias, and changing one makes no version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::words::{FunctionName, RouteName};

/// Where a Deployment or an Alias is reached: hostnames and a path on a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Name of the route: at most 30 lower-case letters, digits and dashes, unique among the routes of this object. A single
    /// route may go without one and is called `main`; with more than one, each needs a name, so that changing their order
    /// changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RouteName>,
    /// Hostnames at which requests arrive, 1 to 16, in lower case, such as `shop.example.com`. `*.example.com` stands for
    /// every name below `example.com`.
    #[schemars(schema_with = "rules::hostnames")]
    pub hostnames: Vec<String>,
    /// Requests whose path is this, or lies below it, take this route. Starts with a slash; `/` is every path. `/shop`
    /// takes `/shop` and `/shop/cart` but not `/shopping`.
    #[serde(default = "root")]
    #[schemars(schema_with = "rules::path", default = "root")]
    pub path: String,
    /// The function of the app that answers. May be left out where the app has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// The gateway that takes the requests.
    pub gateway: GatewayRef,
}

/// A Gateway of the Gateway API (`gateways.gateway.networking.k8s.io`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// Name of the Gateway.
    #[schemars(schema_with = "rules::object_name")]
    pub name: String,
    /// Namespace of the Gateway; the object's own where it is left out. The Gateway must allow routes from this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::namespace")]
    pub namespace: Option<String>,
    /// Name of one listener of the Gateway. Without it, every listener that fits the hostnames takes the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::listener_name")]
    pub section_name: Option<String>,
}

/// A path prefix as it is compared: whether it ends with a slash makes no difference.
#[must_use]
pub fn path_key(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// True if `outer` stands for the hostname `inner`: the same, or a wildcard above it. `*.example.com` stands for any number of
/// labels before `.example.com`, and not for `example.com` itself (Gateway API, `Hostname`).
#[must_use]
pub fn covers_hostname(outer: &str, inner: &str) -> bool {
    let below = |domain: &str| inner.trim_start_matches('*').ends_with(domain);
    outer == inner || outer.strip_prefix('*').is_some_and(below)
}

fn root() -> String {
    "/".to_owned()
}
