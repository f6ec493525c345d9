//! Since when the gateways accept routes as they are, as far as this program has seen it.
//!
//! No gateway says it: the time in a condition is that of its status, and stays when a later generation is accepted. What was
//! accepted before this program began counts from when it saw that, so that a delay is never shorter than it says.

use std::collections::{BTreeMap, HashMap};

use jiff::SignedDuration;
use kube::ResourceExt;
use parking_lot::Mutex;

use super::answer::{self, Answer, Gateways};
use super::key::AppKey;
use super::moment::Moment;
use super::objects::AppObjects;
use crate::api::gateway::HttpRoute;

/// How long each route of an app has been accepted as it is; those that are not are not in it.
pub(super) type Ages = BTreeMap<String, SignedDuration>;

/// How long the routes of an app are as they are.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Each that is accepted, since then.
    pub(super) accepted: Ages,
    /// Each of them, since it was seen so first, whatever was tried to be written to it since.
    pub(super) standing: Ages,
}

/// What the gateways have said of the routes of an app.
#[derive(Clone, Copy)]
pub(super) struct Heard<'a> {
    pub(super) gateways: &'a Gateways,
    pub(super) looked: &'a Looked,
    /// How long a gateway is given to act on what it has accepted.
    pub(super) settle: SignedDuration,
}

impl Heard<'_> {
    /// The gateways have acted on a route as it is, or nobody serves it.
    pub(super) fn knows(&self, route: &HttpRoute) -> bool {
        let age = self.looked.accepted.get(&route.name_any());
        age.is_some_and(|age| *age >= self.settle)
            || answer::is_rejected(route)
            || answer::is_nowhere(route, self.gateways)
    }
}

/// The routes of each app as they are.
#[derive(Debug, Default)]
pub(super) struct Acceptance {
    seen: Mutex<HashMap<AppKey, BTreeMap<String, Seen>>>,
}

/// A route as it was when it was first seen so.
#[derive(Debug, Clone)]
struct Seen {
    uid: Option<String>,
    generation: Option<i64>,
    since: Moment,
    /// Since when it is seen to be accepted.
    accepted: Option<Moment>,
}

impl Acceptance {
    /// Looks at the routes of an app.
    pub(super) fn look(&self, key: &AppKey, objects: &AppObjects, gateways: &Gateways) -> Looked {
        let mut seen = self.seen.lock();
        let before = seen.remove(key).unwrap_or_default();
        let since = |name: &str, route: &HttpRoute| {
            let fresh = Seen {
                uid: route.uid(),
                generation: route.metadata.generation,
                since: Moment::now(),
                accepted: None,
            };
            let same =
                |before: &&Seen| (&before.uid, before.generation) == (&fresh.uid, fresh.generation);
            let mut found = before.get(name).filter(same).cloned().unwrap_or(fresh);
            let is_accepted = Answer::of(route, gateways).is_accepted();
            found.accepted = is_accepted.then(|| found.accepted.unwrap_or_else(Moment::now));
            found
        };
        let now: BTreeMap<String, Seen> = (objects.routes.iter())
            .map(|(name, route)| (name.to_owned(), since(name, route)))
            .collect();
        let accepted = |(name, seen): (&String, &Seen)| Some((name.clone(), seen.accepted?.age()));
        let standing = |(name, seen): (&String, &Seen)| (name.clone(), seen.since.age());
        let looked = Looked {
            accepted: now.iter().filter_map(accepted).collect(),
            standing: now.iter().map(standing).collect(),
        };
        if !now.is_empty() {
            seen.insert(key.clone(), now);
        }
        looked
    }

    /// Forgets an app of which nothing is left.
    pub(super) fn forget(&self, key: &AppKey) {
        let mut seen = self.seen.lock();
        seen.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::cache::Cache;
    use super::*;
    use crate::kubernetes::names;

    #[test]
    fn what_is_accepted_counts_from_when_it_was_seen_and_anew_for_another_generation() {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let objects = |generation: i64, observed: i64| {
            let said = |type_: &str| {
                json!({
                    "type": type_, "status": "True", "observedGeneration": observed, "reason": "Because",
                    "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
                })
            };
            let route = json!({
                "metadata": {
                    "name": "shop.main", "namespace": "prod", "uid": "u", "generation": generation,
                    "labels": {names::APP: "shop"}, "managedFields": [{"manager": names::FIELD_MANAGER}],
                },
                "spec": {"parentRefs": [{"name": "web"}], "hostnames": ["shop.test"], "rules": []},
                "status": {"parents": [{
                    "parentRef": {"name": "web"}, "controllerName": "test",
                    "conditions": [said("Accepted"), said("ResolvedRefs")],
                }]},
            });
            let cache = Cache::default();
            cache.put::<HttpRoute>(serde_json::from_value(route).unwrap());
            cache.app(&key)
        };
        let acceptance = Acceptance::default();
        let gateways = Gateways::new();
        let look = |generation, observed| {
            let looked = acceptance.look(&key, &objects(generation, observed), &gateways);
            looked.accepted.get("shop.main").copied()
        };
        let first = look(1, 1).unwrap();
        let second = look(1, 1).unwrap();
        assert!(
            first < SignedDuration::from_secs(60),
            "whatever its status says"
        );
        assert!(second > first);
        assert_eq!(look(2, 1), None);
        assert!(look(2, 2).unwrap() < second);
        let third = look(3, 3).unwrap();
        assert!(look(3, 3).unwrap() > third);
        // What is said of it makes it no younger.
        let standing = |observed| {
            let looked = acceptance.look(&key, &objects(3, observed), &gateways);
            looked.standing["shop.main"]
        };
        let silent = standing(2);
        assert!(silent > third && standing(3) > silent);
    }
}
