//! What is said of a repository of which nothing, or not all, counts: sentences for the log and `/status`.
//!
//! Pure.

use std::collections::BTreeSet;

use super::commit::short;
use crate::store::StoreError;

/// What is said of a commit of another repository.
pub(super) fn exchanged(commit: &str) -> String {
    format!(
        "the repository was exchanged for another one: commit {} has no commit in common with what counted before, and no tag of a version that is used names what it did; nothing of it counts, and what was read before goes on; put the repository back, or serve the new one with a folder of its own for --state",
        short(commit)
    )
}

/// What is said of a commit that is before the one that counted.
pub(super) fn went_back(commit: &str, before: &str) -> String {
    format!(
        "the branch went back from commit {} to {}, which is before it and counts now; where nobody moved it, this repository is a copy that lags behind: serve the one that is pushed to",
        short(before),
        short(commit)
    )
}

/// What is said of a commit where the repository does not have the one that counted before.
pub(super) fn is_gone(commit: &str, before: &str) -> String {
    format!(
        "commit {}, which counted before, is not in the repository, and commit {} counts now; where nobody rewrote history, this repository is a copy that lags behind: serve the one that is pushed to",
        short(before),
        short(commit)
    )
}

/// What is said of a look that failed, in words of this command: the branch is a flag here.
pub(super) fn goes_on(error: &StoreError, is_first: bool) -> String {
    let problem = match error {
        StoreError::BranchNotFound { branch, url } => {
            format!("branch `{branch}` is not in {url}; push it, or name another one with --branch")
        }
        error => error.to_string(),
    };
    if is_first {
        return format!("{problem}; nothing was read before, so nothing is served");
    }
    format!("{problem}; what was read before goes on")
}

/// What is said of a folder in which nothing is ours where nothing was served before; `is_there` says whether it exists, and
/// `others` are the folders that hold releases.
pub(super) fn nothing_there(
    commit: &str,
    folder: &str,
    (is_there, others): (bool, BTreeSet<String>),
) -> String {
    let commit = short(commit);
    let what = if is_there {
        format!("`{folder}` holds no Deployment and no Alias in commit {commit}")
    } else {
        format!("there is no folder `{folder}` in commit {commit}")
    };
    if others.is_empty() {
        return format!(
            "{what}, so nothing is served; `cutwater deploy` says which file to write there"
        );
    }
    let names: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
    format!(
        "{what}, so nothing is served; releases stand in {}: name the folder with --releases, or in cutwater.yaml",
        names.join(", ")
    )
}

/// What is said of a folder of releases that is named in place of the one before, and does not have all of it.
pub(super) fn other_folder(folder: &str, before: &str) -> String {
    format!(
        "cutwater.yaml names the folder `{folder}` now in place of `{before}`, and not all that stood there is there"
    )
}

/// What is said of a folder of releases in which nothing is ours; `others` are the objects of others in it.
pub(super) fn empty(folder: &str, others: usize) -> String {
    match others {
        0 => format!("`{folder}` is absent or empty"),
        1 => format!(
            "`{folder}` holds no Deployment and no Alias of ours, but 1 object of another kind,"
        ),
        others => format!(
            "`{folder}` holds no Deployment and no Alias of ours, but {others} objects of other kinds,"
        ),
    }
}
