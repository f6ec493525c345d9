//! The fields of the Gateway API that Cutwater sets or reads, and no others.
//!
//! The definitions belong to the Gateway API (`gateway.networking.k8s.io/v1`); no schema is made from these types. Its routes
//! have a file of their own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

pub use super::http_route::*;

/// Where traffic enters.
#[derive(kube::CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "Gateway",
    plural = "gateways",
    singular = "gateway",
    namespaced,
    status = "GatewayStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "Where traffic enters."
)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// The class, which says who implements the gateway.
    pub gateway_class_name: String,
    /// Ports and hostnames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
}

/// A port and hostname of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique in the gateway.
    pub name: String,
    /// Hostname; every one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Port.
    pub port: i32,
    /// `HTTP`, `HTTPS`, `TLS` and others.
    pub protocol: String,
    /// Which routes it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_routes: Option<AllowedRoutes>,
}

/// Which routes a listener takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedRoutes {
    /// Of which namespaces.
    #[serde(default)]
    pub namespaces: RouteNamespaces,
    /// Of which kinds; those that its protocol is for where none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<RouteKind>,
}

/// Routes of the gateway's namespace: [`RouteNamespaces::from`].
pub const ALLOW_SAME: &str = "Same";
/// No routes at all: [`RouteNamespaces::from`].
pub const ALLOW_NONE: &str = "None";

/// Namespaces whose routes a listener takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteNamespaces {
    /// `Same`, `All`, `None`, or `Selector` for those with certain labels.
    #[serde(default = "same")]
    pub from: String,
}

impl Default for RouteNamespaces {
    fn default() -> Self {
        Self { from: same() }
    }
}

fn same() -> String {
    ALLOW_SAME.to_owned()
}

/// A kind of routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteKind {
    /// Its group; the one of the Gateway API where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its name.
    pub kind: String,
}

impl RouteKind {
    /// True for `HTTPRoute` of the Gateway API.
    #[must_use]
    pub fn is_http_route(&self) -> bool {
        let group = self.group.as_deref();
        self.kind == "HTTPRoute" && group.is_none_or(|group| group == "gateway.networking.k8s.io")
    }
}

/// What is true of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where it is reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// `Accepted`, `Programmed` and others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// An address of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// `IPAddress` or `Hostname`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// The address.
    pub value: String,
}

/// Who implements the gateways of a class.
#[derive(kube::CustomResource, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "GatewayClass",
    plural = "gatewayclasses",
    singular = "gatewayclass",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "Who implements the gateways of a class."
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Name of the controller, such as `gateway.envoyproxy.io/gatewayclass-controller`.
    pub controller_name: String,
}
