//! Follows one kind: lists it, watches it, tries again with patience, and says once when that fails and when it goes on.

use std::collections::HashSet;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tracing::{error, info, warn};

use super::key::ObjectKey;

use super::cache::State;
use super::connect::chain;
use super::failing::{Failing, QUIET};
use super::key::key_of;
use super::sink::{Happened, Sink, mark};
use crate::backoff;
use crate::panics::guarded_now;

/// Longest time between two objects, or two pages, of a list. A list that brings nothing for longer is begun anew.
const LIST_SILENCE: Duration = Duration::from_mins(1);
/// How long a watch waits before it is tried again: twice as long each time, up to five seconds. A shift must not wait for
/// half a minute because the API server was restarted, and twelve watches are no crowd.
const WATCH: backoff::Backoff =
    backoff::Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// How many waits went before.
struct Patience(u32);

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = WATCH.after(self.0);
        self.0 = self.0.saturating_add(1);
        Some(wait)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Patience that starts anew once there was no failure for a while. A success is no sign: a list begins with one each time it
/// fails.
struct Unhurried(ResetTimerBackoff<Patience>);

impl Unhurried {
    fn new() -> Self {
        Self(ResetTimerBackoff::new(Patience(0), 2 * WATCH.longest))
    }
}

impl Iterator for Unhurried {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for Unhurried {
    fn reset(&mut self) {}
}

type Events<K> = Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>;

/// Hands on what happens to the objects of a kind, for ever. That a list begins says nothing: it does so before each failure too.
pub(super) async fn follow<K>(
    kind: &'static str,
    api: Api<K>,
    config: Config,
    sink: Sink,
    on: impl Fn(&Sink, Happened<K>),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let start = || -> Events<K> {
        Box::pin(watcher(api.clone(), config.clone()).backoff(Unhurried::new()))
    };
    let on = |happened: Happened<K>, about: Option<&ObjectKey>| {
        if let Err(panic) = guarded_now(|| on(&sink, happened)) {
            error!(kind, object = ?about, panic = panic.message(), "an object could not be taken in, by a fault of this program");
        }
    };
    let mut events = start();
    let mut listed = HashSet::new();
    let mut listing = true;
    let mut began = Instant::now();
    let mut unknown = Unknown::default();
    loop {
        let silence = if listing { LIST_SILENCE } else { QUIET };
        let event = match tokio::time::timeout(silence, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(_) if listing => {
                let why = format!("a list brought nothing for {} s", LIST_SILENCE.as_secs());
                failed(&sink, kind, api.resource_url(), why);
                events = start();
                continue;
            }
            Err(_) => {
                goes_on(&sink, kind);
                continue;
            }
        };
        match &event {
            // A list begins before each failure, too.
            Ok(Event::Init) => {}
            Ok(_) => unknown = Unknown::default(),
            Err(error) if is_unknown_kind(error) => unknown.count(),
            Err(_) => {}
        }
        match event {
            Ok(Event::Init) => {
                listing = true;
                listed.clear();
                began = Instant::now();
            }
            Ok(Event::InitApply(object)) => {
                let key = key_of(&object);
                on(Happened::Seen(object, Some(began)), Some(&key));
                listed.insert(key);
            }
            Ok(Event::InitDone) => {
                listing = false;
                on(Happened::Listed(std::mem::take(&mut listed)), None);
                mark(&sink, kind, true);
                goes_on(&sink, kind);
            }
            Ok(Event::Apply(object)) => {
                let key = key_of(&object);
                on(Happened::Seen(object, None), Some(&key));
                goes_on(&sink, kind);
            }
            Ok(Event::Delete(object)) => {
                let key = key_of(&object);
                on(Happened::Gone(object), Some(&key));
                goes_on(&sink, kind);
            }
            Err(error) if is_unknown_kind(&error) => {
                let known = sink.cache.lock().synced.contains(kind);
                if !known || unknown.is_certain() {
                    mark(&sink, kind, false);
                    // A watch would go on where it was, and nothing would say that the kind is known again: a list does.
                    if !listing {
                        events = start();
                        listing = true;
                    }
                } else {
                    failed(&sink, kind, api.resource_url(), chain(&error));
                }
            }
            Err(error) if is_routine(&error) => {}
            Err(error) => failed(&sink, kind, api.resource_url(), chain(&error)),
        }
    }
}

/// Answers that a kind is not known, one after the other. One alone says little of a kind that was listed before: a proxy, or
/// an API server that has not heard of it yet, answers so too.
#[derive(Default)]
struct Unknown {
    times: u32,
    since: Option<Instant>,
}

impl Unknown {
    const TIMES: u32 = 3;
    const LONG: Duration = Duration::from_secs(30);

    fn count(&mut self) {
        self.times = self.times.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_certain(&self) -> bool {
        let long = self
            .since
            .is_some_and(|since| since.elapsed() >= Self::LONG);
        self.times >= Self::TIMES && long
    }
}

/// Notes that a watch failed, and says so unless that has been said.
fn failed(sink: &Sink, kind: &'static str, path: &str, why: String) {
    let mut state = sink.cache.lock();
    let now = Instant::now();
    let before = state.failing.get(kind);
    let fresh = before.is_none_or(|before| before.why != why);
    let since = before.map_or(now, |before| before.since);
    let said = why.clone();
    let again = now;
    (state.failing).insert(kind, Failing { since, again, why });
    drop(state);
    if fresh {
        warn!(
            kind,
            server = %sink.server,
            path,
            why = said,
            "this kind cannot be watched; what is known of it stays as it is, and it is tried again"
        );
    }
}

fn goes_on(sink: &Sink, kind: &'static str) {
    if sink.cache.lock().failing.remove(kind).is_some() {
        info!(kind, "the watch goes on");
    }
}

/// Kinds whose watch has failed for a while, each with the reason.
pub(super) fn failing(state: &State) -> Vec<(&'static str, &str)> {
    (state.failing.iter())
        .filter(|(_, failing)| failing.lasts())
        .map(|(kind, failing)| (*kind, failing.why.as_str()))
        .collect()
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(source) | watcher::Error::WatchStartFailed(source)) =
        error
    else {
        return false;
    };
    matches!(source, kube::Error::Api(status) if status.code == 404)
}

/// True where a watch has to list anew because it fell behind: that is how watches work, and no failure.
fn is_routine(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_grows_until_there_was_quiet() {
        let mut patience = Unhurried::new();
        let mut waits = Vec::new();
        for _ in 0..8 {
            patience.reset();
            let wait = patience.next().unwrap();
            waits.push(wait.as_millis());
            tokio::time::advance(wait).await;
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(patience.next(), Some(WATCH.first));
    }
}
