//! Publishing what a living version holds already: no new version, but its label and its hints are brought to what was asked.

use git2::Oid;

use super::attempt::Attempt;
use super::candidate::update;
use super::contention::{Contention, Moved};
use super::error::{PublishError, StoreError};
use super::history;
use super::label::{Given, Target};
use super::refs::AppRefs;
use super::request::{Outcome, Published, Warning, WarningReason};
use super::version::{self, Version};
use super::workspace::Workspace;
use crate::words::{AppName, shown};

/// Most bytes of a server's words that are shown.
const WHY_MAX: usize = 300;

impl Attempt<'_> {
    /// The content is there: heals the hint, and adds the label.
    pub(super) fn unchanged(
        &self,
        version: Version,
        refs: &AppRefs,
    ) -> Result<Published, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the version", &error.message());
        let commit = Oid::try_from(&version.commit).map_err(fail)?;
        let mut published = Published {
            outcome: Outcome::Unchanged,
            version,
            added_label: None,
            label_moved_from: None,
            warnings: Vec::new(),
        };
        let request = self.request;
        if !request.dry_run
            && let Some(warning) = self.heal(refs.clone(), commit)?
        {
            published.warnings.push(warning);
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

    /// Brings the hint, and `last` where it lags behind the tags, to what the tags say. A warning where the remote does
    /// not take `last`, or may not have it.
    ///
    /// Both stay behind after a push that was not atomic. Where the server refuses them, the next publisher tries again.
    fn heal(&self, mut refs: AppRefs, commit: Oid) -> Result<Option<Warning>, PublishError> {
        let mut contention = Contention::new();
        loop {
            let mut updates = Vec::new();
            let (repo, app) = (&self.workspace.repo, &self.request.app);
            let newest = history::newest_own(repo, app, &refs);
            let last = refs.last.and_then(|oid| version::number_in(repo, app, oid));
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
            if error.is_interrupt() {
                return Err(PublishError::Interrupted(error));
            }
            contention.pause();
            refs = self.workspace.refresh(app)?;
            // A server that refuses hints is asked once; whoever publishes next asks it again.
            if refs == before {
                let why = error.to_string();
                return Ok(lagging.map(|_| self.workspace.numbers_not_kept(app, &why)));
            }
            if contention.lost(Moved::Expected).is_err() {
                return Ok(None);
            }
        }
    }

    /// A warning where `last` is not at the remote, though it was pushed there just now, or where that is not known.
    pub(super) fn unkept(&self, commit: Oid) -> Option<Warning> {
        let app = &self.request.app;
        let refs = self.workspace.refresh(app);
        self.workspace.kept(app, refs.as_ref(), commit)
    }
}

impl Workspace {
    /// What the publisher is told of `last`, after it was pushed to `commit` and the refs were read anew; nothing where it is
    /// there.
    pub(super) fn kept(
        &self,
        app: &AppName,
        refs: Result<&AppRefs, &StoreError>,
        commit: Oid,
    ) -> Option<Warning> {
        match refs {
            Ok(refs) => unkept(refs, commit).map(|why| self.numbers_not_kept(app, &why)),
            Err(error) => Some(not_looked_at(app, self.remote(), &error.to_string())),
        }
    }

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

/// What the publisher is told where nobody knows whether the remote has `last`.
fn not_looked_at(app: &AppName, remote: &str, why: &str) -> Warning {
    let why = shown(why, WHY_MAX);
    Warning {
        reason: WarningReason::NumbersNotKept,
        message: format!(
            "whether refs/cutwater/{app}/last is kept at remote `{remote}` could not be looked at: {why}"
        ),
    }
}

/// Why `last` is not there, as refs say it that were read after it was pushed to `commit`.
fn unkept(refs: &AppRefs, commit: Oid) -> Option<String> {
    // Another publisher may have moved it on meanwhile.
    (refs.last.is_none() && refs.tags.values().any(|tag| *tag == commit))
        .then(|| "it was pushed, and is not there".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_failed_says_nothing_of_what_the_server_keeps() {
        let app: AppName = "shop".parse().unwrap();
        let warning = not_looked_at(&app, "origin", "no answer within 5 s");
        assert_eq!(
            warning.message,
            "whether refs/cutwater/shop/last is kept at remote `origin` could not be looked at: no answer within 5 s"
        );
        let commit = Oid::from_bytes(&[1; 20]).unwrap();
        let mut refs = AppRefs::default();
        assert_eq!(unkept(&refs, commit), None);
        refs.tags.insert("1".to_owned(), commit);
        assert!(unkept(&refs, commit).is_some());
        refs.last = Some(commit);
        assert_eq!(unkept(&refs, commit), None);
    }
}
