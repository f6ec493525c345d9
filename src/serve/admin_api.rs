//! What `serve` tells of itself as JSON: types alone, for the server and for whoever asks it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::releases::Kind;
use crate::words::{
    AppName, CommitId, EnvironmentName, FunctionName, Share, TreeId, VersionNumber,
};

/// How everything stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The repository that is served, without credentials.
    pub repository: String,
    /// The branch whose releases count.
    pub branch: String,
    /// The folder whose releases count, where it was given with `--releases`; absent where `cutwater.yaml` names it.
    #[serde(default)]
    pub releases: Option<String>,
    /// The commit that counts; absent before the first.
    #[serde(default, deserialize_with = "CommitId::kept_if_any")]
    #[schemars(!default)]
    pub commit: Option<CommitId>,
    /// The commit that was read last; another one where it does not count.
    #[serde(default, deserialize_with = "CommitId::kept_if_any")]
    #[schemars(!default)]
    pub seen: Option<CommitId>,
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
    /// The same of each app that has any.
    #[serde(default)]
    pub apps: BTreeMap<AppName, usize>,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitStatus {
    /// All that is wanted is so.
    pub complete: bool,
    /// The newest commit of the branch that was served in full; absent before the first since `serve` was started.
    #[serde(default, deserialize_with = "CommitId::kept_if_any")]
    #[schemars(!default)]
    pub commit: Option<CommitId>,
    /// The versions that get requests, and how much each; none while no process takes any.
    pub versions: Vec<ShareStatus>,
}

/// A version and its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareStatus {
    /// Its number.
    pub version: VersionNumber,
    /// Its share in percent.
    pub percentage: Share,
}

/// All apps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apps {
    /// By name.
    pub apps: Vec<AppDetail>,
}

/// One app: what is served of it, and what runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppDetail {
    /// Its name.
    pub app: AppName,
    /// What is served for its Deployment and its Aliases.
    pub splits: Vec<SplitDetail>,
    /// The versions that run, or are started again and again.
    pub versions: Vec<VersionDetail>,
    /// What stands against what is wanted.
    pub problems: Vec<String>,
}

/// What is served for one Deployment or Alias.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitDetail {
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's name.
    pub name: String,
    /// All that is wanted is so.
    pub complete: bool,
    /// The newest commit of the branch that was served in full; absent before the first since `serve` was started.
    pub commit: Option<CommitId>,
    /// Since when the split is what it is; absent while nothing is served yet.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// What is wanted, as it was resolved last; a version with 0 gets requests that ask for it alone.
    pub wanted: Vec<ShareStatus>,
    /// The versions that get requests, and how much each; none while no process takes any.
    pub versions: Vec<ShareStatus>,
}

/// A version that runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionDetail {
    /// Its number.
    pub version: VersionNumber,
    /// Its snapshot id: 40 hex digits of the tree.
    pub id: TreeId,
    /// Its snapshot commit: 40 hex digits.
    pub commit: CommitId,
    /// Its labels now. Its programs know those that it had when they were started.
    pub labels: Vec<String>,
    /// What it gets of the app's Deployment now, in percent.
    pub percentage: Share,
    /// Its functions, by name.
    pub functions: Vec<FunctionDetail>,
}

/// The process of a function.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDetail {
    /// The function's name.
    pub name: FunctionName,
    /// How its process stands.
    pub state: ProcessState,
    /// Where it takes requests; absent while it is not ready.
    pub address: Option<SocketAddr>,
    /// Why it is not ready.
    pub problem: Option<String>,
}

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProcessState {
    /// It takes requests.
    Ready,
    /// It runs and is not ready yet, or not any more.
    NotReady,
    /// It ended, and is started again after a while.
    Ended,
}

/// The ledger as it was written last.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerDetail {
    /// The environment that is recorded.
    pub environment: EnvironmentName,
    /// How many changes are not in the repository yet.
    pub waiting: usize,
    /// Why not.
    pub problems: Vec<String>,
    /// The newest changes of each app that are in the repository, the newest first.
    pub apps: BTreeMap<AppName, Vec<EntryDetail>>,
}

/// One change of what is served.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryDetail {
    /// Number of the change.
    pub sequence: u64,
    /// When it was served.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who asked for it, where that is known.
    pub author: Option<String>,
    /// What asked for it, where that is known.
    pub source: Option<String>,
    /// Why, where that is known.
    pub message: Option<String>,
    /// The versions, and how much each got.
    pub versions: Vec<ShareStatus>,
    /// For a rollback: the version that it went away from; of several, the one that had the largest share.
    pub rolled_back_from: Option<VersionNumber>,
    /// The others that it went away from.
    #[serde(default)]
    pub also_rolled_back_from: Vec<VersionNumber>,
    /// The commit of the branch that asked for it.
    pub release_commit: Option<CommitId>,
    /// The commit in the ledger.
    pub commit: CommitId,
}
