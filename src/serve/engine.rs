//! The loop: every app makes a step whenever something happened, and the gateway is given what comes of it.
//!
//! It decides nothing: each app's step asks the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::app::{App, Stepped, Tools};
use super::board::Board;
use super::claims::{self, Claimant, Claims, Settled};
use super::handover;
use super::keeper::Keeper;
use super::ledger::Ledger;
use super::programs::Starter;
use super::source::{self, Found};
use super::state::{Remembered, StateFolder};
use super::tasks;
use super::tidy;
use super::tip;
use crate::gateway::{Metrics, Table};
use crate::plan::Owner;
use crate::releases::Release;
use crate::store::Mirror;
use crate::words::AppName;

/// How long clients may take to hear what programs that have ended said last.
const LAST: Duration = Duration::from_secs(2);
/// Longest time between two steps. What failed for a moment, such as a file that was not there yet or a program that could not
/// be started, is tried again then; a step asks no repository elsewhere.
const LOOK: Duration = Duration::from_secs(10);
/// How often it is looked whether the state folder is whole.
const MEND: Duration = Duration::from_secs(10);

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
    /// The commits of the versions that are used.
    pub(super) used: Arc<ArcSwap<BTreeSet<String>>>,
    /// A commit counts of which the gateway has not been told.
    pub(super) unrouted: bool,
    /// A version that releases name is not there.
    pub(super) missing: watch::Sender<bool>,
    /// Versions that wait for their last requests.
    pub(super) leaving: JoinSet<()>,
    /// When it was looked whether the state folder is whole, and of which apps nothing was there.
    pub(super) mended: (Instant, BTreeSet<AppName>),
}

impl Engine {
    /// Takes note of what was found in the repository, and tells what is new of it.
    fn hear(&mut self, found: Found) {
        if found.tip.commit != self.found.tip.commit {
            let gone = self.found.tip.releases.iter().map(|old| tip::owner(old));
            let gone: Vec<String> = gone
                .filter(|owner| found.is_known() && !found.tip.has(owner))
                .map(|owner| owner.to_string())
                .collect();
            if gone.is_empty() {
                tracing::info!("commit {} counts now", found.tip.commit);
            } else {
                tracing::info!(
                    "commit {} counts now, which does not have {} any more",
                    found.tip.commit,
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
        let pause = LOOK.min(interval);
        loop {
            self.hear(found.borrow().clone());
            let wake = self.step().map_or(pause, |wake| {
                let left = wake.duration_since(Timestamp::now());
                left.try_into().unwrap_or(Duration::ZERO)
            });
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
                moves: self.found.moves.get(name).copied().unwrap_or_default(),
            };
            let problems = std::mem::take(&mut app.problems);
            let (remembered, wanted) = (app.remembered.clone(), app.wanted.clone());
            let stepped = tasks::guarded(|| app.step(name, &tools, &remembered, now));
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
        // Whoever is told that a commit is served is told of the record of it too.
        if let Some(ledger) = &self.ledger {
            ledger.note(&self.found.tip, &self.apps, now);
        }
        self.board.tell(&self.found, &self.apps);
        wake
    }

    /// Writes again what somebody removed from the state folder. Now and then: it costs a look at two files for each app.
    fn mend(&mut self) {
        if self.mended.0.elapsed() < MEND {
            return;
        }
        let known = |(_, app): &(&AppName, &App)| app.remembered != Remembered::default();
        let apps = self.apps.iter().filter(known).map(|(name, _)| name);
        match self.folder.mend(apps) {
            Ok(lost) => {
                // What was noted a moment ago may not be written yet.
                let lost: BTreeSet<AppName> = lost.into_iter().cloned().collect();
                for name in lost.intersection(&self.mended.1) {
                    tracing::warn!(
                        "{name}: what is remembered of it was removed from the state folder, and is written again"
                    );
                    let remembered = self.apps.get(name).map(|app| app.remembered.clone());
                    self.keeper.note(name, remembered.unwrap_or_default());
                }
                self.mended = (Instant::now(), lost);
            }
            Err(error) => {
                tracing::warn!("{error}; after a restart what was served is not known");
                self.mended.0 = Instant::now();
            }
        }
    }

    /// Gives owners that are served, where nobody has claims because they were not remembered yet, the places that they had:
    /// of one place the first app by its name had it.
    fn seed(&mut self) {
        let mut all = self.apps.values();
        if !all.all(|app| app.remembered.claims.is_empty()) {
            return;
        }
        let mut owners = Vec::new();
        for (name, app) in &self.apps {
            for owner in app.remembered.served.keys() {
                let spec = app.remembered.asked.get(owner);
                let release = spec
                    .and_then(|spec| spec.release(&owner.name))
                    .map(Arc::new);
                let mut tip = self.found.tip.releases.iter();
                let release = release.or_else(|| {
                    tip.find(|it| it.app() == name && tip::owner(it) == *owner)
                        .cloned()
                });
                let routes = release.iter().flat_map(|it| &it.wanted.routes);
                let places: Vec<String> = routes.flat_map(claims::places_of).collect();
                owners.push((name.clone(), owner.clone(), places));
            }
        }
        let seeds = claims::seed(owners.iter().map(|(_, _, places)| places.clone()));
        for ((name, owner, _), claims) in owners.into_iter().zip(seeds) {
            if let Some(app) = self.apps.get_mut(&name) {
                app.remembered.claims.insert(owner, claims);
                self.keeper.note(&name, app.remembered.clone());
            }
        }
    }

    /// Has owners go on at places that they have left, until somebody who wants them answers there. True where that changes.
    fn hand_over(&mut self) -> bool {
        let mut holders = Vec::new();
        for (name, app) in &mut self.apps {
            app.lingering.clear();
            app.handed.clear();
            let asked = tasks::guarded(|| app.asked(name, &self.found.tip));
            // After a panic, which its step says, it is where it was.
            let asked = asked.unwrap_or_else(|_| app.wanted.values().cloned().collect());
            holders.extend(app.holders(name, &asked));
        }
        if holders.iter().any(handover::Holder::leaves) {
            let settled = self.settle();
            for holder in &mut holders {
                let own = settled.get(&holder.app);
                let own = own.and_then(|owners| owners.get(&holder.owner));
                holder.is_refused = own.is_some_and(|own| {
                    let mut wants = holder.wants.iter();
                    !holder.is_gone && wants.any(|place| own.refused.contains_key(place))
                });
            }
        }
        let mut changed = false;
        let all = handover::stays(&holders);
        for (index, (holder, stays)) in holders.iter().zip(all).enumerate() {
            for (place, waited) in &stays {
                for waited in waited.iter().filter(|other| **other != index) {
                    let waited = &holders[*waited];
                    let Some(app) = self.apps.get_mut(&waited.app) else {
                        continue;
                    };
                    app.handed.push(format!(
                        "{}: {place} is answered by {} of app {}, which had it, until this answers there",
                        waited.owner, holder.owner, holder.app
                    ));
                }
            }
            let Some(app) = self.apps.get_mut(&holder.app) else {
                continue;
            };
            let kept = stays.iter().filter(|(_, waited)| waited.is_empty());
            app.handed.extend(kept.map(|(place, _)| {
                format!(
                    "{}: goes on at {place}, which it wants no more, until it gets all that it wants now",
                    holder.owner
                )
            }));
            if app.go_on(holder, &stays.into_keys().collect()) {
                self.keeper.note(&holder.app, app.remembered.clone());
                changed = true;
            }
        }
        changed
    }

    /// Gives each owner its places. True where that are others than before, or it has begun to answer at one.
    fn claim(&mut self) -> bool {
        let mut changed = false;
        // What each wants is known now: a place that one left in this step goes to whoever waits for it in this step.
        let mut settled = self.settle();
        for (name, app) in &mut self.apps {
            changed |= app.claim(settled.remove(name).unwrap_or_default());
            changed |= app.take();
            app.judge(&self.found.tip);
        }
        changed
    }

    /// Who has which hostname and path, of each owner of each app.
    fn settle(&self) -> BTreeMap<AppName, BTreeMap<Owner, Settled>> {
        let wanted: Vec<(&AppName, Owner, Arc<Release>)> = (self.apps.iter())
            .flat_map(|(name, app)| {
                let asked = tasks::guarded(|| app.asked(name, &self.found.tip));
                // After a panic, which its step has said, it is where it was.
                let asked = asked.unwrap_or_else(|_| app.wanted.values().cloned().collect());
                asked
                    .into_iter()
                    .map(move |release| (name, tip::owner(&release), release))
            })
            .collect();
        // One that only lingers leaves its claims to an object of its app with another name.
        let lingers = |app: &AppName, owner: &Owner| {
            (self.apps.get(app)).is_some_and(|app| app.lingering.contains_key(owner))
        };
        let here: BTreeSet<(&AppName, &Owner)> = (wanted.iter())
            .filter(|(app, owner, _)| !lingers(app, owner))
            .map(|(app, owner, _)| (*app, owner))
            .collect();
        let claimants = wanted.iter().map(|(app, owner, release)| {
            let remembered = self.apps.get(*app).map(|app| &app.remembered);
            // What it wants may not be to be had yet: until then it is where it was.
            let now = remembered.and_then(|it| it.asked.get(owner)?.release(&owner.name));
            let mut places: Vec<String> = claims::places(&release.wanted.routes).collect();
            // Nor may it serve there yet.
            let shown = remembered.and_then(|it| it.shown.get(owner)?.release(&owner.name));
            let wants: BTreeSet<String> = places.iter().cloned().collect();
            let served = now.iter().chain(&shown);
            places.extend(served.flat_map(|served| claims::places(&served.wanted.routes)));
            Claimant {
                app,
                owner: owner.clone(),
                places,
                wants,
                before: remembered.map_or_else(Claims::new, |remembered| {
                    let claims = remembered.claims.iter();
                    let left = claims.filter(|(other, _)| !here.contains(&(*app, *other)));
                    let own = remembered.claims.get(owner);
                    left.map(|(_, claims)| claims)
                        .chain(own)
                        .flatten()
                        .map(|(place, number)| (place.clone(), *number))
                        .collect()
                }),
            }
        });
        let claimants: Vec<Claimant<'_>> = claimants.collect();
        let settled = claims::settle(&claimants);
        let mut by_app: BTreeMap<AppName, BTreeMap<Owner, Settled>> = BTreeMap::new();
        for (claimant, settled) in claimants.into_iter().zip(settled) {
            let app = by_app.entry(claimant.app.clone()).or_default();
            app.insert(claimant.owner, settled);
        }
        by_app
    }

    /// Removes what versions that are gone left on the disk, but the newest of it.
    fn tidy(&self) {
        let records = (self.apps.values()).flat_map(|app| app.remembered.records.values());
        let (mut trees, mut logs) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            trees.insert(record.tree.clone());
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
            match tasks::guarded(|| app.routes()) {
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
    }
}

/// What is said of an app whose step came to no end.
fn failed(panic: &str) -> String {
    format!(
        "deciding failed, which is a fault of cutwater: {panic}; what was decided before goes on"
    )
}
