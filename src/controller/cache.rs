//! What the cluster holds of each app, kept current by watches and by the answers to our own writes.
//!
//! Holds and hands out; decides nothing and talks to nobody. Reads give a copy of one app's shared pointers, so that a
//! reconcile sees one moment and costs the same among ten objects or ten thousand.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use parking_lot::{Mutex, MutexGuard};

use super::answer::Gateways;
use super::claims::{self, Claims};
use super::failing::Failing;
use super::key::AppKey;
use super::key::{ObjectKey, identity_of};
use super::objects::Kept;
use super::objects::{AppObjects, Tracked};
use crate::api::{Alias, Deployment, Repository};
use crate::kubernetes::names;
use crate::plan::{Owner, OwnerKind};
use crate::words::VersionNumber;

/// The versions of each app that a route sends to.
type Sends = BTreeMap<AppKey, BTreeSet<VersionNumber>>;

/// Objects that went lately. The answer to a write may come after the news that the object is gone: it must not bring it
/// back, for nobody would ever say again that it went.
#[derive(Debug, Default)]
struct Removed {
    versions: HashMap<Place, (u128, Instant)>,
    order: VecDeque<(Instant, Place)>,
}

/// Type, namespace and name.
type Place = (TypeId, String, String);

impl Removed {
    /// Longer than any answer takes.
    const KEPT: Duration = Duration::from_mins(1);

    fn note(&mut self, place: Place, version: u128) {
        while let Some((when, old)) = self.order.front()
            && when.elapsed() > Self::KEPT
        {
            self.versions.remove(old);
            self.order.pop_front();
        }
        self.order.push_back((Instant::now(), place.clone()));
        self.versions.insert(place, (version, Instant::now()));
    }

    /// True for an object as it was before it went; never for what a list holds that began later.
    fn covers(&self, place: &Place, version: u128, listed: Option<Instant>) -> bool {
        self.versions.get(place).is_some_and(|(gone, when)| {
            version <= *gone && listed.is_none_or(|began| *when >= began)
        })
    }
}

fn place<K: Tracked>(object: &K) -> (Place, u128) {
    let (namespace, name, version) = object.identity();
    ((TypeId::of::<K>(), namespace, name), version)
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

/// What is known of a custom resource that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Unreadable {
    /// Why.
    pub(super) error: String,
    /// That much can always be read.
    pub(super) metadata: ObjectMeta,
}

impl Unreadable {
    /// It is being deleted.
    pub(super) fn is_leaving(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

/// What is behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    apps: HashMap<AppKey, AppObjects>,
    /// The app of each Deployment and Alias: one that is made anew may be of another.
    homes: HashMap<Place, AppKey>,
    removed: Removed,
    /// The apps that each HTTPRoute of somebody else's sends to.
    strangers: HashMap<ObjectKey, BTreeSet<AppKey>>,
    pub(super) repositories: HashMap<ObjectKey, Arc<Repository>>,
    /// Repositories that cannot be read: they are there all the same.
    pub(super) unread_repositories: HashSet<ObjectKey>,
    pub(super) gateways: Gateways,
    pub(super) claims: Claims,
    /// Custom resources that cannot be read, by kind, namespace and name.
    pub(super) unreadable: HashMap<(&'static str, ObjectKey), Unreadable>,
    /// Kinds whose first list is complete.
    pub(super) synced: BTreeSet<&'static str>,
    /// Kinds that the API server does not know.
    pub(super) missing: BTreeSet<&'static str>,
    /// Kinds that it does not know and has to, of which that has been said.
    pub(super) unknown: BTreeSet<&'static str>,
    /// Kinds whose watch fails.
    pub(super) failing: BTreeMap<&'static str, Failing>,
}

impl Cache {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Takes in an object; the apps that it changes, if it changes anything.
    pub(super) fn put<K: Tracked>(&self, object: K) -> Vec<AppKey> {
        self.put_listed(object, None)
    }

    /// The same for an object of a list, with the time at which the list began.
    pub(super) fn put_listed<K: Tracked>(
        &self,
        mut object: K,
        listed: Option<Instant>,
    ) -> Vec<AppKey> {
        let (place, version) = place(&object);
        let mut state = self.lock();
        if state.removed.covers(&place, version, listed) {
            return Vec::new();
        }
        let key = match object.app() {
            Some(key) => key,
            None => match state.held_as(&object) {
                // What we made stays ours, whoever took our name off it.
                Some((key, true)) => key,
                Some((key, false)) => return state.replaced::<K>(key, place, version, listed),
                None => return Vec::new(),
            },
        };
        object.prune();
        let mut touched = Vec::new();
        let name = place.2.clone();
        if K::ROAMS {
            if let Some(before) = state
                .homes
                .get(&place)
                .filter(|before| **before != key)
                .cloned()
            {
                let objects = state.apps.entry(before.clone()).or_default();
                if K::slot(objects).is_newer(&name, version, listed) {
                    return Vec::new();
                }
                state.forget::<K>(&before, &name);
                touched.push(before);
            }
            state.homes.insert(place, key.clone());
        }
        let objects = state.apps.entry(key.clone()).or_default();
        if let Some(earlier) = K::slot(objects).get(&name) {
            object.inherit(earlier);
        }
        if K::slot(objects).put(name, version, Arc::new(object), listed) {
            touched.push(key);
        }
        touched
    }

    /// Takes in what was read of the metadata of an object alone; the apps that it changes.
    pub(super) fn renew<K>(&self, object: &ObjectKey, metadata: ObjectMeta) -> Vec<AppKey>
    where
        K: Tracked + Clone + Resource,
    {
        let mut state = self.lock();
        let Some(key) = state.app_of_object::<K>(object) else {
            return Vec::new();
        };
        let objects = state.apps.entry(key).or_default();
        let Some(held) = K::slot(objects).get(&object.1).cloned() else {
            return Vec::new();
        };
        drop(state);
        let mut renewed = K::clone(&held);
        *renewed.meta_mut() = metadata;
        self.put(renewed)
    }

    /// Forgets an object; the app that it changes.
    pub(super) fn remove<K: Tracked>(&self, object: &K) -> Option<AppKey> {
        let key = self.home(object)?;
        let (place, version) = place(object);
        self.forget::<K>(&key, &place.2, version)
    }

    /// The app that an object belongs to, also where our name was taken off it.
    pub(super) fn home<K: Tracked>(&self, object: &K) -> Option<AppKey> {
        object.app().or_else(|| {
            let (key, same) = self.lock().held_as(object)?;
            same.then_some(key)
        })
    }

    /// An object of that name is held.
    pub(super) fn holds<K: Tracked>(&self, key: &AppKey, name: &str) -> bool {
        let mut state = self.lock();
        let objects = state.apps.get_mut(key);
        objects.is_some_and(|objects| K::slot(objects).get(name).is_some())
    }

    /// Forgets an object of that name, which was gone at that resource version; the app that it changes.
    pub(super) fn forget<K: Tracked>(
        &self,
        key: &AppKey,
        name: &str,
        version: u128,
    ) -> Option<AppKey> {
        let mut state = self.lock();
        // One that was made anew meanwhile is another.
        let objects = state.apps.entry(key.clone()).or_default();
        if version > 0 && K::slot(objects).is_newer(name, version, None) {
            return None;
        }
        let had = state.forget::<K>(key, name);
        let place = (TypeId::of::<K>(), key.namespace.clone(), name.to_owned());
        state.homes.remove(&place);
        state.removed.note(place, version);
        had.then(|| key.clone())
    }

    /// Objects of a kind that are not among the named ones.
    pub(super) fn absent<K: Tracked>(&self, keep: &HashSet<ObjectKey>) -> Vec<(AppKey, String)> {
        let mut state = self.lock();
        let mut absent = Vec::new();
        for (key, objects) in &mut state.apps {
            for (name, _) in K::slot(objects).iter() {
                if !keep.contains(&(key.namespace.clone(), name.to_owned())) {
                    absent.push((key.clone(), name.to_owned()));
                }
            }
        }
        absent
    }

    /// Forgets all objects of a kind but the named ones; the apps that this changes.
    pub(super) fn retain<K: Tracked>(&self, keep: &HashSet<ObjectKey>) -> Vec<AppKey> {
        let absent = self.absent::<K>(keep);
        let mut state = self.lock();
        for (key, name) in &absent {
            state.forget::<K>(key, name);
            let place = (TypeId::of::<K>(), key.namespace.clone(), name.clone());
            state.homes.remove(&place);
        }
        absent.into_iter().map(|(key, _)| key).collect()
    }

    /// Takes in an HTTPRoute that is not ours, or that no longer is one of somebody else's; the apps that it changes.
    pub(super) fn note_stranger(&self, route: &ObjectKey, mut sends: Sends) -> Vec<AppKey> {
        let mut state = self.lock();
        for key in state.strangers.remove(route).unwrap_or_default() {
            sends.entry(key).or_default();
        }
        let changed = sends.into_iter().filter(|(key, versions)| {
            let objects = state.apps.entry(key.clone()).or_default();
            let before = objects.strangers.remove(route);
            if versions.is_empty() {
                if objects.is_empty() {
                    state.apps.remove(key);
                }
                return before.is_some();
            }
            let changed = before.as_ref() != Some(versions);
            objects.strangers.insert(route.clone(), versions.clone());
            let apps = state.strangers.entry(route.clone()).or_default();
            apps.insert(key.clone());
            changed
        });
        changed.map(|(key, _)| key).collect()
    }

    /// Forgets all HTTPRoutes of others but the named ones; the apps that this changes.
    pub(super) fn retain_strangers(&self, keep: &HashSet<ObjectKey>) -> Vec<AppKey> {
        let gone: Vec<ObjectKey> = {
            let state = self.lock();
            let gone = state
                .strangers
                .keys()
                .filter(|route| !keep.contains(*route));
            gone.cloned().collect()
        };
        (gone.iter())
            .flat_map(|route| self.note_stranger(route, Sends::new()))
            .collect()
    }

    /// Keeps what a plan wants remembered.
    pub(super) fn keep(&self, key: &AppKey, kept: Option<Kept>) {
        if let Some(objects) = self.lock().apps.get_mut(key) {
            objects.kept = kept.map(Arc::new);
        }
    }

    /// One app as it stands; shared pointers, no copies of objects.
    pub(super) fn app(&self, key: &AppKey) -> AppObjects {
        self.lock().apps.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn apps(&self) -> Vec<AppKey> {
        self.lock().apps.keys().cloned().collect()
    }

    /// Takes in the status of a Repository that was written, unless what is held is newer.
    pub(super) fn put_status(&self, key: &ObjectKey, written: &Repository) {
        let mut state = self.lock();
        if let Some(held) = state.repositories.get_mut(key)
            && held.metadata.uid == written.metadata.uid
            && version_of(held) < version_of(written)
        {
            let mut renewed = Repository::clone(held);
            renewed.status.clone_from(&written.status);
            renewed
                .metadata
                .resource_version
                .clone_from(&written.metadata.resource_version);
            *held = Arc::new(renewed);
        }
    }

    pub(super) fn repository(&self, namespace: &str, name: &str) -> Option<Arc<Repository>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().repositories.get(&key).cloned()
    }
}

impl State {
    fn forget<K: Tracked>(&mut self, key: &AppKey, name: &str) -> bool {
        let Some(objects) = self.apps.get_mut(key) else {
            return false;
        };
        let had = K::slot(objects).remove(name);
        if objects.is_empty() {
            self.apps.remove(key);
        }
        had
    }

    /// Claims what an HTTPRoute of ours takes that was just written, as it is held now, before a watch tells of it.
    pub(super) fn foretell(&mut self, key: &AppKey, route: &str) {
        let objects = self.apps.get(key);
        if let Some(route) = objects.and_then(|objects| objects.routes.get(route)) {
            let (claimant, claims) = claims::route_claims(route);
            self.claims.foretell(&claimant, claims);
        }
    }

    /// The app of which an object of that kind and name is held, and whether it is this very one.
    fn held_as<K: Tracked>(&mut self, object: &K) -> Option<(AppKey, bool)> {
        let (namespace, name, _) = object.identity();
        let app = names::app_of(&name)?;
        let key = AppKey { namespace, app };
        let held = K::slot(self.apps.get_mut(&key)?).get(&name)?;
        let same = held.uid().is_some() && held.uid() == object.uid();
        Some((key, same))
    }

    /// Somebody else made another object under the name of one of ours, which is gone by that; the app that this changes.
    fn replaced<K: Tracked>(
        &mut self,
        key: AppKey,
        place: Place,
        version: u128,
        listed: Option<Instant>,
    ) -> Vec<AppKey> {
        let objects = self.apps.entry(key.clone()).or_default();
        if K::slot(objects).is_newer(&place.2, version, listed) {
            return Vec::new();
        }
        self.forget::<K>(&key, &place.2);
        self.removed.note(place, version);
        vec![key]
    }

    /// Apps whose Deployment or Aliases name a Repository.
    pub(super) fn apps_of_repository(&self, namespace: &str, name: &str) -> BTreeSet<AppKey> {
        (self.apps.iter())
            .filter(|(key, objects)| {
                let uses = |repository: &str| repository == name;
                key.namespace == namespace
                    && (objects
                        .deployments
                        .iter()
                        .any(|(_, d)| uses(&d.spec.repository))
                        || objects
                            .aliases
                            .iter()
                            .any(|(_, a)| uses(&a.spec.repository)))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The app that a Deployment or Alias belongs to, or belonged to when it could be read.
    pub(super) fn app_of_object<K: Tracked>(&self, object: &ObjectKey) -> Option<AppKey> {
        let place = (TypeId::of::<K>(), object.0.clone(), object.1.clone());
        self.homes.get(&place).cloned()
    }

    /// The objects of an app.
    pub(super) fn objects(&self, key: &AppKey) -> Option<&AppObjects> {
        self.apps.get(key)
    }

    /// The metadata of a Deployment or an Alias as it is held: its generation, labels and annotations.
    pub(super) fn held<K: Tracked + Resource>(
        &mut self,
        object: &ObjectKey,
    ) -> Option<&ObjectMeta> {
        let key = self.app_of_object::<K>(object)?;
        let held = K::slot(self.apps.get_mut(&key)?).get(&object.1)?;
        Some(held.meta())
    }

    /// Apps of a namespace whose routes say that they serve an owner.
    pub(super) fn apps_served(&self, namespace: &str, owner: &Owner) -> Vec<AppKey> {
        (self.apps.iter())
            .filter(|(key, objects)| key.namespace == namespace && objects.serves(key, owner))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// True when a custom resource in the namespace cannot be read and stays, so that nobody knows whose owner it is.
    pub(super) fn is_unclear(&self, namespace: &str) -> bool {
        (self.unreadable.iter())
            .any(|((_, (held, _)), unreadable)| held == namespace && !unreadable.is_leaving())
    }

    /// Deployments and Aliases in the namespace as they were read last.
    pub(super) fn owners_in(&self, namespace: &str) -> (Vec<Arc<Deployment>>, Vec<Arc<Alias>>) {
        let apps = || {
            self.apps
                .iter()
                .filter(|(key, _)| key.namespace == namespace)
        };
        let deployments = apps().flat_map(|(_, objects)| objects.deployments.iter());
        let aliases = apps().flat_map(|(_, objects)| objects.aliases.iter());
        (
            deployments.map(|(_, object)| Arc::clone(object)).collect(),
            aliases.map(|(_, object)| Arc::clone(object)).collect(),
        )
    }

    /// Deployments and Aliases in the namespace that cannot be read.
    pub(super) fn unreadable_owners(&self, namespace: &str) -> BTreeMap<Owner, Unreadable> {
        (self.unreadable.iter())
            .filter(|((_, (held, _)), _)| held == namespace)
            .map(|((kind, (_, name)), unreadable)| (owner_of(kind, name), unreadable.clone()))
            .collect()
    }
}

/// Resource versions of one kind can be compared as numbers.
pub(super) fn version_of(repository: &Repository) -> u128 {
    identity_of(repository).2
}

/// The owner that a watched Deployment or Alias is.
pub(super) fn owner_of(kind: &str, name: &str) -> Owner {
    Owner {
        kind: match kind {
            "Alias" => OwnerKind::Alias,
            _ => OwnerKind::Deployment,
        },
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
