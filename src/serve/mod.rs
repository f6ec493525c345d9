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

mod accepted;
mod admin;
pub mod admin_api;
mod app;
mod checkout;
mod claims;
mod copies;
mod descriptors;
mod earlier;
mod engine;
mod folder;
mod folder_owner;
mod gateway_view;
mod handover;
mod keeper;
mod keys;
mod lack;
mod ledger;
mod lookups;
mod mending;
mod outbox_file;
mod places;
mod programs;
mod resolve;
mod returning;
mod routes;
mod secrets;
mod source;
mod state;
mod status;
mod tasks;
mod tidy;
mod trouble;
mod versions;
mod wanted;
mod world;

#[cfg(test)]
mod one_plan_test;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::accepted::Counted;
use self::admin::Webhook;
use self::app::App;
use self::engine::Engine;
use self::keeper::Keeper;
use self::ledger::Ledger;
use self::mending::Mending;
use self::outbox_file::OutboxFile;
use self::programs::Starter;
use self::secrets::Secrets;
use self::source::{Found, Rhythm, Source};
use self::state::{Remembered, StateFolder};
pub use self::state::{StateError, remembers};
use self::status::Board;
use self::tasks::{Last, Tasks};
use crate::branch::Known;
use crate::gateway::{self, Limits, Metrics, Table};
use crate::git::{Caller, Credentials, RemoteUrl};
use crate::status_server::{self, WebhookSecret};
use crate::store::{LocalBranch, Mirror, StoreError};
use crate::words::{AppName, CommitId, EnvironmentName};

/// How often a repository of this machine is looked at: a file is read.
const GLANCE: Duration = Duration::from_millis(25);

/// How often a repository of this machine is fetched from while a version that releases name is not there.
const MISSING: Duration = Duration::from_secs(1);
/// After how long people are told of a look that has not ended. One in which the remote does not answer has ended by then, and says so.
const LATE: Duration = Duration::from_secs(45);

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
    /// How long open requests are waited for, of a version that leaves and once `serve` is told to stop.
    pub drain: Duration,
    /// How long WebSockets and other streams without an end are left alone once `serve` is told to stop.
    pub stop: Duration,
    /// Sockets that were opened for this process: for requests, and for telling of itself. They go before the addresses.
    pub sockets: Vec<std::net::TcpListener>,
    /// Folder with a folder for each Secret, and in it a file for each key.
    pub secrets: Option<PathBuf>,
    /// The same for ConfigMaps.
    pub config_maps: Option<PathBuf>,
    /// How long a program may take to begin its answer.
    pub answer_time: Duration,
    /// Proxies that are believed.
    pub trusted: Vec<IpNet>,
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
    /// Something that is to go on for ever did not.
    #[error("{0}; this is a fault of cutwater: started again, it goes on where it was")]
    Task(String),
}

/// Serves what the repository says until `stop` says so. Then open requests have some time to end, unless it says so again.
///
/// # Errors
/// When it cannot start. Once it runs, whatever goes wrong is told and waited out.
pub async fn run(mut settings: Settings, mut stop: mpsc::Receiver<()>) -> Result<(), ServeError> {
    let folder = Arc::new(StateFolder::open(&settings.state)?);
    let (remembered, lost) = folder.read();
    let counted = folder.counted(&settings.branch, settings.releases.as_deref());
    let mirror = tokio::select! {
        mirror = copy(&settings, &folder, &counted) => mirror?,
        _ = stop.recv() => return Ok(()),
    };
    let used = Arc::new(ArcSwap::from_pointee(source::used(remembered.values())));
    let counted = ((counted, source::known(&remembered)), Arc::clone(&used));
    let ledger = ledger(&settings)?;
    let mut sockets = std::mem::take(&mut settings.sockets).into_iter();
    let listener = listen(sockets.next(), settings.listen, "--listen").await?;
    let admin = listen(sockets.next(), settings.admin, "--admin").await?;
    let address = |listener: &TcpListener, asked| listener.local_addr().unwrap_or(asked);
    tracing::info!(
        "serving {} on http://{}, telling of it on http://{}",
        settings.url,
        address(&listener, settings.listen),
        address(&admin, settings.admin)
    );
    let descriptors = descriptors::raise();
    let limits = limits(&settings, descriptors.now, &remembered);
    let most = programs(descriptors.now, &limits);
    let (changed, committed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_missing, missing) = watch::channel(false);
    let table = Arc::new(ArcSwap::from_pointee(Table::starting()));
    let metrics = Metrics::default();
    let (end, closing) = (CancellationToken::new(), CancellationToken::new());
    let looked = Arc::new(Last::new());
    let board = Arc::new(Board::new(
        &metrics,
        &settings,
        ledger.clone(),
        mirror.clone(),
        Arc::clone(&looked),
    ));
    let mut tasks = Tasks::default();
    let webhook = webhook(&settings, &committed);
    let router = admin::router(Arc::clone(&board), webhook);
    let telling = status_server::serve(admin, router, end.clone());
    tasks.spawn("answers on the admin address", telling);
    let local = watch_local(&settings, &committed);
    let shared = (Arc::clone(&table), metrics.clone());
    let served = serve_requests(&mut tasks, listener, shared, limits, end.clone());
    let (following, found) = follow(
        &settings, &mirror, counted, missing, committed, &changed, &looked,
    );
    // They may wait for a remote that does not answer, and are not waited for. What is not in the ledger yet is in the state
    // folder.
    let mut aside = vec![tasks.spawn("follows the repository", following)];
    aside.extend(local.map(|local| tasks.spawn("watches the repository", local)));
    aside.extend(ledger.clone().map(|ledger| {
        let (mirror, releases) = (mirror.clone(), settings.releases.clone());
        tasks.spawn("writes the ledger", ledger::write(ledger, mirror, releases))
    }));
    let passed = programs::passed(&settings.given);
    let secrets = Secrets::new(settings.given, settings.secrets, settings.config_maps);
    let mut engine = Engine {
        apps: App::all(remembered, lost, &secrets),
        mirror,
        found: Found::default(),
        keeper: Keeper::start(Arc::clone(&folder), Arc::clone(&changed)),
        folder,
        starter: Starter {
            own: settings.own.clone(),
            passed,
            secrets: Arc::new(secrets),
            files: descriptors.given,
            most,
            changed: Arc::clone(&changed),
            closing: closing.clone(),
        },
        drain: settings.drain,
        table,
        metrics,
        board,
        ledger,
        used,
        unrouted: false,
        missing: tell_missing,
        leaving: JoinSet::new(),
        mending: Mending::new(),
        noted: false,
    };
    tell_manager(sd_notify::NotifyState::Ready);
    let failed = tokio::select! {
        never = engine.work(&found, &changed, settings.interval) => match never {},
        _ = stop.recv() => None,
        ended = tasks.ended() => Some(ended),
    };
    tell_manager(sd_notify::NotifyState::Stopping);
    say_why(failed.as_deref(), settings.drain);
    closing.cancel();
    end.cancel();
    aside.iter().for_each(AbortHandle::abort);
    tokio::select! {
        () = engine.close(served, settings.stop) => {}
        // Whatever still runs ends with this process.
        _ = stop.recv() => tracing::warn!("told to stop again: what is still open is cut"),
    }
    failed.map_or(Ok(()), |failed| Err(ServeError::Task(failed)))
}

/// The ledger that is written, if one is. The others of the state folder are not, for now.
fn ledger(settings: &Settings) -> Result<Option<Arc<Ledger>>, StateError> {
    if let Err(error) = OutboxFile::pause(&settings.state, settings.environment.as_ref()) {
        tracing::warn!("{error}; a later ledger would not tell that something is missing in it");
    }
    let environment = settings.environment.clone();
    environment
        .map(|environment| Ledger::open(&settings.state, environment).map(Arc::new))
        .transpose()
}

/// The copy of the repository, once it is sure that the state folder is of this one.
async fn copy(
    settings: &Settings,
    folder: &StateFolder,
    counted: &Counted,
) -> Result<Mirror, ServeError> {
    let (url, branch) = (settings.url.clone(), settings.branch.clone());
    let credentials = settings.credentials.clone();
    let mirror = Mirror::open_for(Caller::Server, &folder.mirror(), &url, credentials)?;
    for lock in mirror.unlock() {
        tracing::warn!(
            "removed the lock {}, which git had left that was killed",
            lock.display()
        );
    }
    let (dir, looked_in) = (settings.state.clone(), mirror.clone());
    let commits = counted.commits().to_vec();
    let checking = tokio::task::spawn_blocking(move || {
        folder_owner::check(&dir, &looked_in, (&url, &branch), &commits)
    });
    let checked = checking.await.map_err(|error| {
        let said = tasks::said(error);
        ServeError::Task(format!("looking whose the state folder is {said}"))
    })?;
    checked?;
    Ok(mirror)
}

/// What takes webhooks, if a secret for them is set.
fn webhook(settings: &Settings, committed: &Arc<Notify>) -> Option<Arc<Webhook>> {
    let secret = settings.webhook.clone()?;
    Some(Arc::new(Webhook::new(secret, Arc::clone(committed))))
}

/// Takes requests until `end`; what is returned is cancelled once the last one is answered.
fn serve_requests(
    tasks: &mut Tasks,
    listener: TcpListener,
    (table, metrics): (Arc<ArcSwap<Table>>, Metrics),
    limits: Limits,
    end: CancellationToken,
) -> CancellationToken {
    let served = CancellationToken::new();
    // Also where it panics.
    let all_served = served.clone().drop_guard();
    let serving = gateway::serve(listener, table, limits, metrics, end);
    tasks.spawn("serves requests", async move {
        if let cut @ 1.. = serving.await {
            tracing::warn!("{cut} connections were still open and are cut");
        }
        drop(all_served);
    });
    served
}

/// Says why it stops: because it was told to, or because something failed.
fn say_why(failed: Option<&str>, drain: Duration) {
    if let Some(failed) = failed {
        tracing::error!("{failed}, so everything is ended in order");
    } else {
        let seconds = drain.as_secs();
        tracing::info!(
            "told to stop: open requests have {seconds} s to end; told again, it waits for nothing"
        );
    }
}

/// Tells a service manager how it stands. Does nothing where no service manager asked for it.
fn tell_manager(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager cannot be told how it stands: {error}");
    }
}

/// Fewer connections than a small service may need.
const SCARCE: usize = 1_000;

/// Files that this process has open for each program: pipes, its port, probes, idle connections.
const PER_PROGRAM: u64 = 7;
/// Files that it needs beside programs and the gateway: the repository, the state folder, and what asks how it stands.
const RESERVE: u64 = 32 + status_server::CONNECTIONS as u64;

/// How many programs there may be where this process may have so many files open, of which the gateway takes its part.
fn programs(files: u64, limits: &Limits) -> usize {
    let left = files.saturating_sub(2 * limits.connections as u64 + RESERVE);
    usize::try_from(left / PER_PROGRAM).unwrap_or(usize::MAX)
}

/// What the gateway takes at most, where this process may have so many files open and has the programs that are remembered: as
/// many more may come.
fn limits(settings: &Settings, files: u64, remembered: &BTreeMap<AppName, Remembered>) -> Limits {
    let records = remembered.values().flat_map(|known| known.records.values());
    let programs: usize = records.map(|record| record.functions.len()).sum();
    let usual = Limits {
        drain_time: settings.drain,
        answer_time: settings.answer_time,
        trusted: settings.trusted.clone(),
        ..Limits::default()
    };
    let others = RESERVE + 2 * programs.max(5) as u64 * PER_PROGRAM;
    let limits = usual.clone().within(files, others);
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

/// What looks at the repository for as long as this runs.
fn follow(
    settings: &Settings,
    mirror: &Mirror,
    (counted, used): ((Counted, Known), Arc<ArcSwap<BTreeSet<CommitId>>>),
    missing: watch::Receiver<bool>,
    committed: Arc<Notify>,
    changed: &Arc<Notify>,
    looked: &Arc<Last>,
) -> (
    impl Future<Output = ()> + Send + use<>,
    watch::Receiver<Found>,
) {
    let (tell, found) = watch::channel(Found::default());
    let rhythm = Rhythm {
        interval: settings.interval,
        missing_interval: match settings.url.local_path() {
            Some(_) => MISSING.min(settings.interval),
            None => settings.interval,
        },
        late: LATE,
        missing,
        committed,
        changed: Arc::clone(changed),
        looked: Arc::clone(looked),
    };
    let source = Source::new(
        mirror.clone(),
        settings.branch.clone(),
        settings.releases.clone(),
        counted,
        used,
    );
    (source::follow(source, rhythm, tell), found)
}

/// Listens on a socket that was opened for this process, or else on an address.
async fn listen(
    socket: Option<std::net::TcpListener>,
    address: SocketAddr,
    flag: &'static str,
) -> Result<TcpListener, ServeError> {
    let listener = match socket {
        Some(socket) => (socket.set_nonblocking(true)).and_then(|()| TcpListener::from_std(socket)),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|problem| ServeError::Listen {
        address,
        problem,
        flag,
    })
}

/// What tells of each commit of a repository on this machine at once.
fn watch_local(
    settings: &Settings,
    changed: &Arc<Notify>,
) -> Option<impl Future<Output = ()> + Send + use<>> {
    let path = settings.url.local_path()?;
    let (branch, changed) = (settings.branch.clone(), Arc::clone(changed));
    // Read before the first look: a commit between the two is seen by one of them.
    let mut local = LocalBranch::new(path, branch);
    let mut before = local.commit();
    Some(async move {
        loop {
            tokio::time::sleep(GLANCE).await;
            let commit = local.commit();
            if commit != before {
                before = commit;
                changed.notify_one();
            }
        }
    })
}
