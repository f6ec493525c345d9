//! What a watch has seen of each object, and when it saw it first.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

type Key = (String, String);
type Held<T> = Arc<Mutex<HashMap<Key, (Instant, T)>>>;

/// The last value of each object of a kind, reduced to what is asked of it.
pub struct Seen<T> {
    held: Held<T>,
    changed: watch::Receiver<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl<T: PartialEq + Clone + Send + 'static> Seen<T> {
    /// Watches a kind in all namespaces. Where `reduce` gives the value that is held already, the time stays.
    pub fn start<K>(client: &Client, reduce: fn(&K) -> T) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let held: Held<T> = Arc::default();
        let (send, changed) = watch::channel(0);
        let (api, inner) = (Api::<K>::all(client.clone()), held.clone());
        let task = tokio::spawn(async move {
            let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
            while let Some(event) = events.next().await {
                let now = Instant::now();
                match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                        let key = (object.namespace().unwrap_or_default(), object.name_any());
                        let value = reduce(&object);
                        let mut map = inner.lock().unwrap();
                        if map.get(&key).is_none_or(|(_, held)| *held != value) {
                            map.insert(key, (now, value));
                        }
                    }
                    Ok(watcher::Event::Delete(object)) => {
                        let key = (object.namespace().unwrap_or_default(), object.name_any());
                        inner.lock().unwrap().remove(&key);
                    }
                    _ => {}
                }
                send.send_modify(|count| *count += 1);
            }
        });
        Self {
            held,
            changed,
            task,
        }
    }

    /// Waits until an object is as wanted; since when it is.
    pub async fn until(
        &self,
        what: &str,
        namespace: &str,
        name: &str,
        patience: Duration,
        wanted: impl Fn(&T) -> bool,
    ) -> Instant {
        let key = (namespace.to_owned(), name.to_owned());
        self.until_all(what, patience, |map| {
            let (when, value) = map.get(&key)?;
            wanted(value).then_some(*when)
        })
        .await
    }

    /// Waits until a number of objects of a namespace are as wanted; since when they all are.
    pub async fn until_count(
        &self,
        what: &str,
        namespace: &str,
        count: usize,
        patience: Duration,
        wanted: impl Fn(&T) -> bool,
    ) -> Instant {
        self.until_all(what, patience, |map| {
            let times: Vec<Instant> = (map.iter())
                .filter(|((held, _), (_, value))| held == namespace && wanted(value))
                .map(|(_, (when, _))| *when)
                .collect();
            (times.len() >= count).then(|| times.into_iter().max().unwrap_or_else(Instant::now))
        })
        .await
    }

    /// Waits until a namespace has none.
    pub async fn until_none(&self, what: &str, namespace: &str, patience: Duration) {
        self.until_all(what, patience, |map| {
            let none = map.keys().all(|(held, _)| held != namespace);
            none.then(Instant::now)
        })
        .await;
    }

    async fn until_all(
        &self,
        what: &str,
        patience: Duration,
        ask: impl Fn(&HashMap<Key, (Instant, T)>) -> Option<Instant>,
    ) -> Instant {
        let mut changed = self.changed.clone();
        let start = Instant::now();
        loop {
            changed.borrow_and_update();
            if let Some(when) = ask(&self.held.lock().unwrap()) {
                return when;
            }
            let left = patience.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "waited {patience:?} for {what}");
            let _ = tokio::time::timeout(left, changed.changed()).await;
        }
    }
}

impl<T> Drop for Seen<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
