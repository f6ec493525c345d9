//! Which repository is fetched when: turns, so that a server that keeps silent costs its own namespace and host alone.
//!
//! A repository that failed last time waits in a lane of its own; one that is new, or was read last time, never waits behind it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::error;

use super::context::Context;
use super::fetched::Fetch;
use super::key::ObjectKey;
use super::mirrors;
use super::queue::Queue;
use super::repository_state::Lane;
use super::turns::Turns;
use crate::panics::guarded;

/// When a repository is fetched again after the work on it broke off.
const BROKEN_AGAIN: Duration = Duration::from_mins(1);

/// What has turns of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    HostOfNamespace(String, String),
    Namespace(String),
    Host(String),
    All,
}

impl Place {
    /// Fetches at the same time.
    fn turns(&self, lane: Lane) -> usize {
        let (fast, slow) = match self {
            Self::HostOfNamespace(..) => (2, 1),
            Self::Namespace(_) => (4, 2),
            Self::Host(_) => (8, 2),
            Self::All => (24, 8),
        };
        match lane {
            Lane::Fast => fast,
            Lane::Slow => slow,
        }
    }
}

/// All turns that are taken or waited for.
type AllTurns = Turns<(Lane, Place)>;

/// Waits for a turn of a repository. It lasts as long as what is returned is held.
async fn turn(
    turns: &AllTurns,
    lane: Lane,
    namespace: &str,
    host: &str,
) -> Vec<OwnedSemaphorePermit> {
    // The narrowest first: who waits for a turn there takes none from others.
    let places = [
        Place::HostOfNamespace(namespace.to_owned(), host.to_owned()),
        Place::Namespace(namespace.to_owned()),
        Place::Host(host.to_owned()),
        Place::All,
    ];
    let mut held = Vec::new();
    for place in places {
        let most = place.turns(lane);
        held.extend(turns.turn((lane, place), most).await);
    }
    held
}

/// What is shared by all fetches.
struct Fetching {
    context: Arc<Context>,
    queue: Arc<Queue<ObjectKey>>,
    turns: AllTurns,
    /// The turns of repositories of which versions are still being fetched: those keep them, and the next fetch of each is of the same
    /// turn.
    filling: Mutex<HashMap<ObjectKey, Turn>>,
    /// The repositories, and their addresses, of which somebody waits for the rest.
    awaited: Mutex<HashSet<(ObjectKey, String)>>,
}

/// A turn, as long as it is held.
type Turn = Vec<OwnedSemaphorePermit>;

/// Fetches what the queue says, for ever.
pub(super) async fn run(context: Arc<Context>, queue: Arc<Queue<ObjectKey>>) {
    context.repositories.sweep().await;
    let fetching = Arc::new(Fetching {
        context,
        queue,
        turns: AllTurns::default(),
        filling: Mutex::default(),
        awaited: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            key = fetching.queue.next() => {
                tasks.spawn(fetching.clone().fetch(key));
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

impl Fetching {
    /// Fetches a repository and syncs what came. What takes long goes on meanwhile: nothing of the branch waits for it.
    async fn fetch(self: Arc<Self>, key: ObjectKey) {
        let context = &self.context;
        let held = self.filling.lock().remove(&key);
        let turn = if let Some(turn) = held {
            turn
        } else {
            let (lane, host) = context.repositories.place(&key);
            turn(&self.turns, lane, &key.0, &host).await
        };
        let fetched = guarded(context.repositories.fetch(&key)).await;
        let filling = match &fetched {
            Ok(Some(fetch)) => fetch
                .filling
                .clone()
                .map(|mirror| (mirror, fetch.url().to_owned())),
            _ => None,
        };
        match &filling {
            Some(_) => drop(self.filling.lock().insert(key.clone(), turn)),
            None => drop(turn),
        }
        let told = match fetched {
            Ok(Some(fetch)) => guarded(sync(context, &self.queue, &key, &fetch)).await,
            Ok(None) => {
                if context.cache.repository(&key.0, &key.1).is_none() {
                    context.sync.forget(&key);
                }
                Ok(())
            }
            Err(panic) => {
                let again = Instant::now() + BROKEN_AGAIN;
                self.queue.add_at(key.clone(), again);
                Err(panic)
            }
        };
        if let Err(panic) = told {
            error!(
                namespace = key.0,
                repository = key.1,
                panic = panic.message(),
                "the work on a Repository broke off by a fault of this program; others go on"
            );
        }
        self.queue.done(&key);
        if let Some((mirror, url)) = filling {
            let place = (key.clone(), url);
            if self.awaited.lock().insert(place.clone()) {
                mirrors::arrival(&mirror).await;
                self.awaited.lock().remove(&place);
                self.queue.add(key);
            }
        }
    }
}

/// Syncs what was fetched, and tells of both. A Repository that changed meanwhile is fetched again.
async fn sync(context: &Context, queue: &Queue<ObjectKey>, key: &ObjectKey, fetch: &Fetch) {
    let Some(turn) = context.sync.turn(key).await else {
        queue.add(key.clone());
        return;
    };
    let Some(told) = context.sync.look(context, key, fetch, turn).await else {
        return;
    };
    if let Some(again) = told.again {
        queue.add_at(key.clone(), Instant::now() + again);
    }
    let reports = &context.reports;
    reports.repository(&context.cache, key, fetch, &told).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True where a turn is to be had at once.
    async fn free(turns: &AllTurns, lane: Lane, namespace: &str, host: &str) -> bool {
        let turn = turn(turns, lane, namespace, host);
        tokio::time::timeout(Duration::from_millis(5), turn)
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_keeps_silent_keeps_only_its_own_waiting() {
        let turns = AllTurns::default();
        let mut held = Vec::new();
        // A namespace with a server on each of many hosts takes what a namespace may have, and no more.
        for number in 0..20 {
            let host = format!("silent-{number}");
            let turn = turn(&turns, Lane::Fast, "bad", &host);
            held.extend(tokio::time::timeout(Duration::from_millis(5), turn).await);
        }
        assert_eq!(held.len(), 4);
        assert!(free(&turns, Lane::Fast, "good", "silent-0").await);
        // A host that is down for everybody takes what a host may have.
        for number in 0..40 {
            let team = format!("team-{number}");
            let turn = turn(&turns, Lane::Fast, &team, "down");
            held.extend(tokio::time::timeout(Duration::from_millis(5), turn).await);
        }
        assert_eq!(held.len(), 4 + 8);
        assert!(!free(&turns, Lane::Fast, "good", "down").await);
        assert!(free(&turns, Lane::Fast, "good", "up").await);
        // Those that failed are not in the way of those that did not.
        for number in 0..40 {
            let place = format!("{number}");
            let turn = turn(&turns, Lane::Slow, &place, &place);
            held.extend(tokio::time::timeout(Duration::from_millis(5), turn).await);
        }
        assert_eq!(held.len(), 4 + 8 + 8);
        assert!(free(&turns, Lane::Fast, "good", "up").await);
        held.clear();
        assert!(free(&turns, Lane::Fast, "good", "down").await);
        assert_eq!(turns.len(), 4, "places are forgotten");
    }
}
