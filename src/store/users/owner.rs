//! Whose records a ledger holds: the Deployment of the branch whose environment it is about.

use super::branches::Branch;
use super::ledgers::Ledger;
use super::past::Change;
use super::survey::Survey;
use crate::releases::{Kind, Release};
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
pub(in crate::store) fn ledger_of<'a>(
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
/// that ledger, neither one that is there nor another one of `objects`, which were there once.
pub(super) fn ledger_of_gone<'a>(
    survey: &'a Survey,
    branch: &Branch,
    newest: &Change,
    objects: &[Vec<&Change>],
) -> Option<&'a Ledger> {
    let is_here = ours(survey, branch).any(|release| newest.is_of(release));
    if newest.kind != Kind::Deployment || is_here {
        return None;
    }
    let changes = objects.iter().filter_map(|changes| changes.first());
    let deployments = changes.filter(|change| change.kind == Kind::Deployment);
    let alone = || ours(survey, branch).next().is_none() && deployments.count() == 1;
    named(survey, newest).or_else(|| only(survey).filter(|_| alone()))
}

/// The environments that have a ledger, where none of them is known to be that of a Deployment.
pub(in crate::store) fn apart<'a>(
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
