//! What `serve` tells of itself: `/live`, `/ready`, `/metrics`, and `/status` as JSON.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::ledger::Ledger;
use super::source::Found;
use super::told::{AppStatus, ShareStatus, SplitStatus, Status};
use crate::gateway::Metrics;
use crate::words::AppName;

/// What was told last.
pub(super) struct Board {
    registry: Registry,
    status: Mutex<Status>,
    ledger: Option<Arc<Ledger>>,
}

impl Board {
    pub(super) fn new(
        metrics: &Metrics,
        repository: String,
        branch: String,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        let mut registry = Registry::with_prefix("cutwater");
        metrics.register(&mut registry);
        Self {
            registry,
            ledger,
            status: Mutex::new(Status {
                repository,
                branch,
                ..Status::default()
            }),
        }
    }

    /// Takes down how everything stands.
    pub(super) fn tell(&self, found: &Found, apps: &BTreeMap<AppName, App>) {
        let apps = apps.iter().map(|(name, app)| (name.clone(), of(app)));
        let apps = apps.collect();
        let mut status = self.lock();
        status.commit = Some(found.tip.commit.clone()).filter(|commit| !commit.is_empty());
        status.seen.clone_from(&found.seen);
        status.problems.clone_from(&found.problems);
        status.apps = apps;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(app: &App) -> AppStatus {
    let splits = app.remembered.served.iter().map(|(owner, served)| {
        let versions = served
            .shares
            .iter()
            .map(|(version, percentage)| ShareStatus {
                version: *version,
                percentage: *percentage,
            });
        let split = SplitStatus {
            complete: app.complete.get(owner).copied().unwrap_or(false),
            commit: app.reached.get(owner).cloned(),
            versions: versions.collect(),
        };
        (owner.to_string(), split)
    });
    AppStatus {
        splits: splits.collect(),
        versions: (app.running.iter())
            .map(|(number, running)| (*number, running.troubles()))
            .collect(),
        problems: app.problems.clone(),
    }
}

/// Answers until `end`.
pub(super) async fn serve(listener: TcpListener, board: Arc<Board>, end: CancellationToken) {
    let router = Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(board);
    let serving = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!("the admin address is not served any more: {error}");
    }
}

/// Ready once a commit counts.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    if board.lock().commit.is_some() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no commit has been read yet\n",
        )
    }
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &board.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn status(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let mut status = board.lock().clone();
    status.ledger = board.ledger.as_ref().map(|ledger| ledger.status());
    let json = serde_json::to_vec_pretty(&status).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], json)
}
