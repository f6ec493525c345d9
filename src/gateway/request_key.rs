//! What a request says that picks its version: headers, cookies and query parameters.
//!
//! Pure.

use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderName};
use hyper::http::request::Parts;

use crate::api::{AffinityKey, RequestMatch};

/// What the requests of one user have in common, made ready for requests.
#[derive(Debug)]
pub(super) enum Key {
    Header(HeaderName),
    Cookie(String),
}

/// What a request must have, made ready for requests.
#[derive(Debug)]
pub(super) enum Match {
    Header(HeaderName, String),
    Cookie(String, String),
    Query(String, String),
}

impl Key {
    /// Nothing for a name that is none of a header: it is in no request.
    pub(super) fn new(key: AffinityKey) -> Option<Self> {
        match key {
            AffinityKey::Header(name) => header_name(&name).map(Self::Header),
            AffinityKey::Cookie(name) => Some(Self::Cookie(name)),
        }
    }

    /// The key of a request; an empty one is none.
    pub(super) fn of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        let key = match self {
            Self::Header(name) => only(headers, name)?,
            Self::Cookie(name) => cookie(headers, name)?,
        };
        (!key.is_empty()).then_some(key)
    }
}

impl Match {
    /// Nothing for a name that is none of a header: no request fits.
    pub(super) fn new(requests: RequestMatch) -> Option<Self> {
        match requests {
            RequestMatch::Header { name, value } => {
                header_name(&name).map(|name| Self::Header(name, value))
            }
            RequestMatch::Cookie { name, value } => Some(Self::Cookie(name, value)),
            RequestMatch::Query { name, value } => Some(Self::Query(name, value)),
        }
    }

    pub(super) fn fits(&self, head: &Parts) -> bool {
        match self {
            Self::Header(name, value) => only(&head.headers, name) == Some(value.as_bytes()),
            Self::Cookie(name, value) => cookie(&head.headers, name) == Some(value.as_bytes()),
            Self::Query(name, value) => {
                let query = head.uri.query().unwrap_or_default();
                form_urlencoded::parse(query.as_bytes())
                    .find(|(found, _)| found == name)
                    .is_some_and(|(_, found)| found == *value)
            }
        }
    }
}

/// The value of a header that stands there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// A name that is none of a header is in no request.
pub(super) fn header_name(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}

/// The value of the first cookie with this name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    (headers.get_all(COOKIE).iter())
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=")
        })
}
