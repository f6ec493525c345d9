//! What `serve` tells of itself as JSON: types alone, for the server and for whoever asks it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{AppName, EnvironmentName, Share, VersionNumber};

/// How everything stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The repository that is served, without credentials.
    pub repository: String,
    /// The branch whose releases count.
    pub branch: String,
    /// The commit that counts; absent before the first.
    pub commit: Option<String>,
    /// The commit that was read last; another one where it does not count.
    pub seen: Option<String>,
    /// What is wrong with the repository.
    pub problems: Vec<String>,
    /// The ledger that is written; absent with `--no-ledger`.
    pub ledger: Option<LedgerStatus>,
    /// The apps, by name.
    pub apps: BTreeMap<AppName, AppStatus>,
}

/// How the ledger stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerStatus {
    /// The environment that is recorded.
    pub environment: EnvironmentName,
    /// How many changes are not in the repository yet.
    pub waiting: usize,
    /// Why not.
    pub problems: Vec<String>,
}

/// How an app stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// By `cwd/NAME` for a Deployment, `cwa/NAME` for an Alias.
    pub splits: BTreeMap<String, SplitStatus>,
    /// The versions that run, and what keeps each from being ready.
    pub versions: BTreeMap<VersionNumber, Vec<String>>,
    /// What stands against what is wanted.
    pub problems: Vec<String>,
}

/// What is served for one Deployment or Alias.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitStatus {
    /// All that is wanted is so.
    pub complete: bool,
    /// The newest commit of the branch that was served in full; absent before the first since `serve` was started.
    pub commit: Option<String>,
    /// The versions that get requests, and how much each.
    pub versions: Vec<ShareStatus>,
}

/// A version and its share.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareStatus {
    /// Its number.
    pub version: VersionNumber,
    /// Its share in percent.
    pub percentage: Share,
}
