//! Keeping a repository that is ours alone small: packing its refs and its objects. Never a person's clone, and never while
//! it is fetched into.

use std::path::Path;
use std::time::Duration;

use super::error::{Caller, GitError};
use super::interrupt::Aim;
use super::progress::Heard;
use super::run::Call;

/// Longest time for either: tens of seconds for the largest mirrors. Ending it early leaves a lock behind.
const PATIENCE: Duration = Duration::from_mins(10);

/// Moves loose refs, a file each, into one file.
///
/// # Errors
/// In the words of `git`.
pub fn pack_refs(dir: &Path, caller: Caller) -> Result<(), GitError> {
    call(dir, caller, &["pack-refs", "--all", "--prune"], PATIENCE)
}

/// Packs objects anew where git finds that there are many loose ones or many packs; else it returns at once.
///
/// # Errors
/// In the words of `git`.
pub fn pack_objects(dir: &Path, caller: Caller) -> Result<(), GitError> {
    call(dir, caller, &["gc", "--auto", "--quiet"], PATIENCE)
}

/// What git finds wrong with refs, or with objects that they need: files are not looked into. Nothing where it is sound, and where git
/// cannot tell within that time.
#[must_use]
pub fn damage(dir: &Path, caller: Caller, timeout: Duration) -> Option<String> {
    let args = [
        "fsck",
        "--connectivity-only",
        "--no-dangling",
        "--no-reflogs",
        "--no-progress",
    ];
    let found = call(dir, caller, &args, timeout).err()?;
    found.is_told().then_some(found.message)
}

fn call(dir: &Path, caller: Caller, args: &[&str], timeout: Duration) -> Result<(), GitError> {
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
        caller,
        secrets: Vec::new(),
        reads_output: false,
        aim: Aim::Here,
        timeout,
        silence: None,
        heard: Heard::default(),
    };
    call.run().map(drop)
}
