//! What the cluster holds of a namespace, as far as sync asks for it: Deployments and Aliases, and who else syncs there.
//!
//! A copy of what the watches told of. Decides nothing and talks to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::super::cache::{Cache, State};
use super::super::key::{AppKey, ObjectKey};
use super::desired::spec_of;
use crate::api::{Alias, Deployment, Repository, Type, annotation, condition};
use crate::branch::{Known, Tip};
use crate::plan::{Owner, OwnerKind};
use crate::words::{AppName, CommitId};

/// The kinds that are synced, as the watches call them.
const KINDS: [&str; 2] = ["Deployment.cutwater.dev", "Alias"];

/// An object that is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) generation: Option<i64>,
    /// It is being deleted.
    pub(super) leaving: bool,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// Nothing where it cannot be read. It is there all the same.
    pub(super) spec: Option<Value>,
    /// Of which app and repository it is, as far as that is known.
    pub(super) of: Option<(AppName, String)>,
}

impl Live {
    fn new(metadata: &ObjectMeta, spec: Option<Value>, of: Option<(AppName, String)>) -> Self {
        Self {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            generation: metadata.generation,
            leaving: metadata.deletion_timestamp.is_some(),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
            spec,
            of,
        }
    }

    /// An object as it is there, of that app as far as it can be read; nothing where there is none.
    pub(super) fn of(state: &State, app: &AppKey, owner: &Owner) -> Option<Self> {
        let key = (app.namespace.clone(), owner.name.clone());
        let kind = match owner.kind {
            OwnerKind::Deployment => KINDS[0],
            OwnerKind::Alias => KINDS[1],
        };
        if let Some(unreadable) = state.unreadable.get(&(kind, key)) {
            return Some(Self::new(&unreadable.metadata, None, None));
        }
        let objects = state.objects(app)?;
        match owner.kind {
            OwnerKind::Deployment => objects
                .deployments
                .get(&owner.name)
                .map(|it| Self::deployment(it)),
            OwnerKind::Alias => objects.aliases.get(&owner.name).map(|it| Self::alias(it)),
        }
    }

    fn deployment(object: &Deployment) -> Self {
        let spec = &object.spec;
        let of = (spec.app.clone(), spec.repository.clone());
        Self::new(&object.metadata, Some(spec_of(spec)), Some(of))
    }

    fn alias(object: &Alias) -> Self {
        let spec = &object.spec;
        let of = (spec.app.clone(), spec.repository.clone());
        Self::new(&object.metadata, Some(spec_of(spec)), Some(of))
    }

    /// What a write names of the object that it is about; without a version where it is about the object in whatever state.
    pub(super) fn precondition(&self) -> Value {
        match &self.resource_version {
            Some(version) => json!({"uid": self.uid, "resourceVersion": version}),
            None => json!({"uid": self.uid}),
        }
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// The uid of the Repository that synced it.
    pub(super) fn synced_by(&self) -> Option<&str> {
        self.annotation(annotation::SYNCED_BY)
    }

    /// The commit as of which it was written.
    pub(super) fn commit(&self) -> Option<CommitId> {
        self.annotation(annotation::COMMIT)?.parse().ok()
    }

    /// The file in which it stood.
    pub(super) fn file(&self) -> Option<&str> {
        self.annotation(annotation::FILE)
    }

    /// The digest of what was wanted of it.
    pub(super) fn digest(&self) -> Option<&str> {
        self.annotation(annotation::APPLIED)
    }

    /// A person holds it as it is.
    pub(super) fn is_paused(&self) -> bool {
        self.annotation(annotation::SYNC) == Some(annotation::PAUSED)
    }
}

/// What stands at the path of another Repository in the commit at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Here {
    pub(super) owners: BTreeSet<Owner>,
    /// Not all of it could be read.
    pub(super) is_unread: bool,
}

/// Whether another Repository has an object in its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Had<'a> {
    /// It has; its name.
    By(&'a str),
    /// It has, and syncs nothing for now.
    BySuspended(&'a str),
    /// It may have; its name, and why that is not known.
    Unread(&'a str, String),
}

/// What the cluster holds of a namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    pub(super) objects: BTreeMap<Owner, Live>,
    /// Other Repositories of the namespace that sync, by uid: their names.
    pub(super) others: BTreeMap<String, String>,
    /// Those of them that are suspended: nobody waits for what they would do.
    pub(super) suspended: BTreeSet<String>,
    /// Why those cannot be read that cannot.
    pub(super) unreachable: BTreeMap<String, String>,
    /// The paths of those that read the same branch of the same address.
    pub(super) paths: BTreeMap<String, String>,
    /// What stands there in the commit at hand.
    pub(super) here: BTreeMap<String, Arc<Here>>,
    /// What counts of the others, as far as they were read.
    pub(super) tips: BTreeMap<String, Arc<Tip>>,
    /// The uids of all Repositories of the namespace, whether they sync or not.
    pub(super) repositories: BTreeSet<String>,
    /// A Repository of the namespace cannot be read, and may be anybody.
    pub(super) unread_others: bool,
    /// Why what is known may be old.
    pub(super) failing: Option<String>,
}

impl Cluster {
    /// Of the namespace of a Repository; the kind that was never listed where there is one.
    pub(super) fn of(cache: &Cache, key: &ObjectKey) -> Result<Self, &'static str> {
        let namespace = key.0.as_str();
        // Ten thousand objects are looked at without the lock.
        let (mut cluster, (deployments, aliases), unreadable) = {
            let state = cache.lock();
            let mut kinds = KINDS.iter().copied().chain(["Repository"]);
            if let Some(kind) = kinds.find(|kind| !state.synced.contains(kind)) {
                return Err(kind);
            }
            let objects = state.owners_in(namespace);
            let unreadable = state.unreadable_owners(namespace);
            (Self::around(&state, key), objects, unreadable)
        };
        let objects = &mut cluster.objects;
        for object in deployments {
            let owner = owner(OwnerKind::Deployment, &object.metadata);
            objects.insert(owner, Live::deployment(&object));
        }
        for object in aliases {
            let owner = owner(OwnerKind::Alias, &object.metadata);
            objects.insert(owner, Live::alias(&object));
        }
        for (owner, unreadable) in unreadable {
            // What was read of it before is not what stands there.
            let of = objects.get(&owner).and_then(|live| live.of.clone());
            let live = Live::new(&unreadable.metadata, None, of);
            objects.insert(owner, live);
        }
        Ok(cluster)
    }

    /// What is around the objects.
    fn around(state: &State, key: &ObjectKey) -> Self {
        let is_other = |other: &ObjectKey| other.0 == key.0 && other != key;
        let own = state.repositories.get(key);
        let mut around = Self::default();
        for (other, it) in &state.repositories {
            let (Some(path), Some(uid)) = (&it.spec.releases, &it.metadata.uid) else {
                continue;
            };
            if !is_other(other) {
                continue;
            }
            around.others.insert(uid.clone(), other.1.clone());
            if it.spec.suspend {
                around.suspended.insert(uid.clone());
            }
            let is_same = |own: &Arc<Repository>| {
                (&own.spec.url, &own.spec.branch) == (&it.spec.url, &it.spec.branch)
            };
            if own.is_some_and(is_same) {
                around.paths.insert(uid.clone(), path.clone());
            }
            let status = it.status.as_ref();
            let ready = status.and_then(|it| condition::find(&it.conditions, Type::Ready));
            if let Some(ready) = ready.filter(|it| it.status == "False") {
                around.unreachable.insert(uid.clone(), ready.reason.clone());
            }
        }
        let repositories = (state.repositories.iter())
            .filter(|(other, _)| other.0 == key.0)
            .filter_map(|(_, it)| it.metadata.uid.clone());
        let failing = KINDS.iter().chain([&"Repository"]).find_map(|kind| {
            if state.unknown.contains(kind) {
                return Some(format!("the API server does not know the kind {kind}"));
            }
            let failing = state.failing.get(kind)?;
            Some(format!("{kind} cannot be watched: {}", failing.why))
        });
        Self {
            repositories: repositories.collect(),
            unread_others: state.unread_repositories.iter().any(is_other),
            failing,
            ..around
        }
    }

    /// Of which app and repository each object is that a Repository synced.
    pub(super) fn known(&self, repository: &str) -> Known {
        let known = self.of_repository(repository);
        known
            .filter_map(|(owner, live)| Some((owner.clone(), live.of.clone()?)))
            .collect()
    }

    /// The objects that a Repository synced.
    pub(super) fn owners(&self, repository: &str) -> BTreeSet<Owner> {
        let owners = self.of_repository(repository);
        owners.map(|(owner, _)| owner.clone()).collect()
    }

    /// The other Repository that has an object in its commit, or may have.
    pub(super) fn had_by(&self, owner: &Owner) -> Option<Had<'_>> {
        let others = || (self.others.iter()).map(|(uid, name)| (uid, name, self.has(uid, owner)));
        let had = others().find(|(_, _, has)| *has == Some(true));
        let unread = || others().find(|(_, _, has)| has.is_none());
        let (uid, name, has) = had.or_else(unread)?;
        Some(if has.is_none() {
            Had::Unread(name, self.why_unread(uid))
        } else if self.suspended.contains(uid) {
            Had::BySuspended(name)
        } else {
            Had::By(name)
        })
    }

    /// True where another Repository has an object in its commit; nothing where that is not known.
    fn has(&self, uid: &str, owner: &Owner) -> Option<bool> {
        if let Some(here) = self.here.get(uid) {
            let has = here.owners.contains(owner);
            return (has || !here.is_unread).then_some(has);
        }
        match self.tips.get(uid) {
            Some(tip) => Some(tip.has(owner)),
            None => self.suspended.contains(uid).then_some(false),
        }
    }

    fn why_unread(&self, uid: &str) -> String {
        if self.here.contains_key(uid) {
            return "of which a file cannot be read in this commit".to_owned();
        }
        match self.unreachable.get(uid) {
            Some(reason) => format!("which cannot be read ({reason})"),
            None => "which was not read yet as it is now".to_owned(),
        }
    }

    /// True where another Repository synced an object and its commit does not have it any more, without a slip.
    pub(super) fn is_given_up(&self, by: &str, owner: &Owner) -> bool {
        if let Some(here) = self.here.get(by) {
            return !here.is_unread && !here.owners.contains(owner);
        }
        let tip = self.tips.get(by);
        tip.is_some_and(|tip| !tip.has(owner) && !tip.recalls(owner))
    }

    pub(super) fn of_repository(&self, repository: &str) -> impl Iterator<Item = (&Owner, &Live)> {
        let objects = self.objects.iter();
        objects.filter(move |(_, live)| live.synced_by() == Some(repository))
    }
}

fn owner(kind: OwnerKind, metadata: &ObjectMeta) -> Owner {
    Owner {
        kind,
        name: metadata.name.clone().unwrap_or_default(),
    }
}
