//! The files of a version with their sizes. No content is read.

use git2::Oid;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::StoreError;
use super::objects::{self, Kind};
use super::version::Version;
use super::workspace::Workspace;

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedFile {
    /// Path in the app's directory.
    pub path: String,
    /// Size in bytes; of a link, that of its target's path.
    pub bytes: usize,
    /// True for an executable.
    pub executable: bool,
    /// True for a symbolic link.
    pub link: bool,
}

impl Workspace {
    /// The files of a version, by path.
    ///
    /// # Errors
    /// When the version holds what none may hold, or an object is missing.
    pub fn listing(&self, version: &Version) -> Result<Vec<ListedFile>, StoreError> {
        let fail = |problem: String| {
            let what = format!(
                "the files of version {} of `{}`",
                version.number, version.app
            );
            StoreError::local(what, &problem)
        };
        let tree = Oid::try_from(&version.tree).map_err(|error| fail(error.to_string()))?;
        self.complete(&[tree])?;
        let items = objects::walk(&self.repo, tree).map_err(|error| fail(error.to_string()))?;
        let mut files = Vec::new();
        let mut sizes = objects::Sizes::new(&self.repo);
        for item in items
            .into_iter()
            .filter(|item| item.kind != Kind::Directory)
        {
            files.push(ListedFile {
                bytes: (sizes.of(item.oid))
                    .map_err(|problem| fail(format!("`{}`: {problem}", item.path)))?,
                executable: item.kind == Kind::File { executable: true },
                link: item.kind == Kind::Link,
                path: item.path,
            });
        }
        Ok(files)
    }
}
