//! What a merge is about: the releases where a branch and a proposal parted, those of the proposal, and the versions of both.
//!
//! Reads alone: what a merge does with them is said in [`crate::preview`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use git2::{Oid, Repository};

use super::error::{ResolveError, StoreError};
use super::history::History;
use super::lookup;
use super::objects;
use super::partial::DEPTHS;
use super::release_files::{Read, Reader, Unreadable, folder_of};
use super::remedy::Remedy;
use super::settings_file;
use super::version::Version;
use super::workspace::{SourceCommit, Workspace};
use crate::git::{self, GitErrorKind};
use crate::record::VersionRecord;
use crate::releases::Release;
use crate::settings::{SETTINGS_FILE, Settings};
use crate::words::{AppName, VersionWord};

/// Deepest folders of the work tree that are looked into for a file.
const DEPTH_MAX: usize = 32;

/// The releases of a commit, or of the files on the disk.
#[derive(Debug, Clone)]
pub struct ReleaseState {
    /// Their folder, from the root of the repository.
    pub folder: String,
    /// The objects of all files that can be read.
    pub releases: Arc<Vec<Release>>,
    /// The files that cannot be read, and those that stand against another one.
    pub unreadable: Arc<Vec<Unreadable>>,
    /// The files that hold no object at all.
    pub bare: Arc<Vec<String>>,
}

impl ReleaseState {
    fn new(folder: &str, read: Read) -> Self {
        Self {
            folder: folder.to_owned(),
            releases: read.releases,
            unreadable: read.unreadable,
            bare: read.bare,
        }
    }
}

/// A living version that a word names.
#[derive(Debug, Clone)]
pub struct NamedVersion {
    /// What its tag says.
    pub version: Version,
    /// What running it takes.
    pub record: VersionRecord,
}

/// What words of an app mean.
pub type NamedVersions = BTreeMap<VersionWord, Result<NamedVersion, ResolveError>>;

impl Workspace {
    /// The tracked branch as the remote has it now; nothing where it has none of that name.
    ///
    /// # Errors
    /// When the remote cannot be read.
    pub fn tracked(&self) -> Result<Option<SourceCommit>, StoreError> {
        let branch = &self.settings().branch;
        match self.fetch_branch(branch) {
            Ok(oid) => self.at(branch, oid).map(Some),
            Err(StoreError::Git { source, .. }) if source.kind == GitErrorKind::MissingRef => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest commit that both have: where they parted. A shallow clone fetches older ones until there is one.
    ///
    /// # Errors
    /// When they have none, or it cannot be fetched.
    pub fn parted(
        &self,
        base: &SourceCommit,
        head: &SourceCommit,
    ) -> Result<SourceCommit, StoreError> {
        let what = || format!("`{}` and `{}`", base.shown, head.shown);
        let common = |repo: &Repository| repo.merge_base(base.oid, head.oid).ok();
        let mut found = common(&self.repo);
        for depth in DEPTHS {
            if found.is_some() || !self.is_shallow() {
                break;
            }
            let deeper = self.deepen_all(depth);
            let deeper = deeper.map_err(|problem| StoreError::local(what(), &problem))?;
            found = common(&deeper);
        }
        let oid = found.ok_or_else(|| {
            let problem = "have no commit in common, so neither can be merged into the other";
            StoreError::local(what(), &problem)
        })?;
        self.at(&oid.to_string()[..12], oid)
    }

    fn at(&self, shown: &str, oid: Oid) -> Result<SourceCommit, StoreError> {
        let commit = objects::commit(&self.repo, oid);
        let commit = commit.map_err(|problem| StoreError::local(format!("`{shown}`"), &problem))?;
        Ok(SourceCommit::new(shown, &commit))
    }

    /// The releases of a commit, in the folder that its own `cutwater.yaml` names.
    ///
    /// # Errors
    /// When its `cutwater.yaml` cannot be read. What is wrong in releases is in the result.
    pub fn releases_at(&self, commit: &SourceCommit) -> Result<ReleaseState, StoreError> {
        let bring = |oid: Oid| self.bring_tree(oid);
        let bytes = settings_file::of_commit(&self.repo, commit.oid, &bring);
        let bytes = bytes.map_err(|problem| {
            StoreError::local(format!("{SETTINGS_FILE} of `{}`", commit.shown), &problem)
        })?;
        let settings = bytes.map_or_else(|| Ok(Settings::default()), |it| Settings::read(&it));
        let folder = settings.map_err(StoreError::Settings)?.releases;
        let mut reader = Reader::new(&self.repo, &folder, None);
        let brought = self.bring_releases_in(&self.repo, &folder, &[commit.oid]);
        let read = match brought {
            Ok(()) => reader.commit(commit.oid),
            Err(problem) => reader.nothing(&problem),
        };
        Ok(ReleaseState::new(&folder, read))
    }

    /// The releases as their files are on the disk, committed or not. What a sparse clone leaves out is as HEAD has it.
    ///
    /// # Errors
    /// When there are no files, or git cannot read them.
    pub fn releases_on_disk(&self, head: &SourceCommit) -> Result<ReleaseState, StoreError> {
        let folder = &self.settings().releases;
        let Some(root) = self.repo.workdir() else {
            let problem = "there are none in a repository without a work tree";
            let error = StoreError::local(format!("the files of {folder}"), &problem);
            return Err(error.or(Remedy::CommitInstead));
        };
        if !self.holds_files(root, Path::new(folder), 0) {
            if git::is_sparse(root) {
                return self.releases_at(head);
            }
            return Ok(ReleaseState::new(folder, Read::default()));
        }
        let tree = self.folder_on_disk(root, folder)?;
        let mut reader = Reader::new(&self.repo, folder, None);
        let read = match tree {
            None => reader.nothing(&"is no folder"),
            Some(tree) => match self.bring_release_tree(tree) {
                Ok(()) => reader.read(tree),
                Err(problem) => reader.nothing(&problem),
            },
        };
        Ok(ReleaseState::new(folder, read))
    }

    /// True where the releases differ between two commits.
    #[must_use]
    pub fn releases_differ(&self, one: &SourceCommit, other: &SourceCommit) -> bool {
        let tree =
            |commit: &SourceCommit| folder_of(&self.repo, &self.settings().releases, commit.oid);
        tree(one) != tree(other)
    }

    /// What words of apps mean at the remote now, in one exchange.
    ///
    /// # Errors
    /// When the remote cannot be read.
    pub fn named(
        &self,
        words: &BTreeMap<AppName, BTreeSet<VersionWord>>,
    ) -> Result<BTreeMap<AppName, NamedVersions>, StoreError> {
        if words.is_empty() {
            return Ok(BTreeMap::new());
        }
        let refs = self.read_own(&words.keys().cloned().collect())?;
        let mut named = BTreeMap::new();
        for (app, words) in words {
            let Some(refs) = refs.get(app) else { continue };
            let history = History::read(&self.repo, app, refs);
            let one = |word: &VersionWord| (word.clone(), self.version_of(&history, word));
            let versions: NamedVersions = words.iter().map(one).collect();
            named.insert(app.clone(), versions);
        }
        Ok(named)
    }

    fn version_of(
        &self,
        history: &History,
        word: &VersionWord,
    ) -> Result<NamedVersion, ResolveError> {
        let version = history.version(word)?.clone();
        let (app, number) = (&version.app, version.number);
        let unreadable = |problem: &str| lookup::unreadable(app, &number, &problem);
        let tree = Oid::try_from(&version.tree).map_err(|error| unreadable(error.message()))?;
        let brought = self.complete(&[tree]);
        brought.map_err(|error| unreadable(&error.to_string()))?;
        let record = lookup::record(&self.repo, app, &version)?;
        Ok(NamedVersion { version, record })
    }

    /// True where a folder of the work tree, or one in it, holds something that git would take.
    fn holds_files(&self, root: &Path, path: &Path, depth: usize) -> bool {
        let folder = root.join(path);
        match fs::symlink_metadata(&folder).map(|about| about.is_dir()) {
            Err(_) => false,
            Ok(true) if depth < DEPTH_MAX => {
                let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
                entries
                    .any(|entry| self.holds_files(root, &path.join(entry.file_name()), depth + 1))
            }
            Ok(_) => {
                let index = self.repo.index();
                let is_known = || index.is_ok_and(|it| it.get_path(path, 0).is_some());
                !self.repo.is_path_ignored(path).unwrap_or(false) || is_known()
            }
        }
    }
}
