//! What to do about one app: the decision that the controller, standalone mode and `cutwater plan` share.
//!
//! Pure: no client, no git, no clock. Time comes in with the [`World`], the next wake-up goes out with the [`Plan`].
//! Shares are decided in [`effective`], what pods bear in [`capacity`], how many shares take in [`demand`], whether more of them fit in
//! [`room`], what gives way for them in [`giving`] and [`yielding`], how many ever
//! fitted in [`found`], whether that gets on in [`progress`], what comes back after a loss in [`loss`], what
//! routes that are gone go on saying in [`vanished`], what an owner goes back to in [`served`], what routes name beside their shares in [`naming`], how long versions live in
//! [`lifetime`], which version a user meets in [`slots`]. What an owner asks for comes in by [`intent`].

pub mod capacity;
mod demand;
pub mod effective;
mod found;
mod giving;
pub mod intent;
mod lifetime;
mod loss;
mod naming;
mod progress;
mod room;
mod served;
mod shift;
pub mod slots;
mod vanished;
mod world;
mod yielding;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use crate::api::OwnerKind;
pub use effective::OnLoss;
pub use world::{
    FunctionState, Had, Intact, Memory, Named, Owner, Progress, RouteFacts, Served, Split, Version,
    VersionMemory, World,
};

use crate::words::{FunctionName, Shares, VersionNumber};

/// What is to be made true.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Versions that run, with the scale of each function.
    pub run: BTreeMap<VersionNumber, BTreeMap<FunctionName, Scale>>,
    /// Versions whose workloads go now.
    pub remove: BTreeSet<VersionNumber>,
    /// Versions that run because routes send to them which belong to nobody here: nobody lists them, and no other route sends
    /// to them.
    pub for_others: BTreeSet<VersionNumber>,
    /// What each split gets, in the order of the world's splits.
    pub splits: Vec<SplitPlan>,
    /// Owners that are being deleted and for which nothing is left to do.
    pub release: BTreeSet<Owner>,
    /// Nothing is left at all: the anchor goes, before any of `release`.
    pub close: bool,
    /// Gateways have had the settle delay since the routes of any split were written last.
    pub settled: bool,
    /// What the next plan has to know.
    pub memory: Memory,
    /// When to plan again even if nothing happens.
    pub wake: Option<Timestamp>,
}

/// How many pods a function is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// That many.
    Fixed(u32),
    /// An autoscaler decides between the two.
    Auto {
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
}

/// What one split gets.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitPlan {
    /// Whose split.
    pub owner: Owner,
    /// What its routes are to say.
    pub route: RoutePlan,
    /// The routes say what is wanted, and no share waits for anything.
    pub complete: bool,
    /// Gateways have had the settle delay since its own routes were written last, and accepted without what lost its share.
    pub settled: bool,
    /// What holds back the wanted versions that have not their whole share, in the order wanted.
    pub waiting: Vec<Waiting>,
    /// None of that made progress within the deadline.
    pub stalled: bool,
    /// Versions with a share of which the gateways have said nothing for longer than the way back waits: nobody knows when
    /// they act on it.
    pub unheard: Vec<VersionNumber>,
}

#[cfg(test)]
impl SplitPlan {
    /// One that waits for nothing.
    pub(crate) fn settled(owner: Owner, route: RoutePlan) -> Self {
        Self {
            owner,
            route,
            complete: true,
            settled: true,
            waiting: Vec::new(),
            stalled: false,
            unheard: Vec::new(),
        }
    }
}

/// What the routes of a split are to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePlan {
    /// What they say now: nothing could be decided.
    Keep,
    /// There are to be none.
    Off,
    /// This.
    Serve {
        /// Shares of traffic; they total 100 %.
        shares: Shares,
        /// Versions that are named beside them, with no share: those that may get one next, and those that lost theirs. A
        /// gateway that learns of routes and of what stands behind them apart loses requests where one write does both. In the
        /// order of their numbers.
        idle: Vec<VersionNumber>,
        /// Versions that the override header reaches, in the order wanted.
        overrides: Vec<VersionNumber>,
    },
}

/// A wanted version that has not its whole share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The version.
    pub version: VersionNumber,
    /// What it waits for.
    pub cause: Cause,
}

/// What a version waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// These functions have no ready pod.
    NotReady(Vec<FunctionName>),
    /// The gateways are given time to learn of its pods.
    Settling,
    /// More ready pods of a function.
    Capacity {
        /// The function that is shortest.
        function: FunctionName,
        /// Pods that are ready.
        ready: u32,
        /// Pods that the whole share takes.
        needed: u32,
    },
    /// The rule would need that many backends, more than the Gateway API takes: some version has to go first.
    Backends(usize),
}

/// Most backends of one rule in the Gateway API (HTTPRouteRule, `backendRefs`).
pub const BACKENDS_MAX: usize = 16;

/// Decides what is to be true now.
#[must_use]
pub fn plan(world: &World) -> Plan {
    let mut wake = Wake::after(world.now);
    let world = &vanished::restored(World {
        memory: world.memory.clone().until(world.now),
        ..world.clone()
    });
    let shifts: Vec<shift::Shift> = (world.splits.iter())
        .map(|split| shift::shift(world, split, &mut wake))
        .collect();
    lifetime::settle(world, shifts, wake)
}

/// A moment with a time added to it. Times come from objects and files that anybody may write: one near the end of time
/// stays there.
#[must_use]
pub fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The earliest of the moments that a plan waits for.
#[derive(Debug)]
struct Wake {
    now: Timestamp,
    next: Option<Timestamp>,
}

impl Wake {
    fn after(now: Timestamp) -> Self {
        Self { now, next: None }
    }

    /// True when `moment` has come; else it is waited for.
    fn reached(&mut self, moment: Timestamp) -> bool {
        if moment <= self.now {
            return true;
        }
        self.next = Some(self.next.map_or(moment, |next| next.min(moment)));
        false
    }
}

#[cfg(test)]
mod capacity_test;
#[cfg(test)]
mod crowded_test;
#[cfg(test)]
mod effective_test;
#[cfg(test)]
mod giving_test;
#[cfg(test)]
mod history_test;
#[cfg(test)]
mod loss_test;
#[cfg(test)]
mod memory_test;
#[cfg(test)]
mod naming_test;
#[cfg(test)]
mod pressing_test;
#[cfg(test)]
mod room_test;
#[cfg(test)]
mod served_test;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vanished_test;
