//! The parts of status that Deployment and Alias share: what is wanted, what is served, what was served before.
//!
//! Times are made by [`super::condition::whole_second`], else a status would differ from the one that was written.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{RouteName, Share, VersionNumber, VersionWord};

/// A wanted version and what its word resolved to in git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedVersion {
    /// The version as it is written in the spec.
    pub version: VersionWord,
    /// Its number.
    pub number: VersionNumber,
    /// Its snapshot id: `g` and 40 hex digits, the address of its content.
    pub id: String,
    /// Its snapshot commit in the release repository: 40 hex digits.
    pub commit: String,
    /// The share that the spec gives it, in percent.
    pub percentage: Share,
}

/// A version that has pods, and the share that the routes give it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServingVersion {
    /// Its number.
    pub number: VersionNumber,
    /// Its snapshot id: `g` and 40 hex digits, the address of its content.
    pub id: String,
    /// Its snapshot commit in the release repository: 40 hex digits.
    pub commit: String,
    /// The share that the routes give it now, in percent. It may differ from the wanted one while pods become ready.
    pub percentage: Share,
    /// Pods that are ready now, over all functions.
    pub ready_replicas: u32,
    /// Pods that are asked for now, over all functions.
    pub wanted_replicas: u32,
}

/// One past or present deployment of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Number of the deployment: 1, 2, 3 and so on for this object.
    pub sequence: u64,
    /// When it was recorded.
    pub time: Time,
    /// Who asked for it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Where it came from: a commit of the release repository, or the tool that wrote the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why, in the words of `spec.message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Which version got how much.
    pub versions: Vec<HistoryShare>,
    /// True if it had one version at 100 % and the gateway served exactly that. Rolling back goes to a stable deployment.
    #[serde(default)]
    pub stable: bool,
    /// For a rollback: the version that it went away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_from: Option<VersionNumber>,
}

/// A version and its share in a past deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryShare {
    /// Number of the version.
    pub number: VersionNumber,
    /// Its share in percent.
    pub percentage: Share,
}

/// What the gateway says about one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteState {
    /// Name of the route.
    pub name: RouteName,
    /// True once the gateway has accepted the route as it is now.
    pub accepted: bool,
    /// Where to try it: the first hostname and the path, where the gateway's scheme and port are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
