//! Publishing: a snapshot commit, and the refs that make it a version, against any number of other publishers.
//!
//! No lock, no counter. Each push says which refs it was decided on, and the remote takes it only if they are still so;
//! what a refused push means, the refs say when they are read again. Messages are shown, never parsed.
//!
//! # With refs that may be old
//!
//! The first push asks nobody first: it expects the refs as they were seen last ([`Workspace::seen_refs`]), however long ago
//! that was, and it is one atomic push or none. That gives no number twice, and no content a second version:
//!
//! - Whoever publishes moves `last` to a commit that nothing pointed at before (its nonce is random), in the push that
//!   makes the tag. So if `last` is as it was seen, nobody has published since. Everything else that may have happened
//!   takes away (a version deleted, a tag deleted by hand), or is not ours (a tag made by hand at a higher number). A
//!   deletion that was taken back has brought back the hint of its content.
//!   The number is above all that were seen and above `last`, so it was never given, also where its tag is gone.
//! - `last` lags only behind a push that was not atomic. Then the tag is there: the create-only tag refuses. If the tag
//!   was deleted by hand as well before anybody saw it, nothing in the world says that its number was given.
//! - If the refs were seen in part (a fetch was killed), `last` may be newer than the tags that were seen: then they are
//!   not used ([`known_well`]). Tags newer than `last` make the number too high or the expectation old, and it is refused.
//! - The hint of the content is expected too: where another has published it, the push is refused.
//! - The label is expected as it was seen, so it is never taken from anybody by mistake.
//!
//! Only a success is believed. A refusal, an app that was never seen, content that seems to be there and a label that
//! seems to be taken are looked at again with refs that are fetched, from [`Attempt::with_fresh_refs`] on.
//!
//! # Without atomic pushes
//!
//! A server that does not offer them refuses the atomic push, and nothing there has changed. Only then, and only with refs
//! that were just fetched, the tag is pushed by itself: it is created by one publisher alone, and makes the version. `last`
//! and the hint follow; where they stay behind, the next publisher brings them on. Here the expectation of `last` does
//! not guard the tag, so refs that are old would not do: who finds a number free must have looked just now. What is left is
//! a tag that is published and deleted by hand between that look and the push.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::Duration;

use git2::{Oid, Signature, Time};

use super::error::{PublishError, StoreError};
use super::history::{self, Entry, Version};
use super::holder;
use super::label::{self, Given, Step, Target};
use super::prepare::{Prepared, prepare};
use super::refs::{AppRefs, Space};
use super::request::{Outcome, Published, Request};
use super::trailers::{self, Trailers};
use super::workspace::Workspace;
use crate::git::{self, GitError, RefUpdate, UnsignedCommit};
use crate::words::{VERSION_NUMBER_MAX, VersionNumber};

/// Most refusals for which the refs show no reason.
const TRIES_MAX: u32 = 10;
/// Most refusals in a row after which nothing had changed at the remote.
const STANDSTILLS_MAX: u32 = 4;
/// Most tries in all: as many publishers of one app can race.
const RACES_MAX: u32 = 200;

/// Publishes an app. `progress` is told what takes time.
///
/// # Errors
/// Why there is no version; nothing is half published: without its tag there is no version.
pub fn publish(
    workspace: &Workspace,
    request: &Request,
    progress: &mut dyn FnMut(&str),
) -> Result<Published, PublishError> {
    let attempt = Attempt {
        workspace,
        request,
        space: Space::canonical(&request.app),
        prepared: prepare(workspace, request)?,
        nonce: format!("{:016x}", RandomState::new().build_hasher().finish()),
    };
    let seen = workspace.seen_refs(&request.app)?;
    let mut tried = None;
    if !request.dry_run && known_well(workspace, request, &seen) {
        match attempt.at_once(seen, progress)? {
            Some(Ok(published)) => return Ok(published),
            Some(Err(refused)) => tried = Some(refused),
            None => {}
        }
    }
    attempt.with_fresh_refs(tried, progress)
}

/// True where a push may be decided on refs that were seen some time ago: they are there, and were seen as a whole.
fn known_well(workspace: &Workspace, request: &Request, seen: &AppRefs) -> bool {
    let number = |last| history::number_in(&workspace.repo, &request.app, last);
    let newest = seen.last.and_then(number);
    newest.is_some_and(|number| seen.tags.contains_key(&number.to_string()))
}

fn highest(workspace: &Workspace, request: &Request, refs: &AppRefs) -> Option<VersionNumber> {
    history::highest(&workspace.repo, &request.app, refs)
}

/// Waits a moment that differs between racers, up to a tenth of a second longer each time: were all that lost to try again
/// at once, each of them would cost the server one push for each of the others.
fn pause(round: u32, commit: Oid) {
    let random = commit.as_bytes().first().copied().unwrap_or_default();
    let longest = 100 * u64::from(round.min(20));
    thread::sleep(Duration::from_millis(longest * u64::from(random) / 255));
}

/// A version that was pushed, or would be.
struct Candidate {
    version: Version,
    commit: Oid,
    label_moved_from: Option<VersionNumber>,
    updates: Vec<RefUpdate>,
}

/// A push that was refused, or whose answer never came.
struct Refused {
    candidate: Candidate,
    /// What it was decided on.
    refs: AppRefs,
    error: GitError,
}

/// One ref of the version's commit.
fn update(name: String, expected: Option<Oid>, commit: Oid) -> RefUpdate {
    RefUpdate {
        name,
        expected,
        new: Some(commit),
    }
}

struct Attempt<'a> {
    workspace: &'a Workspace,
    request: &'a Request,
    /// Names of refs at the remote.
    space: Space,
    prepared: Prepared,
    nonce: String,
}

impl Attempt<'_> {
    /// Pushes on what was seen last; nothing where that calls for another look at the remote.
    fn at_once(
        &self,
        seen: AppRefs,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Result<Published, Box<Refused>>>, PublishError> {
        if self.living(&seen).is_some() {
            return Ok(None);
        }
        let candidate = match self.candidate(&seen) {
            Ok(candidate) => candidate,
            Err(PublishError::Label(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(self.push(candidate, seen, true, progress)))
    }

    /// Publishes with refs that are read anew before each try. `tried` is what was refused before.
    fn with_fresh_refs(
        &self,
        mut tried: Option<Box<Refused>>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Published, PublishError> {
        let (workspace, request) = (self.workspace, self.request);
        let (mut standstills, mut unexplained, mut lost) = (0, 0, 0);
        let mut atomic = true;
        progress(&format!(
            "reading the versions of {} at {}",
            request.app,
            workspace.remote()
        ));
        for _ in 0..RACES_MAX {
            if let Some(refused) = &tried {
                lost += 1;
                pause(lost, refused.candidate.commit);
            }
            let refs = workspace.refresh(&request.app)?;
            if let Some(refused) = tried {
                let Refused {
                    candidate,
                    refs: before,
                    error,
                } = *refused;
                let number = candidate.version.number;
                if refs.tags.get(&number.to_string()) == Some(&candidate.commit) {
                    // It arrived all the same; a label that is not there is added to it now.
                    let labelled = self.unchanged(candidate.version, &refs)?;
                    return Ok(Published {
                        outcome: Outcome::Published,
                        ..labelled
                    });
                }
                // Whoever took the number explains the refusal. If nobody did, the server may not offer atomic pushes:
                // the tag alone makes a version.
                let explained =
                    highest(workspace, request, &refs) != highest(workspace, request, &before);
                if !explained {
                    atomic = !atomic;
                }
                if refs == before {
                    standstills += 1;
                    if standstills >= STANDSTILLS_MAX {
                        return Err(PublishError::Refused(error));
                    }
                } else {
                    // Others got on, or something else moved: that is no reason to stop, as long as it ends.
                    standstills = 0;
                    unexplained += u32::from(!explained);
                    if unexplained >= TRIES_MAX {
                        return Err(PublishError::TooManyRaces { tries: TRIES_MAX });
                    }
                }
            }
            if let Some(version) = self.living(&refs) {
                return self.unchanged(version, &refs);
            }
            let candidate = self.candidate(&refs)?;
            if request.dry_run {
                return Ok(self.done(Outcome::WouldPublish, candidate));
            }
            match self.push(candidate, refs, atomic, progress) {
                Ok(published) => return Ok(published),
                Err(refused) => tried = Some(refused),
            }
        }
        Err(PublishError::TooManyRaces { tries: RACES_MAX })
    }

    /// The living version that holds the content, as the refs say it.
    fn living(&self, refs: &AppRefs) -> Option<Version> {
        let (repo, app) = (&self.workspace.repo, &self.request.app);
        holder::living(repo, app, refs, self.prepared.tree)
    }

    /// The version that the refs leave room for: its commit, written here, and the changes that publish it.
    fn candidate(&self, refs: &AppRefs) -> Result<Candidate, PublishError> {
        let request = self.request;
        let step = self.label_step(refs, None)?;
        let number = self.next_number(refs)?;
        let commit = self.commit(number)?;
        let mut updates = vec![
            update(self.space.version(number), None, commit),
            update(self.space.last(), refs.last, commit),
            self.hint(refs, commit),
        ];
        let mut label_moved_from = None;
        if let (Some(label), Step::Set { expected, from }) = (&request.label, step) {
            updates.push(update(self.space.tag(label.as_str()), expected, commit));
            label_moved_from = from;
        }
        // It is read as any reader will read it, before anybody can.
        let entry = history::read_entry(&self.workspace.repo, &request.app, number, commit)
            .map_err(|problem| StoreError::local("the snapshot commit", &problem))?;
        match entry {
            Entry::Living(mut version) => {
                version.labels = request.label.iter().cloned().collect();
                Ok(Candidate {
                    version: *version,
                    commit,
                    label_moved_from,
                    updates,
                })
            }
            Entry::Foreign(problem) => Err(PublishError::Request(format!(
                "the version would not be readable: {problem}; shorten what is said with --message"
            ))),
            Entry::Deleted(_) => Err(PublishError::Request("the snapshot is empty".to_owned())),
        }
    }

    fn next_number(&self, refs: &AppRefs) -> Result<VersionNumber, PublishError> {
        let next = highest(self.workspace, self.request, refs)
            .map_or_else(|| VersionNumber::new(1), VersionNumber::next);
        let app = &self.request.app;
        next.ok_or_else(|| {
            PublishError::Request(format!(
                "all version numbers of `{app}` are spent, up to {VERSION_NUMBER_MAX}; see `cutwater versions list {app}` for a tag that spent them"
            ))
        })
    }

    /// A commit without parents whose tree is the snapshot.
    fn commit(&self, number: VersionNumber) -> Result<Oid, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the snapshot commit", &error.message());
        let request = self.request;
        let (seconds, offset) = (
            request.time.timestamp().as_second(),
            request.time.offset().seconds() / 60,
        );
        let repo = &self.workspace.repo;
        let person = &request.author;
        let author = Signature::new(&person.name, &person.email, &Time::new(seconds, offset));
        let author = author.map_err(|error| {
            PublishError::Request(format!(
                "the author cannot be written ({}); set user.name and user.email in git",
                error.message()
            ))
        })?;
        let trailers = Trailers {
            app: request.app.clone(),
            number,
            source: request.provenance.source.clone(),
            run: request.provenance.run.clone(),
            actor: request.provenance.actor.clone(),
            source_commit: Some(request.source.oid),
            overlays: self.prepared.overlays.clone(),
            nonce: self.nonce.clone(),
            deleted: false,
        };
        let message = request.message.as_deref();
        let text = trailers::write(&trailers, message.unwrap_or(&request.source.subject));
        if request.sign {
            let unsigned = UnsignedCommit {
                tree: &self.prepared.tree.to_string(),
                name: &person.name,
                email: &person.email,
                seconds,
                offset,
                message: &text,
            };
            let home = repo.workdir().unwrap_or_else(|| repo.path());
            let signed = git::sign(home, &unsigned, self.workspace.timeout())
                .map_err(|error| PublishError::Signing(error.message))?;
            return Ok(Oid::from_str(&signed).map_err(fail)?);
        }
        let tree = repo.find_tree(self.prepared.tree).map_err(fail)?;
        let commit = repo.commit(None, &author, &author, &text, &tree, &[]);
        Ok(commit.map_err(fail)?)
    }

    /// Pushes the version: all refs at once, or the tag first.
    fn push(
        &self,
        candidate: Candidate,
        refs: AppRefs,
        atomic: bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Published, Box<Refused>> {
        let workspace = self.workspace;
        let (app, number) = (&self.request.app, candidate.version.number);
        progress(&format!("pushing {app} {number} to {}", workspace.remote()));
        let pushed = if atomic {
            workspace.push(&candidate.updates, true)
        } else {
            let (tag, rest) = candidate.updates.split_at(1);
            workspace
                .push(tag, false)
                .and_then(|()| workspace.push(rest, false))
        };
        match pushed {
            Ok(()) => {
                workspace.note(app, &candidate.updates);
                Ok(self.done(Outcome::Published, candidate))
            }
            Err(error) => Err(Box::new(Refused {
                candidate,
                refs,
                error,
            })),
        }
    }

    fn done(&self, outcome: Outcome, candidate: Candidate) -> Published {
        Published {
            outcome,
            version: candidate.version,
            added_label: self.request.label.clone(),
            label_moved_from: candidate.label_moved_from,
        }
    }

    fn hint(&self, refs: &AppRefs, commit: Oid) -> RefUpdate {
        let tree = self.prepared.tree;
        let expected = refs.ids.get(&tree.to_string()).copied();
        update(self.space.id(tree), expected, commit)
    }

    fn label_step(&self, refs: &AppRefs, commit: Option<Oid>) -> Result<Step, PublishError> {
        let (repo, request) = (&self.workspace.repo, self.request);
        let Some(label) = &request.label else {
            return Ok(Step::Nothing);
        };
        let step = label::step(repo, &request.app, refs, label, commit, request.move_label);
        Ok(step?)
    }

    /// The content is there: heals the hint, and adds the label.
    fn unchanged(&self, version: Version, refs: &AppRefs) -> Result<Published, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the version", &error.message());
        let commit = Oid::from_str(&version.commit).map_err(fail)?;
        let mut published = Published {
            outcome: Outcome::Unchanged,
            version,
            added_label: None,
            label_moved_from: None,
        };
        let request = self.request;
        if !request.dry_run {
            self.heal(refs.clone(), commit)?;
        }
        let Some(label) = &request.label else {
            return Ok(published);
        };
        let target = Target {
            app: &request.app,
            number: published.version.number,
            commit,
            label,
        };
        let (may_move, dry_run) = (request.move_label, request.dry_run);
        match target.give(self.workspace, refs.clone(), may_move, dry_run)? {
            Given::Had => return Ok(published),
            Given::New => {}
            Given::MovedFrom(from) => published.label_moved_from = Some(from),
        }
        published.version.labels.push(label.clone());
        published.version.labels.sort();
        published.version.labels.dedup();
        published.added_label = Some(label.clone());
        Ok(published)
    }

    /// Brings the hint, and `last` where it lags behind the tags, to what the tags say.
    ///
    /// Both stay behind after a push that was not atomic. Where the server refuses them, the next publisher tries again.
    fn heal(&self, mut refs: AppRefs, commit: Oid) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let mut updates = Vec::new();
            if refs.ids.get(&self.prepared.tree.to_string()) != Some(&commit) {
                updates.push(self.hint(&refs, commit));
            }
            let (repo, app) = (&self.workspace.repo, &self.request.app);
            let ours = |(number, oid): &(VersionNumber, Oid)| {
                history::number_in(repo, app, *oid) == Some(*number)
            };
            let mut numbered: Vec<_> = refs.numbered().collect();
            numbered.sort_unstable();
            let newest = numbered.into_iter().rev().find(ours);
            let last = refs.last.and_then(|oid| history::number_in(repo, app, oid));
            if let Some((_, oid)) = newest.filter(|(number, _)| last < Some(*number)) {
                updates.push(update(self.space.last(), refs.last, oid));
            }
            if updates.is_empty() {
                return Ok(());
            }
            if self.workspace.push(&updates, false).is_ok() {
                self.workspace.note(app, &updates);
                return Ok(());
            }
            let before = refs;
            refs = self.workspace.refresh(app)?;
            if refs == before {
                return Ok(());
            }
        }
        Ok(())
    }
}
