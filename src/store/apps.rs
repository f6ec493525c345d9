//! The apps of a clone: in a commit, in the work tree, and folders that are nearly one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use git2::Oid;

use super::error::StoreError;
use super::read_error::ReadError;
use super::workspace::{SourceCommit, Workspace};
use super::{objects, snapshot};
use crate::app::APP_FILE;
use crate::git;
use crate::words::{AppName, WORD_MAX, shown};

impl Workspace {
    /// The app whose directory holds `dir`, if it is inside one.
    #[must_use]
    pub fn app_at(&self, dir: &Path) -> Option<AppName> {
        let root = self.repo.workdir()?.canonicalize().ok()?;
        let inside = dir.canonicalize().ok()?;
        let inside = inside
            .strip_prefix(root)
            .ok()?
            .strip_prefix(&self.settings().apps)
            .ok()?;
        inside.iter().next()?.to_str()?.parse().ok()
    }

    /// The app's directory on the disk, where there is a work tree.
    #[must_use]
    pub fn app_dir(&self, app: &AppName) -> Option<PathBuf> {
        let root = self.repo.workdir()?;
        Some(root.join(&self.settings().apps).join(app.as_str()))
    }

    /// The names of the apps in a commit, sorted.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn apps(&self, commit: &SourceCommit) -> Result<Vec<AppName>, StoreError> {
        let fail = |problem: ReadError| {
            StoreError::local(format!("the apps of {}", commit.shown), &problem)
        };
        self.bring_tree(commit.tree).map_err(fail)?;
        let root = objects::tree(&self.repo, commit.tree).map_err(fail)?;
        let Ok(entry) = root.get_path(Path::new(&self.settings().apps)) else {
            return Ok(Vec::new());
        };
        self.bring_folders(entry.id()).map_err(fail)?;
        let Ok(apps) = objects::tree(&self.repo, entry.id()) else {
            return Ok(Vec::new());
        };
        let is_app = |entry: &git2::TreeEntry<'_>| {
            let inside = objects::tree(&self.repo, entry.id()).ok()?;
            inside.get_name(APP_FILE)?;
            entry.name().ok()?.parse().ok()
        };
        Ok(apps.iter().filter_map(|entry| is_app(&entry)).collect())
    }

    /// Folders of the commit beside its apps that somebody may have meant as one: path and what keeps it from being an app.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn nearly_apps(&self, commit: &SourceCommit) -> Result<Vec<(String, String)>, StoreError> {
        let fail = |problem: ReadError| {
            StoreError::local(format!("the apps of {}", commit.shown), &problem)
        };
        let root = objects::tree(&self.repo, commit.tree).map_err(fail)?;
        let Ok(entry) = root.get_path(Path::new(&self.settings().apps)) else {
            return Ok(Vec::new());
        };
        let Ok(folders) = objects::tree(&self.repo, entry.id()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for folder in &folders {
            let Ok(inside) = objects::tree(&self.repo, folder.id()) else {
                continue;
            };
            let name = String::from_utf8_lossy(folder.name_bytes()).into_owned();
            let path = shown(&format!("{}/{name}", self.settings().apps), WORD_MAX);
            let problem = if inside.get_name(APP_FILE).is_some() {
                let wrong = name.parse::<AppName>().err();
                wrong.map(|error| format!("{error}; rename the folder"))
            } else {
                let meant = snapshot::misnamed(&inside);
                meant.map(|file| format!("the file is called {APP_FILE}, not {file}; rename it"))
            };
            found.extend(problem.map(|problem| (path, problem)));
        }
        Ok(found)
    }

    /// Looks, beside other work, which apps, or whether the one that is named, have files that differ from HEAD, or that git
    /// does not know: with many files, as long as everything else before a push. It is `git` that looks, because only git
    /// reads sparse and split indexes.
    #[must_use]
    pub fn look_for_changes(&self, only: Option<&AppName>) -> JoinHandle<BTreeSet<AppName>> {
        let apps = self.settings().apps.clone();
        let folder = only.map_or_else(|| apps.clone(), |app| format!("{apps}/{app}"));
        let root = self.repo.workdir().map(Path::to_owned);
        let timeout = self.timeout;
        thread::spawn(move || {
            let files = root.and_then(|root| git::uncommitted(&root, &folder, timeout).ok());
            let app = |file: &String| {
                let inside = file.strip_prefix(&apps)?.strip_prefix('/')?;
                inside.split('/').next()?.parse().ok()
            };
            files.unwrap_or_default().iter().filter_map(app).collect()
        })
    }

    /// The directory tree of an app in a commit.
    pub(super) fn directory(
        &self,
        commit: &SourceCommit,
        app: &AppName,
    ) -> Result<Option<Oid>, StoreError> {
        let fail = |problem: ReadError| StoreError::local(commit.shown.clone(), &problem);
        let mut oid = commit.tree;
        for part in self.settings().apps.split('/').chain([app.as_str()]) {
            self.bring_tree(oid).map_err(fail)?;
            let tree = objects::tree(&self.repo, oid).map_err(fail)?;
            match tree.get_name(part) {
                Some(entry) if entry.filemode_raw() == 0o040_000 => oid = entry.id(),
                _ => return Ok(None),
            }
        }
        Ok(Some(oid))
    }
}
