//! Synced objects that somebody changed or removed: the Repository that has them is fetched at once, and its sync puts them back.
//!
//! Decides no more than whether an object is as a commit has it. Two tools that fight over an object are slowed down, each object by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::cache::Cache;
use super::super::context::Context;
use super::super::key::{AppKey, ObjectKey};
use super::super::queue::Queue;
use super::desired::Desired;
use super::judged::{Memory, Of};
use super::live::Live;
use crate::backoff::Backoff;
use crate::panics::guarded;
use crate::plan::Owner;

/// Waits before an object is put back once more; the first time there is none.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
/// An object that was let alone so long after its wait is put back at once.
const QUIET: Duration = Duration::from_mins(10);
/// When an object is looked at again that changes while its namespace is being synced.
const LOOKED: Duration = Duration::from_secs(1);
/// How often it is looked which objects were let alone.
const SWEEP: Duration = Duration::from_mins(1);

/// A Deployment or an Alias, with its namespace.
type Place = (String, Owner);

/// Has the Repositories of objects fetched that somebody changed or removed, for ever.
pub(in crate::controller) async fn run(context: Arc<Context>, touched: Arc<Queue<Place>>) {
    let mut fights = Fights::default();
    loop {
        let place = touched.next().await;
        if context.sync.is_looking(&place.0) {
            // What it makes of the object is not remembered yet.
            touched.add_at(place.clone(), Instant::now() + LOOKED);
            touched.done(&place);
            continue;
        }
        let look = async { context.sync.otherwise(&context.cache, &place.0, &place.1) };
        // The next fetch that is due puts it back where this breaks off.
        let repositories = guarded(look).await.unwrap_or_default();
        if !repositories.is_empty() {
            match fights.begin(&place, Instant::now()) {
                Ok(()) => {
                    for key in &repositories {
                        context.repositories.pushed(key);
                    }
                }
                Err(due) => touched.add_at(place.clone(), due),
            }
        }
        touched.done(&place);
    }
}

impl super::Sync {
    /// The Repositories of a namespace whose commit has an object otherwise than it is there, and that would write it so.
    fn otherwise(&self, cache: &Cache, namespace: &str, owner: &Owner) -> Vec<ObjectKey> {
        let memories = self.memories.lock();
        let of_namespace = memories.iter().filter(|(key, _)| key.0 == namespace);
        let others = of_namespace.filter(|(key, memory)| {
            let repository = cache.repository(&key.0, &key.1);
            let is_current =
                repository.is_some_and(|it| !it.spec.suspend && Of::new(&it) == memory.of);
            is_current && is_otherwise(memory, cache, namespace, owner)
        });
        others.map(|(key, _)| key.clone()).collect()
    }
}

/// True where the commit of a Repository has an object otherwise than it is there.
fn is_otherwise(memory: &Memory, cache: &Cache, namespace: &str, owner: &Owner) -> bool {
    let tip = &memory.followed.tip;
    let (Some(release), Some(commit)) = (tip.release(owner), tip.commit_of(owner)) else {
        return false;
    };
    let app = AppKey {
        namespace: namespace.to_owned(),
        app: release.app().clone(),
    };
    let Some(live) = Live::of(&cache.lock(), &app, owner) else {
        // What stays as an older commit had it, and is gone, is not made again.
        return !tip.held.contains_key(owner);
    };
    let is_of_another = live.synced_by().is_some_and(|by| by != memory.of.uid);
    if is_of_another || live.is_paused() || live.leaving {
        return false;
    }
    let desired = Desired::of(release, commit);
    let settled = (memory.settled.get(owner))
        .filter(|(digest, _)| *digest == desired.digest)
        .map(|(_, answer)| answer);
    match live.digest() {
        Some(digest) if digest == desired.digest => {
            live.synced_by().is_none() || !desired.differences(&live, settled).is_empty()
        }
        // It is as another commit has it, which is being applied just now.
        Some(_) if live.commit().is_some_and(|of| of != *commit) => false,
        _ => true,
    }
}

/// The objects that were put back lately.
#[derive(Default)]
struct Fights {
    /// When each was put back last, and how often in a row.
    objects: HashMap<Place, (Instant, u32)>,
    swept: Option<Instant>,
}

impl Fights {
    /// Counts that an object is put back now, or says when it may be.
    fn begin(&mut self, place: &Place, now: Instant) -> Result<(), Instant> {
        let over = |(last, times): &(Instant, u32)| *last + AGAIN.after(times.saturating_sub(1));
        if self.swept.is_none_or(|swept| now >= swept + SWEEP) {
            self.objects.retain(|_, fight| now < over(fight) + QUIET);
            self.swept = Some(now);
        }
        let before = self.objects.get(place);
        if let Some(due) = before.map(over).filter(|due| *due > now) {
            return Err(due);
        }
        let in_a_row = before.filter(|fight| now < over(fight) + QUIET);
        let times = in_a_row.map_or(0, |(_, times)| *times).saturating_add(1);
        self.objects.insert(place.clone(), (now, times));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
