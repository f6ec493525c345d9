//! Goes back through the commits of a branch, along first parents (of a pull along the second one), and finds those that changed what the releases ask of an
//! app. A commit whose releases are those of its parent costs no more than a look at two trees.

use git2::Oid;

use super::chain::Commits;
use super::change::Change;
use super::found::{Found, file_of};
use super::merged::Merge;
use super::pulls::Pull;
use super::scope::Walk;
use super::states::{Key, Reader, States};
use super::walk_error::WalkError;
use crate::store::objects;
use crate::store::release_files::folder_of;

/// Most commits that are looked at.
const COMMITS_MAX: usize = 100_000;

/// Most commits of one side of a merge that are compared with the other side.
const LINE_MAX: usize = 4_096;

/// Why a walk ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// There is no older commit.
    Root,
    /// There are enough changes.
    Enough,
    /// The clone is shallow: older commits are not in it.
    Shallow,
    /// Older commits cannot be read.
    Problem(WalkError),
}

/// What was found.
pub(super) struct Walked {
    /// The changes, the newest first.
    pub(super) changes: Vec<Change>,
    /// The commits that were walked over, the newest first.
    pub(super) chain: Vec<Oid>,
    pub(super) end: End,
}

impl Walk<'_> {
    /// Walks from a commit until there are enough changes.
    pub(super) fn from(&self, tip: Oid, enough: impl Fn(&[Change]) -> bool) -> Walked {
        let mut found = Found::default();
        let mut commits = Commits::new(tip, self.repo);
        let end = self.go(&mut commits, &mut found, enough);
        Walked {
            changes: found.changes,
            chain: commits.chain,
            end: end.unwrap_or_else(End::Problem),
        }
    }

    fn go(
        &self,
        commits: &mut Commits,
        found: &mut Found,
        enough: impl Fn(&[Change]) -> bool,
    ) -> Result<End, WalkError> {
        let tree = |oid: Oid| {
            folder_of(self.repo, self.folder, oid).map_err(|problem| WalkError::of(oid, problem))
        };
        let mut reader = Reader::new(self.repo, self.folder, self.app);
        let step = |reader: &mut Reader<'_>, states: &States, oid: Oid, trees: (_, _)| {
            let next = reader.step(states, trees.0, trees.1);
            next.map_err(|problem| WalkError::of(oid, problem))
        };
        let Some(mut now) = commits.get(self, 0)? else {
            return Ok(End::Root);
        };
        let mut tree_now = tree(now)?;
        let mut states = step(&mut reader, &States::default(), now, (None, tree_now))?;
        for index in 1..COMMITS_MAX {
            // Whether a change is one is not known while what was before is not.
            if found.open.values().all(Option::is_none) && enough(&found.changes) {
                return Ok(End::Enough);
            }
            let before = commits.get(self, index)?;
            if before.is_none() && commits.is_border(now) {
                return Ok(End::Shallow);
            }
            let tree_before = before.map_or(Ok(None), tree)?;
            if tree_before != tree_now {
                let oid = before.unwrap_or(now);
                let mut older = step(&mut reader, &states, oid, (tree_now, tree_before))?;
                older.settle(&states, |older, key| {
                    let after = file_of(&states.of(key));
                    let before =
                        self.before(commits, &mut reader, (index, tree_before), older, key);
                    Ok(before?.filter(|before| after.as_ref() == Some(before)))
                })?;
                let known = found.changes.len();
                found.compare(&self.about(now, index - 1)?, &states, &older);
                if let Some(before) = before.filter(|_| found.changes.len() > known) {
                    let merge = Merge {
                        commit: now,
                        before,
                    };
                    let merged =
                        self.merged(&mut reader, commits, &merge, (&states, tree_now), found);
                    let Some(merged) = merged.map_err(|problem| WalkError::of(now, problem))?
                    else {
                        found.changes.truncate(known);
                        return Ok(End::Shallow);
                    };
                    self.tell(&mut found.changes[known..], &merged, &older)?;
                }
                states = older;
            }
            // What was done beside the branch before a pull is one change, if it is.
            if let Some((before, side)) = before.and_then(|oid| Some((oid, self.side(now, oid)?))) {
                let mut line = |other, side| {
                    let line = self.line(&mut reader, (&states, tree_before), other, side);
                    line.map_err(|problem| WalkError::of(side, problem))
                };
                let beside = line(before, side)?;
                // What looks like a pull may be a merge into the branch: what it brought is one change then.
                let brought = if self.is_unknown(now) {
                    line(side, before)?
                } else {
                    Vec::new()
                };
                found.doubt(&self.about(now, index - 1)?, &states, &beside, &brought);
            }
            let Some(before) = before else {
                return Ok(End::Root);
            };
            (now, tree_now) = (before, tree_before);
        }
        Err(WalkError::ManyCommits(COMMITS_MAX))
    }

    /// The file of an object before several files held it, as they do in the commit at `index`.
    fn before(
        &self,
        commits: &mut Commits,
        reader: &mut Reader<'_>,
        (index, mut tree): (usize, Option<Oid>),
        states: &States,
        key: &Key,
    ) -> Result<Option<String>, WalkError> {
        let mut states = states.clone();
        for index in index + 1..COMMITS_MAX {
            let Some(oid) = commits.get(self, index)? else {
                return Ok(None);
            };
            let to = folder_of(self.repo, self.folder, oid)?;
            if to == tree {
                continue;
            }
            states = reader.step(&states, tree, to)?;
            tree = to;
            if !states.is_doubled(key) {
                return Ok(file_of(&states.of(key)));
            }
        }
        Ok(None)
    }

    /// True for a merge of which nobody can tell whether it is a pull.
    fn is_unknown(&self, merge: Oid) -> bool {
        let commit = objects::commit(self.repo, merge).ok();
        let pulls = commit.and_then(|commit| Some(self.pulls?.by(&commit)));
        pulls == Some(Pull::Unknown)
    }

    /// The first parent of a pull, where the walk goes on with the second one.
    fn side(&self, pull: Oid, next: Oid) -> Option<Oid> {
        let commit = objects::commit(self.repo, pull).ok()?;
        let first = commit.parent_ids().next()?;
        (first != next).then_some(first)
    }

    /// What the commits of a line ask from `side` on, the newest first, and down to the one that it has in common with `other`.
    fn line(
        &self,
        reader: &mut Reader<'_>,
        (states, tree): (&States, Option<Oid>),
        other: Oid,
        side: Oid,
    ) -> Result<Vec<States>, WalkError> {
        let mut commits = Vec::new();
        let mut next = Some(side);
        while let Some(oid) = next {
            if commits.len() >= LINE_MAX {
                return Err(WalkError::ManyBeside(LINE_MAX));
            }
            commits.push(oid);
            let above = self.repo.graph_descendant_of(other, oid);
            if oid == other || above? {
                break;
            }
            next = objects::commit(self.repo, oid)?.parent_ids().next();
        }
        (self.bring)(&commits)?;
        let (mut states, mut tree) = (states.clone(), tree);
        let mut line = Vec::new();
        for oid in commits {
            let to = folder_of(self.repo, self.folder, oid)?;
            states = reader.step(&states, tree, to)?;
            tree = to;
            line.push(states.clone());
        }
        Ok(line)
    }
}
