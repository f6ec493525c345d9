//! A Deployment and an Alias in one form: what an owner wishes for, and what its status says.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::objects::AppObjects;
use crate::api::{Alias, AliasStatus, Deployment, DeploymentStatus, FINALIZER, SpecError, Wanted};
use crate::kubernetes::names;
use crate::plan::{Owner, OwnerKind};
use crate::words::{AppName, RouteName};

/// What one owner wishes for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) owner: Owner,
    pub(super) created: Timestamp,
    pub(super) uid: Option<String>,
    pub(super) generation: Option<i64>,
    /// It is being deleted.
    pub(super) leaving: bool,
    /// It carries our finalizer.
    pub(super) held: bool,
    pub(super) finalizers: Vec<String>,
    pub(super) resource_version: Option<String>,
    pub(super) wanted: Result<Wanted, SpecError>,
    /// Fields that are there and are ignored.
    pub(super) ignored: Vec<&'static str>,
    /// Status as it stands; both kinds have the same fields.
    pub(super) status: DeploymentStatus,
    /// The older one, where there is another Deployment for the app, or another Alias of that name: `cwd/NAME`, `cwa/NAME`.
    pub(super) taken_by: Option<String>,
}

impl Wish {
    /// As much of the metadata as it takes to change the finalizers.
    pub(super) fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            uid: self.uid.clone(),
            finalizers: Some(self.finalizers.clone()),
            resource_version: self.resource_version.clone(),
            ..ObjectMeta::default()
        }
    }

    /// True where the owner has changed since: another spec, or it is being deleted.
    pub(super) fn is_outdated(&self, now: &ObjectMeta) -> bool {
        now.generation != self.generation || now.deletion_timestamp.is_some() != self.leaving
    }

    /// Names of the HTTPRoutes that it lists; nothing where it is not known what it wants.
    pub(super) fn http_routes(&self, app: &AppName) -> Option<BTreeSet<String>> {
        let listed = self.wanted.as_ref().ok()?.routes.iter();
        let name = |name: &RouteName| names::route(app, &self.owner, name.as_str());
        Some(listed.map(|route| name(&route.name)).collect())
    }
}

/// What all owners of an app wish for: the Deployment that counts first, then Aliases, then Deployments that came too late.
/// Those of `unread` have routes and cannot be read; while they stay they count all the same: nobody takes their place.
/// One that is being deleted leaves its place to one that stands by.
pub(super) fn wishes(objects: &AppObjects, unread: &BTreeMap<Owner, bool>) -> Vec<Wish> {
    let mut deployments: Vec<Wish> = objects
        .deployments
        .iter()
        .map(|(_, object)| of_deployment(object))
        .collect();
    deployments.sort_by(|a, b| precedence(a).cmp(&precedence(b)));
    let mut staying = unread.iter().filter(|(_, leaving)| !**leaving);
    let unread = staying.find(|(owner, _)| owner.kind == OwnerKind::Deployment);
    let unread = unread.map(|(owner, _)| owner);
    let counts = usize::from(unread.is_none()).min(deployments.len());
    let mut late = deployments.split_off(counts);
    let first = unread.or(deployments.first().map(|wish| &wish.owner));
    if let Some(first) = first {
        for wish in &mut late {
            wish.taken_by = Some(first.to_string());
        }
    }
    let mut aliases: Vec<(String, Wish)> = (objects.aliases.iter())
        .map(|(name, object)| {
            let given = object.spec.name.as_ref().map(ToString::to_string);
            (given.unwrap_or_else(|| name.to_owned()), of_alias(object))
        })
        .collect();
    aliases.sort_by(|(_, a), (_, b)| precedence(a).cmp(&precedence(b)));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (name, wish) in &mut aliases {
        match names.get(name) {
            Some(first) => wish.taken_by = Some(first.clone()),
            None => {
                names.insert(name.clone(), wish.owner.to_string());
            }
        }
    }
    let aliases = aliases.into_iter().map(|(_, wish)| wish);
    deployments.into_iter().chain(aliases).chain(late).collect()
}

/// The Repository of an app, and who names it: of the owners that count, the oldest one.
pub(super) fn repository(wishes: &[Wish]) -> Option<(&Owner, &str)> {
    let counted = wishes.iter().filter(|wish| wish.taken_by.is_none());
    let named = counted.filter_map(|wish| Some((wish, wish.wanted.as_ref().ok()?)));
    let oldest = named.min_by_key(|(wish, _)| (wish.created, &wish.owner));
    oldest.map(|(wish, wanted)| (&wish.owner, wanted.repository.as_str()))
}

/// Why a wish has to wait where it names another Repository than the one of its app: versions go by their numbers, and number 3
/// of one repository is not number 3 of another.
pub(super) fn conflict(wish: &Wish, home: Option<(&Owner, &str)>) -> Option<String> {
    let (owner, repository) = home?;
    let named = &wish.wanted.as_ref().ok()?.repository;
    (named != repository).then(|| {
        format!(
            "{owner}, which is older, names Repository `{repository}` for this app in this namespace, and this one `{named}`; delete one of the two, or give the other repository's app a name of its own"
        )
    })
}

fn precedence(wish: &Wish) -> (bool, Timestamp, &Owner) {
    (wish.leaving, wish.created, &wish.owner)
}

fn of_deployment(object: &Deployment) -> Wish {
    Wish {
        wanted: object.spec.wanted(),
        ignored: object.spec.ignored_fields(),
        status: object.status.clone().unwrap_or_default(),
        ..of_any(object, OwnerKind::Deployment)
    }
}

fn of_alias(object: &Alias) -> Wish {
    Wish {
        wanted: object.spec.wanted(),
        status: object.status.clone().map(common).unwrap_or_default(),
        ..of_any(object, OwnerKind::Alias)
    }
}

fn of_any<K: ResourceExt>(object: &K, kind: OwnerKind) -> Wish {
    Wish {
        owner: Owner {
            kind,
            name: object.name_any(),
        },
        created: object
            .creation_timestamp()
            .map_or(Timestamp::MAX, |time| time.0),
        uid: object.uid(),
        generation: object.meta().generation,
        leaving: object.meta().deletion_timestamp.is_some(),
        held: object
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER),
        finalizers: object.finalizers().to_vec(),
        resource_version: object.resource_version(),
        wanted: Err(SpecError::VersionCount(0)),
        ignored: Vec::new(),
        status: DeploymentStatus::default(),
        taken_by: None,
    }
}

fn common(status: AliasStatus) -> DeploymentStatus {
    DeploymentStatus {
        observed_generation: status.observed_generation,
        conditions: status.conditions,
        versions: status.versions,
        wanted: status.wanted,
        serving: status.serving,
        history: status.history,
        routes: status.routes,
    }
}

#[cfg(test)]
mod tests;
