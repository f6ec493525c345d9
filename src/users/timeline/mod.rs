//! What the branch asked of one Deployment and what its ledger says was served, in one order. Pure.
//!
//! A clock may step, so no time counts: a ledger is in the order of its sequence, the branch in the order of its commits, and
//! each record names the commit that asked for it. Where the ledger begins, the commits go on.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::change::Change;
use super::past::Past;
use crate::releases::Part;
use crate::store::ledger::{Ledger, LedgerEntry};
use crate::words::{CommitId, Share, VersionNumber};

/// What one Deployment was given, the newest first.
#[derive(Debug)]
pub(crate) struct Timeline<'a> {
    pub(crate) items: Vec<Item<'a>>,
    /// Why older ones are not known; nothing where there are none.
    pub(crate) cut: Option<String>,
    /// Before which item others are not known, and why: behind it are records of commits that are not here.
    pub(crate) gap: Option<(usize, String)>,
    /// The newest record, where the newest change of the branch is what it was served for.
    pub(crate) newest: Option<&'a LedgerEntry>,
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// It was served.
    Served(&'a LedgerEntry),
    /// The branch asked for it.
    Asked(&'a Change, Fate),
}

/// What became of what the branch asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No ledger was there to say.
    Alone,
    /// It is in the ledger.
    Recorded,
    /// It was served already, so that the ledger has no record of its own for it.
    Same,
    /// The ledger has a record of a later commit and none of this one: something else was asked for before it was served.
    Never,
    /// Nobody knows: the ledger has no record of a later commit, or lacks records there.
    Unrecorded,
    /// The same, but it asks for what the newest record has: if nothing in between was served, that one is of it too.
    Again,
}

/// Puts both together. `changes` are those of the one Deployment, out of `past`; `parts` says what a change asked for.
pub(crate) fn timeline<'a>(
    changes: &[&'a Change],
    past: &Past,
    ledger: Option<&'a Ledger>,
    parts: impl Fn(&Change) -> Option<Vec<Part>>,
) -> Timeline<'a> {
    let Some(ledger) = ledger else {
        let alone = |change: &&'a Change| Item::Asked(change, Fate::Alone);
        return Timeline {
            items: changes.iter().map(alone).collect(),
            cut: past.problem.clone(),
            gap: None,
            newest: None,
        };
    };
    let place = |entry: &LedgerEntry| past.place(entry.served.release_commit.as_ref()?);
    let is_same = |change: &Change, entry: &LedgerEntry| {
        parts(change).is_some_and(|parts| is_same(&parts, entry))
    };
    // What the branch asked for behind the newest record that says where it is. Records that do not say may be older or newer.
    let first = ledger.entries.iter().find_map(place);
    let count = (changes.iter())
        .take_while(|change| first.is_none_or(|first| change.position < first))
        .count();
    let (ahead, rest) = changes.split_at(count);
    let newest = ledger.entries.first();
    let newest = newest.filter(|newest| place(newest).is_some());
    // Which of them came first is not known while older ones were not looked at.
    let open = rest.is_empty() && past.is_limited();
    let mut items = unrecorded(ahead, open, |change| {
        newest.is_some_and(|newest| is_same(change, newest))
    });
    let mut rest = rest.iter().copied().peekable();
    // The next change is the one that the record before it says was served.
    let mut due = false;
    let mut before: Option<&LedgerEntry> = None;
    // Behind the last record that says where it is, nobody can say what was before which.
    let placed = ledger
        .entries
        .iter()
        .rposition(|entry| place(entry).is_some());
    let (placed, beyond) = ledger.entries.split_at(placed.map_or(0, |last| last + 1));
    let recorded = commits(&ledger.entries);
    for entry in placed {
        let place = place(entry);
        let lacks = before.is_some_and(|before| before.served.sequence > entry.served.sequence + 1);
        while let Some(change) = rest.next_if(|change| place.is_some_and(|at| change.position < at))
        {
            let fate = if std::mem::take(&mut due) {
                Fate::Recorded
            } else if recorded.contains(&change.commit) {
                // The branch went back behind it and came again: it was served the first time, and its record says so.
                continue;
            } else if is_same(change, entry) {
                Fate::Same
            } else if lacks {
                Fate::Unrecorded
            } else {
                Fate::Never
            };
            items.push(Item::Asked(change, fate));
        }
        items.push(Item::Served(entry));
        due = due || place.is_some();
        before = Some(entry);
    }
    let mut gap = None;
    if !beyond.is_empty() {
        items.extend(
            rest.next_if(|_| due)
                .map(|change| Item::Asked(change, Fate::Recorded)),
        );
        if let Some(problem) = &past.problem {
            // What is here is newer than what is not.
            let rest = rest.by_ref();
            let others = rest.filter(|change| !recorded.contains(&change.commit));
            items.extend(others.map(|change| Item::Asked(change, Fate::Never)));
            gap = Some((items.len(), problem.clone()));
        }
        items.extend(beyond.iter().map(Item::Served));
    }
    let name = &ledger.environment;
    let last = ledger.entries.last().and_then(place);
    let cut = match (&ledger.problem, ledger.whole, last) {
        (Some(problem), _, _) => Some(problem.clone()),
        (None, false, _) => Some(format!(
            "only the newest {} records of the ledger of {name} are looked at",
            ledger.entries.len()
        )),
        (None, true, None) => Some(past.problem.clone().unwrap_or_else(|| {
            format!("at which commit the ledger of {name} begins is not known")
        })),
        (None, true, Some(_)) => {
            for change in rest {
                let fate = if std::mem::take(&mut due) {
                    Fate::Recorded
                } else {
                    Fate::Alone
                };
                items.push(Item::Asked(change, fate));
            }
            past.problem.clone()
        }
    };
    Timeline {
        items,
        cut,
        gap,
        newest: newest.filter(|_| ahead.is_empty()),
    }
}

/// The commits that records name.
fn commits(entries: &[LedgerEntry]) -> BTreeSet<&CommitId> {
    let named = entries.iter();
    named
        .filter_map(|entry| entry.served.release_commit.as_ref())
        .collect()
}

/// Changes that are newer than all records. `is_same` says that one asks for what the newest record has: it is served where nothing
/// else was asked for since. There are more of them where it is `open`.
fn unrecorded<'a>(
    ahead: &[&'a Change],
    open: bool,
    is_same: impl Fn(&Change) -> bool,
) -> Vec<Item<'a>> {
    let same = ahead.iter().rev();
    let same = same.take_while(|change| !open && is_same(change));
    let first = ahead.len() - same.count();
    let item = |(index, change): (usize, &&'a Change)| {
        let fate = match is_same(change) {
            _ if index >= first => Fate::Same,
            true => Fate::Again,
            false => Fate::Unrecorded,
        };
        Item::Asked(change, fate)
    };
    ahead.iter().enumerate().map(item).collect()
}

/// True where a record has these shares.
pub(super) fn is_same(parts: &[Part], entry: &LedgerEntry) -> bool {
    let sorted = |shares: &mut dyn Iterator<Item = (VersionNumber, Share)>| {
        let mut shares: Vec<_> = shares.filter(|(_, share)| *share != Share::ZERO).collect();
        shares.sort_unstable();
        shares
    };
    let served = entry.served.versions.iter();
    sorted(&mut parts.iter().map(|part| (part.version, part.percentage)))
        == sorted(&mut served.map(|served| (served.version, served.percentage)))
}
