//! One request, from its head to its answer.

use std::sync::Arc;
use std::time::Instant;

use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::body::{Download, Flight, Progress, Silent, Upload, silence};
use super::head::{self, Place};
use super::metrics::Counts;
use super::page::{Answer, Page};
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
    let (head, body) = request.into_parts();
    let (place, permit) = match admit(gateway, &head, &body) {
        Ok(admitted) => admitted,
        Err(page) => return refuse(gateway, page),
    };
    let choice = match choose(gateway, &place, &head) {
        Ok(choice) => choice,
        Err(NoChoice::Route(page)) => return refuse(gateway, page),
        Err(NoChoice::Process(rule)) => {
            let page = unserved(&rule);
            rule.unserved.answered(page.status, begin.elapsed());
            return page.response();
        }
    };
    let counts = Arc::clone(&choice.counts);
    let response = pass(client, head, body, &place, choice, permit).await;
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
    head: &Parts,
    body: &Incoming,
) -> Result<(Place, OwnedSemaphorePermit), Page> {
    let place = head::place(head)?;
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
    mut head: Parts,
    body: Incoming,
    place: &Place,
    choice: Choice,
    permit: OwnedSemaphorePermit,
) -> Response<Answer> {
    let gateway = &client.gateway;
    let wants_version = (head.headers.get(VERSION)).is_some_and(|value| value == "?");
    let wants_upgrade = head::wanted_upgrade(&head).is_some();
    choice.rule.conceal(&mut head.headers);
    head::outgoing(&mut head, place, client.address.ip());

    let body = Upload::new(body, gateway.limits.body_bytes, Arc::clone(&choice.counts));
    let progress = body.progress();
    let mut request = Request::from_parts(head, body);
    let to_client = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
    let flight = Flight::new(choice.open, choice.counts, permit, Arc::clone(client));

    let sent = tokio::select! {
        sent = flight.open.send(request, gateway.limits.connect_time) => sent.map_err(Failure::Send),
        silent = silence(progress.clone(), gateway.limits.answer_time) => Err(Failure::Silent(silent)),
    };
    let who = Who {
        rule: &choice.rule,
        version: choice.version,
    };
    let (mut response, sender) = match sent {
        Ok(answered) => answered,
        Err(failure) => {
            return failed(gateway, &failure, progress.as_deref(), &flight, &who).response();
        }
    };

    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
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
            let text = format!("{who} changed the protocol without being asked.");
            return Page::new(StatusCode::BAD_GATEWAY, text).response();
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

fn passed(response: Response<Incoming>, sender: Sender, flight: Flight) -> Response<Answer> {
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
            tracing::warn!(%address, "{who} gave no answer for {seconds} s");
            let text = format!("{who} gave no answer for {seconds} s.");
            Page::new(StatusCode::GATEWAY_TIMEOUT, text)
        }
        Failure::Send(error) => {
            tracing::warn!(%address, "{who} did not answer: {error}");
            let (status, text) = match error {
                SendError::Connect(_) => (StatusCode::BAD_GATEWAY, "takes no connection"),
                SendError::ConnectTime => {
                    (StatusCode::GATEWAY_TIMEOUT, "took no connection in time")
                }
                SendError::Ended(error) if error.is_parse() => (
                    StatusCode::BAD_GATEWAY,
                    "answered with something other than HTTP/1.1",
                ),
                SendError::Ended(_) => (
                    StatusCode::BAD_GATEWAY,
                    "ended the connection without an answer",
                ),
            };
            Page::new(status, format!("{who} {text}."))
        }
    }
}

fn too_large(gateway: &Gateway) -> Page {
    let most = gateway.limits.body_bytes;
    let text = format!("The body of the request is larger than {most} bytes.");
    Page::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn unserved(rule: &Rule) -> Page {
    let Rule {
        owner,
        app,
        function,
        ..
    } = rule;
    let text = format!(
        "{owner}: no version of app {app} that has a share of the traffic has a ready process for function {function}."
    );
    Page::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Who was to answer, in words.
struct Who<'a> {
    rule: &'a Rule,
    version: VersionNumber,
}

impl std::fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rule { app, function, .. } = self.rule;
        write!(f, "Function {function} of {app} {}", self.version)
    }
}
