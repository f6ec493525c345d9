//! What Deployment and Alias say about traffic: versions and shares, overrides, affinity, what a lost version means.
//!
//! Types only; what they mean together is in [`super::wanted`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::words::{Share, VersionWord};

/// A version and its share of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WantedVersion {
    /// Which version: its number (`8` or `v8`), its id (`g` and 7 to 40 hex digits, as `cutwater versions list` prints it),
    /// or one of its labels (`v1.4.0`). Put quotes around ids and labels. It is resolved once; what it resolved to is in
    /// the status.
    pub version: VersionWord,
    /// Share of the requests in percent, 0 to 100 with at most two decimals, such as `12.5`. A version at 0 runs and can be
    /// reached with the override header, but gets no share.
    pub percentage: Share,
}

/// How a request may ask for one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::override_parts()))]
pub struct Override {
    /// `header`: anyone who sends the header `Cutwater-Version-<app>: <number>` gets that version. `key`: only together
    /// with a second header that holds a key, see `header` and `secretRef`. `none`: nobody. The default is `header`.
    #[serde(default)]
    pub mode: OverrideMode,
    /// With mode `key`: name of the header that must hold the key, such as `X-Preview-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::header_name")]
    pub header: Option<String>,
    /// With mode `key`: the Secret that holds the key, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKey>,
}

/// Who may pick a version with a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OverrideMode {
    /// Anyone.
    #[default]
    Header,
    /// Anyone who holds the key.
    Key,
    /// Nobody.
    None,
}

/// One key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(schema_with = "rules::object_name")]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(schema_with = "rules::secret_key")]
    pub key: String,
}

/// What makes requests belong together: those with the same value meet the same version. Set exactly one of `header` and
/// `cookie`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::affinity_one()))]
pub struct Affinity {
    /// Name of a request header, such as `X-User-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::header_name")]
    pub header: Option<String>,
    /// Name of a cookie, such as `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::cookie_name")]
    pub cookie: Option<String>,
}

/// What happens to the share of a version that served and lost its last ready pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnLoss {
    /// The ready versions take it over, as far as their pods can bear it, until the version is back.
    #[default]
    Shift,
    /// It stays: those requests fail until the version is back.
    Hold,
}
