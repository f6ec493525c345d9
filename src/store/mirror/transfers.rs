//! What takes long to fetch, on threads of its own, so that whoever looks at the branch meanwhile does not wait for it.
//!
//! It decides nothing: [`super::fetching`] says what is begun, and what is done with what came.

use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};

use jiff::Timestamp;

use super::super::doubt::Doubt;
use crate::api::condition::whole_second;
use crate::git::{Caller, GitError, GitErrorKind};
use crate::words::AppName;

/// Most apps that are named.
const APPS_MAX: usize = 8;

/// What is being fetched beside all else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// What it is.
    pub what: Part,
    /// When it was asked for first.
    pub since: Timestamp,
}

/// What may take long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Commits of the branch.
    Branch,
    /// Versions and labels of these apps.
    Versions(BTreeSet<AppName>),
    /// A new copy in place of one that is damaged.
    Copy,
}

impl Coming {
    /// What it is, and since when it is not there.
    #[must_use]
    pub fn said(&self, branch: &str) -> String {
        let (what, since) = (self.what.named(branch), whole_second(self.since).0);
        format!("fetching {what} began at {since} and has not ended")
    }
}

impl Part {
    /// What it is, of a repository with this branch.
    #[must_use]
    pub fn named(&self, branch: &str) -> String {
        match self {
            Self::Branch => format!("branch `{branch}`"),
            Self::Versions(apps) => {
                let names: Vec<&str> = apps.iter().take(APPS_MAX).map(AppName::as_str).collect();
                let names = names.join(", ");
                match apps.len().saturating_sub(APPS_MAX) {
                    0 => format!("the versions of {names}"),
                    more => format!("the versions of {names} and {more} more apps"),
                }
            }
            Self::Copy => "a new copy of the repository in place of one that is damaged".to_owned(),
        }
    }
}

/// One that was begun.
pub(super) struct Transfer {
    since: Timestamp,
    thread: JoinHandle<Result<(), GitError>>,
}

impl Transfer {
    /// Begins `fetch`, of what was asked for then.
    pub(super) fn begin(
        since: Timestamp,
        caller: Caller,
        fetch: impl FnOnce() -> Result<(), GitError> + Send + 'static,
    ) -> Result<Self, GitError> {
        let started = thread::Builder::new().spawn(fetch);
        let thread = started.map_err(|error| GitError::not_started(&error, caller))?;
        Ok(Self { since, thread })
    }

    fn is_at_its_end(&self) -> bool {
        self.thread.is_finished()
    }

    fn end(self, caller: Caller) -> Result<(), GitError> {
        let broke_off = |_| {
            Err(GitError {
                kind: GitErrorKind::Unreachable,
                caller,
                message: "fetching broke off, which is a fault of cutwater".to_owned(),
            })
        };
        self.thread.join().unwrap_or_else(broke_off)
    }
}

/// All that were begun and are not taken in: one of each kind at most.
#[derive(Default)]
pub(super) struct Transfers {
    branch: Option<Transfer>,
    versions: Option<Versions>,
    copy: Option<(Transfer, BTreeSet<Doubt>)>,
}

struct Versions {
    transfer: Transfer,
    /// It brings those of these apps, or they are fetched once it has come.
    apps: BTreeSet<AppName>,
    /// It brings those of all apps.
    all: bool,
}

/// What was taken in.
#[derive(Default)]
pub(super) struct Arrived {
    /// Why the branch did not come.
    pub(super) no_branch: Option<GitError>,
    /// Why versions did not come.
    pub(super) no_versions: Option<GitError>,
    pub(super) copied: Option<Copied>,
}

impl Arrived {
    /// Something may be begun: nothing failed, and no new copy is about to take the place of the one into which it would be fetched.
    pub(super) fn may_begin(&self) -> bool {
        self.no_branch.is_none() && self.no_versions.is_none() && self.copied.is_none()
    }
}

/// A new copy, or why there is none.
pub(super) struct Copied {
    /// When it was asked for.
    pub(super) since: Timestamp,
    pub(super) made: Result<(), GitError>,
    /// What the old one lacks.
    pub(super) damaged: BTreeSet<Doubt>,
}

impl Transfers {
    pub(super) fn bring_branch(&mut self, transfer: Transfer) {
        self.branch = Some(transfer);
    }

    pub(super) fn bring_versions(
        &mut self,
        transfer: Transfer,
        apps: BTreeSet<AppName>,
        all: bool,
    ) {
        self.versions = Some(Versions {
            transfer,
            apps,
            all,
        });
    }

    pub(super) fn bring_copy(&mut self, transfer: Transfer, damaged: BTreeSet<Doubt>) {
        self.copy = Some((transfer, damaged));
    }

    /// Has versions wait for those that are being fetched; false where none are.
    pub(super) fn wait(&mut self, apps: &BTreeSet<AppName>) -> bool {
        let versions = self.versions.as_mut();
        versions.is_some_and(|versions| {
            versions.apps.extend(apps.iter().cloned());
            true
        })
    }

    /// The branch is being fetched.
    pub(super) fn has_branch(&self) -> bool {
        self.branch.is_some()
    }

    /// Versions of the app are being fetched, or wait. They wait for the branch, from which all else follows, and a new copy brings them.
    pub(super) fn hold_up(&self, app: &AppName) -> bool {
        let versions = self.versions.as_ref();
        self.branch.is_some()
            || self.copy.is_some()
            || versions.is_some_and(|versions| versions.all || versions.apps.contains(app))
    }

    /// Something is being fetched into the copy that is there.
    pub(super) fn are_at_work(&self) -> bool {
        self.branch.is_some() || self.versions.is_some()
    }

    pub(super) fn are_none(&self) -> bool {
        !self.are_at_work() && self.copy.is_none()
    }

    /// True where the next fetch takes something in.
    pub(super) fn have_arrived(&self) -> bool {
        let branch = self.branch.iter();
        let versions = self.versions.iter().map(|versions| &versions.transfer);
        let copy = self.copy.iter().map(|(copy, _)| copy);
        (branch.chain(versions)).any(Transfer::is_at_its_end)
            || (!self.are_at_work() && copy.clone().any(Transfer::is_at_its_end))
    }

    /// Takes in those that are at their end. A copy takes no place that somebody works in.
    pub(super) fn take(&mut self, caller: Caller) -> Arrived {
        let why = |transfer: Transfer| transfer.end(caller).err();
        let branch = self.branch.take_if(|branch| branch.is_at_its_end());
        let versions = (self.versions).take_if(|versions| versions.transfer.is_at_its_end());
        let is_free = !self.are_at_work();
        let copy = (self.copy).take_if(|(copy, _)| is_free && copy.is_at_its_end());
        let copied = copy.map(|(copy, damaged)| Copied {
            since: copy.since,
            made: copy.end(caller),
            damaged,
        });
        Arrived {
            no_branch: branch.and_then(why),
            no_versions: versions.and_then(|versions| why(versions.transfer)),
            copied,
        }
    }

    /// What they bring.
    pub(super) fn coming(&self) -> Vec<Coming> {
        let of = |what: Part, transfer: &Transfer| Coming {
            what,
            since: transfer.since,
        };
        let branch = self.branch.iter().map(|it| of(Part::Branch, it));
        let versions = self.versions.iter();
        let versions = versions.map(|it| of(Part::Versions(it.apps.clone()), &it.transfer));
        let copy = self.copy.iter().map(|(it, _)| of(Part::Copy, it));
        branch.chain(versions).chain(copy).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn apps(names: &[&str]) -> BTreeSet<AppName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// One that ends, with success or without, once it is told how.
    fn transfer() -> (Transfer, Sender<bool>) {
        let (tell, told) = channel();
        let fetch = move || match told.recv() {
            Ok(true) => Ok(()),
            _ => Err(GitError::not_started(
                &std::io::Error::other("no"),
                Caller::Server,
            )),
        };
        let transfer = Transfer::begin(Timestamp::UNIX_EPOCH, Caller::Server, fetch);
        (transfer.unwrap(), tell)
    }

    fn until(transfers: &Transfers, is_so: impl Fn(&Transfers) -> bool) {
        while !is_so(transfers) {
            thread::yield_now();
        }
    }

    #[test]
    fn a_new_copy_takes_no_place_in_which_something_is_being_fetched() {
        let mut transfers = Transfers::default();
        let (copy, end_copy) = transfer();
        let (branch, end_branch) = transfer();
        transfers.bring_copy(copy, BTreeSet::new());
        transfers.bring_branch(branch);
        assert!(!transfers.wait(&apps(&["shop"])), "no versions are coming");
        end_copy.send(true).unwrap();
        let copy = |transfers: &Transfers| transfers.copy.as_ref().unwrap().0.is_at_its_end();
        until(&transfers, copy);
        assert!(!transfers.have_arrived() && !transfers.are_none());
        assert!(transfers.take(Caller::Server).copied.is_none());
        end_branch.send(false).unwrap();
        until(&transfers, Transfers::have_arrived);
        let arrived = transfers.take(Caller::Server);
        assert!(arrived.no_branch.is_some() && arrived.no_versions.is_none());
        assert!(arrived.copied.is_some_and(|copied| copied.made.is_ok()));
        assert!(transfers.are_none() && transfers.coming().is_empty());
    }

    #[test]
    fn versions_wait_for_those_that_come_and_people_are_told_of_some() {
        let mut transfers = Transfers::default();
        let (versions, end) = transfer();
        transfers.bring_versions(versions, apps(&["shop"]), false);
        let (shop, blog) = ("shop".parse().unwrap(), "blog".parse().unwrap());
        assert!(transfers.hold_up(&shop) && !transfers.hold_up(&blog));
        assert!(transfers.wait(&apps(&["blog"])) && transfers.hold_up(&blog));
        let said = |transfers: &Transfers| transfers.coming()[0].said("main");
        assert_eq!(
            said(&transfers),
            "fetching the versions of blog, shop began at 1970-01-01T00:00:00Z and has not ended"
        );
        let many: Vec<String> = (1..=8).map(|number| format!("app-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        transfers.wait(&apps(&many));
        let said = said(&transfers);
        assert!(said.contains("app-8 and 2 more apps began"), "{said}");
        drop(end);
        until(&transfers, Transfers::have_arrived);
        assert!(transfers.take(Caller::Server).no_versions.is_some());
    }
}
