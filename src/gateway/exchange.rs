//! A request on its way to its process, and the head of the answer; to another process where that one ends.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

use super::choice::{Choice, Tried, Unreached, choose_again, reach};
use super::client::Gateway;
use super::download::Flight;
use super::failures::{Failure, Who, failed};
use super::metrics::Counts;
use super::page::Page;
use super::table::{Rule, Wish};
use super::upload::{Progress, Upload, silence};
use super::upstream::{Connection, SendError, Sender};
use crate::words::VersionNumber;

/// What stays the same, whoever answers.
pub(super) struct Exchange<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) rule: &'a Arc<Rule>,
    /// What decides who answers: of the head that the client sent, and by chance.
    pub(super) wish: Wish,
    pub(super) random: u64,
    /// The client is on this machine.
    pub(super) near: bool,
    /// How far the body of the request is, if it has one.
    pub(super) progress: Option<Arc<Progress>>,
}

/// The head of an answer, with the connection that carries the rest.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) sender: Sender,
    pub(super) flight: Flight,
    pub(super) version: VersionNumber,
}

impl Exchange<'_> {
    /// Sends a request to the first who was chosen, over this connection.
    ///
    /// # Errors
    /// The page for the client where nobody answers, and where that counts.
    pub(super) async fn run(
        &self,
        (mut version, mut connection): (VersionNumber, Connection),
        mut request: Request<Upload>,
        mut flight: Flight,
    ) -> Result<Answered, (Page, Arc<Counts>)> {
        let limits = &self.gateway.limits;
        let (mut without, mut was_seen) = (vec![version], false);
        loop {
            let sent = tokio::select! {
                sent = flight.open.send(request, connection, limits.connect_time) => sent.map_err(Failure::Send),
                silent = silence(self.progress.clone(), limits.answer_time, limits.least_bytes()) => Err(Failure::Silent(silent)),
            };
            let failure = match sent {
                Ok((response, sender)) => {
                    return Ok(Answered {
                        response,
                        sender,
                        flight,
                        version,
                    });
                }
                Err(failure) => failure,
            };
            let who = Who {
                rule: self.rule,
                version,
                near: self.near,
            };
            let page = failed(
                self.gateway,
                &failure,
                self.progress.as_deref(),
                &flight,
                &who,
            );
            let counts = Arc::clone(&flight.counts);
            let Failure::Send(SendError::Again {
                request: again,
                seen,
                ..
            }) = failure
            else {
                return Err((page, counts));
            };
            // The process has just ended: others are asked, as where it took no connection at first. What it may have seen may have
            // ended it, and is not to end all, nor one that nobody asked for.
            let is_for_all = self.wish.is_by_chance() && !self.rule.holds;
            if seen && (std::mem::replace(&mut was_seen, true) || !is_for_all) {
                return Err((page, counts));
            }
            request = *again;
            let unreached = Unreached {
                page,
                counts: Some(Arc::clone(&counts)),
            };
            let next = self.next(&request, &without, unreached).await;
            let (choice, its) =
                next.map_err(|unreached| (unreached.page, unreached.counts.unwrap_or(counts)))?;
            flight.turn(choice.open, Arc::clone(&choice.counts));
            request.body_mut().turn(choice.counts);
            (version, connection) = (choice.version, its);
            without.push(version);
        }
    }

    /// Finds who else takes a connection.
    async fn next(
        &self,
        request: &Request<Upload>,
        without: &[VersionNumber],
        failure: Unreached,
    ) -> Result<(Choice, Connection), Unreached> {
        let tried = Tried {
            versions: without.to_vec(),
            failure: Some(failure),
        };
        let choose =
            |without: &[VersionNumber]| choose_again(self.rule, &self.wish, self.random, without);
        reach(self.gateway, (request.method(), self.near), tried, choose).await
    }
}
