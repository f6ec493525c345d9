//! Wiring: builds the parts, starts watches and workers, and ends when one of them does or when it is told to.
//!
//! Holds every task: one that ends unasked ends the program, so that nothing dies unseen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::acceptance::Acceptance;
use super::apply::Applier;
use super::cache::Cache;
use super::connect::{self, ConnectError};
use super::context::Context;
use super::fetching;
use super::finalizer;
use super::health;
use super::hooks;
#[cfg(debug_assertions)]
use super::isolation;
use super::key::AppKey;
use super::observe::Delays;
use super::queue::{Queue, Retries};
use super::reconcile;
use super::report::Reports;
use super::repositories::Repositories;
use super::sink::Sink;
use super::sync::{self, Sync};
use super::watch;
use crate::backoff::Backoff;
use crate::panics::guarded;
use crate::status_server;

/// How the controller is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the mirrors; made where it is not there.
    pub state: PathBuf,
    /// Repositories of this machine (paths, `file://`) are allowed.
    pub allow_local_repositories: bool,
    /// Delays before pods may go.
    pub delays: Delays,
    /// Where `/live`, `/ready` and `/metrics` are served; nowhere if absent.
    pub listen: Option<SocketAddr>,
    /// Where webhooks are taken; nowhere if absent.
    pub webhook_listen: Option<SocketAddr>,
    /// Apps that are worked on at the same time.
    pub workers: usize,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// There is no cluster to talk to.
    #[error("no cluster: {0}; set KUBECONFIG, or run in a pod with a service account")]
    NoCluster(ConnectError),
    /// The state folder cannot be used.
    #[error("the state folder {path} cannot be used: {error}; name another one with --state-dir")]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A port cannot be opened.
    #[error("cannot listen on {address}: {error}; name another address with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag that names it.
        flag: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// A part ended that must not.
    #[error("a part of the controller ended: {0}")]
    Ended(String),
}

/// Retries of an app after a failed write: first wait and longest wait.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
/// How long it takes until an unreadable object is looked at again, where something could not be done yet: at first, and at most.
const UNREADABLE_AGAIN: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(5));
/// An app is looked at again after this time at the latest where it waits for a moment.
const LONGEST_SLEEP: Duration = Duration::from_hours(24);
/// Longest time in which a connection to the API server may bring nothing.
const SILENCE: Duration = Duration::from_mins(5);

/// Runs until `stop` resolves, or a part fails.
///
/// # Errors
///
/// When there is no cluster, the state folder or the port cannot be used, or a part ends.
pub async fn run(
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), ControllerError> {
    let (client, server) = client().await.map_err(ControllerError::NoCluster)?;
    std::fs::create_dir_all(&settings.state).map_err(|error| ControllerError::State {
        path: settings.state.clone(),
        error,
    })?;
    let sink = Sink {
        cache: Arc::new(Cache::default()),
        queue: Arc::new(Queue::new()),
        repositories: Arc::new(Queue::new()),
        unreadable: Arc::new(Queue::new()),
        touched: Arc::new(Queue::new()),
        server: server.into(),
    };
    let repositories = Arc::new(Repositories::new(
        client.clone(),
        sink.cache.clone(),
        sink.queue.clone(),
        sink.repositories.clone(),
        settings.state.clone(),
        settings.allow_local_repositories,
    ));
    let context = Arc::new(Context {
        client: client.clone(),
        cache: sink.cache.clone(),
        repositories,
        applier: Applier::new(client.clone(), sink.cache.clone()),
        acceptance: Acceptance::default(),
        reports: Reports::new(client.clone()),
        sync: Sync::new(sink.queue.clone()),
        delays: settings.delays,
    });
    let mut tasks = JoinSet::new();
    let health = Arc::new(health::Health::new(sink.cache.clone()));
    let end = CancellationToken::new();
    if let Some(address) = settings.listen {
        let (listener, address) = listen(address, "--listen").await?;
        info!(%address, "health is served");
        let router = health::router(health.clone());
        tasks.spawn(status_server::serve(listener, router, end.clone()));
    }
    if let Some(address) = settings.webhook_listen {
        let (listener, address) = listen(address, "--webhook-listen").await?;
        info!(%address, "webhooks are taken");
        let router = hooks::router(&context, health.clone());
        tasks.spawn(status_server::serve_hooks(listener, router, end));
    }
    watch::start(&client, &sink, &mut tasks);
    let failures = Arc::new(Mutex::new(Retries::new(RETRY)));
    for _ in 0..settings.workers.max(1) {
        tasks.spawn(work(
            context.clone(),
            sink.clone(),
            health.clone(),
            failures.clone(),
        ));
    }
    tasks.spawn(fetching::run(context.clone(), sink.repositories.clone()));
    tasks.spawn(sync::watch(context.clone(), sink.touched.clone()));
    tasks.spawn(report_unreadable(context.clone(), sink.clone()));
    info!(
        version = env!("CARGO_PKG_VERSION"),
        "the controller is running"
    );
    tokio::select! {
        () = stop => {
            info!("told to stop");
            Ok(())
        }
        ended = tasks.join_next() => {
            let why = match ended {
                Some(Err(error)) => error.to_string(),
                _ => "it returned".to_owned(),
            };
            Err(ControllerError::Ended(why))
        }
    }
}

/// Opens a port, and says which: with port 0 the system chooses one.
async fn listen(
    address: SocketAddr,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), ControllerError> {
    let opened = TcpListener::bind(address).await;
    let opened = opened.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    opened.map_err(|error| ControllerError::Listen {
        address,
        flag,
        error,
    })
}

/// The client, and the address of the API server.
async fn client() -> Result<(Client, String), ConnectError> {
    let found = connect::config(None).await?;
    let (context, mut config) = found.ok_or(ConnectError::Nowhere)?;
    let server = config.cluster_url.to_string();
    info!(context, server, "the cluster to work for");
    // Without it, a list or a watch hangs for ever whose answer is lost on the way. Watches end by themselves before that.
    config.read_timeout = Some(SILENCE);
    Ok((connect::client(config)?, server))
}

/// One worker: waits until the caches are complete, then works on one app after the other.
async fn work(
    context: Arc<Context>,
    sink: Sink,
    health: Arc<health::Health>,
    failures: Arc<Mutex<Retries<AppKey>>>,
) {
    health.synced().await;
    loop {
        let key = sink.queue.next().await;
        let started = Instant::now();
        let outcome = attempt(&context, &key).await;
        health.count(started.elapsed(), outcome.failed);
        if let Some(wait) = wait(&failures, &key, &outcome) {
            sink.queue.add_at(key.clone(), Instant::now() + wait);
        }
        sink.queue.done(&key);
    }
}

/// Works on one app. A panic is a failure of this app alone.
async fn attempt(context: &Context, key: &AppKey) -> reconcile::Outcome {
    let work = async {
        #[cfg(debug_assertions)]
        isolation::inject(key.app.as_str());
        Box::pin(reconcile::reconcile(context, key)).await
    };
    let panic = match guarded(work).await {
        Ok(outcome) => return outcome,
        Err(panic) => panic,
    };
    error!(namespace = key.namespace, app = %key.app, panic = panic.message(), "the work on an app broke off by a fault of this program; it is tried again, and others go on");
    let telling = context.reports.broken(&context.cache, key, &panic);
    if let Err(panic) = guarded(telling).await {
        error!(namespace = key.namespace, app = %key.app, panic = panic.message(), "that could not be told either");
    }
    reconcile::Outcome {
        wake: None,
        failed: true,
    }
}

/// How long to wait before an app is looked at again; for ever where nothing is to come. What failed is tried again ever more
/// rarely, and what is due does not wait for that.
fn wait(
    failures: &Mutex<Retries<AppKey>>,
    key: &AppKey,
    outcome: &reconcile::Outcome,
) -> Option<Duration> {
    let mut failures = failures.lock();
    let due = outcome.wake.map(|wake| {
        let left = wake.duration_since(Timestamp::now());
        // A moment too far away is no time that anybody meant.
        Duration::try_from(left)
            .unwrap_or(Duration::ZERO)
            .min(LONGEST_SLEEP)
    });
    if outcome.failed {
        return Some(failures.failed_with(key, due));
    }
    failures.over(key);
    due
}

/// Says of objects that they cannot be read, and lets those go that are being deleted and that no app knows of.
async fn report_unreadable(context: Arc<Context>, sink: Sink) {
    let mut failures = Retries::new(UNREADABLE_AGAIN);
    loop {
        let (kind, key) = sink.unreadable.next().await;
        let unreadable = (context.cache.lock().unreadable)
            .get(&(kind, key.clone()))
            .cloned();
        let said = match unreadable {
            Some(unreadable) => {
                let telling = async {
                    let error = &unreadable.error;
                    context.reports.unreadable(kind, &key, error).await
                        && finalizer::let_go(
                            &context.client,
                            &context.cache,
                            kind,
                            &key,
                            &unreadable,
                        )
                        .await
                };
                guarded(telling).await.unwrap_or(false)
            }
            None => true,
        };
        let key = (kind, key);
        if said {
            failures.over(&key);
        } else {
            let wait = failures.failed(&key);
            (sink.unreadable).add_at(key.clone(), Instant::now() + wait);
        }
        sink.unreadable.done(&key);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::plan::later;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_does_not_wait_for_what_fails_again_and_again() {
        let failures = Mutex::new(Retries::new(RETRY));
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let waits = |due: Option<i64>, failed: bool| {
            let wake = due.map(|due| later(Timestamp::now(), SignedDuration::from_secs(due)));
            let outcome = reconcile::Outcome { wake, failed };
            wait(&failures, &key, &outcome)
        };
        for _ in 0..20 {
            waits(None, true);
            tokio::time::advance(RETRY.longest).await;
        }
        assert_eq!(waits(None, true), Some(RETRY.longest));
        assert_eq!(waits(Some(3600), true), Some(RETRY.longest));
        // At a deletion that fails in part: the settle delay, the drain delay, the end, each due once the one before has passed.
        for due in [3, 2, 3] {
            let soon = waits(Some(due), true).unwrap();
            assert!(soon <= Duration::from_secs(3), "{soon:?}");
            tokio::time::advance(soon).await;
        }
        // What is due anew after each failure brings no rush.
        assert_eq!(waits(Some(-5), true), Some(RETRY.first));
        assert!(waits(Some(1), true).unwrap() > Duration::from_secs(9));
        tokio::time::advance(RETRY.longest).await;
        assert_eq!(waits(Some(-5), true), Some(RETRY.first));
        assert_eq!(waits(None, false), None);
        assert_eq!(waits(None, true), Some(RETRY.first));
    }
}
