//! Which apps a range of commits touched.

use super::error::StoreError;
use super::workspace::{SourceCommit, Workspace};
use crate::words::AppName;

/// What differs between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Apps whose directory is another one than before, or new; sorted.
    pub apps: Vec<AppName>,
    /// Apps that are not there any more; sorted. Their versions live on.
    pub removed: Vec<AppName>,
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
        let gone = |app: &AppName| !now.contains(app);
        changed.removed = before.into_iter().filter(gone).collect();
        Ok(changed)
    }
}
