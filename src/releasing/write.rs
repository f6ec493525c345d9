//! The commit and the push; against any number of others at the same time.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid};

use super::decide::{self, Decision, Edit};
use super::error::{ChangedMeanwhile, ReleaseError};
use super::target;
use super::{ReleaseOutcome, ReleaseRequest, Released, Wish, reach, unpushed};
use crate::git::{GitError, GitErrorKind, RefUpdate};
use crate::releases::{Release, message};
use crate::store::Branch;
use crate::store::commit::NewCommit;
use crate::store::contention::{Contention, GivenUp, Moved};
use crate::store::error::StoreError;
use crate::store::objects;
use crate::store::refs::Space;
use crate::store::workspace::Workspace;
use crate::users::{self, Change, Reach, Scope, Survey};

/// Most records of a ledger that a rollback looks at, and changes of the branch that say who changed an object.
const PAST_MAX: usize = 1_000;
/// Largest file of releases.
const FILE_MAX: usize = 1024 * 1024;

/// Changes an object of `releases/`. `progress` is told what takes time.
///
/// # Errors
/// Why nothing was changed.
pub fn release(
    workspace: &Workspace,
    request: &ReleaseRequest,
    progress: &mut dyn FnMut(&str),
) -> Result<Released, ReleaseError> {
    workspace.may_push()?;
    check_branch(workspace, request)?;
    let remote = workspace.remote().to_owned();
    progress(&format!(
        "reading the releases of {} at {remote}",
        request.app
    ));
    let mut look = Look::at(workspace, request)?;
    let first = look.release.wanted.versions.clone();
    let mut contention = Contention::new();
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
        look.warnings = reach::check(workspace, &look.survey.history, &look.release, &decision)?;
        if !decision.parts.is_empty() {
            (look.warnings).extend(target::copies(&look.branch, &look.release));
            (look.warnings).extend(target::rival_warnings(&look.branch, &look.release));
        }
        if matches!(request.wish, Wish::RollBack(None)) {
            look.warnings.extend(look.apart());
        }
        look.warnings.extend(decision.warnings.iter().cloned());
        if request.dry_run {
            return Ok(look.released(workspace, request, decision, ReleaseOutcome::WouldChange));
        }
        let commit = look.commit(workspace, request, &decision)?;
        progress(&format!("pushing to {remote}"));
        let atomic = contention.is_atomic();
        let Err(refused) = look.push(workspace, request, &decision, commit, atomic) else {
            return Ok(look.done(workspace, request, decision, commit));
        };
        if refused.is_interrupt() {
            return Err(ReleaseError::Interrupted(refused));
        }
        contention.pause();
        let now = match Look::at(workspace, request) {
            Ok(now) => now,
            // It may have arrived all the same, and a second rollback would go further back.
            Err(away) => {
                return Err(ReleaseError::PushUnknown {
                    branch: workspace.settings().branch.clone(),
                    commit: commit.to_string(),
                    push: refused,
                    look: Box::new(away),
                });
            }
        };
        let before = std::mem::replace(&mut look, now);
        if look.holds(workspace, request, commit)? {
            return Ok(before.done(workspace, request, decision, commit));
        }
        let moved = if look.stands_as(&before) {
            Moved::Nothing
        } else {
            Moved::Expected
        };
        contention.lost(moved).map_err(|end| match end {
            GivenUp::Refused => refusal(workspace, request, refused),
            GivenUp::Outrun(_) => ReleaseError::GaveUp(workspace.settings().branch.clone()),
        })?;
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
            " (where changes come by pull requests, push a branch for one: --branch NAME)"
        }
        // Its advice is about tags.
        GitErrorKind::Protected => "",
        _ => source.advice(),
    };
    let tracked = &workspace.settings().branch;
    ReleaseError::Refused {
        branch: request.branch.as_ref().unwrap_or(tracked).clone(),
        source,
        advice,
    }
}

/// What the remote held when it was looked at.
pub(super) struct Look {
    survey: Survey,
    pub(super) branch: Branch,
    tip: Oid,
    pub(super) release: Release,
    pub(super) bytes: Vec<u8>,
    mode: FileMode,
    /// What may keep the change from being served.
    pub(super) warnings: Vec<String>,
}

impl Look {
    /// What is said where ledgers tell what was served, and none of them is known to be that of the object.
    fn apart(&self) -> Option<String> {
        let ledgers = users::apart(&self.survey, &self.branch, &self.release);
        let names: Vec<&str> = ledgers.iter().map(|name| name.as_str()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the ledgers of {} were left aside, since it is not known which of them is that of {}: by the branch alone, a version that never ran counts like any other; where its environment is called as its namespace, metadata.namespace in its file says so",
                names.join(", "),
                target::shown(&self.release)
            )
        })
    }

    fn at(workspace: &Workspace, request: &ReleaseRequest) -> Result<Self, ReleaseError> {
        let settings = workspace.settings();
        let scope = match request.branch {
            Some(_) => Scope::Branches,
            None => Scope::Tracked,
        };
        let records = match request.wish {
            Wish::RollBack(None) => PAST_MAX,
            _ => 1,
        };
        let survey = workspace.survey(&request.app, scope, records)?;
        if let Some(problem) = &survey.unlike {
            return Err(StoreError::local("where releases are", problem).into());
        }
        let mut branches = survey.branches.iter();
        let branch = branches.find(|branch| branch.name == settings.branch);
        let branch = branch.cloned().ok_or_else(|| ReleaseError::NoBranch {
            branch: settings.branch.clone(),
            remote: workspace.remote().to_owned(),
        })?;
        let apps = || {
            let tip = workspace.source(Some(&branch.commit));
            tip.and_then(|tip| workspace.apps(&tip)).unwrap_or_default()
        };
        let release = target::find(request, settings, &survey, &branch, apps)
            .map_err(|error| unpushed::or(error, workspace, request, &branch))?
            .clone();
        let fail = |problem: String| StoreError::local(release.file.clone(), &problem);
        let tip =
            Oid::from_str(&branch.commit).map_err(|error| fail(error.message().to_owned()))?;
        let commit = objects::commit(&workspace.repo, tip).map_err(fail)?;
        let tree = objects::tree(&workspace.repo, commit.tree_id()).map_err(fail)?;
        let entry = tree.get_path(Path::new(&release.file));
        let entry = entry.map_err(|error| fail(error.message().to_owned()))?;
        let bytes = objects::blob(&workspace.repo, entry.id(), FILE_MAX).map_err(fail)?;
        let mode = match entry.filemode_raw() {
            0o100_755 => FileMode::BlobExecutable,
            _ => FileMode::Blob,
        };
        drop((entry, tree, commit));
        Ok(Self {
            survey,
            branch,
            tip,
            release,
            bytes,
            mode,
            warnings: Vec::new(),
        })
    }

    fn decide(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
    ) -> Result<Decision, ReleaseError> {
        // All of it: a version may have been left long ago.
        let past = |fetches| {
            let ledgers = self.survey.ledgers.iter();
            let entries = ledgers.flat_map(|ledger| &ledger.entries);
            let marks = entries.filter_map(|entry| entry.served.release_commit.as_deref());
            let marks: Vec<&str> = marks.collect();
            let reach = Reach {
                marks: &marks,
                fetches,
            };
            workspace.past_until(&request.app, &self.branch, &reach, |_| false)
        };
        decide::decide(
            request,
            &self.survey,
            &self.branch,
            &self.release,
            &self.bytes,
            past,
        )
    }

    /// True where nothing that a push depends on is another than before.
    fn stands_as(&self, before: &Self) -> bool {
        let heads = |look: &Self| -> Vec<(String, String)> {
            let heads = look.survey.branches.iter();
            heads
                .map(|branch| (branch.name.clone(), branch.commit.clone()))
                .collect()
        };
        self.survey.refs == before.survey.refs && heads(self) == heads(before)
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

    /// True where the commit has arrived, whatever was said about the push.
    fn holds(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        commit: Oid,
    ) -> Result<bool, ReleaseError> {
        let Some(name) = &request.branch else {
            let above = workspace.repo.graph_descendant_of(self.tip, commit);
            return Ok(self.tip == commit || above.unwrap_or(false));
        };
        let mut branches = self.survey.branches.iter();
        match branches.find(|branch| branch.name == *name) {
            None => Ok(false),
            Some(branch) if branch.commit == commit.to_string() => Ok(true),
            Some(_) => Err(ReleaseError::Branch {
                name: name.clone(),
                problem: format!(
                    "it is at remote `{}` already; choose another name, or delete it there",
                    workspace.remote()
                ),
            }),
        }
    }

    /// Who changed the object.
    fn changed_meanwhile(&self, workspace: &Workspace, request: &ReleaseRequest) -> ReleaseError {
        let past = workspace.past(&request.app, &self.branch, PAST_MAX, &[]);
        let release = &self.release;
        let is_this = |change: &&Change| change.is_of(release) && change.unknown.is_none();
        let versions: Vec<String> = (release.wanted.versions.iter())
            .map(|entry| format!("{} {}%", entry.version, entry.percentage))
            .collect();
        let Some(change) = past.changes.iter().find(is_this) else {
            return ReleaseError::GaveUp(self.branch.name.clone());
        };
        ReleaseError::ChangedMeanwhile(Box::new(ChangedMeanwhile {
            what: target::shown(release),
            who: change.author.name.clone(),
            commit: change.commit.chars().take(12).collect(),
            when: change.at,
            message: change.message.clone(),
            versions: versions.join(", "),
        }))
    }
}
