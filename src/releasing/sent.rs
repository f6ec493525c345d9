//! Commits that were pushed, and of which no answer said that they arrived: they may be there all the same, or come yet. Nothing that
//! is tried again may pass over that, since another rollback would go further back.

use git2::Oid;

use super::decide::Decision;
use super::error::{PushUnknown, ReleaseError};
use super::look::Look;
use super::{ReleaseRequest, Released, Wish};
use crate::git::GitError;
use crate::store::workspace::Workspace;

/// A commit that was pushed, and what it was decided on.
pub(super) struct Sent {
    pub(super) look: Look,
    pub(super) decision: Decision,
    pub(super) commit: Oid,
    /// How the push failed.
    pub(super) error: GitError,
}

impl Sent {
    /// It has arrived.
    pub(super) fn done(
        self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        progress: &mut dyn FnMut(&str),
    ) -> Released {
        let (look, decision) = (self.look, self.decision);
        look.done(workspace, request, decision, self.commit, progress)
    }
}

/// All of them that may be in the branch, or may get there yet.
#[derive(Default)]
pub(super) struct SentAll {
    list: Vec<Sent>,
    /// The remote could not be looked at after the last one.
    unseen: bool,
}

impl SentAll {
    /// The remote cannot be looked at after a push; false where no push can have arrived.
    pub(super) fn unseen(
        &mut self,
        look: Look,
        decision: Decision,
        commit: Oid,
        error: &GitError,
    ) -> bool {
        if error.may_have_arrived() {
            self.add(look, decision, commit, error.clone());
        }
        self.unseen = true;
        !self.list.is_empty()
    }

    pub(super) fn add(&mut self, look: Look, decision: Decision, commit: Oid, error: GitError) {
        // The same one, tried again: whether an earlier push of it goes on is what counts.
        let again = self.list.iter().position(|sent| sent.commit == commit);
        let earlier = again.map(|index| self.list.swap_remove(index).error);
        let error = earlier.filter(|_| !error.may_arrive()).unwrap_or(error);
        self.list.push(Sent {
            look,
            decision,
            commit,
            error,
        });
    }

    /// The one that is in the branch, which was at `tip` after the last push. Those that can get there no more are forgotten.
    pub(super) fn arrived(
        &mut self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        tip: Option<Oid>,
    ) -> Option<Sent> {
        let holds = |sent: &Sent| {
            let above = |tip| workspace.repo.graph_descendant_of(tip, sent.commit);
            tip.is_some_and(|tip| tip == sent.commit || above(tip).unwrap_or(false))
        };
        if let Some(index) = self.list.iter().position(holds) {
            return Some(self.list.swap_remove(index));
        }
        // A push expects the branch where it was read, or a new one that is not there.
        self.list.retain(|sent| {
            let expected = request.branch.is_none().then_some(sent.look.tip);
            sent.error.may_arrive() && tip == expected
        });
        None
    }

    /// False where none of them can be in the branch, or get there.
    pub(super) fn may_come(&self) -> bool {
        !self.list.is_empty()
    }

    /// What is said in the place of an error that does not know of them.
    pub(super) fn said(
        self,
        workspace: &Workspace,
        request: &ReleaseRequest,
        error: ReleaseError,
    ) -> ReleaseError {
        let Some(last) = self.list.into_iter().last() else {
            return error;
        };
        // A refusal says no more than the push.
        let is_push = matches!(
            error,
            ReleaseError::Refused { .. } | ReleaseError::GaveUp(_)
        );
        ReleaseError::PushUnknown(Box::new(PushUnknown {
            branch: request.onto(workspace).clone(),
            commit: last.commit.into(),
            push: last.error,
            why: (!is_push).then_some(error),
            is_seen: !self.unseen,
            goes_back: matches!(request.wish, Wish::RollBack(None)),
        }))
    }
}
