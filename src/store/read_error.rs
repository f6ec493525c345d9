//! Why something of a repository cannot be read: an object, a file of a commit, or what a clone lacks and would have to fetch.
//!
//! A file is named by whoever asks for it. What is wrong with what was read is said by whoever reads it.

use std::sync::Arc;

use git2::{ObjectType, Oid};

use super::error::{SnapshotError, StoreError};
use crate::git::GitError;
use crate::settings::SETTINGS_FILE;

/// Something of a repository that cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// libgit2 does not give it: it is not there, or is not as it should be.
    #[error("{}", .0.message())]
    Git(Arc<git2::Error>),
    /// A file is larger than what is read.
    #[error("has {size} bytes; at most {max} are read")]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The most that are read.
        max: usize,
    },
    /// A commit or a tree is larger than what is read.
    #[error("{kind} {oid} has {size} bytes; at most {max} are read")]
    LargeObject {
        /// What it is.
        kind: ObjectType,
        /// Its id.
        oid: Oid,
        /// Its bytes.
        size: usize,
        /// The most that are read.
        max: usize,
    },
    /// An object is of another kind than what was asked for.
    #[error("{oid} is a {found}, not a {wanted}")]
    OtherKind {
        /// Its id.
        oid: Oid,
        /// What it is.
        found: ObjectType,
        /// What it was to be.
        wanted: ObjectType,
    },
    /// The file of an object was cut off or overwritten.
    #[error("object {0} is damaged: its file was cut off or overwritten")]
    Damaged(Oid),
    /// The system does not open the file of an object.
    #[error("object {oid} cannot be read ({said})")]
    Closed {
        /// Its id.
        oid: Oid,
        /// In the words of the system.
        said: String,
    },
    /// The system does not give a file of the work tree.
    #[error("{0}")]
    File(String),
    /// Something else than a file stands at the place of one.
    #[error("is not a regular file")]
    NoFile,
    /// Something else than a folder stands at this place.
    #[error("`{0}` is no folder")]
    NoFolder(String),
    /// What is in a folder may not be there.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A folder holds more files than are read.
    #[error("has {count} files; at most {max} are read")]
    ManyFiles {
        /// How many.
        count: usize,
        /// The most that are read.
        max: usize,
    },
    /// The files of a folder hold more than what is read of them together.
    #[error("has more than {0} bytes in its files, which is too much")]
    ManyBytes(usize),
    /// Another program holds the lock of the clone, or there is no place for one.
    #[error(transparent)]
    Locked(#[from] StoreError),
    /// The clone ends at some commit, and what is older does not come.
    #[error(
        "this clone is shallow, and older commits cannot be fetched ({0}); `git fetch --unshallow` brings them"
    )]
    Shallow(GitError),
    /// The clone lacks objects, and they do not come.
    #[error(
        "this is a partial clone, and what is missing in it cannot be fetched ({0}); use a whole clone"
    )]
    Partial(GitError),
    /// The same of `cutwater.yaml`, which git brings alone.
    #[error(
        "is not in this partial clone, and cannot be fetched ({0}); `git checkout HEAD -- {SETTINGS_FILE}` brings it"
    )]
    NoSettings(GitError),
}

impl From<git2::Error> for ReadError {
    fn from(error: git2::Error) -> Self {
        Self::Git(Arc::new(error))
    }
}
