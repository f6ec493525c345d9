//! Whose records a ledger holds: the Deployment of the branch whose environment it is about.

use super::change::Change;
use super::parts::parts;
use super::past::Past;
use super::survey::Survey;
use super::timeline::is_same;
use crate::releases::{Kind, Release};
use crate::store::ledger::{Ledger, LedgerEntry};
use crate::store::release_files::Branch;
use crate::words::EnvironmentName;

/// The ledgers that hold records.
fn known(survey: &Survey) -> impl Iterator<Item = &Ledger> + Clone {
    (survey.ledgers.iter()).filter(|ledger| !ledger.entries.is_empty())
}

/// The Deployments of the app in the branch.
fn ours<'a>(survey: &'a Survey, branch: &'a Branch) -> impl Iterator<Item = &'a Release> + Clone {
    (branch.releases.iter())
        .filter(|other| *other.app() == survey.history.app && other.kind() == Kind::Deployment)
}

/// The ledger that is called like the namespace of the object.
fn named<'a>(survey: &'a Survey, newest: &Change) -> Option<&'a Ledger> {
    known(survey).find(|ledger| newest.namespace.as_deref() == Some(ledger.environment.as_str()))
}

/// The ledger, where there is no other one.
fn only(survey: &Survey) -> Option<&Ledger> {
    known(survey).next().filter(|_| known(survey).count() == 1)
}

/// The ledger of an object's environment: of a Deployment, the one with the name of its namespace, else the only one of an app
/// with one Deployment.
pub(crate) fn ledger_of<'a>(
    survey: &'a Survey,
    branch: &Branch,
    newest: &Change,
) -> Option<&'a Ledger> {
    let mut here = ours(survey, branch).filter(|release| newest.is_of(release));
    here.next()?;
    let alone = || ours(survey, branch).count() == 1;
    named(survey, newest).or_else(|| only(survey).filter(|_| alone()))
}

/// The same for a Deployment that is not in the branch any more, or whose file cannot be read now: nobody else may be recorded in
/// that ledger. Of several of `objects` that were there once, one after the other or one as a copy, it is the one that the records
/// tell most of.
pub(super) fn ledger_of_gone<'a>(
    survey: &'a Survey,
    branch: &Branch,
    newest: &Change,
    objects: &[Vec<&Change>],
    past: &Past,
) -> Option<&'a Ledger> {
    if !is_gone(survey, branch, newest) {
        return None;
    }
    let only = only(survey).filter(|ledger| {
        let deployments = objects.iter().filter(|changes| {
            let first = changes.first();
            first.is_some_and(|first| first.kind == Kind::Deployment)
        });
        let count = |changes: &&Vec<&Change>| {
            let recorded = changes.iter();
            recorded
                .filter(|change| is_recorded(survey, ledger, past, change))
                .count()
        };
        // The newest one of those that are told of as much.
        let most = deployments.clone().rev().max_by_key(count);
        let most = most.filter(|most| deployments.clone().count() == 1 || count(most) > 0);
        let most = most.and_then(|most| most.first());
        ours(survey, branch).next().is_none()
            && most.is_some_and(|most| most.is_of_the_same(newest))
    });
    named(survey, newest).or(only)
}

/// The ledger that may tell of a Deployment that is not in the branch any more, though it is not its own: where a file was
/// renamed together with what is in it, the one of the Deployment that came after it.
pub(super) fn ledger_before<'a>(
    survey: &'a Survey,
    branch: &Branch,
    newest: &Change,
) -> Option<&'a Ledger> {
    only(survey).filter(|_| is_gone(survey, branch, newest))
}

/// True for a Deployment that is not in the branch, as far as it can be read.
fn is_gone(survey: &Survey, branch: &Branch, newest: &Change) -> bool {
    newest.kind == Kind::Deployment && !ours(survey, branch).any(|release| newest.is_of(release))
}

/// True where the ledger has a record of what this change asked for, and not of another one of its commit.
pub(super) fn is_recorded_of(
    survey: &Survey,
    ledger: &Ledger,
    past: &Past,
    change: &Change,
    objects: &[Vec<&Change>],
) -> bool {
    let mut all = objects.iter().flatten();
    let is_other = |other: &&&Change| {
        other.position == change.position
            && other.kind == Kind::Deployment
            && !other.is_of_the_same(change)
            && is_recorded(survey, ledger, past, other)
    };
    is_recorded(survey, ledger, past, change) && !all.any(|other| is_other(&other))
}

/// True where the ledger has a record of what the commit of this change asked for.
fn is_recorded(survey: &Survey, ledger: &Ledger, past: &Past, change: &Change) -> bool {
    let Some(parts) = parts(&survey.history, &change.versions) else {
        return false;
    };
    let place = |entry: &LedgerEntry| past.place(entry.served.release_commit.as_ref()?);
    (ledger.entries.iter())
        .any(|entry| place(entry) == Some(change.position) && is_same(&parts, entry))
}

/// The environments that have a ledger, where none of them is known to be that of a Deployment.
pub(crate) fn apart<'a>(
    survey: &'a Survey,
    branch: &Branch,
    release: &Release,
) -> Vec<&'a EnvironmentName> {
    let known = survey.ledgers.iter();
    let known = known.filter(|ledger| !ledger.entries.is_empty());
    let known: Vec<&EnvironmentName> = known.map(|ledger| &ledger.environment).collect();
    let is_own = |environment: &&EnvironmentName| release.namespace() == Some(environment.as_str());
    let ours = branch.releases.iter();
    let ours = ours.filter(|it| it.app() == release.app() && it.kind() == Kind::Deployment);
    if known.iter().any(is_own) || (known.len() == 1 && ours.count() == 1) {
        return Vec::new();
    }
    known
}
