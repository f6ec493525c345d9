//! What the gateway goes by for each owner: what it wants, or what it wanted before, as long as a version is served that is wanted
//! no more. Routes, rules and overrides go with the versions that they were written for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::app::App;
use super::state::Spec;
use crate::plan::Owner;
use crate::releases::Release;

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
