//! Rules that pick a version by what a request says, before affinity and the split.
//!
//! Types and their schemas; what they mean together with the rest of a spec is in [`super::wanted`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rules::{self, rule, same_spelling, text};
use crate::words::VersionWord;

/// Sends requests with one exact header, cookie or query parameter to one version. Set exactly one of `header`, `cookie` and
/// `query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = one_of()))]
pub struct VersionRule {
    /// The version that gets the requests: one of those that are listed, named as it is there. It may be at 0 %.
    pub version: VersionWord,
    /// A request header that stands there once, with this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRule>,
    /// A cookie with this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<CookieRule>,
    /// A query parameter with this value; the first one of that name counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryRule>,
}

/// A request header with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderRule {
    /// Name of the header, such as `X-Beta`. Capital letters do not count.
    #[schemars(schema_with = "rules::header_name")]
    pub name: String,
    /// Its whole value, at most 256 characters. Capital letters count.
    #[schemars(schema_with = "header_value")]
    pub value: String,
}

/// A cookie with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CookieRule {
    /// Name of the cookie, such as `beta`.
    #[schemars(schema_with = "rules::cookie_name")]
    pub name: String,
    /// Its whole value, at most 256 characters.
    #[schemars(schema_with = "cookie_value")]
    pub value: String,
}

/// A query parameter with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryRule {
    /// Name of the parameter, such as `beta` for `/cart?beta=1`, as it is once `%` and `+` are decoded.
    #[schemars(schema_with = "query_name")]
    pub name: String,
    /// Its whole value, decoded, at most 256 characters; empty for `?beta` and `?beta=`.
    #[schemars(schema_with = "query_value")]
    pub value: String,
}

/// The rules of a Deployment or an Alias.
pub(super) fn list(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Vec<VersionRule>>();
    schema.insert("maxItems".to_owned(), json!(16));
    schema.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    schema
}

/// Each rule of a Deployment names a version of its list.
pub(super) fn of_deployment() -> Value {
    let listed = same_spelling("v.version");
    let named = same_spelling("r.version");
    rules::rule_at(
        ".rules",
        &format!(
            "!has(self.rules) || [self.versions.map(v, {listed})].all(words, self.rules.all(r, {named} in words))"
        ),
        "a rule names a version that is not listed in versions; list it, at 0 percent if it is to get no share, or take the rule out",
    )
}

/// Each rule of an Alias names its version or its canary.
pub(super) fn of_alias() -> Value {
    let named = same_spelling("r.version");
    let main = same_spelling("self.version");
    let canary = same_spelling("self.canary.version");
    rules::rule_at(
        ".rules",
        &format!(
            "!has(self.rules) || self.rules.all(r, {named} == {main} || (has(self.canary) && {named} == {canary}))"
        ),
        "a rule names a version that is neither the main version nor the canary; name one of them, or take the rule out",
    )
}

fn one_of() -> Value {
    json!([rule(
        "[has(self.header), has(self.cookie), has(self.query)].filter(is, is).size() == 1",
        "set exactly one of `header`, `cookie` and `query`"
    )])
}

fn header_value(_: &mut SchemaGenerator) -> Schema {
    text(
        256,
        &[rule(
            "self.matches('^[!-~]([ -~]*[!-~])?$')",
            "the value of a header is plain ASCII characters, with no space at either end",
        )],
    )
}

fn cookie_value(_: &mut SchemaGenerator) -> Schema {
    text(
        256,
        &[rule(
            "self.matches('^[!-:<-~]+$')",
            "the value of a cookie is plain ASCII characters without spaces and `;`",
        )],
    )
}

fn query_name(_: &mut SchemaGenerator) -> Schema {
    text(128, &[])
}

fn query_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 256})
}
