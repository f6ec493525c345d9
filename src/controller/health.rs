//! `/live`, `/ready` and `/metrics`.
//!
//! Ready means that every kind has been listed once, for only then anything is decided, and that no watch has failed for a while.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::cache::Cache;
use super::follow;
use super::watch;

/// How often it is checked whether the caches are complete, at the start only.
const SYNC_CHECK: Duration = Duration::from_millis(20);

/// What the controller says about itself.
pub(super) struct Health {
    cache: Arc<Cache>,
    registry: Registry,
    seconds: Histogram,
    failures: Counter<u64, AtomicU64>,
    watches: Family<Vec<(String, String)>, Gauge>,
    webhooks: Family<Vec<(String, String)>, Counter<u64, AtomicU64>>,
}

impl Health {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        let mut registry = Registry::with_prefix("cutwater");
        let seconds = Histogram::new(exponential_buckets(0.000_1, 4.0, 10));
        let failures = Counter::default();
        registry.register(
            "reconcile_seconds",
            "Time that one reconcile of one app takes, in seconds",
            seconds.clone(),
        );
        registry.register(
            "reconcile_failures",
            "Reconciles that could not write something and are tried again",
            failures.clone(),
        );
        let watches = Family::<Vec<(String, String)>, Gauge>::default();
        registry.register(
            "watch_failing",
            "1 while a kind cannot be watched: what is known of it may be old",
            watches.clone(),
        );
        let webhooks = Family::<Vec<(String, String)>, Counter<u64, AtomicU64>>::default();
        registry.register(
            "webhooks",
            "Webhooks that came, by what became of them",
            webhooks.clone(),
        );
        Self {
            cache,
            registry,
            seconds,
            failures,
            watches,
            webhooks,
        }
    }

    /// Whether each kind can be watched, as of now.
    fn note_watches(&self) {
        let state = self.cache.lock();
        for kind in watch::KINDS {
            let fails = i64::from(state.failing.contains_key(kind));
            let label = [("kind".to_owned(), kind.to_owned())];
            self.watches.get_or_create(&label.to_vec()).set(fails);
        }
    }

    pub(super) fn count(&self, took: Duration, failed: bool) {
        self.seconds.observe(took.as_secs_f64());
        if failed {
            self.failures.inc();
        }
    }

    /// A webhook came, and this became of it. No label is from the call: anybody could make up more of them.
    pub(super) fn count_webhook(&self, result: &'static str) {
        let label = [("result".to_owned(), result.to_owned())];
        self.webhooks.get_or_create(&label.to_vec()).inc();
    }

    /// Resolves when the caches are complete.
    pub(super) async fn synced(&self) {
        while !watch::is_synced(&self.cache.lock()) {
            tokio::time::sleep(SYNC_CHECK).await;
        }
    }
}

/// What is answered at which path.
pub(super) fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let state = health.cache.lock();
    let mut text = String::new();
    if !watch::is_synced(&state) {
        let listed: Vec<&str> = state.synced.iter().copied().collect();
        text = format!("not ready: still listing; done: {}\n", listed.join(", "));
    }
    for (kind, why) in follow::failing(&state) {
        text.extend(["not ready: ", kind, " cannot be watched: ", why, "\n"]);
    }
    if text.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn metrics(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    health.note_watches();
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
