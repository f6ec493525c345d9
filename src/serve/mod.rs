//! Standalone mode: everything on one machine, without a cluster.
//!
//! ```text
//! repository --source--> releases --app (resolve, plan::plan)--> programs started and ended (processes)
//!                                      |                              | ready at an address
//!                                      +--> shares --> gateway::Table <+
//! ```
//!
//! The plan is the controller's own. What differs is around it: a version is a checkout and a program for each function, and a
//! route is an entry of the gateway's table, which counts from the next request on. All decisions are made in one task,
//! [`run`], one app after the other.

mod admin;
mod app;
mod board;
mod checkout;
mod keys;
mod ledger;
mod outbox;
mod resolve;
mod source;
mod state;
pub mod told;
mod versions;

#[cfg(test)]
mod one_plan_test;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::app::{App, Tools};
use self::board::Board;
use self::ledger::Ledger;
use self::source::{Found, Rhythm, Source};
pub use self::state::StateError;
use self::state::StateFolder;
use self::versions::Starter;
use crate::gateway::{self, Limits, Metrics, Table};
use crate::git::RemoteUrl;
use crate::releases::Release;
use crate::store::{LocalBranch, Mirror, StoreError};
use crate::words::{AppName, EnvironmentName};

/// How often a repository of this machine is looked at: a file is read.
const GLANCE: Duration = Duration::from_millis(25);

/// What `serve` is told.
pub struct Settings {
    /// The repository.
    pub url: RemoteUrl,
    /// The branch whose releases count.
    pub branch: String,
    /// Folder of releases; the one of `cutwater.yaml` where absent.
    pub releases: Option<String>,
    /// What this server is called in the ledger; nothing where none is written.
    pub environment: Option<EnvironmentName>,
    /// Folder for everything that is kept.
    pub state: PathBuf,
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// Where `serve` tells of itself.
    pub admin: SocketAddr,
    /// How often the remote is asked; one of this machine is looked at all the time.
    pub interval: Duration,
    /// How long open requests of a version that leaves are waited for.
    pub drain: Duration,
    /// This program's own file: it guards the programs that are started.
    pub own: PathBuf,
    /// The environment.
    pub given: BTreeMap<String, String>,
}

/// Why `serve` does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The copy of the repository.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {problem}; choose another with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What is wrong.
        problem: io::Error,
        /// The flag that names it.
        flag: &'static str,
    },
}

/// Serves what the repository says until `stop`.
///
/// # Errors
/// When it cannot start. Once it runs, whatever goes wrong is told and waited out.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let folder = StateFolder::open(&settings.state)?;
    let mirror = Mirror::open(&folder.mirror(), &settings.url, None)?;
    let ledger = (settings.environment.clone())
        .map(|environment| Ledger::open(&settings.state, environment).map(Arc::new))
        .transpose()?;
    let listener = listen(settings.listen, "--listen").await?;
    let admin = listen(settings.admin, "--admin").await?;
    let address = |listener: &TcpListener, asked| listener.local_addr().unwrap_or(asked);
    tracing::info!(
        "serving {} on http://{}, telling of it on http://{}",
        settings.url,
        address(&listener, settings.listen),
        address(&admin, settings.admin)
    );
    let changed = Arc::new(Notify::new());
    let committed = Arc::new(Notify::new());
    let table = Arc::new(ArcSwap::from_pointee(Table::default()));
    let metrics = Metrics::default();
    let end = CancellationToken::new();
    let board = Arc::new(Board::new(
        &metrics,
        (settings.url.to_string(), settings.branch.clone()),
        ledger.clone(),
        mirror.clone(),
    ));
    let mut tasks = JoinSet::new();
    tasks.spawn(admin::serve(admin, Arc::clone(&board), end.clone()));
    watch_local(&settings, &committed, &end);
    let serving = tokio::spawn(gateway::serve(
        listener,
        Arc::clone(&table),
        Limits::default(),
        metrics.clone(),
        end.clone(),
    ));
    let (tell, found) = watch::channel(Found::default());
    let rhythm = Rhythm {
        interval: settings.interval,
        committed,
        changed: Arc::clone(&changed),
        end: end.clone(),
    };
    let source = Source::new(
        mirror.clone(),
        settings.branch.clone(),
        settings.releases.clone(),
    );
    let following = tokio::spawn(source::follow(source, rhythm, tell));
    let writing = ledger.clone().map(|ledger| {
        let (mirror, releases) = (mirror.clone(), settings.releases.clone());
        tokio::spawn(ledger::write(ledger, mirror, releases))
    });
    let apps = (folder.read().into_iter()).map(|(name, remembered)| (name, App::of(remembered)));
    let mut engine = Engine {
        apps: apps.collect(),
        mirror,
        found: Found::default(),
        folder,
        starter: Starter {
            own: settings.own.clone(),
            given: settings.given.clone(),
            changed: Arc::clone(&changed),
        },
        drain: settings.drain,
        table,
        metrics,
        board,
        ledger,
        unrouted: false,
        leaving: JoinSet::new(),
    };
    let mut stop = std::pin::pin!(stop);
    loop {
        engine.hear(found.borrow().clone());
        let wake = engine.step().map_or(settings.interval, |wake| {
            let left = SignedDuration::try_from(wake - Timestamp::now()).unwrap_or_default();
            left.try_into().unwrap_or(Duration::ZERO)
        });
        tokio::select! {
            () = &mut stop => break,
            () = changed.notified() => {}
            // A version may have been published that a release has named for a while.
            () = tokio::time::sleep(wake.min(settings.interval)) => {}
        }
    }
    end.cancel();
    // They may wait for a remote that does not answer. What is not in the ledger yet is in the state folder.
    following.abort();
    if let Some(writing) = writing {
        writing.abort();
    }
    if let Ok(cut @ 1..) = serving.await {
        tracing::warn!("{cut} connections were still open and are cut");
    }
    engine.close().await;
    tasks.join_all().await;
    Ok(())
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    (TcpListener::bind(address).await).map_err(|problem| ServeError::Listen {
        address,
        problem,
        flag,
    })
}

/// Tells of each commit of a repository on this machine at once.
fn watch_local(settings: &Settings, changed: &Arc<Notify>, end: &CancellationToken) {
    let Some(path) = settings.url.local_path() else {
        return;
    };
    let (branch, changed, end) = (settings.branch.clone(), Arc::clone(changed), end.clone());
    // Read before the first look: a commit between the two is seen by one of them.
    let mut local = LocalBranch::new(path, branch);
    let mut before = local.commit();
    tokio::spawn(async move {
        while tokio::time::timeout(GLANCE, end.cancelled()).await.is_err() {
            let commit = local.commit();
            if commit != before {
                before = commit;
                changed.notify_one();
            }
        }
    });
}

struct Engine {
    apps: BTreeMap<AppName, App>,
    mirror: Mirror,
    found: Found,
    folder: StateFolder,
    starter: Starter,
    drain: Duration,
    table: Arc<ArcSwap<Table>>,
    metrics: Metrics,
    board: Arc<Board>,
    ledger: Option<Arc<Ledger>>,
    /// A commit counts of which the gateway has not been told.
    unrouted: bool,
    /// Versions that wait for their last requests.
    leaving: JoinSet<()>,
}

impl Engine {
    /// Takes note of what was found in the repository, and tells what is new of it.
    fn hear(&mut self, found: Found) {
        if found.tip.commit != self.found.tip.commit {
            tracing::info!("commit {} counts now", found.tip.commit);
            // Routes may be others while the shares stay.
            self.unrouted = true;
        }
        let new = found.problems.iter();
        for problem in new.filter(|problem| !self.found.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        self.found = found;
    }

    /// Makes one step with every app; when to make the next.
    fn step(&mut self) -> Option<Timestamp> {
        if self.found.tip.commit.is_empty() {
            // Nothing is known yet, which is not the same as nothing being wanted: what is remembered stays.
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
        let tools = Tools {
            mirror: &self.mirror,
            tip: &self.found.tip,
            folder: &self.folder,
            starter: &self.starter,
        };
        let mut rerouted = std::mem::take(&mut self.unrouted);
        let mut wake: Option<Timestamp> = None;
        let mut leaving = Vec::new();
        let mut gone = Vec::new();
        for (name, app) in &mut self.apps {
            let before = app.problems.clone();
            let stepped = app.step(name, &tools, now);
            for problem in app
                .problems
                .iter()
                .filter(|problem| !before.contains(problem))
            {
                tracing::warn!("{name}: {problem}");
            }
            rerouted |= stepped.rerouted;
            leaving.extend(stepped.leaving);
            wake = match (wake, stepped.wake) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            if stepped.gone {
                gone.push(name.clone());
            }
        }
        if rerouted {
            self.reroute();
        }
        let drain = self.drain;
        for version in leaving {
            self.leaving.spawn(async move { version.stop(drain).await });
        }
        while self.leaving.try_join_next().is_some() {}
        for name in gone {
            self.apps.remove(&name);
        }
        self.board.tell(&self.found, &self.apps);
        if let Some(ledger) = &self.ledger {
            ledger.note(&self.found.tip, &self.apps, now);
        }
        wake
    }

    /// Gives the gateway its new table.
    fn reroute(&mut self) {
        let mut routes = Vec::new();
        for (name, app) in &self.apps {
            let releases: Vec<&Release> = (self.found.tip.releases.iter())
                .filter(|release| release.app() == name)
                .collect();
            routes.extend(app.routes(&releases, &self.starter.given));
        }
        self.table
            .store(Arc::new(Table::new(routes, &self.metrics)));
    }

    /// Ends every program.
    async fn close(mut self) {
        let running = self
            .apps
            .into_values()
            .flat_map(|app| app.running.into_values());
        for version in running {
            self.leaving
                .spawn(async move { version.stop(Duration::ZERO).await });
        }
        self.leaving.join_all().await;
    }
}
