//! The commit and the push; against any number of others at the same time, and against whoever stops it.

use std::time::Duration;

use git2::Oid;
use git2::build::TreeUpdateBuilder;

use super::decide::{Decision, Edit};
use super::error::ReleaseError;
use super::look::{self, Look};
use super::sent::{Sent, SentAll};
use super::target;
use super::{ReleaseOutcome, ReleaseRequest, Released, Wish, reach};
use crate::git::{self, GitError, GitErrorKind, RefUpdate, Shield};
use crate::releases::message;
use crate::store::commit::NewCommit;
use crate::store::contention::{Contention, GivenUp, Moved};
use crate::store::error::StoreError;
use crate::store::refs::Space;
use crate::store::workspace::Workspace;
use crate::words::CommitId;

/// Longest time for the look at the branch after a signal.
const LOOK: Duration = Duration::from_secs(10);

/// Changes an object of `releases/`. `progress` is told what takes time.
///
/// # Errors
/// Why nothing was changed; or that it is not known whether something was.
pub fn release(
    workspace: &Workspace,
    request: &ReleaseRequest,
    progress: &mut dyn FnMut(&str),
) -> Result<Released, ReleaseError> {
    workspace.may_push()?;
    check_branch(workspace, request)?;
    let mut sent = SentAll::default();
    let done = change(workspace, request, &mut sent, progress);
    done.map_err(|error| sent.said(workspace, request, error))
}

/// Tries until it is done, or cannot be. In `sent` is then what may have arrived, or may arrive yet.
fn change(
    workspace: &Workspace,
    request: &ReleaseRequest,
    sent: &mut SentAll,
    progress: &mut dyn FnMut(&str),
) -> Result<Released, ReleaseError> {
    let remote = workspace.remote();
    progress(&format!(
        "reading the releases of {} at {remote}",
        request.app
    ));
    let mut look = Look::of(workspace, request, look::survey(workspace, request)?)?;
    let first = look.release.wanted.versions.clone();
    let mut contention = Contention::new();
    // From the first push to the end of what is done behind it: whoever stops that has to know what became of it.
    let mut shield = None;
    loop {
        let decision = match look.decide(workspace, request) {
            Ok(decision) if decision.edit == Edit::Same => {
                let outcome = ReleaseOutcome::Unchanged;
                return Ok(look.released(workspace, request, decision, outcome));
            }
            // What somebody else wrote meanwhile is not overwritten by what was decided before.
            _ if look.release.wanted.versions != first => {
                return Err(look.changed_meanwhile(workspace, request));
            }
            decision => decision?,
        };
        look.warn(workspace, request, &decision)?;
        if request.dry_run {
            return Ok(look.released(workspace, request, decision, ReleaseOutcome::WouldChange));
        }
        if let Some(commit) = look.proposed(workspace, request, &decision) {
            return Ok(look.done(workspace, request, decision, commit, progress));
        }
        let commit = look.commit(workspace, request, &decision)?;
        progress(&format!("pushing to {remote}"));
        let atomic = contention.is_atomic();
        shield.get_or_insert_with(Shield::raise);
        let Err(error) = look.push(workspace, request, &decision, commit, atomic) else {
            return Ok(look.done(workspace, request, decision, commit, progress));
        };
        contention.pause();
        let survey = (!git::was_interrupted()).then(|| look::survey(workspace, request));
        let survey = match survey.filter(|_| !git::was_interrupted()) {
            Some(Ok(survey)) => survey,
            None => {
                let last = Sent {
                    look,
                    decision,
                    commit,
                    error,
                };
                return stopped(workspace, request, sent, last, progress);
            }
            Some(Err(away)) => {
                return Err(if sent.unseen(look, decision, commit, &error) {
                    away.into()
                } else {
                    refusal(workspace, request, error)
                });
            }
        };
        let before = look.standing();
        sent.add(look, decision, commit, error.clone());
        let tip = look::tip(&survey, request.onto(workspace));
        if let Some(there) = sent.arrived(workspace, request, tip) {
            return Ok(there.done(workspace, request, progress));
        }
        if let Some(name) = &request.branch
            && tip.is_some()
        {
            return Err(ReleaseError::Branch {
                name: name.clone(),
                problem: format!(
                    "it is at remote `{remote}` already; choose another name, or delete it there"
                ),
            });
        }
        look = Look::of(workspace, request, survey)?;
        let moved = if look.standing() == before {
            Moved::Nothing
        } else {
            Moved::Expected
        };
        contention.lost(moved).map_err(|end| match end {
            GivenUp::Refused => refusal(workspace, request, error),
            GivenUp::Outrun(_) => ReleaseError::GaveUp(workspace.settings().branch.clone()),
        })?;
    }
}

/// A signal came for a push, or after it: nothing is tried again, and the branch is looked at once more. `last` is what was pushed last.
fn stopped(
    workspace: &Workspace,
    request: &ReleaseRequest,
    sent: &mut SentAll,
    last: Sent,
    progress: &mut dyn FnMut(&str),
) -> Result<Released, ReleaseError> {
    let shown = CommitId::from(last.commit).short().to_owned();
    let error = last.error.clone();
    let say = |message: String| {
        ReleaseError::Interrupted(GitError {
            kind: GitErrorKind::Interrupted,
            message,
            ..error.clone()
        })
    };
    // It was looked at already, and is where it was, or nobody can look.
    if error.kind == GitErrorKind::Interrupted {
        return Err(say(format!("{error}; the commit is {shown}")));
    }
    let branch = request.onto(workspace);
    let not_there =
        || format!("stopped, and not pushed: commit {shown} is not in branch `{branch}`");
    match workspace.tip(branch, LOOK) {
        Ok(tip) => {
            sent.add(last.look, last.decision, last.commit, last.error);
            if let Some(there) = sent.arrived(workspace, request, tip) {
                return Ok(there.done(workspace, request, progress));
            }
            Err(say(if sent.may_come() {
                "stopped before it was tried again".to_owned()
            } else {
                not_there()
            }))
        }
        Err(away) => Err(
            if sent.unseen(last.look, last.decision, last.commit, &last.error) {
                away.into()
            } else {
                say(not_there())
            },
        ),
    }
}

/// The new branch can be made.
fn check_branch(workspace: &Workspace, request: &ReleaseRequest) -> Result<(), ReleaseError> {
    let Some(name) = &request.branch else {
        return Ok(());
    };
    let fail = |problem: &str| {
        Err(ReleaseError::Branch {
            name: name.clone(),
            problem: problem.to_owned(),
        })
    };
    if *name == workspace.settings().branch {
        return fail("it is the branch whose releases count; leave --branch out to change it");
    }
    let whole = format!("refs/heads/{name}");
    if let Some(short) = name.strip_prefix("refs/heads/") {
        return fail(&format!("write the name alone: {short}"));
    }
    if name.starts_with("refs/")
        || name == "@"
        || name.starts_with('-')
        || name == "HEAD"
        || !git2::Reference::is_valid_name(&whole)
    {
        return fail("git takes no branch of that name");
    }
    Ok(())
}

/// The remote said no, and stayed as it was.
fn refusal(workspace: &Workspace, request: &ReleaseRequest, source: GitError) -> ReleaseError {
    let advice = match source.kind {
        GitErrorKind::Protected | GitErrorKind::Refused | GitErrorKind::Forbidden
            if request.branch.is_none() =>
        {
            " (where changes come by pull requests, --pull-request opens one, and --branch NAME pushes a branch for one)"
        }
        // Its advice is about tags.
        GitErrorKind::Protected => "",
        _ => source.advice(),
    };
    ReleaseError::Refused {
        branch: request.onto(workspace).clone(),
        source,
        advice,
    }
}

impl Look {
    /// Notes what may keep the change from being served; an error where it never could be.
    fn warn(
        &mut self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: &Decision,
    ) -> Result<(), ReleaseError> {
        self.warnings = reach::check(workspace, &self.survey.history, &self.release, decision)?;
        if !decision.parts.is_empty() {
            (self.warnings).extend(target::copies(&self.branch, &self.release));
            (self.warnings).extend(target::rival_warnings(&self.branch, &self.release));
        }
        if matches!(request.wish, Wish::RollBack(None)) {
            self.warnings.extend(self.apart());
        }
        self.warnings.extend(decision.warnings.iter().cloned());
        Ok(())
    }

    /// The commit with the file as it is to be. It is in this clone alone.
    fn commit(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: &Decision,
    ) -> Result<Oid, ReleaseError> {
        let repo = &workspace.repo;
        let fail = |error: git2::Error| StoreError::local("the commit", &error.message());
        let mut update = TreeUpdateBuilder::new();
        match &decision.edit {
            Edit::Content(bytes) => {
                let blob = repo.blob(bytes).map_err(fail)?;
                update.upsert(self.release.file.as_str(), blob, self.mode);
            }
            Edit::Same | Edit::Removed => {
                update.remove(self.release.file.as_str());
            }
        }
        let text = message::write(
            &decision.title,
            request.message.as_deref(),
            &request.app,
            &decision.from,
            &request.provenance,
        );
        let mut write = || {
            let tip = repo.find_commit(self.tip)?;
            update.create_updated(repo, &tip.tree()?)
        };
        Ok(workspace.write_commit(&NewCommit {
            tree: write().map_err(fail)?,
            parent: Some(self.tip),
            author: &request.author,
            time: &request.time,
            message: &text,
            sign: workspace.sign(request.sign),
        })?)
    }

    /// Pushes the commit, if the branch is where it was read, and if the versions that it asks for are still there.
    fn push(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: &Decision,
        commit: Oid,
        atomic: bool,
    ) -> Result<(), GitError> {
        let (name, expected) = match &request.branch {
            Some(name) => (name, None),
            None => (&self.branch.name, Some(self.tip)),
        };
        let mut updates = vec![RefUpdate {
            name: format!("refs/heads/{name}"),
            expected,
            new: Some(commit),
        }];
        if atomic {
            let space = Space::canonical(&request.app);
            let tags = &self.survey.refs.tags;
            updates.extend(decision.parts.iter().filter_map(|part| {
                let tag = *tags.get(&part.version.to_string())?;
                Some(RefUpdate {
                    name: space.version(part.version),
                    expected: Some(tag),
                    new: Some(tag),
                })
            }));
        }
        workspace.push(&updates, atomic)
    }
}
