//! Publishing what a living version holds already: no new version, but its label and its hints are brought to what was asked.

use git2::Oid;

use super::candidate::update;
use super::error::{PublishError, StoreError};
use super::history::{self, Version};
use super::label::{Given, Target};
use super::publish::Attempt;
use super::refs::AppRefs;
use super::request::{Outcome, Published};
use crate::words::VersionNumber;

/// Most tries to bring the hints on.
const TRIES_MAX: u32 = 10;

impl Attempt<'_> {
    /// The content is there: heals the hint, and adds the label.
    pub(super) fn unchanged(
        &self,
        version: Version,
        refs: &AppRefs,
    ) -> Result<Published, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the version", &error.message());
        let commit = Oid::from_str(&version.commit).map_err(fail)?;
        let mut published = Published {
            outcome: Outcome::Unchanged,
            version,
            added_label: None,
            label_moved_from: None,
        };
        let request = self.request;
        if !request.dry_run {
            self.heal(refs.clone(), commit)?;
        }
        let Some(label) = &request.label else {
            return Ok(published);
        };
        let target = Target {
            app: &request.app,
            number: published.version.number,
            commit,
            label,
        };
        let (may_move, dry_run) = (request.move_label, request.dry_run);
        match target.give(self.workspace, refs.clone(), may_move, dry_run)? {
            Given::Had => return Ok(published),
            Given::New => {}
            Given::MovedFrom(from) => published.label_moved_from = Some(from),
        }
        published.version.labels.push(label.clone());
        published.version.labels.sort();
        published.version.labels.dedup();
        published.added_label = Some(label.clone());
        Ok(published)
    }

    /// Brings the hint, and `last` where it lags behind the tags, to what the tags say.
    ///
    /// Both stay behind after a push that was not atomic. Where the server refuses them, the next publisher tries again.
    fn heal(&self, mut refs: AppRefs, commit: Oid) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let mut updates = Vec::new();
            if refs.ids.get(&self.prepared.tree.to_string()) != Some(&commit) {
                updates.push(self.hint(&refs, commit));
            }
            let (repo, app) = (&self.workspace.repo, &self.request.app);
            let ours = |(number, oid): &(VersionNumber, Oid)| {
                history::number_in(repo, app, *oid) == Some(*number)
            };
            let mut numbered: Vec<_> = refs.numbered().collect();
            numbered.sort_unstable();
            let newest = numbered.into_iter().rev().find(ours);
            let last = refs.last.and_then(|oid| history::number_in(repo, app, oid));
            if let Some((_, oid)) = newest.filter(|(number, _)| last < Some(*number)) {
                updates.push(update(self.space.last(), refs.last, oid));
            }
            if updates.is_empty() {
                return Ok(());
            }
            if self.workspace.push(&updates, false).is_ok() {
                self.workspace.note(app, &updates);
                return Ok(());
            }
            let before = refs;
            refs = self.workspace.refresh(app)?;
            if refs == before {
                return Ok(());
            }
        }
        Ok(())
    }
}
