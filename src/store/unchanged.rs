//! Publishing what a living version holds already: no new version, but its label and its hints are brought to what was asked.

use git2::Oid;

use super::candidate::update;
use super::error::{PublishError, StoreError};
use super::history::{self, Version};
use super::label::{Given, Target};
use super::publish::Attempt;
use super::refs::AppRefs;
use super::request::{Outcome, Published, Warning, WarningReason};
use super::workspace::Workspace;
use crate::words::{AppName, shown};

/// Most bytes of a server's words that are shown.
const WHY_MAX: usize = 300;
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
            warnings: Vec::new(),
        };
        let request = self.request;
        if !request.dry_run
            && let Some(why) = self.heal(refs.clone(), commit)?
        {
            published
                .warnings
                .push(self.workspace.numbers_not_kept(&self.request.app, &why));
        }
        if let Some(message) = &request.message
            && message.trim() != published.version.message
        {
            let (app, number) = (&request.app, published.version.number);
            published.warnings.push(Warning {
                reason: WarningReason::MessageNotRecorded,
                message: format!(
                    "{app} {number} holds this content already, with a message of its own; what was said now is not recorded"
                ),
            });
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

    /// Brings the hint, and `last` where it lags behind the tags, to what the tags say. The remote's words where it does not
    /// take `last`.
    ///
    /// Both stay behind after a push that was not atomic. Where the server refuses them, the next publisher tries again.
    fn heal(&self, mut refs: AppRefs, commit: Oid) -> Result<Option<String>, StoreError> {
        for _ in 0..TRIES_MAX {
            let mut updates = Vec::new();
            let (repo, app) = (&self.workspace.repo, &self.request.app);
            let newest = history::newest_own(repo, app, &refs);
            let last = refs.last.and_then(|oid| history::number_in(repo, app, oid));
            let lagging = newest.filter(|(number, _)| last < Some(*number));
            if let Some((_, oid)) = lagging {
                updates.push(update(self.space.last(), refs.last, oid));
            }
            if refs.ids.get(&self.prepared.tree.to_string()) != Some(&commit) {
                updates.push(self.hint(&refs, commit));
            }
            if updates.is_empty() {
                return Ok(None);
            }
            let pushed = self.workspace.push(&updates, false);
            let before = refs;
            let Err(error) = pushed else {
                self.workspace.note(app, &updates);
                let made = lagging.filter(|_| before.last.is_none());
                return Ok(made.and_then(|(_, oid)| self.unkept(oid)));
            };
            refs = self.workspace.refresh(app)?;
            if refs == before {
                return Ok(lagging.map(|_| error.to_string()));
            }
        }
        Ok(None)
    }

    /// Why `last` is not at the remote, though it was pushed there just now; nothing where it is.
    pub(super) fn unkept(&self, commit: Oid) -> Option<String> {
        match self.workspace.refresh(&self.request.app) {
            Ok(refs) => unkept(&refs, commit),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Workspace {
    /// What the publisher is told where the remote does not have `last`.
    pub(super) fn numbers_not_kept(&self, app: &AppName, why: &str) -> Warning {
        let (remote, why) = (self.remote(), shown(why, WHY_MAX));
        Warning {
            reason: WarningReason::NumbersNotKept,
            message: format!(
                "numbers of `{app}` are not safe at remote `{remote}`: it does not take, show or keep refs/cutwater/{app}/last ({why}), so a number whose tag is deleted there may be given again, to other content; let the server take refs/cutwater/*, and until then let nobody delete tags {app}/v*"
            ),
        }
    }
}

/// Why `last` is not there, as refs say it that were read after it was pushed to `commit`.
pub(super) fn unkept(refs: &AppRefs, commit: Oid) -> Option<String> {
    // Another publisher may have moved it on meanwhile.
    (refs.last.is_none() && refs.tags.values().any(|tag| *tag == commit))
        .then(|| "it was pushed, and is not there".to_owned())
}
