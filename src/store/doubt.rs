//! What of a copy could not be read, and whether the copy is the cause: its commits, their ancestors and all that their trees hold.
//!
//! Reads with a handle of its own, for that takes a while. Whoever finds that something cannot be read only notes the commit.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::objects;

/// Most commits that wait to be looked at.
const MAX: usize = 64;
/// Largest file that is read whole: of a larger one only the header is.
const WHOLE_MAX: usize = 1024 * 1024;

/// The commits of which something could not be read since the last look.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeSet<Oid>);

impl Doubts {
    pub(super) fn note(&mut self, commit: Oid) {
        if self.0.len() < MAX {
            self.0.insert(commit);
        }
    }

    /// The same, by its 40 hex digits.
    pub(super) fn note_id(&mut self, commit: &str) {
        if let Ok(commit) = Oid::from_str(commit) {
            self.note(commit);
        }
    }

    /// All of them; none is left.
    pub(super) fn take(&mut self) -> BTreeSet<Oid> {
        std::mem::take(&mut self.0)
    }
}

/// True where the commit `newer` came after `older`, or is the same.
///
/// libgit2 answers this too, but never comes back from a commit whose file was cut off.
///
/// # Errors
/// Why a commit in between cannot be read.
pub(super) fn descends(repo: &Repository, newer: Oid, older: Oid) -> Result<bool, String> {
    if newer == older {
        return Ok(true);
    }
    let mut found = false;
    walk(repo, newer, |commit| {
        found = commit == older;
        found
    })?;
    Ok(found)
}

/// Those of these commits that the copy in `dir` does not hold as a whole.
pub(super) fn damaged(dir: &Path, commits: BTreeSet<Oid>) -> BTreeSet<Oid> {
    let Ok(repo) = Repository::open_bare(dir) else {
        return commits;
    };
    let is_damaged = |commit: &Oid| is_whole(&repo, *commit).is_err();
    commits.into_iter().filter(is_damaged).collect()
}

fn is_whole(repo: &Repository, commit: Oid) -> Result<(), String> {
    walk(repo, commit, |_| false)?;
    let root = objects::tree(repo, objects::commit(repo, commit)?.tree_id())?;
    let mut problem = None;
    let walked = root.walk(TreeWalkMode::PreOrder, |_, entry| {
        let read = match entry.kind() {
            // libgit2 reads it next, which it does not survive where its file was cut off.
            Some(ObjectType::Tree) => objects::tree(repo, entry.id()).map(drop),
            Some(ObjectType::Blob) => file(repo, entry.id()),
            _ => Ok(()),
        };
        problem = read.err();
        if problem.is_some() {
            TreeWalkResult::Abort
        } else {
            TreeWalkResult::Ok
        }
    });
    match (problem, walked) {
        (Some(problem), _) => Err(problem),
        (None, walked) => walked.map_err(|error| error.message().to_owned()),
    }
}

fn file(repo: &Repository, oid: Oid) -> Result<(), String> {
    let size = objects::size(repo, oid, ObjectType::Blob)?;
    if size > WHOLE_MAX {
        return Ok(());
    }
    objects::blob(repo, oid, size).map(drop)
}

/// Goes from a commit to those before it, the nearest first, until `ends` says so.
fn walk(repo: &Repository, from: Oid, mut ends: impl FnMut(Oid) -> bool) -> Result<(), String> {
    let mut seen = HashSet::from([from]);
    let mut next = std::collections::VecDeque::from([from]);
    while let Some(oid) = next.pop_front() {
        if ends(oid) {
            return Ok(());
        }
        let commit = objects::commit(repo, oid)?;
        next.extend(commit.parent_ids().filter(|parent| seen.insert(*parent)));
    }
    Ok(())
}
