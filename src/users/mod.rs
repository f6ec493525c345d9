//! Who uses which version: Deployments and Aliases in `releases/` of branches, ledgers, and clusters; and deleting what nobody uses.
//!
//! ```text
//! remote --fetch--> Survey: history, branches, ledgers --+
//! cluster, `cutwater serve` (asked by the caller) -------+--> users_of(version), pure
//! ```
//!
//! A user counts where it could be one: a word is taken for every version that it may mean. What cannot be read is said,
//! never left out in silence.

mod chain;
mod change;
mod cluster;
mod delete;
mod deletion;
mod deployed;
mod found;
mod meaning;
mod merged;
mod owner;
mod parts;
mod past;
mod pulls;
mod scope;
mod states;
mod survey;
mod timeline;
mod walk;
mod walk_error;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::WantedVersion;
use crate::releases::Kind;
use crate::store::version::Version;
use crate::words::{EnvironmentName, Share, VersionNumber, VersionWord};

pub use change::Change;
pub use cluster::{Cluster, ClusterObject};
pub use delete::delete;
pub use deletion::{AskRunning, DeleteError, DeleteRequest, Deletion, Unasked};
pub use deployed::{Deployed, DeployedShare, Memory, Unserved, deployed};
pub use meaning::numbers;
pub(crate) use meaning::{meaning, meant};
pub(crate) use owner::{apart, ledger_of};
pub(crate) use parts::parts;
pub use past::Past;
pub(crate) use past::Reach;
pub use survey::{Scope, Survey};
pub(crate) use timeline::{Fate, Item, Timeline, timeline};

/// What uses a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "source", rename_all = "camelCase")]
pub enum User {
    /// A Deployment or Alias in a file of the repository.
    Releases {
        /// The branch at the remote.
        branch: String,
        /// The file, from the root of the repository.
        file: String,
        /// The line at which the object begins.
        line: u64,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace, where the file names one.
        namespace: Option<String>,
        /// The object's name.
        name: String,
    },
    /// What an environment served last, as its ledger says.
    Ledger {
        /// The environment.
        #[schemars(with = "String")]
        environment: EnvironmentName,
        /// Number of the change.
        sequence: u64,
    },
    /// A `cutwater serve`.
    Server {
        /// Its admin address.
        address: String,
    },
    /// A Deployment or Alias in a cluster.
    Cluster {
        /// The context of the kubeconfig.
        context: String,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
    },
}

/// A use of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    /// Who.
    #[serde(flatten)]
    pub user: User,
    /// The share that is asked for, in percent.
    pub wanted: Option<Share>,
    /// The share that it has now, in percent; 0 where it only has pods.
    pub served: Option<Share>,
}

impl Use {
    /// The share that it has, or else is to have.
    #[must_use]
    pub fn share(&self) -> Share {
        self.served.or(self.wanted).unwrap_or_default()
    }
}

impl std::fmt::Display for User {
    /// As it is named in a list of reasons.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Releases {
                branch,
                file,
                line,
                kind,
                name,
                ..
            } => write!(f, "{kind:?} {name} in {file}:{line} of branch {branch}"),
            Self::Ledger {
                environment,
                sequence,
            } => write!(f, "environment {environment}, by its ledger ({sequence})"),
            Self::Server { address } => {
                write!(f, "the server whose admin address is {address}")
            }
            Self::Cluster {
                context,
                kind,
                namespace,
                name,
            } => {
                let short = kind.short();
                write!(
                    f,
                    "{short}/{name} in namespace {namespace} of cluster {context}"
                )
            }
        }
    }
}

/// What runs of an app outside of its repository, as far as somebody was there to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// The answer of a cluster.
    pub cluster: Option<Cluster>,
    /// The answer of a `cutwater serve`.
    pub server: Option<Server>,
}

/// What a `cutwater serve` of the repository says about an app.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its admin address.
    pub address: String,
    /// The versions that get requests or run, each with the largest share, in percent, that a Deployment or Alias gives it.
    pub versions: BTreeMap<VersionNumber, Share>,
}

/// All users of a version. Its labels must be those of now.
#[must_use]
pub fn users_of(version: &Version, survey: &Survey, running: &Running) -> Vec<Use> {
    let mut uses = Vec::new();
    for branch in &survey.branches {
        for release in branch.releases.iter().filter(|r| *r.app() == version.app) {
            if let Some(share) = asked(version, &release.wanted.versions) {
                uses.push(Use {
                    user: User::Releases {
                        branch: branch.name.clone(),
                        file: release.file.clone(),
                        line: release.place.line,
                        kind: release.kind(),
                        namespace: release.namespace().map(str::to_owned),
                        name: release.name().to_owned(),
                    },
                    wanted: Some(share),
                    served: None,
                });
            }
        }
    }
    for ledger in &survey.ledgers {
        let Some(newest) = ledger.entries.first() else {
            continue;
        };
        let mut versions = newest.served.versions.iter();
        if let Some(served) = versions.find(|served| served.commit == version.commit) {
            uses.push(Use {
                user: User::Ledger {
                    environment: ledger.environment.clone(),
                    sequence: newest.served.sequence,
                },
                wanted: None,
                served: Some(served.percentage),
            });
        }
    }
    let served = running.server.iter().filter_map(|server| {
        let share = server.versions.get(&version.number)?;
        Some((server.address.clone(), *share))
    });
    uses.extend(served.map(|(address, share)| Use {
        user: User::Server { address },
        wanted: None,
        served: Some(share),
    }));
    let objects = running.cluster.iter().flat_map(|cluster| {
        let context = &cluster.context;
        cluster.objects.iter().map(move |object| (context, object))
    });
    for (context, object) in objects.filter(|(_, object)| object.app == version.app) {
        let wanted = object.asks_for(version);
        let mut serving = object.serving.iter();
        let served = serving.find(|serving| serving.commit == version.commit.as_str());
        if wanted.is_some() || served.is_some() {
            uses.push(Use {
                user: User::Cluster {
                    context: context.clone(),
                    kind: object.kind,
                    namespace: object.namespace.clone(),
                    name: object.name.clone(),
                },
                wanted,
                served: served.map(|served| served.percentage),
            });
        }
    }
    uses
}

/// The share that words ask for the version, where one of them may mean it.
fn asked(version: &Version, words: &[WantedVersion]) -> Option<Share> {
    let mut words = words.iter();
    let entry = words.find(|entry| may_mean(version, &entry.version))?;
    Some(entry.percentage)
}

/// True where the word may mean the version: an id also where it is the beginning of several.
#[must_use]
pub fn may_mean(version: &Version, word: &VersionWord) -> bool {
    match word {
        VersionWord::Number(number) => version.number == *number,
        VersionWord::Id(hex) => version.tree.begins(hex) || version.commit.begins(hex),
        VersionWord::Label(label) => version.labels.contains(label),
    }
}
