//! Sync of the releases of a Repository: what is merged to its branch is applied to its namespace.
//!
//! One look, after each fetch, reads as the list of its stages: judge which commit counts ([`judged`]), decide what to write ([`decide`]),
//! have the API server try all of that, keep which commit counts, write, remove, tell ([`told`]). All of a commit is tried before any of
//! it is written. Nothing is read from the API server in between: a look sees the cache.
//!
//! It writes Deployments and Aliases, and nothing else; what becomes of traffic is decided by the reconcile of each app.

mod decide;
mod desired;
mod judged;
mod live;
mod told;
mod watched;
mod words;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Resource;
use kube::core::DynamicObject;
use parking_lot::Mutex;

use super::cache::Cache;
use super::context::Context;
use super::failure::Failure;
use super::key::{AppKey, ObjectKey};
use super::queue::Queue;
use super::repositories::{Fetch, blocking};
use super::turns::Turns;
use crate::api::condition::State;
use crate::api::{Alias, Deployment, OwnerKind, Reason, Repository, SyncStatus, annotation};
use crate::backoff::Backoff;
use crate::branch::Tip;
use crate::store::Mirror;
use crate::words::CommitId;

use decide::Apply;
use judged::{Case, Counts, Memory, Of};
use live::{Cluster, Live};
use told::Done;
pub(super) use told::Told;
pub(super) use watched::run as watch;
use write::Writer;

/// Requests of one look at the same time.
const AT_ONCE: usize = 8;
/// First wait after a look that has to be done again; it doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// What is remembered of each Repository that syncs.
pub(super) struct Sync {
    apps: Arc<Queue<AppKey>>,
    memories: Mutex<HashMap<ObjectKey, Memory>>,
    /// One look at a time in each namespace; none waits for that of another.
    turns: Turns<String>,
}

impl Sync {
    pub(super) fn new(apps: Arc<Queue<AppKey>>) -> Self {
        Self {
            apps,
            memories: Mutex::default(),
            turns: Turns::default(),
        }
    }

    /// Syncs what a fetch brought; nothing where the fetch does not speak of the Repository as it is now.
    pub(super) async fn look(
        &self,
        context: &Context,
        key: &ObjectKey,
        fetch: &Fetch,
    ) -> Option<Told> {
        let turn = self.turns.turn(key.0.clone(), 1).await;
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
    }

    /// What counts of the other Repositories of a namespace, as far as they were read as they are now: of one that may be behind the
    /// commit at hand, nothing.
    fn tips(&self, cache: &Cache, key: &ObjectKey, of: &Of, head: &CommitId) -> Tips {
        let memories = self.memories.lock();
        let others = memories
            .iter()
            .filter(|(other, _)| other.0 == key.0 && *other != key);
        let others = others.filter(|(other, memory)| {
            let now = cache.repository(&other.0, &other.1);
            now.is_some_and(|now| memory.is_beside(&Of::new(&now), of, head))
        });
        others
            .map(|(_, it)| (it.of.uid.clone(), Arc::clone(&it.followed.tip)))
            .collect()
    }
}

/// What counts of Repositories, by uid.
type Tips = BTreeMap<String, Arc<Tip>>;

/// True for what was not written because the object is not as it was seen.
fn changed_meanwhile(failure: &Failure) -> bool {
    failure.reason == Reason::Progressing
}

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
                return Some(self.stopped(reason, message));
            }
        };
        let mut cluster = match Cluster::of(&self.context.cache, self.key) {
            Ok(cluster) => cluster,
            Err(kind) => {
                let message = format!(
                    "nothing is synced before the API server has listed what is there, and it has not listed the kind {kind} yet"
                );
                return Some(self.again(|look| look.stopped(Reason::ApiServerError, message)));
            }
        };
        let (cache, of) = (&self.context.cache, &self.memory.of);
        cluster.tips = self.sync.tips(cache, self.key, of, &head);
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
            Err((reason, message)) => Some(self.again(|look| look.stopped(reason, message))),
        }
    }

    fn fetched(&self) -> Result<(CommitId, Mirror), (Reason, String)> {
        let head = self.fetch.head.clone()?;
        head.zip(self.fetch.mirror.clone()).ok_or_else(|| {
            let branch = &self.repository.spec.branch;
            let message = format!("the branch `{branch}` has no commit");
            (Reason::BranchNotFound, message)
        })
    }

    fn before(&self) -> Option<&SyncStatus> {
        self.repository.status.as_ref()?.sync.as_ref()
    }

    fn stopped(&self, reason: Reason, message: String) -> Told {
        Told::stopped(&self.memory, self.before(), State::Unknown, reason, message)
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

    /// Tries, keeps, writes, removes. Nothing where the Repository has changed meanwhile.
    async fn carry_out(&mut self, counts: Counts, head: &CommitId) -> Option<Told> {
        let decision = &counts.decision;
        let writer = Writer {
            client: &self.context.client,
            cache: &self.context.cache,
            apps: &self.sync.apps,
            namespace: &self.key.0,
            repository: &counts.memory.of.uid,
        };
        let name = self.key.1.clone();
        let mut done = Done {
            counts: &counts,
            head,
            name: &name,
            failures: &[],
            refused: false,
            written: &[],
            removed: &[],
            put_back: &BTreeMap::new(),
        };
        let broke_off = |answer: &Result<(), Failure>| {
            let failure = answer.as_ref().err();
            failure.is_some_and(|failure| failure.reason == Reason::ApiServerError)
        };
        let tried = self
            .each(&decision.applies, |apply| writer.try_out(apply), broke_off)
            .await?;
        let refused: Vec<Failure> = tried.into_iter().filter_map(|(_, it)| it.err()).collect();
        if !refused.is_empty() {
            done.failures = &refused;
            done.refused = true;
            return Some(self.again(|look| done.told(&look.memory)));
        }
        if !(decision.applies.is_empty() && decision.deletes.is_empty())
            && let Err(failure) = self.keep(&counts.memory).await?
        {
            return Some(self.again(|look| look.stopped(failure.reason, failure.message)));
        }
        let failures_before = self.memory.failures;
        self.memory = counts.memory.clone();
        self.memory.failures = failures_before;
        let mut failures = Vec::new();
        let mut written = Vec::new();
        let mut put_back = BTreeMap::new();
        let applied = self
            .each(&decision.applies, |apply| writer.apply(apply), |_| false)
            .await?;
        for (apply, answer) in applied {
            match answer {
                Ok(answer) => {
                    written.push(apply.desired.owner.clone());
                    failures.extend(self.settle(apply, &answer));
                    if !apply.drift.is_empty() {
                        self.tell_drift(apply, &answer);
                        put_back.insert(apply.desired.owner.clone(), apply.drift.clone());
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        let mut removed = Vec::new();
        if failures.is_empty() {
            let gone = self
                .each(&decision.deletes, |delete| writer.delete(delete), |_| false)
                .await?;
            for (delete, answer) in gone {
                match answer {
                    Ok(()) => removed.push(delete.owner.clone()),
                    Err(failure) => failures.push(failure),
                }
            }
        }
        told::pruned(&mut self.memory.pruned, &removed, head);
        (done.failures, done.written) = (&failures, &written);
        (done.removed, done.put_back) = (&removed, &put_back);
        let lack = done.lack();
        if lack.is_none() {
            self.memory.synced = Some(head.clone());
        }
        let passes = |reason| matches!(reason, Reason::Progressing | Reason::ApiServerError);
        if !failures.is_empty() && failures.iter().all(changed_meanwhile) {
            // What changed while it was written is written as soon as that is known.
            let told = done.told(&self.memory);
            return Some(Told {
                again: Some(FIRST_RETRY),
                ..told
            });
        }
        if !failures.is_empty() || lack.is_some_and(|(reason, _)| passes(reason)) {
            return Some(self.again(|look| done.told(&look.memory)));
        }
        self.memory.failures = 0;
        Some(done.told(&self.memory))
    }

    /// Does something with each of these; nothing where the Repository has changed meanwhile.
    async fn each<'a, T, R, F>(
        &self,
        all: &'a [T],
        work: impl Fn(&'a T) -> F,
        stops: impl Fn(&R) -> bool,
    ) -> Option<Vec<(&'a T, R)>>
    where
        F: Future<Output = R>,
    {
        let is_current = || current(&self.context.cache, self.key, self.fetch).is_some();
        each(all, work, stops, is_current).await
    }

    /// Has a restart know which commit counts, before anything of it is written.
    async fn keep(&self, memory: &Memory) -> Option<Result<(), Failure>> {
        let sync = told::status(memory, self.before().cloned().unwrap_or_default());
        let is_kept = self.before().is_some_and(|before| {
            (&before.counting, &before.released) == (&sync.counting, &sync.released)
                && before.heard == sync.heard
                && (&before.uid, &before.url) == (&sync.uid, &sync.url)
                && (&before.branch, &before.path) == (&sync.branch, &sync.path)
        });
        if is_kept {
            return Some(Ok(()));
        }
        let (reports, cache) = (&self.context.reports, &self.context.cache);
        let synced = memory.synced.as_ref();
        let kept = reports
            .keep(cache, self.key, &self.repository, sync, synced)
            .await;
        match kept {
            Ok(true) => Some(Ok(())),
            // It is gone, or another one.
            Ok(false) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    /// An API server that keeps an object otherwise than it was written is not asked for it again and again; what is said of that.
    fn settle(&mut self, apply: &Apply, answer: &DynamicObject) -> Option<Failure> {
        let Apply { desired, .. } = apply;
        let metadata = &answer.metadata;
        let found = Live {
            spec: write::spec_in(&desired.owner, answer),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
            ..Live::default()
        };
        let settled = &mut self.memory.settled;
        let otherwise = desired.differences(&found, None);
        if otherwise.is_empty() {
            settled.remove(&desired.owner);
            return None;
        }
        settled.insert(desired.owner.clone(), (desired.digest.clone(), found));
        Some(Failure {
            reason: Reason::ApiServerRefused,
            message: format!("{}: {}", desired.at, words::otherwise(&otherwise)),
        })
    }

    fn tell_drift(&self, apply: &Apply, answer: &DynamicObject) {
        let Apply { desired, drift, .. } = apply;
        let mut reference = answer.object_ref(&match desired.owner.kind {
            OwnerKind::Deployment => kube::core::ApiResource::erase::<Deployment>(&()),
            OwnerKind::Alias => kube::core::ApiResource::erase::<Alias>(&()),
        });
        reference.namespace = Some(self.key.0.clone());
        let note = format!(
            "{} was changed by hand and is as {} of commit {} has it again; to hold it as it is, annotate it with {}={}",
            drift.join(", "),
            desired.at,
            desired.commit.short(),
            annotation::SYNC,
            annotation::PAUSED
        );
        self.context.reports.put_back(&reference, &note);
    }
}

/// Does something with each of these, several at a time, until one of several `stops` it: the next ones would have to wait as long. Nothing
/// where it is not `still` to be done.
async fn each<'a, T, R, F>(
    all: &'a [T],
    work: impl Fn(&'a T) -> F,
    stops: impl Fn(&R) -> bool,
    still: impl Fn() -> bool,
) -> Option<Vec<(&'a T, R)>>
where
    F: Future<Output = R>,
{
    let mut done: Vec<(&'a T, R)> = Vec::new();
    for some in all.chunks(AT_ONCE) {
        let works = some.iter().map(|one| {
            let work = work(one);
            async move { (one, work.await) }
        });
        let answers = join_all(works).await;
        if !still() {
            return None;
        }
        let is_over = answers.iter().any(|(_, answer)| stops(answer));
        done.extend(answers);
        if is_over {
            break;
        }
    }
    Some(done)
}

#[cfg(test)]
mod tests;
