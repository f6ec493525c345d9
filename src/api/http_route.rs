//! `HTTPRoute` of the Gateway API: the fields that Cutwater sets or reads, and no others.
//!
//! Routes are written by server-side apply, so that fields which are not here stay whoever's they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

/// Group of the Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// How requests at hostnames reach backends.
#[derive(kube::CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    root = "HttpRoute",
    plural = "httproutes",
    singular = "httproute",
    namespaced,
    status = "HttpRouteStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "How requests at hostnames reach backends."
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The gateways, or listeners of them, that take the route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// The hostnames; all of the listener's where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The rules, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// A gateway, or one listener of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Group; the Gateway API's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; `Gateway` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace; the route's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Name of one listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Port of the listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

impl ParentRef {
    /// True if this stands for that Gateway, seen from a route in `namespace`.
    #[must_use]
    pub fn is_gateway(&self, namespace: &str, gateway_namespace: &str, gateway: &str) -> bool {
        self.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
            && self.kind.as_deref().unwrap_or("Gateway") == "Gateway"
            && self.namespace.as_deref().unwrap_or(namespace) == gateway_namespace
            && self.name == gateway
    }

    /// Namespace and name of the Gateway that this stands for, seen from a route in `namespace`; none where it is no Gateway.
    #[must_use]
    pub fn gateway(&self, namespace: &str) -> Option<(String, String)> {
        let of = self.namespace.as_deref().unwrap_or(namespace);
        self.is_gateway(namespace, of, &self.name)
            .then(|| (of.to_owned(), self.name.clone()))
    }

    /// True if both stand for the same listeners, seen from a route in `namespace`, whatever each leaves to the defaults.
    #[must_use]
    pub fn is_same(&self, other: &Self, namespace: &str) -> bool {
        let whole = |parent: &Self| {
            let or = |given: &Option<String>, default: &str| {
                given.clone().unwrap_or_else(|| default.to_owned())
            };
            Self {
                group: Some(or(&parent.group, GATEWAY_GROUP)),
                kind: Some(or(&parent.kind, "Gateway")),
                namespace: Some(or(&parent.namespace, namespace)),
                ..parent.clone()
            }
        };
        whole(self) == whole(other)
    }
}

/// What happens to requests that match.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name of the rule; needs a Gateway API that has it (1.2, experimental before 1.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Any one of them; every request where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// What is done to the request or in place of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Who answers, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<BackendRef>,
    /// How long a request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<serde_json::Value>,
}

/// All parts must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// The headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// The query parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_params: Vec<ValueMatch>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A path that must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The path.
    pub value: String,
}

impl PathMatch {
    /// This path only.
    #[must_use]
    pub fn exact(value: impl Into<String>) -> Self {
        Self {
            type_: "Exact".to_owned(),
            value: value.into(),
        }
    }

    /// This path and what lies below it.
    #[must_use]
    pub fn prefix(value: impl Into<String>) -> Self {
        Self {
            type_: "PathPrefix".to_owned(),
            value: value.into(),
        }
    }
}

/// A header or a query parameter that must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueMatch {
    /// `Exact` or `RegularExpression`; `Exact` where absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Name.
    pub name: String,
    /// Value, or expression.
    pub value: String,
}

impl ValueMatch {
    /// This value only.
    #[must_use]
    pub fn exact(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            type_: Some("Exact".to_owned()),
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One thing that is done to a request. `type` says which of the others is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// `RequestRedirect`, `URLRewrite`, `RequestHeaderModifier` and others.
    #[serde(rename = "type")]
    pub type_: String,
    /// An answer that sends the client elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_redirect: Option<RequestRedirect>,
    /// Another path or host for the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_rewrite: Option<UrlRewrite>,
    /// Other headers for the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header_modifier: Option<HeaderModifier>,
    /// Other headers for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header_modifier: Option<HeaderModifier>,
}

impl Filter {
    /// Answers with a redirect.
    #[must_use]
    pub fn redirect(redirect: RequestRedirect) -> Self {
        Self {
            type_: "RequestRedirect".to_owned(),
            request_redirect: Some(redirect),
            ..Self::default()
        }
    }

    /// Gives the backend another path.
    #[must_use]
    pub fn rewrite(path: PathModifier) -> Self {
        Self {
            type_: "URLRewrite".to_owned(),
            url_rewrite: Some(UrlRewrite {
                hostname: None,
                path: Some(path),
            }),
            ..Self::default()
        }
    }

    /// Gives the backend other headers.
    #[must_use]
    pub fn request_headers(modifier: HeaderModifier) -> Self {
        Self {
            type_: "RequestHeaderModifier".to_owned(),
            request_header_modifier: Some(modifier),
            ..Self::default()
        }
    }
}

/// Where a redirect leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`; the request's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Host; the request's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Path; the request's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// 301 or 302.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
}

/// What the backend gets in place of the request's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRewrite {
    /// Host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathModifier>,
}

/// Another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum PathModifier {
    /// In place of the whole path.
    ReplaceFullPath {
        /// The path.
        #[serde(rename = "replaceFullPath")]
        value: String,
    },
    /// In place of the prefix that matched.
    ReplacePrefixMatch {
        /// The prefix.
        #[serde(rename = "replacePrefixMatch")]
        value: String,
    },
}

/// Headers that are set, added or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderModifier {
    /// In place of what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Header>,
    /// Beside what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Header>,
    /// Names of those that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Who answers, and with which weight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendRef {
    /// Group; the core group where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; `Service` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace; the route's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Port of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Share of the requests, as a part of the sum of all weights. 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// What is done to requests for this backend only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
}

/// What the gateways say about a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteStatus {
    /// One entry for each gateway that knows the route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<RouteParentStatus>,
}

/// What one gateway says about a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The gateway, as the route names it.
    pub parent_ref: ParentRef,
    /// The controller that speaks.
    pub controller_name: String,
    /// What it says: `Accepted`, `ResolvedRefs` and others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
