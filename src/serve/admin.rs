//! Where `serve` tells of itself: `/live`, `/ready`, `/metrics`, and JSON of everything. What is told is in [`super::board`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::board::Board;

/// Answers until `end`.
pub(super) async fn serve(listener: TcpListener, board: Arc<Board>, end: CancellationToken) {
    let router = Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/apps", get(apps))
        .route("/apps/{app}", get(app))
        .route("/ledger", get(ledger))
        .with_state(board);
    let serving = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!("the admin address is not served any more: {error}");
    }
}

/// Ready once a commit counts.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    if board.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no commit has been read yet\n",
        )
    }
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match board.metrics() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn status(State(board): State<Arc<Board>>) -> Response {
    json(&board.status())
}

async fn apps(State(board): State<Arc<Board>>) -> Response {
    json(&board.apps())
}

async fn app(State(board): State<Arc<Board>>, Path(name): Path<String>) -> Response {
    match board.app(&name) {
        Ok(app) => json(&app),
        Err(names) => {
            let known = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            let text = format!("no app of this name is served here; {known}\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

async fn ledger(State(board): State<Arc<Board>>) -> Response {
    match tokio::task::spawn_blocking(move || board.ledger()).await {
        Ok(Some(ledger)) => json(&ledger),
        Ok(None) => {
            let text = "no ledger is written here: serve was started with --no-ledger\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
