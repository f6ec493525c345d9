//! What a person's git answers to a question about a clone. Nothing is changed, and no remote is asked.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::error::Caller;
use super::interrupt::Aim;
use super::progress::Heard;
use super::run::Call;
use crate::words::CommitId;

/// What a person's git is set to: what `git` answers to these arguments; nothing where it has no answer.
pub(super) fn ask(dir: &Path, args: &[&str]) -> Option<String> {
    let call = Call {
        dir,
        args: args.iter().map(OsString::from).collect(),
        stdin: String::new(),
        env: Vec::new(),
        config: Vec::new(),
        caller: Caller::Person,
        secrets: Vec::new(),
        reads_output: true,
        aim: Aim::Here,
        timeout: Duration::from_secs(10),
        silence: None,
        heard: Heard::default(),
    };
    let text = String::from_utf8(call.run().ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The id of the commit that `word` means in the clone at `dir`, as git reads it; nothing where it means none.
#[must_use]
pub fn commit_of(dir: &Path, word: &str) -> Option<CommitId> {
    let word = format!("{word}^{{commit}}");
    let said = ask(
        dir,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &word,
        ],
    )?;
    said.parse().ok()
}

/// The names of the remotes of the repository at `dir`.
#[must_use]
pub fn remotes(dir: &Path) -> Vec<String> {
    let names = ask(dir, &["remote"]).unwrap_or_default();
    names.lines().map(str::to_owned).collect()
}

/// The name and the address that git would write into a commit made in `dir`; nothing where it would refuse to.
#[must_use]
pub fn author(dir: &Path) -> Option<(String, String)> {
    let ident = ask(dir, &["var", "GIT_AUTHOR_IDENT"])?;
    let (name, rest) = ident.split_once(" <")?;
    let (email, _) = rest.split_once('>')?;
    Some((name.to_owned(), email.to_owned()))
}
