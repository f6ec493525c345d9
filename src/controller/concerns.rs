//! Whom a failure concerns: those who use the object that could not be written.
//!
//! Pure. A Deployment and the Aliases of its app are carried out together, and each says in its status how its own wish stands. One
//! broken object of the one is no news of the other.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::key::AppKey;
use super::resolve::Resolution;
use super::wish::Wish;
use crate::kubernetes::names;
use crate::plan::{Memory, Owner, Plan, RoutePlan};
use crate::words::VersionNumber;

/// What could not be done, and to what.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) about: About,
    pub(super) failure: Failure,
}

/// What an object is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// The app as a whole: its anchor.
    App,
    /// The HTTPRoute of that name.
    Route(String),
    /// Any of these versions: their workloads and files.
    Versions(BTreeSet<VersionNumber>),
}

impl About {
    /// What an object is about, by its name.
    pub(super) fn of(key: &AppKey, name: &str) -> Self {
        match names::version_of(&key.app, name) {
            Some(version) => Self::Versions([version].into()),
            // Files that no version mounts any more.
            None if names::is_files(&key.app, name) => Self::App,
            None => Self::Route(name.to_owned()),
        }
    }
}

/// The owners of an app, and what they use. The wishes and `resolutions` go together.
pub(super) struct Users<'a> {
    pub(super) key: &'a AppKey,
    pub(super) wishes: &'a [Wish],
    pub(super) resolutions: &'a [Resolution],
    pub(super) plan: &'a Plan,
    /// What was remembered when it was made.
    pub(super) before: &'a Memory,
}

impl Users<'_> {
    /// What of `faults` one of the owners has to say.
    pub(super) fn concern<'f>(&self, owner: &Owner, faults: &'f [Fault]) -> Vec<&'f Failure> {
        (faults.iter())
            .filter(|fault| self.concerned(&fault.about).contains(owner))
            .map(|fault| &fault.failure)
            .collect()
    }

    /// Who uses it now; or else who did, as of what goes; or else everybody, for somebody has to be told.
    fn concerned(&self, about: &About) -> BTreeSet<&Owner> {
        let owners = || self.wishes.iter().map(|wish| &wish.owner);
        let all = || owners().collect();
        let using = match about {
            About::App => return all(),
            About::Route(name) => vec![
                owners()
                    .filter(|owner| names::is_route_of(&self.key.app, owner, name))
                    .collect(),
            ],
            About::Versions(versions) => {
                let any = |used: BTreeSet<VersionNumber>| !used.is_disjoint(versions);
                vec![
                    owners().filter(|owner| any(self.uses(owner))).collect(),
                    owners().filter(|owner| any(self.used(owner))).collect(),
                ]
            }
        };
        let mut using = using
            .into_iter()
            .filter(|using: &BTreeSet<&Owner>| !using.is_empty());
        using.next().unwrap_or_else(all)
    }

    /// Versions that an owner lists, or that its routes send to or come back to.
    fn uses(&self, owner: &Owner) -> BTreeSet<VersionNumber> {
        let mut wishes = self.wishes.iter().zip(self.resolutions);
        let resolution = wishes.find(|(wish, _)| wish.owner == *owner);
        let resolution = resolution.map(|(_, resolution)| resolution);
        let pinned = resolution.iter().flat_map(|it| &it.pinned);
        let listed = resolution.iter().flat_map(|it| it.shares.iter().flatten());
        let split = self.plan.splits.iter().find(|split| split.owner == *owner);
        let served = match split.map(|split| &split.route) {
            Some(RoutePlan::Serve { shares, .. }) => &shares[..],
            _ => &[],
        };
        let lost = self.plan.memory.intact.get(owner);
        let lost = lost.into_iter().flat_map(|intact| &intact.shares);
        (pinned.map(|entry| entry.number))
            .chain(
                listed
                    .chain(served)
                    .chain(lost)
                    .map(|(version, _)| *version),
            )
            .collect()
    }

    /// Versions that its routes have served or named, while they had workloads.
    fn used(&self, owner: &Owner) -> BTreeSet<VersionNumber> {
        let served = self.before.served.get(owner).into_iter();
        let named = self.before.named.get(owner).into_iter();
        let named = named.flat_map(|named| named.keys());
        served
            .flat_map(|served| served.keys())
            .chain(named)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::api::{Alias, Deployment, Reason, ResolvedVersion};
    use crate::controller::cache::Cache;
    use crate::controller::wish;

    fn v(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    fn fault(about: About) -> Fault {
        Fault {
            about,
            failure: Failure {
                reason: Reason::ApiServerRefused,
                message: "words".to_owned(),
            },
        }
    }

    /// Whom a fault concerns: a Deployment that lists v1 and has served v3, and an Alias that lists v2.
    fn concerned(about: About) -> Vec<String> {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let cache = Cache::default();
        let deployment = json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": "1"},
            "spec": {"app": "shop", "repository": "main", "versions": [{"version": 1, "percentage": 100}]},
        });
        cache.put::<Deployment>(serde_json::from_value(deployment).unwrap());
        let alias = json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias",
            "metadata": {"name": "stage", "namespace": "prod", "resourceVersion": "2"},
            "spec": {"app": "shop", "repository": "main", "version": 2},
        });
        cache.put::<Alias>(serde_json::from_value(alias).unwrap());
        let wishes = wish::wishes(&cache.app(&key), &BTreeMap::new());
        let resolution = |wish: &Wish| {
            let number = if wish.owner.name == "shop" { 1 } else { 2 };
            let pinned: ResolvedVersion = serde_json::from_value(json!({
                "version": number, "percentage": 100, "number": number, "id": "g1", "commit": "2",
            }))
            .unwrap();
            Resolution {
                pinned: vec![pinned],
                ..Resolution::default()
            }
        };
        let resolutions: Vec<Resolution> = wishes.iter().map(resolution).collect();
        let plan = Plan {
            settled: true,
            ..Plan::default()
        };
        let before = json!({"served": {"cwd/shop": {"3": {}}, "cwa/stage": {"1": {}}}});
        let users = Users {
            key: &key,
            wishes: &wishes,
            resolutions: &resolutions,
            plan: &plan,
            before: &serde_json::from_value(before).unwrap(),
        };
        let faults = [fault(about)];
        let owners = wishes.iter().map(|wish| &wish.owner);
        let owners = owners.filter(|owner| !users.concern(owner, &faults).is_empty());
        owners.map(ToString::to_string).collect()
    }

    #[test]
    fn a_failure_is_told_by_those_who_use_the_object() {
        let versions = |numbers: &[u32]| About::Versions(numbers.iter().copied().map(v).collect());
        let route = |name: &str| About::Route(name.to_owned());
        let (deployment, alias) = ("cwd/shop", "cwa/stage");
        assert_eq!(concerned(route("shop.main")), [deployment]);
        assert_eq!(concerned(route("shop.stage.main")), [alias]);
        assert_eq!(
            concerned(versions(&[1])),
            [deployment],
            "it only served there"
        );
        assert_eq!(concerned(versions(&[2])), [alias]);
        assert_eq!(concerned(versions(&[1, 2])), [deployment, alias]);
        // What is about to go was used by somebody; of what was not, everybody tells.
        assert_eq!(concerned(versions(&[3])), [deployment]);
        assert_eq!(concerned(versions(&[4])), [deployment, alias]);
        assert_eq!(concerned(route("shop.gone.main")), [deployment, alias]);
        assert_eq!(concerned(About::App), [deployment, alias]);
    }
}
