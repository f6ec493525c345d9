//! Where the watches put what happens: the cache, and the queues of what has to be looked at again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::cache::Cache;
use super::key::{AppKey, ObjectKey};
use super::queue::Queue;
use crate::plan::Owner;

/// Kinds that a cluster may go without. Ours are not among them: a server that does not know them yet knows nothing of
/// any owner, and what has no owner would be taken down.
const OPTIONAL: [&str; 2] = ["HTTPRoute", "Gateway"];

/// Where events go.
#[derive(Clone)]
pub(super) struct Sink {
    pub(super) cache: Arc<Cache>,
    pub(super) queue: Arc<Queue<AppKey>>,
    /// Repositories whose object changed.
    pub(super) repositories: Arc<Queue<ObjectKey>>,
    /// Custom resources that turned out to be unreadable, by kind.
    pub(super) unreadable: Arc<Queue<(&'static str, ObjectKey)>>,
    /// Deployments and Aliases that somebody may have changed or removed, with their namespace: a commit may have them otherwise.
    pub(super) touched: Arc<Queue<(String, Owner)>>,
    /// Address of the API server, for messages.
    pub(super) server: Arc<str>,
}

impl Sink {
    pub(super) fn touch(&self, apps: impl IntoIterator<Item = AppKey>) {
        for app in apps {
            self.queue.add(app);
        }
    }
}

/// One thing that happened to one object, or the end of a list.
pub(super) enum Happened<K> {
    /// With the time at which the list began that it is from, if it is from one.
    Seen(K, Option<Instant>),
    Gone(K),
    /// These and no others are there.
    Listed(HashSet<ObjectKey>),
}

/// Notes that a kind is there and listed, or missing. When that changes, every app has to be looked at.
pub(super) fn mark(sink: &Sink, kind: &'static str, there: bool) {
    if !there && !OPTIONAL.contains(&kind) {
        if sink.cache.lock().unknown.insert(kind) {
            warn!(
                kind,
                server = %sink.server,
                "the API server does not know this kind; install it with `cutwater crd | kubectl apply --server-side -f -`"
            );
        }
        return;
    }
    let mut state = sink.cache.lock();
    let changed = if there {
        state.unknown.remove(kind);
        state.missing.remove(kind) | state.synced.insert(kind)
    } else {
        state.missing.insert(kind)
    };
    drop(state);
    if changed {
        if there {
            debug!(kind, "listed");
        } else {
            info!(
                kind,
                "the API server does not know this kind; it is asked again"
            );
        }
        sink.touch(sink.cache.apps());
    }
}
