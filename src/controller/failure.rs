//! Why a request to the API server failed, and what people are told of it.

use std::time::Duration;

use crate::api::Reason;
use crate::kubernetes::Kind;

/// Longest time for one request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Why something could not be written.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// A request with an end: the client itself would try for minutes.
pub(super) async fn timed<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(result) => result,
        Err(_) => Err(kube::Error::Service(
            format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()).into(),
        )),
    }
}

pub(super) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Answers that stay the same however often one asks: a right, a quota, an admission rule or a schema is in the way.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 403 | 405 | 413 | 415 | 422)
}

/// The API server refuses what was asked for, and would do so again.
pub(super) fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if is_refusal(status.code))
}

/// It is not known whether a write was done: there was no answer, or that of a server that failed on the way.
pub(super) fn may_be_written(error: &kube::Error) -> bool {
    !matches!(error, kube::Error::Api(status) if status.code < 500)
}

/// The uid in a write is not that of the object of that name, or there is none.
pub(super) fn is_about_uid(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let says = |words: &str| status.message.to_lowercase().contains(words);
    let about = ["uid in precondition", "uid mismatch", "metadata.uid"];
    matches!(status.code, 409 | 422) && about.into_iter().any(says)
}

pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// What people are told. The API server's messages name fields and values that we sent, none of which is secret.
pub(super) fn failure(what: &str, error: &kube::Error) -> Failure {
    let (reason, detail) = match error {
        kube::Error::Api(status) if is_refusal(status.code) => {
            (Reason::ApiServerRefused, status.message.clone())
        }
        kube::Error::Api(status) => (Reason::ApiServerError, status.message.clone()),
        other => (Reason::ApiServerError, other.to_string()),
    };
    Failure {
        reason,
        message: format!("could not {what}: {detail}"),
    }
}

/// The same of an object that the controller makes: `verb` is what could not be done to it.
pub(super) fn object_failure(verb: &str, kind: Kind, name: &str, error: &kube::Error) -> Failure {
    let what = format!("{verb} {kind} `{name}`");
    if kind == Kind::HttpRoute && is_unserved(error) {
        return Failure {
            reason: Reason::GatewayApiMissing,
            message: format!("could not {what}: the Gateway API is not installed"),
        };
    }
    failure(&what, error)
}

/// The API server knows no such kind. Where it is the object or its namespace that is not there, it says which.
fn is_unserved(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let details = status.details.as_ref();
    status.code == 404 && details.is_none_or(|details| details.kind.is_empty())
}
