//! The work queue: each app is worked on by one worker at a time, and once more if something changed meanwhile.
//!
//! Holds keys and times only; knows nothing about what the work is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;

/// A queue of keys without doubles.
#[derive(Debug)]
pub(super) struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    ready: VecDeque<K>,
    known: HashMap<K, Stage>,
    timers: BTreeSet<(Instant, K)>,
    timer_of: BTreeMap<K, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    Running,
    RunningAndQueued,
}

impl<K: Clone + Ord + Hash> Queue<K> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                known: HashMap::new(),
                timers: BTreeSet::new(),
                timer_of: BTreeMap::new(),
            }),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock()
    }

    /// Asks for work on a key as soon as a worker is free.
    pub(super) fn add(&self, key: K) {
        self.lock().enqueue(key);
        self.changed.notify_one();
    }

    /// Asks for work on a key at a time; the earliest of several wishes counts.
    pub(super) fn add_at(&self, key: K, when: Instant) {
        let mut state = self.lock();
        if let Some(earlier) = state.timer_of.get(&key).copied() {
            if earlier <= when {
                return;
            }
            state.timers.remove(&(earlier, key.clone()));
        }
        state.timer_of.insert(key.clone(), when);
        state.timers.insert((when, key));
        drop(state);
        self.changed.notify_one();
    }

    /// The next key to work on. [`Self::done`] must follow.
    pub(super) async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let timer = {
                let mut state = self.lock();
                state.fire(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.known.insert(key.clone(), Stage::Running);
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return key;
                }
                state.timers.first().map(|(when, _)| *when)
            };
            match timer {
                Some(when) => {
                    tokio::select! { () = changed => {}, () = sleep_until(when) => {} }
                }
                None => changed.await,
            }
        }
    }

    /// The work on a key is over; if it was asked for meanwhile, it is queued again.
    pub(super) fn done(&self, key: &K) {
        let again = self.lock().finish(key);
        if again {
            self.changed.notify_one();
        }
    }
}

/// How long to wait before a key is worked on again: twice as long after each failure, from a first to a longest wait.
#[derive(Debug)]
pub(super) struct Retries<K> {
    backoff: Backoff,
    failures: HashMap<K, u32>,
    pending: HashMap<K, Pending>,
}

/// A wait that may be cut short.
#[derive(Debug)]
struct Pending {
    /// When it is over.
    over: Instant,
    /// When something else is due before that.
    due: Option<Instant>,
    /// How often something was.
    early: u32,
}

/// So many things in a row may be due one after the other, as at a deletion: a settle delay, a drain delay, and the end.
const EARLY: u32 = 4;
/// After this time one more may.
const EARLY_AGAIN: Duration = Duration::from_secs(10);
/// Two times so near to each other are one.
const SAME: Duration = Duration::from_millis(100);

impl<K: Clone + Eq + Hash> Retries<K> {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            failures: HashMap::new(),
            pending: HashMap::new(),
        }
    }

    /// It failed once more; the wait.
    pub(super) fn failed(&mut self, key: &K) -> Duration {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let wait = self.backoff.after(*failures);
        *failures = failures.saturating_add(1);
        wait
    }

    /// It failed once more, and something else is due after `due`; the wait. Work before the wait is over, because of some event, makes it
    /// no longer. What is due may be due anew after each failure, so no more than a few waits in a row are cut short by it.
    pub(super) fn failed_with(&mut self, key: &K, due: Option<Duration>) -> Duration {
        let now = Instant::now();
        let waits = (self.pending.get(key)).is_some_and(|pending| pending.over > now);
        if !waits {
            let wait = self.failed(key);
            let early = self.pending.get(key).map_or(0, |pending| pending.early);
            let pending = Pending {
                over: now + wait,
                due: None,
                early: early.saturating_sub(1),
            };
            self.pending.insert(key.clone(), pending);
        }
        let Some(pending) = self.pending.get_mut(key) else {
            return self.backoff.first;
        };
        let wait = pending.over - now;
        let due = due.map_or(wait, |due| due.max(self.backoff.first));
        if due >= wait {
            return wait;
        }
        let at = now + due;
        let last = pending.due;
        let is_same = last.is_some_and(|last| at.max(last) - at.min(last) <= SAME);
        let is_long_ago = last.is_some_and(|last| now > last + EARLY_AGAIN);
        if !is_same && !is_long_ago && pending.early >= EARLY {
            return wait;
        }
        if !is_same {
            pending.early = (pending.early + 1).min(EARLY);
            pending.due = Some(at);
        }
        due
    }

    /// It went well: the next failure is a first one.
    pub(super) fn over(&mut self, key: &K) {
        self.failures.remove(key);
        self.pending.remove(key);
    }
}

impl<K: Clone + Ord + Hash> State<K> {
    fn enqueue(&mut self, key: K) {
        match self.known.get(&key) {
            None => {
                self.known.insert(key.clone(), Stage::Queued);
                self.ready.push_back(key);
            }
            Some(Stage::Running) => {
                self.known.insert(key, Stage::RunningAndQueued);
            }
            Some(Stage::Queued | Stage::RunningAndQueued) => {}
        }
    }

    fn fire(&mut self, now: Instant) {
        while let Some((when, key)) = self.timers.first().cloned() {
            if when > now {
                break;
            }
            self.timers.pop_first();
            self.timer_of.remove(&key);
            self.enqueue(key);
        }
    }

    fn finish(&mut self, key: &K) -> bool {
        let again = self.known.remove(key) == Some(Stage::RunningAndQueued);
        if again {
            self.enqueue(key.clone());
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_until_it_goes_well() {
        let mut retries = Retries::new(Backoff::new(
            Duration::from_secs(1),
            Duration::from_secs(30),
        ));
        let mut waits = || -> Vec<u64> { (0..7).map(|_| retries.failed(&"a").as_secs()).collect() };
        assert_eq!(waits(), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(waits(), [30; 7]);
        assert_eq!(retries.failed(&"b").as_secs(), 1);
        retries.over(&"a");
        assert_eq!(retries.failed(&"a").as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn events_make_no_wait_longer_and_what_is_due_comes_in_time() {
        let secs = Duration::from_secs;
        let mut retries = Retries::new(Backoff::new(secs(1), secs(600)));
        // Ten events while a settle delay passes: each attempt fails, and the delay is over when it is.
        for _ in 0..10 {
            retries.failed_with(&"a", None);
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert_eq!(retries.failed_with(&"a", None), Duration::from_millis(500));
        tokio::time::advance(secs(600)).await;
        for _ in 0..8 {
            retries.failed_with(&"a", None);
            tokio::time::advance(secs(600)).await;
        }
        let mut left = Duration::from_secs(5);
        for _ in 0..10 {
            assert_eq!(retries.failed_with(&"a", Some(left)), left);
            tokio::time::advance(Duration::from_millis(100)).await;
            left -= Duration::from_millis(100);
        }
        // Steps of a shift, one after the other, then a pause.
        let mut cut = 0;
        for _ in 0..10 {
            let wait = retries.failed_with(&"a", Some(secs(2)));
            cut += u32::from(wait == secs(2));
            tokio::time::advance(secs(2)).await;
        }
        assert!((3..=5).contains(&cut), "{cut}");
        tokio::time::advance(secs(12)).await;
        assert_eq!(retries.failed_with(&"a", Some(secs(2))), secs(2));
        retries.over(&"a");
        assert_eq!(retries.failed_with(&"a", None), secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_worked_on_by_one_worker_and_again_if_asked_meanwhile() {
        let queue = Queue::new();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, "b");
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        queue.done(&"b");
        let idle = tokio::time::timeout(Duration::from_secs(1), queue.next()).await;
        assert!(idle.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_counts() {
        let queue = Queue::new();
        let start = Instant::now();
        queue.add_at("a", start + Duration::from_secs(9));
        queue.add_at("a", start + Duration::from_secs(3));
        queue.add_at("a", start + Duration::from_secs(6));
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}
