//! A new copy of a repository in place of one that git, or a reader, cannot use any more while the remote is fine.
//!
//! Whose fault it is, is not told from words alone: a new copy is fetched beside the old one, and takes its place only where the old
//! one is found damaged and the new one has what it lacks. Whoever served from the old one goes on meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::damaged::{begun, beside, cleared, exchanged, has_head, removed};
use super::doubt::{self, Doubt};
use super::lookup::State;
use super::mirror::Mirror;
use super::refs::Space;
use crate::git::{self, GitError, GitErrorKind};
use crate::words::AppName;

/// How long nothing is tried after a try that was of no use: each costs what the first fetch did.
const AGAIN: Duration = Duration::from_mins(10);
/// Longest time for the first answer of the remote to a new copy.
const FIRST_ANSWER: Duration = Duration::from_secs(20);
/// Longest time for fetching a new copy.
const PATIENCE: Duration = Duration::from_mins(10);
/// Most doubts of which is remembered that the copy is not the cause.
const CLEARED_MAX: usize = 4096;
/// Most apps whose ledgers are fetched with a new copy; those of others are fetched when they are written.
const LEDGERS_MAX: usize = 200;

/// What was looked at before.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// The copy is not the cause of these, since when; nothing for those that the remote does not have either.
    cleared: HashMap<Doubt, Option<Instant>>,
}

/// The fetch that was tried.
pub(super) struct Attempt<'a> {
    pub(super) specs: &'a [String],
    pub(super) apps: &'a BTreeSet<AppName>,
    /// Does it once more.
    pub(super) again: &'a dyn Fn() -> Result<(), GitError>,
    /// The refs cannot be read.
    pub(super) is_unreadable: bool,
    pub(super) timeout: Duration,
}

/// What a try with a new copy showed.
enum Tried {
    /// It has what the old one lacks.
    Better,
    /// The fetch that failed does not fail any more.
    Passed,
    /// It is no better, or there is none.
    Vain,
}

impl Renewal {
    fn is_cleared(&self, doubt: &Doubt) -> bool {
        match self.cleared.get(doubt) {
            // It may be damaged since.
            Some(Some(since)) => since.elapsed() < AGAIN,
            Some(None) => true,
            None => false,
        }
    }

    fn clear<'d>(&mut self, doubts: impl Iterator<Item = &'d Doubt>, since: Option<Instant>) {
        if self.cleared.len() >= CLEARED_MAX {
            self.cleared.clear();
        }
        self.cleared.extend(doubts.map(|doubt| (*doubt, since)));
    }
}

impl Mirror {
    /// What came of a fetch, and true where it is of a new copy, because the old one was damaged.
    pub(super) fn renewed(
        &self,
        renewal: &mut Renewal,
        fetched: Result<(), GitError>,
        attempt: &Attempt<'_>,
    ) -> (Result<(), GitError>, bool) {
        let dir = self.dir();
        if is_early(&dir) {
            return (fetched, false);
        }
        let mut doubts = self.state().doubts.take();
        doubts.retain(|doubt| !renewal.is_cleared(doubt));
        let damaged = doubt::damaged(&dir, &doubts);
        renewal.clear(doubts.difference(&damaged), Some(Instant::now()));
        let failed = match &fetched {
            Ok(()) => attempt.is_unreadable,
            Err(error) => !has_head(&dir).unwrap_or(true) || is_local(&dir, error),
        };
        if !failed && damaged.is_empty() {
            return (fetched, false);
        }
        let tried = self.tried(&dir, renewal, &damaged, (&fetched, attempt));
        let exchanged = match tried {
            Tried::Better => self.exchange(&dir, &why(&dir, &fetched, &damaged)),
            Tried::Passed => {
                drop(removed(&beside(&dir)[0]));
                return (Ok(()), false);
            }
            Tried::Vain => false,
        };
        if exchanged {
            return (Ok(()), true);
        }
        drop(removed(&beside(&dir)[0]));
        (fetched, false)
    }

    /// Fetches a new copy beside the one in `dir`.
    fn tried(
        &self,
        dir: &Path,
        renewal: &mut Renewal,
        damaged: &BTreeSet<Doubt>,
        (fetched, attempt): (&Result<(), GitError>, &Attempt<'_>),
    ) -> Tried {
        let Ok(fresh) = begun(dir) else {
            return Tried::Vain;
        };
        let fresh = fresh.path().to_owned();
        let git = self.git().beside(&fresh);
        // It may be the remote, which is asked for one ref before anything is fetched.
        if git.reach(FIRST_ANSWER.min(attempt.timeout)).is_err() {
            return Tried::Vain;
        }
        // Where this cannot be written, nor can a copy be.
        drop(fs::write(mark(dir), ""));
        let mut specs = attempt.specs.to_vec();
        if attempt.apps.len() <= LEDGERS_MAX {
            let ledgers = attempt.apps.iter().map(|app| {
                let ledgers = Space::canonical(app).deployments();
                format!("+{ledgers}*:{ledgers}*")
            });
            specs.extend(ledgers);
        }
        if git.fetch(&specs, &[], PATIENCE).is_err() {
            return Tried::Vain;
        }
        let lacks = doubt::damaged(&fresh, damaged);
        let is_better = lacks.len() < damaged.len();
        renewal.clear(lacks.iter(), None);
        match fetched {
            // What failed for a moment does not fail once more.
            Err(_) if (attempt.again)().is_ok() && !is_better => Tried::Passed,
            Err(_) => Tried::Better,
            Ok(()) if is_better || attempt.is_unreadable => Tried::Better,
            Ok(()) => Tried::Vain,
        }
    }

    /// Puts the new copy in place of the one in `dir`; true where it is there.
    fn exchange(&self, dir: &Path, why: &str) -> bool {
        let exchanged = cleared(dir).and_then(|()| {
            // Nobody reads meanwhile.
            let mut state = self.state();
            let (repo, aside) = exchanged(dir)?;
            *state = State::new(repo);
            Ok(aside)
        });
        match exchanged {
            Ok(aside) => {
                drop(removed(&mark(dir)));
                let aside = aside.map_or_else(String::new, |aside| {
                    format!("; what stood there is in {}", aside.display())
                });
                tracing::warn!(
                    "{}: {why}; it is only a copy, and was made anew from {}{aside}",
                    dir.display(),
                    self.url()
                );
                true
            }
            Err(problem) => {
                tracing::warn!(
                    "{}: {why}; it is only a copy, and cannot be replaced: {problem}",
                    dir.display()
                );
                false
            }
        }
    }
}

/// The file whose time is that of the last try that was of no use.
fn mark(dir: &Path) -> PathBuf {
    dir.with_extension("tried")
}

/// True shortly after a try that was of no use. One in the future is of another clock.
fn is_early(dir: &Path) -> bool {
    let tried = fs::metadata(mark(dir)).and_then(|mark| mark.modified());
    tried.is_ok_and(|tried| tried.elapsed().is_ok_and(|age| age < AGAIN))
}

/// True where the copy in `dir` is the cause of an error of a fetch.
fn is_local(dir: &Path, error: &GitError) -> bool {
    match error.kind {
        GitErrorKind::NotWritable | GitErrorKind::InTheWay => true,
        _ => error.may_be_local() && git::is_damaged(dir),
    }
}

/// What is wrong with a copy, in words.
fn why(dir: &Path, fetched: &Result<(), GitError>, damaged: &BTreeSet<Doubt>) -> String {
    match fetched {
        Err(_) if !has_head(dir).unwrap_or(true) => "is gone, or is no repository".to_owned(),
        Err(error) => error.message.clone(),
        Ok(()) if damaged.is_empty() => "its refs cannot be read".to_owned(),
        Ok(()) => {
            let commits: BTreeSet<String> = (damaged.iter())
                .map(|doubt| doubt.commit().to_string())
                .collect();
            let commits: Vec<String> = commits.into_iter().collect();
            format!("something of {} cannot be read", commits.join(", "))
        }
    }
}
