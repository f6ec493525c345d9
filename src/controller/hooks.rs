//! Webhooks: a forge says that a repository was pushed to, and it is fetched at once in place of at its next interval.
//!
//! Whoever calls is a stranger until the signature was checked. A call changes nothing but when a fetch is due, and what is answered to one
//! that is refused does not depend on which Repositories there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::context::Context;
use super::health::Health;
use super::hook_secrets::HookSecrets;
use super::key::ObjectKey;
use super::repositories::Pushed;
use super::secret;
use crate::status_server::{HOOK, Refusal, WebhookSecret};

/// Calls of one namespace that are listened to at the same time: the others have the rest of the room.
const AT_ONCE: usize = 16;
/// The earliest that a call is refused after it came: reading a Secret takes less, so that the time does not tell if there was one.
const REFUSED_AFTER: Duration = Duration::from_millis(250);
/// Longest name of a namespace.
const NAMESPACE_MAX: usize = 63;

/// What takes webhooks.
struct Hooks {
    context: Arc<Context>,
    health: Arc<Health>,
    secrets: Arc<HookSecrets>,
    calls: Calls,
}

/// What is answered at which path.
pub(super) fn router(context: &Arc<Context>, health: Arc<Health>) -> Router {
    let hooks = Hooks {
        context: Arc::clone(context),
        health,
        secrets: Arc::new(HookSecrets::new()),
        calls: Calls::default(),
    };
    Router::new()
        .route(&format!("{HOOK}/{{namespace}}/{{name}}"), post(hook))
        .with_state(Arc::new(hooks))
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A fetch is due.
    Accepted,
    /// The Repository is not fetched for now.
    Suspended,
    /// Too many calls of the namespace come at a time.
    Busy,
    /// It is not known yet which Repositories there are.
    Starting,
    /// There is no such Repository, or it has no secret, or the signature is another one.
    Refused,
    /// The same, because the Secret could not be read.
    NoSecret,
    /// There is no signature, or no body that it could be of.
    Malformed(Refusal),
}

impl Outcome {
    /// What it is called in metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Suspended => "suspended",
            Self::Busy => "busy",
            Self::Starting => "starting",
            Self::Refused => "refused",
            Self::NoSecret => "no_secret",
            Self::Malformed(_) => "malformed",
        }
    }

    fn answer(self) -> (StatusCode, String) {
        let (status, text) = match self {
            Self::Accepted => (StatusCode::ACCEPTED, "the repository is fetched"),
            Self::Suspended => (
                StatusCode::ACCEPTED,
                "the Repository is suspended: nothing is fetched while spec.suspend is true",
            ),
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many webhooks of this namespace come at a time; send it again",
            ),
            Self::Starting => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the controller is starting; send it again",
            ),
            Self::Refused | Self::NoSecret => (
                StatusCode::UNAUTHORIZED,
                "no Repository of this namespace and name has spec.webhookSecretRef with the secret of this signature; the log of the controller says if the Secret cannot be read",
            ),
            Self::Malformed(refusal) => return (refusal.status(), format!("{refusal}\n")),
        };
        (status, format!("{text}\n"))
    }
}

async fn hook(
    State(hooks): State<Arc<Hooks>>,
    Path(key): Path<ObjectKey>,
    request: Request,
) -> Response {
    let came = Instant::now();
    let outcome = hooks.hear(&key, request).await;
    hooks.health.count_webhook(outcome.word());
    debug!(namespace = key.0, repository = key.1, ?outcome, "a webhook");
    if matches!(
        outcome,
        Outcome::Refused | Outcome::NoSecret | Outcome::Malformed(_)
    ) {
        sleep_until(came + REFUSED_AFTER).await;
    }
    outcome.answer().into_response()
}

impl Hooks {
    async fn hear(&self, key: &ObjectKey, request: Request) -> Outcome {
        if !self.context.cache.lock().synced.contains("Repository") {
            return Outcome::Starting;
        }
        let (head, body) = request.into_parts();
        if !WebhookSecret::is_signed(&head.headers) {
            return Outcome::Malformed(Refusal::Missing);
        }
        let Some(_call) = self.calls.begin(&key.0) else {
            return Outcome::Busy;
        };
        let (secret, otherwise) = self.secret(key).await;
        let checked = match secret {
            Some(secret) => secret.check(&head.headers, body).await,
            // As much is done as if there were one.
            None => match WebhookSecret::none().check(&head.headers, body).await {
                Ok(()) => Err(Refusal::Wrong),
                Err(refusal) => Err(refusal),
            },
        };
        match checked {
            Ok(()) => match self.context.repositories.pushed(key) {
                Pushed::Due => Outcome::Accepted,
                Pushed::Suspended => Outcome::Suspended,
                Pushed::Gone => Outcome::Refused,
            },
            Err(Refusal::Wrong) => otherwise,
            Err(refusal) => Outcome::Malformed(refusal),
        }
    }

    /// What calls of a Repository are signed with, and what one is whose signature is another.
    async fn secret(&self, key: &ObjectKey) -> (Option<WebhookSecret>, Outcome) {
        let (namespace, name) = key;
        let repository = self.context.cache.repository(namespace, name);
        let named = repository.and_then(|repository| repository.spec.webhook_secret_ref.clone());
        let Some(named) = named else {
            return (None, Outcome::Refused);
        };
        let of = (namespace.clone(), named.name);
        let (client, asked) = (self.context.client.clone(), of.clone());
        let read = async move { secret::webhook(&client, &asked.0, &asked.1).await };
        match self.secrets.of(&of, read).await {
            Ok(secret) => (Some(secret), Outcome::Refused),
            Err(_) => (None, Outcome::NoSecret),
        }
    }
}

/// How many calls of each namespace there are, whether or not there is one of that name.
#[derive(Debug, Default)]
struct Calls(Mutex<HashMap<String, usize>>);

impl Calls {
    /// A call begins, where there is room for it. It ends with what is returned.
    fn begin(&self, namespace: &str) -> Option<Call<'_>> {
        // What cannot be a name is of one place, and its length costs nothing.
        let namespace = if namespace.len() > NAMESPACE_MAX {
            ""
        } else {
            namespace
        };
        let mut calls = self.0.lock();
        let count = calls.entry(namespace.to_owned()).or_insert(0);
        if *count >= AT_ONCE {
            return None;
        }
        *count += 1;
        Some(Call {
            calls: self,
            namespace: namespace.to_owned(),
        })
    }
}

/// A call that is listened to.
#[derive(Debug)]
struct Call<'a> {
    calls: &'a Calls,
    namespace: String,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut calls = self.calls.0.lock();
        if let Some(count) = calls.get_mut(&self.namespace) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                calls.remove(&self.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_is_flooded_takes_no_place_of_others() {
        let calls = Calls::default();
        let held: Vec<_> = (0..100).filter_map(|_| calls.begin("bad")).collect();
        assert_eq!(held.len(), AT_ONCE);
        assert!(calls.begin("good").is_some());
        drop(held);
        assert!(calls.begin("bad").is_some());
        let long = "x".repeat(10_000);
        let held: Vec<_> = (0..100).filter_map(|_| calls.begin(&long)).collect();
        assert_eq!(held.len(), AT_ONCE);
        assert!(calls.begin(&format!("{long}y")).is_none());
        drop(held);
        assert!(calls.0.lock().is_empty(), "places are forgotten");
    }

    #[test]
    fn what_is_refused_tells_nothing_of_names() {
        assert_eq!(Outcome::Refused.answer(), Outcome::NoSecret.answer());
        assert_eq!(Outcome::Refused.answer().0, StatusCode::UNAUTHORIZED);
    }
}
