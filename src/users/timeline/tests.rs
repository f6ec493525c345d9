//! Ledgers beside branches, and what became of each commit.

use std::collections::HashMap;

use super::*;
use crate::ledger::{Served, ServedVersion};
use crate::users::change::change_to;
use crate::words::{TreeId, VersionWord};

fn number(version: u32) -> VersionNumber {
    VersionNumber::new(version).unwrap()
}

/// The id of a commit that is called so here.
fn commit(name: &str) -> CommitId {
    let mut bytes = [0xff; 20];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    CommitId::from_bytes(&bytes)
}

/// The change of commit `position` to this version alone.
fn change((position, version): (usize, u32)) -> Change {
    Change {
        commit: commit(&position.to_string()),
        position,
        ..change_to(&[(version, 100)])
    }
}

/// A record of a version that the commit at this place asked for; the clock goes back with each.
fn entry(sequence: usize, (asked, version): (&str, u32)) -> LedgerEntry {
    let served = ServedVersion {
        version: number(version),
        percentage: Share::ALL,
        commit: CommitId::zero(),
        tree: TreeId::zero(),
    };
    let at = jiff::Timestamp::from_second(1_000 - i64::try_from(sequence).unwrap()).unwrap();
    let (app, environment) = ("a".parse().unwrap(), "prod".parse().unwrap());
    let mut served = Served::new(app, environment, sequence as u64, at, vec![served]);
    served.release_commit = (!asked.is_empty()).then(|| commit(asked));
    LedgerEntry {
        commit: CommitId::zero(),
        served,
    }
}

/// Of the branch: place and version. Of the ledger: commit and version.
type Case = (
    &'static [(usize, u32)],
    Option<&'static [(&'static str, u32)]>,
    &'static str,
);

const CASES: &[Case] = &[
    (&[(0, 2), (3, 1)], None, "v2 Alone, v1 Alone"),
    // The branch went back two commits, and came again at once.
    (
        &[(0, 4), (1, 3), (2, 2)],
        Some(&[("0", 4), ("2", 2), ("0", 4), ("1", 3), ("2", 2)]),
        "4, v4 Recorded, 2, 4, 3, 2, v2 Recorded",
    ),
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
        "v3 Again, v4 Unrecorded, 3, v3 Recorded, 1, v1 Recorded",
    ),
    (
        &[(0, 3), (1, 4), (2, 3), (5, 1)],
        Some(&[("0", 2), ("2", 3), ("5", 1)]),
        "2, v3 Recorded, v4 Never, 3, v3 Recorded, 1, v1 Recorded",
    ),
    (
        &[(0, 4), (1, 3), (2, 3)],
        Some(&[("2", 3)]),
        "v4 Unrecorded, v3 Same, 3, v3 Recorded",
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
        "3, v3 Recorded, 2 but at which commit the ledger of prod begins is not known",
    ),
    (
        &[(0, 3), (2, 1)],
        Some(&[("0", 3), ("", 2), ("2", 1)]),
        "3, 2, v3 Recorded, 1, v1 Recorded",
    ),
    (
        &[(0, 3)],
        Some(&[("", 2)]),
        "v3 Unrecorded, 2 but at which commit the ledger of prod begins is not known",
    ),
    (
        &[(0, 3), (1, 4), (2, 1)],
        Some(&[("gone", 2), ("2", 1)]),
        "v3 Unrecorded, v4 Unrecorded, 2, 1, v1 Recorded",
    ),
    // Commits that are not in this clone.
    (
        &[(0, 4), (1, 3)],
        Some(&[("0", 4), ("away", 2)]),
        "4, v4 Recorded, v3 Never, ..., 2 but this clone is shallow",
    ),
    (
        &[(0, 4), (1, 3)],
        Some(&[("away", 2)]),
        "v4 Unrecorded, v3 Unrecorded, ..., 2 but this clone is shallow",
    ),
    // Records that were lost before they were written.
    (
        &[(0, 4), (1, 3), (2, 2)],
        Some(&[("0", 4), ("lost", 3), ("2", 2)]),
        "4, v4 Recorded, v3 Unrecorded, 2, v2 Recorded",
    ),
];

#[test]
fn ledger_and_branch_are_one_history_in_the_order_of_commits() {
    for (changes, records, expected) in CASES {
        let all: Vec<Change> = changes.iter().copied().map(change).collect();
        let changes: Vec<&Change> = all.iter().collect();
        let places = (0..9).map(|place: usize| (commit(&place.to_string()), place));
        let mut past = Past::of(Vec::new(), places.collect::<HashMap<_, _>>());
        if records.is_some_and(|records| records.iter().any(|(commit, _)| *commit == "away")) {
            past.whole = false;
            past.problem = Some("this clone is shallow".to_owned());
        }
        let ledger = records.map(|records| Ledger {
            environment: "prod".parse().unwrap(),
            entries: (records.iter().enumerate())
                .filter(|(_, (commit, _))| *commit != "lost")
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
        let mut items: Vec<String> = items.collect();
        if let Some((index, _)) = &told.gap {
            items.insert(*index, "...".to_owned());
        }
        let items = items.join(", ");
        let but = told
            .cut
            .map(|cut| format!(" but {cut}"))
            .unwrap_or_default();
        assert_eq!(format!("{items}{but}"), *expected);
    }
}
