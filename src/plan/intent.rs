//! What an owner asks for, in the words of a plan: one way for the cluster and for one machine.
//!
//! Pure. What differs between the two is told: what the routes say now, and which pods or programs are ready.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{FunctionState, OnLoss, Owner, RouteFacts, Split, Version};
use crate::api::reach::{self, Unreachable};
use crate::api::{self, NamedRoute, Wanted};
use crate::app::Function;
use crate::record::VersionRecord;
use crate::words::{FunctionName, Period, Shares, VersionNumber};

/// How long a version keeps its pods where no owner says it.
const DEFAULT_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How long a change may make no progress where no owner says it.
const DEFAULT_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// What is known of an owner and its routes.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub owner: Owner,
    /// What is wanted; nothing where it cannot be read, or the owner is gone already.
    pub wanted: Option<&'a Wanted>,
    /// What its versions resolved to, if they did.
    pub shares: Option<Shares>,
    /// Versions that its status names.
    pub protects: BTreeSet<VersionNumber>,
    /// Versions that run and that it names, while what it wanted before goes on.
    pub holds: BTreeSet<VersionNumber>,
    /// The owner is being deleted.
    pub leaving: bool,
    /// How long open requests are given by time alone.
    pub drain: SignedDuration,
    /// What the routes say now.
    pub last: Shares,
    /// How the routes stand.
    pub routes: RouteFacts,
}

impl Asked<'_> {
    /// The split that this asks for.
    #[must_use]
    pub fn split(self, records: &BTreeMap<VersionNumber, VersionRecord>) -> Split {
        let record = (self.shares.iter().flatten()).find_map(|(number, _)| records.get(number));
        let routes = self.wanted.map(|wanted| wanted.routes.as_slice());
        let functions = (routes.unwrap_or_default().iter())
            .filter_map(|route| function_of(route, record?).ok())
            .collect();
        Split {
            owner: self.owner,
            wanted: self.shares,
            leaving: self.leaving,
            on_loss: match self.wanted.map(|wanted| wanted.on_loss) {
                Some(api::OnLoss::Hold) => OnLoss::Hold,
                Some(api::OnLoss::Shift) | None => OnLoss::Shift,
            },
            rollback_window: (self.wanted)
                .map_or(DEFAULT_WINDOW, |wanted| seconds(wanted.rollback_window)),
            drain: self.drain,
            progress_deadline: (self.wanted)
                .map_or(DEFAULT_DEADLINE, |wanted| seconds(wanted.progress_deadline)),
            protects: self.protects,
            holds: self.holds,
            functions,
            last: self.last,
            routes: self.routes,
        }
    }
}

impl Version {
    /// A version with these functions, and since when the first pod of each is ready.
    pub fn of(
        materialised: bool,
        functions: impl IntoIterator<Item = (FunctionName, FunctionState, Option<Timestamp>)>,
    ) -> Self {
        let mut states = BTreeMap::new();
        let mut since = Vec::new();
        for (name, state, first) in functions {
            states.insert(name, state);
            since.push(first);
        }
        let all: Option<Vec<Timestamp>> = since.into_iter().collect();
        Self {
            materialised,
            functions: states,
            ready_since: all.and_then(|all| all.into_iter().max()),
            awaited: false,
        }
    }
}

/// A time that somebody wrote.
#[must_use]
pub fn seconds(period: Period) -> SignedDuration {
    SignedDuration::from_secs(i64::from(period.as_secs()))
}

/// The function that a route reaches in a version.
///
/// # Errors
/// Which one the version does not have, or that the route does not say which.
pub fn function_of(
    route: &NamedRoute,
    record: &VersionRecord,
) -> Result<FunctionName, Unreachable> {
    reach::function_of(route, record.number, &record.functions)
}

/// Each version must have the functions that the routes reach, and a route reaches the same one in all of them.
///
/// # Errors
/// What stands against it.
pub fn reachable(
    routes: &[NamedRoute],
    versions: &BTreeSet<VersionNumber>,
    records: &BTreeMap<VersionNumber, VersionRecord>,
) -> Result<(), Unreachable> {
    let known: Vec<(VersionNumber, &[Function])> = versions
        .iter()
        .filter_map(|number| Some((*number, records.get(number)?.functions.as_slice())))
        .collect();
    reach::reachable(routes, &known)
}
