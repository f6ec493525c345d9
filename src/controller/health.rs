//! `/live`, `/ready` and `/metrics`.
//!
//! Ready means that every kind has been listed once: only then anything is decided.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::cache::Cache;
use super::watch;

/// How often it is checked whether the caches are complete, at the start only.
const SYNC_CHECK: Duration = Duration::from_millis(20);

/// What the controller says about itself.
pub(super) struct Health {
    cache: Arc<Cache>,
    registry: Registry,
    seconds: Histogram,
    failures: Counter<u64, AtomicU64>,
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
        Self {
            cache,
            registry,
            seconds,
            failures,
        }
    }

    pub(super) fn count(&self, took: Duration, failed: bool) {
        self.seconds.observe(took.as_secs_f64());
        if failed {
            self.failures.inc();
        }
    }

    fn is_ready(&self) -> bool {
        watch::is_synced(&self.cache.lock())
    }

    /// Resolves when the caches are complete.
    pub(super) async fn synced(&self) {
        while !self.is_ready() {
            tokio::time::sleep(SYNC_CHECK).await;
        }
    }
}

/// Serves until the program ends.
pub(super) async fn serve(listener: TcpListener, health: Arc<Health>) {
    let router = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the health port failed");
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    if health.is_ready() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let state = health.cache.lock();
    let listed: Vec<&str> = state.synced.iter().copied().collect();
    let text = format!("not ready: still listing; done: {}\n", listed.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn metrics(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
