//! The ledger: each change of what is served, as a commit in the repository. It has a task of its own, and nobody waits for it, nor
//! for the disk: a change is noted in memory, and in the file before it is pushed.
//!
//! ```text
//! run --note--> Outbox --keep--> its file --push--> Mirror::record (commit, push) --> written
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::admin_api::LedgerStatus;
use super::app::App;
use super::claims;
use super::outbox_file::OutboxFile;
use super::state::StateError;
use super::tasks;
use crate::backoff::Backoff;
use crate::branch::{self, Tip};
use crate::ledger::{Recorded, Served, ServedVersion, Waiting, Writer};
use crate::plan::effective::is_same;
use crate::plan::{Owner, OwnerKind};
use crate::releases::Release;
use crate::store::{LedgerError, Mirror};
use crate::words::{AppName, EnvironmentName, Shares};

/// Most records of one app that wait.
const WAITING_MAX: usize = 1_000;
/// Longest time for each exchange with the repository.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pushes that succeed: of a burst of changes most go together.
const PACE: Duration = Duration::from_secs(1);
/// After a push that fails, at first and at last.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
/// How long a push may run before that is said: most take a moment.
const SLOW: SignedDuration = SignedDuration::from_secs(2);
/// Most records of an app in one push.
const BATCH: usize = 100;
/// Longest message in a record, in characters.
const MESSAGE_MAX: usize = 1024;

/// The ledger of one environment.
pub(super) struct Ledger {
    pub(super) environment: EnvironmentName,
    outbox: OutboxFile,
    /// Why records wait, by app.
    problems: Mutex<BTreeMap<AppName, String>>,
    /// The app whose records are being pushed, and since when; nothing while none are.
    pushing: Mutex<Option<(AppName, Timestamp)>>,
    /// The repository has answered and is the one that the records are of.
    own: AtomicBool,
    /// Told when a record waits, and when the repository has answered.
    noted: Notify,
    /// Told when something is not in the file of the outbox yet.
    unkept: Notify,
}

impl Ledger {
    pub(super) fn open(dir: &Path, environment: EnvironmentName) -> Result<Self, StateError> {
        Ok(Self {
            outbox: OutboxFile::open(dir, &environment)?,
            environment,
            problems: Mutex::default(),
            pushing: Mutex::default(),
            own: AtomicBool::new(false),
            noted: Notify::new(),
            unkept: Notify::new(),
        })
    }

    /// Takes down what Deployments serve in full, where that is a change. True where it is.
    pub(super) fn note(&self, tip: &Tip, apps: &BTreeMap<AppName, App>, now: Timestamp) -> bool {
        let mut outbox = self.outbox.lock();
        let mut changed = false;
        for release in &tip.releases {
            let owner = branch::owner(release);
            let Some(app) = apps.get(release.app()) else {
                continue;
            };
            if owner.kind != OwnerKind::Deployment {
                continue;
            }
            let Some(versions) = served(app, release, &owner) else {
                continue;
            };
            if is_asked(app, release, &owner) {
                let place = (release.app(), release.name());
                let commit = tip.commit_of(&owner);
                changed |= outbox.note(
                    place,
                    &self.environment,
                    versions,
                    (commit, now),
                    WAITING_MAX,
                );
            } else {
                changed |= outbox.leave_out(release.app(), &versions);
            }
        }
        for (app, sequence) in outbox.take_dropped() {
            tracing::warn!(
                "{app}: change {sequence} will not be in the ledger: more than {WAITING_MAX} wait"
            );
        }
        if changed {
            self.unkept.notify_one();
            self.noted.notify_one();
        }
        changed
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
            self.outbox.lock().waiting(BATCH)
        } else {
            Vec::new()
        }
    }

    pub(super) fn status(&self) -> LedgerStatus {
        // One after the other: nobody ever holds both, so nobody waits for the other in turn.
        let waiting = self.outbox.lock().waiting(1);
        let apps = waiting.iter().map(|(app, _)| app);
        let held = |app: &AppName| {
            format!(
                "cannot write the ledger of {app}: the repository has not answered since the start, or may be another one"
            )
        };
        let mut problems: Vec<String> = self.problems.lock().values().cloned().collect();
        if !self.own.load(Ordering::Relaxed) {
            problems.extend(apps.map(held));
        }
        let pushing = self.pushing.lock().clone();
        let slow = pushing.filter(|(_, since)| Timestamp::now().duration_since(*since) >= SLOW);
        problems.extend(slow.map(|(app, since)| {
            format!(
                "the ledger of {app} is being pushed since {since:.0}, and the repository has not answered yet"
            )
        }));
        let apps = self.outbox.lock().counts();
        LedgerStatus {
            environment: self.environment.clone(),
            waiting: apps.values().sum(),
            apps,
            problems,
        }
    }

    /// Notes how a push of an app's records ended; true where it succeeded.
    fn ended(&self, app: &AppName, newest: u64, done: Result<Recorded, LedgerError>) -> bool {
        let recorded = match done {
            Ok(recorded) => recorded,
            Err(error) => {
                let flag = match error {
                    LedgerError::Foreign { .. } => " (--environment names it)",
                    _ => "",
                };
                self.trouble(app, format!("{error}{flag}"));
                return false;
            }
        };
        if self.problems.lock().remove(app).is_some() {
            tracing::info!("the ledger of {app} is written again");
        }
        if recorded.newest > newest || recorded.forgotten {
            tracing::warn!(
                "the ledger of {app} has records that this state folder does not know, as where it is an older one or a copy of another server's: changes are recorded after them, up to {} now; where two servers write it, give each its own --environment and state folder",
                recorded.newest
            );
        }
        // Where this is not in the file at the next start, it is written twice, which is seen by what it says.
        self.outbox.lock().written(app, newest, recorded);
        self.unkept.notify_one();
        true
    }

    /// Returns when all that was noted is in the file of the outbox, or could not be written.
    pub(super) async fn keep(self: &Arc<Self>) {
        let ledger = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || ledger.outbox.keep()).await;
        let problem = match kept {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => format!("writing the outbox of the ledger {}", tasks::said(error)),
        };
        // It is in memory, and written with the next one.
        tracing::warn!(
            "{problem}; changes that are not in the ledger yet would be lost in a crash"
        );
    }

    /// Notes why an app's records cannot be written, and says it where it is new.
    fn trouble(&self, app: &AppName, problem: String) {
        let mut problems = self.problems.lock();
        if problems.get(app) != Some(&problem) {
            tracing::warn!("{problem}");
            problems.insert(app.clone(), problem);
        }
    }
}

/// Writes what waits, to the file and to the repository, for ever.
pub(super) async fn write(ledger: Arc<Ledger>, mirror: Mirror, releases: Option<String>) {
    let keeping = async {
        loop {
            ledger.unkept.notified().await;
            ledger.keep().await;
        }
    };
    tokio::join!(keeping, push_all(&ledger, mirror, releases));
}

/// Pushes what waits, for ever. Records of an app that cannot be written hold up no other app's.
async fn push_all(ledger: &Arc<Ledger>, mirror: Mirror, releases: Option<String>) {
    let mut failures = 0_u32;
    loop {
        let batches = ledger.ready();
        if batches.is_empty() {
            ledger.noted.notified().await;
            continue;
        }
        let mut all_done = true;
        for (app, batch) in batches {
            let newest = (batch.last()).map_or(0, |waiting| waiting.record.sequence);
            *ledger.pushing.lock() = Some((app.clone(), Timestamp::now()));
            let done = {
                let (ledger, mirror, app) = (Arc::clone(ledger), mirror.clone(), app.clone());
                let releases = releases.clone();
                tokio::task::spawn_blocking(move || {
                    push(&ledger, &mirror, &app, batch, releases.as_deref())
                })
                .await
            };
            *ledger.pushing.lock() = None;
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
            failures = 0;
            tokio::time::sleep(PACE).await;
        } else {
            tokio::time::sleep(RETRY.after(failures)).await;
            failures = failures.saturating_add(1);
        }
    }
}

fn push(
    ledger: &Ledger,
    mirror: &Mirror,
    app: &AppName,
    batch: Vec<Waiting>,
    releases: Option<&str>,
) -> Result<Recorded, LedgerError> {
    // What the repository has and the file does not would be another writer's after a crash.
    let kept = ledger.outbox.keep();
    kept.map_err(|error| LedgerError::Local {
        app: app.clone(),
        problem: error.to_string(),
    })?;
    let told = |waiting: Waiting| tell(mirror, waiting, releases);
    let records: Vec<Served> = batch.into_iter().map(told).collect();
    let id = ledger.outbox.lock().writer().to_owned();
    let writer = Writer {
        name: "cutwater serve",
        id: &id,
    };
    mirror.record(app, &ledger.environment, writer, &records, TIMEOUT)
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
        record.leave(&change.rolled_back_from);
        record.release_commit = Some(change.commit);
    }
    record
}

/// What a Deployment serves, where each version has the share that it is to have. One at 0 % that is not ready takes nothing from
/// the others, and neither does a place that another Deployment has, unless it is the last one.
fn served(app: &App, release: &Release, owner: &Owner) -> Option<Vec<ServedVersion>> {
    let pinned = app.remembered.pinned.get(owner)?;
    let wanted = (pinned.iter()).filter(|entry| !entry.share.is_zero());
    let wanted: Shares = wanted.map(|entry| (entry.number, entry.share)).collect();
    // The routes keep the order that they had.
    if !is_same(&wanted, &app.remembered.served.get(owner)?.shares) {
        return None;
    }
    if let Some(refused) = app.refused.get(owner)
        && claims::places(&release.wanted.routes).all(|place| refused.contains_key(&place))
    {
        return None;
    }
    let versions = pinned.iter().map(|entry| {
        let record = app.remembered.records.get(&entry.number)?;
        Some(ServedVersion {
            version: entry.number,
            percentage: entry.share,
            commit: record.commit.clone(),
            tree: record.tree.clone(),
        })
    });
    versions.collect()
}

/// True where the commit that counts asks for what is served. While its words cannot be resolved, what was wanted before goes on, and
/// may get its share only then.
fn is_asked(app: &App, release: &Release, owner: &Owner) -> bool {
    let pinned = app.remembered.pinned.get(owner).into_iter().flatten();
    let words = release.wanted.versions.iter();
    let is_same = pinned
        .map(|entry| (&entry.word, entry.share))
        .eq(words.map(|entry| (&entry.version, entry.percentage)));
    is_same && !app.has_strayed(owner)
}

#[cfg(test)]
#[path = "ledger_test.rs"]
mod tests;
