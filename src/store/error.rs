//! What can go wrong in the store. Each error says what, where and what to do, and has a reason for conditions.

mod publish;

use jiff::Timestamp;

use super::remedy::Remedy;
use crate::api::Reason;
use crate::app::Problems;
use crate::git::{GitError, GitErrorKind, UrlError};
use crate::words::{AppName, Label, VersionNumber, VersionWord, shown};

pub use publish::{LabelError, PublishError};

/// Most bytes of a path, a problem and a reason in a message, and most names in a list.
const PATH_SHOWN: usize = 1024;
const PROBLEM_SHOWN: usize = 2048;
const REASON_SHOWN: usize = 200;
const LIST_SHOWN: usize = 5;

/// The repository cannot be reached or used. Never holds credentials.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The address is not one that may be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A call of `git` failed.
    #[error("{what}: {source}{}", source.advice())]
    Git {
        /// What was done with which remote.
        what: String,
        /// What `git` said.
        source: GitError,
    },
    /// The branch is not there.
    #[error("branch `{branch}` is not in {url}; push it, or name another branch")]
    BranchNotFound {
        /// The branch.
        branch: String,
        /// The remote, without credentials.
        url: String,
    },
    /// The repository's `cutwater.yaml` is wrong.
    #[error("{0}")]
    Settings(Problems),
    /// A repository of this machine cannot be read or written.
    #[error("{what}: {problem}")]
    Local {
        /// What was done where.
        what: String,
        /// What libgit2 or the system said.
        problem: String,
        /// What may be asked for in its place.
        remedy: Option<Remedy>,
    },
}

impl StoreError {
    pub(crate) fn local(what: impl Into<String>, problem: &impl ToString) -> Self {
        Self::Local {
            what: what.into(),
            problem: problem.to_string(),
            remedy: None,
        }
    }

    /// The same, with what may be asked for in its place.
    pub(crate) fn or(mut self, other: Remedy) -> Self {
        if let Self::Local { remedy, .. } = &mut self {
            *remedy = Some(other);
        }
        self
    }

    /// The reason for conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Url(_) => Reason::RepositoryNotAllowed,
            Self::BranchNotFound { .. } => Reason::BranchNotFound,
            Self::Local { .. } | Self::Settings(_) => Reason::RepositoryUnreachable,
            Self::Git { source, .. } => match source.kind {
                GitErrorKind::Authentication | GitErrorKind::Key | GitErrorKind::Forbidden => {
                    Reason::CredentialsRefused
                }
                GitErrorKind::NotARepository => Reason::NotARepository,
                GitErrorKind::NoGit
                | GitErrorKind::TimedOut
                | GitErrorKind::TakesLong
                | GitErrorKind::Unfinished
                | GitErrorKind::Interrupted
                | GitErrorKind::NotBegun
                | GitErrorKind::Unsettled
                | GitErrorKind::Certificate
                | GitErrorKind::HostKey
                | GitErrorKind::MissingRef
                | GitErrorKind::Refused
                | GitErrorKind::Protected
                | GitErrorKind::Full
                | GitErrorKind::Shallow
                | GitErrorKind::NotAtomic
                | GitErrorKind::ObjectFormat
                | GitErrorKind::Locked
                | GitErrorKind::InTheWay
                | GitErrorKind::Moved
                | GitErrorKind::SignedPush
                | GitErrorKind::Mirror
                | GitErrorKind::NotWritable
                | GitErrorKind::Redirected
                | GitErrorKind::Away
                | GitErrorKind::UnknownHost
                | GitErrorKind::Proxy
                | GitErrorKind::Server
                | GitErrorKind::Unreachable => Reason::RepositoryUnreachable,
            },
        }
    }
}

/// What is in a snapshot that may not be there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {problem}")]
pub struct SnapshotError {
    /// The path in the app's directory.
    pub path: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl SnapshotError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: shown(&path.into(), PATH_SHOWN),
            problem: shown(&problem.into(), PROBLEM_SHOWN),
        }
    }

    /// All of them as one; nothing where there is none.
    pub(crate) fn all(problems: Vec<Self>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let mut first = problems.next()?;
        for other in problems {
            first.problem = format!("{}\n`{}` {}", first.problem, other.path, other.problem);
        }
        Some(first)
    }
}

/// Why a word does not lead to a version that can run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing is called so.
    #[error("app `{app}` has no version `{word}`{}", suggestion(word, near))]
    UnknownVersion {
        /// The app.
        app: AppName,
        /// The word.
        word: VersionWord,
        /// What is there and looks like it.
        near: Vec<String>,
    },
    /// The id is the beginning of several.
    #[error(
        "`{word}` is the beginning of several versions of `{app}`: {}; write more digits",
        list(candidates)
    )]
    Ambiguous {
        /// The app.
        app: AppName,
        /// The word.
        word: VersionWord,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// It was deleted, on purpose.
    #[error(
        "version {number} of `{app}` was deleted by {who} at {when}{}; publish it again, or choose another version",
        because(why)
    )]
    Deleted {
        /// The app.
        app: AppName,
        /// The number, which stays spent.
        number: VersionNumber,
        /// Who deleted it.
        who: String,
        /// When.
        when: Timestamp,
        /// Why; may be empty.
        why: String,
    },
    /// A tag stands at the version's place, but is not a version.
    #[error(
        "tag `{tag}` is not a version that Cutwater published ({why}); publish a version, or name another one"
    )]
    Foreign {
        /// The tag's name.
        tag: String,
        /// What does not agree.
        why: String,
    },
    /// The app.yaml in the snapshot is not one that this program can run.
    #[error("version {number} of `{app}` cannot run: {problems}")]
    BadApp {
        /// The app.
        app: AppName,
        /// The version.
        number: VersionNumber,
        /// What is wrong in its app.yaml.
        problems: Problems,
    },
    /// The snapshot holds what may not be there.
    #[error("version {number} of `{app}` cannot run: {source}")]
    BadSnapshot {
        /// The app.
        app: AppName,
        /// The version.
        number: VersionNumber,
        /// What is wrong.
        source: SnapshotError,
    },
    /// An object is missing or damaged.
    #[error(
        "version `{word}` of `{app}` cannot be read: {problem}; fetch again, or run `git fsck` in the repository"
    )]
    Unreadable {
        /// The app.
        app: AppName,
        /// The word.
        word: String,
        /// What libgit2 said.
        problem: String,
    },
}

fn suggestion(word: &VersionWord, near: &[String]) -> String {
    if near.is_empty() {
        return "; publish one with `cutwater versions publish`".to_owned();
    }
    let low = word.to_string().to_ascii_lowercase();
    let is_meant = |name: &&String| **name == low || name.parse::<Label>().is_ok();
    let meant: Vec<&str> = (near.iter().filter(is_meant)).map(String::as_str).collect();
    let meant = match meant.as_slice() {
        _ if low == "latest" => " `LATEST` is the tracked branch, and no version;".to_owned(),
        [] => String::new(),
        meant => format!(" did you mean {}?", meant.join(", ")),
    };
    format!(";{meant} there are: {}", near.join(", "))
}

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(LIST_SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        let first = why.lines().next().unwrap_or_default();
        format!(" ({})", shown(first, REASON_SHOWN))
    }
}

impl ResolveError {
    /// The reason for conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownVersion { .. } => Reason::VersionNotFound,
            Self::Foreign { .. } => Reason::VersionForeign,
            Self::Ambiguous { .. } => Reason::VersionAmbiguous,
            Self::Deleted { .. } => Reason::VersionDeleted,
            Self::BadApp { .. } | Self::BadSnapshot { .. } | Self::Unreadable { .. } => {
                Reason::SnapshotUnreadable
            }
        }
    }
}

/// Why no commit was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The repository of this machine cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is left of the name that git could write.
    #[error("the author `{0}` cannot be written; set user.name and user.email in git")]
    Author(String),
    /// The person's git could not sign.
    #[error(
        "it could not be signed: {said}; set up user.signingKey (and gpg.format ssh for an ssh key), and try `git commit -S`; a key with a passphrase must be held by an agent{}",
        if *set_up { "; commit.gpgSign asks for it, and `git config commit.gpgSign false` leaves the commits of this clone unsigned" } else { "" }
    )]
    Signing {
        /// In the words of git.
        said: String,
        /// Their git is set up to sign every commit.
        set_up: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_there_leads_to_the_one_that_is_meant() {
        let near =
            |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        for (word, names, said) in [
            (
                "stabel",
                &["stable", "v3"][..],
                "; did you mean stable? there are: stable, v3",
            ),
            ("V2", &["v2", "v3"], "; did you mean v2? there are: v2, v3"),
            ("v9", &["v3", "and 4 more"], "; there are: v3, and 4 more"),
            (
                "Latest",
                &["v3"],
                "; `LATEST` is the tracked branch, and no version; there are: v3",
            ),
        ] {
            assert_eq!(
                suggestion(&word.parse().unwrap(), &near(names)),
                said,
                "{word}"
            );
        }
    }
}
