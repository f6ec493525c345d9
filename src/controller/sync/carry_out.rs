//! What a look does about a commit that counts: have the API server try all of it, keep in the status that it counts, write, remove.
//!
//! What to write is decided in [`super::decide`], and what is said of it in [`super::told`].

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kube::Resource;
use kube::core::DynamicObject;
use tracing::{info, warn};

use super::decide::{Apply, Decision};
use super::judged::{Counts, Memory};
use super::live::Live;
use super::told::{self, At, Done, Told};
use super::write::{self, Writer};
use super::{FIRST_RETRY, Look, current, words};
use crate::api::condition::{self, Say};
use crate::api::{Alias, Deployment, OwnerKind, Reason, Type};
use crate::controller::failure::Failure;
use crate::plan::Owner;
use crate::words::CommitId;

/// Requests of one look at the same time.
pub(super) const AT_ONCE: usize = 8;

/// What was written and removed, and what could not be.
#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    written: Vec<Owner>,
    /// Written, and the API server keeps them otherwise.
    otherwise: BTreeSet<Owner>,
    put_back: BTreeMap<Owner, Vec<String>>,
    removed: Vec<Owner>,
    /// What could not be removed, and why.
    left: Vec<(Owner, String)>,
}

impl Look<'_> {
    /// Tries, keeps, writes, removes. Nothing where the Repository has changed meanwhile.
    pub(super) async fn carry_out(&mut self, counts: Counts, head: &CommitId) -> Option<Told> {
        let decision = &counts.decision;
        let writer = Writer {
            client: &self.context.client,
            cache: &self.context.cache,
            apps: &self.sync.apps,
            namespace: &self.key.0,
            repository: &counts.memory.of.uid,
        };
        let name = self.key.1.clone();
        let mut done = Done::new(&counts, head, &name);
        let refused = self.refused(&writer, decision).await?;
        if let Some(first) = refused.first() {
            self.warn(head, "nothing more of it is written", first);
            done.failures = &refused;
            done.refused = true;
            return Some(self.again(|look| done.told(&look.memory)));
        }
        let (wanted, unwanted) = (decision.applies.len(), decision.deletes.len());
        if wanted + unwanted > 0 {
            if let Err(failure) = self.keep(&counts.memory, head).await? {
                self.warn(head, "nothing of it is written", &failure);
                let Failure { reason, message } = failure;
                return Some(self.again(|look| look.stopped(reason, message, At::Commit(head))));
            }
            let (namespace, repository) = (&self.key.0, &self.key.1);
            let commit = head.short();
            info!(namespace, repository, %commit, wanted, unwanted, "a commit is applied");
        }
        let failures_before = self.memory.failures;
        self.memory = counts.memory.clone();
        self.memory.failures = failures_before;
        let outcome = self.write(&writer, decision).await?;
        if wanted + unwanted > 0 {
            let (namespace, repository) = (&self.key.0, &self.key.1);
            let (written, removed) = (outcome.written.len(), outcome.removed.len());
            let commit = head.short();
            info!(namespace, repository, %commit, written, removed, "a commit was applied, as far as that is said here");
        }
        if let Some(first) = outcome.failures.first() {
            self.warn(head, "not all of it is applied", first);
        }
        told::pruned(&mut self.memory.pruned, &outcome.removed, head);
        (done.failures, done.written) = (&outcome.failures, &outcome.written);
        (done.removed, done.left) = (&outcome.removed, &outcome.left);
        (done.otherwise, done.put_back) = (&outcome.otherwise, &outcome.put_back);
        Some(self.tell(&done))
    }

    /// What is said, and when to look again.
    fn tell(&mut self, done: &Done<'_>) -> Told {
        let lack = done.lack();
        if lack.is_none() {
            self.memory.synced = Some(done.head.clone());
        }
        let failures = done.failures;
        if !failures.is_empty() && failures.iter().all(changed_meanwhile) {
            // What changed while it was written is written as soon as that is known.
            let told = done.told(&self.memory);
            return Told {
                again: Some(FIRST_RETRY),
                ..told
            };
        }
        let passes = |reason| matches!(reason, Reason::Progressing | Reason::ApiServerError);
        // Something that lasts may be said in place of what passes.
        let mut held = done.counts.decision.held.iter();
        let waits = held.any(|(_, why)| words::reason(why).is_some_and(passes));
        if !failures.is_empty() || waits || lack.is_some_and(|(reason, _)| passes(reason)) {
            return self.again(|look| done.told(&look.memory));
        }
        self.memory.failures = 0;
        done.told(&self.memory)
    }

    /// What the API server would not take of a commit, or could not be asked about.
    async fn refused(&self, writer: &Writer<'_>, decision: &Decision) -> Option<Vec<Failure>> {
        let applies = &decision.applies;
        let tried = self
            .each(applies, |it| writer.try_out(it), broke_off)
            .await?;
        let mut refused: Vec<Failure> = tried.into_iter().filter_map(|(_, it)| it.err()).collect();
        if refused.is_empty() {
            let deletes = &decision.deletes;
            let tried = self.each(deletes, |it| writer.delete(it, true), broke_off);
            let failures = tried.await?.into_iter().filter_map(|(_, it)| it.err());
            // What was not written by sync, or has changed, stays, and stops nothing else.
            let stops = |failure: &Failure| {
                matches!(
                    failure.reason,
                    Reason::ApiServerRefused | Reason::ApiServerError
                )
            };
            refused.extend(failures.filter(stops));
        }
        Some(refused)
    }

    /// Writes what differs, and removes what goes where all of that was written.
    async fn write(&mut self, writer: &Writer<'_>, decision: &Decision) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        let applied = self
            .each(&decision.applies, |apply| writer.apply(apply), broke_off)
            .await?;
        for (apply, answer) in applied {
            let owner = &apply.desired.owner;
            match answer {
                Ok(answer) => {
                    outcome.written.push(owner.clone());
                    if let Some(failure) = self.settle(apply, &answer) {
                        outcome.otherwise.insert(owner.clone());
                        outcome.failures.push(failure);
                    }
                    if !apply.drift.is_empty() {
                        self.tell_drift(apply, &answer);
                    }
                    if !(apply.drift.is_empty() || apply.is_new) {
                        outcome.put_back.insert(owner.clone(), apply.drift.clone());
                    }
                }
                Err(failure) => outcome.failures.push(failure),
            }
        }
        let (mut tried, mut failures) = (BTreeSet::new(), Vec::new());
        if outcome.failures.is_empty() {
            let gone = self
                .each(&decision.deletes, |it| writer.delete(it, false), broke_off)
                .await?;
            for (delete, answer) in gone {
                let owner = &delete.owner;
                tried.insert(owner.clone());
                match answer {
                    Ok(()) => outcome.removed.push(owner.clone()),
                    Err(failure) => {
                        outcome.left.push((owner.clone(), failure.message.clone()));
                        failures.push(failure);
                    }
                }
            }
        }
        let untried = (decision.deletes.iter()).filter(|it| !tried.contains(&it.owner));
        let why = "it is removed once all that the commit has is written";
        (outcome.left).extend(untried.map(|it| (it.owner.clone(), why.to_owned())));
        outcome.failures.extend(failures);
        Some(outcome)
    }

    fn warn(&self, head: &CommitId, what: &str, failure: &Failure) {
        let (namespace, repository, commit) = (&self.key.0, &self.key.1, head.short());
        let problem = &failure.message;
        warn!(namespace, repository, %commit, problem, "{what}; it is tried again");
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

    /// Has a restart know which commit counts, and people that it is being applied, before anything of it is written.
    async fn keep(&self, memory: &Memory, head: &CommitId) -> Option<Result<(), Failure>> {
        let mut sync = told::status(memory, self.before().cloned().unwrap_or_default());
        let is_kept = self.before().is_some_and(|before| {
            (&before.counting, &before.released) == (&sync.counting, &sync.released)
                && before.heard == sync.heard
                && (&before.uid, &before.url) == (&sync.uid, &sync.url)
                && (&before.branch, &before.path) == (&sync.branch, &sync.path)
        });
        if is_kept {
            return Some(Ok(()));
        }
        sync.applied = told::applied(memory, At::Commit(head));
        let mut status = self.repository.status.clone().unwrap_or_default();
        status.sync = Some(sync);
        status.synced = memory.synced.as_ref().map(ToString::to_string);
        status.head = Some(head.to_string());
        let message = format!("commit {} is being applied", head.short());
        let say = Say::new(Type::Synced, false, Reason::Progressing, message);
        let generation = self.repository.metadata.generation;
        let now = jiff::Timestamp::now();
        condition::set(&mut status.conditions, &say, generation, now);
        let (reports, cache) = (&self.context.reports, &self.context.cache);
        let kept = reports.keep(cache, self.key, &self.repository, &status);
        match kept.await {
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
        let note = words::put_back(drift, desired, apply.is_new);
        self.context.reports.put_back(&reference, &note);
    }
}

/// True for what was not written because the object is not as it was seen.
fn changed_meanwhile(failure: &Failure) -> bool {
    failure.reason == Reason::Progressing
}

/// True where the API server gave no answer: the next ones would have to wait as long.
fn broke_off<T>(answer: &Result<T, Failure>) -> bool {
    let failure = answer.as_ref().err();
    failure.is_some_and(|failure| failure.reason == Reason::ApiServerError)
}

/// Does something with each of these, several at a time, until one of several `stops` it: the next ones would have to wait as long. Nothing
/// where it is not `still` to be done.
pub(super) async fn each<'a, T, R, F>(
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
