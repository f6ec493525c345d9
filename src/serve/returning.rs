//! What was served when the `serve` before this one ended: it is started again, whatever is wanted now. Until a version of it is
//! ready or has failed it counts as it did then, so that a restart moves no traffic.
//!
//! It starts nothing: it says what the plan is to believe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::keys;
use super::programs;
use super::secrets::Secrets;
use super::state::Remembered;
use super::versions::Materialised;
use crate::plan::Owner;
use crate::words::VersionNumber;

/// For how long a version that is neither ready nor has failed counts as it did: as long as a change may make no progress where
/// nobody says how long.
const PATIENCE: Duration = Duration::from_mins(10);

/// The versions that are on their way back.
#[derive(Debug, Default)]
pub(super) struct Returning {
    versions: BTreeSet<VersionNumber>,
    /// The owners that were served by something.
    owners: BTreeSet<Owner>,
    /// Until when they may take; nothing where none was served.
    until: Option<Instant>,
}

impl Returning {
    /// All that was served, at the start of `serve`. A version without a record cannot be started again.
    pub(super) fn of(remembered: &Remembered) -> Self {
        let served = remembered.served.iter();
        let versions = served.clone().flat_map(|(_, served)| served.versions());
        Self {
            versions: versions
                .filter(|version| remembered.records.contains_key(version))
                .collect(),
            owners: served.map(|(owner, _)| owner.clone()).collect(),
            until: Instant::now().checked_add(PATIENCE),
        }
    }

    pub(super) fn has(&self, version: VersionNumber) -> bool {
        self.versions.contains(&version)
    }

    /// True for an owner that was served when this `serve` started.
    pub(super) fn had(&self, owner: &Owner) -> bool {
        self.owners.contains(owner)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = VersionNumber> {
        self.versions.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Lets go of versions that are ready or have failed: from now on they count as they are. True where there are any.
    pub(super) fn arrive(
        &mut self,
        running: &BTreeMap<VersionNumber, Materialised>,
        unfit: &BTreeSet<VersionNumber>,
    ) -> bool {
        let late = self.until.is_some_and(|until| until <= Instant::now());
        self.keep(|version| {
            let there = running.get(&version);
            let decided = there.is_some_and(|it| it.is_ready() || it.has_ended());
            !late && !decided && !unfit.contains(&version)
        })
    }

    /// Lets go of versions that `serves` does not name: nobody who is there is served by them any more. True where there are any.
    pub(super) fn keep(&mut self, serves: impl Fn(VersionNumber) -> bool) -> bool {
        let before = self.versions.len();
        self.versions.retain(|version| serves(*version));
        self.versions.len() != before
    }
}

/// Takes the variables that are shared out by who came first for what was served before, so that nothing new takes them from it: after
/// a restart versions are made in another order.
pub(super) fn claim(remembered: &Remembered, secrets: &Secrets) {
    for (owner, served) in &remembered.served {
        let records = served
            .versions()
            .filter_map(|number| remembered.records.get(&number));
        records.for_each(|record| programs::claim(secrets, record));
        let spec = remembered.asked.get(owner);
        if let Some(release) = spec.and_then(|spec| spec.release(&owner.name)) {
            // What is wrong with a key is said when it is asked for.
            drop(keys::overrides(&release.wanted.override_rule, secrets));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::app::App;
    use super::super::resolve::Resolution;
    use super::super::secrets::Kind;
    use super::super::versions;
    use super::*;
    use crate::plan::{Plan, RoutePlan, Shares, plan};
    use crate::record::VersionRecord;
    use crate::releases::{self, Release};
    use crate::words::Share;

    fn number(version: u32) -> VersionNumber {
        VersionNumber::new(version).unwrap()
    }

    fn numbers(versions: &[u32]) -> BTreeSet<VersionNumber> {
        versions.iter().map(|version| number(*version)).collect()
    }

    fn shares(versions: &[(u32, u32)]) -> Shares {
        let one = |(version, percent): &(u32, u32)| {
            (number(*version), Share::from_basis_points(percent * 100))
        };
        versions.iter().map(one).collect()
    }

    /// A version that takes a variable from key `key` of Secret `secret`.
    fn record(version: u32, secret: &str, key: &str) -> VersionRecord {
        let source = json!({"secretKeyRef": {"name": secret, "key": key}});
        serde_json::from_value(json!({
            "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z",
            "functions": [{"name": "web", "port": 80, "env": [{"name": "URL", "valueFrom": source}]}],
        }))
        .unwrap()
    }

    /// A shop that served this when it ended, and knows these versions.
    fn remembered(served: &[(u32, u32)], records: &[VersionRecord]) -> Remembered {
        let served =
            json!({"shares": shares(served), "overrides": [], "since": "2026-01-01T00:00:00Z"});
        let mut remembered: Remembered =
            serde_json::from_value(json!({"served": {"cwd/shop": served}})).unwrap();
        let records = records.iter().cloned();
        remembered.records = records.map(|record| (record.number, record)).collect();
        remembered
    }

    fn shop(served: &[(u32, u32)]) -> App {
        let records = [1, 2, 3].map(|version| record(version, "db", "url"));
        App::of(remembered(served, &records))
    }

    /// A step of the plan where all of `wanted` is wanted, and these versions are ready; what it serves afterwards.
    fn step(app: &mut App, wanted: u32, ready: &[u32]) -> (Plan, Shares) {
        let text = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: shop}\nspec: {app: shop, repository: shop, rollbackWindow: 0s, versions: [{version: 1, percentage: 100}]}\n";
        let all = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        let all: Vec<&Release> = all.releases.iter().collect();
        let resolutions = [Resolution {
            shares: Some(shares(&[(wanted, 100)])),
            ..Resolution::default()
        }];
        app.returning
            .keep(|version| !ready.contains(&version.get()));
        let mut known = app.versions(&resolutions);
        for version in ready {
            let record = &app.remembered.records[&number(*version)];
            known.insert(number(*version), versions::returning(record));
        }
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let plan = plan(&app.world(&all, &resolutions, known, now));
        app.take_over(&plan, now);
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        let served = app.remembered.served.get(&owner);
        (plan, served.map(|it| it.shares.clone()).unwrap_or_default())
    }

    fn runs(plan: &Plan) -> BTreeSet<VersionNumber> {
        plan.run.keys().copied().collect()
    }

    #[test]
    fn what_was_served_runs_again_and_keeps_its_shares_until_what_is_wanted_is_ready() {
        let split = [(1, 90), (2, 10)];
        let mut app = shop(&split);
        for ready in [&[][..], &[2], &[1, 2]] {
            let (plan, served) = step(&mut app, 3, ready);
            assert_eq!(runs(&plan), numbers(&[1, 2, 3]), "{ready:?}");
            assert_eq!(served, shares(&split), "{ready:?}");
            assert!(!plan.splits[0].complete);
        }
        let (_, served) = step(&mut app, 3, &[1, 2, 3]);
        assert_eq!(served, shares(&[(3, 100)]));
        let (plan, _) = step(&mut app, 3, &[1, 2, 3]);
        assert_eq!(
            (runs(&plan), plan.remove),
            (numbers(&[3]), numbers(&[1, 2]))
        );
    }

    #[test]
    fn one_that_fails_gives_its_share_to_the_others() {
        let mut app = shop(&[(1, 90), (2, 10)]);
        step(&mut app, 3, &[]);
        app.returning.keep(|version| version != number(1));
        let (_, served) = step(&mut app, 3, &[2]);
        assert_eq!(served, shares(&[(2, 100)]));
        // Where all fail, what was served last is not forgotten.
        let mut app = shop(&[(1, 100)]);
        app.returning.keep(|_| false);
        let (plan, served) = step(&mut app, 3, &[]);
        assert_eq!(
            (&plan.splits[0].route, served),
            (&RoutePlan::Keep, shares(&[(1, 100)]))
        );
    }

    #[test]
    fn what_is_wanted_and_ready_first_does_not_wait() {
        let mut app = shop(&[(1, 100)]);
        step(&mut app, 3, &[]);
        let (_, served) = step(&mut app, 3, &[3]);
        assert_eq!(served, shares(&[(3, 100)]));
    }

    #[test]
    fn where_what_is_served_is_wanted_nothing_else_runs() {
        let mut app = shop(&[(3, 100)]);
        let past = json!({"versions": {"2": {"served": true, "released": "2026-01-01T00:59:00Z"}}});
        app.remembered.memory = serde_json::from_value(past).unwrap();
        let (plan, served) = step(&mut app, 3, &[]);
        assert_eq!((runs(&plan), served), (numbers(&[3]), shares(&[(3, 100)])));
    }

    #[test]
    fn a_variable_is_that_of_what_was_served_and_not_of_what_comes_first() {
        // The names of both Secrets make one variable, and the newer version is made first.
        let records = [record(1, "a", "b-c"), record(2, "a-b", "c")];
        let remembered = remembered(&[(2, 100)], &records);
        let given = [("CUTWATER_SECRET_A_B_C".to_owned(), "x".to_owned())];
        let secrets = Secrets::new(given.into(), None, None);
        claim(&remembered, &secrets);
        assert!(secrets.find(Kind::Secret, "a", "b-c").is_err());
        assert_eq!(
            secrets.find(Kind::Secret, "a-b", "c"),
            Ok(Some("x".to_owned()))
        );
    }
}
