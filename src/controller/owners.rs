//! What the watches of Deployments and Aliases tell: into the cache, the claims, and the queue.
//!
//! One that cannot be read never stops the watch of the others. As much of it as can be read always is: that it is being
//! deleted, and who holds it.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use tracing::warn;

use super::key::ObjectKey;

use super::objects::Tracked;

use super::cache::{Unreadable, owner_of};
use super::claims::{Claim, Claimant};
use super::key::identity_of;
use super::key::key_of;
use super::sink::{Happened, Sink};

/// What to do with what happens to objects of a kind that claim routes.
pub(super) fn told<K>(
    kind: &'static str,
    claims: fn(&K) -> (Claimant, HashSet<Claim>),
) -> impl Fn(&Sink, Happened<DeserializeGuard<K>>)
where
    K: Tracked + Resource<DynamicType = ()> + Clone,
{
    move |sink, happened| match happened {
        Happened::Seen(DeserializeGuard(Ok(object)), listed) => {
            let key = key_of(&object);
            sink.clear_unreadable(kind, key.clone());
            let is_other = sink.is_other::<K>(&key, object.meta());
            let (claimant, wanted) = claims(&object);
            let touched = sink.cache.lock().claims.set(&claimant, wanted);
            sink.touch(touched);
            sink.touch(sink.cache.put_listed(object, listed));
            // Whoever is told looks into the cache.
            if is_other {
                sink.touched.add((key.0.clone(), owner_of(kind, &key.1)));
            }
        }
        Happened::Seen(DeserializeGuard(Err(invalid)), _) => sink.unreadable::<K>(kind, invalid),
        Happened::Gone(guard) => {
            let (_, _, version) = identity_of(&guard);
            sink.gone::<K>(kind, &key_of(&guard), version);
        }
        Happened::Listed(keep) => {
            let mut state = sink.cache.lock();
            let unreadable = state.unreadable.keys().filter(|(held, _)| *held == kind);
            let mut gone: Vec<ObjectKey> = unreadable.map(|(_, key)| key.clone()).collect();
            gone.retain(|key| !keep.contains(key));
            let begin = owner_of(kind, "").to_string();
            let touched = state.claims.retain(&begin, &keep);
            drop(state);
            sink.touch(touched);
            for key in &gone {
                sink.gone::<K>(kind, key, 0);
            }
            let absent = sink.cache.absent::<K>(&keep);
            sink.touch(sink.cache.retain::<K>(&keep));
            for (app, name) in absent {
                sink.touched.add((app.namespace, owner_of(kind, &name)));
            }
        }
    }
}

impl Sink {
    /// True for an object that is not as it is held, other than in its status: a Repository may have synced it, and has to put it back.
    /// What this program writes itself is held before a watch tells of it.
    fn is_other<K>(&self, key: &ObjectKey, now: &ObjectMeta) -> bool
    where
        K: Tracked + Resource<DynamicType = ()>,
    {
        let mut state = self.cache.lock();
        state.held::<K>(key).is_some_and(|held| {
            (held.generation, &held.labels) != (now.generation, &now.labels)
                || held.annotations != now.annotations
        })
    }

    fn unreadable<K>(&self, kind: &'static str, invalid: InvalidObject)
    where
        K: Tracked + Resource<DynamicType = ()> + Clone,
    {
        let InvalidObject {
            error,
            mut metadata,
        } = invalid;
        metadata.managed_fields = None;
        let key = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        let unreadable = Unreadable {
            error: error.clone(),
            metadata: metadata.clone(),
        };
        let leaving = unreadable.is_leaving();
        let is_other = self.is_other::<K>(&key, &metadata);
        let owner = owner_of(kind, &key.1);
        let mut state = self.cache.lock();
        let before = (state.unreadable).insert((kind, key.clone()), unreadable);
        let served = state.apps_served(&key.0, &owner);
        drop(state);
        let news = before.is_none_or(|before| before.error != error);
        if news {
            warn!(
                kind,
                namespace = key.0,
                name = key.1,
                error,
                "an object cannot be read; the last readable state of it goes on"
            );
        }
        // Saying so changes the object, which is then seen again: say it once.
        if news || leaving {
            self.unreadable.add((kind, key.clone()));
        }
        self.touch(self.cache.renew::<K>(&key, metadata));
        self.touch(served);
        if is_other {
            self.touched.add((key.0, owner));
        }
    }

    /// Readable or not, it is gone: no copy of it is left behind that would claim and wish for ever.
    fn gone<K: Tracked>(&self, kind: &'static str, key: &ObjectKey, version: u128) {
        self.clear_unreadable(kind, key.clone());
        let mut state = self.cache.lock();
        let app = state.app_of_object::<K>(key);
        let touched = (state.claims).remove(&key.0, &owner_of(kind, &key.1).to_string());
        drop(state);
        self.touch(touched);
        self.touch(app.and_then(|app| self.cache.forget::<K>(&app, &key.1, version)));
        self.touched.add((key.0.clone(), owner_of(kind, &key.1)));
    }

    /// An object that could not be read can be, or is gone. Apps of the namespace waited for that.
    fn clear_unreadable(&self, kind: &'static str, key: ObjectKey) {
        let namespace = key.0.clone();
        if self.cache.lock().unreadable.remove(&(kind, key)).is_some() {
            let apps = self.cache.apps();
            self.touch(apps.into_iter().filter(|app| app.namespace == namespace));
        }
    }
}
