//! What is wanted of an app and what is served: one document of repository, ledgers, cluster and server, for the command line, for
//! JSON and for whoever draws it.
//!
//! Pure: it joins what was read, and asks nobody.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::look::Looked;
use super::server::ServerStatus;
use crate::releases::Kind;
use crate::store::{History, Workspace};
use crate::users::{Cluster, Survey, numbers};
use crate::words::{AppName, Share, VersionNumber, VersionWord};

/// What is wanted, and what is served.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// The app.
    pub app: AppName,
    /// What the releases of the tracked branch ask for.
    pub releases: Vec<WantedObject>,
    /// What each environment served last, by its ledger.
    pub ledgers: Vec<LedgerState>,
    /// What runs in the cluster, where one was asked.
    pub cluster: Vec<ClusterObjectStatus>,
    /// What a `cutwater serve` of this repository serves, where one answers.
    pub server: Option<ServerStatus>,
    /// What could not be read: there may be more.
    pub unread: Vec<String>,
    /// True where the app has versions.
    #[serde(skip)]
    pub has_versions: bool,
    /// True where a file cannot be read: what is not in the others may stand in it.
    #[serde(skip)]
    pub has_unreadable: bool,
}

/// A Deployment or Alias in a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WantedObject {
    /// The branch at the remote.
    pub branch: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line at which the object begins.
    pub line: u64,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace, where the file names one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// The versions as they are named, and their shares.
    pub versions: Vec<WantedShare>,
}

/// A version as it is named, and its share.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WantedShare {
    /// The version as it is named.
    pub version: VersionWord,
    /// Its number; of a label in a file the one that it had when it was deployed, as the ledger says. Absent where nobody knows it, and
    /// where nothing is called so.
    pub number: Option<VersionNumber>,
    /// Its share in percent.
    pub percentage: Share,
}

/// The newest record of a ledger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerState {
    /// The environment.
    pub environment: String,
    /// Number of the change.
    pub sequence: u64,
    /// Since when.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What it serves.
    pub versions: Vec<ServedShare>,
}

/// A version and the share that it has.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedShare {
    /// Its number.
    pub number: VersionNumber,
    /// Its snapshot commit.
    pub commit: String,
    /// Its share in percent.
    pub percentage: Share,
    /// Pods that are ready, where that is known.
    pub ready_replicas: Option<u32>,
    /// Pods that are asked for, where that is known.
    pub wanted_replicas: Option<u32>,
}

/// A Deployment or Alias in the cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterObjectStatus {
    /// The context of the kubeconfig.
    pub context: String,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// What it asks for.
    pub wanted: Vec<WantedShare>,
    /// What it serves.
    pub served: Vec<ServedShare>,
    /// The condition `Ready`, where it is set.
    pub ready: Option<ReadyCondition>,
}

/// The condition `Ready`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadyCondition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for why.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

impl AppStatus {
    /// What stands against what is wanted: the table has no room for it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let server = self
            .server
            .iter()
            .flat_map(|server| server.problems.clone());
        let idle = (self.server.iter())
            .filter(|server| server.splits.is_empty())
            .map(|server| {
                let (address, app) = (&server.address, &self.app);
                format!("the server whose admin address is {address} serves nothing of `{app}`")
            });
        let cluster = self.cluster.iter().filter_map(|object| {
            let ready = object
                .ready
                .as_ref()
                .filter(|ready| ready.status != "True")?;
            let what = object.kind.named(Some(&object.namespace), &object.name);
            Some(format!("{what}: {}", ready.message))
        });
        server.chain(idle).chain(cluster).collect()
    }

    /// What a look at the repository and a cluster found, and what a server says.
    #[must_use]
    pub fn of(
        workspace: &Workspace,
        app: AppName,
        looked: Looked,
        server: Option<ServerStatus>,
    ) -> Self {
        let Looked {
            survey,
            cluster,
            unread,
            silent: _,
        } = looked;
        Self {
            releases: releases(workspace, &app, &survey),
            ledgers: ledgers(&survey),
            cluster: cluster
                .map(|cluster| objects(Some(&survey.history), cluster))
                .unwrap_or_default(),
            server,
            unread,
            has_versions: !survey.history.entries.is_empty(),
            has_unreadable: (survey.branches.iter()).any(|branch| !branch.unreadable.is_empty()),
            app,
        }
    }

    /// What a server and a cluster tell while the repository cannot be read, and why it cannot: what is wanted is not known.
    #[must_use]
    pub fn without_repository(
        app: AppName,
        cluster: Option<Cluster>,
        server: Option<ServerStatus>,
        problem: String,
    ) -> Self {
        Self {
            app,
            releases: Vec::new(),
            ledgers: Vec::new(),
            cluster: cluster
                .map(|cluster| objects(None, cluster))
                .unwrap_or_default(),
            server,
            unread: vec![problem],
            has_versions: false,
            has_unreadable: true,
        }
    }

    /// Whether a file of the branch asks for an object; nothing where that cannot be known.
    #[must_use]
    pub fn asks_for(&self, kind: Kind, name: &str) -> Option<bool> {
        let mut releases = self.releases.iter();
        if releases.any(|wanted| wanted.kind == kind && wanted.name == name) {
            Some(true)
        } else if self.has_unreadable {
            None
        } else {
            Some(false)
        }
    }

    /// True where nothing is known of the app.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_served = !self.cluster.is_empty()
            || (self.server.iter()).any(|server| !server.splits.is_empty());
        !self.has_versions && !is_served && self.releases.is_empty() && self.ledgers.is_empty()
    }
}

fn share(history: Option<&History>, version: &VersionWord, percentage: Share) -> WantedShare {
    let found = history.and_then(|history| history.find(version).ok());
    WantedShare {
        version: version.clone(),
        number: found.map(|(number, _)| number),
        percentage,
    }
}

fn releases(workspace: &Workspace, app: &AppName, survey: &Survey) -> Vec<WantedObject> {
    let all = survey.branches.iter().flat_map(|branch| {
        let ours = branch
            .releases
            .iter()
            .filter(|release| release.app() == app);
        ours.map(|release| WantedObject {
            branch: branch.name.clone(),
            file: release.file.clone(),
            line: release.place.line,
            kind: release.kind(),
            namespace: release.namespace().map(str::to_owned),
            name: release.name().to_owned(),
            versions: (release.wanted.versions.iter())
                .zip(numbers(workspace, survey, branch, release))
                .map(|(entry, number)| WantedShare {
                    version: entry.version.clone(),
                    number,
                    percentage: entry.percentage,
                })
                .collect(),
        })
    });
    all.collect()
}

fn ledgers(survey: &Survey) -> Vec<LedgerState> {
    let newest = (survey.ledgers.iter()).filter_map(|ledger| ledger.entries.first());
    newest
        .map(|entry| LedgerState {
            environment: entry.served.environment.to_string(),
            sequence: entry.served.sequence,
            at: entry.served.at,
            versions: (entry.served.versions.iter())
                .map(|version| ServedShare {
                    number: version.version,
                    commit: version.commit.to_string(),
                    percentage: version.percentage,
                    ready_replicas: None,
                    wanted_replicas: None,
                })
                .collect(),
        })
        .collect()
}

fn objects(history: Option<&History>, cluster: Cluster) -> Vec<ClusterObjectStatus> {
    let context = cluster.context;
    let one = |object: crate::users::ClusterObject| ClusterObjectStatus {
        context: context.clone(),
        kind: object.kind,
        namespace: object.namespace,
        name: object.name,
        wanted: (object.wanted.iter())
            .map(|entry| {
                let mut resolved = object.resolved.iter();
                match resolved.find(|resolved| resolved.version == entry.version) {
                    Some(resolved) => WantedShare {
                        version: entry.version.clone(),
                        number: Some(resolved.number),
                        percentage: entry.percentage,
                    },
                    None => share(history, &entry.version, entry.percentage),
                }
            })
            .collect(),
        served: (object.serving.into_iter())
            .map(|serving| ServedShare {
                number: serving.number,
                commit: serving.commit,
                percentage: serving.percentage,
                ready_replicas: Some(serving.ready_replicas),
                wanted_replicas: Some(serving.wanted_replicas),
            })
            .collect(),
        ready: object
            .ready
            .map(|(status, reason, message)| ReadyCondition {
                status,
                reason,
                message,
            }),
    };
    cluster.objects.into_iter().map(one).collect()
}
