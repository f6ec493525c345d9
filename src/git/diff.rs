//! The difference of two trees of this machine, as `git` shows it.
//!
//! libgit2 counts similarity in another way and shortens ids to another length, so its patches are not the ones that people
//! know. Nobody's configuration changes the result; only attributes of the work tree do, as in plain git.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use git2::Oid;

use super::error::{Caller, GitError};
use super::interrupt::Aim;
use super::progress::Heard;
use super::run::{Call, RESULT_MAX};

/// Two trees of the repository that `dir` is in. The trees have been walked: they are not larger than may be.
#[derive(Debug, Clone, Copy)]
pub struct Trees<'a> {
    /// The repository.
    pub dir: &'a Path,
    /// The old tree.
    pub from: Oid,
    /// The new tree.
    pub to: Oid,
    /// Files of more bytes than this are shown as binary ones.
    pub text_max: usize,
    /// Look at what is in a file to find out that it was renamed; else only a file that is the same is found again.
    pub similar: bool,
    /// Longest time for one call.
    pub timeout: Duration,
}

/// How the difference is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `git diff`.
    Patch,
    /// `git diff --stat`.
    Stat,
    /// `git diff --name-only`.
    NameOnly,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path in the new tree; in the old one where it is gone.
    pub path: Vec<u8>,
    /// Its path in the old tree, where it was renamed.
    pub old_path: Option<Vec<u8>>,
    /// The letter that git gives it: `A`, `D`, `M`, `R` or `T`.
    pub status: u8,
    /// Its mode in the old tree, `000000` where it was not there.
    pub old_mode: String,
    /// Its mode in the new tree, `000000` where it is gone.
    pub mode: String,
    /// Lines that were added and removed; nothing for binary files.
    pub lines: Option<(u64, u64)>,
}

impl Trees<'_> {
    /// The difference as text.
    ///
    /// # Errors
    /// In the words of `git`; nothing where it is too large to be held.
    pub fn show(&self, form: Form) -> Result<Option<Vec<u8>>, GitError> {
        let options: &[&str] = match form {
            // The number of lines around a change alone would ask for a patch.
            Form::Patch => &["--patch", "-U3"],
            Form::Stat => &["--stat"],
            Form::NameOnly => &["--name-only"],
        };
        let output = self.call(options)?;
        Ok((output.len() < RESULT_MAX).then_some(output))
    }

    /// The files that differ, in git's order.
    ///
    /// # Errors
    /// In the words of `git`; nothing where there are too many to be held.
    pub fn files(&self) -> Result<Option<Vec<ChangedFile>>, GitError> {
        let output = self.call(&["--raw", "--numstat", "-z"])?;
        if output.len() >= RESULT_MAX {
            return Ok(None);
        }
        let unknown = || GitError::unknown_output("git diff-tree --raw --numstat", Caller::Person);
        parse(&output).map(Some).ok_or_else(unknown)
    }

    fn call(&self, form: &[&str]) -> Result<Vec<u8>, GitError> {
        let renames = if self.similar { "-M" } else { "-M100%" };
        let fixed = [
            "diff-tree",
            "-r",
            renames,
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-relative",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ];
        let mut args: Vec<OsString> = fixed.iter().chain(form).map(OsString::from).collect();
        args.extend([self.from, self.to].map(|oid| OsString::from(oid.to_string())));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Call {
            dir: self.dir,
            args,
            stdin: String::new(),
            env: vec![
                pair("GIT_DIFF_OPTS", ""),
                pair("GIT_NO_REPLACE_OBJECTS", "1"),
                pair("GIT_ATTR_NOSYSTEM", "1"),
            ],
            config: vec![
                pair("core.abbrev", "auto"),
                pair("core.quotePath", "true"),
                pair("core.attributesFile", "/dev/null"),
                pair("core.bigFileThreshold", &self.text_max.to_string()),
                pair("diff.indentHeuristic", "true"),
                pair("diff.renameLimit", "1000"),
                pair("diff.suppressBlankEmpty", "false"),
            ],
            caller: Caller::Person,
            secrets: Vec::new(),
            reads_output: true,
            aim: Aim::Here,
            timeout: self.timeout,
            silence: None,
            heard: Heard::default(),
        }
        .run()
    }
}

/// Reads `--raw --numstat -z`: all files with their modes, then all files, in the same order, with their lines.
fn parse(output: &[u8]) -> Option<Vec<ChangedFile>> {
    let mut words = output.split(|byte| *byte == 0).peekable();
    let mut files = Vec::new();
    while let Some(head) = words.next_if(|word| word.starts_with(b":")) {
        let head = std::str::from_utf8(head.get(1..)?).ok()?;
        let parts: Vec<&str> = head.split(' ').collect();
        let [old_mode, mode, _, _, status] = parts.as_slice() else {
            return None;
        };
        let status = *status.as_bytes().first()?;
        let first = words.next()?.to_vec();
        let (path, old_path) = if status == b'R' {
            (words.next()?.to_vec(), Some(first))
        } else {
            (first, None)
        };
        files.push(ChangedFile {
            path,
            old_path,
            status,
            old_mode: (*old_mode).to_owned(),
            mode: (*mode).to_owned(),
            lines: None,
        });
    }
    for file in &mut files {
        let line = words.next()?;
        let mut parts = line.splitn(3, |byte| *byte == b'\t');
        let added = parts.next()?;
        let removed = parts.next()?;
        let path = parts.next()?;
        let path = if path.is_empty() {
            words.next()?;
            words.next()?
        } else {
            path
        };
        if path != file.path {
            return None;
        }
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse().ok();
        file.lines = number(added).zip(number(removed));
    }
    // Each word ends with a zero, so that an empty one is left.
    (words.next() == Some(b"") && words.next().is_none()).then_some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_output_of_git_is_refused() {
        let good = ":100644 100755 a b M\0x\0:100644 100644 a a R100\0old\0new\0".to_owned()
            + "1\t2\tx\x000\t0\t\0old\0new\0";
        let files = parse(good.as_bytes()).unwrap();
        assert_eq!(files[0].lines, Some((1, 2)));
        assert_eq!(files[1].old_path.as_deref(), Some(&b"old"[..]));
        assert_eq!(parse(b""), Some(Vec::new()));
        for bad in [
            &good[..good.len() - 5],
            &good[1..],
            ":100644 100755 a b M\0x\0",
            ":100644 a b M\0x\x001\t2\tx\0",
            ":100644 100755 a b M\0x\x001\t2\ty\0",
            ":",
            "x",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
