//! What is said of a repository of which nothing, or not all, counts: sentences for the log and `/status`.
//!
//! Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::api::condition::whole_second;
use crate::branch::{Problem, Why};
use crate::plan::Owner;
use crate::store::{Coming, Part, StoreError};
use crate::words::CommitId;

/// What is said of a problem of a commit.
pub(super) fn says(problem: &Problem) -> String {
    match problem {
        Problem::Unreadable(_)
        | Problem::Changed { .. }
        | Problem::Emptied { .. }
        | Problem::Astray { .. }
        | Problem::AsBefore { .. } => problem.slip().unwrap_or_default(),
        Problem::Refused { problem, commit } => format!(
            "{problem}; commit {} does not count until that is mended, and what was read before goes on",
            commit.short()
        ),
        Problem::Nothing {
            commit,
            folder,
            is_there,
            others,
        } => nothing_there(commit, folder, *is_there, others),
        Problem::Second {
            file,
            line,
            kind,
            name,
            app,
            first: (first, first_line),
        } => format!(
            "{file}:{line}: {kind:?} `{name}` of `{app}` is the second one, after {first}:{first_line}; where folders of releases are meant for different places, name one with --releases"
        ),
        Problem::Kept {
            why,
            owners,
            commit,
        } => goes_on_without(why, owners, commit),
    }
}

fn goes_on_without(why: &Why, owners: &BTreeSet<Owner>, commit: &CommitId) -> String {
    let commit = commit.short();
    let (why, or) = match why {
        Why::Empty { folder, commit } => (
            format!(
                "{folder} in commit {}, so what was there goes on",
                commit.short()
            ),
            "; where it was the last one and nothing is to be served any more, list it again without its `routes`, so that nobody is sent to it, or stop this server: started again with new names for --state and --environment, it knows nothing of it; where another branch or folder is meant, start again with --branch or --releases",
        ),
        Why::Rewritten { before } => (
            format!(
                "history was rewritten: commit {commit} does not follow {}, so what is missing in it goes on",
                before.short()
            ),
            "",
        ),
        Why::Unknown { before } if before.is_zero() => (
            format!(
                "it is not known which commit counted before, for the file `counted` of the state folder is lost; so what is missing in commit {commit} goes on"
            ),
            "",
        ),
        Why::Unknown { before } => (
            format!(
                "commit {}, which counted before, cannot be read any more, so what is missing in commit {commit} goes on",
                before.short()
            ),
            "",
        ),
    };
    let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
    format!(
        "{why}, also where later commits do not have it: {}; to end that, list it again in one commit and remove it in a later one that leaves another Deployment or Alias in the folder{or}",
        owners.join(", ")
    )
}

/// What is said of a commit of another repository.
pub(super) fn exchanged(commit: &CommitId) -> String {
    format!(
        "the repository was exchanged for another one: commit {} has no commit in common with what counted before, and no tag of a version that is used names what it did; nothing of it counts, and what was read before goes on; put the repository back, or serve the new one with a folder of its own for --state",
        commit.short()
    )
}

/// What is said of a commit that is before the one that counted.
pub(super) fn went_back(commit: &CommitId, before: &CommitId) -> String {
    format!(
        "the branch went back from commit {} to {}, which is before it and counts now; where nobody moved it, this repository is a copy that lags behind: serve the one that is pushed to",
        before.short(),
        commit.short()
    )
}

/// What is said of a commit where the repository does not have the one that counted before.
pub(super) fn is_gone(commit: &CommitId, before: &CommitId) -> String {
    format!(
        "commit {}, which counted before, is not in the repository, and commit {} counts now; where nobody rewrote history, this repository is a copy that lags behind: serve the one that is pushed to",
        before.short(),
        commit.short()
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

/// What is said of what takes long to fetch from a repository.
pub(super) fn takes_long(coming: &Coming, branch: &str) -> String {
    let meanwhile = match &coming.what {
        Part::Branch => "what was read before goes on until then",
        Part::Versions(_) => {
            "versions and labels of these apps that are new at the remote are not known until then, and commits of the branch are read all the while"
        }
        Part::Copy => {
            "versions and labels that are new at the remote are not known until then, and commits of the branch are read all the while"
        }
    };
    format!("{}; {meanwhile}", coming.said(branch))
}

/// What is said of a look that has not ended.
pub(super) fn looks_long(branch: &str, since: Timestamp) -> String {
    let since = whole_second(since).0;
    format!(
        "looking at branch `{branch}` and at the versions began at {since} and has not ended; what was read before goes on until then"
    )
}

/// What is said of a folder in which nothing is ours where nothing was served before; `is_there` says whether it exists, and
/// `others` are the folders that hold releases.
fn nothing_there(
    commit: &CommitId,
    folder: &str,
    is_there: bool,
    others: &BTreeSet<String>,
) -> String {
    let commit = commit.short();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_says_where_it_is_and_what_to_do() {
        let owner = || Owner::try_from("cwd/shop".to_owned()).unwrap();
        let one = || CommitId::from_bytes(&[0x11; 20]);
        let two = || CommitId::from_bytes(&[0x22; 20]);
        let kept = |why| Problem::Kept {
            why,
            owners: [owner()].into(),
            commit: two(),
        };
        let file = || "releases/shop.yaml".to_owned();
        for (problem, words) in [
            (
                Problem::Changed {
                    file: file(),
                    line: 3,
                    field: "app",
                    before: "shop".to_owned(),
                    now: "blog".to_owned(),
                },
                &[
                    "releases/shop.yaml:3: spec.app: is `blog` and was `shop`",
                    "give the object another name",
                ][..],
            ),
            (
                Problem::Second {
                    file: file(),
                    line: 3,
                    kind: crate::releases::Kind::Deployment,
                    name: "shop-eu".to_owned(),
                    app: "shop".parse().unwrap(),
                    first: ("releases/a.yaml".to_owned(), 1),
                },
                &[
                    "Deployment `shop-eu` of `shop` is the second one, after releases/a.yaml:1",
                    "--releases",
                ],
            ),
            (
                Problem::Emptied {
                    file: file(),
                    owner: owner(),
                },
                &["releases/shop.yaml: holds nothing any more", "cwd/shop"],
            ),
            (
                Problem::AsBefore {
                    owners: vec![owner()],
                    commit: two(),
                },
                &[
                    "cwd/shop: as before until that is mended; all else of commit 222222222222 counts",
                ],
            ),
            (
                kept(Why::Rewritten { before: one() }),
                &[
                    "commit 222222222222 does not follow 111111111111",
                    "also where later commits do not have it: cwd/shop; to end that",
                ],
            ),
            (
                kept(Why::Unknown { before: one() }),
                &["commit 111111111111, which counted before, cannot be read any more"],
            ),
            (
                kept(Why::Unknown {
                    before: CommitId::zero(),
                }),
                &["the file `counted` of the state folder is lost"],
            ),
            (
                kept(Why::Empty {
                    folder: "`releases` is empty".to_owned(),
                    commit: one(),
                }),
                &[
                    "`releases` is empty in commit 111111111111, so what was there goes on",
                    "--branch or --releases",
                ],
            ),
        ] {
            let said = says(&problem);
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
    }
}
