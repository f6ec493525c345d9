//! What of a copy could not be read, and whether the copy is the cause.
//!
//! Whoever finds that something cannot be read only notes it. It is looked at with a handle of its own, for that takes a while.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use git2::{ObjectType, Oid, Repository};

use super::read_error::ReadError;
use super::{ancestry, objects};
use crate::releases::is_read;
use crate::settings::SETTINGS_FILE;
use crate::words::CommitId;

/// Most that waits to be looked at.
const MAX: usize = 64;
/// Largest file that is read whole: of a larger one only the header is.
const WHOLE_MAX: usize = 64 * 1024 * 1024;

/// What could not be read, by its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Something of a version, or of the newest record of a ledger: its commit, its folders and its files.
    Version(Oid),
    /// Settings or releases of a commit of the branch.
    Branch(Oid),
    /// A commit, or one before it.
    History(Oid),
}

/// What could not be read since the last look.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeSet<Doubt>);

impl Doubts {
    pub(super) fn note(&mut self, doubt: Doubt) {
        // That of no commit is written where a commit is not known.
        if self.0.len() < MAX && !doubt.commit().is_zero() {
            self.0.insert(doubt);
        }
    }

    /// The same, of a commit by its id.
    pub(super) fn note_id(&mut self, doubt: fn(Oid) -> Doubt, commit: &CommitId) {
        if let Ok(commit) = Oid::try_from(commit) {
            self.note(doubt(commit));
        }
    }

    /// Has this looked at once more.
    pub(super) fn put_back<'d>(&mut self, doubts: impl IntoIterator<Item = &'d Doubt>) {
        doubts.into_iter().for_each(|doubt| self.note(*doubt));
    }

    /// All of it; nothing is left.
    pub(super) fn take(&mut self) -> BTreeSet<Doubt> {
        std::mem::take(&mut self.0)
    }
}

impl Doubt {
    /// Its commit.
    pub(super) fn commit(&self) -> Oid {
        match self {
            Self::Version(commit) | Self::Branch(commit) | Self::History(commit) => *commit,
        }
    }

    /// Reads all of it.
    fn check(&self, repo: &Repository) -> Result<(), ReadError> {
        match self {
            Self::Version(commit) => files(repo, *commit, |_| true),
            Self::Branch(commit) => {
                files(repo, *commit, |name| name == SETTINGS_FILE || is_read(name))
            }
            Self::History(commit) => ancestry::walk(repo, *commit, |_| false),
        }
    }
}

/// What of this the copy in `dir` does not hold as a whole.
pub(super) fn damaged(dir: &Path, doubts: &BTreeSet<Doubt>) -> BTreeSet<Doubt> {
    let Ok(repo) = Repository::open_bare(dir) else {
        return doubts.clone();
    };
    let is_damaged = |doubt: &&Doubt| doubt.check(&repo).is_err();
    doubts.iter().filter(is_damaged).copied().collect()
}

/// Reads all folders of a commit, and the files whose name is `wanted`, each once. A snapshot that is larger than one may be is read no
/// further: it is refused for that, whatever else is in it.
fn files(repo: &Repository, commit: Oid, wanted: fn(&str) -> bool) -> Result<(), ReadError> {
    let root = objects::commit(repo, commit)?.tree_id();
    let (mut seen, mut folders) = (HashSet::from([root]), vec![root]);
    while let Some(folder) = folders.pop() {
        let tree = objects::tree(repo, folder)?;
        for entry in &tree {
            let is_folder = entry.kind() == Some(ObjectType::Tree);
            let is_file = entry.kind() == Some(ObjectType::Blob) && entry.name().is_ok_and(wanted);
            if !(is_folder || is_file) || !seen.insert(entry.id()) {
                continue;
            }
            if seen.len() > objects::ENTRIES_MAX {
                return Ok(());
            }
            if is_folder {
                folders.push(entry.id());
            } else {
                file(repo, entry.id())?;
            }
        }
    }
    Ok(())
}

fn file(repo: &Repository, oid: Oid) -> Result<(), ReadError> {
    let size = objects::size(repo, oid, ObjectType::Blob)?;
    if size > WHOLE_MAX {
        return Ok(());
    }
    objects::blob(repo, oid, size).map(drop)
}
