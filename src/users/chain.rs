//! The commits of a branch, along first parents, and of a pull along the second one.

use std::collections::BTreeSet;

use git2::{Commit, Oid, Repository};

use super::pulls::{Pull, Pulls};
use super::scope::Walk;
use super::walk_error::WalkError;
use crate::store::objects;
use crate::store::partial::borders;

/// Commits that are looked ahead for: what is missing of them is fetched at once.
pub(super) const AHEAD: usize = 256;

/// The commits of a branch, as far as they were asked for.
pub(super) struct Commits {
    pub(super) chain: Vec<Oid>,
    next: Option<Oid>,
    /// Commits whose parents are not in this clone.
    borders: BTreeSet<Oid>,
    /// Why the one behind the last cannot be read.
    problem: Option<WalkError>,
    /// The end of what was brought.
    brought: usize,
}

impl Commits {
    /// Those from `tip` on.
    pub(super) fn new(tip: Oid, repo: &Repository) -> Self {
        Self {
            chain: Vec::new(),
            next: Some(tip),
            borders: borders(repo),
            problem: None,
            brought: 0,
        }
    }

    /// True for a commit whose parents are not in this clone.
    pub(super) fn is_border(&self, oid: Oid) -> bool {
        self.borders.contains(&oid)
    }

    /// The commit at this place; nothing behind the last. All that is missing of it is fetched.
    pub(super) fn get(&mut self, walk: &Walk<'_>, index: usize) -> Result<Option<Oid>, WalkError> {
        if index >= self.brought {
            let start = self.chain.len();
            while let Some(oid) = self.next.filter(|_| self.chain.len() < start + AHEAD) {
                match objects::commit(walk.repo, oid) {
                    Ok(commit) => {
                        self.chain.push(oid);
                        self.next = commit.parent_ids().nth(main_parent(&commit, walk.pulls));
                        if self.is_border(oid) {
                            self.next = None;
                        }
                    }
                    Err(problem) => {
                        self.problem = Some(WalkError::of(oid, problem));
                        self.next = None;
                    }
                }
            }
            (walk.bring)(&self.chain[start..])?;
            self.brought = self.chain.len();
        }
        match (self.chain.get(index), &self.problem) {
            (Some(oid), _) => Ok(Some(*oid)),
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => Ok(None),
        }
    }
}

/// Which parent goes on with the branch: the first, but the second where somebody pulled the branch into commits of their own, or
/// where it looks so.
pub(super) fn main_parent(commit: &Commit<'_>, pulls: Option<&Pulls>) -> usize {
    match pulls.map(|pulls| pulls.by(commit)) {
        Some(Pull::Branch | Pull::Unknown) => 1,
        Some(Pull::Other) | None => 0,
    }
}
