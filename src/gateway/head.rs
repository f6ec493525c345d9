//! The heads of requests and answers: what is refused, what ends here, and what is added.
//!
//! Pure.

use std::net::IpAddr;

use hyper::header::{
    CONNECTION, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use super::page::Page;

/// Where a request is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As it was asked for, port included.
    pub(super) authority: Authority,
    /// Lower case, without port and without a dot at the end.
    pub(super) host: String,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Headers that are about one connection (RFC 9110, 7.6.1), beside what `Connection` names. `Trailer` is not: it tells the
/// next connection which trailers to carry.
const OF_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where a request is to go, if it is one that can be passed on without doubt about its meaning.
pub(super) fn place(head: &Parts) -> Result<Place, Page> {
    let bad = |text: &str| Err(Page::new(StatusCode::BAD_REQUEST, text));
    if head.method == Method::CONNECT {
        let text = "This gateway opens no tunnels: CONNECT is refused.";
        return Err(Page::new(StatusCode::METHOD_NOT_ALLOWED, text));
    }
    if !head.uri.path().starts_with('/') {
        return bad("The request asks for no path; it must start with a slash.");
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    // hyper has taken a Content-Length beside it away, and closes the connection behind such a request.
    if let Some(coding) = codings.next() {
        let chunked = coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() {
            let text = "Of all transfer codings this gateway takes `chunked` alone.";
            return Err(Page::new(StatusCode::NOT_IMPLEMENTED, text));
        }
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return bad("The request has more than one Host header; send one.");
    }
    let header = header.map(|value| Authority::try_from(value.as_bytes()));
    let authority = match (head.uri.authority(), header) {
        (_, Some(Err(_))) => {
            return bad("The Host header is not a hostname with or without a port.");
        }
        (None, None) => return bad("The request names no host; send a Host header."),
        (None, Some(Ok(header))) => header,
        (Some(target), Some(Ok(header)))
            if head.version == Version::HTTP_2 && *target != header =>
        {
            return bad("The request names two hosts, in :authority and in Host; send one.");
        }
        (Some(target), _) => target.clone(),
    };
    if authority.as_str().contains('@') {
        return bad("The request has a user name in front of its host; leave it out.");
    }
    let host = authority.host();
    if !is_port(authority.as_str().strip_prefix(host).unwrap_or_default()) {
        return bad("The port of the host is none; write a number up to 65535.");
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    Ok(Place { authority, host })
}

/// True for nothing, or a colon and a port, which may be left out.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or(text);
    let digits_only = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.is_empty() || (text.len() > digits.len() && digits_only && digits.parse::<u16>().is_ok())
}

/// True where a proxy in front of the gateway says so.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    [FORWARDED_FOR, FORWARDED, VIA]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// The protocol that a request asks to change to. HTTP/2 is not one: requests on such a connection would pass by unseen.
pub(super) fn wanted_upgrade(head: &Parts) -> Option<HeaderValue> {
    let upgrade = head.headers.get(UPGRADE)?;
    let http2 = tokens(&head.headers, &UPGRADE).any(|token| {
        let token = token.to_ascii_lowercase();
        token == "h2c" || token == "h2" || token.starts_with("http/")
    });
    let named =
        tokens(&head.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    (head.version == Version::HTTP_11 && named && !http2).then(|| upgrade.clone())
}

/// Makes the head of a request that of the request to the process. What it says of the way that it has come counts where the
/// client is a proxy that is trusted, and is taken away where not.
pub(super) fn outgoing(head: &mut Parts, place: &Place, client: IpAddr, trusted: bool) {
    let upgrade = wanted_upgrade(head);
    let trailers = tokens(&head.headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    strip(&mut head.headers);
    match (upgrade, trailers) {
        (Some(upgrade), _) => {
            let connection = HeaderValue::from_static("upgrade");
            head.headers.insert(CONNECTION, connection);
            head.headers.insert(UPGRADE, upgrade);
        }
        (None, true) => {
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("te"));
        }
        (None, false) => {}
    }
    if trailers {
        head.headers.insert(TE, TRAILERS);
    }
    // The gateway has said `100 Continue` by reading the body.
    let continues = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if head.headers.get(EXPECT).is_some_and(continues) {
        head.headers.remove(EXPECT);
    }
    if let Some(cookies) = joined(&head.headers, &COOKIE, "; ") {
        head.headers.insert(COOKIE, cookies);
    }
    if !trusted {
        distrust(&mut head.headers);
    }
    let host = header_value(place.authority.as_str());
    let client = client.to_canonical().to_string();
    let path = match joined(&head.headers, &FORWARDED_FOR, ", ")
        .as_ref()
        .map(HeaderValue::to_str)
    {
        Some(Ok(before)) if !before.is_empty() => format!("{before}, {client}"),
        _ => client,
    };
    if let Some(path) = header_value(&path) {
        head.headers.insert(FORWARDED_FOR, path);
    }
    if !head.headers.contains_key(FORWARDED_PROTO) {
        let http = HeaderValue::from_static("http");
        head.headers.insert(FORWARDED_PROTO, http);
    }
    if let Some(host) = host {
        if !head.headers.contains_key(FORWARDED_HOST) {
            head.headers.insert(FORWARDED_HOST, host.clone());
        }
        head.headers.insert(HOST, host);
    }
    let path = head.uri.path_and_query().cloned();
    head.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    head.version = Version::HTTP_11;
}

/// True for an answer that goes on until somebody ends it.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// True where a process says that its connection ends with this answer.
pub(super) fn ends_connection<B>(response: &Response<B>) -> bool {
    response.version() < Version::HTTP_11
        || tokens(response.headers(), &CONNECTION).any(|token| token.eq_ignore_ascii_case("close"))
}

/// Takes from an answer what is about the connection to the process; `upgraded` ones keep what they changed to.
pub(super) fn incoming(headers: &mut HeaderMap, upgraded: bool) {
    let upgrade = headers.get(UPGRADE).cloned();
    strip(headers);
    if let Some(upgrade) = upgrade.filter(|_| upgraded) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
}

/// Takes away what a proxy would say of the way that a request has come, in each spelling that programs take for it.
fn distrust(headers: &mut HeaderMap) {
    let tells_the_way = |name: &&HeaderName| {
        let name = name.as_str().as_bytes();
        let is = |word: &[u8]| {
            let same = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
            name.len() >= word.len() && name.iter().zip(word).all(same)
        };
        match name.first() {
            Some(b'x') => is(b"x-forwarded-") || (name.len() == 9 && is(b"x-real-ip")),
            Some(b'f') => name == b"forwarded",
            _ => false,
        }
    };
    let told: Vec<HeaderName> = headers.keys().filter(tells_the_way).cloned().collect();
    for name in told {
        headers.remove(name);
    }
}

/// The words of a header that is a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    (headers.get_all(name).iter())
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The lines of a header as one; `None` where there is none, or no text.
fn joined(headers: &HeaderMap, name: &HeaderName, between: &str) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.clone();
    let mut rest = lines.peekable();
    if rest.peek().is_none() {
        return Some(first);
    }
    let mut all = first.as_bytes().to_vec();
    for line in rest {
        all.extend_from_slice(between.as_bytes());
        all.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(all)).ok()
}

fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
