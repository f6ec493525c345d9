//! The embedded HTTP gateway: it takes requests and hands each to a process of the version that is to answer it.
//!
//! It knows no git, no Kubernetes, no files and no processes. Whoever owns those builds a [`Table`] and swaps it in; the
//! gateway decides nothing but which listed version gets a request.
//!
//! # The contract
//!
//! - [`serve`] runs until its token is cancelled. It reads the table anew for each request, so a swap (`ArcSwap::store`)
//!   counts for the next request and cuts none that is open.
//! - A [`Table`] is built from [`Route`]s and never changes. A route matches by hostname (exact, or `*.suffix` for every
//!   name below the suffix; the port of `Host` does not count) and by path prefix in whole segments. An exact hostname
//!   goes before a wildcard, a longer wildcard before a shorter one, then a longer path before a shorter one, then the
//!   earlier route before the later.
//! - An [`Entry`] without an upstream has no ready process: the other versions get its share, in proportion. A version at
//!   0 % is never given a share so; only an override reaches it.
//! - An override is the header `Cutwater-Version-<app>: <number>`, if [`Overrides`] allow it. A version that is not listed
//!   or not ready falls back to the split.
//! - A rule sends requests with one exact header, cookie or query parameter to a version. The first rule that fits counts,
//!   behind an override and before affinity; where its version is not ready, the request falls back to them.
//! - With an affinity key the version of a request is that of its slot, see [`crate::plan::slots`]; without the header or
//!   cookie it is random. While the version of a slot is not ready, its keys go to the others in proportion, the same key
//!   always to the same version.
//! - An [`Upstream`] is one process. To stop one: swap in a table without it, await [`Upstream::drain`], stop the process.
//!   A request that read the old table just before is given to another version or process, or counted before `drain`
//!   returns; none is lost between the two.
//!
//! # What it does to requests
//!
//! - HTTP/1.1 and HTTP/2 with prior knowledge come in, HTTP/1.1 goes to processes. Bodies stream both ways. Trailers pass as
//!   far as HTTP/1.1 lets them: those that the `Trailer` header announces, and to a client that sent `TE: trailers`.
//! - Headers of the connection (`Connection`, what it names, `Keep-Alive`, `TE`, `Transfer-Encoding`, `Upgrade`,
//!   `Proxy-*`) end here. `X-Forwarded-For`, `-Proto` and `-Host` say what the gateway sees, and what a client sends of them, of
//!   `X-Real-IP` and of `Forwarded` is taken away; of a proxy that is trusted they stay, and its address comes behind
//!   `X-Forwarded-For`. `Host` stays as it is.
//! - A path has one spelling, by which it is routed and passed on: escapes of plain characters are undone, `.` and `..` are
//!   followed, slashes merged, and a path with an escaped slash is redirected to the one without, as by Envoy Gateway.
//! - Upgrades (WebSocket) pass, except to HTTP/2. `CONNECT` and `OPTIONS *` are refused. The absolute form of a target is
//!   taken, and its authority goes before `Host`.
//! - A request with both `Content-Length` and `Transfer-Encoding` is read by the latter alone, the former goes no further,
//!   and the connection is closed behind it; transfer codings other than `chunked` are refused.
//! - A request is sent again, on another connection, if the idle connection that was to carry it had been closed before a byte
//!   of it was sent; and where its method is idempotent and it has no body, also if the process closed it without an answer.
//! - GET and HEAD are passed on with the body that they have, also where its length is not known.
//! - An answer counts also where the process has not read the whole body. What the client still sends is read on for a while.
//! - A connection to a process is not used again after HEAD, or after an answer that can have no body and tells of one.
//! - A request with `Cutwater-Version: ?` is answered with `Cutwater-Version: <app>/<number>`.
//! - [`Limits`] bound connections, open requests, sizes and times; [`Metrics`] count.

mod choice;
mod client;
mod crowd;
mod download;
mod exchange;
mod failures;
mod forward;
mod head;
mod loud;
mod metrics;
mod outlet;
mod page;
mod path;
mod reader;
mod request_key;
mod serve;
mod table;
mod upgrade;
mod upload;
mod upstream;
mod wire;

use std::time::Duration;

use ipnet::IpNet;
pub use metrics::Metrics;
pub use serve::serve;
pub use table::{Entry, Overrides, Route, Table};
pub use upstream::Upstream;

/// What the gateway takes at most. File descriptors are bounded by `connections` + `requests`, and 64 idle connections for
/// each upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients at a time; more wait to be accepted.
    pub connections: usize,
    /// Open requests and upgrades at a time; more are answered with 503.
    pub requests: usize,
    /// Bytes of the head of a request, at least 8,192; more is answered with 431, or over HTTP/2 ends the connection. More than
    /// 100 headers are answered with 431 too.
    pub head_bytes: usize,
    /// Bytes of the body of a request; more is answered with 413.
    pub body_bytes: u64,
    /// Time for the head of a request, counted also while a connection waits for its next one; then it is closed. An HTTP/2
    /// connection without an open stream has up to twice as long. A client that takes the end of an answer is waited for.
    pub head_time: Duration,
    /// Time to connect to a process; then 504. Where it refuses at once, another version is asked.
    pub connect_time: Duration,
    /// Time without a byte of the body of the request or the beginning of the answer; then 504, or 408 where it is the
    /// client that sends nothing, or less than `least_rate`.
    pub answer_time: Duration,
    /// Bytes of a body in a second, on average over `answer_time`, that a client must send until its answer begins.
    pub least_rate: u64,
    /// Proxies in front: what they say of the way of a request is believed, and they may have all connections.
    pub trusted: Vec<IpNet>,
    /// Time in which a client takes no byte of an answer that is there for it; then its connection is closed, or its stream
    /// of an HTTP/2 connection reset. What a client takes is seen in steps, mostly of 100 KB and
    /// seldom of more than 400 KB.
    pub take_time: Duration,
    /// Time, up to twice as long, without a byte either way on an upgraded connection; then it is closed.
    pub upgrade_time: Duration,
    /// Time that open requests have to end once the gateway is told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: 10_000,
            head_bytes: 64 * 1024,
            body_bytes: 1 << 30,
            head_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(5),
            answer_time: Duration::from_mins(1),
            least_rate: 16,
            trusted: Vec::new(),
            take_time: Duration::from_mins(1),
            upgrade_time: Duration::from_mins(5),
            drain_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Bytes that a client must send in each `answer_time`.
    pub(super) fn least_bytes(&self) -> u64 {
        self.least_rate
            .saturating_mul(self.answer_time.as_secs())
            .max(1)
    }

    /// These limits, lowered where the process may have no more than so many files open: a connection takes one, and so does
    /// a request on its way to a process. A quarter, and `others` at least, is left for everything else.
    #[must_use]
    pub fn within(self, files: u64, others: u64) -> Self {
        let most = (files.saturating_sub((files / 4).max(others)) / 2).max(8);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self {
            connections: self.connections.min(most),
            requests: self.requests.min(most),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_requests_fit_into_the_files_of_the_process() {
        for (files, others, most) in [
            (u64::MAX, 64, 10_000),
            (1_048_576, 64, 10_000),
            (4_096, 64, 1_536),
            (1_024, 64, 384),
            (1_024, 424, 300),
            (100, 64, 18),
            (256, 244, 8),
            (0, 64, 8),
        ] {
            let limits = Limits::default().within(files, others);
            assert_eq!(
                (limits.connections, limits.requests),
                (most, most),
                "{files}, {others}"
            );
        }
    }
}
