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
//!   `Proxy-*`) end here. `X-Forwarded-For` gets the client's address at its end; `X-Forwarded-Proto` and
//!   `X-Forwarded-Host` are set where nobody in front has set them. `Forwarded` and `Host` stay as they are.
//! - Upgrades (WebSocket) pass, except to HTTP/2. `CONNECT` and `OPTIONS *` are refused. The absolute form of a target is
//!   taken, and its authority goes before `Host`.
//! - A request with both `Content-Length` and `Transfer-Encoding` is read by the latter alone, the former goes no further,
//!   and the connection is closed behind it; transfer codings other than `chunked` are refused.
//! - A request is sent again, on another connection, only if the idle connection that was to carry it had been closed
//!   before a byte of it was sent.
//! - A request with `Cutwater-Version: ?` is answered with `Cutwater-Version: <app>/<number>`.
//! - [`Limits`] bound connections, open requests, sizes and times; [`Metrics`] count.

mod body;
mod forward;
mod head;
mod metrics;
mod page;
mod said;
mod serve;
mod table;
mod upgrade;
mod upstream;

use std::time::Duration;

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
    /// Bytes of the head of a request, at least 8,192; more is answered with 431. So are more than 100 headers.
    pub head_bytes: usize,
    /// Bytes of the body of a request; more is answered with 413.
    pub body_bytes: u64,
    /// Time for the head of a request, counted also while a connection waits for its next one; then it is closed.
    pub head_time: Duration,
    /// Time to connect to a process; then 504.
    pub connect_time: Duration,
    /// Time without a byte of the body of the request or the beginning of the answer; then 504, or 408 where it is the
    /// client that sends nothing.
    pub answer_time: Duration,
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
            drain_time: Duration::from_secs(30),
        }
    }
}
