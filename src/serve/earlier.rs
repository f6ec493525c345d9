//! What counted before: after a restart, and where the repository may be another one than before.

use std::sync::Arc;

use super::source::Source;
use super::trouble::exchanged;
use crate::branch::Tip;
use crate::words::CommitId;

impl Source {
    /// Reads again what counted before.
    pub(super) fn recall(&mut self) {
        self.replay();
        self.forget();
        // So it was fetched before, and nobody is to be told of its versions meanwhile.
        let head = self.mirror.head(&self.branch);
        self.fetched.clone_from(&head);
        if let Some(head) = head.filter(|head| self.is_foreign(head)) {
            self.found.foreign = true;
            self.wrong = vec![exchanged(&head)];
            self.found.seen = Some(head);
        }
        self.found.lost = self.found.tip.commit.is_none() && !self.knows_nothing();
        self.found.problems.clone_from(&self.wrong);
    }

    /// True where nothing was served before, as far as the state folder knows.
    pub(super) fn knows_nothing(&self) -> bool {
        self.counted.commits().is_empty() && self.known.is_empty()
    }

    /// Forgets what was remembered once a commit counts as a whole: then there is nothing beside it and what it keeps.
    pub(super) fn forget(&mut self) {
        let tip = &self.found.tip;
        if tip.whole {
            self.known.retain(|owner, _| tip.recalls(owner));
        }
    }

    /// Reads the commits that counted, in their order, as far as they can be read.
    pub(super) fn replay(&mut self) {
        self.found.tip = Arc::new(Tip::default());
        self.lost.clear();
        let commits = self.counted.commits().to_vec();
        let held = self.counted.held().cloned();
        for (index, commit) in commits.iter().cloned().enumerate() {
            let is_last = index + 1 == commits.len();
            // What went with a commit in between, which is not read again, is among those before it.
            let may_stay = held.as_ref().filter(|_| is_last);
            match self.read(&commit, may_stay) {
                Ok(wrong) if self.found.tip.commit.as_ref() != Some(&commit) => {
                    self.wrong = wrong;
                    self.lost.push(commit);
                }
                Ok(wrong) => {
                    self.wrong = wrong;
                    // The last one is read again, and those before it are not.
                    if self.unread && !is_last {
                        self.lost.push(commit.clone());
                    }
                    self.found.seen = Some(commit);
                }
                Err(error) => {
                    if commit.is_zero() {
                        tracing::warn!(
                            "which commits counted before is not known; the newest one is read, and what it does not have goes on"
                        );
                    } else {
                        tracing::warn!(
                            "commit {}, which counted before: {error}; the newest one is read",
                            commit.short()
                        );
                    }
                    self.lost.push(commit);
                }
            }
        }
        if let Some(last) = commits.last().filter(|last| self.lost.contains(last)) {
            // Those before it do not say what it removed and added: what the state folder remembers is all that is known.
            self.found.tip = Arc::new(Tip::default());
            self.found.seen = None;
            self.wrong.clear();
            // The one that cannot be read is the one to name.
            self.lost = [last.clone()]
                .into_iter()
                .chain(commits.iter().cloned())
                .collect();
        }
    }

    /// True where a commit is of another repository than those that counted.
    pub(super) fn is_foreign(&self, commit: &CommitId) -> bool {
        let mut counted = self.counted.commits();
        if counted.is_empty() {
            counted = self.fetched.as_slice();
        }
        let used = self.used.load();
        if counted.is_empty() || used.is_empty() {
            return false;
        }
        let shares = self.mirror.shares(commit, counted);
        // Where history begins anew, the versions are still those of before.
        shares != Some(true) && !self.mirror.has_any(&self.apps(), &used)
    }
}
