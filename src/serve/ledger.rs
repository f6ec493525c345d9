//! The ledger: each change of what is served, as a commit in the repository. It has a task of its own, and nobody waits for it.
//!
//! ```text
//! run --note--> Outbox (a file) --write--> Mirror::record (commit, push) --> written
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::app::App;
use super::claims;
use super::outbox::{Outbox, Waiting};
use super::state::StateError;
use super::tasks;
use super::tip::{self, Tip};
use super::told::LedgerStatus;
use crate::ledger::{Served, ServedVersion};
use crate::plan::{Owner, OwnerKind};
use crate::releases::Release;
use crate::store::{LedgerError, Mirror, Recorded};
use crate::words::{AppName, EnvironmentName};

/// Longest time for each exchange with the repository.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pushes that succeed: of a burst of changes most go together.
const PACE: Duration = Duration::from_secs(1);
/// After a push that fails, at first and at last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long a push may run before that is said: most take a moment.
const SLOW: SignedDuration = SignedDuration::from_secs(2);
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
    /// The app whose records are being pushed, and since when; nothing while none are.
    pushing: Mutex<Option<(AppName, Timestamp)>>,
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
            pushing: Mutex::default(),
            own: AtomicBool::new(false),
            noted: Notify::new(),
        })
    }

    /// Takes down what Deployments serve in full, where that is a change.
    pub(super) fn note(&self, tip: &Tip, apps: &BTreeMap<AppName, App>, now: Timestamp) {
        let mut outbox = self.outbox.lock();
        let mut changed = false;
        for release in &tip.releases {
            let owner = tip::owner(release);
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
                changed |= outbox.note(place, &self.environment, versions, commit, now);
            } else {
                changed |= outbox.leave_out(release.app(), &versions);
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
                self.trouble(app, error.to_string());
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
        let mut outbox = self.outbox.lock();
        outbox.written(app, newest, recorded);
        if let Err(error) = outbox.keep() {
            // What is written twice is seen by what it says.
            tracing::warn!("{error}");
        }
        true
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
            *ledger.pushing.lock() = Some((app.clone(), Timestamp::now()));
            let done = {
                let (ledger, mirror, app) = (Arc::clone(&ledger), mirror.clone(), app.clone());
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
) -> Result<Recorded, LedgerError> {
    let told = |waiting: Waiting| tell(mirror, waiting, releases);
    let records: Vec<Served> = batch.into_iter().map(told).collect();
    let writer = ledger.outbox.lock().writer().map(str::to_owned);
    let writer = writer.map_err(|error| LedgerError::Local {
        app: app.clone(),
        problem: error.to_string(),
    })?;
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
    let shares = &app.remembered.served.get(owner)?.shares;
    if !wanted
        .map(|entry| (entry.number, entry.share))
        .eq(shares.iter().copied())
    {
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
mod tests {
    use super::super::state::Pinned;
    use super::*;
    use crate::plan::Shares;
    use crate::record::VersionRecord;
    use crate::releases;
    use crate::words::{Share, VersionNumber, VersionWord};

    fn number(version: u32) -> VersionNumber {
        VersionNumber::new(version).unwrap()
    }

    fn shares(list: &[(u32, u32)]) -> Shares {
        let one = |(version, percent): &(u32, u32)| {
            (number(*version), Share::from_basis_points(percent * 100))
        };
        list.iter().map(one).collect()
    }

    fn owner() -> Owner {
        "cwd/shop".to_owned().try_into().unwrap()
    }

    /// What a server has whose commit wants these shares, resolved to `pinned`, and whose routes say `served`.
    fn server(
        wanted: &[(u32, u32)],
        pinned: &[(u32, u32)],
        served: &[(u32, u32)],
    ) -> (Tip, BTreeMap<AppName, App>) {
        let entries = wanted.iter();
        let entries = entries
            .map(|(version, percent)| format!("{{version: {version}, percentage: {percent}}}"));
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  app: shop\n  repository: shop\n  routes: [{{name: all, hostnames: [a.example, b.example], gateway: {{name: g}}}}]\n  versions: [{}]\n",
            entries.collect::<Vec<_>>().join(", ")
        );
        let content = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        let mut tip = Tip::default();
        tip.commit = "c".repeat(40);
        tip.releases = content.releases.into_iter().map(Arc::new).collect();
        let mut app = App::default();
        app.complete.insert(owner(), false);
        let remembered = &mut app.remembered;
        for (version, share) in shares(pinned) {
            let word = VersionWord::Number(version);
            let entry = Pinned {
                word,
                number: version,
                share,
            };
            remembered.pinned.entry(owner()).or_default().push(entry);
            let record: VersionRecord = serde_json::from_value(serde_json::json!({
                "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
                "publishedAt": "2026-01-01T00:00:00Z", "functions": [],
            }))
            .unwrap();
            remembered.records.insert(version, record);
        }
        let served = super::super::state::Served {
            shares: shares(served),
            overrides: Vec::new(),
            since: Timestamp::UNIX_EPOCH,
        };
        remembered.served.insert(owner(), served);
        (tip, [("shop".parse().unwrap(), app)].into())
    }

    fn open(dir: &Path) -> Ledger {
        Ledger::open(dir, "local".parse().unwrap()).unwrap()
    }

    /// Sequence and shares above 0 of all that waits.
    fn told(ledger: &Ledger) -> Vec<(u64, Shares)> {
        let all = ledger.outbox.lock().waiting(usize::MAX);
        let all = all.into_iter().flat_map(|(_, waiting)| waiting);
        let record = |waiting: Waiting| {
            let versions = waiting.record.versions.iter();
            let shares = versions.map(|version| (version.version, version.percentage));
            let shares = shares.filter(|(_, share)| !share.is_zero()).collect();
            (waiting.record.sequence, shares)
        };
        all.map(record).collect()
    }

    #[test]
    fn who_has_the_traffic_is_recorded_though_what_has_none_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        let note = |wanted: &[(u32, u32)], pinned: &[(u32, u32)], served: &[(u32, u32)]| {
            let (tip, apps) = server(wanted, pinned, served);
            ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
        };
        note(&[(7, 100)], &[(7, 100)], &[(7, 100)]);
        // v8 has not got its share yet, and then it has; v3 never starts.
        note(&[(8, 100), (3, 0)], &[(8, 100), (3, 0)], &[(7, 100)]);
        note(&[(8, 100), (3, 0)], &[(8, 100), (3, 0)], &[(8, 100)]);
        let first = [(1, shares(&[(7, 100)])), (2, shares(&[(8, 100)]))];
        assert_eq!(told(&ledger), first);
        // Of two hostnames one is another's: who asks at the other one is served. Where both are, nobody is.
        for (refused, count) in [(2, 2), (1, 3)] {
            let (tip, mut apps) = server(&[(9, 100)], &[(9, 100)], &[(9, 100)]);
            for app in apps.values_mut() {
                let places = super::super::claims::places(&tip.releases[0].wanted.routes);
                let refusal = |place: String| {
                    let text = format!("{place} is another's");
                    (
                        place,
                        super::super::claims::Refusal {
                            is_left: false,
                            undecided: false,
                            text,
                        },
                    )
                };
                let places = places.take(refused).map(refusal).collect();
                app.refused.insert(owner(), places);
            }
            ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
            assert_eq!(told(&ledger).len(), count);
        }
        // What is wanted cannot be resolved, and what was wanted before gets its share late: for whom is not known.
        note(&[(6, 100)], &[(5, 100)], &[(9, 100)]);
        note(&[(6, 100)], &[(5, 100)], &[(5, 100)]);
        note(&[(6, 100)], &[(5, 100)], &[(5, 100)]);
        note(&[(6, 100)], &[(6, 100)], &[(6, 100)]);
        let sequences: Vec<u64> = told(&ledger)
            .iter()
            .map(|(sequence, _)| *sequence)
            .collect();
        assert_eq!(sequences, [1, 2, 3, 5]);
    }

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
        ledger
            .outbox
            .lock()
            .note(place, &environment, vec![version], &"3".repeat(40), now);
        for own in [false, true, false, true] {
            ledger.admit(own);
            assert_eq!(!ledger.ready().is_empty(), own);
            let status = ledger.status();
            assert_eq!(status.waiting, 1);
            assert_eq!(status.apps, [(app.clone(), 1)].into());
        }
        // While a push runs, that is why they wait; of a moment nothing is said.
        ledger.admit(true);
        for (since, count) in [(Timestamp::now(), 0), (now, 1)] {
            *ledger.pushing.lock() = Some((app.clone(), since));
            let problems = ledger.status().problems;
            assert_eq!(problems.len(), count, "{problems:?}");
            let said = "the ledger of shop is being pushed since 1970-01-01T00:00:00Z";
            assert!(problems.iter().all(|problem| problem.starts_with(said)));
        }
    }
}
