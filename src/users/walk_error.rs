//! Why older commits of a branch are not known.

use git2::Oid;

use crate::store::ReadError;

/// Why a walk did not go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum WalkError {
    /// Something cannot be read or fetched.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something of a commit cannot be read.
    #[error("commit {} cannot be read: {source}", &oid.to_string()[..12])]
    Commit {
        /// The commit.
        oid: Oid,
        /// Why.
        source: Box<Self>,
    },
    /// Folders of releases lie in each other too deep.
    #[error("`{0}` is too deep")]
    TooDeep(String),
    /// One side of a merge has more commits than are compared.
    #[error("more than {0} commits lie beside what it merged")]
    ManyBeside(usize),
    /// The branch has more commits than are looked at.
    #[error("only {0} commits are looked at")]
    ManyCommits(usize),
    /// The remote has no older commits either.
    #[error("this clone and its remote are shallow: older commits are in neither")]
    ShallowRemote,
}

impl WalkError {
    /// The same, of this commit.
    pub(super) fn of(oid: Oid, source: impl Into<Self>) -> Self {
        Self::Commit {
            oid,
            source: Box::new(source.into()),
        }
    }
}

impl From<git2::Error> for WalkError {
    fn from(error: git2::Error) -> Self {
        Self::Read(error.into())
    }
}
