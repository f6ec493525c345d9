//! Deleting: the tag moves to a tombstone, unless somebody uses the version; against any number of others at the same time.
//!
//! No lock: the remote is looked at, users are looked for, and the tag is pushed only if it is still as it was read. What a
//! refused push means, the refs say when they are read again. Users are looked for once more after the push: where one
//! came in between, the tag goes back.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use git2::Oid;

use super::deletion::{AskRunning, DeleteError, DeleteRequest, Deletion};
use super::{Running, Scope, Survey, Use, users_of};
use crate::git::{RefUpdate, Shield};
use crate::store::commit::NewCommit;
use crate::store::contention::{Contention, GivenUp, Moved};
use crate::store::error::StoreError;
use crate::store::history;
use crate::store::refs::Space;
use crate::store::trailers::{self, Trailers};
use crate::store::version::{EMPTY_TREE, Entry, Tombstone, Version};
use crate::store::workspace::Workspace;
use crate::words::{AppName, VersionNumber, VersionWord};

/// Deletes versions, each by itself, in the order in which they are named. `progress` is told what takes time.
///
/// # Errors
/// Why none was touched. What became of each version is in the result.
pub fn delete(
    workspace: &Workspace,
    request: &DeleteRequest,
    ask: AskRunning<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Deletion>, DeleteError> {
    workspace.may_push()?;
    let app = &request.app;
    progress(&format!(
        "looking for users of {app} at {}",
        workspace.remote()
    ));
    let mut work = Work {
        workspace,
        request,
        space: Space::canonical(app),
        facts: Facts::new(workspace, app, ask)?,
        shield: None,
    };
    let mut done = BTreeSet::new();
    let mut results: Vec<Outcome> = Vec::new();
    for word in &request.words {
        let found = work.facts.survey.history.find(word);
        let (number, entry) = match found {
            Ok((number, entry)) => (number, entry.clone()),
            Err(error) => {
                results.push((None, refused(word, &error)));
                continue;
            }
        };
        if done.insert(number) {
            let result = match work.one(word, number, &entry, ask, progress) {
                // What is done is told, whatever became of the rest.
                Err(error) if results.iter().any(|(tombstone, _)| tombstone.is_some()) => {
                    (None, refused(word, &error))
                }
                other => other?,
            };
            results.push(result);
        }
    }
    if results.iter().any(|(tombstone, _)| tombstone.is_some()) {
        progress("looking for users once more");
        work.check_again(&mut results, ask);
    }
    Ok(results.into_iter().map(|(_, deletion)| deletion).collect())
}

fn refused(word: &VersionWord, reason: &impl ToString) -> Deletion {
    Deletion::Refused {
        word: word.clone(),
        reason: reason.to_string(),
    }
}

fn unknown(word: &VersionWord, reason: String) -> Deletion {
    Deletion::Unknown {
        word: word.clone(),
        reason,
    }
}

/// All that is known about who uses what.
struct Facts {
    survey: Survey,
    running: Running,
}

impl Facts {
    fn new(workspace: &Workspace, app: &AppName, ask: AskRunning<'_>) -> Result<Self, DeleteError> {
        let running = ask().map_err(DeleteError::Running)?;
        let survey = workspace.survey(app, Scope::Branches, 1)?;
        Ok(Self { survey, running })
    }

    /// What cannot be read and may use a version.
    fn gaps(&self) -> Vec<String> {
        let cluster = self.running.cluster.iter();
        let cluster = cluster.flat_map(|cluster| &cluster.unreadable);
        let mut gaps = self.survey.gaps();
        gaps.extend(cluster.cloned());
        gaps
    }

    fn users(&self, version: &Version) -> Vec<Use> {
        users_of(version, &self.survey, &self.running)
    }
}

struct Work<'a> {
    workspace: &'a Workspace,
    request: &'a DeleteRequest,
    /// Names of refs at the remote.
    space: Space,
    facts: Facts,
    /// From the first push on, whoever stops it is told what was deleted.
    shield: Option<Shield>,
}

/// A tombstone that is at the remote now by our hand, and what became of the version.
type Outcome = (Option<Oid>, Deletion);

impl Work<'_> {
    fn one(
        &mut self,
        word: &VersionWord,
        number: VersionNumber,
        entry: &Entry,
        ask: AskRunning<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Outcome, DeleteError> {
        let version = match entry {
            Entry::Living(version) => version.clone(),
            Entry::Deleted(tombstone) => return Ok((None, already(number, tombstone))),
            Entry::Foreign(why) => {
                let reason = format!(
                    "tag `{}/{number}` is not a version that Cutwater published ({why}); whoever made it may remove it with git",
                    self.request.app
                );
                return Ok((None, refused(word, &reason)));
            }
        };
        let gaps = self.facts.gaps();
        if !gaps.is_empty() {
            return Err(DeleteError::Unknown {
                app: self.request.app.clone(),
                gaps,
            });
        }
        let users = self.facts.users(&version);
        if !users.is_empty() {
            return Ok((None, in_use(version, users, false)));
        }
        if self.request.dry_run {
            return Ok((None, Deletion::WouldDelete { version }));
        }
        progress(&format!("deleting {} {number}", self.request.app));
        let tombstone = self.tombstone(number)?;
        let Ok(commit) = Oid::try_from(&version.commit) else {
            return Ok((None, refused(word, &"its commit has no id")));
        };
        self.carry_out(word, *version, commit, tombstone, ask)
    }

    /// Pushes until the tag is ours, or the refs say why it never will be.
    fn carry_out(
        &mut self,
        word: &VersionWord,
        version: Version,
        commit: Oid,
        tombstone: Oid,
        ask: AskRunning<'_>,
    ) -> Result<Outcome, DeleteError> {
        let number = version.number;
        self.shield.get_or_insert_with(Shield::raise);
        let mut contention = Contention::new();
        // Any of the pushes may arrive yet, and not only the last one.
        let mut may_arrive = false;
        loop {
            let atomic = contention.is_atomic();
            let Err(error) = self.push(&version, commit, tombstone, atomic) else {
                return Ok((Some(tombstone), deleted(version)));
            };
            if error.is_interrupt() {
                let error = error.after(may_arrive);
                let outcome = if may_arrive || error.may_arrive() {
                    unknown(word, error.to_string())
                } else {
                    refused(word, &error)
                };
                return Ok((None, outcome));
            }
            may_arrive |= error.may_arrive();
            contention.pause();
            let before = self.facts.survey.refs.clone();
            self.facts = match Facts::new(self.workspace, &self.request.app, ask) {
                Ok(facts) => facts,
                Err(problem) if may_arrive || error.may_have_arrived() => {
                    let reason = format!("{error}; and after it: {problem}; look again");
                    return Ok((None, unknown(word, reason)));
                }
                Err(problem) => return Err(problem),
            };
            let survey = &self.facts.survey;
            let tag = survey.refs.tags.get(&number.to_string()).copied();
            if tag == Some(tombstone) {
                return Ok((Some(tombstone), deleted(version)));
            }
            match survey.history.entries.get(&number) {
                Some(Entry::Deleted(other)) => return Ok((None, already(number, other))),
                Some(Entry::Living(now)) if tag == Some(commit) => {
                    let users = self.facts.users(now);
                    if !users.is_empty() {
                        return Ok((None, in_use(now.clone(), users, false)));
                    }
                }
                _ => {
                    let reason = "its tag was moved by somebody else at the same time; look again";
                    return Ok((None, refused(word, &reason)));
                }
            }
            let moved = if survey.refs == before {
                Moved::Nothing
            } else {
                Moved::Expected
            };
            let reason = match contention.lost(moved) {
                Ok(()) => continue,
                Err(_) if may_arrive => {
                    let reason = format!(
                        "{error}; its tag is where it was, and the remote may move it yet; look again"
                    );
                    return Ok((None, unknown(word, reason)));
                }
                Err(GivenUp::Refused) => {
                    let advice = error.advice();
                    format!("the remote refused to move its tag: {error}{advice}")
                }
                Err(GivenUp::Outrun(tries)) => {
                    format!("gave up after {tries} tries: others were faster; try again")
                }
            };
            return Ok((None, refused(word, &reason)));
        }
    }

    /// Moves the tag, and drops the hint: at once, or the tag first.
    fn push(
        &self,
        version: &Version,
        commit: Oid,
        tombstone: Oid,
        atomic: bool,
    ) -> Result<(), crate::git::GitError> {
        let tag = RefUpdate {
            name: self.space.version(version.number),
            expected: Some(commit),
            new: Some(tombstone),
        };
        let hints = &self.facts.survey.refs.ids;
        let hint = hints
            .get(version.tree.as_str())
            .filter(|hint| **hint == commit);
        let hint = hint.map(|_| RefUpdate {
            name: self.space.id(&version.tree),
            expected: Some(commit),
            new: None,
        });
        if atomic {
            let all: Vec<RefUpdate> = [tag].into_iter().chain(hint).collect();
            return self.workspace.push(&all, true);
        }
        self.workspace.push(&[tag], false)?;
        // A hint that stays behind counts for nothing.
        if let Some(hint) = hint {
            drop(self.workspace.push(&[hint], false));
        }
        Ok(())
    }

    /// Looks for users that came while the tags moved, and puts their versions back.
    fn check_again(&mut self, results: &mut [Outcome], ask: AskRunning<'_>) {
        let facts = Facts::new(self.workspace, &self.request.app, ask);
        for (tombstone, result) in results {
            let (Some(tombstone), Deletion::Deleted { version, unchecked }) =
                (tombstone, &mut *result)
            else {
                continue;
            };
            let facts = match &facts {
                Ok(facts) => facts,
                Err(error) => {
                    *unchecked = Some(error.to_string());
                    continue;
                }
            };
            let gaps = facts.gaps();
            if !gaps.is_empty() {
                *unchecked = Some(gaps.join("; "));
            }
            let mut version = version.clone();
            if let Ok(commit) = Oid::try_from(&version.commit) {
                let mut labels = history::labels(&facts.survey.refs);
                version.labels = labels.remove(&commit).unwrap_or_default();
                let users = facts.users(&version);
                if !users.is_empty() {
                    *result = self.put_back(version, commit, *tombstone, users);
                }
            }
        }
    }

    /// The tag goes back to the version, if it is still at our tombstone.
    fn put_back(
        &self,
        version: Box<Version>,
        commit: Oid,
        tombstone: Oid,
        users: Vec<Use>,
    ) -> Deletion {
        let number = version.number;
        let tag = RefUpdate {
            name: self.space.version(number),
            expected: Some(tombstone),
            new: Some(commit),
        };
        let hint = RefUpdate {
            name: self.space.id(&version.tree),
            expected: None,
            new: Some(commit),
        };
        let mut contention = Contention::new();
        let said = loop {
            let Err(error) = self.workspace.push_back(std::slice::from_ref(&tag)) else {
                // Where the content was published again meanwhile, the hint is that version's.
                drop(self.workspace.push_back(&[hint]));
                return in_use(version, users, true);
            };
            contention.pause();
            let refs = self.workspace.refresh(&self.request.app);
            let now = refs.map(|refs| refs.tags.get(&number.to_string()).copied());
            if now == Ok(Some(commit)) {
                return in_use(version, users, true);
            }
            if contention.lost(Moved::Nothing).is_err() {
                break error.message;
            }
        };
        let names: Vec<String> = users.iter().map(|entry| entry.user.to_string()).collect();
        refused(
            &VersionWord::Number(number),
            &format!(
                "it was deleted, but {} began to use it at the same moment, and its tag could not be put back ({said}); put it back with `git push --force {} {commit}:{}`",
                names.join(", "),
                self.workspace.remote(),
                self.space.version(number),
            ),
        )
    }

    /// A commit without parents, with nothing in it.
    fn tombstone(&self, number: VersionNumber) -> Result<Oid, DeleteError> {
        let fail = |error: git2::Error| StoreError::local("the tombstone", &error.message());
        let request = self.request;
        let trailers = Trailers {
            app: request.app.clone(),
            number,
            source: request.provenance.source.clone(),
            run: request.provenance.run.clone(),
            actor: request.provenance.actor.clone(),
            source_commit: None,
            overlays: Vec::new(),
            nonce: format!("{:016x}", RandomState::new().build_hasher().finish()),
            deleted: true,
        };
        let text = trailers::write(&trailers, &request.reason);
        let repo = &self.workspace.repo;
        let empty = repo.treebuilder(None).and_then(|tree| tree.write());
        let empty = empty.and_then(|oid| repo.find_tree(oid)).map_err(fail)?;
        debug_assert_eq!(empty.id().to_string(), EMPTY_TREE);
        Ok(self.workspace.write_commit(&NewCommit {
            tree: empty.id(),
            parent: None,
            author: &request.author,
            time: &request.time,
            message: &text,
            sign: self.workspace.sign(false),
        })?)
    }
}

fn deleted(version: Version) -> Deletion {
    Deletion::Deleted {
        version: Box::new(version),
        unchecked: None,
    }
}

fn already(number: VersionNumber, tombstone: &Tombstone) -> Deletion {
    Deletion::AlreadyDeleted {
        number,
        tombstone: tombstone.clone(),
    }
}

fn in_use(version: Box<Version>, users: Vec<Use>, restored: bool) -> Deletion {
    Deletion::InUse {
        version,
        users,
        restored,
    }
}
