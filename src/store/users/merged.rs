//! What the commits say that a merge brought to the branch. A merge itself mostly says nothing of what it deploys.

use std::collections::BTreeSet;

use git2::Oid;

use super::super::objects;
use super::super::release::reason;
use super::branches::folder_of;
use super::chain::{AHEAD, Commits, main_parent};
use super::found::Found;
use super::past::Change;
use super::states::{Reader, States};
use super::walk::Walk;
use crate::words::{Share, VersionNumber, VersionWord};

/// A commit of the branch, and the one before it.
pub(super) struct Merge {
    pub(super) commit: Oid,
    pub(super) before: Oid,
}

impl Walk<'_> {
    /// What the commits that are merged changed, the newest first; of a commit that is no merge there are none. Nothing where the
    /// clone ends among them. `found` is what was found in the branch down to the merge, whose releases ask what is in `states`.
    pub(super) fn merged(
        &self,
        reader: &mut Reader<'_>,
        commits: &Commits,
        merge: &Merge,
        (states, mut tree): (&States, Option<Oid>),
        found: &Found,
    ) -> Result<Option<Vec<Change>>, String> {
        let Some(line) = self.beside(commits, merge)? else {
            return Ok(None);
        };
        for part in line.chunks(AHEAD) {
            (self.bring)(part)?;
        }
        let mut found = found.beside();
        let mut states = states.clone();
        for (index, oid) in line.iter().enumerate() {
            let to = folder_of(self.repo, self.folder, *oid)?;
            if to != tree {
                let older = reader.step(&states, tree, to)?;
                // What makes the newest of them another than the merge is of the branch, and so is what a merge among them brought.
                if let Some(newer) = index.checked_sub(1).map(|newer| line[newer])
                    && objects::commit(self.repo, newer)?.parent_count() < 2
                {
                    found.compare(&self.about(newer, 0)?, &states, &older);
                }
                (states, tree) = (older, to);
            }
        }
        Ok(Some(found.changes))
    }

    /// The commits that are merged, the newest first, and at last the one that they began at, if there is one. Nothing where the
    /// clone ends among them.
    fn beside(&self, commits: &Commits, merge: &Merge) -> Result<Option<Vec<Oid>>, String> {
        let commit = objects::commit(self.repo, merge.commit)?;
        let place = 1 - main_parent(&commit, self.branch);
        let Some(side) = (commit.parent_ids().nth(1)).and(commit.parent_ids().nth(place)) else {
            return Ok(Some(Vec::new()));
        };
        let own = || -> Result<BTreeSet<Oid>, git2::Error> {
            let mut walk = self.repo.revwalk()?;
            walk.push(side)?;
            walk.hide(merge.before)?;
            walk.collect()
        };
        let own = own().map_err(|error| error.message().to_owned())?;
        let mut line = Vec::new();
        let mut next = Some(side);
        while let Some(oid) = next {
            line.push(oid);
            if !own.contains(&oid) {
                break;
            }
            if commits.is_border(oid) {
                return Ok(None);
            }
            next = objects::commit(self.repo, oid)?.parent_ids().next();
        }
        Ok(Some(line))
    }

    /// Lets the changes of a merge say what the commits say that it merged: the newest one of each object says what made it.
    /// All that was left on the way is left.
    pub(super) fn tell(&self, changes: &mut [Change], merged: &[Change]) -> Result<(), String> {
        let said = |change: &Change| -> Result<Option<String>, String> {
            let oid = Oid::from_str(&change.commit).map_err(|error| error.message().to_owned())?;
            let commit = objects::commit(self.repo, oid)?;
            let text = String::from_utf8_lossy(commit.message_bytes());
            Ok(reason(&text, self.app))
        };
        for change in changes {
            let ours = merged.iter().filter(|other| other.is_of_the_same(change));
            let ours: Vec<&Change> = ours.collect();
            let Some(newest) = ours.first() else {
                continue;
            };
            if said(change)?.is_none()
                && let Some(said) = said(newest)?
            {
                change.message = said;
            }
            if change.source.is_none() {
                change.source.clone_from(&newest.source);
            }
            if change.rolled_back_from.is_empty() {
                change.rolled_back_from = left(&ours);
            }
        }
        Ok(())
    }
}

/// What these changes of one object, the newest first, left and did not promote again.
fn left(changes: &[&Change]) -> Vec<VersionNumber> {
    let mut left: Vec<VersionNumber> = Vec::new();
    for change in changes.iter().rev() {
        let from = change.rolled_back_from.iter().copied();
        let new: Vec<_> = from.filter(|version| !left.contains(version)).collect();
        left.extend(new);
        let again = change
            .versions
            .iter()
            .find_map(|entry| match entry.version {
                VersionWord::Number(number) if entry.percentage == Share::ALL => Some(number),
                _ => None,
            });
        left.retain(|version| Some(*version) != again);
    }
    left
}
