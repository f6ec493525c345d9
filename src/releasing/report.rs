//! What is told of a change: versions before and now, the difference, and what became of the files of the clone.

use std::path::Path;

use git2::{Oid, Patch as FileDiff};

use super::decide::{Decision, Edit};
use super::look::Look;
use super::{ReleaseOutcome, ReleaseRequest, Released, WorkTree, alias_name};
use crate::api::WantedVersion;
use crate::forge::Place;
use crate::git::{self, Standing};
use crate::releases::Part;
use crate::store::workspace::Workspace;
use crate::users::DeployedShare;
use crate::words::{CommitId, VersionWord};

impl Look {
    /// The push has arrived.
    pub(super) fn done(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: Decision,
        commit: Oid,
        progress: &mut dyn FnMut(&str),
    ) -> Released {
        let tracked = request.branch.is_none();
        let outcome = if tracked {
            ReleaseOutcome::Changed
        } else {
            ReleaseOutcome::Proposed
        };
        let mut released = self.released(workspace, request, decision, outcome);
        released.commit = Some(commit.into());
        if tracked {
            let pushed = CommitId::from(commit);
            progress(&format!(
                "commit {} is in branch {}; the files of this clone follow",
                pushed.short(),
                self.branch.name
            ));
            released.work_tree = follow(workspace, &self.branch.name, commit);
        } else {
            let settings = workspace.settings().forge.as_ref();
            let place = Place::of(&workspace.address(), settings, None).ok();
            let page = |place: Place| place.page(&self.branch.name, &released.branch);
            released.pull_request = place.and_then(page);
        }
        released
    }

    pub(super) fn released(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: Decision,
        outcome: ReleaseOutcome,
    ) -> Released {
        let release = &self.release;
        let unreadable = self
            .branch
            .unreadable
            .iter()
            .filter(|file| file.may_concern);
        Released {
            outcome,
            app: request.app.clone(),
            kind: release.kind(),
            namespace: release.namespace().map(str::to_owned),
            name: alias_name(release)
                .unwrap_or_else(|| release.name())
                .to_owned(),
            object: release.name().to_owned(),
            file: release.file.clone(),
            before: release.wanted.versions.iter().map(asked).collect(),
            versions: decision.parts.iter().copied().map(share).collect(),
            branch: request.onto(workspace).clone(),
            onto: self.branch.commit.clone(),
            commit: None,
            diff: self.diff(&decision.edit),
            pull_request: None,
            opened_pull_request: None,
            title: decision.title,
            work_tree: WorkTree::Untouched,
            message: decision.message,
            unreadable: unreadable.map(|file| file.problem.clone()).collect(),
            rolled_back_from: decision.from,
            warnings: self.warnings.clone(),
        }
    }

    /// The change of the file, as git shows it.
    fn diff(&self, edit: &Edit) -> String {
        let new: &[u8] = match edit {
            Edit::Same => return String::new(),
            Edit::Content(bytes) => bytes,
            Edit::Removed => &[],
        };
        let path = Path::new(&self.release.file);
        let made = FileDiff::from_buffers(&self.bytes, Some(path), new, Some(path), None);
        let text = made.and_then(|mut made| made.to_buf());
        text.map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }
}

impl Workspace {
    /// True where the clone stands on commits that are not below `commit`, the newest one of a branch at the remote.
    #[must_use]
    pub fn has_own_commits(&self, commit: &CommitId) -> bool {
        let ahead = || {
            let here = self.repo.head().ok()?.target()?;
            let theirs = Oid::try_from(commit).ok()?;
            Some(self.repo.graph_ahead_behind(here, theirs).ok()?.0 > 0)
        };
        ahead().unwrap_or(false)
    }
}

/// The files of the clone go with their branch, as far as git would do that.
fn follow(workspace: &Workspace, branch: &str, commit: Oid) -> WorkTree {
    let Some(root) = workspace.repo.workdir() else {
        return WorkTree::Untouched;
    };
    let head = workspace.repo.find_reference("HEAD").ok();
    let head = head
        .as_ref()
        .and_then(|head| head.symbolic_target().ok().flatten());
    if head != Some(format!("refs/heads/{branch}").as_str()) {
        return WorkTree::Untouched;
    }
    match git::fast_forward(root, &commit.into()) {
        Ok(()) => WorkTree::Updated,
        Err(Standing::Kept(reason)) => WorkTree::Kept { reason },
        Err(Standing::Torn(reason)) => WorkTree::Torn { reason },
    }
}

fn asked(entry: &WantedVersion) -> DeployedShare {
    DeployedShare {
        version: entry.version.clone(),
        percentage: entry.percentage,
    }
}

fn share(part: Part) -> DeployedShare {
    DeployedShare {
        version: VersionWord::Number(part.version),
        percentage: part.percentage,
    }
}
