//! What a look led to, as the status of the Repository says it.
//!
//! Pure. It is written by [`super::super::report`], with what the fetch led to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decide::Why;
use super::judged::{Counts, Memory, Stands};
use super::words;
use crate::api::condition::{Say, State};
use crate::api::{Class, HeldObject, Reason, SyncStatus, Type};
use crate::branch::Problem;
use crate::controller::failure::Failure;
use crate::plan::Owner;
use crate::words::CommitId;

/// Most entries of a list in the status.
const MOST: usize = 20;

/// Most bytes of an entry.
const TEXT_MAX: usize = 1000;

static EMPTY: BTreeSet<Owner> = BTreeSet::new();
static NOTHING: BTreeMap<Owner, Vec<String>> = BTreeMap::new();

/// What a look led to.
#[derive(Debug, Default)]
pub(in crate::controller) struct Told {
    /// Nothing where nothing is synced.
    pub(in crate::controller) sync: Option<SyncStatus>,
    pub(in crate::controller) synced: Option<CommitId>,
    pub(in crate::controller) say: Option<Say>,
    /// What was changed, for an event.
    pub(in crate::controller) changed: Option<String>,
    /// When to look again, before the next fetch is due.
    pub(in crate::controller) again: Option<Duration>,
}

impl Told {
    /// The Repository is not ready because of it.
    pub(in crate::controller) fn is_at_fault(&self) -> bool {
        let say = self.say.as_ref();
        say.is_some_and(|say| {
            say.state == State::False && matches!(say.reason.class(), Class::Fault | Class::Stalled)
        })
    }

    /// What is said where nothing could be done; what was synced before stays as it is said.
    pub(super) fn stopped(
        memory: &Memory,
        before: Option<&SyncStatus>,
        say: Say,
        at: At<'_>,
    ) -> Self {
        let before = before.filter(|before| {
            (&before.uid, &before.url) == (&memory.of.uid, &memory.of.url)
                && (&before.branch, &before.path) == (&memory.of.branch, &memory.of.path)
        });
        let mut sync = status(memory, before.cloned().unwrap_or_default());
        if !matches!(at, At::Unread) {
            sync.applied = applied(memory, at);
        }
        Self {
            sync: Some(sync),
            synced: memory.synced.clone(),
            say: Some(say),
            ..Self::default()
        }
    }

    /// What is said of a commit that changes nothing.
    pub(super) fn stands(
        memory: &Memory,
        before: Option<&SyncStatus>,
        stands: &Stands,
        head: &words::Head<'_>,
    ) -> Self {
        let (reason, message) = words::stands(stands, head);
        let say = Say::new(Type::Synced, false, reason, message);
        Self::stopped(memory, before, say, At::Commit(head.commit))
    }
}

/// Where the branch is, beside which it is shown what was applied.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    /// That is not known: what was shown before is shown.
    Unread,
    /// There is no such branch.
    Nowhere,
    Commit(&'a CommitId),
}

/// What came of a commit that counts.
pub(super) struct Done<'a> {
    pub(super) counts: &'a Counts,
    pub(super) head: &'a CommitId,
    /// Name of the Repository.
    pub(super) name: &'a str,
    /// What could not be tried out, written or removed.
    pub(super) failures: &'a [Failure],
    /// Nothing was written, because something could not be tried out.
    pub(super) refused: bool,
    pub(super) written: &'a [Owner],
    /// What of that the API server keeps otherwise.
    pub(super) otherwise: &'a BTreeSet<Owner>,
    pub(super) removed: &'a [Owner],
    /// What could not be removed, and why.
    pub(super) left: &'a [(Owner, String)],
    /// Fields that were put back.
    pub(super) put_back: &'a BTreeMap<Owner, Vec<String>>,
}

impl<'a> Done<'a> {
    /// Nothing is done yet.
    pub(super) fn new(counts: &'a Counts, head: &'a CommitId, name: &'a str) -> Self {
        Self {
            counts,
            head,
            name,
            failures: &[],
            refused: false,
            written: &[],
            otherwise: &EMPTY,
            removed: &[],
            left: &[],
            put_back: &NOTHING,
        }
    }

    /// Why not all of the commit is applied, and why in one word; nothing where it is.
    pub(super) fn lack(&self) -> Option<(Reason, String)> {
        let Counts {
            memory, decision, ..
        } = self.counts;
        let lasting = |failure: &&Failure| failure.reason != Reason::Progressing;
        let first = self.failures.iter().find(lasting);
        if let Some(failure) = first.or(self.failures.first()) {
            let more = match self.failures.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let rest = if self.refused && decision.begun > 0 {
                "; what of this commit is applied already stays, and no more of it is applied until the API server takes all of it"
            } else if self.refused {
                "; nothing of this commit is applied until the API server takes all of it"
            } else {
                "; it is tried again"
            };
            return Some((failure.reason, format!("{}{more}{rest}", failure.message)));
        }
        let problems = || memory.problems.iter().filter(|it| self.counts(it));
        let slip =
            problems().find(|it| !matches!(it, Problem::Kept { .. } | Problem::Nothing { .. }));
        if slip.is_some() {
            let said: Vec<String> = problems().map(words::problem).collect();
            return Some((Reason::ReleasesInvalid, said.join("\n")));
        }
        if let Some(kept) = problems().next() {
            let (reason, hint) = match kept {
                Problem::Kept { .. } => (
                    Reason::PruneHeld,
                    format!("; to remove it: {}", self.named().release()),
                ),
                _ => (Reason::ReleasesInvalid, String::new()),
            };
            return Some((reason, format!("{}{hint}", words::problem(kept))));
        }
        let held = decision.held.iter();
        let mut held = held.filter_map(|(owner, why)| Some((owner, why, words::reason(why)?)));
        let (owner, why, reason) = held.next()?;
        let why = words::why(why, &self.named());
        let more = match held.count() {
            0 => String::new(),
            more => format!(" (and {more} more, see status.sync.held)"),
        };
        Some((reason, format!("{owner}: {why}{more}")))
    }

    fn named(&self) -> words::Head<'_> {
        words::Head {
            commit: self.head,
            name: self.name,
            is_heard: self.counts.memory.heard.as_ref() == Some(self.head),
        }
    }

    /// That nothing is at the path is no problem where a person said so.
    fn counts(&self, problem: &Problem) -> bool {
        !(self.counts.released && matches!(problem, Problem::Nothing { .. }))
    }

    /// What is said; the memory knows already whether all was applied.
    pub(super) fn told(&self, memory: &Memory) -> Told {
        let decision = &self.counts.decision;
        let say = match self.lack() {
            Some((reason, message)) => Say::new(Type::Synced, false, reason, message),
            None => Say::new(Type::Synced, true, Reason::Succeeded, self.well()),
        };
        let problems: Vec<String> = (self.counts.memory.problems.iter())
            .map(words::problem)
            .chain(self.failures.iter().map(|failure| failure.message.clone()))
            .chain(self.counts.notes.iter().cloned())
            .flat_map(|text| text.lines().map(shortened).collect::<Vec<_>>())
            .take(MOST)
            .collect();
        let held = self.held();
        // What is as an older commit had it is not as the branch has it.
        let is_so = |owner: &&Owner| {
            !self.otherwise.contains(*owner)
                && !self.counts.memory.followed.tip.held.contains_key(*owner)
        };
        let objects = decision.in_place + self.written.iter().filter(is_so).count();
        let sync = SyncStatus {
            applied: applied(memory, At::Commit(self.head)),
            objects: u32::try_from(objects).unwrap_or(u32::MAX),
            held_objects: u32::try_from(held.len()).unwrap_or(u32::MAX),
            held: held.into_iter().take(MOST).collect(),
            problems,
            ..status(memory, SyncStatus::default())
        };
        Told {
            sync: Some(sync),
            synced: memory.synced.clone(),
            say: Some(say),
            changed: self.changed(),
            again: None,
        }
    }

    fn held(&self) -> Vec<HeldObject> {
        let entry = |owner: &Owner, why: String| HeldObject {
            object: owner.to_string(),
            why: shortened(&why),
        };
        let mut kept: BTreeMap<&Owner, String> = BTreeMap::new();
        for problem in &self.counts.memory.problems {
            match problem {
                Problem::Kept { owners, why, .. } => {
                    let why = words::kept(why, &self.named());
                    kept.extend(owners.iter().map(|owner| (owner, why.clone())));
                }
                Problem::AsBefore { owners, .. } => {
                    let why = "as before until what is wrong in the files is mended";
                    kept.extend(owners.iter().map(|owner| (owner, why.to_owned())));
                }
                _ => {}
            }
        }
        let mut held = Vec::new();
        for (owner, why) in &self.counts.decision.held {
            // Each is listed once, with what says more.
            let more = kept.remove(owner).filter(|_| *why == Why::Recalled);
            let why = more.unwrap_or_else(|| words::why(why, &self.named()));
            held.push(entry(owner, why));
        }
        held.extend(kept.into_iter().map(|(owner, why)| entry(owner, why)));
        let left = self.left.iter();
        held.extend(left.map(|(owner, why)| entry(owner, why.clone())));
        held
    }

    fn well(&self) -> String {
        let mut text = format!("commit {} is applied", self.head.short());
        let paused = self.counts.decision.held.iter();
        let paused = paused.filter(|(_, why)| *why == Why::Paused);
        let paused = words::listed(paused.map(|(owner, _)| owner));
        if !paused.is_empty() {
            text = format!("{text}, but for what is paused: {paused}");
        }
        text
    }

    fn changed(&self) -> Option<String> {
        let written = self.written.iter();
        let new: Vec<&Owner> = written
            .filter(|owner| !self.put_back.contains_key(*owner))
            .collect();
        let mut parts = Vec::new();
        if !new.is_empty() {
            parts.push(format!("applied {}", words::listed(new)));
        }
        if !self.removed.is_empty() {
            parts.push(format!("removed {}", words::listed(self.removed)));
        }
        (!parts.is_empty()).then(|| format!("commit {}: {}", self.head.short(), parts.join("; ")))
    }
}

/// At most [`TEXT_MAX`] bytes, cut between characters: a status has to fit into an object.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_MAX)].to_owned()
}

/// The commit that was applied in full, as it is shown in a column.
pub(super) fn applied(memory: &Memory, at: At<'_>) -> Option<String> {
    let synced = memory.synced.as_ref()?;
    let place = match at {
        At::Commit(head) if head == synced => "tip",
        At::Nowhere => "no branch",
        At::Commit(_) | At::Unread => "behind",
    };
    Some(format!("{}, {place}", synced.short()))
}

/// The status, with what is remembered.
pub(super) fn status(memory: &Memory, rest: SyncStatus) -> SyncStatus {
    SyncStatus {
        before: memory.before.as_ref().map(ToString::to_string),
        counting: memory.counted.iter().map(ToString::to_string).collect(),
        released: memory.released.as_ref().map(ToString::to_string),
        heard: memory.heard.as_ref().map(ToString::to_string),
        pruned: memory.pruned.clone(),
        uid: memory.of.uid.clone(),
        url: memory.of.url.clone(),
        branch: memory.of.branch.clone(),
        path: memory.of.path.clone(),
        ..rest
    }
}

/// The status where nothing is synced: what has to be remembered all the same.
pub(super) fn nothing(memory: &Memory) -> Option<SyncStatus> {
    let is_heard = memory.heard.is_some();
    is_heard.then(|| status(memory, SyncStatus::default()))
}

/// Removed objects as the status lists them, the newest last.
pub(super) fn pruned(before: &mut Vec<String>, removed: &[Owner], head: &CommitId) {
    let short = head.short();
    before.extend(removed.iter().map(|owner| format!("{owner} by {short}")));
    let surplus = before.len().saturating_sub(MOST);
    before.drain(..surplus);
}
