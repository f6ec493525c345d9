//! What was deployed, from all that remembers it: ledgers, else the tracked branch; and the cluster's newest deployments.

use std::cmp::Reverse;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::workspace::Workspace;
use super::cluster::Cluster;
use super::survey::Survey;
use crate::releases::Kind;
use crate::words::{EnvironmentName, Share, VersionNumber, VersionWord};

/// One change of what is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// What remembers it.
    #[serde(flatten)]
    pub place: Memory,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who, where that is known.
    pub author: Option<String>,
    /// Why, where that is known.
    pub message: Option<String>,
    /// The versions and their shares from then on; none where it was removed.
    pub versions: Vec<DeployedShare>,
    /// For a rollback: the version that it went away from.
    pub rolled_back_from: Option<VersionNumber>,
}

/// A version and its share.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedShare {
    /// The version, as it was named.
    pub version: VersionWord,
    /// Its share in percent.
    pub percentage: Share,
}

/// What remembers a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "source", rename_all = "camelCase")]
pub enum Memory {
    /// The ledger of an environment.
    Ledger {
        /// The environment.
        environment: EnvironmentName,
        /// Number of the change.
        sequence: u64,
        /// The commit in the ledger.
        commit: String,
    },
    /// A commit of the tracked branch.
    Releases {
        /// The commit.
        commit: String,
        /// The file.
        file: String,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace, where the file names one.
        namespace: Option<String>,
        /// The object's name.
        name: String,
    },
    /// The status of an object in a cluster.
    Cluster {
        /// The context of the kubeconfig.
        context: String,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
        /// Number of the deployment of this object.
        sequence: u64,
        /// True if it had one version at 100 % and was served exactly so.
        stable: bool,
    },
}

/// The newest `limit` deployments, the newest first, and why there may be others. `environment` is an environment of a
/// ledger, or a namespace.
#[must_use]
pub fn deployed(
    workspace: &Workspace,
    survey: &Survey,
    cluster: Option<&Cluster>,
    environment: Option<&EnvironmentName>,
    limit: usize,
) -> (Vec<Deployed>, Vec<String>) {
    let is_meant = |name: Option<&str>| {
        environment.is_none_or(|environment| name == Some(environment.as_str()))
    };
    let mut all = Vec::new();
    let mut problems = Vec::new();
    let ledgers = || {
        let ledgers = survey.ledgers.iter();
        ledgers.filter(|ledger| is_meant(Some(ledger.environment.as_str())))
    };
    for ledger in ledgers() {
        all.extend(
            ledger
                .entries
                .iter()
                .map(|entry| of_ledger(&entry.commit, &entry.served)),
        );
        // One without any entry is told of by the survey.
        let broken = ledger.problem.as_ref();
        problems.extend(broken.filter(|_| !ledger.entries.is_empty()).cloned());
    }
    let branches = survey
        .branches
        .iter()
        .filter(|_| ledgers().next().is_none());
    for branch in branches {
        let everything = environment.map_or(limit, |_| usize::MAX);
        let past = workspace.past(&survey.history.app, branch, everything);
        let meant = past.changes.into_iter();
        let meant = meant.filter(|change| is_meant(change.namespace.as_deref()));
        all.extend(meant.map(of_branch));
        problems.extend(past.problem.map(|why| {
            format!(
                "older deployments in branch {} are not known: {why}",
                branch.name
            )
        }));
    }
    if let Some(cluster) = cluster {
        let objects = cluster.objects.iter();
        for object in objects.filter(|object| is_meant(Some(&object.namespace))) {
            let entries = object.history.iter().map(|entry| Deployed {
                place: Memory::Cluster {
                    context: cluster.context.clone(),
                    kind: object.kind,
                    namespace: object.namespace.clone(),
                    name: object.name.clone(),
                    sequence: entry.sequence,
                    stable: entry.stable,
                },
                at: entry.time.0,
                author: entry.author.clone(),
                message: entry.message.clone(),
                versions: (entry.versions.iter())
                    .map(|share| of_number(share.number, share.percentage))
                    .collect(),
                rolled_back_from: entry.rolled_back_from,
            });
            all.extend(entries);
        }
    }
    // Stable: what one source says in one second stays in its order.
    all.sort_by_key(|entry| Reverse(entry.at));
    all.truncate(limit);
    (all, problems)
}

fn of_number(number: VersionNumber, percentage: Share) -> DeployedShare {
    DeployedShare {
        version: VersionWord::Number(number),
        percentage,
    }
}

fn of_ledger(commit: &str, served: &crate::ledger::Served) -> Deployed {
    Deployed {
        place: Memory::Ledger {
            environment: served.environment.clone(),
            sequence: served.sequence,
            commit: commit.to_owned(),
        },
        at: served.at,
        author: served.author.clone(),
        message: served.message.clone(),
        versions: (served.versions.iter())
            .map(|version| of_number(version.version, version.percentage))
            .collect(),
        rolled_back_from: served.rolled_back_from,
    }
}

fn of_branch(change: super::past::Change) -> Deployed {
    Deployed {
        place: Memory::Releases {
            commit: change.commit,
            file: change.file,
            kind: change.kind,
            namespace: change.namespace,
            name: change.name,
        },
        at: change.at,
        author: Some(change.author.name),
        message: Some(change.message),
        versions: (change.versions.into_iter())
            .map(|entry| DeployedShare {
                version: entry.version,
                percentage: entry.percentage,
            })
            .collect(),
        rolled_back_from: change.rolled_back_from.first().copied(),
    }
}
