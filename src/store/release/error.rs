//! Why nothing changed in `releases/`.

use jiff::Timestamp;

use super::super::error::{ResolveError, StoreError};
use crate::git::GitError;
use crate::releases::SplitError;
use crate::releases::edit::EditError;
use crate::words::{AliasName, AppName, VersionNumber, VersionWord, instead};

/// Why a change was not made. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReleaseError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A word names no living version.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The shares make no split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The file cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Two words name one version.
    #[error("`{first}` and `{second}` are both {number}; name it once, with its whole percentage")]
    Twice {
        /// The first word.
        first: VersionWord,
        /// The second.
        second: VersionWord,
        /// The version.
        number: VersionNumber,
    },
    /// The branch whose releases count is not at the remote.
    #[error(
        "branch `{branch}` is not at remote `{remote}`, and its releases are what counts; push it, or name another branch in cutwater.yaml"
    )]
    NoBranch {
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// There is no object to change.
    #[error(
        "{what} is not in `{folder}` of branch `{branch}`; write it to {file}, commit it and push it:\n{text}"
    )]
    NotThere {
        /// What was looked for.
        what: String,
        /// Folder of the releases.
        folder: String,
        /// The branch.
        branch: String,
        /// A file for it.
        file: String,
        /// What may stand in that file.
        text: String,
    },
    /// No app is called so.
    #[error("there is no app `{app}` on branch `{branch}`, and no version of it; {}", instead(there.iter().map(AppName::as_str), app.as_str()))]
    NoApp {
        /// What was asked for.
        app: AppName,
        /// The branch.
        branch: String,
        /// The apps of the branch.
        there: Vec<AppName>,
    },
    /// No alias is called so.
    #[error("app `{app}` has no alias `{name}` on branch `{branch}`; {}", instead(there.iter().map(String::as_str), name.as_str()))]
    NoAlias {
        /// The app.
        app: AppName,
        /// What was asked for.
        name: AliasName,
        /// The branch.
        branch: String,
        /// The aliases of the app.
        there: Vec<String>,
    },
    /// The routes of the object cannot reach what the versions have.
    #[error("{problem}; correct the route in {file}, or name other versions; nothing was changed")]
    Unreachable {
        /// What stands against it.
        problem: String,
        /// The file of the object.
        file: String,
    },
    /// No object, or several, are meant.
    #[error("{problem}; name one with {flag}: {}", there.join(", "))]
    WhichOne {
        /// What is wrong.
        problem: String,
        /// The option.
        flag: &'static str,
        /// Those that are there.
        there: Vec<String>,
    },
    /// Files cannot be read, and may hold what was looked for.
    #[error("{what} was not found, and files that may hold it cannot be read; correct them:\n  {}", gaps.join("\n  "))]
    Unreadable {
        /// What was looked for.
        what: String,
        /// What is wrong, with file and line.
        gaps: Vec<String>,
    },
    /// Nothing was stable before.
    #[error(
        "there is nothing that `{app}` can go back to by itself: {why}; {}",
        advice(candidates)
    )]
    NothingStable {
        /// The app.
        app: AppName,
        /// What was looked at.
        why: String,
        /// Living versions that are not the only one now, the newest first.
        candidates: Vec<VersionNumber>,
    },
    /// Somebody changed the same object at the same time.
    #[error(transparent)]
    ChangedMeanwhile(Box<ChangedMeanwhile>),
    /// A new branch cannot have this name.
    #[error("`{name}` cannot be the new branch: {problem}")]
    Branch {
        /// The name.
        name: String,
        /// Why, and what to do.
        problem: String,
    },
    /// The remote refused the push.
    #[error("the remote refused the commit on branch `{branch}`: {}{advice}", source.message)]
    Refused {
        /// The branch.
        branch: String,
        /// What it said.
        source: GitError,
        /// What to do.
        advice: &'static str,
    },
    /// Others were faster each time.
    #[error("branch `{0}` was changed by others at each try; try again")]
    GaveUp(String),
    /// Git cannot write the author.
    #[error("the author cannot be written ({0}); set user.name and user.email in git")]
    Author(String),
}

fn advice(candidates: &[VersionNumber]) -> String {
    if candidates.is_empty() {
        return "no other version lives".to_owned();
    }
    let names: Vec<String> = candidates.iter().map(VersionNumber::to_string).collect();
    format!("name a version: {}", names.join(", "))
}

/// What somebody else made of the object at the same time.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{what} was changed at the same time by {who} ({commit}, {when}: {message}) to {versions}; look at it, and say again what is to be served"
)]
pub struct ChangedMeanwhile {
    /// The object.
    pub what: String,
    /// Who.
    pub who: String,
    /// The commit, shortened.
    pub commit: String,
    /// When.
    pub when: Timestamp,
    /// Why.
    pub message: String,
    /// What it asks for now.
    pub versions: String,
}
