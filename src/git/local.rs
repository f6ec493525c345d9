//! What only the person's own `git` can do in their clone: write the files of a work tree as trees, sign a commit, and check a
//! signature.
//!
//! Filters, ignore rules and signing keys are the person's set-up, which nothing but `git` reads in full. No remote is
//! asked, and the index of the clone is not changed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Caller, GitError};
use super::interrupt::Aim;
use super::progress::Heard;
use super::run::Call;
use crate::words::CommitId;

/// Longest time for a look at the refs of a clone.
const LOOK: Duration = Duration::from_secs(5);
/// Where a clone has what is at a remote too: branches, and what pipelines fetch.
const SHARED: [&str; 5] = [
    "refs/remotes/",
    "refs/pipelines/",
    "refs/merge-requests/",
    "refs/pull/",
    "refs/changes/",
];

/// A commit that is to be signed.
#[derive(Debug, Clone)]
pub struct UnsignedCommit<'a> {
    /// The tree, as hex digits.
    pub tree: &'a str,
    /// Its parent, where it has one.
    pub parent: Option<&'a str>,
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
    let mut args = vec!["commit-tree", "-S", commit.tree];
    args.extend(commit.parent.iter().flat_map(|parent| ["-p", *parent]));
    let message = commit.message.to_owned();
    run(dir, &args, env, config, message, timeout)
}

/// The folder of the repository that `dir` is in, and the root of its work tree where it has one; nothing where git finds none,
/// or does not trust it.
#[must_use]
pub fn repository_of(dir: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let folder = super::ask::ask(dir, &["rev-parse", "--absolute-git-dir"])?;
    let root = super::ask::ask(dir, &["rev-parse", "--show-toplevel"]);
    Some((folder.into(), root.map(PathBuf::from)))
}

/// Whether a branch of the remote, as the clone at `dir` saw it last, or a ref that a pipeline made, holds the commit. Nothing
/// where the clone knows no branch of the remote, or where git cannot tell in time.
#[must_use]
pub fn is_on_branch(dir: &Path, remote: &str, commit: &CommitId) -> Option<bool> {
    let refs = |args: &[&str], below: &[&str]| {
        let options = ["for-each-ref", "--count=1", "--format=%(refname)"];
        let args: Vec<&str> = (options.iter().chain(args).chain(below)).copied().collect();
        run(dir, &args, Vec::new(), Vec::new(), String::new(), LOOK).ok()
    };
    let contains = format!("--contains={commit}");
    if !refs(&[&contains], &SHARED)?.is_empty() {
        return Some(true);
    }
    let branches = format!("refs/remotes/{remote}/");
    (!refs(&[], &[&branches])?.is_empty()).then_some(false)
}

/// True where the person's git is set up to sign every commit that is made at `dir`.
#[must_use]
pub fn signs_commits(dir: &Path) -> bool {
    let args = ["config", "--type=bool", "--get", "commit.gpgSign"];
    super::ask::ask(dir, &args).is_some_and(|answer| answer == "true")
}

/// What the person's git says of a commit's signature: a letter as in `%G?` of `git log`, the signer and the key, each empty
/// where it says nothing.
///
/// # Errors
/// When `git` cannot be run; a signature that is bad is none.
pub fn check_signature(
    dir: &Path,
    commit: &CommitId,
    timeout: Duration,
) -> Result<[String; 3], GitError> {
    let format = "--format=%G?%x00%GS%x00%GK";
    let args = [
        "show",
        "--no-patch",
        "--no-color",
        // Its own words would stand before what is asked for.
        "--no-show-signature",
        format,
        commit.as_str(),
    ];
    let said = run(dir, &args, Vec::new(), Vec::new(), String::new(), timeout)?;
    let mut parts = said.split('\0').map(str::to_owned);
    Ok([(); 3].map(|()| parts.next().unwrap_or_default()))
}

/// True where the clone at `dir` has some of its files alone on the disk, as `git sparse-checkout` chooses them.
#[must_use]
pub fn is_sparse(dir: &Path) -> bool {
    let args = ["config", "--type=bool", "--get", "core.sparseCheckout"];
    super::ask::ask(dir, &args).is_some_and(|answer| answer == "true")
}

/// The tree of the folder `path` as the files of the work tree at `dir` have it, as hex digits. `index` is a copy of the
/// clone's index; it is changed. `undecided` are the files elsewhere that a merge left undecided: they are left out.
///
/// # Errors
/// In the words of `git`, such as when a filter fails or nothing in the folder may be added.
pub fn work_tree(
    dir: &Path,
    index: &Path,
    path: &str,
    undecided: &[String],
    timeout: Duration,
) -> Result<String, GitError> {
    let env = vec![
        ("GIT_INDEX_FILE".to_owned(), index.display().to_string()),
        ("GIT_LITERAL_PATHSPECS".to_owned(), "1".to_owned()),
    ];
    let config = vec![("advice.addEmbeddedRepo".to_owned(), "false".to_owned())];
    // What is on the disk counts, also where a sparse checkout would leave it out: without the flag, `git add` passes over a
    // file that was changed there. What is left out and not on the disk stays as it is in the index.
    let add = ["add", "--all", "--sparse", "--", path];
    run(dir, &add, env.clone(), config, String::new(), timeout)?;
    // No tree is written of an index that holds undecided files, wherever they are.
    if !undecided.is_empty() {
        let remove = ["update-index", "--force-remove", "-z", "--stdin"];
        let names = undecided.join("\0");
        run(dir, &remove, env.clone(), Vec::new(), names, timeout)?;
    }
    let write = ["write-tree", &format!("--prefix={path}/")];
    run(dir, &write, env, Vec::new(), String::new(), timeout)
}

/// The files below `folder` of the work tree at `dir` that differ from HEAD or are not known to git; a folder of which git
/// knows nothing stands for its files.
///
/// # Errors
/// In the words of `git`.
pub fn uncommitted(dir: &Path, folder: &str, timeout: Duration) -> Result<Vec<String>, GitError> {
    let args = [
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=normal",
        "--no-renames",
        "--",
        folder,
    ];
    let env = vec![("GIT_LITERAL_PATHSPECS".to_owned(), "1".to_owned())];
    let output = run(dir, &args, env, Vec::new(), String::new(), timeout)?;
    // How many fields stand before the path: git-status(1), "Porcelain Format Version 2".
    let path = |line: &str| {
        let fields = match line.chars().next()? {
            '1' => 8,
            'u' => 10,
            '?' => 1,
            _ => return None,
        };
        line.splitn(fields + 1, ' ').nth(fields).map(str::to_owned)
    };
    Ok(output.split('\0').filter_map(path).collect())
}

/// The files that a merge left undecided, as the index of the clone whose root is `dir` has it.
///
/// # Errors
/// In the words of `git`.
pub fn conflicts(dir: &Path, timeout: Duration) -> Result<Vec<String>, GitError> {
    let args = ["ls-files", "--unmerged", "-z"];
    let output = run(dir, &args, Vec::new(), Vec::new(), String::new(), timeout)?;
    // Each side has an entry of its own.
    let mut files: Vec<String> = (output.split('\0'))
        .filter_map(|entry| Some(entry.split_once('\t')?.1.to_owned()))
        .collect();
    files.dedup();
    Ok(files)
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

/// Runs `git` with the person's configuration: what it printed, in one line.
pub(super) fn run(
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
        aim: Aim::Here,
        timeout,
        silence: None,
        heard: Heard::default(),
    };
    let output = call.run()?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}
