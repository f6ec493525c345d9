//! The ledgers of an app: what each environment served, the newest first, as far as it can be read.

use git2::{ObjectType, Oid, Repository};

use super::super::objects;
use super::super::read_error::ReadError;
use super::super::refs::{self, Space};
use crate::ledger::{LEDGER_FILE, Served};
use crate::words::{AppName, CommitId, EnvironmentName};
use crate::yaml::Problems;

/// Most environments of one app.
const ENVIRONMENTS_MAX: usize = 1_000;
/// Largest commit object.
const COMMIT_MAX: usize = 64 * 1024;
/// Largest record.
const RECORD_MAX: usize = 256 * 1024;

/// What one environment served.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The environment.
    pub environment: EnvironmentName,
    /// Changes, the newest first.
    pub entries: Vec<LedgerEntry>,
    /// Why reading stopped before the end, other than at the limit.
    pub problem: Option<String>,
    /// True where the first one is among them.
    pub whole: bool,
}

/// One change.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    /// The commit in the ledger.
    pub commit: CommitId,
    /// What was served from then on.
    pub served: Served,
}

/// Why a commit of a ledger is not taken for a record.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    /// Something of it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No record has such a large commit.
    #[error("it has {0} bytes, which is too much")]
    TooLarge(usize),
    /// Records stand in one line.
    #[error("it has several parents")]
    Merge,
    /// There is no record in it.
    #[error("it holds no file {LEDGER_FILE}")]
    NoFile,
    /// The record is not as it should be.
    #[error("{0}")]
    Wrong(Problems),
    /// The record is of another ledger.
    #[error("it is about `{app}` in `{environment}`")]
    Elsewhere {
        /// The app that it names.
        app: AppName,
        /// The environment that it names.
        environment: EnvironmentName,
    },
    /// The record after it has no higher number.
    #[error("its sequence {0} does not rise")]
    Sequence(u64),
}

/// The newest commits of an app's ledgers.
fn heads(repo: &Repository, space: &Space) -> Result<Vec<(EnvironmentName, Oid)>, git2::Error> {
    let mut heads: Vec<(EnvironmentName, Oid)> = Vec::new();
    refs::each(repo, &space.deployments(), |name, oid| {
        if let Ok(environment) = name.parse()
            && heads.len() < ENVIRONMENTS_MAX
        {
            heads.push((environment, oid));
        }
    })?;
    heads.sort();
    Ok(heads)
}

/// The trees of the newest `limit` commits of each ledger.
pub(crate) fn trees(repo: &Repository, space: &Space, limit: usize) -> Vec<Oid> {
    let mut trees = Vec::new();
    for (_, head) in heads(repo, space).unwrap_or_default() {
        let mut next = objects::commit(repo, head).ok();
        for _ in 0..limit {
            let Some(commit) = next else { break };
            trees.push(commit.tree_id());
            let parent = commit.parent_ids().next();
            next = parent.and_then(|oid| objects::commit(repo, oid).ok());
        }
    }
    trees
}

/// The ledgers of an app, with at most `limit` entries each.
pub(crate) fn read(
    repo: &Repository,
    space: &Space,
    app: &AppName,
    limit: usize,
) -> Result<Vec<Ledger>, git2::Error> {
    let ledger = |(environment, head)| one(repo, app, environment, head, limit);
    Ok(heads(repo, space)?.into_iter().map(ledger).collect())
}

/// The ledger of an environment whose newest commit is `head`, with at most `limit` entries.
pub(crate) fn one(
    repo: &Repository,
    app: &AppName,
    environment: EnvironmentName,
    head: Oid,
    limit: usize,
) -> Ledger {
    let mut ledger = Ledger {
        environment,
        entries: Vec::new(),
        problem: None,
        whole: false,
    };
    let mut next = Some(head);
    while let Some(oid) = next.filter(|_| ledger.entries.len() < limit) {
        let below = ledger.entries.last().map(|entry| entry.served.sequence);
        match entry(repo, app, &ledger.environment, oid, below) {
            Ok((entry, parent)) => {
                ledger.entries.push(entry);
                ledger.whole = parent.is_none();
                next = parent;
            }
            Err(problem) => {
                ledger.problem = Some(format!(
                    "the ledger of {} cannot be read from commit {oid} on: {problem}",
                    ledger.environment
                ));
                next = None;
            }
        }
    }
    ledger
}

/// A record and the commit before it. `below` is the sequence of the one after it.
fn entry(
    repo: &Repository,
    app: &AppName,
    environment: &EnvironmentName,
    oid: Oid,
    below: Option<u64>,
) -> Result<(LedgerEntry, Option<Oid>), RecordError> {
    let size = objects::size(repo, oid, ObjectType::Commit)?;
    if size > COMMIT_MAX {
        return Err(RecordError::TooLarge(size));
    }
    let commit = repo.find_commit(oid).map_err(ReadError::from)?;
    if commit.parent_count() > 1 {
        return Err(RecordError::Merge);
    }
    let tree = objects::tree(repo, commit.tree_id())?;
    let file = tree
        .get_name(LEDGER_FILE)
        .filter(|entry| entry.filemode_raw() & 0o170_000 == 0o100_000)
        .ok_or(RecordError::NoFile)?;
    let bytes = objects::blob(repo, file.id(), RECORD_MAX)?;
    let served = Served::read(LEDGER_FILE, &bytes).map_err(RecordError::Wrong)?;
    if served.app != *app || served.environment != *environment {
        return Err(RecordError::Elsewhere {
            app: served.app,
            environment: served.environment,
        });
    }
    if below.is_some_and(|below| served.sequence >= below) {
        return Err(RecordError::Sequence(served.sequence));
    }
    let parent = commit.parent_ids().next();
    let entry = LedgerEntry {
        commit: oid.into(),
        served,
    };
    Ok((entry, parent))
}
