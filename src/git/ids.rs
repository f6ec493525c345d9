//! Ids as libgit2 has them, from and to those that the rest of the program speaks of.

use git2::Oid;

use crate::words::{CommitId, TreeId};

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl From<Oid> for $id {
            fn from(oid: Oid) -> Self {
                Self::from_bytes(oid.as_bytes())
            }
        }

        impl TryFrom<&$id> for Oid {
            type Error = git2::Error;

            /// Fails for an id with more digits than this libgit2 reads.
            fn try_from(id: &$id) -> Result<Self, git2::Error> {
                Self::from_str(id.as_str())
            }
        }
    )*};
}
ids!(CommitId TreeId);
