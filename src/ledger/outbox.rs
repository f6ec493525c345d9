//! Records on their way to the ledger: which changes are recorded, and how they are numbered. Whoever writes a ledger keeps the
//! outbox where it keeps things.
//!
//! A change is what a Deployment serves once each version has the share that is wanted, where that differs from the record before.
//! What a version loses while it is not ready is none, and neither is a new commit with the same split, in whatever order it is
//! written.
//!
//! Pure.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Recorded, Served, ServedVersion};
use crate::words::{AppName, CommitId, EnvironmentName};

/// The outbox of one environment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outbox {
    /// A random word: who owns the ledgers that are written.
    writer: String,
    apps: BTreeMap<AppName, Page>,
    /// What was served went unrecorded since, because no ledger or another one was written.
    #[serde(default)]
    paused: bool,
    /// How often something of it has changed since it was read or begun.
    #[serde(skip)]
    changes: u64,
    /// The newest number that was dropped of each app, because too many wait, until somebody says so.
    #[serde(skip)]
    dropped: BTreeMap<AppName, u64>,
}

/// One app.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    /// Of the newest record.
    sequence: u64,
    /// What the newest record says.
    last: Vec<ServedVersion>,
    waiting: VecDeque<Waiting>,
}

impl Page {
    /// Whatever is served next is a change, and something may be missing before it.
    fn leave_out(&mut self) {
        self.sequence += 1;
        self.last.clear();
    }
}

/// A record that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waiting {
    /// The Deployment that it is about.
    pub deployment: String,
    /// What was served.
    pub record: Served,
}

impl Outbox {
    /// One that is empty, of a new writer.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            writer: format!("{:032x}", fastrand::u128(..)),
            apps: BTreeMap::new(),
            paused: false,
            changes: 0,
            dropped: BTreeMap::new(),
        }
    }

    /// Notes that what is served goes unrecorded from now on. False where that was so already.
    pub fn pause(&mut self) -> bool {
        !std::mem::replace(&mut self.paused, true)
    }

    /// Notes that what is served is recorded again.
    pub fn resume(&mut self) {
        if std::mem::take(&mut self.paused) {
            // A number that is left out tells whoever reads the ledger that something may be missing.
            self.apps.values_mut().for_each(Page::leave_out);
            self.changes += 1;
        }
    }

    /// Who writes.
    #[must_use]
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// How often something of it has changed since it was read or begun.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes down what a Deployment serves, if that is a change. True where it is. Past `most` records of the app that wait the oldest
    /// goes: each of the others holds a whole state.
    pub fn note(
        &mut self,
        (app, deployment): (&AppName, &str),
        environment: &EnvironmentName,
        versions: Vec<ServedVersion>,
        (commit, now): (Option<&CommitId>, Timestamp),
        most: usize,
    ) -> bool {
        if (self.apps.get(app)).is_some_and(|page| is_same(&page.last, &versions)) {
            return false;
        }
        self.changes += 1;
        let page = self.apps.entry(app.clone()).or_default();
        page.sequence += 1;
        page.last.clone_from(&versions);
        let (app, environment) = (app.clone(), environment.clone());
        let mut record = Served::new(app, environment, page.sequence, now, versions);
        record.release_commit = commit.cloned();
        page.waiting.push_back(Waiting {
            deployment: deployment.to_owned(),
            record,
        });
        if page.waiting.len() > most
            && let Some(lost) = page.waiting.pop_front()
        {
            self.dropped.insert(lost.record.app, lost.record.sequence);
        }
        true
    }

    /// The newest number that was dropped of each app since this was asked last.
    pub fn take_dropped(&mut self) -> BTreeMap<AppName, u64> {
        std::mem::take(&mut self.dropped)
    }

    /// Something else is served of an app than the newest record says, and cannot be told. One number is left out: it tells whoever
    /// reads the ledger that something is missing. True where that is new.
    pub fn leave_out(&mut self, app: &AppName, versions: &[ServedVersion]) -> bool {
        let page = self.apps.get_mut(app);
        let told = |page: &&mut Page| !page.last.is_empty() && !is_same(&page.last, versions);
        page.filter(told).is_some_and(|page| {
            page.leave_out();
            self.changes += 1;
            true
        })
    }

    /// What waits, by app, the oldest first and at most `max` of each.
    #[must_use]
    pub fn waiting(&self, max: usize) -> Vec<(AppName, Vec<Waiting>)> {
        let pages = self.apps.iter();
        let pages = pages.filter(|(_, page)| !page.waiting.is_empty());
        pages
            .map(|(app, page)| {
                (
                    app.clone(),
                    page.waiting.iter().take(max).cloned().collect(),
                )
            })
            .collect()
    }

    /// How many records wait of each app that has any.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<AppName, usize> {
        let pages = self.apps.iter();
        let pages = pages.filter(|(_, page)| !page.waiting.is_empty());
        pages
            .map(|(app, page)| (app.clone(), page.waiting.len()))
            .collect()
    }

    /// Records of the app up to this sequence are in the ledger, whose end is this.
    pub fn written(&mut self, app: &AppName, sequence: u64, recorded: Recorded) {
        let Some(page) = self.apps.get_mut(app) else {
            return;
        };
        self.changes += 1;
        page.waiting
            .retain(|waiting| waiting.record.sequence > sequence);
        // Others have the next numbers, so those that follow move as well.
        let moved = recorded.newest.saturating_sub(sequence);
        page.sequence += moved;
        for waiting in &mut page.waiting {
            waiting.record.sequence += moved;
        }
        if recorded.forgotten {
            page.leave_out();
            for waiting in &mut page.waiting {
                waiting.record.sequence += 1;
            }
        }
    }
}

/// True where each version has the same share of the same content, in whatever order.
fn is_same(some: &[ServedVersion], others: &[ServedVersion]) -> bool {
    some.len() == others.len() && some.iter().all(|version| others.contains(version))
}
