//! Answers that the gateway gives itself: a status and one sentence that says what is missing, as plain text.
//!
//! No page says which hostnames, paths or addresses there are, and only one for somebody on this machine names an app.

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use super::download::Download;

/// The body of an answer: a page, or what a process sends.
pub(super) type Answer = Either<Full<Bytes>, Download>;

/// A status and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// Where the client is to go instead.
    pub(super) location: Option<String>,
}

impl Page {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            location: None,
        }
    }

    /// Sends a client elsewhere; it is to ask there in the same way.
    pub(super) fn redirect(location: String) -> Self {
        let text = "The path has an escaped slash: ask without.";
        Self {
            location: Some(location),
            ..Self::new(StatusCode::TEMPORARY_REDIRECT, text)
        }
    }

    pub(super) fn response(self) -> Response<Answer> {
        let text = format!("{}\n", self.text);
        let mut response = Response::new(Either::Left(Full::new(Bytes::from(text))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let text_plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text_plain);
        if let Some(location) = self.location.and_then(|it| HeaderValue::try_from(it).ok()) {
            headers.insert(LOCATION, location);
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The text holds what the client sent: no browser is to guess that it is HTML.
        headers.insert(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}
