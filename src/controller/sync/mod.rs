//! Sync of the releases of a Repository: what is merged to its branch is applied to its namespace.
//!
//! One look, after each fetch, reads as the list of its stages: judge which commit counts ([`judged`]), decide what to write ([`decide`]),
//! have the API server try all of that, keep which commit counts, write, remove, tell ([`told`]). All of a commit is tried before any of
//! it is written. Nothing is read from the API server in between: a look sees the cache.
//!
//! It writes Deployments and Aliases, and nothing else; what becomes of traffic is decided by the reconcile of each app.

mod asked;
mod carry_out;
mod decide;
mod desired;
mod judged;
mod live;
mod told;
mod watched;
mod words;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::cache::Cache;
use super::context::Context;
use super::fetched::Fetch;
use super::key::{AppKey, ObjectKey};
use super::queue::Queue;
use super::repositories::blocking;
use super::turns::Turns;
use crate::api::condition::{Say, State};
use crate::api::{Reason, Repository, SyncStatus, Type, annotation};
use crate::backoff::Backoff;
use crate::branch::Tip;
use crate::store::Mirror;
use crate::words::CommitId;

use judged::{Case, Memory, Of};
use live::Cluster;
use told::At;
pub(super) use told::Told;
pub(super) use watched::run as watch;

/// First wait after a look that has to be done again; it doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Who waits longer than this for the turn of its namespace has fetched what may be old, and fetches once more.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is remembered of each Repository that syncs.
pub(super) struct Sync {
    apps: Arc<Queue<AppKey>>,
    memories: Mutex<HashMap<ObjectKey, Memory>>,
    /// One look at a time in each namespace; none waits for that of another.
    turns: Turns<String>,
    /// Repositories that fetch once more after a long wait: they look after the next one, however long it was.
    late: Mutex<HashSet<ObjectKey>>,
    /// Namespaces in which a look goes on: what is remembered there may be of the commit before.
    looking: Arc<Mutex<HashSet<String>>>,
}

/// The turn of a namespace, as long as it is held.
pub(super) struct Turn {
    namespace: String,
    looking: Arc<Mutex<HashSet<String>>>,
    /// It ends last: whoever has it next is looking, too.
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.looking.lock().remove(&self.namespace);
    }
}

impl Sync {
    pub(super) fn new(apps: Arc<Queue<AppKey>>) -> Self {
        Self {
            apps,
            memories: Mutex::default(),
            turns: Turns::default(),
            late: Mutex::default(),
            looking: Arc::default(),
        }
    }

    /// Waits for the turn of the namespace of a Repository; nothing where that took so long that it is to be fetched once more.
    pub(super) async fn turn(&self, key: &ObjectKey) -> Option<Turn> {
        let begun = Instant::now();
        let turn = self.turns.turn(key.0.clone(), 1).await?;
        let mut late = self.late.lock();
        if begun.elapsed() > LONGEST_WAIT && late.insert(key.clone()) {
            return None;
        }
        late.remove(key);
        let namespace = key.0.clone();
        self.looking.lock().insert(namespace.clone());
        Some(Turn {
            namespace,
            looking: Arc::clone(&self.looking),
            _permit: turn,
        })
    }

    /// True while a look goes on in a namespace.
    fn is_looking(&self, namespace: &str) -> bool {
        self.looking.lock().contains(namespace)
    }

    /// Syncs what a fetch brought; nothing where the fetch does not speak of the Repository as it is now.
    pub(super) async fn look(
        &self,
        context: &Context,
        key: &ObjectKey,
        fetch: &Fetch,
        turn: Turn,
    ) -> Option<Told> {
        let repository = current(&context.cache, key, fetch)?;
        let before = self.memories.lock().get(key).cloned();
        let mut memory = Memory::after(before, Of::new(&repository), repository.status.as_ref());
        if repository.spec.releases.is_none() {
            // A word that was heard is not said again where a path comes back.
            memory.hear(word(&repository));
            let sync = told::nothing(&memory);
            self.memories.lock().insert(key.clone(), memory);
            return Some(Told {
                sync,
                ..Told::default()
            });
        }
        let mut look = Look {
            sync: self,
            context,
            key,
            fetch,
            repository,
            memory,
        };
        let told = look.run().await;
        let memory = look.memory;
        self.memories.lock().insert(key.clone(), memory);
        drop(turn);
        told
    }

    /// Forgets a Repository that is gone. Its objects stay.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.memories.lock().remove(key);
        self.late.lock().remove(key);
    }

    /// What counts of the other Repositories of a namespace, as far as they were read as they are now.
    fn tips(&self, cache: &Cache, key: &ObjectKey) -> Tips {
        let memories = self.memories.lock();
        let others = memories
            .iter()
            .filter(|(other, _)| other.0 == key.0 && *other != key);
        let others = others.filter(|(other, memory)| {
            let now = cache.repository(&other.0, &other.1);
            now.is_some_and(|now| memory.is_read(&Of::new(&now)))
        });
        others
            .map(|(_, it)| (it.of.uid.clone(), Arc::clone(&it.followed.tip)))
            .collect()
    }
}

/// What counts of Repositories, by uid.
type Tips = BTreeMap<String, Arc<Tip>>;

/// The commit that a person names.
fn word(repository: &Repository) -> Option<&str> {
    let annotations = repository.metadata.annotations.as_ref()?;
    annotations.get(annotation::PRUNE).map(String::as_str)
}

/// The Repository, where it is the one that was fetched, as it was then.
fn current(cache: &Cache, key: &ObjectKey, fetch: &Fetch) -> Option<Arc<Repository>> {
    let repository = cache.repository(&key.0, &key.1)?;
    (fetch.is_of(&repository) && !repository.spec.suspend).then_some(repository)
}

/// One look.
struct Look<'a> {
    sync: &'a Sync,
    context: &'a Context,
    key: &'a ObjectKey,
    fetch: &'a Fetch,
    repository: Arc<Repository>,
    memory: Memory,
}

impl Look<'_> {
    async fn run(&mut self) -> Option<Told> {
        let (head, mirror) = match self.fetched() {
            Ok(fetched) => fetched,
            Err((reason, message)) => {
                let message = format!("{message}; what was applied stays as it is");
                let at = if reason == Reason::BranchNotFound {
                    At::Nowhere
                } else {
                    At::Unread
                };
                return Some(self.stopped(reason, message, at));
            }
        };
        let mut cluster = match Cluster::of(&self.context.cache, self.key) {
            Ok(cluster) => cluster,
            Err(kind) => {
                let message = format!(
                    "nothing is synced before the API server has listed what is there, and it has not listed the kind {kind} yet"
                );
                let (reason, at) = (Reason::ApiServerError, At::Commit(&head));
                return Some(self.again(|look| look.stopped(reason, message, at)));
            }
        };
        cluster.tips = self.sync.tips(&self.context.cache, self.key);
        let word = word(&self.repository).map(ToOwned::to_owned);
        self.memory.hear(word.as_deref());
        let case = Case {
            memory: self.memory.clone(),
            mirror,
            namespace: self.key.0.clone(),
            head: head.clone(),
            word,
            cluster,
        };
        match blocking(move || case.judge()).await {
            Ok(Ok(counts)) => self.carry_out(counts, &head).await,
            Ok(Err(stands)) => {
                let head = words::Head {
                    commit: &head,
                    name: self.key.1.as_str(),
                    is_heard: self.memory.heard.as_ref() == Some(&head),
                };
                Some(Told::stands(&self.memory, self.before(), &stands, &head))
            }
            Err((reason, message)) => {
                Some(self.again(|look| look.stopped(reason, message, At::Commit(&head))))
            }
        }
    }

    /// The commit of the branch: it counts also where versions did not come.
    fn fetched(&self) -> Result<(CommitId, Mirror), (Reason, String)> {
        if let Some(branch) = &self.fetch.branch {
            return Ok(branch.clone());
        }
        self.fetch.head.clone()?;
        let branch = &self.repository.spec.branch;
        let message = format!("the branch `{branch}` has no commit");
        Err((Reason::BranchNotFound, message))
    }

    fn before(&self) -> Option<&SyncStatus> {
        self.repository.status.as_ref()?.sync.as_ref()
    }

    fn stopped(&self, reason: Reason, message: String, at: At<'_>) -> Told {
        let say = Say::new(Type::Synced, State::Unknown, reason, message);
        Told::stopped(&self.memory, self.before(), say, at)
    }

    /// What is said, and when it is tried again.
    fn again(&mut self, told: impl FnOnce(&Self) -> Told) -> Told {
        let interval = Duration::from_secs(u64::from(self.repository.spec.interval.as_secs()));
        let wait = Backoff::new(FIRST_RETRY, interval).after(self.memory.failures);
        self.memory.failures = self.memory.failures.saturating_add(1);
        Told {
            again: Some(wait),
            ..told(self)
        }
    }
}

#[cfg(test)]
mod tests;
