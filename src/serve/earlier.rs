//! What counted before: after a restart, and where the repository may be another one than before.

use std::sync::Arc;

use super::source::Source;
use super::trouble::{exchanged, says};
use crate::following::Place;
use crate::words::CommitId;

impl Source {
    /// Reads again what counted before.
    pub(super) fn recall(&mut self) {
        self.replay();
        self.followed.forget();
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
        self.counted.commits().is_empty() && self.followed.known.is_empty()
    }

    /// Reads the commits that counted, in their order, as far as they can be read.
    pub(super) fn replay(&mut self) {
        let place = Place {
            mirror: &self.mirror,
            branch: &self.branch,
            folder: self.folder.as_deref(),
            namespace: None,
        };
        let (commits, held) = (self.counted.commits(), self.counted.held());
        let (seen, problems) = self.followed.replay(place, commits, held);
        if !commits.is_empty() {
            self.found.seen = seen;
            self.wrong = problems.iter().map(says).collect();
        }
        self.found.tip = Arc::clone(&self.followed.tip);
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
