//! The ledger: each change of what is served, as a commit in the repository. It has a task of its own, and nobody waits for it.
//!
//! ```text
//! run --note--> Outbox (a file) --write--> Mirror::record (commit, push) --> written
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::app::App;
use super::outbox::{Outbox, Waiting};
use super::state::StateError;
use super::tasks;
use super::tip::{self, Tip};
use super::told::LedgerStatus;
use crate::ledger::{Served, ServedVersion};
use crate::plan::OwnerKind;
use crate::store::{LedgerError, Mirror};
use crate::words::{AppName, EnvironmentName};

/// Longest time for each exchange with the repository.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pushes that succeed: of a burst of changes most go together.
const PACE: Duration = Duration::from_secs(1);
/// After a push that fails, at first and at last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Most records of an app in one push.
const BATCH: usize = 100;
/// Longest message in a record, in characters.
const MESSAGE_MAX: usize = 1024;

/// The ledger of one environment.
pub(super) struct Ledger {
    pub(super) environment: EnvironmentName,
    outbox: Mutex<Outbox>,
    /// Why records wait, by app.
    problems: Mutex<BTreeMap<AppName, String>>,
    /// The repository has answered and is the one that the records are of.
    own: AtomicBool,
    /// Told when a record waits, and when the repository has answered.
    noted: Notify,
}

impl Ledger {
    pub(super) fn open(dir: &Path, environment: EnvironmentName) -> Result<Self, StateError> {
        Ok(Self {
            outbox: Mutex::new(Outbox::open(dir, &environment)?),
            environment,
            problems: Mutex::default(),
            own: AtomicBool::new(false),
            noted: Notify::new(),
        })
    }

    /// Takes down what Deployments serve in full, where that is a change.
    pub(super) fn note(&self, tip: &Tip, apps: &BTreeMap<AppName, App>, now: Timestamp) {
        let mut outbox = lock(&self.outbox);
        let mut changed = false;
        for release in &tip.releases {
            let owner = tip::owner(release);
            let Some(app) = apps.get(release.app()) else {
                continue;
            };
            if owner.kind != OwnerKind::Deployment || app.complete.get(&owner) != Some(&true) {
                continue;
            }
            let pinned = app.remembered.pinned.get(&owner).into_iter().flatten();
            let versions = pinned.map(|entry| {
                let record = app.remembered.records.get(&entry.number)?;
                Some(ServedVersion {
                    version: entry.number,
                    percentage: entry.share,
                    commit: record.commit.clone(),
                    tree: record.tree.clone(),
                })
            });
            if let Some(versions) = versions.collect::<Option<Vec<_>>>() {
                let place = (release.app(), release.name());
                let commit = tip.commit_of(&owner);
                changed |= outbox.note(place, &self.environment, versions, commit, now);
            }
        }
        if changed {
            if let Err(error) = outbox.keep() {
                // It is in memory, and written with the next one.
                tracing::warn!(
                    "{error}; changes that are not in the ledger yet would be lost in a crash"
                );
            }
            self.noted.notify_one();
        }
    }

    /// Says whether the repository is the one that the records are of. Until it is known to be, none goes there.
    pub(super) fn admit(&self, own: bool) {
        if !self.own.swap(own, Ordering::Relaxed) && own {
            self.noted.notify_one();
        }
    }

    /// The records that may be written now.
    fn ready(&self) -> Vec<(AppName, Vec<Waiting>)> {
        if self.own.load(Ordering::Relaxed) {
            lock(&self.outbox).waiting(BATCH)
        } else {
            Vec::new()
        }
    }

    pub(super) fn status(&self) -> LedgerStatus {
        // One after the other: nobody ever holds both, so nobody waits for the other in turn.
        let waiting = lock(&self.outbox).count(None);
        let problems = lock(&self.problems).values().cloned().collect();
        LedgerStatus {
            environment: self.environment.clone(),
            waiting,
            problems,
        }
    }

    /// Notes how a push of an app's records ended; true where it succeeded.
    fn ended(&self, app: &AppName, newest: u64, done: Result<(), LedgerError>) -> bool {
        let Err(error) = done else {
            if lock(&self.problems).remove(app).is_some() {
                tracing::info!("the ledger of {app} is written again");
            }
            let mut outbox = lock(&self.outbox);
            outbox.written(app, newest);
            if let Err(error) = outbox.keep() {
                // What is written twice is seen by its sequence.
                tracing::warn!("{error}");
            }
            return true;
        };
        self.trouble(app, error.to_string());
        false
    }

    /// Notes why an app's records cannot be written, and says it where it is new.
    fn trouble(&self, app: &AppName, problem: String) {
        let mut problems = lock(&self.problems);
        if problems.get(app) != Some(&problem) {
            tracing::warn!("{problem}");
            problems.insert(app.clone(), problem);
        }
    }
}

/// Writes what waits, for ever. Records of an app that cannot be written hold up no other app's.
pub(super) async fn write(ledger: Arc<Ledger>, mirror: Mirror, releases: Option<String>) {
    let mut pause = RETRY.0;
    loop {
        let batches = ledger.ready();
        if batches.is_empty() {
            ledger.noted.notified().await;
            continue;
        }
        let mut all_done = true;
        for (app, batch) in batches {
            let newest = (batch.last()).map_or(0, |waiting| waiting.record.sequence);
            let done = {
                let (ledger, mirror, app) = (Arc::clone(&ledger), mirror.clone(), app.clone());
                let releases = releases.clone();
                tokio::task::spawn_blocking(move || {
                    push(&ledger, &mirror, &app, batch, releases.as_deref())
                })
                .await
            };
            match done {
                Ok(done) => all_done &= ledger.ended(&app, newest, done),
                Err(error) => {
                    // What an app brings about holds up that app's records alone.
                    all_done = false;
                    let problem = tasks::said(error);
                    ledger.trouble(&app, format!("the ledger of {app}: writing it {problem}"));
                }
            }
        }
        if all_done {
            pause = RETRY.0;
            tokio::time::sleep(PACE).await;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }
}

fn push(
    ledger: &Ledger,
    mirror: &Mirror,
    app: &AppName,
    batch: Vec<Waiting>,
    releases: Option<&str>,
) -> Result<(), LedgerError> {
    let told = |waiting: Waiting| tell(mirror, waiting, releases);
    let records: Vec<Served> = batch.into_iter().map(told).collect();
    let writer = lock(&ledger.outbox).writer().to_owned();
    mirror.record(app, &ledger.environment, &writer, &records, TIMEOUT)
}

/// Adds who asked for it, by what and why, as the commit of the branch says.
fn tell(mirror: &Mirror, waiting: Waiting, releases: Option<&str>) -> Served {
    let Waiting {
        deployment,
        mut record,
    } = waiting;
    let Some(commit) = record.release_commit.clone() else {
        return record;
    };
    let folder = match releases {
        Some(folder) => folder.to_owned(),
        None => mirror.settings(&commit).unwrap_or_default().releases,
    };
    if let Some(change) = mirror.change(&record.app, &deployment, &commit, &folder) {
        let short = |text: String| text.chars().take(MESSAGE_MAX).collect();
        record.author = Some(short(change.author.name));
        record.message = Some(short(change.message));
        record.source = Some(change.source.unwrap_or_else(|| "releases".to_owned()));
        record.rolled_back_from = change.rolled_back_from.first().copied();
        record.release_commit = Some(change.commit);
    }
    record
}

/// A panic elsewhere leaves nothing half done: what is guarded is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Share;

    #[test]
    fn records_wait_until_the_repository_is_known_to_be_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let environment: EnvironmentName = "local".parse().unwrap();
        let ledger = Ledger::open(dir.path(), environment.clone()).unwrap();
        let app: AppName = "shop".parse().unwrap();
        let version = ServedVersion {
            version: "1".parse().unwrap(),
            percentage: Share::ALL,
            commit: "1".repeat(40),
            tree: "2".repeat(40),
        };
        let now = Timestamp::UNIX_EPOCH;
        let place = (&app, "shop");
        lock(&ledger.outbox).note(place, &environment, vec![version], &"3".repeat(40), now);
        for own in [false, true, false, true] {
            ledger.admit(own);
            assert_eq!(!ledger.ready().is_empty(), own);
            assert_eq!(ledger.status().waiting, 1);
        }
    }
}
