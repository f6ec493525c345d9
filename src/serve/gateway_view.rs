//! What the gateway goes by for each owner: what it wants, or what it wanted before, as long as a version is served that is wanted
//! no more. Routes, rules and overrides go with the versions that they were written for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::app::App;
use super::state::Spec;
use crate::api::OverrideRule;
use crate::plan::Owner;
use crate::releases::Release;
use crate::resolve::Resolution;
use crate::words::Share;

impl App {
    /// Takes over what the gateway is to go by. True where that changes.
    pub(super) fn show(&mut self) -> bool {
        let mut shown: BTreeMap<Owner, Arc<Release>> = BTreeMap::new();
        let mut words = BTreeMap::new();
        for (owner, wanted) in &self.wanted {
            let held = (self.shows(owner))
                .filter(|_| self.outlives(owner) && !self.lingering.contains_key(owner));
            let before = self.remembered.words.get(owner).filter(|_| held.is_some());
            let of = before.or_else(|| self.remembered.pinned.get(owner));
            words.extend(of.map(|of| (owner.clone(), of.clone())));
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
        // A rule for a label is to send where it sent, whatever the words of what is wanted mean.
        let changed = changed || self.remembered.words != words;
        self.remembered.words = words;
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
    /// One that has lost its program meanwhile is among them: it is started again, as long as a rule may lead to it.
    pub(super) fn with_asked_for(&self, owner: &Owner, mut resolution: Resolution) -> Resolution {
        let served = self.remembered.served.get(owner);
        let served = served.filter(|_| self.outlives(owner) && !self.lingering.contains_key(owner));
        if let (Some(shares), Some(served)) = (&mut resolution.shares, served) {
            let words = self.remembered.words.get(owner).into_iter().flatten();
            let words = words.filter(|entry| entry.share.is_zero() && self.leads(owner));
            let listed = words.map(|entry| entry.number);
            for number in served.overrides.iter().copied().chain(listed) {
                let is_new = shares.iter().all(|(listed, _)| *listed != number)
                    && served.shares.iter().all(|(serving, _)| *serving != number);
                if is_new && self.remembered.records.contains_key(&number) {
                    shares.push(number, Share::ZERO);
                }
            }
        }
        resolution
    }

    /// True where a request may meet a version at 0 % of an owner, by a rule or by asking for it.
    fn leads(&self, owner: &Owner) -> bool {
        self.shows(owner).is_some_and(|release| {
            let wanted = &release.wanted;
            !wanted.rules.is_empty() || wanted.override_rule != OverrideRule::None
        })
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
    use crate::releases;
    use crate::words::Shares;

    /// What is wanted in the end of version 3, where this version serves, versions 1 and 2 were listed before, and these can be asked
    /// for now.
    fn wanted(served: u32, overrides: &[u32], spec: &str) -> Vec<(u32, u32)> {
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
        let entry = |version: u32, percent: u32| {
            let share = all(&[(version, percent)])[0].1;
            json!({"word": version, "number": version, "share": share})
        };
        let remembered: Remembered = serde_json::from_value(json!({
            "served": {"cwd/shop": {
                "shares": all(&[(served, 100)]), "overrides": overrides, "since": "2026-01-01T00:00:00Z",
            }},
            "pinned": {"cwd/shop": [entry(3, 100)]},
            "words": {"cwd/shop": [entry(1, 100), entry(2, 0)]},
            "records": {"1": record(1), "2": record(2), "3": record(3)},
        }))
        .unwrap();
        let resolution = Resolution {
            shares: Some(all(&[(3, 100)])),
            ..Resolution::default()
        };
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        let mut app = App::of(remembered);
        app.shown.insert(owner.clone(), read(spec));
        let found = app.with_asked_for(&owner, resolution);
        let shares = found.shares.unwrap();
        (shares.iter())
            .map(|(number, share)| (number.get(), share.basis_points() / 100))
            .collect()
    }

    fn read(fields: &str) -> Arc<Release> {
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec: {{app: shop, repository: shop, {fields}}}\n"
        );
        let all = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        Arc::new(all.releases[0].clone())
    }

    /// A shop where all is served by version 1, and version 3 is wanted and not there; version 2 can be asked for. The gateway
    /// goes by one object, and another one is wanted.
    fn in_between(shown: &str, wanted: &str) -> (App, Owner) {
        let entry = |word: &str, number: u32, percent: u32| {
            let share = Share::from_basis_points(percent * 100);
            json!({"word": word, "number": number, "share": share})
        };
        let all = Share::from_basis_points(10_000);
        let mut app = App::of(
            serde_json::from_value(json!({
                "served": {"cwd/shop": {
                    "shares": [[1, all]], "overrides": [2], "since": "2026-01-01T00:00:00Z",
                }},
                "pinned": {"cwd/shop": [entry("1", 1, 100), entry("beta", 2, 0)]},
            }))
            .unwrap(),
        );
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        app.wanted.insert(owner.clone(), read(shown));
        app.show();
        let later = vec![entry("3", 3, 100), entry("2", 2, 0)];
        let later = serde_json::from_value(json!(later)).unwrap();
        app.remembered.pinned.insert(owner.clone(), later);
        app.wanted.insert(owner.clone(), read(wanted));
        (app, owner)
    }

    const VERSIONS: &str =
        "versions: [{version: 1, percentage: 100}, {version: beta, percentage: 0}]";
    const LATER: &str = "versions: [{version: 3, percentage: 100}, {version: 2, percentage: 0}]";

    #[test]
    fn a_rule_for_a_label_sends_where_it_sent_until_what_is_wanted_instead_serves() {
        let rule = "rules: [{version: beta, header: {name: X-Beta, value: beta}}]";
        let (mut app, owner) = in_between(&format!("{VERSIONS}, {rule}"), LATER);
        // Also through a restart.
        for _ in 0..2 {
            app.show();
            let shown = Arc::clone(&app.shown[&owner]);
            let rules = app.rules(&owner, &shown.wanted);
            assert!(
                rules.len() == 1 && rules[0].1.get() == 2,
                "{} rules",
                rules.len()
            );
            let text = serde_json::to_vec(&app.remembered).unwrap();
            let wanted = std::mem::take(&mut app.wanted);
            app = App::of(serde_json::from_slice(&text).unwrap());
            app.wanted = wanted;
        }
        let share = app.remembered.pinned[&owner][0].share;
        let number = app.remembered.pinned[&owner][0].number;
        let served = app.remembered.served.get_mut(&owner).unwrap();
        served.shares = [(number, share)].into();
        app.show();
        assert_eq!(app.remembered.words[&owner], app.remembered.pinned[&owner]);
    }

    #[test]
    fn users_keep_their_version_until_what_is_wanted_instead_serves() {
        let affinity = "affinity: {header: X-User}";
        let (mut app, owner) = in_between(&format!("{VERSIONS}, {affinity}"), LATER);
        app.assign(&Remembered::default());
        assert!(app.remembered.slots.contains_key(&owner));
        app.show();
        app.assign(&Remembered::default());
        assert!(app.remembered.slots.contains_key(&owner));
    }

    #[test]
    fn what_could_be_asked_for_can_be_until_what_is_wanted_serves() {
        assert_eq!(wanted(1, &[1, 2], VERSIONS), [(3, 100), (2, 0)]);
        // Version 2 has lost its program. Where nobody may ask for it, it is not started again.
        assert_eq!(wanted(1, &[1], VERSIONS), [(3, 100), (2, 0)]);
        let none = format!("{VERSIONS}, override: {{mode: none}}");
        assert_eq!(wanted(1, &[1], &none), [(3, 100)]);
        assert_eq!(wanted(3, &[1, 2], VERSIONS), [(3, 100)]);
    }
}
