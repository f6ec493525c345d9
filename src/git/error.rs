//! Why a call of `git` failed.

use std::time::Duration;

/// A call of the `git` program that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GitError {
    /// What kind of failure it was.
    pub kind: GitErrorKind,
    /// What `git` or the server said: bounded, in one piece, without credentials and control characters.
    pub message: String,
}

/// Kinds of failure. A guess from the exit and the text: for people and conditions, never to decide what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitErrorKind {
    /// `git` cannot be started.
    NoGit,
    /// It took longer than allowed and was ended.
    TimedOut,
    /// The server wants other credentials, or any.
    Authentication,
    /// There is no repository at that address, or nothing that may be read.
    NotARepository,
    /// The server's certificate or host key is not trusted.
    Untrusted,
    /// A ref that was asked for is not there.
    MissingRef,
    /// The server refused a change.
    Refused,
    /// Another process holds a lock in the remote, or left it there.
    Locked,
    /// Anything else: mostly the network.
    Unreachable,
}

impl GitError {
    pub(super) fn no_git(error: &std::io::Error) -> Self {
        Self {
            kind: GitErrorKind::NoGit,
            message: format!(
                "the program `git` could not be started ({error}); install git 2.36 or newer and put it on the PATH"
            ),
        }
    }

    pub(super) fn timed_out(after: Duration) -> Self {
        Self {
            kind: GitErrorKind::TimedOut,
            message: format!("no answer within {} s", after.as_secs_f32()),
        }
    }

    /// A call that succeeded printed what it never should.
    pub(super) fn unknown_output(call: &str) -> Self {
        Self {
            kind: GitErrorKind::Unreachable,
            message: format!("`{call}` printed what is not understood; use git 2.36 or newer"),
        }
    }

    /// From what a failed call printed, already cleaned.
    pub(super) fn from_output(text: &str) -> Self {
        let low = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
        let kind = if has(&[
            "authentication failed",
            "could not read username",
            "could not read password",
            "permission denied",
            "terminal prompts disabled",
            "error: 401",
            "error: 403",
        ]) {
            GitErrorKind::Authentication
        } else if has(&[
            "ssl certificate",
            "certificate verif",
            "host key verification",
        ]) {
            GitErrorKind::Untrusted
        } else if has(&["couldn't find remote ref"]) {
            GitErrorKind::MissingRef
        } else if has(&[".lock'", "cannot lock ref", "another git process"]) {
            GitErrorKind::Locked
        } else if has(&[
            "[rejected]",
            "[remote rejected]",
            "does not support --atomic",
        ]) {
            GitErrorKind::Refused
        } else if has(&[
            "does not appear to be a git repository",
            "not a git repository",
            "repository not found",
            "' not found",
            "does not exist",
        ]) {
            GitErrorKind::NotARepository
        } else {
            GitErrorKind::Unreachable
        };
        Self {
            kind,
            message: text.to_owned(),
        }
    }
}
