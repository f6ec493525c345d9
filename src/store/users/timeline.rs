//! What the branch asked of one Deployment and what its ledger says was served, in one order. Pure.
//!
//! A clock may step, so no time counts: a ledger is in the order of its sequence, the branch in the order of its commits, and
//! each record names the commit that asked for it. Where the ledger begins, the commits go on.

use super::super::error::ResolveError;
use super::super::history::History;
use super::ledgers::{Ledger, LedgerEntry};
use super::past::{Change, Past};
use crate::api::WantedVersion;
use crate::releases::Part;
use crate::words::{Share, VersionNumber, VersionWord};

/// What one Deployment was given, the newest first.
#[derive(Debug)]
pub(in crate::store) struct Timeline<'a> {
    pub(in crate::store) items: Vec<Item<'a>>,
    /// Why older ones are not known; nothing where there are none.
    pub(in crate::store) cut: Option<String>,
}

/// One of them.
#[derive(Debug)]
pub(in crate::store) enum Item<'a> {
    /// It was served.
    Served(&'a LedgerEntry),
    /// The branch asked for it.
    Asked(&'a Change, Fate),
}

/// What became of what the branch asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Fate {
    /// No ledger was there to say.
    Alone,
    /// It is in the ledger.
    Recorded,
    /// It was served already, so that the ledger has no record of its own for it.
    Same,
    /// Something else was asked for before it was served.
    Never,
    /// It is not served, and nothing newer was asked for.
    Yet,
}

/// Puts both together. `changes` are those of the one Deployment, out of `past`; `parts` says what a change means now.
pub(in crate::store) fn timeline<'a>(
    changes: &[&'a Change],
    past: &Past,
    ledger: Option<&'a Ledger>,
    parts: impl Fn(&Change) -> Option<Vec<Part>>,
) -> Timeline<'a> {
    let mut items = Vec::new();
    let mut rest = changes.iter().copied().peekable();
    let Some(ledger) = ledger else {
        return Timeline {
            items: rest
                .map(|change| Item::Asked(change, Fate::Alone))
                .collect(),
            cut: past.problem.clone(),
        };
    };
    // The next change is the one that the record before it says was served.
    let mut due = false;
    let mut place = None;
    for entry in &ledger.entries {
        let commit = entry.served.release_commit.as_deref();
        place = commit.and_then(|commit| past.place(commit));
        while let Some(change) = rest.next_if(|change| place.is_some_and(|at| change.position < at))
        {
            let fate = if std::mem::take(&mut due) {
                Fate::Recorded
            } else if parts(change).is_some_and(|parts| is_same(&parts, entry)) {
                Fate::Same
            } else if items.is_empty() {
                Fate::Yet
            } else {
                Fate::Never
            };
            items.push(Item::Asked(change, fate));
        }
        items.push(Item::Served(entry));
        due = due || place.is_some();
    }
    let name = &ledger.environment;
    let cut = match (&ledger.problem, ledger.whole, place) {
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
    Timeline { items, cut }
}

/// The versions that words mean now, also one that does not live, where it is named by number; nothing where the one
/// that had all the traffic cannot be said for sure: a label may have named another one then; and where a label that had a share
/// means none now.
pub(in crate::store) fn parts(history: &History, words: &[WantedVersion]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in words {
        let alone = entry.percentage == Share::ALL;
        let version = match &entry.version {
            VersionWord::Number(number) => *number,
            VersionWord::Label(_) if alone => return None,
            // Nobody goes back to it, but it may have been left.
            word @ VersionWord::Label(_) => match history.version(word) {
                Ok(version) => version.number,
                Err(_) if entry.percentage == Share::ZERO => continue,
                Err(_) => return None,
            },
            word @ VersionWord::Id(_) => match history.version(word) {
                Ok(version) => version.number,
                Err(ResolveError::Ambiguous { .. } | ResolveError::Unreadable { .. }) if alone => {
                    return None;
                }
                // It does not live, so nobody goes back to it.
                Err(_) => continue,
            },
        };
        parts.push(Part {
            version,
            percentage: entry.percentage,
        });
    }
    Some(parts)
}

/// The number that a word means: also of a version that does not live, where it is named by number.
pub(in crate::store) fn meaning(history: &History, word: &VersionWord) -> Option<VersionNumber> {
    match word {
        VersionWord::Number(number) => Some(*number),
        word => history.version(word).ok().map(|version| version.number),
    }
}

/// True where a record has these shares.
fn is_same(parts: &[Part], entry: &LedgerEntry) -> bool {
    let sorted = |shares: &mut dyn Iterator<Item = (VersionNumber, Share)>| {
        let mut shares: Vec<_> = shares.filter(|(_, share)| *share != Share::ZERO).collect();
        shares.sort_unstable();
        shares
    };
    let served = entry.served.versions.iter();
    sorted(&mut parts.iter().map(|part| (part.version, part.percentage)))
        == sorted(&mut served.map(|served| (served.version, served.percentage)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ledger::{Served, ServedVersion};
    use crate::releases::Kind;
    use crate::store::Person;

    fn number(version: u32) -> VersionNumber {
        VersionNumber::new(version).unwrap()
    }

    /// The change of commit `position` to this version alone.
    fn change((position, version): (usize, u32)) -> Change {
        Change {
            commit: position.to_string(),
            position,
            author: Person {
                name: String::new(),
                email: String::new(),
            },
            at: jiff::Timestamp::UNIX_EPOCH,
            message: String::new(),
            file: String::new(),
            folder: String::new(),
            kind: Kind::Deployment,
            namespace: None,
            name: String::new(),
            source: None,
            versions: vec![WantedVersion {
                version: VersionWord::Number(number(version)),
                percentage: Share::ALL,
            }],
            rolled_back_from: Vec::new(),
            unknown: None,
            passing: false,
        }
    }

    /// A record of a version that the commit at this place asked for; the clock goes back with each.
    fn entry(sequence: usize, (commit, version): (&str, u32)) -> LedgerEntry {
        let served = ServedVersion {
            version: number(version),
            percentage: Share::ALL,
            commit: String::new(),
            tree: String::new(),
        };
        let at = jiff::Timestamp::from_second(1_000 - i64::try_from(sequence).unwrap()).unwrap();
        let (app, environment) = ("a".parse().unwrap(), "prod".parse().unwrap());
        let mut served = Served::new(app, environment, sequence as u64, at, vec![served]);
        served.release_commit = (!commit.is_empty()).then(|| commit.to_owned());
        LedgerEntry {
            commit: String::new(),
            served,
        }
    }

    #[test]
    fn ledger_and_branch_are_one_history_in_the_order_of_commits() {
        // Of the branch: place and version. Of the ledger: commit and version.
        type Case<'a> = (&'a [(usize, u32)], Option<&'a [(&'a str, u32)]>, &'a str);
        let cases: &[Case<'_>] = &[
            (&[(0, 2), (3, 1)], None, "v2 Alone, v1 Alone"),
            // The ledger began late.
            (
                &[(0, 3), (2, 2), (5, 1)],
                Some(&[("0", 3)]),
                "3, v3 Recorded, v2 Alone, v1 Alone",
            ),
            (
                &[(0, 3), (2, 2), (5, 1)],
                Some(&[("0", 3), ("2", 2)]),
                "3, v3 Recorded, 2, v2 Recorded, v1 Alone",
            ),
            // What never converged, and the way back, which had no need to.
            (
                &[(0, 3), (1, 4), (2, 3), (5, 1)],
                Some(&[("2", 3), ("5", 1)]),
                "v3 Same, v4 Never, 3, v3 Recorded, 1, v1 Recorded",
            ),
            (
                &[(0, 4), (2, 3)],
                Some(&[("2", 3)]),
                "v4 Yet, 3, v3 Recorded",
            ),
            // Several records of one commit: a version got its share later.
            (
                &[(0, 3), (2, 1)],
                Some(&[("0", 3), ("0", 1), ("2", 1)]),
                "3, 1, v3 Recorded, 1, v1 Recorded",
            ),
            // Commits that are gone from the branch, or were never told.
            (
                &[(0, 3), (2, 1)],
                Some(&[("0", 3), ("gone", 2)]),
                "3, 2 but at which commit the ledger of prod begins is not known",
            ),
            (
                &[(0, 3), (2, 1)],
                Some(&[("0", 3), ("", 2), ("2", 1)]),
                "3, 2, v3 Recorded, 1, v1 Recorded",
            ),
            (
                &[(0, 3)],
                Some(&[("", 2)]),
                "2 but at which commit the ledger of prod begins is not known",
            ),
        ];
        for (changes, records, expected) in cases {
            let all: Vec<Change> = changes.iter().copied().map(change).collect();
            let changes: Vec<&Change> = all.iter().collect();
            let places = (0..9).map(|place| (place.to_string(), place));
            let past = Past::of(Vec::new(), places.collect::<HashMap<_, _>>());
            let ledger = records.map(|records| Ledger {
                environment: "prod".parse().unwrap(),
                entries: (records.iter().enumerate())
                    .map(|(index, record)| entry(records.len() - index, *record))
                    .collect(),
                problem: None,
                whole: true,
            });
            let parts = |change: &Change| {
                let VersionWord::Number(version) = change.versions[0].version else {
                    return None;
                };
                let percentage = Share::ALL;
                Some(vec![Part {
                    version,
                    percentage,
                }])
            };
            let told = timeline(&changes, &past, ledger.as_ref(), parts);
            let items = told.items.iter().map(|item| match item {
                Item::Served(entry) => entry.served.versions[0]
                    .version
                    .to_string()
                    .replace('v', ""),
                Item::Asked(change, fate) => format!("{} {fate:?}", change.versions[0].version),
            });
            let items = items.collect::<Vec<_>>().join(", ");
            let but = told
                .cut
                .map(|cut| format!(" but {cut}"))
                .unwrap_or_default();
            assert_eq!(format!("{items}{but}"), *expected);
        }
    }
}
