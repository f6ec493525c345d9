//! What standalone mode takes from its mirror beside versions: settings and releases of the branch, and whole snapshots.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository};

use super::ancestry;
use super::content::ContentError;
use super::doubt::Doubt;
use super::error::{SnapshotError, StoreError};
use super::export::{self, Exported};
use super::intact;
use super::mirror::Mirror;
use super::objects;
use super::read_error::ReadError;
use super::release_files::{Branch, Reader, folder_of};
use crate::record::VersionRecord;
use crate::settings::{SETTINGS_FILE, Settings};
use crate::words::CommitId;

/// Where the branch of a remote is put that may be of another repository.
const NEWCOMER: &str = "refs/newcomer/head";
/// Largest `cutwater.yaml` that is read.
const SETTINGS_MAX: usize = 256 * 1024;

impl Mirror {
    /// What `cutwater.yaml` says in a commit.
    ///
    /// # Errors
    /// When it is not as it should be, or the commit cannot be read.
    pub fn settings(&self, commit: &CommitId) -> Result<Settings, StoreError> {
        let mut state = self.state();
        let bytes = settings(&state.repo, commit).map_err(|problem| {
            state.doubts.note_id(Doubt::Branch, commit);
            StoreError::local(SETTINGS_FILE, &problem)
        })?;
        bytes.map_or_else(
            || Ok(Settings::default()),
            |bytes| Settings::read(&bytes).map_err(StoreError::Settings),
        )
    }

    /// What the releases in the folder `releases` of a commit of `branch` say, with the files that cannot be read.
    ///
    /// # Errors
    /// When the commit's id is none.
    pub fn releases(
        &self,
        branch: &str,
        commit: &CommitId,
        releases: &str,
    ) -> Result<Branch, StoreError> {
        let oid = id(commit).map_err(|problem| StoreError::local(branch, &problem))?;
        // Who resolves waits for none of it.
        let read = self.ask(|repo| Ok(Reader::new(repo, releases, None).commit(oid)));
        let read = read.map_err(|problem| StoreError::local(branch, &problem))?;
        if read.unreadable.iter().any(|file| file.is_unread) {
            self.state().doubts.note(Doubt::Branch(oid));
        }
        Ok(Branch {
            name: branch.to_owned(),
            commit: commit.clone(),
            releases: Arc::clone(&read.releases),
            unreadable: Arc::clone(&read.unreadable),
            aside: Arc::clone(&read.aside),
            bare: Arc::clone(&read.bare),
        })
    }

    /// The folders of a commit that hold files of releases, but for those in the folder `apps`, and whether `folder` is there at all.
    #[must_use]
    pub fn folders(&self, commit: &CommitId, folder: &str, apps: &str) -> (bool, BTreeSet<String>) {
        let state = self.state();
        let repo = &state.repo;
        let look = || {
            let oid = id(commit)?;
            let is_there = folder_of(repo, folder, oid)?.is_some();
            let root = objects::tree(repo, objects::commit(repo, oid)?.tree_id())?;
            let mut found = BTreeSet::new();
            for entry in root
                .iter()
                .filter(|entry| entry.kind() == Some(ObjectType::Tree))
            {
                let Ok(name) = entry.name() else { continue };
                if name == apps {
                    continue;
                }
                let read = Reader::new(repo, name, None).commit(oid);
                let files = read.releases.iter().map(|release| &release.file);
                let folders = files.filter_map(|file| Some(file.rsplit_once('/')?.0.to_owned()));
                found.extend(folders);
            }
            Ok::<_, ReadError>((is_there, found))
        };
        // It is for a message alone, which says less where something cannot be read.
        look().unwrap_or((true, BTreeSet::new()))
    }

    /// True where the commit `newer` came after `older`, or is the same, as far as the commits in between can be read. Nobody who
    /// resolves or fetches waits for it.
    #[must_use]
    pub fn follows(&self, newer: &CommitId, older: &CommitId) -> bool {
        self.came_after(newer, older).unwrap_or(false)
    }

    /// The same; nothing where a commit cannot be read that would tell.
    #[must_use]
    pub fn came_after(&self, newer: &CommitId, older: &CommitId) -> Option<bool> {
        let (newer, older) = (id(newer).ok()?, id(older).ok()?);
        let answer = self.ask(|repo| ancestry::descends(repo, newer, older));
        if answer.is_err() {
            self.state().doubts.note(Doubt::History(newer));
        }
        answer.ok()
    }

    /// The same of many commits, in one walk: those that are not among the answers cannot be told.
    #[must_use]
    pub fn came_after_each(
        &self,
        newer: &CommitId,
        older: &BTreeSet<CommitId>,
    ) -> BTreeMap<CommitId, bool> {
        let ids: Vec<(&CommitId, Oid)> = (older.iter())
            .filter_map(|commit| Some((commit, id(commit).ok()?)))
            .collect();
        let wanted: HashSet<Oid> = ids.iter().map(|(_, oid)| *oid).collect();
        let Ok(newer) = id(newer) else {
            return BTreeMap::new();
        };
        let walked = self.ask(|repo| Ok(ancestry::met(repo, newer, &wanted)));
        let Ok((met, read)) = walked else {
            return BTreeMap::new();
        };
        if read.is_err() {
            self.state().doubts.note(Doubt::History(newer));
        }
        (ids.into_iter())
            .map(|(commit, oid)| (commit.clone(), met.contains(&oid)))
            .filter(|(_, is_met)| *is_met || read.is_ok())
            .collect()
    }

    /// True where a branch that was at the commit `before`, and is at `now`, is known to have gone back.
    #[must_use]
    pub fn went_back(&self, before: &CommitId, now: &CommitId) -> bool {
        let commits = id(before).and_then(|before| Ok((before, id(now)?)));
        commits.is_ok_and(|(before, now)| {
            // A branch that goes forward, as nearly all do, is known for that by its newest commits.
            self.ask(|repo| ancestry::descends(repo, now, before)) == Ok(false)
                && self.ask(|repo| ancestry::descends(repo, before, now)) == Ok(true)
        })
    }

    /// True where the copy has this commit. What was fetched before and is not at the remote any more may still be there.
    #[must_use]
    pub fn holds(&self, commit: &CommitId) -> bool {
        let answer = id(commit).and_then(|commit| self.ask(|repo| Ok(known(repo, &[commit]))));
        answer.is_ok_and(|known| !known.is_empty())
    }

    /// Asks with a handle of its own.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Repository) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        question(&Repository::open_bare(self.dir())?)
    }

    /// True where a commit has one in common with one of these; nothing where that cannot be told of any of these.
    #[must_use]
    pub fn shares(&self, commit: &CommitId, others: &[CommitId]) -> Option<bool> {
        let commit = id(commit).ok()?;
        let others: Vec<Oid> = others.iter().filter_map(|other| id(other).ok()).collect();
        let known = self.ask(|repo| Ok(known(repo, &others)));
        let mut answers = (known.unwrap_or_default().into_iter())
            .filter_map(|other| {
                let answer = self.ask(|repo| ancestry::related(repo, commit, other));
                if answer.is_err() {
                    let doubts = &mut self.state().doubts;
                    doubts.note(Doubt::History(commit));
                    doubts.note(Doubt::History(other));
                }
                answer.ok()
            })
            .peekable();
        answers.peek()?;
        Some(answers.any(|shares| shares))
    }

    /// True where the branch at the remote has a commit in common with what was fetched before, be it from another address, or with
    /// one of these commits. Changes nothing of what was fetched.
    ///
    /// # Errors
    /// When the branch cannot be fetched.
    pub fn is_of(
        &self,
        branch: &str,
        commits: &[CommitId],
        timeout: Duration,
    ) -> Result<bool, StoreError> {
        let spec = format!("+refs/heads/{branch}:{NEWCOMER}");
        let fetched = self.have_git(|git| git.fetch(&[spec], &[], timeout));
        fetched.map_err(|error| self.unread(error))?;
        let shared = self.ask(|repo| {
            let (new, heads) = arrived(repo)?;
            let known = commits.iter().filter_map(|commit| id(commit).ok());
            let mut known = heads.into_iter().chain(known);
            Ok(known.any(|old| ancestry::related(repo, old, new) == Ok(true)))
        });
        shared.map_err(|problem| {
            StoreError::local(format!("the branch `{branch}` at the remote"), &problem)
        })
    }

    /// Writes the snapshot of a version into `folder`, which is new. Nobody who resolves or fetches waits for it.
    ///
    /// # Errors
    /// As [`export::export`].
    pub fn checkout(
        &self,
        record: &VersionRecord,
        settings: &Settings,
        folder: &Path,
    ) -> Result<Exported, ContentError> {
        let (repo, tree) = self.tree(record)?;
        let written = export::write_out(&repo, tree, &settings.limits, folder, |source| {
            bad(record, source)
        });
        self.doubting(record, written)
    }

    /// Makes `folder` hold the snapshot of a version, and nothing else, where that is not so any more; the paths that were
    /// wrong. What is as it should be is left alone.
    ///
    /// # Errors
    /// [`ContentError::Write`] where the folder cannot be read or mended; others where the snapshot cannot be read, and so
    /// nothing is known.
    pub fn restore(
        &self,
        record: &VersionRecord,
        settings: &Settings,
        folder: &Path,
    ) -> Result<Vec<String>, ContentError> {
        let (repo, tree) = self.tree(record)?;
        let restored = intact::restore(&repo, tree, &settings.limits, folder, |source| {
            bad(record, source)
        });
        self.doubting(record, restored)
    }

    /// The same; where the snapshot could not be read, that is noted.
    fn doubting<T>(
        &self,
        record: &VersionRecord,
        read: Result<T, ContentError>,
    ) -> Result<T, ContentError> {
        if let Err(ContentError::Snapshot { .. }) = read {
            self.state().doubts.note_id(Doubt::Version, &record.commit);
        }
        read
    }

    /// The tree of a version, in a handle of its own: reading all of it takes a while.
    fn tree(&self, record: &VersionRecord) -> Result<(Repository, Oid), StoreError> {
        let fail = |problem: ReadError| StoreError::local(record.number.to_string(), &problem);
        let tree = Oid::try_from(&record.tree).map_err(|error| fail(error.into()))?;
        let path = self.state().repo.path().to_owned();
        let repo = Repository::open_bare(path).map_err(|error| fail(error.into()))?;
        Ok((repo, tree))
    }
}

/// The bytes of `cutwater.yaml` in a commit; nothing where there is none.
fn settings(repo: &Repository, commit: &CommitId) -> Result<Option<Vec<u8>>, ReadError> {
    let commit = objects::commit(repo, id(commit)?)?;
    let root = objects::tree(repo, commit.tree_id())?;
    let entry = root.get_name(SETTINGS_FILE);
    let bytes = entry.map(|entry| objects::blob(repo, entry.id(), SETTINGS_MAX));
    bytes.transpose()
}

/// Those of these commits that are here.
fn known(repo: &Repository, commits: &[Oid]) -> Vec<Oid> {
    let odb = repo.odb().ok();
    let is_here = |oid: &&Oid| odb.as_ref().is_some_and(|odb| odb.exists(**oid));
    commits.iter().filter(is_here).copied().collect()
}

/// The commit of a branch that may be of another repository, which is taken away again, and those of the branches that are here.
fn arrived(repo: &Repository) -> Result<(Oid, Vec<Oid>), git2::Error> {
    let mut newcomer = repo.find_reference(NEWCOMER)?;
    let new = newcomer.target();
    newcomer.delete()?;
    let heads = repo.references_glob("refs/heads/*")?;
    let heads = heads.flatten().filter_map(|head| head.target());
    let new = new.ok_or_else(|| git2::Error::from_str("it names no commit"))?;
    Ok((new, heads.collect()))
}

fn bad(record: &VersionRecord, source: SnapshotError) -> ContentError {
    ContentError::Snapshot {
        app: record.app.clone(),
        name: record.number.to_string(),
        source,
    }
}

/// A branch of a repository on this machine, at which one can glance often: a file is read.
pub struct LocalBranch {
    path: PathBuf,
    branch: String,
    repo: Option<Repository>,
}

impl LocalBranch {
    /// The branch of the repository at `path`, which may be away for a while.
    #[must_use]
    pub fn new(path: PathBuf, branch: String) -> Self {
        Self {
            path,
            branch,
            repo: None,
        }
    }

    /// Its commit now; nothing where it cannot be read.
    pub fn commit(&mut self) -> Option<CommitId> {
        if self.repo.is_none() {
            // The repository of another user was named by the administrator: whose it is keeps nobody from reading it.
            let bare = |path: &Path| Repository::open_bare(path).ok();
            self.repo = (Repository::open(&self.path).ok())
                .or_else(|| bare(&self.path))
                .or_else(|| bare(&self.path.join(".git")));
        }
        let name = format!("refs/heads/{}", self.branch);
        let oid = self.repo.as_ref()?.refname_to_id(&name).ok();
        if oid.is_none() {
            self.repo = None;
        }
        oid.map(CommitId::from)
    }
}

fn id(commit: &CommitId) -> Result<Oid, ReadError> {
    Ok(Oid::try_from(commit)?)
}
