//! The versions of one app that run here: a process for each function, from its first start to its last request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::admin_api::{FunctionDetail, ProcessState};
use super::checkout::Checkout;
use super::lack::Lack;
use super::programs::{self, Starter};
use super::state::StateFolder;
use crate::gateway::Upstream;
use crate::plan::{FunctionState, Version};
use crate::processes::{Output, Running, State};
use crate::record::VersionRecord;
use crate::words::FunctionName;

/// A version that runs.
pub(super) struct Materialised {
    functions: BTreeMap<FunctionName, Process>,
}

struct Process {
    running: Running,
    place: Place,
}

/// Where a function takes requests, now and before.
#[derive(Debug, Default)]
struct Place {
    /// Where the program was ready last. One that is ready again at the same address goes on with it, so that all its open
    /// requests are known in one place.
    upstream: Option<Arc<Upstream>>,
    /// Since when it is ready; nothing while it is not.
    ready_since: Option<Timestamp>,
    /// Where it was before it was started again, as long as requests are open there.
    former: Vec<Arc<Upstream>>,
}

impl Place {
    /// Takes note of where the program is ready. True where that has changed.
    fn note(&mut self, address: Option<SocketAddr>, now: Timestamp) -> bool {
        self.former.retain(|upstream| upstream.open_requests() > 0);
        if address == self.ready().map(|upstream| upstream.address()) {
            return false;
        }
        self.ready_since = address.map(|_| now);
        let known = self.upstream.as_ref().map(|upstream| upstream.address());
        if let Some(address) = address.filter(|address| Some(*address) != known) {
            let new = Arc::new(Upstream::new(address));
            self.former.extend(self.upstream.replace(new));
        }
        true
    }

    /// Where requests go while it is ready.
    fn ready(&self) -> Option<&Arc<Upstream>> {
        self.upstream
            .as_ref()
            .filter(|_| self.ready_since.is_some())
    }

    /// Waits until no request is open, ready or not.
    async fn drain(&self) {
        let all = self.former.iter().chain(&self.upstream);
        futures::future::join_all(all.map(|upstream| upstream.drain())).await;
    }

    /// Waits until no request is open but streams without an end.
    async fn answered(&self) {
        let all = self.former.iter().chain(&self.upstream);
        futures::future::join_all(all.map(|upstream| upstream.answered())).await;
    }
}

impl Materialised {
    /// Starts all functions of a version in its checkout, which each of them makes ready for itself.
    pub(super) fn start(
        starter: &Starter,
        folder: &StateFolder,
        record: &VersionRecord,
        checkout: Checkout,
    ) -> Result<Self, Lack> {
        let checkout = Arc::new(checkout);
        // All or none: a version of which one function cannot run would otherwise start and end the others at each step.
        let mut programs = Vec::new();
        for function in &record.functions {
            let log = folder.log(&record.app, record.number, function.name.as_str());
            let output = Output::open(&log);
            let output = output.map_err(|source| Lack::File { path: log, source })?;
            let program = programs::program(starter, record, function, Arc::clone(&checkout))?;
            programs.push((function.name.clone(), program, output));
        }
        let start = |(name, program, output)| {
            let changed = Arc::clone(&starter.changed);
            let running = Running::start(program, output, move || changed.notify_one());
            let place = Place::default();
            (name, Process { running, place })
        };
        Ok(Self {
            functions: programs.into_iter().map(start).collect(),
        })
    }

    /// Takes note of which programs are ready. True where that has changed.
    pub(super) fn look(&mut self, now: Timestamp) -> bool {
        let mut changed = false;
        for process in self.functions.values_mut() {
            let address = match process.running.state() {
                State::Ready(address) => Some(address),
                State::NotReady(_) | State::Ended(_) => None,
            };
            changed |= process.place.note(address, now);
        }
        changed
    }

    /// How the plan sees it.
    pub(super) fn state(&self) -> Version {
        let functions = self.functions.iter().map(|(name, process)| {
            let since = process.place.ready_since;
            (name.clone(), one(u32::from(since.is_some())), since)
        });
        Version::of(true, functions)
    }

    /// Where a function takes requests.
    pub(super) fn upstream(&self, function: &FunctionName) -> Option<Arc<Upstream>> {
        self.functions.get(function)?.place.ready().cloned()
    }

    /// How the process of each function stands.
    pub(super) fn functions(&self) -> Vec<FunctionDetail> {
        let detail = |(name, process): (&FunctionName, &Process)| {
            let (state, address, problem) = match process.running.state() {
                State::Ready(address) => (ProcessState::Ready, Some(address), None),
                State::NotReady(why) => (ProcessState::NotReady, None, Some(why)),
                State::Ended(why) => (ProcessState::Ended, None, Some(why)),
            };
            FunctionDetail {
                name: name.clone(),
                state,
                address,
                problem,
            }
        };
        self.functions.iter().map(detail).collect()
    }

    /// Why it is not ready, a line for each function that is not.
    pub(super) fn troubles(&self) -> Vec<String> {
        (self.functions().into_iter())
            .filter_map(|function| Some(format!("{}: {}", function.name, function.problem?)))
            .collect()
    }

    /// Ends the programs, while no request comes any more: each once `all_served` is said, or once only streams without an end
    /// are open and `stop` has passed, or after `drain`.
    pub(super) async fn close(
        self,
        all_served: &CancellationToken,
        stop: Duration,
        drain: Duration,
    ) {
        let stopping = self.functions.into_values().map(|process| async move {
            let answered = async {
                tokio::time::sleep(stop).await;
                process.place.answered().await;
            };
            let waited = tokio::time::timeout(drain, answered);
            tokio::select! {
                () = all_served.cancelled() => {}
                _ = waited => {}
            }
            process.running.stop().await;
        });
        futures::future::join_all(stopping).await;
    }

    /// True where each of its programs takes requests.
    pub(super) fn is_ready(&self) -> bool {
        (self.functions.values()).all(|process| process.place.ready().is_some())
    }

    /// True where a program takes requests.
    pub(super) fn takes_requests(&self) -> bool {
        (self.functions.values()).any(|process| process.place.ready().is_some())
    }

    /// How many programs it has.
    pub(super) fn programs(&self) -> usize {
        self.functions.len()
    }

    /// True where a program has ended by itself, and is started again after a while.
    pub(super) fn has_ended(&self) -> bool {
        let mut all = self.functions.values();
        all.any(|process| matches!(process.running.state(), State::Ended(_)))
    }

    /// True where each of them has.
    pub(super) fn have_all_ended(&self) -> bool {
        let mut all = self.functions.values();
        all.all(|process| matches!(process.running.state(), State::Ended(_)))
    }

    /// Waits until no request is open, for as long as `drain`, and ends the programs. The gateway sends nothing new.
    pub(super) async fn stop(self, drain: Duration) {
        let stopping = self.functions.into_values().map(|process| async move {
            drop(tokio::time::timeout(drain, process.place.drain()).await);
            process.running.stop().await;
        });
        futures::future::join_all(stopping).await;
    }
}

/// One program of a function, as many as standalone mode runs.
fn one(ready: u32) -> FunctionState {
    FunctionState {
        min: 1,
        max: 1,
        autoscaled: false,
        asked: 1,
        placed: 1,
        ready,
        no_room: false,
        starting: false,
    }
}

/// A version that does not run yet.
pub(super) fn absent(record: &VersionRecord) -> Version {
    let functions = record.functions.iter();
    Version::of(
        false,
        functions.map(|function| (function.name.clone(), one(0), None)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_flaps_keeps_its_place_and_one_that_is_started_again_gets_another() {
        let now = Timestamp::UNIX_EPOCH;
        let [first, second] = [1001, 1002].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut place = Place::default();
        assert!(!place.note(None, now));
        assert!(place.note(Some(first), now));
        let before = Arc::clone(place.ready().unwrap());
        assert!(place.note(None, now));
        assert!(place.ready().is_none());
        assert!(place.note(Some(first), now));
        assert!(Arc::ptr_eq(place.ready().unwrap(), &before));
        assert!(!place.note(Some(first), now), "nothing is new");
        assert!(place.note(Some(second), now));
        assert_eq!(place.ready().unwrap().address(), second);
        assert_eq!(place.former.len(), 1);
        // Nothing is open there.
        assert!(!place.note(Some(second), now));
        assert!(place.former.is_empty());
    }
}
