//! One request, from its head to its answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Either;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::OwnedSemaphorePermit;

use super::body::{Download, Flight, Upload, silence};
use super::failures::{Failure, Who, failed, too_large, unanswered, unserved};
use super::head::{self, Place};
use super::metrics::Counts;
use super::page::{Answer, Page};
use super::path::{self, Normal};
use super::serve::{Client, Gateway};
use super::table::Rule;
use super::upgrade;
use super::upstream::{Connection, Open, SendError, Sender, Upstream};
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
    let has_body = !request.body().is_end_stream() && request.version() <= Version::HTTP_11;
    let mut response = answered(client, request).await;
    let is_page = matches!(response.body(), Either::Left(_));
    if has_body && is_page && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The rest of the body may not be read: what the client sends behind it would be lost.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn answered(client: &Arc<Client>, request: Request<Incoming>) -> Response<Answer> {
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
    let tried = Tried::new();
    let random = tried.random;
    let (choice, connection) = match reach(gateway, &place, (&head, near), tried).await {
        Ok(reached) => reached,
        Err(Unreached { page, counts: None }) => return refuse(gateway, page),
        Err(Unreached {
            page,
            counts: Some(counts),
        }) => {
            counts.answered(page.status, begin.elapsed());
            return page.response();
        }
    };
    let mut counts = Arc::clone(&choice.counts);
    let asked = Asked {
        head,
        body,
        place,
        near,
        random,
    };
    let response = pass(client, asked, (choice, connection), permit, &mut counts).await;
    counts.answered(response.status(), begin.elapsed());
    response
}

/// The answer to a request that was sent to nobody, and where it counts, if a route takes it.
struct Unreached {
    page: Page,
    counts: Option<Arc<Counts>>,
}

/// The versions whose processes took no connection for a request, and what is said where no other is left.
struct Tried {
    /// One number for all tries: with a share that is held, a request stays in it.
    random: u64,
    versions: Vec<VersionNumber>,
    failure: Option<Unreached>,
}

impl Tried {
    fn new() -> Self {
        Self {
            random: fastrand::u64(..),
            versions: Vec::new(),
            failure: None,
        }
    }
}

/// Finds who is to answer and takes a connection. A process that takes none, as one that has just ended, has seen nothing of the request:
/// it counts as one that is not ready, and the others are asked.
async fn reach(
    gateway: &Gateway,
    place: &Place,
    (head, near): (&Parts, bool),
    tried: Tried,
) -> Result<(Choice, Connection), Unreached> {
    let Tried {
        random,
        mut versions,
        mut failure,
    } = tried;
    loop {
        let choice = match choose(gateway, place, head, (random, &versions)) {
            Ok(choice) => choice,
            Err(NoChoice::Route(page)) => return Err(Unreached { page, counts: None }),
            Err(NoChoice::Process(rule)) => {
                let failure = failure.filter(|_| !rule.holds);
                return Err(failure.unwrap_or_else(|| Unreached {
                    page: unserved(&rule, near),
                    counts: Some(Arc::clone(&rule.unserved)),
                }));
            }
        };
        let time = gateway.limits.connect_time;
        match choice.open.connection(&head.method, time).await {
            Ok(connection) => return Ok((choice, connection)),
            Err(error) => {
                versions.push(choice.version);
                let is_late = matches!(error, SendError::ConnectTime);
                let who = Who {
                    rule: &choice.rule,
                    version: choice.version,
                    near,
                };
                let unreached = Unreached {
                    page: unanswered(&error, choice.open.address(), &choice.counts, &who),
                    counts: Some(choice.counts),
                };
                // The client has waited long enough, and one that is overloaded is not to hand that on.
                if is_late {
                    return Err(unreached);
                }
                failure = Some(unreached);
            }
        }
    }
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
    /// What chose who answers, where chance does.
    random: u64,
}

/// Why nobody is to answer.
enum NoChoice {
    /// No route.
    Route(Page),
    /// No version of it has a ready process.
    Process(Arc<Rule>),
}

/// Finds who is to answer, and counts the request in there, in one with the table: a process that begins to drain between
/// the two is not asked, and a table that was swapped meanwhile is read again. Nor are these versions.
fn choose(
    gateway: &Gateway,
    place: &Place,
    head: &Parts,
    (random, without): (u64, &[VersionNumber]),
) -> Result<Choice, NoChoice> {
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
        if let Some(target) = rule.pick(head, random, without) {
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
    (choice, mut connection): (Choice, Connection),
    permit: OwnedSemaphorePermit,
    counted: &mut Arc<Counts>,
) -> Response<Answer> {
    let Asked {
        mut head,
        body,
        place,
        near,
        random,
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
    let (mut rule, mut version) = (choice.rule, choice.version);
    let mut flight = Flight::new(choice.open, choice.counts, permit, Arc::clone(client));
    let mut without = vec![version];

    let (mut response, sender) = loop {
        let sent = tokio::select! {
            sent = flight.open.send(request, connection, limits.connect_time) => sent.map_err(Failure::Send),
            silent = silence(progress.clone(), limits.answer_time, limits.least_bytes()) => Err(Failure::Silent(silent)),
        };
        let failure = match sent {
            Ok(answered) => break answered,
            Err(failure) => failure,
        };
        let page = {
            let rule = &rule;
            let who = Who {
                rule,
                version,
                near,
            };
            failed(gateway, &failure, progress.as_deref(), &flight, &who)
        };
        let Failure::Send(SendError::Again(again, _)) = failure else {
            return page.response();
        };
        // The process has just ended: others are asked, as where it took no connection at first.
        let (head, body) = again.into_parts();
        let counts = Some(Arc::clone(&flight.counts));
        let tried = Tried {
            random,
            versions: without.clone(),
            failure: Some(Unreached { page, counts }),
        };
        match reach(gateway, &place, (&head, near), tried).await {
            Ok((next, its)) => {
                flight.turn(next.open, Arc::clone(&next.counts));
                (rule, version, *counted, connection) = (next.rule, next.version, next.counts, its);
                without.push(version);
                request = Request::from_parts(head, body);
            }
            Err(unreached) => {
                *counted = unreached.counts.unwrap_or_else(|| Arc::clone(counted));
                return unreached.page.response();
            }
        }
    };
    let who = Who {
        rule: &rule,
        version,
        near,
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
        tell(&mut response, &rule, version);
    }
    response
}

/// Says in an answer which version it is of.
fn tell(response: &mut Response<Answer>, rule: &Rule, version: VersionNumber) {
    let version = format!("{}/{}", rule.app, version.get());
    if let Ok(version) = HeaderValue::try_from(version) {
        response.headers_mut().insert(VERSION, version);
    }
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
