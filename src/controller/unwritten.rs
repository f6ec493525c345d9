//! Routes that could not be written: how often in a row, and whether they can be again.
//!
//! Holds what happened in this process; what follows from it is decided in [`super::leading`] and [`super::behind`].

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use super::key::AppKey;
use crate::kubernetes::names;

/// After how many attempts in vain a route holds up no other one. What the API server refuses is no matter of time.
const ATTEMPTS: u32 = 3;

/// By namespace and name.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Mutex<HashMap<(String, String), Attempts>>);

#[derive(Debug, Default)]
struct Attempts {
    /// How many in a row were in vain.
    failed: u32,
    /// It is as it was to be since, so it holds up the others again once the gateways know it.
    over: bool,
}

impl Unwritten {
    /// A route could not be written, as far as is known. `refused`: nor can it be.
    pub(super) fn failed(&self, key: &AppKey, name: &str, refused: bool) {
        let mut routes = self.0.lock();
        let route = routes
            .entry((key.namespace.clone(), name.to_owned()))
            .or_default();
        route.over = false;
        route.failed = if refused {
            ATTEMPTS
        } else {
            route.failed.saturating_add(1)
        };
    }

    /// A route is as it is to be: it was written, or an attempt that seemed to be in vain was not.
    pub(super) fn in_place(&self, key: &AppKey, name: &str) {
        let mut routes = self.0.lock();
        let route = (key.namespace.clone(), name.to_owned());
        match routes.get_mut(&route) {
            Some(found) if found.failed >= ATTEMPTS => found.over = true,
            Some(_) => drop(routes.remove(&route)),
            None => {}
        }
    }

    /// Forgets the routes of a namespace that `is_meant` is true for.
    pub(super) fn forget(&self, namespace: &str, is_meant: impl Fn(&str) -> bool) {
        let mut routes = self.0.lock();
        routes.retain(|(of, name), _| of != namespace || !is_meant(name));
    }

    /// The routes of an app that cannot be written. One that can be again is one of them until the gateways know it as it is now, by
    /// `is_known`: what it was given to name is else taken for what they know, for they know it of the others.
    pub(super) fn routes(&self, key: &AppKey, is_known: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut routes = self.0.lock();
        let is_of_app = |(namespace, name): &(String, String)| {
            *namespace == key.namespace && names::alias_of_route(&key.app, name).is_some()
        };
        routes.retain(|route, attempts| !attempts.over || !is_of_app(route) || !is_known(&route.1));
        let unwritten = routes
            .iter()
            .filter(|(route, attempts)| is_of_app(route) && attempts.failed >= ATTEMPTS);
        unwritten.map(|((_, name), _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "shop.main";

    /// Whether the route counts as one that cannot be written, after each of `events`: `f` it failed, `r` it was refused, `p` it is in
    /// place; a capital where the gateways know it as it is by then.
    fn story(events: &str) -> String {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let unwritten = Unwritten::default();
        let after = |event: char| {
            match event.to_ascii_lowercase() {
                'p' => unwritten.in_place(&key, ROUTE),
                other => unwritten.failed(&key, ROUTE, other == 'r'),
            }
            let found = unwritten.routes(&key, |_| event.is_ascii_uppercase());
            if found.contains(ROUTE) { '-' } else { '+' }
        };
        events.chars().map(after).collect()
    }

    #[test]
    fn a_route_that_could_not_be_written_counts_again_once_the_gateways_know_it() {
        for (events, wanted) in [
            ("fffpf", "++---"),
            ("ffpfff", "+++++-"),
            ("rppP", "---+"),
            // Its first write was answered with an error, and was done.
            ("ffFpP", "++--+"),
            ("rpFP", "---+"),
            ("Rp", "--"),
        ] {
            assert_eq!(story(events), wanted, "{events}");
        }
    }

    #[test]
    fn what_is_forgotten_is_no_matter_of_other_namespaces_and_apps() {
        let key = |namespace: &str, app: &str| AppKey {
            namespace: namespace.to_owned(),
            app: app.parse().unwrap(),
        };
        let unwritten = Unwritten::default();
        let all = [key("prod", "shop"), key("prod", "pay"), key("test", "shop")];
        let name = |key: &AppKey| format!("{}.main", key.app);
        for key in &all {
            unwritten.failed(key, &name(key), true);
        }
        unwritten.forget("prod", |name| name == "shop.main");
        let found = all.map(|key| unwritten.routes(&key, |_| true).contains(&name(&key)));
        assert_eq!(found, [false, true, true]);
    }
}
