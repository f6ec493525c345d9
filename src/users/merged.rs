//! What the commits say that a merge brought to the branch. A merge itself mostly says nothing of what it deploys.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use git2::Oid;

use super::chain::{AHEAD, Commits, main_parent};
use super::change::Change;
use super::found::Found;
use super::scope::Walk;
use super::states::{Reader, State, States};
use super::walk_error::WalkError;
use crate::api::WantedVersion;
use crate::releases::message::reason;
use crate::store::objects;
use crate::store::release_files::folder_of;
use crate::words::{Share, VersionNumber, VersionWord};

/// A commit of the branch, and the one before it.
pub(super) struct Merge {
    pub(super) commit: Oid,
    pub(super) before: Oid,
}

/// What was merged.
pub(super) struct Merged {
    /// What its commits changed, the newest first.
    pub(super) changes: Vec<Change>,
    /// What the releases asked for where they began.
    pub(super) base: States,
}

impl Walk<'_> {
    /// What the commits that are merged changed; of a commit that is no merge there are none. Nothing where the clone ends among them. `found` is what was found in the branch down to the merge, whose releases ask what is in `states`.
    pub(super) fn merged(
        &self,
        reader: &mut Reader<'_>,
        commits: &Commits,
        merge: &Merge,
        (states, mut tree): (&States, Option<Oid>),
        found: &Found,
    ) -> Result<Option<Merged>, WalkError> {
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
        Ok(Some(Merged {
            changes: found.changes,
            base: states,
        }))
    }

    /// The commits that are merged, the newest first, and at last the one that they began at, if there is one. Nothing where the
    /// clone ends among them.
    fn beside(&self, commits: &Commits, merge: &Merge) -> Result<Option<Vec<Oid>>, WalkError> {
        let commit = objects::commit(self.repo, merge.commit)?;
        let place = 1 - main_parent(&commit, self.pulls);
        let Some(side) = (commit.parent_ids().nth(1)).and(commit.parent_ids().nth(place)) else {
            return Ok(Some(Vec::new()));
        };
        let own = || -> Result<BTreeSet<Oid>, git2::Error> {
            let mut walk = self.repo.revwalk()?;
            walk.push(side)?;
            walk.hide(merge.before)?;
            walk.collect()
        };
        let own = own()?;
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
    /// All that was left on the way is left; and where the branch went on meanwhile, from what is in `before`, that is left as well.
    pub(super) fn tell(
        &self,
        changes: &mut [Change],
        merged: &Merged,
        before: &States,
    ) -> Result<(), WalkError> {
        let said = |change: &Change| -> Result<Option<String>, WalkError> {
            let oid = Oid::try_from(&change.commit)?;
            let commit = objects::commit(self.repo, oid)?;
            let text = String::from_utf8_lossy(commit.message_bytes());
            Ok(reason(&text, self.app))
        };
        for change in changes {
            let ours = merged
                .changes
                .iter()
                .filter(|other| other.is_of_the_same(change));
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
                let key = change.key();
                let meanwhile = left_meanwhile(change, &before.of(&key), &merged.base.of(&key));
                change.rolled_back_from = all_left(meanwhile, left(&ours));
            }
        }
        Ok(())
    }
}

/// What a merge left of what the branch asked for before it, where that is not what the commits began at that are merged: the one
/// with the largest share first. What a label meant then nobody can say.
fn left_meanwhile(change: &Change, before: &State, base: &State) -> Vec<VersionNumber> {
    let State::Asks(_, words) = before else {
        return Vec::new();
    };
    if before.is_like(base) {
        return Vec::new();
    }
    let goes_on = |number: VersionNumber| {
        let mut entries = change.versions.iter();
        entries.any(|entry| {
            entry.version == VersionWord::Number(number) && !entry.percentage.is_zero()
        })
    };
    let number = |entry: &WantedVersion| match entry.version {
        VersionWord::Number(number) if !entry.percentage.is_zero() && !goes_on(number) => {
            Some((Reverse(entry.percentage), number))
        }
        _ => None,
    };
    let mut numbers: Vec<_> = words.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|(_, number)| number).collect()
}

/// What a merge left: what was left meanwhile and all else, where it left anything. A merge that leaves nothing goes on to another
/// version, and what was before it is what a rollback goes to.
fn all_left(meanwhile: Vec<VersionNumber>, left: Vec<VersionNumber>) -> Vec<VersionNumber> {
    if left.is_empty() {
        return left;
    }
    let (mut all, rest) = (meanwhile, left);
    let new: Vec<_> = (rest.into_iter())
        .filter(|number| !all.contains(number))
        .collect();
    all.extend(new);
    all
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::change::change_to;

    fn numbers(list: &[u32]) -> Vec<VersionNumber> {
        let number = |version: &u32| VersionNumber::new(*version).unwrap();
        list.iter().map(number).collect()
    }

    #[test]
    fn a_merge_leaves_what_the_branch_had_gone_on_to() {
        let asks = |shares: &[(u32, u32)]| State::Asks(String::new(), change_to(shares).versions);
        for (base, before, merge, expected) in [
            (&[(8, 100)][..], &[(9, 100)][..], &[(7, 100)][..], &[9][..]),
            // The branch is where the commits began.
            (&[(8, 100)], &[(8, 100)], &[(7, 100)], &[]),
            // What has most comes first, and what goes on is not left.
            (&[(8, 100)], &[(8, 10), (9, 90)], &[(7, 100)], &[9, 8]),
            (&[(8, 100)], &[(8, 90), (9, 10)], &[(8, 100)], &[9]),
            (&[(8, 100)], &[(9, 100), (6, 0)], &[(7, 100), (9, 0)], &[9]),
        ] {
            let left = left_meanwhile(&change_to(merge), &asks(before), &asks(base));
            assert_eq!(left, numbers(expected), "{before:?} to {merge:?}");
        }
        let gone = left_meanwhile(&change_to(&[(7, 100)]), &State::Absent, &asks(&[(8, 100)]));
        assert!(gone.is_empty());
        for (meanwhile, left, expected) in [
            (&[9][..], &[8][..], &[9, 8][..]),
            (&[9, 8], &[8], &[9, 8]),
            // A deploy is no way back.
            (&[9], &[], &[]),
        ] {
            assert_eq!(
                all_left(numbers(meanwhile), numbers(left)),
                numbers(expected)
            );
        }
    }
}
