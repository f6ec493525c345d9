//! What a cluster says about an app, in one form for Deployments and Aliases. Somebody else asks the cluster.

use super::may_mean;
use crate::api::{
    Alias, Deployment, HistoryEntry, ResolvedVersion, ServingVersion, Type, WantedVersion,
};
use crate::releases::Kind;
use crate::store::version::Version;
use crate::words::{AppName, Share};

/// The answer of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The context of the kubeconfig, or what stands for it.
    pub context: String,
    /// The app's Deployments and Aliases.
    pub objects: Vec<ClusterObject>,
    /// Why only a part of the cluster was seen, for people.
    pub partial: Option<String>,
    /// Objects that are there and cannot be read: which, and why.
    pub unreadable: Vec<String>,
}

/// A Deployment or an Alias.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterObject {
    /// Which of the two.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The app.
    pub app: AppName,
    /// What it asks for, in the words of its spec; nothing where the spec can never work.
    pub wanted: Vec<WantedVersion>,
    /// What the controller found for those words.
    pub resolved: Vec<ResolvedVersion>,
    /// The versions that have pods now.
    pub serving: Vec<ServingVersion>,
    /// What was deployed, the newest first.
    pub history: Vec<HistoryEntry>,
    /// The condition `Ready`: its status, reason and message.
    pub ready: Option<(String, String, String)>,
}

impl ClusterObject {
    /// The share that it asks for this version.
    ///
    /// What the controller resolved counts by its commit: the app of another repository may have the same name. A word
    /// that it has not resolved yet counts for what it would mean here.
    pub(super) fn asks_for(&self, version: &Version) -> Option<Share> {
        let resolved = |entry: &WantedVersion| {
            let mut all = self.resolved.iter();
            all.find(|resolved| resolved.version == entry.version)
        };
        let is_this = |entry: &&WantedVersion| match resolved(entry) {
            Some(resolved) => resolved.commit == version.commit.as_str(),
            None => may_mean(version, &entry.version),
        };
        let wanted = self.wanted.iter().find(is_this);
        let pinned = || {
            let mut all = self.resolved.iter();
            all.find(|resolved| resolved.commit == version.commit.as_str())
        };
        wanted
            .map(|entry| entry.percentage)
            .or_else(|| pinned().map(|entry| entry.percentage))
    }
}

macro_rules! object {
    ($($type:ty => $kind:expr;)*) => {$(
        impl From<$type> for ClusterObject {
            fn from(object: $type) -> Self {
                let status = object.status.unwrap_or_default();
                let ready = status.conditions.iter().find(|c| c.type_ == Type::Ready.as_str());
                let ready = ready.map(|c| (c.status.clone(), c.reason.clone(), c.message.clone()));
                Self {
                    kind: $kind,
                    namespace: object.metadata.namespace.unwrap_or_default(),
                    name: object.metadata.name.unwrap_or_default(),
                    wanted: object.spec.wanted().map(|w| w.versions).unwrap_or_default(),
                    app: object.spec.app,
                    resolved: status.wanted,
                    serving: status.serving,
                    history: status.history,
                    ready,
                }
            }
        }
    )*};
}
object! {
    Deployment => Kind::Deployment;
    Alias => Kind::Alias;
}
