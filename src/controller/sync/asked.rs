//! Which commit came after which, as a look asks: each question once, and many about the commit at hand in one walk of its history.
//!
//! Blocks: git is read here.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::live::{Cluster, Live};
use crate::store::Mirror;
use crate::words::CommitId;

/// So many questions about the commit at hand are asked one by one: most looks have no more, and each is mostly answered by the newest
/// commits. Then there is one walk for all objects, which may go far back.
const ONE_BY_ONE: usize = 8;

/// What was asked.
pub(super) struct Asked<'a> {
    mirror: &'a Mirror,
    head: &'a CommitId,
    /// The commits as of which objects are.
    commits: BTreeSet<CommitId>,
    known: RefCell<HashMap<(CommitId, CommitId), Option<bool>>>,
    walks: Cell<usize>,
    all: OnceCell<BTreeMap<CommitId, bool>>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(mirror: &'a Mirror, head: &'a CommitId, cluster: &Cluster) -> Self {
        let synced = cluster
            .objects
            .values()
            .filter(|live| live.synced_by().is_some());
        Self {
            mirror,
            head,
            commits: synced.filter_map(Live::commit).collect(),
            known: RefCell::default(),
            walks: Cell::new(0),
            all: OnceCell::new(),
        }
    }

    /// True where the first commit came after the second, or is the same; nothing where that cannot be told.
    pub(super) fn came_after(&self, newer: &CommitId, older: &CommitId) -> Option<bool> {
        if older.is_zero() || newer.is_zero() {
            return None;
        }
        let pair = (newer.clone(), older.clone());
        if let Some(answer) = self.known.borrow().get(&pair) {
            return *answer;
        }
        let answer = self.ask(newer, older);
        self.known.borrow_mut().insert(pair, answer);
        answer
    }

    fn ask(&self, newer: &CommitId, older: &CommitId) -> Option<bool> {
        if newer == self.head && self.commits.contains(older) {
            if self.walks.get() >= ONE_BY_ONE {
                let all = || self.mirror.came_after_each(newer, &self.commits);
                return self.all.get_or_init(all).get(older).copied();
            }
            self.walks.set(self.walks.get() + 1);
        }
        self.mirror.came_after(newer, older)
    }
}
