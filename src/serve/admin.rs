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
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::source::Found;
use crate::gateway::Metrics;
use crate::words::{AppName, Share, VersionNumber};

/// What was told last.
pub(super) struct Board {
    registry: Registry,
    status: Mutex<Status>,
}

/// How everything stands.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// The commit that counts; absent before the first.
    commit: Option<String>,
    /// The commit that was read last; another one where it does not count.
    seen: Option<String>,
    /// What is wrong with the repository.
    problems: Vec<String>,
    apps: BTreeMap<AppName, AppStatus>,
}

/// How an app stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppStatus {
    /// By `cwd/NAME` or `cwa/NAME`.
    splits: BTreeMap<String, SplitStatus>,
    /// The versions that run, and what keeps each from being ready.
    versions: BTreeMap<VersionNumber, Vec<String>>,
    problems: Vec<String>,
}

/// What is served for one Deployment or Alias.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SplitStatus {
    /// All that is wanted is so.
    complete: bool,
    versions: Vec<ShareStatus>,
}

/// A version and its share.
#[derive(Debug, Clone, Serialize)]
struct ShareStatus {
    version: VersionNumber,
    percentage: Share,
}

impl Board {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let mut registry = Registry::with_prefix("cutwater");
        metrics.register(&mut registry);
        Self {
            registry,
            status: Mutex::default(),
        }
    }

    /// Takes down how everything stands.
    pub(super) fn tell(&self, found: &Found, apps: &BTreeMap<AppName, App>) {
        let status = Status {
            commit: Some(found.tip.commit.clone()).filter(|commit| !commit.is_empty()),
            seen: found.seen.clone(),
            problems: found.problems.clone(),
            apps: apps
                .iter()
                .map(|(name, app)| (name.clone(), of(app)))
                .collect(),
        };
        *self.lock() = status;
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
    let status = board.lock().clone();
    let json = serde_json::to_vec_pretty(&status).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], json)
}
