//! What is known of one repository: what was read of it, what was asked and was not there, and how it was reached.
//!
//! Data, and when the remote may be asked for more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::Reason;
use crate::git::Credentials;
use crate::record::VersionRecord;
use crate::store::Mirror;
use crate::words::{AppName, VersionWord};

/// A version that is missing is asked of the remote at once, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(super) type Known =
    HashMap<(AppName, VersionWord), Result<Arc<VersionRecord>, (Reason, String)>>;

/// One mirror.
#[derive(Default)]
pub(super) struct State {
    pub(super) mirror: Option<Mirror>,
    /// How the mirror was fetched last.
    pub(super) access: Option<Access>,
    /// Apps whose refs have been fetched.
    pub(super) fetched: BTreeSet<AppName>,
    /// What was read since the last fetch that changed something.
    pub(super) known: Known,
    /// Words that were not there, each with the number of fetches that had begun when it was asked for first: one that begins after
    /// that may bring it.
    pub(super) missed: HashMap<(AppName, VersionWord), u64>,
    /// Apps that wait for the next fetch.
    pub(super) waiting: BTreeSet<AppName>,
    pub(super) failure: Option<(Reason, String)>,
    pub(super) failures: u32,
    /// Address that was tried last.
    pub(super) tried: String,
    /// When it was read last, be it by an earlier program.
    pub(super) as_of: Option<Timestamp>,
    pub(super) fetched_at: Option<Instant>,
    /// Counts fetches that ended: what was read before one is not kept after it.
    pub(super) fetches: u64,
    /// Counts fetches that began.
    pub(super) begun: u64,
    /// The number of the last one that ended.
    pub(super) ended: u64,
}

impl State {
    /// Notes that a word is not there: when the remote may be asked for it, and whether no fetch has ended yet that began after it was
    /// asked for first.
    pub(super) fn miss(&mut self, asked: (AppName, VersionWord)) -> (Instant, bool) {
        let since = *self.missed.entry(asked).or_insert(self.begun);
        let now = Instant::now();
        let due = self.fetched_at.map_or(now, |at| at + ASK_AGAIN);
        (due.max(now), self.ended <= since)
    }
}

/// How a repository is reached.
#[derive(Clone, PartialEq)]
pub(super) struct Access {
    pub(super) url: String,
    pub(super) credentials: Option<Credentials>,
}
