//! A branch for a pull request that is at the remote already: one that was pushed, and whose pull request was not opened then.

use std::path::Path;

use git2::Oid;

use super::ReleaseRequest;
use super::decide::{Decision, Edit};
use super::look::{self, FILE_MAX, Look};
use crate::store::ReadError;
use crate::store::objects;
use crate::store::workspace::Workspace;

impl Look {
    /// The commit of the new branch, where the call takes up an earlier one and the branch has just the change that is decided on: one
    /// commit on top of what the tracked branch has, or had.
    pub(super) fn proposed(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        decision: &Decision,
    ) -> Option<Oid> {
        let name = request.branch.as_ref().filter(|_| request.resumes)?;
        let tip = look::tip(&self.survey, name)?;
        let is_it = self.holds_just(workspace, tip, decision);
        is_it.unwrap_or(false).then_some(tip)
    }

    fn holds_just(
        &self,
        workspace: &Workspace,
        commit: Oid,
        decision: &Decision,
    ) -> Result<bool, ReadError> {
        let repo = &workspace.repo;
        let commit = objects::commit(repo, commit)?;
        let mut parents = commit.parent_ids();
        let (Some(parent), None) = (parents.next(), parents.next()) else {
            return Ok(false);
        };
        if parent != self.tip && !repo.graph_descendant_of(self.tip, parent)? {
            return Ok(false);
        }
        let before = objects::tree(repo, objects::commit(repo, parent)?.tree_id())?;
        let after = objects::tree(repo, commit.tree_id())?;
        let diff = repo.diff_tree_to_tree(Some(&before), Some(&after), None)?;
        let file = Path::new(&self.release.file);
        let mut changed = diff.deltas().map(|delta| delta.new_file().path());
        if changed.next() != Some(Some(file)) || changed.next().is_some() {
            return Ok(false);
        }
        let there = match after.get_path(file) {
            Ok(entry) => Some(objects::blob(repo, entry.id(), FILE_MAX)?),
            Err(_) => None,
        };
        Ok(match (&decision.edit, there) {
            (Edit::Content(bytes), Some(there)) => *bytes == there,
            (Edit::Removed, None) => true,
            _ => false,
        })
    }
}
