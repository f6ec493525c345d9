//! Who is to answer a request, and a connection to it.

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::client::Gateway;
use super::failures::{Who, unanswered, unserved};
use super::head::Place;
use super::metrics::Counts;
use super::page::Page;
use super::table::{Rule, Target, Wish};
use super::upstream::{Connection, Open, SendError, Upstream};
use crate::words::{VersionNumber, shown};

/// Longest part of a request that a page repeats, in bytes.
const SHOWN_MAX: usize = 200;

/// Who is to answer a request.
pub(super) struct Choice {
    pub(super) rule: Arc<Rule>,
    pub(super) version: VersionNumber,
    pub(super) wish: Wish,
    pub(super) counts: Arc<Counts>,
    pub(super) open: Open,
}

impl Choice {
    /// Counts a request in there; nothing where the process begins to drain.
    fn of(rule: &Arc<Rule>, target: &Target, wish: Wish) -> Option<Self> {
        let open = target.upstream.as_ref().and_then(Upstream::open)?;
        Some(Self {
            rule: Arc::clone(rule),
            version: target.version,
            wish,
            counts: Arc::clone(&target.counts),
            open,
        })
    }
}

/// The answer to a request that was sent to nobody, and where it counts, if a route takes it.
pub(super) struct Unreached {
    pub(super) page: Page,
    pub(super) counts: Option<Arc<Counts>>,
}

/// The versions whose processes took no connection for a request, and what is said where no other is left.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) versions: Vec<VersionNumber>,
    pub(super) failure: Option<Unreached>,
}

/// Finds who is to answer and takes a connection. A process that takes none, as one that has just ended, has seen nothing of the request:
/// it counts as one that is not ready, and the others are asked.
pub(super) async fn reach(
    gateway: &Gateway,
    (method, near): (&Method, bool),
    tried: Tried,
    choose: impl Fn(&[VersionNumber]) -> Result<Choice, NoChoice>,
) -> Result<(Choice, Connection), Unreached> {
    let Tried {
        mut versions,
        mut failure,
    } = tried;
    loop {
        let choice = match choose(&versions) {
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
        match choice.open.connection(method, time).await {
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

/// Why nobody is to answer.
pub(super) enum NoChoice {
    /// No route.
    Route(Page),
    /// No version of it has a ready process.
    Process(Arc<Rule>),
}

/// Finds who is to answer, other than these versions, and counts the request in there, in one with the table: a process that begins to
/// drain between the two is not asked, and a table that was swapped meanwhile is read again.
pub(super) fn choose(
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
        let wish = rule.wish(head);
        if let Some(target) = rule.pick(&wish, random, without) {
            if let Some(choice) = Choice::of(rule, target, wish) {
                return Ok(choice);
            }
        } else if Arc::ptr_eq(&table, &gateway.table.load()) {
            return Err(NoChoice::Process(Arc::clone(rule)));
        }
    }
}

/// Finds who else is to answer a request, by what decided it first.
pub(super) fn choose_again(
    rule: &Arc<Rule>,
    wish: &Wish,
    random: u64,
    without: &[VersionNumber],
) -> Result<Choice, NoChoice> {
    while let Some(target) = rule.pick(wish, random, without) {
        // One that begins to drain is not picked once more.
        if let Some(choice) = Choice::of(rule, target, *wish) {
            return Ok(choice);
        }
    }
    Err(NoChoice::Process(Arc::clone(rule)))
}
