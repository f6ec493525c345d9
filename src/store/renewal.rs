//! A new copy of a repository in place of one that git, or a reader, cannot use any more while the remote is fine.
//!
//! Whose fault it is, is not told from words: a new copy is fetched beside the old one, and takes its place only where it has what
//! the old one lacks. Whoever served from the old one goes on meanwhile.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use git2::Oid;

use super::damaged::{begun, exchanged, removed};
use super::doubt;
use super::lookup::State;
use super::mirror::Mirror;
use super::refs::Space;
use crate::git::GitError;
use crate::words::AppName;

/// Shortest time between two new copies: each costs what the first fetch did.
const AGAIN: Duration = Duration::from_mins(10);
/// Longest time for the first answer of the remote to a new copy.
const FIRST_ANSWER: Duration = Duration::from_secs(20);
/// Longest time for fetching a new copy, where more is not allowed in any case.
const PATIENCE: Duration = Duration::from_mins(2);
/// Most commits that are known to be as the remote has them.
const CLEARED_MAX: usize = 4096;
/// Most apps whose ledgers are fetched with a new copy; those of others are fetched when they are written.
const LEDGERS_MAX: usize = 200;

/// What was tried before.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    last: Option<Instant>,
    /// Commits of which something could not be read, though the copy is not the cause.
    cleared: HashSet<Oid>,
}

/// The fetch that was tried.
pub(super) struct Attempt<'a> {
    pub(super) specs: &'a [String],
    pub(super) apps: &'a BTreeSet<AppName>,
    /// Does it once more.
    pub(super) again: &'a dyn Fn() -> Result<(), GitError>,
    /// The refs that were there before could not be read.
    pub(super) is_unreadable: bool,
    pub(super) timeout: Duration,
}

impl Renewal {
    fn clear(&mut self, commits: impl IntoIterator<Item = Oid>) {
        if self.cleared.len() >= CLEARED_MAX {
            self.cleared.clear();
        }
        self.cleared.extend(commits);
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
        let mut doubts = self.state().doubts.take();
        doubts.retain(|commit| !renewal.cleared.contains(commit));
        let dir = self.dir();
        let damaged = doubt::damaged(&dir, doubts.clone());
        renewal.clear(doubts.difference(&damaged).copied());
        let failed = match &fetched {
            Ok(()) => attempt.is_unreadable,
            Err(error) => error.may_be_local(),
        };
        let is_early = renewal.last.is_some_and(|last| last.elapsed() < AGAIN);
        let is_needed = failed || !damaged.is_empty();
        if is_early || !is_needed {
            return (fetched, false);
        }
        let made = self.made(&dir, renewal, &damaged, (&fetched, attempt));
        if made.is_none() {
            drop(removed(&dir.with_extension("new")));
            return (fetched, false);
        }
        let why = match &fetched {
            Err(error) => error.message.clone(),
            Ok(()) if damaged.is_empty() => "its refs cannot be read".to_owned(),
            Ok(()) => {
                let commits: Vec<String> = damaged.iter().map(Oid::to_string).collect();
                format!("something of {} cannot be read", commits.join(", "))
            }
        };
        let mut state = self.state();
        match exchanged(&dir) {
            Ok((repo, aside)) => {
                *state = State::new(repo);
                tracing::warn!(
                    "{}: {why}; it is only a copy, and was made anew from {}; what stood there is in {}",
                    dir.display(),
                    self.url(),
                    aside.display()
                );
                (Ok(()), true)
            }
            Err(problem) => {
                tracing::warn!(
                    "{}: {why}; it is only a copy, and cannot be replaced: {problem}",
                    dir.display()
                );
                (fetched, false)
            }
        }
    }

    /// Fetches a new copy beside the one in `dir`. Nothing where that is not better.
    fn made(
        &self,
        dir: &Path,
        renewal: &mut Renewal,
        damaged: &BTreeSet<Oid>,
        (fetched, attempt): (&Result<(), GitError>, &Attempt<'_>),
    ) -> Option<()> {
        let fresh = begun(dir).ok()?;
        let git = self.git().beside(fresh.path());
        let fresh = fresh.path().to_owned();
        // Most often it is the remote, which is asked for one ref before anything is fetched.
        git.reach(FIRST_ANSWER.min(attempt.timeout)).ok()?;
        renewal.last = Some(Instant::now());
        let mut specs = attempt.specs.to_vec();
        if attempt.apps.len() <= LEDGERS_MAX {
            let ledgers = attempt.apps.iter().map(|app| {
                let ledgers = Space::canonical(app).deployments();
                format!("+{ledgers}*:{ledgers}*")
            });
            specs.extend(ledgers);
        }
        git.fetch(&specs, &[], attempt.timeout.max(PATIENCE)).ok()?;
        let lacks = doubt::damaged(&fresh, damaged.clone());
        let is_better = lacks.len() < damaged.len();
        renewal.clear(lacks);
        let is_better = is_better
            || match fetched {
                // What failed for a moment does not fail once more.
                Err(_) => (attempt.again)().is_err(),
                Ok(()) => attempt.is_unreadable,
            };
        is_better.then_some(())
    }
}
