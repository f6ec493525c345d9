//! Which kind of failure a text of `git` speaks of. A guess, for the advice to people: nothing is decided by it.

use super::error::{Caller, GitError, GitErrorKind};

/// The first row with one of its words in the text counts. Words are in lower case.
type Rows = &'static [(GitErrorKind, &'static [&'static str])];

/// What a server says of a change that it did not make. Its hooks say anything, so nothing else is looked for there.
const REFUSALS: Rows = &[
    (
        GitErrorKind::InTheWay,
        &["exists; cannot create", "cannot process 'refs/"],
    ),
    (
        GitErrorKind::Locked,
        &[
            ".lock': file exists",
            ".new: file exists",
            "another git process",
        ],
    ),
    (
        GitErrorKind::Full,
        &[
            "quota",
            "no space left",
            "file too large",
            "size limit",
            "size exceeds",
            "over limitation",
            "exceeds maximum allowed size",
            "storage limit",
            "gh001",
        ],
    ),
    (GitErrorKind::Shallow, &["shallow update not allowed"]),
    (
        GitErrorKind::Protected,
        &[
            "protected",
            "gh006",
            "gh013",
            "rule violations",
            "not allowed to create",
            "not authorized to create",
            "prohibited",
            "need the git",
            "you are not allowed",
            "denying ",
        ],
    ),
    (
        GitErrorKind::NotWritable,
        &[
            "insufficient permission",
            "unable to create temporary",
            "read-only file system",
            "unable to write",
        ],
    ),
    (
        GitErrorKind::Shallow,
        &["missing necessary objects", "did not receive expected"],
    ),
    (
        GitErrorKind::Moved,
        &[
            "(stale info)",
            "(already exists)",
            "(fetch first)",
            "(non-fast-forward)",
            "reference already exists",
            "but expected",
        ],
    ),
];

/// What stands in the way before there is an answer about a change.
const FAILURES: Rows = &[
    (
        GitErrorKind::SignedPush,
        &["does not support --signed push"],
    ),
    (GitErrorKind::Mirror, &["--mirror can't be combined with"]),
    (
        GitErrorKind::HostKey,
        &[
            "host key verification failed",
            "remote host identification has changed",
            "host key is known for",
        ],
    ),
    (
        GitErrorKind::Proxy,
        &[
            "could not resolve proxy",
            "connect tunnel failed",
            "from proxy after connect",
            "proxy authentication",
            "error: 407",
            "invalid proxy url",
            "proxy connect aborted",
        ],
    ),
    (
        GitErrorKind::Certificate,
        &[
            "certificate",
            "ssl ca cert",
            "ssl: no alternative",
            "self signed",
            "self-signed",
        ],
    ),
    (
        GitErrorKind::Forbidden,
        &[
            "error: 403",
            "marked as read only",
            "write access to repository not granted",
            "deploy key does not",
            " denied to ",
            "you are not allowed to",
            "access denied",
        ],
    ),
    (
        GitErrorKind::Key,
        &[
            "permission denied (",
            "permission denied, please try again",
            "too many authentication failures",
            "no supported authentication methods",
        ],
    ),
    (
        GitErrorKind::Authentication,
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "error: 401",
            "invalid credentials",
        ],
    ),
    (GitErrorKind::MissingRef, &["couldn't find remote ref"]),
    (
        GitErrorKind::ObjectFormat,
        &[
            "mismatched algorithms",
            "hash algorithm",
            "unknown object format",
            "objectformat",
        ],
    ),
    (GitErrorKind::NotAtomic, &["does not support --atomic"]),
    (
        GitErrorKind::Locked,
        &[
            ".lock': file exists",
            ".new: file exists",
            "another git process",
        ],
    ),
    (
        GitErrorKind::Full,
        &[
            "no space left",
            "disk quota",
            "error: 413",
            "file too large",
        ],
    ),
    (
        GitErrorKind::Redirected,
        &[
            "error: 301",
            "error: 302",
            "error: 307",
            "error: 308",
            "unable to update url base from redirection",
        ],
    ),
    (
        GitErrorKind::NotARepository,
        &[
            "does not appear to be a git repository",
            "not a git repository",
            "repository not found",
            "' not found",
            "does not exist",
            "not valid: is this a git repository",
        ],
    ),
    (
        GitErrorKind::UnknownHost,
        &[
            "could not resolve host",
            "name or service not known",
            "name resolution",
            "nodename nor servname",
        ],
    ),
    (
        GitErrorKind::NotWritable,
        &["permission denied", "read-only file system"],
    ),
    (
        GitErrorKind::TimedOut,
        &["timed out", "operation too slow", "timeout was reached"],
    ),
    (
        GitErrorKind::Server,
        &[
            "error: 5",
            "error: 429",
            "internal server error",
            "rpc failed",
            "hung up unexpectedly",
            "early eof",
            "bad object",
        ],
    ),
];

/// What is said where nothing takes a connection, of a server or of a proxy.
const AWAY: &[&str] = &[
    "failed to connect to",
    "connection refused",
    "no route to host",
    "network is unreachable",
];

/// The kind that the cleaned output of a failed call speaks of.
pub(super) fn kind_of(text: &str) -> GitErrorKind {
    let low = text.to_ascii_lowercase();
    let find = |rows: Rows| {
        let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
        let row = rows.iter().find(|(_, words)| has(words));
        row.map(|(kind, _)| *kind)
    };
    if low.contains("[remote rejected]") || low.contains("[rejected]") {
        return find(REFUSALS).unwrap_or(GitErrorKind::Refused);
    }
    if let Some(kind) = find(FAILURES) {
        return kind;
    }
    if connects_elsewhere(&low) {
        return GitErrorKind::Proxy;
    }
    if AWAY.iter().any(|word| low.contains(word)) {
        return GitErrorKind::Away;
    }
    GitErrorKind::Unreachable
}

/// True where what could not be connected to is not the host of the address: then it is a proxy.
fn connects_elsewhere(low: &str) -> bool {
    let between = |before: &str, end: &[char]| {
        let (_, rest) = low.split_once(before)?;
        rest.split(end).next()
    };
    let (Some(address), Some(host), Some(port)) = (
        between("unable to access '", &['\'']),
        between("failed to connect to ", &[' ']),
        between(" port ", &[' ', ':', ';']),
    ) else {
        return false;
    };
    let Some((scheme, rest)) = address.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let wanted = [authority.to_owned(), format!("{authority}{usual}")];
    let tried = [format!("{host}:{port}"), format!("[{host}]:{port}")];
    !tried.iter().any(|tried| wanted.contains(tried))
}

impl GitError {
    /// From what a failed call printed, already cleaned.
    pub(super) fn from_output(text: &str, caller: Caller) -> Self {
        Self {
            kind: kind_of(text),
            caller,
            message: text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
