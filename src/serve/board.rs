//! What was told last of everything: the engine writes it after each step, and [`super::admin`] answers with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::app::App;
use super::ledger::Ledger;
use super::source::Found;
use super::state::Served;
use super::tasks::Last;
use super::told::{
    AppDetail, AppStatus, Apps, EntryDetail, LedgerDetail, ShareStatus, SplitDetail, SplitStatus,
    Status, VersionDetail,
};
use crate::gateway::Metrics;
use crate::plan::{Owner, OwnerKind};
use crate::releases::Kind;
use crate::store::{LedgerEntry, Mirror};
use crate::words::{AppName, Share, VersionNumber};

/// Most records of an app that are told.
const ENTRIES_MAX: usize = 20;

/// The longest look: three calls of git at their deadlines, and some time for a busy machine.
const LOOK_MAX: Duration = Duration::from_mins(3);

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
}

impl Board {
    pub(super) fn new(
        metrics: &Metrics,
        (repository, branch): (String, String),
        ledger: Option<Arc<Ledger>>,
        mirror: Mirror,
        (looked, interval): (Arc<Last>, Duration),
    ) -> Self {
        let mut registry = Registry::with_prefix("cutwater");
        metrics.register(&mut registry);
        let status = Status {
            repository,
            branch,
            ..Status::default()
        };
        Self {
            registry,
            state: Mutex::new(State {
                status,
                apps: BTreeMap::new(),
            }),
            ledger,
            mirror,
            looked,
            patience: interval * 2 + LOOK_MAX,
        }
    }

    /// Takes down how everything stands.
    pub(super) fn tell(&self, found: &Found, apps: &BTreeMap<AppName, App>) {
        let apps = apps.iter().map(|(name, app)| (name.clone(), of(name, app)));
        let apps = apps.collect();
        let mut state = self.lock();
        state.apps = apps;
        let status = &mut state.status;
        status.commit = Some(found.tip.commit.clone()).filter(|commit| !commit.is_empty());
        status.seen.clone_from(&found.seen);
        status.problems.clone_from(&found.problems);
    }

    /// Ready once a commit counts, and as long as the repository is looked at.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        let age = self.looked.age();
        if self.lock().status.commit.is_none() {
            Err("no commit has been read yet".to_owned())
        } else if age > self.patience {
            Err(format!(
                "the repository was looked at {} s ago, and not since",
                age.as_secs()
            ))
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(name: &AppName, app: &App) -> AppDetail {
    let splits = app.remembered.served.iter();
    AppDetail {
        app: name.clone(),
        splits: splits
            .map(|(owner, served)| split(app, owner, served))
            .collect(),
        versions: (app.running.iter())
            .filter_map(|(number, running)| {
                let record = app.remembered.records.get(number)?;
                Some(VersionDetail {
                    version: *number,
                    id: record.tree.clone(),
                    commit: record.commit.clone(),
                    labels: record.labels.iter().map(ToString::to_string).collect(),
                    percentage: share(app, *number),
                    functions: running.functions(),
                })
            })
            .collect(),
        problems: app.problems.clone(),
    }
}

/// What the app's Deployment gives a version.
fn share(app: &App, number: VersionNumber) -> Share {
    let served = app.remembered.served.iter();
    let shares = served
        .filter(|(owner, _)| owner.kind == OwnerKind::Deployment)
        .flat_map(|(_, served)| &served.shares);
    let found = shares.clone().find(|(other, _)| *other == number);
    found.map_or(Share::ZERO, |(_, share)| *share)
}

fn split(app: &App, owner: &Owner, served: &Served) -> SplitDetail {
    let share = |version: VersionNumber, percentage: Share| ShareStatus {
        version,
        percentage,
    };
    let wanted = app.remembered.pinned.get(owner).into_iter().flatten();
    SplitDetail {
        kind: match owner.kind {
            OwnerKind::Deployment => Kind::Deployment,
            OwnerKind::Alias => Kind::Alias,
        },
        name: owner.name.clone(),
        complete: app.complete.get(owner).copied().unwrap_or(false),
        commit: app.reached.get(owner).cloned(),
        since: served.since,
        wanted: wanted
            .map(|entry| share(entry.number, entry.share))
            .collect(),
        versions: (served.shares.iter())
            .map(|(number, percentage)| share(*number, *percentage))
            .collect(),
    }
}

/// An app as `/status` has it.
fn short(app: &AppDetail) -> AppStatus {
    let splits = app.splits.iter().map(|split| {
        let kind = match split.kind {
            Kind::Deployment => "cwd",
            Kind::Alias => "cwa",
        };
        let status = SplitStatus {
            complete: split.complete,
            commit: split.commit.clone(),
            versions: split.versions.clone(),
        };
        (format!("{kind}/{}", split.name), status)
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
        release_commit: served.release_commit.clone(),
        commit: entry.commit.clone(),
    }
}
