//! Why there is no version, or no label. Where one may be there all the same, or is, the error says so.

use super::super::remedy::Remedy;
use super::{CommitError, ResolveError, SnapshotError, StoreError};
use crate::app::Problems;
use crate::git::GitError;
use crate::words::{AppName, Label, VersionNumber};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The app.yaml is wrong.
    #[error("{0}")]
    App(Problems),
    /// The directory holds what may not be in a snapshot.
    #[error("{place}: {source}")]
    Snapshot {
        /// The commit and directory that was to be published.
        place: String,
        /// What is wrong.
        source: SnapshotError,
    },
    /// What was asked for does not fit.
    #[error("{problem}")]
    Request {
        /// What does not.
        problem: String,
        /// What may be asked for in its place.
        remedy: Option<Remedy>,
    },
    /// The label cannot be given.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Its commit could not be written or signed.
    #[error("the version cannot be written: {0}")]
    Commit(#[from] CommitError),
    /// The remote did not take it, and nothing there had changed.
    #[error("{} the version: {}{}", .0.not_taken(), .0, .0.advice())]
    Refused(GitError),
    /// The publisher stopped it.
    #[error("{0}")]
    Interrupted(GitError),
    /// A push failed, and the remote could not be looked at after it.
    #[error(
        "{push}; whether the version was published is not known: {source}; publish it again: content that is a version gets no second number"
    )]
    Unseen {
        /// How the push failed.
        push: GitError,
        /// Why nobody can look.
        source: StoreError,
    },
    /// The version is there; what was to be done beside it is not.
    #[error("{app} {number} is published, and not all that was asked for is done: {source}")]
    Landed {
        /// The app.
        app: AppName,
        /// The version.
        number: VersionNumber,
        /// What was not done.
        source: Box<Self>,
    },
    /// The ref that keeps numbers spent says more than all tags do.
    #[error(
        "refs/cutwater/{app}/last at remote `{remote}` says that {last} was given, and {}; tags may have been deleted by hand, or an import has not ended; if that ref was moved by mistake, remove it with `git push {remote} :refs/cutwater/{app}/last`, and the next publish makes it anew",
        newest.map_or_else(|| "there is no tag of a version".to_owned(), |newest| format!("no tag says more than {newest}"))
    )]
    Unbacked {
        /// The app.
        app: AppName,
        /// The remote's name.
        remote: String,
        /// What the ref says.
        last: VersionNumber,
        /// The highest number that a tag says.
        newest: Option<VersionNumber>,
    },
    /// Others published all the time.
    #[error("gave up after {tries} tries: each time another publisher was faster; try again")]
    TooManyRaces {
        /// How often it was tried.
        tries: u32,
    },
}

/// Why a label was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such version, or it does not live.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Another version has it.
    #[error("label `{label}` of `{app}` names {holder} already; choose another label")]
    Taken {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// The version that has it.
        holder: VersionNumber,
    },
    /// It was to be removed from a version, and another one has it.
    #[error(
        "label `{label}` of `{app}` names {holder}, and stays there; to remove it, name {holder}"
    )]
    Elsewhere {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// The version that has it.
        holder: VersionNumber,
    },
    /// A tag that Cutwater did not make stands in its place.
    #[error(
        "tag `{app}/{label}` is there and names {object}, which is no version of `{app}`; choose another label, or delete that tag with git"
    )]
    Foreign {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// What the tag points at.
        object: String,
    },
    /// It would be taken for something else.
    #[error("label `{label}` of `{app}` {why}; choose another label")]
    Misleads {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// What it would be taken for.
        why: &'static str,
    },
    /// Another one differs in capital letters alone.
    #[error(
        "label `{label}` of `{app}` differs from `{other}` in capital letters alone; choose another label"
    )]
    Twin {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// The one that is there.
        other: String,
    },
    /// The version went away meanwhile.
    #[error("version {number} of `{app}` is there no more: its tag was deleted or moved")]
    Gone {
        /// The app.
        app: AppName,
        /// The version.
        number: VersionNumber,
    },
    /// The remote did not take it, and nothing there had changed.
    #[error("{} the change of the label: {}{}", .0.not_taken(), .0, .0.advice())]
    Refused(GitError),
    /// A push failed, and the remote could not be looked at after it.
    #[error("{push}; whether the label was changed is not known: {source}")]
    Unseen {
        /// How the push failed.
        push: GitError,
        /// Why nobody can look.
        source: StoreError,
    },
    /// Others changed it all the time.
    #[error(
        "gave up after {tries} tries: label `{label}` of `{app}` was changed by others at each; try again"
    )]
    TooManyRaces {
        /// The app.
        app: AppName,
        /// The label.
        label: Label,
        /// How often it was tried.
        tries: u32,
    },
    /// The person stopped it.
    #[error("{0}")]
    Interrupted(GitError),
}

impl PublishError {
    pub(crate) fn request(problem: impl Into<String>) -> Self {
        Self::Request {
            problem: problem.into(),
            remedy: None,
        }
    }
}
