//! What `serve` tells of itself: `/live`, `/ready`, `/metrics`, and JSON of everything; and where it is told of a push. What is
//! told is in [`super::status`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use super::status::Board;
use crate::status_server::{CONNECTIONS, HOOK, WebhookSecret};

/// Webhooks that are listened to at the same time: the rest of the room is for those who ask how it is.
const WEBHOOKS: usize = CONNECTIONS / 2;

/// What takes webhooks.
pub(super) struct Webhook {
    secret: WebhookSecret,
    /// Told when the repository is to be looked at; several at once are one.
    pushed: Arc<Notify>,
    room: Semaphore,
}

impl Webhook {
    pub(super) fn new(secret: WebhookSecret, pushed: Arc<Notify>) -> Self {
        Self {
            secret,
            pushed,
            room: Semaphore::new(WEBHOOKS),
        }
    }
}

/// What is answered at which path.
pub(super) fn router(board: Arc<Board>, webhook: Option<Arc<Webhook>>) -> Router {
    Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/apps", get(apps))
        .route("/apps/{app}", get(app))
        .route("/ledger", get(ledger))
        .route(HOOK, post(hook).with_state(webhook))
        .with_state(board)
}

/// Ready once a commit counts and what it names is served or has failed, and as long as the repository is looked at.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    match board.is_ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
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

async fn hook(State(webhook): State<Option<Arc<Webhook>>>, request: Request) -> Response {
    let Some(webhook) = webhook else {
        let text = "no webhooks are taken here: start serve with --webhook-secret-file\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let Ok(_place) = webhook.room.try_acquire() else {
        let text = "too many webhooks come at a time; send it again\n";
        return (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    };
    let (head, body) = request.into_parts();
    match webhook.secret.check(&head.headers, body).await {
        Ok(()) => {
            webhook.pushed.notify_one();
            (StatusCode::ACCEPTED, "the repository is looked at\n").into_response()
        }
        Err(refusal) => {
            tracing::debug!("a webhook is refused: {refusal}");
            (refusal.status(), format!("{refusal}\n")).into_response()
        }
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
