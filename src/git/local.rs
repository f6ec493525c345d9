//! What only the person's own `git` can do in their clone: write the files of a work tree as trees, move a work tree on to
//! a commit, sign a commit, and check a signature.
//!
//! Filters, ignore rules and signing keys are the person's set-up, which nothing but `git` reads in full. No remote is
//! asked, and the index of the clone is not changed.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::error::{Caller, GitError};
use super::run::Call;

/// A commit without parents that is to be signed.
#[derive(Debug, Clone)]
pub struct UnsignedCommit<'a> {
    /// The tree, as hex digits.
    pub tree: &'a str,
    /// Name of the author and committer.
    pub name: &'a str,
    /// Address of the author and committer.
    pub email: &'a str,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Distance of the author's clock from UTC, in minutes.
    pub offset: i32,
    /// The whole message.
    pub message: &'a str,
}

/// Writes the commit with the signature that the person's git is set up for, and gives its id.
///
/// # Errors
/// In the words of `git`, such as when no key is set up.
pub fn sign(
    dir: &Path,
    commit: &UnsignedCommit<'_>,
    timeout: Duration,
) -> Result<String, GitError> {
    let (sign, offset) = if commit.offset < 0 {
        ('-', -commit.offset)
    } else {
        ('+', commit.offset)
    };
    let date = format!(
        "@{} {sign}{:02}{:02}",
        commit.seconds,
        offset / 60,
        offset % 60
    );
    let who = ["AUTHOR", "COMMITTER"].into_iter().flat_map(|role| {
        [
            (format!("GIT_{role}_NAME"), commit.name.to_owned()),
            (format!("GIT_{role}_EMAIL"), commit.email.to_owned()),
            (format!("GIT_{role}_DATE"), date.clone()),
        ]
    });
    let mut env: Vec<_> = who.collect();
    // A key with a passphrase that no agent holds is an error at once: there is nobody to ask.
    env.push(("SSH_ASKPASS".to_owned(), "false".to_owned()));
    env.push(("SSH_ASKPASS_REQUIRE".to_owned(), "force".to_owned()));
    let config = vec![("i18n.commitEncoding".to_owned(), "UTF-8".to_owned())];
    let args = ["commit-tree", "-S", commit.tree];
    let message = commit.message.to_owned();
    run(dir, &args, env, config, message, timeout)
}

/// What the person's git says of a commit's signature: a letter as in `%G?` of `git log`, the signer and the key, each empty
/// where it says nothing.
///
/// # Errors
/// When `git` cannot be run; a signature that is bad is none.
pub fn check_signature(
    dir: &Path,
    commit: &str,
    timeout: Duration,
) -> Result<[String; 3], GitError> {
    let format = "--format=%G?%x00%GS%x00%GK";
    let args = ["show", "--no-patch", "--no-color", format, commit];
    let said = run(dir, &args, Vec::new(), Vec::new(), String::new(), timeout)?;
    let mut parts = said.split('\0').map(str::to_owned);
    Ok([(); 3].map(|()| parts.next().unwrap_or_default()))
}

/// The tree of the folder `path` as the files of the work tree at `dir` have it, as hex digits. `index` is a copy of the
/// clone's index; it is changed.
///
/// # Errors
/// In the words of `git`, such as when a filter fails or nothing in the folder may be added.
pub fn work_tree(
    dir: &Path,
    index: &Path,
    path: &str,
    timeout: Duration,
) -> Result<String, GitError> {
    let env = vec![
        ("GIT_INDEX_FILE".to_owned(), index.display().to_string()),
        ("GIT_LITERAL_PATHSPECS".to_owned(), "1".to_owned()),
    ];
    let config = vec![("advice.addEmbeddedRepo".to_owned(), "false".to_owned())];
    let add = ["add", "--all", "--", path];
    run(dir, &add, env.clone(), config, String::new(), timeout)?;
    let write = ["write-tree", &format!("--prefix={path}/")];
    run(dir, &write, env, Vec::new(), String::new(), timeout)
}

/// Makes and deletes refs of the clone at `dir`, all or none: lines such as `create refs/x/y 40 hex digits`, as
/// `git update-ref` reads them. Thousands at once are faster here than one by one through libgit2.
///
/// # Errors
/// In the words of `git`.
pub fn update_refs(dir: &Path, lines: String, timeout: Duration) -> Result<(), GitError> {
    let args = ["update-ref", "--stdin"];
    run(dir, &args, Vec::new(), Vec::new(), lines, timeout).map(drop)
}

/// Moves the branch that is checked out at `dir`, and its files, on to the commit, which must be above it. Files that were
/// changed and would be written are left, and then all are.
///
/// # Errors
/// In the words of `git`: why everything stays as it is.
pub fn fast_forward(dir: &Path, commit: &str, timeout: Duration) -> Result<(), GitError> {
    let args = [
        "merge",
        "--ff-only",
        "--no-autostash",
        "--no-stat",
        "--quiet",
        commit,
    ];
    let config = vec![("core.hooksPath".to_owned(), "/dev/null".to_owned())];
    run(dir, &args, Vec::new(), config, String::new(), timeout).map(drop)
}

/// Runs `git` with the person's configuration: what it printed, in one line.
fn run(
    dir: &Path,
    args: &[&str],
    env: Vec<(String, String)>,
    config: Vec<(String, String)>,
    stdin: String,
    timeout: Duration,
) -> Result<String, GitError> {
    let call = Call {
        dir,
        args: args.iter().map(OsString::from).collect(),
        stdin,
        env,
        config,
        caller: Caller::Person,
        secrets: Vec::new(),
        reads_output: true,
        timeout,
    };
    let output = call.run()?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}
