//! What a client is told, and the log, where a process did not answer a request.

use std::net::SocketAddr;

use hyper::StatusCode;

use super::client::Gateway;
use super::download::Flight;
use super::metrics::Counts;
use super::page::Page;
use super::table::Rule;
use super::upload::{Progress, Silent};
use super::upstream::SendError;
use crate::words::VersionNumber;

/// Why a process did not answer.
pub(super) enum Failure {
    Send(SendError),
    Silent(Silent),
}

/// The page for a request without an answer. What it does not tell the client, the log tells.
pub(super) fn failed(
    gateway: &Gateway,
    failure: &Failure,
    progress: Option<&Progress>,
    flight: &Flight,
    who: &Who<'_>,
) -> Page {
    if progress.is_some_and(Progress::too_large) {
        return too_large(gateway);
    }
    if progress.is_some_and(Progress::broken) {
        let text = "The body of the request is malformed or ended early.";
        return Page::new(StatusCode::BAD_REQUEST, text);
    }
    let seconds = gateway.limits.answer_time.as_secs_f64();
    let address = flight.open.address();
    match failure {
        Failure::Silent(Silent::Client) => {
            let text = format!("No byte of the body of the request came for {seconds} s.");
            Page::new(StatusCode::REQUEST_TIMEOUT, text)
        }
        Failure::Silent(Silent::Process) => {
            if let Some(more) = flight.counts.failures.say() {
                tracing::warn!(%address, "{who} gave no answer for {seconds} s{more}");
            }
            let text = format!("gave no answer for {seconds} s");
            Page::new(StatusCode::GATEWAY_TIMEOUT, who.page(&text))
        }
        Failure::Send(error) => unanswered(error, address, &flight.counts, who),
    }
}

/// The page for a request where a process took no connection, or ended it.
pub(super) fn unanswered(
    error: &SendError,
    address: SocketAddr,
    counts: &Counts,
    who: &Who<'_>,
) -> Page {
    if let Some(more) = counts.failures.say() {
        tracing::warn!(%address, "{who} did not answer: {error}{more}");
    }
    let (status, text) = match error {
        SendError::Connect(_) | SendError::Again { .. } => {
            (StatusCode::BAD_GATEWAY, "takes no connection")
        }
        SendError::ConnectTime => (StatusCode::GATEWAY_TIMEOUT, "took no connection in time"),
        SendError::Ended(error) if error.is_parse_too_large() => (
            StatusCode::BAD_GATEWAY,
            "answered with more than 100 headers, or with a head that is too large",
        ),
        SendError::Ended(error) if error.is_parse() => (
            StatusCode::BAD_GATEWAY,
            "answered with something other than HTTP/1.1",
        ),
        SendError::Ended(_) => (
            StatusCode::BAD_GATEWAY,
            "ended the connection without an answer",
        ),
    };
    Page::new(status, who.page(text))
}

pub(super) fn too_large(gateway: &Gateway) -> Page {
    let most = gateway.limits.body_bytes;
    let text = format!("The body of the request is larger than {most} bytes.");
    Page::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

pub(super) fn unserved(rule: &Rule, near: bool) -> Page {
    if !near {
        let text = "What answers here is not ready; try again.";
        return Page::new(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let Rule { owner, app, .. } = rule;
    let function = (rule.function.as_ref()).map(|function| format!(" for function {function}"));
    let function = function.unwrap_or_default();
    let text = if rule.holds {
        format!(
            "{owner}: the version of app {app} that is to answer has no ready process{function}, and with `onLoss: hold` no other one answers for it."
        )
    } else {
        format!(
            "{owner}: no version of app {app} that has a share of the traffic has a ready process{function}."
        )
    };
    Page::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Who was to answer, in words.
pub(super) struct Who<'a> {
    pub(super) rule: &'a Rule,
    pub(super) version: VersionNumber,
    /// It may be named to the client.
    pub(super) near: bool,
}

impl Who<'_> {
    /// What it did, for the client.
    pub(super) fn page(&self, did: &str) -> String {
        if self.near {
            format!("{self} {did}.")
        } else {
            format!("What answers here {did}.")
        }
    }
}

impl std::fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(function) = &self.rule.function {
            write!(f, "Function {function} of ")?;
        }
        write!(f, "{} {}", self.rule.app, self.version)
    }
}
