//! A snapshot that somebody looks at: of a version, or what the branch holds now; and why it cannot be shown.

use git2::Oid;

use super::error::{SnapshotError, StoreError};
use super::snapshot;
use super::version::Version;
use super::workspace::{SourceCommit, Workspace};
use crate::app::{App, Problems};
use crate::words::{AppName, CommitId, TreeId};

/// What the tracked branch holds is called so.
pub const LATEST: &str = "LATEST";

/// The content of a version, or of the branch.
#[derive(Debug, Clone)]
pub struct Content {
    /// The app.
    pub app: AppName,
    /// The version's number, such as `v8`, or `LATEST`.
    pub name: String,
    /// The snapshot id of a version, and what it would be of the branch, were it published without overlays.
    pub(crate) tree: Oid,
    /// The commit of the version, or of the branch.
    pub commit: CommitId,
}

impl Content {
    /// The content of a version.
    ///
    /// # Errors
    /// When the version's id is none.
    pub fn of_version(version: &Version) -> Result<Self, ContentError> {
        let name = version.number.to_string();
        let fail = |error: git2::Error| StoreError::local(name.clone(), &error.message());
        Ok(Self {
            app: version.app.clone(),
            tree: Oid::try_from(&version.tree).map_err(fail)?,
            commit: version.commit.clone(),
            name,
        })
    }

    /// What a commit of the branch holds in the app's directory.
    ///
    /// # Errors
    /// When the app has no directory there.
    pub fn latest(
        workspace: &Workspace,
        app: &AppName,
        commit: &SourceCommit,
    ) -> Result<Self, ContentError> {
        let tree = workspace.directory(commit, app)?;
        let tree = tree.ok_or_else(|| ContentError::NoDirectory {
            directory: format!("{}/{app}", workspace.settings().apps),
            commit: commit.shown.clone(),
        })?;
        Ok(Self {
            app: app.clone(),
            name: LATEST.to_owned(),
            tree,
            commit: commit.oid.into(),
        })
    }

    /// The id of the tree.
    #[must_use]
    pub fn tree(&self) -> TreeId {
        self.tree.into()
    }

    /// What its `app.yaml` says. In the branch, images may be absent.
    pub(crate) fn app(&self, workspace: &Workspace) -> Result<App, ContentError> {
        workspace.complete(&[self.tree])?;
        let bytes = snapshot::app_file(&workspace.repo, self.tree);
        let bytes = bytes.map_err(|source| ContentError::AppFile {
            name: self.name.clone(),
            source,
        })?;
        let app = if self.name == LATEST {
            App::from_branch(crate::app::APP_FILE, &bytes)
        } else {
            App::from_snapshot(&bytes)
        };
        app.map_err(|problems| ContentError::App {
            name: self.name.clone(),
            problems,
        })
    }

    pub(crate) fn bad(&self, source: SnapshotError) -> ContentError {
        ContentError::Snapshot {
            app: self.app.clone(),
            name: self.name.clone(),
            source,
        }
    }
}

/// Why a snapshot is not shown, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It holds what no snapshot may hold.
    #[error("{name} of `{app}`: {source}")]
    Snapshot {
        /// The app.
        app: AppName,
        /// The version, or `LATEST`.
        name: String,
        /// What is wrong.
        source: SnapshotError,
    },
    /// It holds no `app.yaml` that can be read.
    #[error("{name}: {source}")]
    AppFile {
        /// The version, or `LATEST`.
        name: String,
        /// What is wrong.
        source: SnapshotError,
    },
    /// Its `app.yaml` is wrong.
    #[error("{name}: {problems}")]
    App {
        /// The version, or `LATEST`.
        name: String,
        /// What is wrong in it.
        problems: Problems,
    },
    /// The app is not in the branch.
    #[error(
        "`{directory}` is no directory in {commit}, so there is no LATEST of this app; name two versions, or another commit"
    )]
    NoDirectory {
        /// The app's directory.
        directory: String,
        /// The commit as it was named.
        commit: String,
    },
    /// Nothing in the snapshot is called so.
    #[error("there is no `{path}` in {name} of `{app}`{}", there_are(near))]
    NoPath {
        /// The app.
        app: AppName,
        /// The version, or `LATEST`.
        name: String,
        /// What was asked for.
        path: String,
        /// Paths that look like it.
        near: Vec<String>,
    },
    /// There is more to show than can be held.
    #[error(
        "{0} is more than 64 MiB, which is not shown; see it with plain git: `git diff {1} {2}`"
    )]
    TooLarge(&'static str, TreeId, TreeId),
    /// The folder that is to be written to cannot be used, or a file in it cannot be written.
    #[error("{path}: {problem}")]
    Write {
        /// The folder or the file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

fn there_are(near: &[String]) -> String {
    if near.is_empty() {
        "; list all of it without a path".to_owned()
    } else {
        format!("; there are: {}", near.join(", "))
    }
}
