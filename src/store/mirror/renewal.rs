//! A new copy of a repository in place of one that git, or a reader, cannot use any more while the remote is fine.
//!
//! Whose fault it is, is not told from words alone: a new copy is fetched beside the old one, and takes its place only where the old
//! one is found damaged and the new one has what it lacks. Whoever served from the old one goes on meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::damaged::{begun, beside, cleared, exchanged, has_head, removed};
use super::super::doubt::{self, Doubt};
use super::super::lookup::State;
use super::super::refs::Space;
use super::super::stale_locks;
use super::Mirror;
use super::level::is_level;
use super::transfers::{Copied, Transfer};
use crate::backoff::Backoff;
use crate::git::{self, Caller, GitError, GitErrorKind};
use crate::words::AppName;

/// How long a new copy waits for a remote that is away just then.
const WAITS: Duration = Duration::from_secs(10);
/// How the refspec of the branch begins.
const BRANCH: &str = "+refs/heads/";
/// How long nothing is tried after a try that was of no use: each costs what the first fetch did.
const AGAIN: Duration = Duration::from_mins(10);
/// How long nothing is tried after one that could not be fetched: the remote, or the way to it, may be well again soon.
const UNFETCHED: Backoff = Backoff::new(Duration::from_secs(15), AGAIN);
/// How long what a new copy lacks as well is no reason for another one.
const LACKING: Duration = Duration::from_hours(6);
/// Longest time for the first answer of the remote.
const FIRST_ANSWER: Duration = Duration::from_secs(20);
/// Longest time for git to look for damage.
const LOOK: Duration = Duration::from_secs(30);
/// Most doubts of which is remembered that the copy is not the cause.
const CLEARED_MAX: usize = 4096;
/// Most apps whose ledgers are fetched with a new copy; those of others are fetched when they are written.
const LEDGERS_MAX: usize = 200;

/// What was looked at before.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// The copy is not the cause of these, as far as is known until then.
    cleared: HashMap<Doubt, Instant>,
    /// Nothing is tried before.
    next: Option<Instant>,
    /// New copies in a row that could not be fetched.
    unfetched: u32,
    /// A new copy is being brought to where the branch is.
    catches_up: bool,
    /// Since when that fails.
    failing: Option<Instant>,
}

/// The fetch that was tried.
pub(super) struct Attempt<'a> {
    pub(super) specs: &'a [String],
    pub(super) apps: &'a BTreeSet<AppName>,
    /// Does it once more.
    pub(super) again: &'a dyn Fn() -> Result<(), GitError>,
    /// The refs cannot be read.
    pub(super) is_unreadable: bool,
    /// Longest time for a fetch, and without a word of the remote in what takes longer.
    pub(super) timeout: Duration,
    pub(super) since: Timestamp,
}

impl Attempt<'_> {
    /// The refspec of the branch, where it is asked for.
    fn branch(&self) -> Vec<String> {
        let is_branch = |spec: &&String| spec.starts_with(BRANCH);
        self.specs.iter().filter(is_branch).cloned().collect()
    }

    /// The ref of the branch, where it is asked for.
    fn head(&self) -> Option<&str> {
        let spec = self.specs.iter().find(|spec| spec.starts_with(BRANCH))?;
        spec.rsplit(':').next()
    }
}

/// What a try with a new copy showed.
enum Tried {
    /// It has what the old one lacks.
    Better,
    /// The fetch that failed does not fail any more.
    Passed,
    /// It is no better, or there is none.
    Vain,
    /// It takes long, and is being fetched.
    Begun,
}

impl Renewal {
    fn is_cleared(&self, doubt: &Doubt) -> bool {
        // It may be damaged since.
        (self.cleared.get(doubt)).is_some_and(|until| Instant::now() < *until)
    }

    fn clear<'d>(&mut self, doubts: impl Iterator<Item = &'d Doubt>, time: Duration) {
        if self.cleared.len() >= CLEARED_MAX {
            self.cleared.clear();
        }
        let until = Instant::now() + time;
        self.cleared.extend(doubts.map(|doubt| (*doubt, until)));
    }

    /// Nothing is tried for a while, also by a process or a mirror after this one.
    fn pause(&mut self, dir: &Path) {
        self.next = Some(Instant::now() + AGAIN);
        // Where this cannot be written, nor can a copy be.
        drop(fs::write(mark(dir), ""));
    }

    /// A new copy could not be fetched: it is tried again after a while, and by a process after this one at once. How long that is.
    fn unfetched(&mut self, dir: &Path) -> Duration {
        let wait = UNFETCHED.after(self.unfetched);
        self.unfetched = self.unfetched.saturating_add(1);
        self.next = Some(Instant::now() + wait);
        // Where it cannot be removed, nothing is tried for as long as after one that was of no use.
        drop(fs::remove_file(mark(dir)));
        wait
    }

    /// Whether a new copy in `fresh` is to take the place of the old one.
    fn judged(
        &mut self,
        fresh: &Path,
        damaged: &BTreeSet<Doubt>,
        (fetched, attempt): (&Result<(), GitError>, &Attempt<'_>),
    ) -> Tried {
        // Nobody else works there.
        stale_locks::remove_halves(fresh);
        let lacks = doubt::damaged(fresh, damaged);
        let is_better = lacks.len() < damaged.len();
        self.clear(lacks.iter(), LACKING);
        match fetched {
            // What failed for a moment does not fail once more.
            Err(_) if (attempt.again)().is_ok() && !is_better => Tried::Passed,
            Err(_) => Tried::Better,
            Ok(()) if is_better || attempt.is_unreadable => Tried::Better,
            Ok(()) => Tried::Vain,
        }
    }

    fn is_early(&self, dir: &Path) -> bool {
        self.next.is_some_and(|next| Instant::now() < next) || is_marked(dir)
    }
}

impl Mirror {
    /// What came of a fetch, and true where it is of a new copy, because the old one was damaged. `copied`: a new copy that took long.
    pub(super) fn renewed(
        &self,
        renewal: &mut Renewal,
        copied: Option<Copied>,
        fetched: Result<(), GitError>,
        attempt: &Attempt<'_>,
    ) -> (Result<(), GitError>, bool) {
        let dir = self.dir();
        let (tried, damaged) = if let Some(copied) = copied {
            let fresh = beside(&dir)[0].clone();
            let (since, damaged) = (copied.since, copied.damaged);
            let caught_up = match copied.made {
                // The copy is as whole as it was, and only what came since is not there.
                Err(error) if !renewal.catches_up => Err(error),
                made => {
                    let caught_up = made.and_then(|()| self.caught_up(&fresh, attempt));
                    let catch_up = |error| self.catch_up(renewal, &fresh, error, (since, attempt));
                    caught_up.map(|()| None).or_else(catch_up)
                }
            };
            let tried = match caught_up {
                Ok(None) => renewal.judged(&fresh, &damaged, (&fetched, attempt)),
                Ok(Some(transfer)) => {
                    self.transfers().bring_copy(transfer, damaged);
                    return (fetched, false);
                }
                Err(error) => {
                    unfetched(&dir, renewal, &error);
                    Tried::Vain
                }
            };
            (renewal.catches_up, renewal.failing) = (false, None);
            (tried, damaged)
        } else {
            // What is being fetched is of use in the copy that it is fetched into, or is a new one.
            if renewal.is_early(&dir) || !self.transfers().are_none() {
                return (fetched, false);
            }
            let mut doubts = self.state().doubts.take();
            doubts.retain(|doubt| !renewal.is_cleared(doubt));
            let damaged = doubt::damaged(&dir, &doubts);
            renewal.clear(doubts.difference(&damaged), AGAIN);
            let failed = match &fetched {
                Ok(()) => attempt.is_unreadable,
                Err(error) => !has_head(&dir).unwrap_or(true) || error.may_be_local(),
            };
            if !failed && damaged.is_empty() {
                return (fetched, false);
            }
            let tried = self.tried(&dir, renewal, &damaged, (&fetched, attempt));
            (tried, damaged)
        };
        let done = match tried {
            Tried::Begun => return (fetched, false),
            Tried::Better => self
                .exchange(&dir, &why(&dir, &fetched, &damaged))
                .then_some((Ok(()), true)),
            Tried::Passed => Some((Ok(()), false)),
            Tried::Vain => None,
        };
        if done.as_ref().is_some_and(|(_, is_new)| *is_new) {
            (renewal.next, renewal.unfetched) = (None, 0);
            return (Ok(()), true);
        }
        drop(removed(&beside(&dir)[0]));
        let doubts = damaged.iter().filter(|doubt| !renewal.is_cleared(doubt));
        self.state().doubts.put_back(doubts);
        done.unwrap_or((fetched, false))
    }

    /// Brings the branch in a new copy to where it is now: the copy is of when it was begun, and what came since is in the old one alone. Who
    /// read an older commit in it would take back what was deployed meanwhile.
    fn caught_up(&self, fresh: &Path, attempt: &Attempt<'_>) -> Result<(), GitError> {
        let git = self.git().beside(fresh);
        git.fetch_soon(&attempt.branch(), &[], attempt.timeout)
    }

    /// What a new copy waits for that is as far as it was, and takes no place before it has what the old one has: what came since, where that
    /// is large, or a remote that is away just then.
    fn catch_up(
        &self,
        renewal: &mut Renewal,
        fresh: &Path,
        error: GitError,
        (since, attempt): (Timestamp, &Attempt<'_>),
    ) -> Result<Option<Transfer>, GitError> {
        // Nobody works there, and each call that is ended leaves what it had.
        stale_locks::remove_halves(fresh);
        let takes_long = error.kind == GitErrorKind::TakesLong;
        // Where each fetch takes long, it is enough that nothing is taken back.
        let is_level = |name| is_level(&self.dir(), fresh, name);
        if takes_long && renewal.catches_up && attempt.head().is_some_and(is_level) {
            return Ok(None);
        }
        renewal.catches_up = true;
        let failing = *renewal.failing.get_or_insert_with(Instant::now);
        let transfer = if takes_long {
            renewal.failing = None;
            let (git, branch, silence) =
                (self.git().beside(fresh), attempt.branch(), attempt.timeout);
            let fetch = move || git.fetch_patiently(&branch, &[], silence);
            Transfer::begin(since, self.caller(), fetch)
        } else if failing.elapsed() < AGAIN {
            let waits = || {
                thread::sleep(WAITS);
                Ok(())
            };
            Transfer::begin(since, self.caller(), waits)
        } else {
            Err(error)
        };
        transfer.map(Some)
    }

    /// Fetches a new copy beside the one in `dir`, where that one is found damaged and the remote answers.
    fn tried(
        &self,
        dir: &Path,
        renewal: &mut Renewal,
        damaged: &BTreeSet<Doubt>,
        (fetched, attempt): (&Result<(), GitError>, &Attempt<'_>),
    ) -> Tried {
        let Ok(fresh) = begun(dir) else {
            renewal.pause(dir);
            return Tried::Vain;
        };
        let fresh = fresh.path().to_owned();
        let git = self.git().beside(&fresh);
        // Most often it is the remote, which is asked for one ref before anything is looked for.
        if git.reach(FIRST_ANSWER.min(attempt.timeout)).is_err() {
            return Tried::Vain;
        }
        let is_sound = match fetched {
            Err(error) => damaged.is_empty() && !is_local(dir, self.caller(), error),
            Ok(()) => false,
        };
        renewal.pause(dir);
        if is_sound {
            return Tried::Vain;
        }
        let mut specs = attempt.specs.to_vec();
        if attempt.apps.len() <= LEDGERS_MAX {
            let ledgers = attempt.apps.iter().map(|app| {
                let ledgers = Space::canonical(app).deployments();
                format!("+{ledgers}*:{ledgers}*")
            });
            specs.extend(ledgers);
        }
        let made = git.fetch_soon(&specs, &[], attempt.timeout);
        renewal.pause(dir);
        match made {
            Ok(()) => renewal.judged(&fresh, damaged, (fetched, attempt)),
            Err(error) if error.kind == GitErrorKind::TakesLong => {
                let silence = attempt.timeout;
                let fetch = move || git.fetch_patiently(&specs, &[], silence);
                let Ok(transfer) = Transfer::begin(attempt.since, self.caller(), fetch) else {
                    return Tried::Vain;
                };
                self.transfers().bring_copy(transfer, damaged.clone());
                Tried::Begun
            }
            Err(error) => {
                unfetched(dir, renewal, &error);
                Tried::Vain
            }
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

/// Notes and says that a new copy could not be fetched.
fn unfetched(dir: &Path, renewal: &mut Renewal, error: &GitError) {
    let wait = renewal.unfetched(dir);
    tracing::warn!(
        "{}: something of it is damaged, and a new copy could not be fetched: {error}; it is tried again in {} s",
        dir.display(),
        wait.as_secs()
    );
}

/// The file in a copy whose time is that of the last try that was of no use.
fn mark(dir: &Path) -> PathBuf {
    dir.join("cutwater-tried")
}

/// True shortly after a try that was of no use. One in the future is of another clock.
fn is_marked(dir: &Path) -> bool {
    let tried = fs::metadata(mark(dir)).and_then(|mark| mark.modified());
    tried.is_ok_and(|tried| tried.elapsed().is_ok_and(|age| age < AGAIN))
}

/// True where the copy in `dir` is the cause of an error of a fetch.
fn is_local(dir: &Path, caller: Caller, error: &GitError) -> bool {
    let kinds = [GitErrorKind::NotWritable, GitErrorKind::InTheWay];
    !has_head(dir).unwrap_or(true)
        || kinds.contains(&error.kind)
        || git::damage(dir, caller, LOOK).is_some()
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
