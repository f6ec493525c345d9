//! Which apps a range of commits touched.

use std::path::Path;

use git2::Oid;

use super::error::StoreError;
use super::objects;
use super::workspace::{SourceCommit, Workspace};
use crate::words::AppName;

/// What differs between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Apps whose directory is another one than before, or new; sorted.
    pub apps: Vec<AppName>,
    /// Apps that are not there any more; sorted. Their versions live on.
    pub removed: Vec<AppName>,
    /// Folders that changed, and that somebody may have meant as an app: path and what keeps them from being one.
    pub skipped: Vec<(String, String)>,
}

impl Workspace {
    /// The apps of `source` whose directory differs from the one in `base`.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn changed(
        &self,
        base: &SourceCommit,
        source: &SourceCommit,
    ) -> Result<Changed, StoreError> {
        let (before, now) = (self.apps(base)?, self.apps(source)?);
        let mut changed = Changed::default();
        for app in &now {
            if self.directory(base, app)? != self.directory(source, app)? {
                changed.apps.push(app.clone());
            }
        }
        for (path, problem) in self.nearly_apps(source)? {
            let at = |commit: &SourceCommit| self.entry(commit, Path::new(&path));
            if at(base) != at(source) {
                changed.skipped.push((path, problem));
            }
        }
        let gone = |app: &AppName| !now.contains(app);
        changed.removed = before.into_iter().filter(gone).collect();
        Ok(changed)
    }

    /// What stands at a path of a commit.
    fn entry(&self, commit: &SourceCommit, path: &Path) -> Option<Oid> {
        let root = objects::tree(&self.repo, commit.tree).ok()?;
        root.get_path(path).ok().map(|entry| entry.id())
    }
}
