//! One request, from its head to its answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::body::{Download, Flight, Progress, Silent, Upload, silence};
use super::head::{self, Place};
use super::metrics::Counts;
use super::page::{Answer, Page};
use super::path::{self, Normal};
use super::serve::{Client, Gateway};
use super::table::Rule;
use super::upgrade;
use super::upstream::{Open, SendError, Sender, Upstream};
use crate::words::{VersionNumber, shown};

/// Asks which version answered, in a request with `?`, and says it in the answer.
const VERSION: HeaderName = HeaderName::from_static("cutwater-version");
/// Longest part of a request that a page repeats, in bytes.
const SHOWN_MAX: usize = 200;

/// Who is to answer a request.
struct Choice {
    rule: Arc<Rule>,
    version: VersionNumber,
    counts: Arc<Counts>,
    open: Open,
}

/// Answers one request of a client.
pub(super) async fn answer(client: &Arc<Client>, request: Request<Incoming>) -> Response<Answer> {
    let begin = Instant::now();
    let gateway = &client.gateway;
    let (mut head, body) = request.into_parts();
    let (place, permit) = match admit(gateway, &mut head, &body) {
        Ok(admitted) => admitted,
        Err(page) => return refuse(gateway, page),
    };
    // Whoever is on this machine may know what runs here. One behind a proxy is not.
    let near =
        client.address.ip().to_canonical().is_loopback() && !head::is_forwarded(&head.headers);
    let choice = match choose(gateway, &place, &head) {
        Ok(choice) => choice,
        Err(NoChoice::Route(page)) => return refuse(gateway, page),
        Err(NoChoice::Process(rule)) => {
            let page = unserved(&rule, near);
            rule.unserved.answered(page.status, begin.elapsed());
            return page.response();
        }
    };
    let counts = Arc::clone(&choice.counts);
    let asked = Asked {
        head,
        body,
        place,
        near,
    };
    let response = pass(client, asked, choice, permit).await;
    counts.answered(response.status(), begin.elapsed());
    response
}

fn refuse(gateway: &Gateway, page: Page) -> Response<Answer> {
    gateway.metrics.refused(page.status);
    page.response()
}

/// What can be said before a route is asked.
fn admit(
    gateway: &Gateway,
    head: &mut Parts,
    body: &Incoming,
) -> Result<(Place, OwnedSemaphorePermit), Page> {
    let place = head::place(head)?;
    straighten(&mut head.uri)?;
    if body.size_hint().lower() > gateway.limits.body_bytes {
        return Err(too_large(gateway));
    }
    let permit = Arc::clone(&gateway.requests).try_acquire_owned();
    let permit = permit.map_err(|_| {
        let most = gateway.limits.requests;
        let text = format!("This gateway has {most} open requests and takes no more; try again.");
        Page::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    Ok((place, permit))
}

/// Gives a path its one spelling.
fn straighten(uri: &mut Uri) -> Result<(), Page> {
    let query = || {
        uri.query()
            .map_or_else(String::new, |query| format!("?{query}"))
    };
    let bad = || Page::new(StatusCode::BAD_REQUEST, "The path is malformed.");
    let path = match path::normal(uri.path()) {
        Normal::Path(Cow::Borrowed(_)) => return Ok(()),
        Normal::Path(Cow::Owned(path)) => path + &query(),
        Normal::Redirect(path) => return Err(Page::redirect(path + &query())),
        Normal::Malformed => return Err(bad()),
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| bad())?);
    *uri = Uri::from_parts(parts).map_err(|_| bad())?;
    Ok(())
}

/// A request that was admitted.
struct Asked {
    head: Parts,
    body: Incoming,
    place: Place,
    /// It comes from somebody on this machine.
    near: bool,
}

/// Why nobody is to answer.
enum NoChoice {
    /// No route.
    Route(Page),
    /// No version of it has a ready process.
    Process(Arc<Rule>),
}

/// Finds who is to answer, and counts the request in there, in one with the table: a process that begins to drain between
/// the two is not asked, and a table that was swapped meanwhile is read again.
fn choose(gateway: &Gateway, place: &Place, head: &Parts) -> Result<Choice, NoChoice> {
    loop {
        let table = gateway.table.load();
        let path = head.uri.path();
        let Some(rule) = table.find(&place.host, path) else {
            if table.is_starting() {
                let text = "This gateway has just been started and knows no route yet; try again.";
                return Err(NoChoice::Route(Page::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    text,
                )));
            }
            let asked = shown(&format!("{}{path}", place.host), SHOWN_MAX);
            let text = format!("No route takes {asked}.");
            return Err(NoChoice::Route(Page::new(StatusCode::NOT_FOUND, text)));
        };
        if let Some(target) = rule.pick(head, fastrand::u64(..)) {
            if let Some(open) = target.upstream.as_ref().and_then(Upstream::open) {
                return Ok(Choice {
                    rule: Arc::clone(rule),
                    version: target.version,
                    counts: Arc::clone(&target.counts),
                    open,
                });
            }
        } else if Arc::ptr_eq(&table, &gateway.table.load()) {
            return Err(NoChoice::Process(Arc::clone(rule)));
        }
    }
}

/// Passes a request to its process, and the answer back.
async fn pass(
    client: &Arc<Client>,
    asked: Asked,
    choice: Choice,
    permit: OwnedSemaphorePermit,
) -> Response<Answer> {
    let Asked {
        mut head,
        body,
        place,
        near,
    } = asked;
    let gateway = &client.gateway;
    let client_version = head.version;
    let wants_version = (head.headers.get(VERSION)).is_some_and(|value| value == "?");
    let wants_upgrade = head::wanted_upgrade(&head).is_some();
    let asks_for_head = head.method == Method::HEAD;
    gateway.table.load().conceal(&mut head.headers);
    head::outgoing(&mut head, &place, client.address.ip(), client.trusted);

    let limits = &gateway.limits;
    let counts = Arc::clone(&choice.counts);
    let body = Upload::new(body, client_version, limits.body_bytes, counts);
    let progress = body.progress();
    let mut request = Request::from_parts(head, body);
    let to_client = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
    let flight = Flight::new(choice.open, choice.counts, permit, Arc::clone(client));

    let sent = tokio::select! {
        sent = flight.open.send(request, limits.connect_time) => sent.map_err(Failure::Send),
        silent = silence(progress.clone(), limits.answer_time, limits.least_bytes()) => Err(Failure::Silent(silent)),
    };
    let who = Who {
        rule: &choice.rule,
        version: choice.version,
        near,
    };
    let (mut response, sender) = match sent {
        Ok(answered) => answered,
        Err(failure) => {
            return failed(gateway, &failure, progress.as_deref(), &flight, &who).response();
        }
    };

    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let sender = (!asks_for_head && !is_empty_with_body(&response)).then_some(sender);
    head::incoming(response.headers_mut(), upgraded);
    // That of the connection to the process, which is not this one.
    *response.version_mut() = Version::HTTP_11;
    if upgraded || head::is_event_stream(response.headers()) {
        flight.open.is_endless();
    }
    let mut response = match (upgraded, to_client) {
        (false, _) => passed(response, sender, flight),
        (true, Some(to_client)) => {
            let to_process = hyper::upgrade::on(&mut response);
            let (stop, time) = (gateway.stop.clone(), gateway.limits.upgrade_time);
            let copying = upgrade::copy(to_client, to_process, flight, time);
            gateway
                .tasks
                .spawn(async move { stop.run_until_cancelled(copying).await });
            response.map(|_| Either::Left(http_body_util::Full::default()))
        }
        (true, None) => {
            let text = "changed the protocol without being asked";
            return Page::new(StatusCode::BAD_GATEWAY, who.page(text)).response();
        }
    };
    if wants_version {
        let version = format!("{}/{}", choice.rule.app, choice.version.get());
        if let Ok(version) = HeaderValue::try_from(version) {
            response.headers_mut().insert(VERSION, version);
        }
    }
    response
}

/// An answer that can have no body and tells of one: it may be sent all the same, and would be the next answer of the
/// connection. So may that to HEAD.
fn is_empty_with_body(response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    let empty = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    empty
        && [CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|name| headers.contains_key(name))
}

fn passed(
    response: Response<Incoming>,
    sender: Option<Sender>,
    flight: Flight,
) -> Response<Answer> {
    response.map(|body| Either::Right(Download::new(body, sender, flight)))
}

/// Why a process did not answer.
enum Failure {
    Send(SendError),
    Silent(Silent),
}

/// The page for a request without an answer. What it does not tell the client, the log tells.
fn failed(
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
        Failure::Send(error) => {
            if let Some(more) = flight.counts.failures.say() {
                tracing::warn!(%address, "{who} did not answer: {error}{more}");
            }
            let (status, text) = match error {
                SendError::Connect(_) => (StatusCode::BAD_GATEWAY, "takes no connection"),
                SendError::ConnectTime => {
                    (StatusCode::GATEWAY_TIMEOUT, "took no connection in time")
                }
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
    }
}

fn too_large(gateway: &Gateway) -> Page {
    let most = gateway.limits.body_bytes;
    let text = format!("The body of the request is larger than {most} bytes.");
    Page::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn unserved(rule: &Rule, near: bool) -> Page {
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
struct Who<'a> {
    rule: &'a Rule,
    version: VersionNumber,
    /// It may be named to the client.
    near: bool,
}

impl Who<'_> {
    /// What it did, for the client.
    fn page(&self, did: &str) -> String {
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
