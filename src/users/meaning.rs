//! What the words of a release mean, and what they meant when they were deployed: a label may have moved since.

use super::change::Change;
use super::owner::ledger_of;
use super::parts::parts;
use super::past::Reach;
use super::survey::Survey;
use super::timeline::timeline;
use crate::api::WantedVersion;
use crate::releases::{Part, Release};
use crate::store::history::History;
use crate::store::ledger::LedgerEntry;
use crate::store::partial::DEPTHS;
use crate::store::release_files::Branch;
use crate::store::workspace::Workspace;
use crate::words::{CommitId, Share, VersionNumber, VersionWord};

/// The number that a word means now: also of a version that does not live, where it is named by number.
pub(crate) fn meaning(history: &History, word: &VersionWord) -> Option<VersionNumber> {
    match word {
        VersionWord::Number(number) => Some(*number),
        word => history.version(word).ok().map(|version| version.number),
    }
}

/// The version that each of these words meant when they were served, by the record of that: of a label, the only version with its
/// share that no other word names. Nothing where that does not say it; a word that names nothing to go back to has none.
pub(crate) fn meant(
    history: &History,
    words: &[WantedVersion],
    record: &LedgerEntry,
) -> Option<Vec<Option<Part>>> {
    let fixed = |entry: &WantedVersion| match &entry.version {
        VersionWord::Label(_) => None,
        word => meaning(history, word),
    };
    let named: Vec<VersionNumber> = words.iter().filter_map(fixed).collect();
    let mut parts = Vec::new();
    for entry in words {
        let mut unnamed = (record.served.versions.iter()).filter(|served| {
            served.percentage == entry.percentage && !named.contains(&served.version)
        });
        let version = match (&entry.version, unnamed.next(), unnamed.next()) {
            (VersionWord::Label(_), Some(served), None) => Some(served.version),
            (VersionWord::Label(_), ..) if entry.percentage != Share::ZERO => return None,
            // One that does not live is nothing to go back to.
            _ => fixed(entry),
        };
        parts.push(version.map(|version| Part {
            version,
            percentage: entry.percentage,
        }));
    }
    Some(parts)
}

/// The number of each version that an object of the branch asks for, in the order of its words: of a label the one that it had when
/// the object was deployed, as the ledger says it. Nothing where nobody knows it, and where nothing is called so.
#[must_use]
pub fn numbers(
    workspace: &Workspace,
    survey: &Survey,
    branch: &Branch,
    release: &Release,
) -> Vec<Option<VersionNumber>> {
    let words = &release.wanted.versions;
    let is_label = |entry: &WantedVersion| matches!(entry.version, VersionWord::Label(_));
    let then = (words.iter().any(is_label))
        .then(|| then(workspace, survey, branch, release))
        .flatten()
        .unwrap_or_default();
    let number = |entry: &WantedVersion| {
        if !is_label(entry) {
            return survey
                .history
                .find(&entry.version)
                .ok()
                .map(|(number, _)| number);
        }
        let found = then.iter().find(|(word, _)| *word == entry.version);
        found.map(|(_, number)| *number)
    };
    words.iter().map(number).collect()
}

/// What the words of an object meant when it was deployed, where a ledger says so.
fn then(
    workspace: &Workspace,
    survey: &Survey,
    branch: &Branch,
    release: &Release,
) -> Option<Vec<(VersionWord, VersionNumber)>> {
    let entries = survey.ledgers.iter().flat_map(|ledger| &ledger.entries);
    let marks: Vec<&CommitId> = entries
        .filter_map(|entry| entry.served.release_commit.as_ref())
        .collect();
    let reach = Reach {
        marks: &marks,
        fetches: DEPTHS.len(),
    };
    let is_this = |change: &&Change| change.is_of(release) && !change.passing;
    let past = workspace.past_until(&survey.history.app, branch, &reach, |changes| {
        changes.iter().any(|change| is_this(&change))
    });
    let newest = past.changes.iter().find(is_this)?;
    let ledger = ledger_of(survey, branch, newest);
    let told = timeline(&[newest], &past, ledger, |change| {
        parts(&survey.history, &change.versions)
    });
    let words = &release.wanted.versions;
    let parts = meant(&survey.history, words, told.newest?)?;
    let pair = |(entry, part): (&WantedVersion, Option<Part>)| {
        Some((entry.version.clone(), part?.version))
    };
    words.iter().zip(parts).map(pair).collect()
}
