//! What webhooks are signed with, as it was read a moment ago: so that calls of anybody cost the API server next to nothing.
//!
//! A Secret is read at most once in a short time, one at a time of each namespace and few at a time in all, however many calls there
//! are. Nobody waits for a Secret of another namespace. What was read is in memory only, and goes into no message.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::key::ObjectKey;
use super::secret::NoSecret;
use super::turns::Turns;
use crate::status_server::WebhookSecret;

/// How long what was read counts, and that it could not be read: a Secret that is changed counts after that.
const FRESH: Duration = Duration::from_secs(3);
/// Longest time for reading, and for waiting for others of the namespace that read.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this time without a call a Secret is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// Secrets that are read at the same time.
const READING: usize = 8;

/// A secret that is not known, which is said in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

/// What was read of one Secret.
#[derive(Debug)]
struct Held {
    at: Instant,
    read: Result<WebhookSecret, NoSecret>,
    /// When the API server said that last.
    said: Instant,
}

/// All that were read lately.
#[derive(Debug)]
pub(super) struct HookSecrets {
    held: Mutex<HashMap<ObjectKey, Held>>,
    /// One turn for each namespace of which something is read.
    turns: Turns<String>,
    reading: Semaphore,
}

impl HookSecrets {
    pub(super) fn new() -> Self {
        Self {
            held: Mutex::default(),
            turns: Turns::default(),
            reading: Semaphore::new(READING),
        }
    }

    /// The secret of a namespace and a name, by `read` where it was not read just now.
    pub(super) async fn of(
        self: &Arc<Self>,
        key: &ObjectKey,
        read: impl Future<Output = Result<WebhookSecret, NoSecret>> + Send + 'static,
    ) -> Result<WebhookSecret, Unknown> {
        if let Some(known) = self.fresh(key) {
            return known;
        }
        let turn = timeout(PATIENCE, self.turns.turn(key.0.clone(), 1)).await;
        let turn = turn.map_err(|_| Unknown)?;
        // Whoever had the turn before may have read it.
        if let Some(known) = self.fresh(key) {
            return known;
        }
        let (all, key) = (Arc::clone(self), key.clone());
        // It goes on when its caller hangs up: else each that calls and hangs up would have it read once more.
        let reading = tokio::spawn(async move {
            let place = all.reading.acquire().await;
            let read = timeout(PATIENCE, read).await;
            drop(place);
            let read = read.unwrap_or_else(|_| {
                let seconds = PATIENCE.as_secs();
                let problem = format!("the API server did not answer in {seconds} s");
                Err(NoSecret::Unanswered(problem))
            });
            let known = all.keep(key, read);
            drop(turn);
            known
        });
        reading.await.unwrap_or(Err(Unknown))
    }

    fn fresh(&self, key: &ObjectKey) -> Option<Result<WebhookSecret, Unknown>> {
        let held = self.held.lock();
        let held = held.get(key).filter(|held| held.at.elapsed() < FRESH)?;
        Some(held.read.clone().map_err(|_| Unknown))
    }

    fn keep(
        &self,
        key: ObjectKey,
        read: Result<WebhookSecret, NoSecret>,
    ) -> Result<WebhookSecret, Unknown> {
        let mut all = self.held.lock();
        all.retain(|_, held| held.at.elapsed() < FORGOTTEN);
        let at = Instant::now();
        // What the API server does not say now counts as it said it last.
        if matches!(read, Err(NoSecret::Unanswered(_)))
            && let Some(held) = all.get_mut(&key)
            && held.said.elapsed() < FORGOTTEN
            && let Ok(secret) = &held.read
        {
            held.at = at;
            return Ok(secret.clone());
        }
        let before = all.get(&key).and_then(|held| held.read.as_ref().err());
        let problem = read.as_ref().err().filter(|it| before != Some(it));
        if let Some(NoSecret::Absent(problem) | NoSecret::Unanswered(problem)) = problem {
            warn!(
                namespace = key.0,
                secret = key.1,
                "webhooks of the Repositories whose spec.webhookSecretRef names this Secret are refused: {problem}"
            );
        }
        let known = read.clone().map_err(|_| Unknown);
        let said = at;
        all.insert(key, Held { at, read, said });
        known
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::http::HeaderMap;

    use super::*;

    fn key(namespace: &str, name: &str) -> ObjectKey {
        (namespace.to_owned(), name.to_owned())
    }

    fn secret(text: &str) -> Result<WebhookSecret, NoSecret> {
        WebhookSecret::new(text).ok_or_else(|| NoSecret::Absent(String::new()))
    }

    /// True where this is what was read.
    async fn is(known: Result<WebhookSecret, Unknown>, text: &str) -> bool {
        let headers = [("x-gitlab-token".parse().unwrap(), text.parse().unwrap())];
        let headers = HeaderMap::from_iter(headers);
        known.unwrap().check(&headers, Body::empty()).await.is_ok()
    }

    /// A read that takes a second, and is counted.
    async fn counted(count: Arc<AtomicUsize>) -> Result<WebhookSecret, NoSecret> {
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        secret("first")
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_are_one_read_and_a_change_counts_soon() {
        let secrets = Arc::new(HookSecrets::new());
        let hook = key("shop", "hook");
        let reads = Arc::new(AtomicUsize::new(0));
        let calls = (0..50).map(|_| secrets.of(&hook, counted(reads.clone())));
        for known in futures::future::join_all(calls).await {
            assert!(is(known, "first").await);
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        let changed = async || secrets.of(&hook, async { secret("second") }).await;
        assert!(is(changed().await, "first").await);
        tokio::time::advance(FRESH).await;
        assert!(is(changed().await, "second").await);
        tokio::time::advance(FRESH).await;
        let gone = async { Err(NoSecret::Absent("there is no Secret".to_owned())) };
        assert!(secrets.of(&hook, gone).await.is_err());
        assert!(changed().await.is_err(), "that counts as long");
        drop(secrets.turns.turn("other".to_owned(), 1).await);
        assert_eq!(secrets.turns.len(), 1, "turns are forgotten");
        tokio::time::advance(FORGOTTEN).await;
        let other = key("shop", "other");
        assert!(secrets.of(&other, async { secret("a") }).await.is_ok());
        assert_eq!(
            secrets.held.lock().len(),
            1,
            "and so is what nobody asks for"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_counts_while_the_api_server_does_not_answer_and_not_for_ever() {
        let secrets = Arc::new(HookSecrets::new());
        let hook = key("shop", "hook");
        assert!(secrets.of(&hook, async { secret("first") }).await.is_ok());
        let away = async || {
            let away = async { Err(NoSecret::Unanswered("it is away".to_owned())) };
            secrets.of(&hook, away).await
        };
        let mut known = 0;
        while known < 1_000 {
            tokio::time::advance(FRESH).await;
            match away().await {
                Ok(secret) => assert!(is(Ok(secret), "first").await),
                Err(Unknown) => break,
            }
            known += 1;
        }
        let lasted = FRESH * known;
        assert!(
            lasted + 2 * FRESH >= FORGOTTEN && lasted <= FORGOTTEN,
            "{lasted:?}"
        );
        // What is said to be gone is gone at once.
        tokio::time::advance(FRESH).await;
        assert!(secrets.of(&hook, async { secret("second") }).await.is_ok());
        tokio::time::advance(FRESH).await;
        let gone = async { Err(NoSecret::Absent("there is no Secret".to_owned())) };
        assert!(secrets.of(&hook, gone).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_has_nothing_read_twice() {
        let secrets = Arc::new(HookSecrets::new());
        let hook = key("shop", "hook");
        let reads = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let call = secrets.of(&hook, counted(reads.clone()));
            assert!(timeout(Duration::from_millis(20), call).await.is_err());
        }
        assert!(secrets.of(&hook, counted(reads.clone())).await.is_ok());
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_holds_up_its_own_namespace_for_a_moment() {
        let secrets = Arc::new(HookSecrets::new());
        let (known, good) = (key("bad", "known"), key("good", "hook"));
        assert!(secrets.of(&known, async { secret("a") }).await.is_ok());
        let silent: Vec<_> = (0..20)
            .map(|number| {
                let (secrets, name) = (secrets.clone(), key("bad", &format!("{number}")));
                tokio::spawn(async move { secrets.of(&name, pending()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        assert!(secrets.of(&good, async { secret("b") }).await.is_ok());
        assert!(secrets.of(&known, pending()).await.is_ok());
        assert_eq!(began.elapsed(), Duration::ZERO);
        for call in silent {
            assert!(call.await.unwrap().is_err());
        }
        assert!(began.elapsed() <= 2 * PATIENCE, "{:?}", began.elapsed());
    }
}
