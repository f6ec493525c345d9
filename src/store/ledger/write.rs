//! Writes the ledger of an app: one commit for each record, made in a mirror and pushed to its remote.
//!
//! One writer owns a ledger: its name stands in each commit, from the first on, and a ledger of another one is left alone. What
//! is in the ledger already is not written again. A writer may have forgotten some of it: then its numbers are taken, and what it
//! says gets the ones after them. Reading is in `users`.

use std::time::Duration;

use git2::{FileMode, Oid, Repository, Signature, Time};

use super::super::doubt::Doubt;
use super::super::mirror::Mirror;
use super::super::objects;
use super::super::refs::Space;
use super::read;
use super::{Ledger, LedgerEntry};
use crate::git::{GitError, RefUpdate};
use crate::ledger::{LEDGER_FILE, Recorded, Served, Writer};
use crate::words::{AppName, EnvironmentName, listed};

/// What names the writer in a commit.
const WRITER: &str = "Cutwater-Writer: ";
/// Most records of a ledger that are compared with those that are to be written. What is not found is written.
const COMPARED_MAX: usize = 1_000;

/// Why records are not in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The ledger belongs to somebody else.
    #[error(
        "environment `{environment}` of {app} belongs to another writer, {owner}: nothing is written; choose another environment, or, if that writer is gone for good, delete {name} in the repository"
    )]
    Foreign {
        /// The app.
        app: AppName,
        /// The environment.
        environment: EnvironmentName,
        /// Who it says that it is.
        owner: String,
        /// The ref.
        name: String,
    },
    /// What stands there is no ledger.
    #[error("{name}: {problem}; nothing is written on top of it")]
    Unreadable {
        /// The ref.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The mirror cannot be written.
    #[error("the ledger of {app}: {problem}")]
    Local {
        /// The app.
        app: AppName,
        /// What is wrong.
        problem: String,
    },
    /// The remote said no, or nothing.
    #[error("cannot write the ledger of {app} to {url}: {source}{}", source.advice())]
    Git {
        /// The app.
        app: AppName,
        /// The remote.
        url: String,
        /// In the words of git.
        source: GitError,
    },
}

impl Mirror {
    /// Puts records of one app and environment, by rising sequence, on top of the ledger at the remote, all or none of them. Where
    /// others have their numbers, they get later ones, and one number is left out before them.
    ///
    /// # Errors
    /// Why they are not there. They may be all the same, where an answer was lost: the next call sees it.
    pub fn record(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        writer: Writer<'_>,
        records: &[Served],
        timeout: Duration,
    ) -> Result<Recorded, LedgerError> {
        let away = |source: GitError| LedgerError::Git {
            app: app.clone(),
            url: self.url().to_string(),
            source,
        };
        let prefix = Space::canonical(app).deployments();
        // A glob, because git refuses a name that is not there yet.
        let spec = format!("+{prefix}*:{prefix}*");
        let known = format!("{prefix}*");
        self.have_git(|git| git.fetch(&[spec], &[known], timeout))
            .map_err(away)?;
        let name = format!("{prefix}{environment}");
        let (tip, new, recorded) = {
            let mut state = self.state();
            let tip = state.repo.refname_to_id(&name).ok();
            let written = match tip {
                Some(tip) => {
                    let written = written(&state.repo, app, environment, writer.id, (&name, tip));
                    if let Err(LedgerError::Unreadable { .. }) = written {
                        state.doubts.note(Doubt::Version(tip));
                    }
                    written?
                }
                None => 0,
            };
            let first = records.first().map_or(u64::MAX, |record| record.sequence);
            // Those that may be the same.
            let entries = match tip.filter(|_| first <= written) {
                Some(tip) => {
                    let count = usize::try_from(written - first + 1).unwrap_or(COMPARED_MAX);
                    let limit = count.min(COMPARED_MAX);
                    read::one(&state.repo, app, environment.clone(), tip, limit).entries
                }
                None => Vec::new(),
            };
            let (fresh, recorded) = fresh(records, &entries, written);
            let mut new = fresh.iter();
            let new = new.try_fold(tip, |parent, record| {
                commit(&state.repo, writer, record, parent).map(Some)
            });
            (tip, new?, recorded)
        };
        if new == tip {
            return Ok(recorded);
        }
        let update = RefUpdate {
            name: name.clone(),
            expected: tip,
            new,
        };
        self.git().push(&[update], false, timeout).map_err(away)?;
        if let Some(new) = new {
            // Only for who reads the ledger here: the next call fetches it in any case.
            drop(self.state().repo.reference(&name, new, true, ""));
        }
        Ok(recorded)
    }

    /// The newest `limit` records of a ledger, as it was when this mirror wrote to it last; nothing where there is none.
    #[must_use]
    pub fn ledger(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        limit: usize,
    ) -> Option<Ledger> {
        let state = self.state();
        let name = format!("{}{environment}", Space::canonical(app).deployments());
        let head = state.repo.refname_to_id(&name).ok()?;
        Some(read::one(
            &state.repo,
            app,
            environment.clone(),
            head,
            limit,
        ))
    }
}

/// The sequence of the newest record, where the ledger is the writer's.
fn written(
    repo: &Repository,
    app: &AppName,
    environment: &EnvironmentName,
    writer: &str,
    (name, tip): (&str, Oid),
) -> Result<u64, LedgerError> {
    let unreadable = |problem: String| LedgerError::Unreadable {
        name: name.to_owned(),
        problem,
    };
    let ledger = read::one(repo, app, environment.clone(), tip, 1);
    let Some(newest) = ledger.entries.first() else {
        return Err(unreadable(ledger.problem.unwrap_or_default()));
    };
    let commit = objects::commit(repo, tip).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let owner = (text.lines().rev()).find_map(|line| line.strip_prefix(WRITER));
    if owner != Some(writer) {
        let owner = owner.unwrap_or("who does not say its name");
        return Err(LedgerError::Foreign {
            app: app.clone(),
            environment: environment.clone(),
            owner: owner.chars().filter(|c| !c.is_control()).take(64).collect(),
            name: name.to_owned(),
        });
    }
    Ok(newest.served.sequence)
}

/// Those of these records that a ledger does not have, numbered as they are to be written, and how it ends with them. `entries` are
/// what it has from the first number of theirs on, the newest first, and `written` is its newest number.
fn fresh(records: &[Served], entries: &[LedgerEntry], written: u64) -> (Vec<Served>, Recorded) {
    // Who asked for it may be told otherwise when it is told again.
    let is = |entry: &LedgerEntry, record: &Served| {
        (entry.served.at, &entry.served.versions) == (record.at, &record.versions)
    };
    let is_there = |record: &Served| entries.iter().any(|entry| is(entry, record));
    let mut fresh: Vec<Served> = (records.iter())
        .filter(|record| !is_there(record))
        .cloned()
        .collect();
    let taken = fresh.first().filter(|first| first.sequence <= written);
    // What is between is not known, which a number that is left out tells.
    let moved = taken.map_or(0, |first| written + 2 - first.sequence);
    for record in &mut fresh {
        record.sequence += moved;
    }
    let forgotten = match (fresh.is_empty(), entries.first(), records.last()) {
        (true, Some(newest), Some(last)) => !is(newest, last),
        _ => false,
    };
    let newest = fresh.last().map_or(written, |last| last.sequence);
    (fresh, Recorded { newest, forgotten })
}

/// The commit of a record: the same whenever it is made.
fn commit(
    repo: &Repository,
    writer: Writer<'_>,
    record: &Served,
    parent: Option<Oid>,
) -> Result<Oid, LedgerError> {
    let fail = |problem: String| LedgerError::Local {
        app: record.app.clone(),
        problem,
    };
    let text = (record.write()).map_err(|error| fail(error.to_string()))?;
    let write = || {
        let blob = repo.blob(text.as_bytes())?;
        let mut tree = repo.treebuilder(None)?;
        tree.insert(LEDGER_FILE, blob, i32::from(FileMode::Blob))?;
        let tree = repo.find_tree(tree.write()?)?;
        let when = Time::new(record.at.as_second(), 0);
        let who = Signature::new(writer.name, "cutwater@localhost", &when)?;
        let parent = parent.map(|oid| repo.find_commit(oid)).transpose()?;
        let parents: Vec<_> = parent.iter().collect();
        repo.commit(
            None,
            &who,
            &who,
            &message(record, writer.id),
            &tree,
            &parents,
        )
    };
    write().map_err(|error: git2::Error| fail(error.message().to_owned()))
}

fn message(record: &Served, writer: &str) -> String {
    let shares = record.versions.iter();
    let shares = listed(shares.map(|version| (version.version, version.percentage)));
    format!(
        "{} in {}: {shares}\n\nCutwater-App: {}\nCutwater-Sequence: {}\n{WRITER}{writer}\n",
        record.app, record.environment, record.app, record.sequence
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::CommitId;

    /// Records of a writer: the number of each, and the second at which it came to be.
    fn records(list: &[(u64, i64)]) -> Vec<Served> {
        let record = |(sequence, second): &(u64, i64)| {
            let (app, environment) = ("a".parse().unwrap(), "local".parse().unwrap());
            let at = jiff::Timestamp::from_second(*second).unwrap();
            Served::new(app, environment, *sequence, at, Vec::new())
        };
        list.iter().map(record).collect()
    }

    #[test]
    fn a_number_that_is_taken_is_not_a_record_that_is_written() {
        for (waiting, ledger, expected, newest, forgotten) in [
            // As it mostly is: none is there, or some are there because an answer was lost.
            (
                &[(1, 10), (2, 20)][..],
                &[][..],
                &[(1, 10), (2, 20)][..],
                2,
                false,
            ),
            (&[(4, 40), (5, 50)], &[], &[(4, 40), (5, 50)], 5, false),
            (&[(4, 40), (5, 50)], &[(4, 40)], &[(5, 50)], 5, false),
            (&[(4, 40), (5, 50)], &[(4, 40), (5, 50)], &[], 5, false),
            // The writer is an older one of itself, or a copy.
            (&[(4, 60)], &[(4, 40), (5, 50)], &[(7, 60)], 7, false),
            (
                &[(4, 60), (5, 70)],
                &[(4, 40)],
                &[(6, 60), (7, 70)],
                7,
                false,
            ),
            (
                &[(4, 40), (5, 70)],
                &[(4, 40), (5, 50)],
                &[(7, 70)],
                7,
                false,
            ),
            // It was stopped before it took down that they were numbered anew.
            (
                &[(4, 60), (5, 70)],
                &[(4, 40), (6, 60), (7, 70)],
                &[],
                7,
                false,
            ),
            // It knows only some of what it wrote.
            (&[(4, 40)], &[(4, 40), (5, 50)], &[], 5, true),
        ] {
            let mut entries: Vec<LedgerEntry> = (records(ledger).into_iter())
                .map(|served| LedgerEntry {
                    commit: CommitId::zero(),
                    served,
                })
                .collect();
            entries.reverse();
            let written = entries.first().map_or(0, |entry| entry.served.sequence);
            let (fresh, recorded) = fresh(&records(waiting), &entries, written);
            assert_eq!(fresh, records(expected), "{waiting:?} on {ledger:?}");
            assert_eq!(
                recorded,
                Recorded { newest, forgotten },
                "{waiting:?} on {ledger:?}"
            );
        }
    }
}
