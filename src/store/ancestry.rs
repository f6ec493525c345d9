//! Which commit came after which, read commit by commit: libgit2 answers this too, but never comes back from a commit whose file was
//! cut off.
//!
//! Reads all of the history where the answer is no, so a handle of its own is for it.

use std::collections::{HashSet, VecDeque};

use git2::{Oid, Repository};

use super::objects;
use super::read_error::ReadError;

/// True where the commit `newer` came after `older`, or is the same.
///
/// # Errors
/// Why a commit in between cannot be read.
pub(super) fn descends(repo: &Repository, newer: Oid, older: Oid) -> Result<bool, ReadError> {
    let mut found = false;
    walk(repo, newer, |commit| {
        found = commit == older;
        found
    })?;
    Ok(found)
}

/// Those of these commits that the commit `newer` came after, or is, and why one in between could not be read, where not all of them
/// were met before.
pub(super) fn met(
    repo: &Repository,
    newer: Oid,
    wanted: &HashSet<Oid>,
) -> (HashSet<Oid>, Result<(), ReadError>) {
    let mut met = HashSet::new();
    let read = walk(repo, newer, |commit| {
        if wanted.contains(&commit) {
            met.insert(commit);
        }
        met.len() == wanted.len()
    });
    (met, read)
}

/// True where two commits have one in common.
///
/// # Errors
/// Why a commit of theirs cannot be read, where none in common is found.
pub(super) fn related(repo: &Repository, one: Oid, other: Oid) -> Result<bool, ReadError> {
    let mut of_one = HashSet::new();
    let read = walk(repo, one, |commit| {
        of_one.insert(commit);
        commit == other
    });
    let mut found = false;
    let read_other = walk(repo, other, |commit| {
        found = of_one.contains(&commit);
        found
    });
    if found {
        return Ok(true);
    }
    read.and(read_other).map(|()| false)
}

/// Goes from a commit to those before it, the nearest first, until `ends` says so.
///
/// # Errors
/// Why one of them cannot be read. Those that come nearer were told of before.
pub(super) fn walk(
    repo: &Repository,
    from: Oid,
    mut ends: impl FnMut(Oid) -> bool,
) -> Result<(), ReadError> {
    let mut seen = HashSet::from([from]);
    let mut next = VecDeque::from([from]);
    while let Some(oid) = next.pop_front() {
        if ends(oid) {
            return Ok(());
        }
        let commit = objects::commit(repo, oid)?;
        next.extend(commit.parent_ids().filter(|parent| seen.insert(*parent)));
    }
    Ok(())
}
