//! Why a `cutwater serve` that was asked said nothing that counts.

use std::io;
use std::time::Duration;

use crate::store::StoreError;
use crate::words::AppName;

/// Longest time for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("no `cutwater serve` answers on {address}: {problem}")]
    Silent {
        /// Where.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// Somebody is there, and does not answer.
    #[error("nobody knows whether a `cutwater serve` is on {address}: no answer in {} s", PATIENCE.as_secs())]
    Late {
        /// Where.
        address: String,
    },
    /// Somebody else is there.
    #[error("what answers on {address} is no `cutwater serve`: {problem}")]
    Other {
        /// Where.
        address: String,
        /// What is wrong.
        problem: String,
    },
}

/// Why a server is not taken for one of a clone's repository.
#[derive(Debug, thiserror::Error)]
pub enum FollowsError {
    /// It follows something else.
    #[error("the server on {address} follows {what}")]
    Elsewhere {
        /// Its admin address.
        address: String,
        /// Which repository or branch, and why it is another one.
        what: String,
    },
    /// The remote, which may know its commit, cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing is known of what a server serves.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It is not of this repository.
    #[error(transparent)]
    Follows(#[from] FollowsError),
    /// It runs the app, and nobody can tell what of it or for which repository.
    #[error("the `cutwater serve` on {address} {problem}")]
    Unknown {
        /// Its admin address.
        address: String,
        /// Why.
        problem: Box<UnknownServer>,
    },
}

/// Why nobody can tell what a server runs, or for which repository, as the end of a sentence.
#[derive(Debug, thiserror::Error)]
pub enum UnknownServer {
    /// It was not asked.
    #[error("cannot be asked: {0}")]
    Unasked(io::Error),
    /// It tells what this program does not understand.
    #[error("is of another version, so what it runs is not known: {0}")]
    Version(serde_json::Error),
    /// It runs the app of a repository that may be that of the clone.
    #[error("runs {app} of {repository}, which may be this repository: {doubt}")]
    Repository {
        /// The app.
        app: AppName,
        /// The address of the repository, as the server says it.
        repository: String,
        /// Why that is not known.
        doubt: RepositoryDoubt,
    },
}

/// Why nobody can tell whether the repository of a server is that of a clone.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryDoubt {
    /// The clone may lack its commit.
    #[error(
        "this clone is shallow and has not the commit that counts there; `git fetch --unshallow` brings it"
    )]
    Shallow,
    /// The remote, which may know its commit, cannot be read.
    #[error(transparent)]
    Remote(StoreError),
}
