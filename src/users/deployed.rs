//! What was deployed, from all that remembers it: ledgers and the tracked branch in one order, and the cluster's newest
//! deployments.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::change::Change;
use super::cluster::{Cluster, ClusterObject};
use super::owner::{is_recorded_of, ledger_before, ledger_of, ledger_of_gone};
use super::parts::parts;
use super::past::Past;
use super::survey::Survey;
use super::timeline::{Fate, Item, timeline};
use crate::releases::Kind;
use crate::store::release_files::Branch;
use crate::store::workspace::Workspace;
use crate::words::{CommitId, EnvironmentName, Share, VersionNumber, VersionWord};

/// One change of what is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// What remembers it.
    #[serde(flatten)]
    pub place: Memory,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who, where that is known.
    pub author: Option<String>,
    /// Why, where that is known.
    pub message: Option<String>,
    /// The versions and their shares from then on; none where it was removed.
    pub versions: Vec<DeployedShare>,
    /// For a rollback: the version that it went away from; of several, the one that had the largest share.
    pub rolled_back_from: Option<VersionNumber>,
    /// The others that it went away from.
    pub also_rolled_back_from: Vec<VersionNumber>,
    /// Where the ledger has no record that it was served.
    pub outcome: Option<Unserved>,
}

/// What became of a deployment that is in no ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unserved {
    /// Something else was deployed before all of it was served: the ledger has a record of that.
    NeverServed,
    /// Nobody knows whether it was served: no record of the ledger is of it or of a later one, records are missing there, or it is
    /// a removal, of which no record is written.
    NotRecorded,
    /// The same, but the newest record has the same versions: they are served unless something in between was.
    AsRecorded,
}

/// A version and its share.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedShare {
    /// The version, as it was named.
    pub version: VersionWord,
    /// Its share in percent.
    pub percentage: Share,
}

/// What remembers a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "source", rename_all = "camelCase")]
pub enum Memory {
    /// The ledger of an environment.
    Ledger {
        /// The environment.
        environment: EnvironmentName,
        /// Number of the change.
        sequence: u64,
        /// The commit in the ledger.
        commit: CommitId,
    },
    /// A commit of the tracked branch.
    Releases {
        /// The commit.
        commit: CommitId,
        /// The file.
        file: String,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace, where the file names one.
        namespace: Option<String>,
        /// The object's name.
        name: String,
    },
    /// The status of an object in a cluster.
    Cluster {
        /// The context of the kubeconfig.
        context: String,
        /// What kind of object it is.
        kind: Kind,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
        /// Number of the deployment of this object.
        sequence: u64,
        /// True if it had one version at 100 % and was served exactly so.
        stable: bool,
    },
}

/// The newest `limit` deployments, the newest first, and why there may be others. `environment` is an environment of a
/// ledger, or a namespace.
///
/// Each source is in its own order: a clock may have stepped. Times only say how the sources stand to each other.
#[must_use]
pub fn deployed(
    workspace: &Workspace,
    survey: &Survey,
    cluster: Option<&Cluster>,
    environment: Option<&EnvironmentName>,
    limit: usize,
) -> (Vec<Deployed>, Vec<String>) {
    let is_meant = |name: Option<&str>| {
        environment.is_none_or(|environment| name == Some(environment.as_str()))
    };
    let mut sources: Vec<Source> = Vec::new();
    let mut problems = Vec::new();
    let mut told = BTreeSet::new();
    for branch in &survey.branches {
        let past = past_of(
            workspace,
            survey,
            branch,
            environment.map_or(limit, |_| usize::MAX),
        );
        let objects = of_each(&past);
        for changes in &objects {
            let Some(newest) = changes.first() else {
                continue;
            };
            let ledger = ledger_of(survey, branch, newest)
                .or_else(|| ledger_of_gone(survey, branch, newest, &objects, &past))
                .filter(|ledger| told.insert(ledger.environment.clone()));
            let name = ledger.map(|ledger| ledger.environment.as_str());
            if !is_meant(newest.namespace.as_deref()) && !is_meant(name) {
                continue;
            }
            let before = ledger_before(survey, branch, newest);
            let before = before
                .filter(|before| ledger.is_none() && is_meant(Some(before.environment.as_str())));
            let is_told = |change: &&Change| {
                before.is_some_and(|before| is_recorded_of(survey, before, &past, change, &objects))
            };
            let changes: Vec<&Change> = (changes.iter().copied())
                .filter(|change| !is_told(change))
                .collect();
            let told = timeline(&changes, &past, ledger, |change| {
                parts(&survey.history, &change.versions)
            });
            problems.extend(told.items.iter().filter_map(|item| unknown(branch, item)));
            sources.push(Source {
                placed: told.items.iter().filter_map(of_item).collect(),
                why: told.cut.map(|why| older(&newest.name, &why)),
            });
        }
        problems.extend(
            (past.changes.is_empty())
                .then(|| past.problem.clone())
                .flatten(),
        );
    }
    let others = survey.ledgers.iter().filter(|ledger| {
        is_meant(Some(ledger.environment.as_str())) && !told.contains(&ledger.environment)
    });
    for ledger in others {
        let entries = ledger.entries.iter();
        // One without any entry is told of by the survey.
        let broken = ledger.problem.as_ref();
        sources.push(Source {
            placed: entries
                .map(|entry| (None, of_ledger(&entry.commit, &entry.served)))
                .collect(),
            why: broken.filter(|_| !ledger.entries.is_empty()).cloned(),
        });
    }
    if let Some(cluster) = cluster {
        let objects = cluster.objects.iter();
        let objects = objects.filter(|object| is_meant(Some(&object.namespace)));
        sources.extend(objects.map(|object| Source {
            placed: of_object(&cluster.context, object),
            why: None,
        }));
    }
    let (all, ended) = merged(sources, limit);
    problems.extend(ended);
    problems.sort();
    problems.dedup();
    (all, problems)
}

/// A deployment, with the place of its commit in the branch where it has one.
type Placed = (Option<usize>, Deployed);

/// What remembers deployments, the newest first.
struct Source {
    placed: Vec<Placed>,
    /// Why it may not be all.
    why: Option<String>,
}

/// The changes of a branch, with the places of the commits that its ledgers name.
fn past_of(workspace: &Workspace, survey: &Survey, branch: &Branch, limit: usize) -> Past {
    let entries = survey.ledgers.iter().flat_map(|ledger| &ledger.entries);
    let marks: BTreeSet<&CommitId> = entries
        .filter_map(|entry| entry.served.release_commit.as_ref())
        .collect();
    let marks: Vec<&CommitId> = marks.into_iter().collect();
    // What is recorded is told once.
    let limit = limit.saturating_mul(if marks.is_empty() { 1 } else { 2 });
    workspace.past(&survey.history.app, branch, limit, &marks)
}

/// The changes of each object.
fn of_each(past: &Past) -> Vec<Vec<&Change>> {
    let mut objects: Vec<Vec<&Change>> = Vec::new();
    for change in &past.changes {
        let same = |found: &&mut Vec<&Change>| {
            found
                .first()
                .is_some_and(|first| first.is_of_the_same(change))
        };
        match objects.iter_mut().find(same) {
            Some(found) => found.push(change),
            None => objects.push(vec![change]),
        }
    }
    objects
}

fn of_item(item: &Item<'_>) -> Option<Placed> {
    match item {
        Item::Served(entry) => Some((None, of_ledger(&entry.commit, &entry.served))),
        // It is in the ledger; what cannot be known is told as a problem; and nothing changed where it passed.
        Item::Asked(_, Fate::Recorded) => None,
        Item::Asked(change, _) if change.unknown.is_some() || change.passing => None,
        Item::Asked(change, fate) => {
            let outcome = match fate {
                // No record is written of a removal.
                Fate::Never if change.versions.is_empty() => Some(Unserved::NotRecorded),
                Fate::Never => Some(Unserved::NeverServed),
                Fate::Unrecorded => Some(Unserved::NotRecorded),
                Fate::Again => Some(Unserved::AsRecorded),
                Fate::Alone | Fate::Same | Fate::Recorded => None,
            };
            Some((Some(change.position), of_branch(change, outcome)))
        }
    }
}

/// What is said where a change cannot be known.
fn unknown(branch: &Branch, item: &Item<'_>) -> Option<String> {
    let Item::Asked(change, Fate::Alone | Fate::Unrecorded | Fate::Again) = item else {
        return None;
    };
    let why = change.unknown.as_ref().filter(|_| !change.passing)?;
    Some(format!(
        "what commit {} of branch {} deployed ({}, by {}) is not known: {why}",
        change.commit.short(),
        branch.name,
        change.message,
        change.author.name
    ))
}

fn older(name: &str, why: &str) -> String {
    format!("older deployments of {name} are not known: {why}")
}

/// The newest `limit` of all sources, each in its own order, and why those may not be all that are told up to their end.
fn merged(sources: Vec<Source>, limit: usize) -> (Vec<Deployed>, Vec<String>) {
    let mut sources: Vec<_> = (sources.into_iter())
        .map(|source| (source.placed.into_iter().peekable(), source.why))
        .collect();
    let newer = |one: &Placed, other: &Placed| match (one.0, other.0) {
        (Some(one), Some(other)) => one < other,
        _ => one.1.at > other.1.at,
    };
    let mut all = Vec::new();
    while all.len() < limit {
        let mut first: Option<(usize, Placed)> = None;
        for (index, (source, _)) in sources.iter_mut().enumerate() {
            let head = source.peek();
            let head = head.filter(|head| first.as_ref().is_none_or(|(_, best)| newer(head, best)));
            if let Some(head) = head {
                first = Some((index, head.clone()));
            }
        }
        let Some((index, _)) = first else { break };
        all.extend(sources[index].0.next().map(|(_, deployed)| deployed));
    }
    // Behind the limit nothing is told of.
    let ended = sources.into_iter();
    let ended = ended.filter_map(|(mut source, why)| why.filter(|_| source.peek().is_none()));
    (all, ended.collect())
}

fn of_object(context: &str, object: &ClusterObject) -> Vec<Placed> {
    let entries = object.history.iter().map(|entry| Deployed {
        place: Memory::Cluster {
            context: context.to_owned(),
            kind: object.kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            sequence: entry.sequence,
            stable: entry.stable,
        },
        at: entry.time.0,
        author: entry.author.clone(),
        message: entry.message.clone(),
        versions: (entry.versions.iter())
            .map(|share| of_number(share.number, share.percentage))
            .collect(),
        rolled_back_from: entry.rolled_back_from,
        also_rolled_back_from: Vec::new(),
        outcome: None,
    });
    entries.map(|entry| (None, entry)).collect()
}

fn of_number(number: VersionNumber, percentage: Share) -> DeployedShare {
    DeployedShare {
        version: VersionWord::Number(number),
        percentage,
    }
}

fn of_ledger(commit: &CommitId, served: &crate::ledger::Served) -> Deployed {
    Deployed {
        place: Memory::Ledger {
            environment: served.environment.clone(),
            sequence: served.sequence,
            commit: commit.clone(),
        },
        at: served.at,
        author: served.author.clone(),
        message: served.message.clone(),
        versions: (served.versions.iter())
            .map(|version| of_number(version.version, version.percentage))
            .collect(),
        rolled_back_from: served.rolled_back_from,
        also_rolled_back_from: served.also_rolled_back_from.clone(),
        outcome: None,
    }
}

fn of_branch(change: &Change, outcome: Option<Unserved>) -> Deployed {
    Deployed {
        place: Memory::Releases {
            commit: change.commit.clone(),
            file: change.file.clone(),
            kind: change.kind,
            namespace: change.namespace.clone(),
            name: change.name.clone(),
        },
        at: change.at,
        author: Some(change.author.name.clone()),
        message: Some(change.message.clone()),
        versions: (change.versions.iter())
            .map(|entry| DeployedShare {
                version: entry.version.clone(),
                percentage: entry.percentage,
            })
            .collect(),
        rolled_back_from: change.rolled_back_from.first().copied(),
        also_rolled_back_from: change.rolled_back_from.iter().skip(1).copied().collect(),
        outcome,
    }
}
