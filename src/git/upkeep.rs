//! Keeping a repository that is ours alone small: packing its refs and its objects. Never a person's clone, and never while
//! it is fetched into.

use std::path::Path;
use std::time::Duration;

use super::error::{Caller, GitError, GitErrorKind};
use super::run::Call;

/// Longest time for either: tens of seconds for the largest mirrors. Ending it early leaves a lock behind.
const PATIENCE: Duration = Duration::from_mins(10);

/// Moves loose refs, a file each, into one file.
///
/// # Errors
/// In the words of `git`.
pub fn pack_refs(dir: &Path) -> Result<(), GitError> {
    call(dir, &["pack-refs", "--all", "--prune"])
}

/// Packs objects anew where git finds that there are many loose ones or many packs; else it returns at once.
///
/// # Errors
/// In the words of `git`.
pub fn pack_objects(dir: &Path) -> Result<(), GitError> {
    call(dir, &["gc", "--auto", "--quiet"])
}

/// True where git finds that refs or objects which they need cannot be read. Where it cannot tell, false.
#[must_use]
pub fn is_damaged(dir: &Path) -> bool {
    let found = call(
        dir,
        &[
            "fsck",
            "--connectivity-only",
            "--no-dangling",
            "--no-reflogs",
            "--no-progress",
        ],
    );
    found.is_err_and(|error| {
        let cannot_tell = [
            GitErrorKind::TimedOut,
            GitErrorKind::NoGit,
            GitErrorKind::Interrupted,
        ];
        !cannot_tell.contains(&error.kind)
    })
}

fn call(dir: &Path, args: &[&str]) -> Result<(), GitError> {
    let config = [
        // Nothing goes on behind our back: a fetch may be next.
        ("gc.autoDetach", "false"),
        // Refs are packed apart, while nobody reads them.
        ("gc.packRefs", "false"),
        ("core.hooksPath", "/dev/null"),
        // The folder may be of another user; it was named by the administrator.
        ("safe.directory", "*"),
    ];
    let call = Call {
        dir,
        args: args.iter().map(Into::into).collect(),
        stdin: String::new(),
        env: Vec::new(),
        config: config
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        caller: Caller::Controller,
        secrets: Vec::new(),
        reads_output: false,
        is_push: false,
        timeout: PATIENCE,
    };
    call.run().map(drop)
}
