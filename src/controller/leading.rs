//! Which of the routes of an owner says what is served, where they differ.
//!
//! Pure. They differ while one of them cannot be written, or was not yet: the others go on without it. Whoever takes the shares of
//! one that is behind for what is served brings all traffic back to them. So what was decided last says which one counts, and it
//! is remembered beyond the end of this program.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::backends;
use super::objects::AppObjects;
use crate::api::gateway::HttpRoute;
use crate::plan::effective::is_same;
use crate::plan::{Memory, Owner};
use crate::words::{AppName, Shares};

/// The routes of an owner.
pub(super) struct OwnerRoutes<'a> {
    /// In the order of their names.
    pub(super) all: Vec<&'a HttpRoute>,
    app: &'a AppName,
    /// Names of those that it wants, where that is known.
    listed: Option<BTreeSet<String>>,
    /// Names of routes that cannot be written.
    unwritable: &'a BTreeSet<String>,
    /// What the one that counts gives.
    served: Option<Shares>,
}

impl<'a> OwnerRoutes<'a> {
    pub(super) fn new(
        (app, objects): (&'a AppName, &'a AppObjects),
        owner: &Owner,
        listed: Option<BTreeSet<String>>,
        unwritable: &'a BTreeSet<String>,
        memory: &Memory,
    ) -> Self {
        let mut routes = Self {
            all: objects.routes_of(app, owner).collect(),
            app,
            listed,
            unwritable,
            served: None,
        };
        let decided = memory.shares.get(owner);
        let before = memory.from.get(owner);
        let says =
            |said: Option<&Shares>, shares: &Shares| said.is_some_and(|said| is_same(said, shares));
        let of_each = (routes.all.iter()).map(|route| (route, backends::shares(app, route)));
        let leading = of_each.min_by_key(|(route, shares)| {
            let (is_decided, was_served) = (says(decided, shares), says(before, shares));
            (
                // Which routes can be written this process may have to learn yet, while what was decided is remembered.
                !(is_decided || was_served),
                !routes.follows(route),
                !is_decided,
                // Where nothing else tells, one that was taken out of the spec says less of what is served than one that is wanted.
                routes.is_surplus(route),
                routes.unwritable.contains(&route.name_any()),
                shares.is_empty(),
            )
        });
        let served = leading.map(|(_, shares)| shares);
        routes.served = served;
        routes
    }

    /// The shares of the one that counts; nothing where there is none.
    pub(super) fn served(&self) -> Option<&Shares> {
        self.served.as_ref()
    }

    /// The owner does not want it any more.
    pub(super) fn is_surplus(&self, route: &HttpRoute) -> bool {
        (self.listed.as_ref()).is_some_and(|listed| !listed.contains(&route.name_any()))
    }

    /// What it does not name gets no share by any of them. One that was taken out, cannot be written or gives something else may have to
    /// stay as it is, and holds up none of the others.
    pub(super) fn counts(&self, route: &HttpRoute) -> bool {
        self.gives_it(route) && (self.follows(route) || !self.goes_on())
    }

    /// What is decided can be written to one that says what is served.
    pub(super) fn goes_on(&self) -> bool {
        let mut all = self.all.iter();
        all.any(|route| self.follows(route) && self.gives_it(route))
    }

    /// It gives what is served.
    pub(super) fn gives_it(&self, route: &HttpRoute) -> bool {
        let shares = backends::shares(self.app, route);
        (self.served.as_ref()).is_some_and(|served| is_same(served, &shares))
    }

    /// Those that it wants give different shares.
    pub(super) fn differ(&self) -> bool {
        let wanted = self.all.iter().filter(|route| !self.is_surplus(route));
        let mut shares = wanted.map(|route| backends::shares(self.app, route));
        let first = shares.next();
        first.is_some_and(|first| shares.any(|shares| !is_same(&first, &shares)))
    }

    fn follows(&self, route: &HttpRoute) -> bool {
        !self.is_surplus(route) && !self.unwritable.contains(&route.name_any())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::cache::Cache;
    use crate::controller::key::AppKey;
    use crate::kubernetes::names;
    use crate::plan::OwnerKind;
    use crate::words::{Share, VersionNumber};

    fn whole(version: u32) -> Shares {
        [(VersionNumber::new(version).unwrap(), Share::ALL)].into()
    }

    /// Routes `shop.a`, `shop.b` and so on, each with all of its requests sent to one version; 0 for a Service of somebody else's.
    fn objects(key: &AppKey, versions: &[u32]) -> AppObjects {
        let cache = Cache::default();
        for (name, version) in ('a'..).zip(versions) {
            let service = match version {
                0 => "theirs".to_owned(),
                version => format!("shop-v{version}-web"),
            };
            let backends: Value = json!([{"name": service, "weight": 10_000}]);
            let route = json!({
                "metadata": {
                    "name": format!("shop.{name}"), "namespace": "prod", "resourceVersion": "1",
                    "labels": {names::APP: "shop"}, "managedFields": [{"manager": names::FIELD_MANAGER}],
                },
                "spec": {"rules": [{"backendRefs": backends}]},
            });
            cache.put::<HttpRoute>(serde_json::from_value(route).unwrap());
        }
        cache.app(key)
    }

    /// The versions of routes `a`, `b` and so on; those that are listed and those that cannot be written; what was decided last and what
    /// was served then; and what is served, and the routes that count.
    type Row = (
        &'static [u32],
        [&'static str; 2],
        [u32; 2],
        (u32, &'static str),
    );

    #[test]
    fn what_was_decided_last_says_which_route_counts() {
        let table: [Row; 19] = [
            (&[1, 3], ["ab", ""], [3, 0], (3, "b")),
            (&[3, 1], ["ab", ""], [3, 0], (3, "a")),
            (&[3, 3], ["ab", ""], [3, 0], (3, "ab")),
            // Neither has it yet.
            (&[1, 2], ["ab", ""], [3, 2], (2, "b")),
            (&[2, 1], ["ab", ""], [3, 2], (2, "a")),
            // One that is behind gives by chance what was decided, and the one that is to give it has not got it yet.
            (&[1, 3], ["ab", "a"], [1, 3], (3, "b")),
            // This process has not seen yet that the one that is behind cannot be written.
            (&[1, 3], ["ab", "b"], [3, 0], (3, "b")),
            (&[1, 2], ["ab", "b"], [3, 2], (2, "b")),
            // One that was taken out.
            (&[1, 3], ["a", ""], [3, 0], (3, "b")),
            (&[1, 3], ["b", "b"], [1, 0], (1, "a")),
            (&[3, 1], ["b", "b"], [0, 0], (1, "b")),
            (&[3, 3], ["b", ""], [3, 0], (3, "b")),
            // None can be written, or is wanted.
            (&[1, 3], ["ab", "ab"], [3, 0], (3, "b")),
            (&[1, 1], ["", ""], [1, 0], (1, "ab")),
            // Nothing that is remembered is given by any.
            (&[1, 3], ["ab", ""], [0, 0], (1, "a")),
            (&[1, 3], ["b", ""], [2, 0], (3, "b")),
            (&[1, 3], ["ab", "a"], [2, 0], (3, "b")),
            (&[3, 1], ["ab", "a"], [0, 0], (1, "b")),
            // One that somebody sends elsewhere.
            (&[0, 3], ["ab", ""], [2, 0], (3, "b")),
        ];
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let owner = Owner {
            kind: OwnerKind::Deployment,
            name: "shop".to_owned(),
        };
        let set = |letters: &str| letters.chars().map(|it| format!("shop.{it}")).collect();
        let remembered = |version: u32| {
            let shares = (version > 0).then(|| (owner.clone(), whole(version)));
            shares.into_iter().collect()
        };
        for row in table {
            let (versions, [listed, unwritable], [decided, before], (served, counts)) = row;
            let memory = Memory {
                shares: remembered(decided),
                from: remembered(before),
                ..Memory::default()
            };
            let objects = objects(&key, versions);
            let (all, unwritable) = ((&key.app, &objects), set(unwritable));
            let routes = OwnerRoutes::new(all, &owner, Some(set(listed)), &unwritable, &memory);
            assert_eq!(routes.served(), Some(&whole(served)), "{row:?}");
            let counting = routes.all.iter().filter(|route| routes.counts(route));
            let counting: BTreeSet<String> = counting.map(|route| route.name_any()).collect();
            assert_eq!(counting, set(counts), "{row:?}");
        }
    }
}
