//! What was served when the `serve` before this one ended: it is started again, whatever is wanted now. Until a version of it is
//! ready it keeps the share that it had then and gets no more, whether it fails meanwhile or not, so that a restart moves no
//! traffic. What it cannot answer meanwhile, the gateway gives to the others.
//!
//! It starts nothing: it says what the plan is to await.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::keys;
use super::programs;
use super::secrets::Secrets;
use super::state::Remembered;
use super::versions::Materialised;
use crate::plan::Owner;
use crate::words::VersionNumber;

/// For how long others wait for a version that is neither ready nor has failed: as long as a change may make no progress where
/// nobody says how long.
const PATIENCE: Duration = Duration::from_mins(10);

/// For how long what is new gets nothing beside such a version: from then on a version that is ready answers for one that may never be.
const HOLD: Duration = Duration::from_secs(30);

/// The versions that are on their way back.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// Those that are not ready yet.
    versions: BTreeSet<VersionNumber>,
    /// Those of them that have not failed either.
    undecided: BTreeSet<VersionNumber>,
    /// The owners that were served by something.
    owners: BTreeSet<Owner>,
    /// Until when they may take; nothing where none was served.
    until: Option<Instant>,
    /// Until when what is new gets nothing beside them.
    held_until: Option<Instant>,
}

impl Returning {
    /// All that was served, at the start of `serve`. A version without a record cannot be started again.
    pub(super) fn of(remembered: &Remembered) -> Self {
        let versions: BTreeSet<VersionNumber> = (remembered.answers())
            .map(|(_, version)| version)
            .filter(|version| remembered.records.contains_key(version))
            .collect();
        Self {
            undecided: versions.clone(),
            versions,
            owners: remembered.served.keys().cloned().collect(),
            until: Instant::now().checked_add(PATIENCE),
            held_until: Instant::now().checked_add(HOLD),
        }
    }

    /// True while what is new gets nothing beside a version that served.
    pub(super) fn holds_back(&self) -> bool {
        self.held_until.is_some_and(|until| Instant::now() < until)
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

    /// The versions of which it is not known yet whether they come back.
    pub(super) fn undecided(&self) -> impl Iterator<Item = VersionNumber> {
        self.undecided.iter().copied()
    }

    pub(super) fn is_undecided(&self, version: VersionNumber) -> bool {
        self.undecided.contains(&version)
    }

    /// Lets go of versions that are ready: from now on they count as they are. Nobody waits for those that have failed, which keep
    /// what they had. Where nothing has been fetched yet, a program that could not be started lacks its files, and is none that failed. True
    /// where more is known of a version.
    pub(super) fn arrive(
        &mut self,
        running: &BTreeMap<VersionNumber, Materialised>,
        unfit: &BTreeSet<VersionNumber>,
        has_files: bool,
    ) -> bool {
        let late = self.until.is_some_and(|until| until <= Instant::now());
        let before = self.undecided.len();
        self.undecided.retain(|version| {
            let ended = has_files && (running.get(version)).is_some_and(Materialised::has_ended);
            !late && !ended && !unfit.contains(version)
        });
        self.keep(|version| !running.get(&version).is_some_and(Materialised::is_ready));
        self.undecided.len() != before
    }

    /// Lets go of versions that `serves` does not name: nobody who is there is served by them any more.
    pub(super) fn keep(&mut self, serves: impl Fn(VersionNumber) -> bool) {
        self.versions.retain(|version| serves(*version));
        self.undecided.retain(|version| serves(*version));
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
        // What the gateway goes by, which may not be what is wanted by now.
        let spec = remembered.shown.get(owner);
        let spec = spec.or_else(|| remembered.asked.get(owner));
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
    use super::super::secrets::Kind;
    use super::super::versions;
    use super::*;
    use crate::plan::{Plan, RoutePlan, plan};
    use crate::record::VersionRecord;
    use crate::releases::{self, Release};
    use crate::resolve::Resolution;
    use crate::words::Share;
    use crate::words::Shares;

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

    /// A shop that served this when it ended, and knows these versions. One at 0 % could be asked for.
    fn remembered(served: &[(u32, u32)], records: &[VersionRecord]) -> Remembered {
        let (idle, served): (Vec<_>, Vec<_>) =
            (shares(served).into_iter()).partition(|(_, share)| share.is_zero());
        let idle: Vec<VersionNumber> = idle.into_iter().map(|(number, _)| number).collect();
        let served = json!({"shares": served, "overrides": idle, "since": "2026-01-01T00:00:00Z"});
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
        step_to(app, &[(wanted, 100)], ready)
    }

    /// The same where this split is wanted.
    fn step_to(app: &mut App, wanted: &[(u32, u32)], ready: &[u32]) -> (Plan, Shares) {
        let text = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: shop}\nspec: {app: shop, repository: shop, rollbackWindow: 0s, versions: [{version: 1, percentage: 100}]}\n";
        let all = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        let all: Vec<&Release> = all.releases.iter().collect();
        let resolutions = [Resolution {
            shares: Some(shares(wanted)),
            ..Resolution::default()
        }];
        app.returning
            .keep(|version| !ready.contains(&version.get()));
        let mut known = app.versions(&resolutions);
        for version in ready {
            let mut state = versions::absent(&app.remembered.records[&number(*version)]);
            state.materialised = true;
            let functions = state.functions.values_mut();
            functions.for_each(|function| function.ready = 1);
            known.insert(number(*version), state);
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
    fn one_that_is_not_back_gets_no_more_than_it_had() {
        for before in [&[(1, 100), (2, 0)][..], &[(1, 90), (2, 10)]] {
            let kept = before.iter().copied().filter(|(_, share)| *share > 0);
            let kept: BTreeSet<_> = shares(&kept.collect::<Vec<_>>()).into_iter().collect();
            let mut app = shop(before);
            for ready in [&[][..], &[1], &[1]] {
                let (plan, served) = step(&mut app, 2, ready);
                let served: BTreeSet<_> = served.into_iter().collect();
                assert_eq!(served, kept, "{ready:?}");
                assert_eq!(runs(&plan), numbers(&[1, 2]), "{ready:?}");
                assert!(!plan.splits[0].complete);
            }
            let (_, served) = step(&mut app, 2, &[1, 2]);
            assert_eq!(served, shares(&[(2, 100)]), "{before:?}");
        }
    }

    #[test]
    fn one_that_fails_keeps_its_share_and_nobody_waits_for_it() {
        let split = [(1, 90), (2, 10)];
        let mut app = shop(&split);
        step(&mut app, 3, &[]);
        assert!(app.returning.arrive(&BTreeMap::new(), &numbers(&[1]), true));
        assert!(app.returning.undecided().eq([number(2)]));
        // All fail, then the one with less is the first that is ready, then both are.
        for ready in [&[][..], &[2], &[1, 2]] {
            let (plan, served) = step(&mut app, 3, ready);
            assert_eq!(served, shares(&split), "{ready:?}");
            assert!(plan.remove.is_empty());
            assert_eq!(plan.splits[0].route == RoutePlan::Keep, ready.is_empty());
        }
    }

    #[test]
    fn what_is_wanted_and_ready_first_does_not_wait() {
        let mut app = shop(&[(1, 100)]);
        step(&mut app, 3, &[]);
        let (_, served) = step(&mut app, 3, &[3]);
        assert_eq!(served, shares(&[(3, 100)]));
    }

    #[test]
    fn a_new_version_beside_others_gets_its_share_once_what_served_is_back() {
        for (before, wanted) in [
            (&[(3, 100)][..], &[(2, 50), (3, 50)][..]),
            (&[(3, 90), (1, 10)], &[(2, 10), (3, 90)]),
            (&[(1, 100)], &[(2, 50), (3, 50)]),
        ] {
            let mut app = shop(before);
            for ready in [&[][..], &[2]] {
                let (plan, served) = step_to(&mut app, wanted, ready);
                assert_eq!(served, shares(before), "{ready:?}");
                assert!(!plan.splits[0].complete);
                let all = before.iter().chain(wanted).map(|(number, _)| *number);
                assert_eq!(runs(&plan), numbers(&all.collect::<Vec<_>>()));
            }
            let (_, served) = step_to(&mut app, wanted, &[1, 2, 3]);
            assert_eq!(served, shares(wanted));
        }
        // One that has failed is not waited for, and keeps what it had.
        let mut app = shop(&[(3, 100)]);
        step_to(&mut app, &[(2, 50), (3, 50)], &[2]);
        assert!(app.returning.arrive(&BTreeMap::new(), &numbers(&[3]), true));
        let (_, served) = step_to(&mut app, &[(2, 50), (3, 50)], &[2]);
        assert_eq!(served, shares(&[(2, 50), (3, 50)]));
    }

    #[test]
    fn one_that_was_lost_when_it_ended_comes_back_too() {
        let mut remembered = remembered(
            &[(2, 100)],
            &[1, 2, 3].map(|version| record(version, "db", "url")),
        );
        let split = shares(&[(1, 95), (2, 5)]);
        let said = shares(&[(2, 100)]);
        let intact = json!({"shares": split, "said": [said, said]});
        let intact = json!({"intact": {"cwd/shop": intact}});
        remembered.memory = serde_json::from_value(intact).unwrap();
        let mut app = App::of(remembered);
        for ready in [&[][..], &[2]] {
            let (plan, served) = step(&mut app, 3, ready);
            assert_eq!(runs(&plan), numbers(&[1, 2, 3]), "{ready:?}");
            assert_eq!(served, shares(&[(2, 100)]), "{ready:?}");
        }
        let (_, served) = step(&mut app, 3, &[1, 2]);
        assert_eq!(served, split);
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
        let found = secrets.find(Kind::Secret, "a-b", "c").unwrap();
        assert_eq!(found.as_deref(), Some("x"));
    }
}
