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

use super::choice::{Choice, Tried, Unreached, choose, reach};
use super::client::{Client, Gateway};
use super::download::{Download, Flight};
use super::exchange::{Answered, Exchange};
use super::failures::{Who, too_large};
use super::head::{self, Place};
use super::metrics::Counts;
use super::page::{Answer, Page};
use super::path::{self, Normal};
use super::table::Rule;
use super::upgrade;
use super::upload::Upload;
use super::upstream::{Connection, Sender};
use crate::words::VersionNumber;

/// Asks which version answered, in a request with `?`, and says it in the answer.
const VERSION: HeaderName = HeaderName::from_static("cutwater-version");

/// Answers one request of a client.
pub(super) async fn answer(client: &Arc<Client>, request: Request<Incoming>) -> Response<Answer> {
    let has_body = !request.body().is_end_stream() && request.version() <= Version::HTTP_11;
    let mut response = answered(client, request).await;
    let is_page = matches!(response.body(), Either::Left(_));
    if has_body && is_page && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        closes(&mut response);
    }
    response
}

/// Says that the connection ends with this answer. The rest of the request's body may not be read: what the client sends behind it would
/// be lost.
fn closes(response: &mut Response<Answer>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
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
    // One number for all tries: with a share that is held, a request stays in it.
    let (tried, random) = (Tried::default(), fastrand::u64(..));
    let choose = |without: &[VersionNumber]| choose(gateway, &place, &head, (random, without));
    let (choice, connection) = match reach(gateway, (&head.method, near), tried, choose).await {
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
    let mut awaited = Awaited {
        counts: Arc::clone(&choice.counts),
        is_answered: false,
    };
    let asked = Asked {
        head,
        body,
        place,
        near,
        random,
    };
    let counts = &mut awaited.counts;
    let response = pass(client, asked, (choice, connection), permit, counts).await;
    awaited.counts.answered(response.status(), begin.elapsed());
    awaited.is_answered = true;
    response
}

/// A request that was given to a process. Where the client leaves, nobody waits for the answer any more, and this goes.
struct Awaited {
    counts: Arc<Counts>,
    is_answered: bool,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if !self.is_answered {
            self.counts.gone();
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

/// Passes a request to its process, and the answer back.
async fn pass(
    client: &Arc<Client>,
    asked: Asked,
    (choice, connection): (Choice, Connection),
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
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // Without it hyper takes it that GET and HEAD have no body, and drops the one that is there. hyper frames it.
        let chunked = HeaderValue::from_static("chunked");
        head.headers.insert(TRANSFER_ENCODING, chunked);
    }

    let limits = &gateway.limits;
    let counts = Arc::clone(&choice.counts);
    let body = Upload::new(body, client_version, limits.body_bytes, counts);
    let progress = body.progress();
    let mut request = Request::from_parts(head, body);
    let to_client = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
    let rule = choice.rule;
    let exchange = Exchange {
        gateway,
        rule: &rule,
        wish: choice.wish,
        random,
        near,
        progress,
    };
    let flight = Flight::new(choice.open, choice.counts, permit, Arc::clone(client));
    let first = (choice.version, connection);
    let answered = match exchange.run(first, request, flight).await {
        Ok(answered) => answered,
        Err((page, counts)) => {
            *counted = counts;
            return page.response();
        }
    };
    let Answered {
        mut response,
        sender,
        flight,
        version,
    } = answered;
    *counted = Arc::clone(&flight.counts);
    let who = Who {
        rule: &rule,
        version,
        near,
    };

    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let sender = (!asks_for_head && !is_empty_with_body(&response)).then_some(sender);
    // A process that ends its connection here takes no more of a body. One that does not may answer while it takes it.
    let takes_no_more = exchange.progress.is_some_and(|progress| !progress.ended())
        && head::ends_connection(&response);
    head::incoming(response.headers_mut(), upgraded);
    // That of the connection to the process, which is not this one.
    *response.version_mut() = Version::HTTP_11;
    if upgraded || head::is_event_stream(response.headers()) {
        flight.open.is_endless();
    }
    let mut response = match (upgraded, to_client) {
        (false, _) => {
            let mut response = passed(response, sender, flight);
            if takes_no_more && client_version <= Version::HTTP_11 {
                closes(&mut response);
            }
            response
        }
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
