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
mod counted;
mod descriptors;
mod engine;
mod keys;
mod ledger;
mod outbox;
mod resolve;
mod source;
mod state;
mod tidy;
pub mod told;
mod versions;
mod webhook;

#[cfg(test)]
mod one_plan_test;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::app::App;
use self::board::Board;
use self::counted::Counted;
use self::engine::Engine;
use self::ledger::Ledger;
use self::source::{Found, Rhythm, Source};
pub use self::state::StateError;
use self::state::StateFolder;
use self::versions::Starter;
use self::webhook::Webhook;
pub use self::webhook::WebhookSecret;
use crate::gateway::{self, Limits, Metrics, Table};
use crate::git::{Credentials, RemoteUrl};
use crate::store::{LocalBranch, Mirror, StoreError};
use crate::words::EnvironmentName;

/// How often a repository of this machine is looked at: a file is read.
const GLANCE: Duration = Duration::from_millis(25);

/// How often a repository of this machine is fetched from while a version that releases name is not there.
const MISSING: Duration = Duration::from_secs(1);

/// What `serve` is told.
pub struct Settings {
    /// The repository.
    pub url: RemoteUrl,
    /// What is shown to it.
    pub credentials: Option<Credentials>,
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
    /// What a forge signs its webhooks with; nothing where none are taken.
    pub webhook: Option<WebhookSecret>,
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

/// Serves what the repository says until `stop` says so. Then open requests have some time to end, unless it says so again.
///
/// # Errors
/// When it cannot start. Once it runs, whatever goes wrong is told and waited out.
pub async fn run(settings: Settings, mut stop: mpsc::Receiver<()>) -> Result<(), ServeError> {
    let folder = StateFolder::open(&settings.state)?;
    let mirror = Mirror::open(
        &folder.mirror(),
        &settings.url,
        settings.credentials.clone(),
    )?;
    let counted = folder.counted(&settings.branch, settings.releases.as_deref())?;
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
    let descriptors = descriptors::raise();
    let limits = limits(descriptors.now);
    let drain_time = limits.drain_time;
    let (changed, committed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_missing, missing) = watch::channel(false);
    let table = Arc::new(ArcSwap::from_pointee(Table::starting()));
    let metrics = Metrics::default();
    let end = CancellationToken::new();
    let board = Arc::new(Board::new(
        &metrics,
        (settings.url.to_string(), settings.branch.clone()),
        ledger.clone(),
        mirror.clone(),
    ));
    let mut tasks = JoinSet::new();
    let webhook = settings.webhook.clone().map(|secret| {
        let pushed = Arc::clone(&committed);
        Arc::new(Webhook { secret, pushed })
    });
    tasks.spawn(admin::serve(
        admin,
        Arc::clone(&board),
        webhook,
        end.clone(),
    ));
    watch_local(&settings, &committed, &end);
    let serving = tokio::spawn(gateway::serve(
        listener,
        Arc::clone(&table),
        limits,
        metrics.clone(),
        end.clone(),
    ));
    let (following, found) = follow(
        &settings, &mirror, counted, missing, committed, &changed, &end,
    );
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
            files: descriptors.given,
            changed: Arc::clone(&changed),
        },
        drain: settings.drain,
        table,
        metrics,
        board,
        ledger,
        unrouted: false,
        missing: tell_missing,
        leaving: JoinSet::new(),
    };
    tokio::select! {
        never = engine.work(&found, &changed, settings.interval) => match never {},
        _ = stop.recv() => {}
    }
    tracing::info!(
        "told to stop: open requests have {} s to end; told again, it waits for nothing",
        drain_time.as_secs()
    );
    end.cancel();
    // They may wait for a remote that does not answer. What is not in the ledger yet is in the state folder.
    following.abort();
    if let Some(writing) = writing {
        writing.abort();
    }
    tokio::select! {
        () = engine.close(serving) => {}
        // Whatever still runs ends with this process.
        _ = stop.recv() => tracing::warn!("told to stop again: what is still open is cut"),
    }
    Ok(())
}

/// Fewer connections than a small service may need.
const SCARCE: usize = 1_000;

/// What the gateway takes at most, where this process may have so many files open.
fn limits(files: u64) -> Limits {
    let usual = Limits::default();
    let limits = usual.clone().within(files);
    if limits != usual {
        let text = format!(
            "at most {} connections and {} requests at a time, instead of {}: this process may have {files} files open; raise that with `ulimit -n` or LimitNOFILE= of systemd",
            limits.connections, limits.requests, usual.connections
        );
        if limits.connections < SCARCE {
            tracing::warn!("{text}");
        } else {
            tracing::info!("{text}");
        }
    }
    limits
}

/// Looks at the repository for as long as this runs.
fn follow(
    settings: &Settings,
    mirror: &Mirror,
    counted: Counted,
    missing: watch::Receiver<bool>,
    committed: Arc<Notify>,
    changed: &Arc<Notify>,
    end: &CancellationToken,
) -> (JoinHandle<()>, watch::Receiver<Found>) {
    let (tell, found) = watch::channel(Found::default());
    let rhythm = Rhythm {
        interval: settings.interval,
        missing_interval: match settings.url.local_path() {
            Some(_) => MISSING.min(settings.interval),
            None => settings.interval,
        },
        missing,
        committed,
        changed: Arc::clone(changed),
        end: end.clone(),
    };
    let source = Source::new(
        mirror.clone(),
        settings.branch.clone(),
        settings.releases.clone(),
        counted,
    );
    (tokio::spawn(source::follow(source, rhythm, tell)), found)
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
