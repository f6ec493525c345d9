//! A folder as its files are on the disk now, committed or not, as `git add --sparse` would take them.
//!
//! Ignore rules, `core.autocrlf`, `core.fileMode` and the like mean what they mean in a commit, so that a clean work tree
//! gives the very tree that is committed. It is `git` that adds, to a copy of the index: the clone's own stays as it is.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use git2::Oid;

use super::error::StoreError;
use super::remedy::Remedy;
use super::workspace::Workspace;
use crate::git;
use crate::words::AppName;

impl Workspace {
    /// The tree of the app's directory in the work tree; nothing where there is no such directory.
    pub(super) fn work_tree(&self, app: &AppName) -> Result<Option<Oid>, StoreError> {
        let path = format!("{}/{app}", self.settings().apps);
        let Some(root) = self.repo.workdir() else {
            let problem = "cannot be published from a repository without a work tree";
            return Err(StoreError::local(files(&path), &problem).or(Remedy::Committed));
        };
        self.folder_on_disk(root, &path)
    }

    /// The tree of a folder of the work tree at `root`; nothing where there is no such folder.
    pub(super) fn folder_on_disk(
        &self,
        root: &Path,
        path: &str,
    ) -> Result<Option<Oid>, StoreError> {
        let fail = |problem: &dyn ToString| StoreError::local(files(path), &problem.to_string());
        let about = fs::symlink_metadata(root.join(path));
        if !about.is_ok_and(|about| about.is_dir()) {
            return Ok(None);
        }
        let git_failed = |source| {
            let what = format!("cannot read {}", files(path));
            StoreError::Git { what, source }
        };
        // `git add` takes the marks of a conflict for what is meant. Asked of git, which reads every kind of index.
        let undecided = git::conflicts(root, self.timeout()).map_err(git_failed)?;
        let is_inside = |file: &String| Path::new(file).starts_with(path);
        if undecided.iter().any(is_inside) {
            return Err(fail(
                &"hold conflicts of a merge; resolve them and `git add` the files",
            ));
        }
        let private = tempfile::Builder::new()
            .prefix("cutwater-")
            .tempdir()
            .map_err(|error| fail(&error))?;
        let copy = private.path().join("index");
        copy_index(&self.repo.path().join("index"), &copy).map_err(|error| fail(&error))?;
        let tree = git::work_tree(root, &copy, path, &undecided, self.timeout());
        let tree = tree.map_err(git_failed)?;
        Oid::from_str(&tree).map(Some).map_err(|error| fail(&error))
    }
}

/// What is said to be read.
fn files(path: &str) -> String {
    format!("the files of {path}")
}

/// Copies the index, if there is one yet, with its time: by that time git knows which files may have changed since.
fn copy_index(from: &Path, to: &Path) -> io::Result<()> {
    let index = match File::open(from) {
        Ok(index) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let time = index.metadata()?.modified()?;
    let mut copy = File::create_new(to)?;
    io::copy(&mut &index, &mut copy)?;
    copy.set_modified(time)
}
