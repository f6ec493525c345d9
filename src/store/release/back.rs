//! Where a rollback without a version goes: what ledger and branch remember, for the choice of [`rollback`]. A guess is never made
//! in silence: where something is not known, the error says what, and how to go where it probably leads.

use std::collections::BTreeSet;

use super::super::users::{
    Branch, Change, Fate, Item, Past, Survey, Timeline, ledger_of, meaning, parts, timeline,
};
use super::ReleaseRequest;
use super::error::ReleaseError;
use crate::api::WantedVersion;
use crate::releases::rollback::{self, Event, Target};
use crate::releases::{Part, Release};
use crate::words::{Share, VersionNumber, VersionWord};

/// Most candidates that an error lists.
const CANDIDATES_MAX: usize = 5;

/// The version, or what to do instead.
pub(super) fn chosen(
    request: &ReleaseRequest,
    survey: &Survey,
    branch: &Branch,
    release: &Release,
    now: &[Part],
    past: &Past,
) -> Result<VersionNumber, ReleaseError> {
    // What could not be read for a while, and was as before then, was never served.
    let changes: Vec<&Change> = (past.changes.iter())
        .filter(|change| change.is_of(release) && !change.passing)
        .collect();
    let newest = changes.first();
    let ledger = newest.and_then(|newest| ledger_of(survey, branch, newest));
    let history = &survey.history;
    let told = timeline(&changes, past, ledger, |change| {
        parts(history, &change.versions)
    });
    let lives = |number: VersionNumber| history.version(&VersionWord::Number(number)).is_ok();
    let events = events(survey, branch, release, now, &told);
    let (target, left) = rollback::target(&events, told.cut.as_deref(), lives);
    let (why, guess) = match target {
        Target::Version(version) => return Ok(version),
        Target::Unknown { why, guess } => (format!("it is not known {why}"), guess),
        Target::Nothing => {
            let place = ledger.map_or_else(
                || format!("branch {}", branch.name),
                |ledger| {
                    let environment = &ledger.environment;
                    format!(
                        "the ledger of {environment}, with branch {} before it,",
                        branch.name
                    )
                },
            );
            let why = format!(
                "{place} knows no earlier version that had 100 %, lives, and was not left for another"
            );
            (why, None)
        }
    };
    let living: Vec<_> = history
        .living()
        .rev()
        .map(|version| version.number)
        .collect();
    let alone = rollback::only(now);
    let (mut candidates, left) = candidates(&living, now, alone, &left);
    let guess = guess.or_else(|| candidates.first().copied());
    candidates.retain(|candidate| Some(*candidate) != guess);
    candidates.truncate(CANDIDATES_MAX);
    Err(ReleaseError::NothingStable {
        app: request.app.clone(),
        why,
        guess,
        candidates,
        left,
    })
}

/// The versions that one may go to, best first: those below the ones of now, the newest first, then the others. And those that
/// somebody went away from.
fn candidates(
    living: &[VersionNumber],
    now: &[Part],
    alone: Option<VersionNumber>,
    left: &BTreeSet<VersionNumber>,
) -> (Vec<VersionNumber>, Vec<VersionNumber>) {
    let highest = now.iter().map(|part| part.version).max();
    let others = living
        .iter()
        .copied()
        .filter(|number| Some(*number) != alone);
    let (left, others): (Vec<_>, Vec<_>) = others.partition(|number| left.contains(number));
    let (mut best, newer): (Vec<_>, Vec<_>) =
        (others.into_iter()).partition(|number| Some(*number) <= highest);
    best.extend(newer);
    (best, left)
}

/// What is remembered, the newest first, beginning with what is deployed now.
fn events(
    survey: &Survey,
    branch: &Branch,
    release: &Release,
    now: &[Part],
    told: &Timeline<'_>,
) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for item in &told.items {
        events.push(match item {
            Item::Served(entry) => Event::Deployed {
                parts: (entry.served.versions.iter())
                    .map(|version| Part {
                        version: version.version,
                        percentage: version.percentage,
                    })
                    .collect(),
                left: entry.served.rolled_back_from.into_iter().collect(),
            },
            Item::Asked(change, Fate::Recorded | Fate::Never | Fate::Yet) => {
                Event::Left(change.rolled_back_from.clone())
            }
            // The newest one, in the words of the file as it is.
            Item::Asked(change, Fate::Alone)
                if events.is_empty()
                    && change.unknown.is_none()
                    && change.versions == release.wanted.versions =>
            {
                Event::Deployed {
                    parts: now.to_vec(),
                    left: change.rolled_back_from.clone(),
                }
            }
            Item::Asked(change, Fate::Alone | Fate::Same) => asked(survey, branch, change),
        });
    }
    let begins = |event: &Event| matches!(event, Event::Deployed { parts, .. } if *parts == now);
    let before = events.iter().find(|event| !matches!(event, Event::Left(_)));
    if !before.is_some_and(begins) || !matches!(events.first(), Some(Event::Deployed { .. })) {
        let left = Vec::new();
        let parts = now.to_vec();
        events.insert(0, Event::Deployed { parts, left });
    }
    events
}

/// A change of the branch.
fn asked(survey: &Survey, branch: &Branch, change: &Change) -> Event {
    let what = || {
        format!(
            "what commit {} of branch {} deployed",
            change.short(),
            branch.name
        )
    };
    if let Some(problem) = &change.unknown {
        return Event::Unknown {
            why: format!("{}: {problem}", what()),
            guess: None,
        };
    }
    if let Some(parts) = parts(&survey.history, &change.versions) {
        let left = change.rolled_back_from.clone();
        return Event::Deployed { parts, left };
    }
    let alone = |entry: &&WantedVersion| entry.percentage == Share::ALL;
    let means_none = |entry: &&WantedVersion| meaning(&survey.history, &entry.version).is_none();
    let mut words = change.versions.iter();
    let word = (words.clone().find(alone)).or_else(|| words.find(means_none));
    let guess = word.and_then(|entry| meaning(&survey.history, &entry.version));
    let word = word
        .map(|entry| entry.version.to_string())
        .unwrap_or_default();
    let means = guess.map_or_else(
        || "means no version now".to_owned(),
        |guess| format!("means {guess} now, and may have meant another version then"),
    );
    Event::Unknown {
        why: format!("{}: it said `{word}`, which {means}", what()),
        guess,
    }
}
