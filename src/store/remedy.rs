//! What a person may do where a command cannot be carried out, as data: each face of the product has words of its own for it.

/// Something that may be asked for in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Work in a clone of the release repository.
    OtherClone,
    /// Take another remote of the clone.
    OtherRemote,
    /// Take another commit.
    OtherCommit,
    /// Allow more time for each call of git.
    MoreTime,
    /// Take a commit in the place of the files of the work tree.
    CommitInstead,
    /// Publish what is committed, and not the files of the work tree.
    Committed,
    /// Publish the files of the work tree, committed or not.
    WorkTree,
}
