//! What was told last of everything: the engine writes it after each step, and [`super::admin`] answers with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::Settings;
use super::admin_api::{
    AppDetail, AppStatus, Apps, EntryDetail, FunctionDetail, LedgerDetail, ProcessState,
    ShareStatus, SplitDetail, SplitStatus, Status, VersionDetail,
};
use super::app::App;
use super::ledger::Ledger;
use super::source::Found;
use super::tasks::Last;
use super::versions::Materialised;
use crate::gateway::Metrics;
use crate::plan::{Owner, OwnerKind};
use crate::store::{LedgerEntry, Mirror};
use crate::words::{AppName, FunctionName, Share, VersionNumber};

/// Most records of an app that are told.
const ENTRIES_MAX: usize = 20;

/// The longest look: three calls of git at their deadlines, and some time for a busy machine.
const LOOK_MAX: Duration = Duration::from_mins(3);

/// After how long a server is ready though programs are still being started: one that is slow keeps no other from its users.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was told last.
pub(super) struct Board {
    registry: Registry,
    state: Mutex<State>,
    ledger: Option<Arc<Ledger>>,
    mirror: Mirror,
    /// When the repository was looked at last.
    looked: Arc<Last>,
    /// How long ago that may be.
    patience: Duration,
}

#[derive(Default)]
struct State {
    /// Without its apps and its ledger.
    status: Status,
    apps: BTreeMap<AppName, AppDetail>,
    /// When it was told something first.
    since: Option<Instant>,
    is_known: bool,
    is_ready: bool,
    /// Nothing is served, and what is to be served cannot be read as a whole.
    is_blind: bool,
}

/// Why a server does not take requests yet, or not any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    /// Nobody knows what is to be served.
    #[error("no commit has been read yet")]
    NoCommit,
    /// Nobody knows all that is to be served, and nothing was.
    #[error("releases cannot be read as a whole, and nothing has been served; /status says why")]
    Blind,
    /// Programs are being started.
    #[error("what the commit names is being started")]
    Starting,
    /// The repository was looked at so long ago.
    #[error("the repository was looked at {} s ago, and not since", .0.as_secs())]
    Unlooked(Duration),
}

impl Board {
    pub(super) fn new(
        metrics: &Metrics,
        settings: &Settings,
        ledger: Option<Arc<Ledger>>,
        mirror: Mirror,
        looked: Arc<Last>,
    ) -> Self {
        let mut registry = Registry::with_prefix("cutwater");
        metrics.register(&mut registry);
        let status = Status {
            repository: settings.url.to_string(),
            branch: settings.branch.clone(),
            releases: settings.releases.clone(),
            ..Status::default()
        };
        Self {
            registry,
            state: Mutex::new(State {
                status,
                ..State::default()
            }),
            ledger,
            mirror,
            looked,
            patience: settings.interval * 2 + LOOK_MAX,
        }
    }

    /// Takes down how everything stands.
    pub(super) fn tell(&self, found: &Found, apps: &BTreeMap<AppName, App>) {
        let is_starting = !found.is_known() || apps.values().any(|app| app.is_starting);
        let serves = apps.values().any(|app| !app.remembered.served.is_empty());
        let is_blind = !found.tip.whole && !serves;
        let apps = apps.iter().map(|(name, app)| (name.clone(), of(name, app)));
        let apps = apps.collect();
        let mut state = self.lock();
        let since = *state.since.get_or_insert_with(Instant::now);
        let is_late = found.is_known() && since.elapsed() > PATIENCE;
        state.is_known = found.is_known();
        state.is_blind = is_blind;
        state.is_ready |= (!is_starting || is_late) && !is_blind;
        state.apps = apps;
        let status = &mut state.status;
        status.commit.clone_from(&found.tip.commit);
        status.seen.clone_from(&found.seen);
        status.problems.clone_from(&found.problems);
    }

    /// Ready once a commit counts and what was served before is served again, or else what the commit names is served, or has
    /// failed; and as long as the repository is looked at. Apps that come later change nothing about it.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn is_ready(&self) -> Result<(), NotReady> {
        let age = self.looked.age();
        let state = self.lock();
        if !state.is_known {
            Err(NotReady::NoCommit)
        } else if !state.is_ready && state.is_blind {
            Err(NotReady::Blind)
        } else if !state.is_ready {
            Err(NotReady::Starting)
        } else if age > self.patience {
            Err(NotReady::Unlooked(age))
        } else {
            Ok(())
        }
    }

    pub(super) fn metrics(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map(|()| text)
    }

    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        let mut status = state.status.clone();
        let apps = state.apps.iter();
        status.apps = apps.map(|(name, app)| (name.clone(), short(app))).collect();
        drop(state);
        status.ledger = self.ledger.as_ref().map(|ledger| ledger.status());
        status
    }

    pub(super) fn apps(&self) -> Apps {
        Apps {
            apps: self.lock().apps.values().cloned().collect(),
        }
    }

    /// One app, by its name; else the names of all.
    pub(super) fn app(&self, name: &str) -> Result<AppDetail, Vec<String>> {
        let state = self.lock();
        let mut apps = state.apps.iter();
        let found = apps.find(|(app, _)| app.as_str() == name);
        let names = || state.apps.keys().map(ToString::to_string).collect();
        found.map(|(_, app)| app.clone()).ok_or_else(names)
    }

    /// The ledger as it was written last; nothing where none is. It reads the mirror: call it where blocking is allowed.
    pub(super) fn ledger(&self) -> Option<LedgerDetail> {
        let ledger = self.ledger.as_ref()?;
        let status = ledger.status();
        let names: Vec<AppName> = self.lock().apps.keys().cloned().collect();
        let written = names.into_iter().filter_map(|name| {
            let written = self
                .mirror
                .ledger(&name, &status.environment, ENTRIES_MAX)?;
            Some((name, written.entries.iter().map(entry).collect()))
        });
        Some(LedgerDetail {
            apps: written.collect(),
            environment: status.environment.clone(),
            waiting: status.waiting,
            problems: status.problems,
        })
    }

    /// A panic elsewhere leaves nothing half done: what is guarded is replaced as a whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn of(name: &AppName, app: &App) -> AppDetail {
    let owners: BTreeSet<&Owner> = (app.remembered.served.keys())
        .chain(app.wanted.keys())
        .collect();
    AppDetail {
        app: name.clone(),
        splits: (owners.into_iter())
            .map(|owner| split(app, owner))
            .collect(),
        versions: versions(app),
        problems: app.problems.clone(),
    }
}

/// The versions that run, and those that are to: what is served by memory and cannot be started just now is used all the same.
fn versions(app: &App) -> Vec<VersionDetail> {
    let pinned = app.remembered.pinned.values().flatten();
    let numbers: BTreeSet<VersionNumber> = (app.running.keys().copied())
        .chain(app.remembered.answers().map(|(_, number)| number))
        .chain(pinned.map(|entry| entry.number))
        .collect();
    let detail = |number: VersionNumber| {
        let record = app.remembered.records.get(&number)?;
        let functions = app.running.get(&number).map_or_else(
            || {
                (record.functions.iter())
                    .map(|it| absent(&it.name))
                    .collect()
            },
            Materialised::functions,
        );
        Some(VersionDetail {
            version: number,
            id: record.tree.clone(),
            commit: record.commit.clone(),
            labels: (app.lookups.labels(number).unwrap_or(&record.labels).iter())
                .map(ToString::to_string)
                .collect(),
            percentage: share(app, number),
            functions,
        })
    };
    numbers.into_iter().filter_map(detail).collect()
}

/// A function that does not run, and is tried again at each step.
fn absent(name: &FunctionName) -> FunctionDetail {
    FunctionDetail {
        name: name.clone(),
        state: ProcessState::Ended,
        address: None,
        problem: Some("does not run".to_owned()),
    }
}

/// What the app's Deployment gives a version.
fn share(app: &App, number: VersionNumber) -> Share {
    let served = app.remembered.served.keys();
    let mut shares = served
        .filter(|owner| owner.kind == OwnerKind::Deployment && app.has_a_place(owner))
        .flat_map(|owner| app.answering(owner));
    let found = shares.find(|(other, _)| *other == number);
    found.map_or(Share::ZERO, |(_, share)| share)
}

fn split(app: &App, owner: &Owner) -> SplitDetail {
    let served = app.remembered.served.get(owner);
    let share = |version: VersionNumber, percentage: Share| ShareStatus {
        version,
        percentage,
    };
    let wanted = app.remembered.pinned.get(owner).into_iter().flatten();
    let answering = app.has_a_place(owner).then(|| app.answering(owner));
    SplitDetail {
        kind: owner.kind,
        name: owner.name.clone(),
        complete: app.complete.get(owner) == Some(&true),
        commit: app.reached.get(owner).cloned(),
        since: served.map(|served| served.since),
        wanted: wanted
            .map(|entry| share(entry.number, entry.share))
            .collect(),
        versions: (answering.into_iter().flatten())
            .map(|(number, percentage)| share(number, percentage))
            .collect(),
    }
}

/// An app as `/status` has it.
fn short(app: &AppDetail) -> AppStatus {
    let splits = app.splits.iter().map(|split| {
        let status = SplitStatus {
            complete: split.complete,
            commit: split.commit.clone(),
            versions: split.versions.clone(),
        };
        (format!("{}/{}", split.kind.short(), split.name), status)
    });
    let versions = app.versions.iter().map(|version| {
        let functions = version.functions.iter();
        let troubles = functions.filter_map(|function| {
            let problem = function.problem.as_ref()?;
            Some(format!("{}: {problem}", function.name))
        });
        (version.version, troubles.collect())
    });
    AppStatus {
        splits: splits.collect(),
        versions: versions.collect(),
        problems: app.problems.clone(),
    }
}

fn entry(entry: &LedgerEntry) -> EntryDetail {
    let served = &entry.served;
    EntryDetail {
        sequence: served.sequence,
        at: served.at,
        author: served.author.clone(),
        source: served.source.clone(),
        message: served.message.clone(),
        versions: (served.versions.iter())
            .map(|version| ShareStatus {
                version: version.version,
                percentage: version.percentage,
            })
            .collect(),
        rolled_back_from: served.rolled_back_from,
        also_rolled_back_from: served.also_rolled_back_from.clone(),
        release_commit: served.release_commit.clone(),
        commit: entry.commit.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::state::Remembered;
    use super::*;

    #[test]
    fn what_is_served_and_does_not_run_is_told() {
        let record = |version: u32| {
            json!({
                "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
                "publishedAt": "2026-01-01T00:00:00Z", "functions": [{"name": "web", "port": 80}],
            })
        };
        let remembered: Remembered = serde_json::from_value(json!({
            "served": {"cwd/shop": {
                "shares": [[7, 100]], "overrides": [], "since": "2026-01-01T00:00:00Z",
            }},
            "records": {"7": record(7)},
        }))
        .unwrap();
        let status = short(&of(&"shop".parse().unwrap(), &App::of(remembered)));
        let said = serde_json::to_value(&status.versions).unwrap();
        assert_eq!(said, json!({"7": ["web: does not run"]}));
    }
}
