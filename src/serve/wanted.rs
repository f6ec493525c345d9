//! What is wanted of an app: what the commit says, or what was wanted before where that cannot be; and what stands against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::app::{App, Tools};
use super::keys;
use super::lookups::Library;
use super::secrets::Secrets;
use super::state::{Served, Spec};
use super::versions::Materialised;
use crate::api::Reason;
use crate::branch::{self, Tip};
use crate::plan::{self, Cause, Owner};
use crate::record::VersionRecord;
use crate::releases::Release;
use crate::resolve::{Answer, Resolution};
use crate::words::{AppName, FunctionName, VersionNumber, VersionWord};

impl App {
    /// What is wanted of the app: what the commit says, and where it could not be read as a whole, what was wanted before of
    /// what it does not show.
    pub(super) fn asked(&self, name: &AppName, tip: &Tip) -> Vec<Arc<Release>> {
        let mut asked: Vec<Arc<Release>> = (tip.releases.iter())
            .filter(|release| release.app() == name)
            .cloned()
            .collect();
        // What the commit has under that name may be of another app, and takes nothing from this one.
        let own: BTreeSet<Owner> = asked.iter().map(|release| branch::owner(release)).collect();
        let lost = self.remembered.asked.iter();
        let lost = lost.filter(|(owner, _)| !own.contains(*owner) && tip.recalls(owner));
        asked.extend(lost.filter_map(|(owner, spec)| spec.release(&owner.name).map(Arc::new)));
        let here: BTreeSet<Owner> = asked.iter().map(|release| branch::owner(release)).collect();
        let lingering = (self.lingering.iter()).filter(|(owner, _)| !here.contains(*owner));
        asked.extend(lingering.map(|(_, release)| Arc::clone(release)));
        asked
    }

    /// Asks for what is not known yet, and whether git still says what it said of the versions that are used.
    pub(super) fn look_up(&mut self, name: &AppName, tools: &Tools<'_>, asked: &[Arc<Release>]) {
        let mut words: BTreeSet<VersionWord> = (self.remembered.pinned.values().flatten())
            .map(|pinned| VersionWord::Number(pinned.number))
            .collect();
        for release in asked {
            let pinned = self.remembered.pinned.get(&branch::owner(release));
            let held = |word: &VersionWord| {
                let mut pinned = pinned.into_iter().flatten();
                pinned.any(|pinned| pinned.word == *word)
            };
            let wanted = release.wanted.versions.iter().map(|entry| &entry.version);
            words.extend(wanted.filter(|word| !held(word)).cloned());
        }
        let library = Library {
            app: name,
            mirror: tools.mirror,
            awaits: tools.awaits,
            moves: tools.moves,
            changed: &tools.starter.changed,
        };
        self.lookups.ask(&words, &library);
    }

    /// Takes over what is wanted of each owner: what it says now if that can be, else what it said before. True where that
    /// changes.
    pub(super) fn adopt(&mut self, asked: &[Arc<Release>], resolutions: &[Resolution]) -> bool {
        let mut wanted = BTreeMap::new();
        for (release, resolution) in asked.iter().zip(resolutions) {
            let owner = branch::owner(release);
            let known = self.remembered.asked.get(&owner);
            let held = known.filter(|_| !resolution.is_whole());
            let held = held.and_then(|spec| spec.release(&owner.name));
            if resolution.is_whole() && !known.is_some_and(|spec| spec.is_of(&release.object)) {
                let spec = Spec::from(&release.object);
                self.remembered.asked.insert(owner.clone(), spec);
            }
            let release = held.map_or_else(|| Arc::clone(release), Arc::new);
            wanted.insert(owner, release);
        }
        self.remembered
            .leave_behind(|owner| wanted.contains_key(owner));
        self.reached.retain(|owner, _| wanted.contains_key(owner));
        let same = |a: &Arc<Release>, b: &Arc<Release>| Arc::ptr_eq(a, b) || a.object == b.object;
        let changed = wanted.len() != self.wanted.len()
            || !(wanted.iter()).all(|(owner, release)| {
                (self.wanted.get(owner)).is_some_and(|before| same(before, release))
            });
        self.wanted = wanted;
        changed
    }

    /// Takes over who may ask each owner for a version, and says where nobody may for want of a key. True where that changes:
    /// a key may come late, or be replaced.
    pub(super) fn admit(&mut self, secrets: &Secrets) -> bool {
        let mut overrides = BTreeMap::new();
        for (owner, release) in &self.shown {
            let (rule, keyless) = keys::overrides(&release.wanted.override_rule, secrets);
            overrides.insert(owner.clone(), rule);
            let keyless = keyless.map(|problem| format!("{owner}: {problem}"));
            self.problems.extend(keyless);
        }
        let changed = self.overrides != overrides;
        self.overrides = overrides;
        changed
    }

    /// What stands against what is wanted, before the plan is asked.
    pub(super) fn complain(
        &mut self,
        tools: &Tools<'_>,
        asked: &[Arc<Release>],
        resolutions: &[Resolution],
    ) {
        for (release, resolution) in asked.iter().zip(resolutions) {
            let owner = branch::owner(release);
            let held = if self.lingering.contains_key(&owner) {
                let why = "it is not in the releases any more, and goes on where who claims its place does not answer yet";
                Some(why.to_owned())
            } else {
                tools.tip.older(&owner).map(|commit| {
                    format!("it is as {commit} has it; the problems of the repository say why")
                })
            };
            let against = resolution.faults().chain(&resolution.strayed);
            let problems = (against.map(ToString::to_string))
                .chain(held)
                .map(|problem| format!("{owner}: {problem}"));
            let problems: Vec<String> = problems.collect();
            self.problems.extend(problems);
        }
    }

    /// True where git says now that a version of an owner is another one than that which is served as it.
    pub(super) fn has_strayed(&self, owner: &Owner) -> bool {
        let mut pinned = self.remembered.pinned.get(owner).into_iter().flatten();
        pinned.any(|pinned| {
            let record = self.remembered.records.get(&pinned.number);
            let word = VersionWord::Number(pinned.number);
            let is_other =
                |found: &VersionRecord| record.is_some_and(|record| found.commit != record.commit);
            match self.lookups.answer(&word) {
                Answer::Is(found) => is_other(found),
                // Its tag names a commit that is no version.
                Answer::Not(trouble) => trouble.reason == Reason::VersionForeign,
                Answer::Unknown => false,
            }
        })
    }

    /// What waits, for people.
    pub(super) fn say(&mut self, plan: &plan::Plan) {
        for split in &plan.splits {
            for waiting in &split.waiting {
                if self.returns(&split.owner, waiting.version) {
                    continue;
                }
                let why = match &waiting.cause {
                    Cause::NotReady(functions) => {
                        let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
                        let troubles = self.troubles(waiting.version);
                        troubles.unwrap_or_else(|| format!("{} is not ready", names.join(", ")))
                    }
                    Cause::Settling => "is about to get its share".to_owned(),
                    Cause::Capacity { function, .. } => format!("{function} has too few processes"),
                    Cause::Backends(count) => format!("{count} versions at once are too many"),
                };
                self.problems
                    .push(format!("{}: {}: {why}", split.owner, waiting.version));
            }
        }
        let mut returning = BTreeSet::new();
        for owner in self.wanted.keys() {
            let served = self.remembered.served.get(owner);
            for version in served.iter().flat_map(|served| served.versions()) {
                if self.returns(owner, version) {
                    let why = self.troubles(version);
                    let why = why.unwrap_or_else(|| "is being started".to_owned());
                    returning.insert(format!(
                        "{owner}: {version}, which was served before: {why}"
                    ));
                }
            }
        }
        self.problems.extend(returning);
    }

    /// True for a version that served an owner before, and is not back yet.
    fn returns(&self, owner: &Owner, version: VersionNumber) -> bool {
        let served = self.remembered.served.get(owner);
        let mut versions = served.into_iter().flat_map(Served::versions);
        self.returning.has(version) && versions.any(|served| served == version)
    }

    /// Why a version that runs is not ready; nothing where it is, or does not run.
    fn troubles(&self, version: VersionNumber) -> Option<String> {
        let troubles = self.running.get(&version).map(Materialised::troubles);
        let troubles = troubles.filter(|troubles| !troubles.is_empty());
        troubles.map(|troubles| troubles.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::state::Remembered;
    use super::*;
    use crate::releases;

    /// A shop that served version 1 when it was removed, and goes on for as long as `goes_on`.
    fn removed(goes_on: bool) -> App {
        let text = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: shop}\nspec: {app: shop, repository: shop, versions: [{version: 1, percentage: 100}]}\n";
        let release = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        let release = Arc::new(release.releases[0].clone());
        let spec = Spec::from(&release.object);
        let pinned = json!([{"word": "v1", "number": 1, "share": 100}]);
        let remembered: Remembered = serde_json::from_value(json!({
            "asked": {"cwd/shop": spec}, "shown": {"cwd/shop": spec},
            "pinned": {"cwd/shop": pinned}, "words": {"cwd/shop": pinned},
        }))
        .unwrap();
        let mut app = App::of(remembered);
        let asked = if goes_on { vec![release] } else { Vec::new() };
        let pending = [Resolution::default()];
        app.adopt(&asked, &pending[..asked.len()]);
        app
    }

    #[test]
    fn what_was_removed_leaves_no_versions_that_it_could_come_back_with() {
        assert_eq!(removed(false).remembered, Remembered::default());
        let held = removed(true).remembered;
        assert!(held.pinned.len() == 1 && held.asked.len() == 1 && held.words.len() == 1);
    }
}
