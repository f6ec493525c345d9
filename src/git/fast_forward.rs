//! Moves a branch that is checked out, and its files, on to a commit, as the person's own `git` would.
//!
//! Where git fails, its words do not tell whether it had begun: there are too many of them, and the same ones stand for both. So the
//! files that differ are looked at before and after.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::commit_of;
use super::local::run;
use crate::words::CommitId;

/// Longest time for writing the files of a clone: many files may take their time, and a partial clone asks its server for them.
const FILES: Duration = Duration::from_mins(10);

/// Why a work tree was not moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Everything stays as it is, and why.
    Kept(String),
    /// Something ended it in the middle, and what: files may be written and others not, while the branch is where it was.
    Torn(String),
}

/// Moves the branch that is checked out at `dir`, the root of its work tree, on to the commit, which must be above it. Files that
/// were changed and would be written are left, and then all are. It has the time that it takes: half of the files is worse than
/// none.
///
/// # Errors
/// Why it was not done, in the words of `git`.
pub fn fast_forward(dir: &Path, commit: &CommitId) -> Result<(), Standing> {
    let before = Files::before(dir, commit);
    let args = [
        "merge",
        "--ff-only",
        "--no-autostash",
        "--no-stat",
        "--quiet",
        commit.as_str(),
    ];
    let config = vec![("core.hooksPath".to_owned(), "/dev/null".to_owned())];
    let run = run(dir, &args, Vec::new(), config, String::new(), FILES);
    let Err(error) = run else { return Ok(()) };
    // The branch is moved at the very end.
    if commit_of(dir, "HEAD").as_ref() == Some(commit) {
        return Ok(());
    }
    Err(if before.is_some_and(|before| before.stand()) {
        Standing::Kept(error.message)
    } else {
        Standing::Torn(error.message)
    })
}

/// Files that are to be written or removed, as they were found.
struct Files(Vec<(PathBuf, Option<Stamp>)>);

/// What no file keeps that is written, removed or made anew: inode, size, and the time of the last change of any kind.
type Stamp = (u64, u64, i64, i64);

impl Files {
    /// Those that differ between the commit that is checked out and this one; nothing where git does not say.
    fn before(dir: &Path, commit: &CommitId) -> Option<Self> {
        let differ = [
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            "HEAD",
            commit.as_str(),
        ];
        // A branch that has no commit yet gets all of them.
        let all = [
            "ls-tree",
            "-r",
            "-z",
            "--name-only",
            "--full-tree",
            commit.as_str(),
        ];
        let is_born = commit_of(dir, "HEAD").is_some();
        let args: &[&str] = if is_born { &differ } else { &all };
        let names = run(dir, args, Vec::new(), Vec::new(), String::new(), FILES).ok()?;
        let names = names.split('\0').filter(|name| !name.is_empty());
        let files = names.map(|name| dir.join(name));
        Some(Self(
            files.map(|path| (path.clone(), stamp(&path))).collect(),
        ))
    }

    /// True where none of them was touched since.
    fn stand(&self) -> bool {
        self.0.iter().all(|(path, before)| stamp(path) == *before)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::symlink_metadata(path).ok()?;
    Some((about.ino(), about.len(), about.ctime(), about.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    /// A clone at its first commit, and a second one above it that changes `a`, removes `b` and adds `c`.
    fn clone() -> (TempDir, CommitId) {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        git(at, &["init", "-q", "-b", "main"]);
        fs::write(at.join("a"), "1").unwrap();
        fs::write(at.join("b"), "1").unwrap();
        git(at, &["add", "-A"]);
        git(at, &["commit", "-q", "-m", "first"]);
        fs::write(at.join("a"), "2").unwrap();
        fs::remove_file(at.join("b")).unwrap();
        fs::write(at.join("c"), "2").unwrap();
        git(at, &["add", "-A"]);
        git(at, &["commit", "-q", "-m", "second"]);
        let commit = commit_of(at, "HEAD").unwrap();
        git(at, &["reset", "-q", "--hard", "HEAD^"]);
        (dir, commit)
    }

    fn git(dir: &Path, args: &[&str]) {
        let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
        let mut command = Command::new("git");
        command.args(who).args(args).current_dir(dir);
        assert!(command.status().unwrap().success(), "{args:?}");
    }

    #[track_caller]
    fn kept(dir: &Path, commit: &CommitId) -> String {
        match fast_forward(dir, commit) {
            Err(Standing::Kept(said)) => said,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_git_did_not_begin_is_kept_whatever_it_says() {
        let (dir, commit) = clone();
        let at = dir.path();
        for (name, theirs) in [("a", Some("1")), ("c", None)] {
            fs::write(at.join(name), "mine").unwrap();
            assert!(kept(at, &commit).contains("would be overwritten"));
            match theirs {
                Some(content) => fs::write(at.join(name), content).unwrap(),
                None => fs::remove_file(at.join(name)).unwrap(),
            }
        }
        // An index that cannot be written.
        let index = at.join(".git/index");
        fs::rename(&index, at.join(".git/kept")).unwrap();
        std::os::unix::fs::symlink("/nowhere/index", &index).unwrap();
        assert!(kept(at, &commit).contains("No such file"));
        fs::rename(at.join(".git/kept"), &index).unwrap();
        // A branch without a commit.
        git(at, &["checkout", "-q", "--orphan", "other"]);
        git(at, &["rm", "-rfq", "."]);
        fs::write(at.join("c"), "mine").unwrap();
        assert!(kept(at, &commit).contains("would be overwritten"));
        fs::remove_file(at.join("c")).unwrap();
        git(at, &["checkout", "-qf", "main"]);
        fast_forward(at, &commit).unwrap();
        assert!(!at.join("b").exists());
        assert_eq!(fs::read_to_string(at.join("a")).unwrap(), "2");
    }

    #[test]
    fn what_git_did_not_end_is_torn() {
        let (dir, commit) = clone();
        let at = dir.path();
        fs::write(at.join(".git/info/attributes"), "c filter=own\n").unwrap();
        git(at, &["config", "filter.own.smudge", "false"]);
        git(at, &["config", "filter.own.required", "true"]);
        let done = fast_forward(at, &commit);
        assert!(matches!(done, Err(Standing::Torn(_))), "{done:?}");
        assert_ne!(commit_of(at, "HEAD"), Some(commit));
    }
}
