//! What the gateway goes by for each owner: what it wants, or what it wanted before, as long as a version is served that is wanted
//! no more. Routes, rules and overrides go with the versions that they were written for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::app::App;
use super::resolve::Resolution;
use super::state::Spec;
use crate::plan::Owner;
use crate::releases::Release;
use crate::words::Share;

impl App {
    /// Takes over what the gateway is to go by. True where that changes.
    pub(super) fn show(&mut self) -> bool {
        let mut shown: BTreeMap<Owner, Arc<Release>> = BTreeMap::new();
        for (owner, wanted) in &self.wanted {
            let held = (self.shows(owner))
                .filter(|_| self.outlives(owner) && !self.lingering.contains_key(owner));
            shown.insert(owner.clone(), held.unwrap_or_else(|| Arc::clone(wanted)));
        }
        let is_same = |owner: &Owner, release: &Arc<Release>| {
            let before = self.shown.get(owner);
            before.is_some_and(|it| Arc::ptr_eq(it, release) || it.object == release.object)
        };
        let changed = shown.len() != self.shown.len()
            || !(shown.iter()).all(|(owner, release)| is_same(owner, release));
        if changed {
            let specs = shown.iter();
            self.remembered.shown = specs
                .map(|(owner, release)| (owner.clone(), Spec::from(&release.object)))
                .collect();
        }
        self.shown = shown;
        changed
    }

    /// What the gateway goes by now, also where only a process before this one knew it.
    fn shows(&self, owner: &Owner) -> Option<Arc<Release>> {
        let shown = self.shown.get(owner).cloned();
        shown.or_else(|| {
            let spec = self.remembered.shown.get(owner)?;
            spec.release(&owner.name).map(Arc::new)
        })
    }

    /// Adds to what an owner wants the versions that could be asked for before, for as long as the overrides are those of before.
    pub(super) fn with_asked_for(&self, owner: &Owner, mut resolution: Resolution) -> Resolution {
        let served = self.remembered.served.get(owner);
        let served = served.filter(|_| self.outlives(owner) && !self.lingering.contains_key(owner));
        if let (Some(shares), Some(served)) = (&mut resolution.shares, served) {
            for number in &served.overrides {
                let is_new = shares.iter().all(|(listed, _)| listed != number)
                    && served.shares.iter().all(|(serving, _)| serving != number);
                if is_new && self.remembered.records.contains_key(number) {
                    shares.push((*number, Share::ZERO));
                }
            }
        }
        resolution
    }

    /// True while a version gets requests that the owner does not want any more.
    fn outlives(&self, owner: &Owner) -> bool {
        let served = self.remembered.served.get(owner);
        let mut served = served.iter().flat_map(|served| &served.shares);
        let wanted = self.remembered.pinned.get(owner);
        served.any(|(number, share)| {
            let mut wanted = wanted.into_iter().flatten();
            let is_wanted = wanted.any(|it| it.number == *number && !it.share.is_zero());
            !share.is_zero() && !is_wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::state::Remembered;
    use super::*;
    use crate::plan::Shares;

    /// What is wanted in the end of version 3, where these versions serve, of which versions could be asked for 1 and 2.
    fn wanted(served: u32) -> Vec<(u32, u32)> {
        let record = |version: u32| {
            json!({
                "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
                "publishedAt": "2026-01-01T00:00:00Z", "functions": [{"name": "web", "port": 80}],
            })
        };
        let all = |versions: &[(u32, u32)]| -> Shares {
            let one = |(version, percent): &(u32, u32)| {
                let share = Share::from_basis_points(percent * 100);
                (version.to_string().parse().unwrap(), share)
            };
            versions.iter().map(one).collect()
        };
        let pinned = json!({"word": 3, "number": 3, "share": all(&[(3, 100)])[0].1});
        let remembered: Remembered = serde_json::from_value(json!({
            "served": {"cwd/shop": {
                "shares": all(&[(served, 100)]), "overrides": [1, 2], "since": "2026-01-01T00:00:00Z",
            }},
            "pinned": {"cwd/shop": [pinned]},
            "records": {"1": record(1), "2": record(2), "3": record(3)},
        }))
        .unwrap();
        let resolution = Resolution {
            shares: Some(all(&[(3, 100)])),
            ..Resolution::default()
        };
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        let found = App::of(remembered).with_asked_for(&owner, resolution);
        let shares = found.shares.unwrap();
        (shares.iter())
            .map(|(number, share)| (number.get(), share.basis_points() / 100))
            .collect()
    }

    #[test]
    fn what_could_be_asked_for_can_be_until_what_is_wanted_serves() {
        assert_eq!(wanted(1), [(3, 100), (2, 0)]);
        assert_eq!(wanted(3), [(3, 100)]);
    }
}
