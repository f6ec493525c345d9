//! Publishing: a snapshot commit, and the refs that make it a version, against any number of other publishers.
//!
//! No lock, no counter. Each push says which refs it was decided on, and the remote takes it only if they are still so;
//! what a refused push means, the refs say when they are read again. Messages are shown, never parsed.
//!
//! # With refs that may be old
//!
//! The first push asks nobody first: it expects the refs as they were seen last ([`Workspace::seen_refs`]), however long ago
//! that was, and it is one atomic push or none. That gives no number twice, and no content a second version:
//!
//! - Whoever publishes moves `last` to a commit that nothing pointed at before (its nonce is random), in the push that
//!   makes the tag. So if `last` is as it was seen, nobody has published since. Everything else that may have happened
//!   takes away (a version deleted, a tag deleted by hand), or is not ours (a tag made by hand at a higher number). A
//!   deletion that was taken back has brought back the hint of its content.
//!   The number is above all that were seen and above `last`, so it was never given, also where its tag is gone.
//! - `last` lags only behind a push that was not atomic. Then the tag is there: the create-only tag refuses. If the tag
//!   was deleted by hand as well before anybody saw it, nothing in the world says that its number was given.
//! - `last` may have been moved by hand, which no forge keeps anybody from. Where nothing backs what it says, nothing is
//!   pushed without a word of the publisher's ([`PublishError::Unbacked`]). Whatever the remote keeps, this clone remembers
//!   the newest version that it ever saw, and gives no number up to it.
//! - If the refs were seen in part (a fetch was killed), `last` may be newer than the tags that were seen: then they are
//!   not used ([`known_well`]). Tags newer than `last` make the number too high or the expectation old, and it is refused.
//! - The hint of the content is expected too: where another has published it, the push is refused.
//! - The label is expected as it was seen, so it is never taken from anybody by mistake.
//!
//! Only a success is believed. A refusal, an app that was never seen, content that seems to be there and a label that
//! seems to be taken are looked at again with refs that are fetched, from [`Attempt::with_fresh_refs`] on.
//!
//! # Without atomic pushes
//!
//! A server that does not offer them refuses the atomic push, and nothing there has changed. Only then, and only with refs
//! that were just fetched, the tag is pushed by itself: it is created by one publisher alone, and makes the version. `last`
//! and the hint follow; where they stay behind, the next publisher brings them on. Where the server never takes `last`, or
//! takes it and does not have it, each publish says so. Here the expectation of `last` does
//! not guard the tag, so refs that are old would not do: who finds a number free must have looked just now. What is left is
//! a tag that is published and deleted by hand between that look and the push.

use super::attempt::Attempt;
use super::by_content;
use super::candidate::{Candidate, highest};
use super::contention::{Contention, GivenUp, Moved};
use super::error::{PublishError, StoreError};
use super::refs::AppRefs;
use super::request::{Outcome, Published, Request, Warning, WarningReason};
use super::version::{self, Version};
use super::workspace::Workspace;
use crate::git::{GitError, Shield};
use crate::words::VersionNumber;

/// Most refusals for which the refs show no reason.
const TRIES_MAX: u32 = 10;
/// Most tries in all: as many publishers of one app can race.
const RACES_MAX: u32 = 200;

/// Publishes an app. `progress` is told what takes time.
///
/// # Errors
/// Why there is no version; nothing is half published: without its tag there is no version.
pub fn publish(
    workspace: &Workspace,
    request: &Request,
    progress: &mut dyn FnMut(&str),
) -> Result<Published, PublishError> {
    workspace.may_push()?;
    let seen = workspace.seen_refs(&request.app)?;
    let attempt = Attempt::new(workspace, request, &seen)?;
    let mut tried = None;
    if !request.dry_run && known_well(workspace, request, &seen) {
        match attempt.at_once(seen, progress)? {
            Some(Ok(published)) => return Ok(published),
            Some(Err(refused)) => tried = Some(refused),
            None => {}
        }
    }
    attempt.with_fresh_refs(tried, progress)
}

/// True where a push may be decided on refs that were seen some time ago: they are there, and were seen as a whole.
fn known_well(workspace: &Workspace, request: &Request, seen: &AppRefs) -> bool {
    let number = |last| version::number_in(&workspace.repo, &request.app, last);
    let newest = seen.last.and_then(number);
    newest.is_some_and(|number| seen.tags.contains_key(&number.to_string()))
}

/// What is said where the remote cannot be looked at after a push; `may_arrive` is true where an earlier one got no answer.
fn unseen(push: &GitError, may_arrive: bool, source: StoreError) -> PublishError {
    let push = push.clone();
    if push.is_interrupt() {
        PublishError::Interrupted(push.after(may_arrive))
    } else if may_arrive || push.may_have_arrived() {
        PublishError::Unseen { push, source }
    } else {
        source.into()
    }
}

/// A push that was refused, or whose answer never came.
pub(super) struct Refused {
    pub(super) candidate: Candidate,
    /// What it was decided on.
    pub(super) refs: AppRefs,
    pub(super) error: GitError,
    /// False where versions of other apps were in the same push, so that one of them may be the reason.
    pub(super) alone: bool,
}

impl Attempt<'_> {
    /// Pushes on what was seen last; nothing where that calls for another look at the remote.
    fn at_once(
        &self,
        seen: AppRefs,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Result<Published, Box<Refused>>>, PublishError> {
        if self.living(&seen).is_some() {
            return Ok(None);
        }
        let candidate = match self.candidate(&seen) {
            Ok(candidate) => candidate,
            // Another look would ask for the key again, and find the same.
            Err(error @ PublishError::Commit(_)) => return Err(error),
            Err(_) => return Ok(None),
        };
        Ok(Some(self.push(candidate, seen, true, progress)))
    }

    /// Publishes with refs that are read anew before each try. `tried` is what was refused before.
    pub(super) fn with_fresh_refs(
        &self,
        mut tried: Option<Box<Refused>>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Published, PublishError> {
        let (workspace, request) = (self.workspace, self.request);
        // Between two pushes, too, whoever stops it is told what became of them.
        let mut shield = tried.is_some().then(Shield::raise);
        progress(&format!(
            "reading the versions of {} at {}",
            request.app,
            workspace.remote()
        ));
        let mut contention = Contention::within(RACES_MAX, TRIES_MAX);
        let mut may_arrive = false;
        loop {
            if tried.is_some() {
                shield.get_or_insert_with(Shield::raise);
            }
            if tried
                .as_ref()
                .is_some_and(|refused| !refused.error.is_interrupt())
            {
                contention.pause();
            }
            let refs = match (workspace.refresh(&request.app), &tried) {
                (Ok(refs), _) => refs,
                (Err(source), None) => return Err(source.into()),
                (Err(source), Some(refused)) => {
                    return Err(unseen(&refused.error, may_arrive, source));
                }
            };
            if let Some(refused) = tried {
                let Refused {
                    candidate,
                    refs: before,
                    error,
                    alone,
                } = *refused;
                let number = candidate.version.number;
                if refs.tags.get(&number.to_string()) == Some(&candidate.commit) {
                    if error.is_interrupt() {
                        return self.landed(candidate, &refs, &error);
                    }
                    // It arrived all the same; a label that is not there is added to it now.
                    let labelled = self.unchanged(candidate.version, &refs);
                    let mut labelled = labelled.map_err(|source| PublishError::Landed {
                        app: request.app.clone(),
                        number,
                        source: Box::new(source),
                    })?;
                    let lost = self.lost(labelled.version.number);
                    labelled.warnings.splice(0..0, lost);
                    return Ok(Published {
                        outcome: Outcome::Published,
                        ..labelled
                    });
                }
                if error.is_interrupt() {
                    return Err(PublishError::Interrupted(error.after(may_arrive)));
                }
                may_arrive |= error.may_arrive();
                // Whoever took the number explains the refusal. If nobody did, the server may not offer atomic pushes:
                // the tag alone makes a version. Of a push of several apps any other one may be the reason.
                let moved = if refs == before {
                    Moved::Nothing
                } else if highest(workspace, request, &refs) == highest(workspace, request, &before)
                {
                    Moved::Other
                } else {
                    Moved::Expected
                };
                if alone {
                    contention.lost(moved).map_err(|end| match end {
                        GivenUp::Refused => PublishError::Refused(error),
                        GivenUp::Outrun(races) => PublishError::TooManyRaces { tries: races },
                    })?;
                }
            }
            if let Some(version) = self.living(&refs) {
                return self.unchanged(version, &refs);
            }
            let candidate = self.candidate(&refs)?;
            if request.dry_run {
                return Ok(self.done(Outcome::WouldPublish, candidate));
            }
            match self.push(candidate, refs, contention.is_atomic(), progress) {
                Ok(published) => return Ok(published),
                Err(refused) => tried = Some(refused),
            }
        }
    }

    /// The living version that holds the content, as the refs say it.
    pub(super) fn living(&self, refs: &AppRefs) -> Option<Version> {
        let (repo, app) = (&self.workspace.repo, &self.request.app);
        by_content::living(repo, app, refs, self.prepared.tree)
    }

    /// Pushes the version: all refs at once, or the tag first.
    fn push(
        &self,
        candidate: Candidate,
        refs: AppRefs,
        atomic: bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Published, Box<Refused>> {
        let workspace = self.workspace;
        let (app, number) = (&self.request.app, candidate.version.number);
        let _shield = Shield::raise();
        progress(&format!("pushing {app} {number} to {}", workspace.remote()));
        let pushed = if atomic {
            workspace.push(&candidate.updates, true)
        } else {
            let (tag, rest) = candidate.updates.split_at(1);
            workspace
                .push(tag, false)
                .and_then(|()| workspace.push(rest, false))
        };
        match pushed {
            Ok(()) => {
                workspace.note(app, &candidate.updates);
                let commit = candidate.commit;
                let mut published = self.done(Outcome::Published, candidate);
                // A ref that was moved is one that the remote has and shows. One that was made is looked for once.
                let warning = refs.last.is_none().then(|| self.unkept(commit)).flatten();
                published.warnings.extend(warning);
                Ok(published)
            }
            Err(error) => Err(Box::new(Refused {
                candidate,
                refs,
                error,
                alone: true,
            })),
        }
    }

    /// A version whose push was stopped, and whose tag arrived all the same: nothing more is pushed, so its label may be missing.
    fn landed(
        &self,
        candidate: Candidate,
        refs: &AppRefs,
        error: &GitError,
    ) -> Result<Published, PublishError> {
        let label = self.request.label.as_ref();
        let missing = label.filter(|label| {
            let there = refs.tags.get(label.as_str());
            there != Some(&candidate.commit)
        });
        let Some(label) = missing else {
            return Ok(self.done(Outcome::Published, candidate));
        };
        let (app, number) = (&self.request.app, candidate.version.number);
        let message = format!(
            "stopped after {app} {number} was published; label `{label}` was not given to it: `cutwater versions label {app} {number} {label}` gives it"
        );
        let error = GitError {
            message,
            ..error.clone()
        };
        Err(PublishError::Interrupted(error))
    }

    /// A warning where no branch of the remote holds what the version is made from, as far as is known.
    fn lost(&self, number: VersionNumber) -> Option<Warning> {
        let (source, workspace) = (&self.request.source, self.workspace);
        let is_held = source.is_held.unwrap_or_else(|| workspace.has_branch());
        (!is_held).then(|| Warning {
            reason: WarningReason::SourceNotPushed,
            message: format!(
                "{} {number} is made from {:.12}, which no branch of remote `{}` is known to hold; push it, for a version says for ever what it was made from",
                self.request.app,
                source.oid,
                workspace.remote()
            ),
        })
    }

    pub(super) fn done(&self, outcome: Outcome, candidate: Candidate) -> Published {
        let lost = self.lost(candidate.version.number);
        Published {
            outcome,
            version: candidate.version,
            added_label: self.request.label.clone(),
            label_moved_from: candidate.label_moved_from,
            warnings: lost.into_iter().collect(),
        }
    }
}
