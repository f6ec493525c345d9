//! The loop: every app makes a step whenever something happened, and the gateway is given what comes of it.
//!
//! It decides nothing: each app's step asks the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::app::{App, Stepped, Tools};
use super::keeper::Keeper;
use super::ledger::Ledger;
use super::mending::{self, Mending};
use super::programs::Starter;
use super::source::{self, Found};
use super::state::{Remembered, StateFolder};
use super::status::Board;
use super::tidy;
use crate::branch;
use crate::gateway::{Metrics, Table};
use crate::panics::{Panic, guarded_now};
use crate::store::Mirror;
use crate::words::{AppName, CommitId};

/// How long clients may take to hear what programs that have ended said last.
const LAST: Duration = Duration::from_secs(2);
/// Longest time between two steps. What failed for a moment, such as a file that was not there yet or a program that could not
/// be started, is tried again then; a step asks no repository elsewhere.
const LOOK: Duration = Duration::from_secs(10);

/// How long people are not told of a change because it is not in the file of the ledger yet.
const KEPT: Duration = Duration::from_millis(200);

/// All apps, and what every step works with.
pub(super) struct Engine {
    pub(super) apps: BTreeMap<AppName, App>,
    pub(super) mirror: Mirror,
    pub(super) found: Found,
    pub(super) folder: Arc<StateFolder>,
    pub(super) keeper: Keeper,
    pub(super) starter: Starter,
    pub(super) drain: Duration,
    pub(super) table: Arc<ArcSwap<Table>>,
    pub(super) metrics: Metrics,
    pub(super) board: Arc<Board>,
    pub(super) ledger: Option<Arc<Ledger>>,
    /// A change was noted for the ledger, and is to be in its file before people are told.
    pub(super) noted: bool,
    /// The commits of the versions that are used.
    pub(super) used: Arc<ArcSwap<BTreeSet<CommitId>>>,
    /// A commit counts of which the gateway has not been told.
    pub(super) unrouted: bool,
    /// A version that releases name is not there.
    pub(super) missing: watch::Sender<bool>,
    /// Versions that wait for their last requests.
    pub(super) leaving: JoinSet<()>,
    pub(super) mending: Mending,
}

impl Engine {
    /// Takes note of what was found in the repository, and tells what is new of it.
    fn hear(&mut self, found: Found) {
        if found.tip.commit != self.found.tip.commit {
            let gone = self.found.tip.releases.iter().map(|old| branch::owner(old));
            let gone: Vec<String> = gone
                .filter(|owner| found.is_known() && !found.tip.has(owner))
                .map(|owner| owner.to_string())
                .collect();
            let commit = found.tip.commit.as_ref().map_or("", CommitId::as_str);
            if gone.is_empty() {
                tracing::info!("commit {commit} counts now");
            } else {
                tracing::info!(
                    "commit {commit} counts now, which does not have {} any more",
                    gone.join(", ")
                );
            }
            // Routes may be others while the shares stay.
            self.unrouted = true;
        }
        let new = found.problems.iter();
        for problem in new.filter(|problem| !self.found.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        if let Some(ledger) = &self.ledger {
            ledger.admit(found.own);
        }
        self.found = found;
    }

    /// Makes a step whenever something happened.
    pub(super) async fn work(
        &mut self,
        found: &watch::Receiver<Found>,
        changed: &Notify,
        interval: Duration,
    ) -> Infallible {
        let pause = LOOK.min(interval).min(mending::PACE);
        loop {
            self.hear(found.borrow().clone());
            let wake = self.step().map_or(pause, |wake| {
                let left = wake.duration_since(Timestamp::now());
                left.try_into().unwrap_or(Duration::ZERO)
            });
            if std::mem::take(&mut self.noted) {
                if let Some(ledger) = &self.ledger {
                    // A disk that hangs keeps nobody waiting.
                    let _late = tokio::time::timeout(KEPT, ledger.keep()).await;
                }
                self.board.tell(&self.found, &self.apps);
            }
            let _ = tokio::time::timeout(wake.min(pause), changed.notified()).await;
        }
    }

    /// Makes one step with every app; when to make the next.
    fn step(&mut self) -> Option<Timestamp> {
        if !self.found.is_known() {
            // What is remembered stays.
            self.board.tell(&self.found, &self.apps);
            return None;
        }
        let now = Timestamp::now();
        let named: BTreeSet<AppName> = (self.found.tip.releases.iter())
            .map(|release| release.app().clone())
            .collect();
        for name in named {
            self.apps.entry(name).or_default();
        }
        self.seed();
        let mut rerouted = std::mem::take(&mut self.unrouted) | self.hand_over();
        let mut before = BTreeMap::new();
        let mut wake: Option<Timestamp> = None;
        let mut leaving = Vec::new();
        let mut gone = Vec::new();
        let mut missing = false;
        let mut programs: usize = self.apps.values().map(App::programs).sum();
        let mut owed: usize = self.apps.values().map(App::owed).sum();
        for (name, app) in &mut self.apps {
            let (others, owed_others) = (programs - app.programs(), owed - app.owed());
            let tools = Tools {
                room: self.starter.most.saturating_sub(programs),
                owed,
                foreign: self.found.foreign,
                own: self.found.own,
                mirror: &self.mirror,
                tip: &self.found.tip,
                folder: &self.folder,
                starter: &self.starter,
                awaits: self.found.awaited.contains(name),
                moves: self.found.moves.get(name).copied().unwrap_or_default(),
            };
            let problems = std::mem::take(&mut app.problems);
            let (remembered, wanted) = (app.remembered.clone(), app.wanted.clone());
            let stepped = guarded_now(|| app.step(name, &tools, &remembered, now));
            let stepped = stepped.unwrap_or_else(|panic| {
                app.remembered = remembered.clone();
                app.wanted = wanted;
                app.problems = vec![failed(&panic)];
                // What it found out of its programs before it failed may not have been told.
                Stepped {
                    rerouted: true,
                    ..Stepped::default()
                }
            });
            before.insert(name.clone(), (remembered, problems));
            programs = others + app.programs();
            owed = owed_others + app.owed();
            rerouted |= stepped.rerouted;
            missing |= app.misses;
            leaving.extend(stepped.leaving);
            wake = wake.into_iter().chain(stepped.wake).min();
            if stepped.gone {
                gone.push(name.clone());
            }
        }
        if self.claim() {
            rerouted = true;
            // Whether an app is starting depends on it, and who had a place before lets go of it in the next step.
            wake = Some(now);
        }
        self.missing
            .send_if_modified(|before| std::mem::replace(before, missing) != missing);
        if rerouted {
            self.reroute();
        }
        for (name, (remembered, problems)) in before {
            let Some(app) = self.apps.get_mut(&name) else {
                continue;
            };
            if app.remembered != remembered {
                self.keeper.note(&name, app.remembered.clone());
            }
            app.problems.extend(self.keeper.problem(&name));
            let new = app.problems.iter();
            for problem in new.filter(|problem| !problems.contains(problem)) {
                tracing::warn!("{name}: {problem}");
            }
        }
        let drain = self.drain;
        for version in leaving {
            self.leaving.spawn(async move { version.stop(drain).await });
        }
        let mut left = false;
        while self.leaving.try_join_next().is_some() {
            left = true;
        }
        for name in gone {
            self.apps.remove(&name);
        }
        // A program that is being ended may still read its files.
        if left && self.leaving.is_empty() {
            self.tidy();
        }
        self.mend();
        let remembered = self.apps.values().map(|app| &app.remembered);
        self.used.store(Arc::new(source::used(remembered)));
        self.tell(now);
        wake
    }

    /// Notes what is served, and tells people of it unless it is a change that the ledger has to have first.
    fn tell(&mut self, now: Timestamp) {
        // Whoever is told that a commit is served is told of the record of it too.
        if let Some(ledger) = &self.ledger {
            self.noted = ledger.note(&self.found.tip, &self.apps, now);
        }
        if !self.noted {
            self.board.tell(&self.found, &self.apps);
        }
    }

    /// Writes again what somebody removed from the state folder.
    fn mend(&mut self) {
        let (apps, keeper) = (&self.apps, &self.keeper);
        let known = || {
            let known = apps.iter().filter(|(name, app)| {
                // What was just noted is being written; why something could not be is said already.
                keeper.is_quiet()
                    && app.remembered != Remembered::default()
                    && keeper.problem(name).is_none()
            });
            known.map(|(name, _)| name.clone()).collect()
        };
        for name in self
            .mending
            .gone(&self.folder, &self.starter.changed, known)
        {
            if let Some(app) = self.apps.get(&name) {
                tracing::warn!(
                    "{name}: what is remembered of it is not in the state folder any more, and is written again"
                );
                self.keeper.note(&name, app.remembered.clone());
            }
        }
    }

    /// Removes what versions that are gone left on the disk, but the newest of it.
    fn tidy(&self) {
        let records = (self.apps.values()).flat_map(|app| app.remembered.records.values());
        let (mut trees, mut logs) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            trees.insert(record.tree.to_string());
            for function in &record.functions {
                let (app, number) = (&record.app, record.number);
                logs.extend(StateFolder::log_names(app, number, function.name.as_str()));
            }
        }
        let taken = [
            tidy::take(&self.folder.snapshots(), &trees, tidy::SNAPSHOTS),
            tidy::take(&self.folder.logs(), &logs, tidy::LOGS),
        ];
        tokio::task::spawn_blocking(move || {
            for taken in taken {
                let removed =
                    taken.and_then(|paths| paths.iter().try_for_each(|path| tidy::remove(path)));
                if let Err(error) = removed {
                    tracing::warn!("files of versions that are gone cannot be removed: {error}");
                }
            }
        });
    }

    /// Gives the gateway its new table.
    fn reroute(&mut self) {
        for app in self.apps.values_mut() {
            match guarded_now(|| app.routes()) {
                Ok(routes) => app.routed = routes,
                Err(panic) => {
                    app.problems.push(failed(&panic));
                    // It is tried, and said, again.
                    self.unrouted = true;
                }
            }
        }
        let routes = self.apps.values().flat_map(|app| app.routed.clone());
        self.table
            .store(Arc::new(Table::new(routes.collect(), &self.metrics)));
    }

    /// Ends every program, each as soon as nobody waits for an answer of it, and waits until the gateway has `served` all. A
    /// stream without an end is left alone for `stop`: then its program is told, and can take leave of the client.
    pub(super) async fn close(mut self, served: CancellationToken, stop: Duration) {
        let drain = self.drain;
        let apps = self.apps.into_values();
        for version in apps.flat_map(|app| app.running.into_values()) {
            let served = served.clone();
            self.leaving
                .spawn(async move { version.close(&served, stop, drain).await });
        }
        while self.leaving.join_next().await.is_some() {}
        // What the programs said last is on its way to the clients.
        drop(tokio::time::timeout(LAST, served.cancelled()).await);
        self.keeper.close().await;
        if let Some(ledger) = &self.ledger {
            ledger.keep().await;
        }
    }
}

/// What is said of an app whose step came to no end.
fn failed(panic: &Panic) -> String {
    format!(
        "deciding failed, which is a fault of cutwater: {panic}; what was decided before goes on"
    )
}
