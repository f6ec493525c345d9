//! Labels: names for versions, as further tags to their commits.
//!
//! A label is create-only, moves only where that is asked for, and is given to living versions only. Each change is pushed
//! on the condition that the label is as it was read, and beside it that the version's tag is: of two who give one label
//! to two versions at once, one wins, and the other reads again and is told who has it.

use git2::{Oid, Repository};
use schemars::JsonSchema;
use serde::Serialize;

use super::contention::{Contention, GivenUp, Moved};
use super::error::{LabelError, ResolveError};
use super::history::History;
use super::lookup::unreadable;
use super::refs::{AppRefs, Space};
use super::version::{self, Entry};
use super::workspace::Workspace;
use crate::git::{RefUpdate, Shield};
use crate::words::{AppName, Label, VersionNumber, VersionWord};

/// What is to become of a label.
#[derive(Debug, Clone)]
pub struct LabelRequest {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: VersionWord,
    /// The label.
    pub label: Label,
    /// What to do with it.
    pub change: LabelChange,
    /// Say what would happen, and push nothing.
    pub dry_run: bool,
}

/// What to do with a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelChange {
    /// Give it to the version; refused where another one has it.
    Give,
    /// Give it to the version, also where another one has it.
    Move,
    /// Take it from the version; refused where another one has it.
    Remove,
}

/// What became of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LabelOutcome {
    /// The version has it now, and nothing had it before.
    Labelled,
    /// The version has it now, and another one had it before.
    Moved,
    /// The version has it no more.
    Removed,
    /// It was so already.
    Unchanged,
    /// A dry run: it would be given.
    WouldLabel,
    /// A dry run: it would be moved.
    WouldMove,
    /// A dry run: it would be removed.
    WouldRemove,
}

/// A label and the version that it was about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Labelled {
    /// What became of it.
    pub outcome: LabelOutcome,
    /// The app.
    pub app: AppName,
    /// The label.
    pub label: Label,
    /// The version.
    pub version: VersionNumber,
    /// The version that had the label before, where it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<VersionNumber>,
    /// The labels that the app has, where none was there to be removed.
    #[serde(skip)]
    pub others: Vec<Label>,
}

/// Gives, moves or removes a label. `progress` is told what takes time.
///
/// # Errors
/// When the version is not there or does not live, when another one has the label, or when the remote refuses.
pub fn label(
    workspace: &Workspace,
    request: &LabelRequest,
    progress: &mut dyn FnMut(&str),
) -> Result<Labelled, LabelError> {
    workspace.may_push()?;
    let (app, remote) = (&request.app, workspace.remote());
    progress(&format!("reading the versions of {app} at {remote}"));
    let refs = workspace.refresh(app)?;
    let history = History::read(&workspace.repo, app, &refs);
    let (number, _) = history.find(&request.version)?;
    let commit = living(&workspace.repo, app, &refs, number)?;
    let holder = Target {
        app,
        number,
        commit,
        label: &request.label,
    };
    progress(&format!("pushing to {remote}"));
    let dry = request.dry_run;
    let (outcome, moved_from) = match request.change {
        LabelChange::Remove => match holder.remove(workspace, refs, dry)? {
            false => (LabelOutcome::Unchanged, None),
            true if dry => (LabelOutcome::WouldRemove, None),
            true => (LabelOutcome::Removed, None),
        },
        change => match holder.give(workspace, refs, change == LabelChange::Move, dry)? {
            Given::Had => (LabelOutcome::Unchanged, None),
            Given::New if dry => (LabelOutcome::WouldLabel, None),
            Given::New => (LabelOutcome::Labelled, None),
            Given::MovedFrom(from) if dry => (LabelOutcome::WouldMove, Some(from)),
            Given::MovedFrom(from) => (LabelOutcome::Moved, Some(from)),
        },
    };
    let has_none = request.change == LabelChange::Remove && outcome == LabelOutcome::Unchanged;
    let others = history.living().flat_map(|version| &version.labels);
    let others = others.chain(history.buried.keys());
    let others = others.take(if has_none { usize::MAX } else { 0 });
    Ok(Labelled {
        others: others.cloned().collect(),
        outcome,
        app: app.clone(),
        label: request.label.clone(),
        version: number,
        moved_from,
    })
}

/// The commit of a number that is a living version.
fn living(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    number: VersionNumber,
) -> Result<Oid, LabelError> {
    let Some(oid) = refs.tags.get(&number.to_string()) else {
        return Err(LabelError::Gone {
            app: app.clone(),
            number,
        });
    };
    let entry = version::read_entry(repo, app, number, *oid)
        .map_err(|problem| LabelError::Resolve(unreadable(app, &number, &problem)))?;
    match entry {
        Entry::Living(_) => Ok(*oid),
        Entry::Deleted(tombstone) => Err(LabelError::Resolve(ResolveError::Deleted {
            app: app.clone(),
            number,
            who: tombstone.author.name,
            when: tombstone.deleted_at,
            why: tombstone.reason,
        })),
        Entry::Foreign(why) => Err(LabelError::Resolve(ResolveError::Foreign {
            tag: format!("{app}/{number}"),
            why,
        })),
    }
}

/// What a label needs in order to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The version has it.
    Nothing,
    /// The label is set, if it is as expected.
    Set {
        expected: Option<Oid>,
        from: Option<VersionNumber>,
    },
}

/// What is to be done so that `label` names `commit` (a commit to come where absent), as the refs say it.
pub(super) fn step(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    label: &Label,
    commit: Option<Oid>,
    may_move: bool,
) -> Result<Step, LabelError> {
    let Some(holder) = refs.tags.get(label.as_str()).copied() else {
        let (app, label) = (app.clone(), label.clone());
        if let Some(why) = label.misleads() {
            return Err(LabelError::Misleads { app, label, why });
        }
        // Where file systems do not tell capitals apart, git could not hold both.
        let same = |tag: &&String| tag.eq_ignore_ascii_case(label.as_str());
        if let Some(other) = refs.tags.keys().find(same) {
            let other = other.clone();
            return Err(LabelError::Twin { app, label, other });
        }
        return Ok(Step::Set {
            expected: None,
            from: None,
        });
    };
    if Some(holder) == commit {
        return Ok(Step::Nothing);
    }
    let number = version::number_in(repo, app, holder);
    match number {
        // One that only a deleted version has is free.
        Some(number) if may_move || is_deleted(repo, app, refs, number) => Ok(Step::Set {
            expected: refs.object(label.as_str()),
            from: Some(number),
        }),
        Some(number) => Err(LabelError::Taken {
            app: app.clone(),
            label: label.clone(),
            holder: number,
        }),
        // A tag that somebody made by hand is nobody's to overwrite, whatever was asked for.
        None => Err(LabelError::Foreign {
            app: app.clone(),
            label: label.clone(),
            object: holder.to_string(),
        }),
    }
}

fn is_deleted(repo: &Repository, app: &AppName, refs: &AppRefs, number: VersionNumber) -> bool {
    let oid = refs.tags.get(&number.to_string());
    let entry = oid.and_then(|oid| version::read_entry(repo, app, number, *oid).ok());
    matches!(entry, Some(Entry::Deleted(_)))
}

/// What became of a label that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// The version had it.
    Had,
    New,
    MovedFrom(VersionNumber),
}

/// A label, and the living version that it is about.
pub(super) struct Target<'a> {
    pub(super) app: &'a AppName,
    pub(super) number: VersionNumber,
    pub(super) commit: Oid,
    pub(super) label: &'a Label,
}

impl Target<'_> {
    /// Gives the label to the version. `refs` were read from the remote just now.
    pub(super) fn give(
        &self,
        workspace: &Workspace,
        refs: AppRefs,
        may_move: bool,
        dry_run: bool,
    ) -> Result<Given, LabelError> {
        let mut given = Given::Had;
        let now = |refs: &AppRefs| {
            self.still_living(workspace, refs)?;
            let commit = Some(self.commit);
            let step = step(
                &workspace.repo,
                self.app,
                refs,
                self.label,
                commit,
                may_move,
            )?;
            let Step::Set { expected, from } = step else {
                return Ok(None);
            };
            given = from.map_or(Given::New, Given::MovedFrom);
            Ok(Some(self.update(expected, commit)))
        };
        self.settle(workspace, refs, dry_run, now)?;
        Ok(given)
    }

    /// Takes the label from the version; false where nothing has it.
    fn remove(
        &self,
        workspace: &Workspace,
        refs: AppRefs,
        dry_run: bool,
    ) -> Result<bool, LabelError> {
        let mut had = false;
        let now = |refs: &AppRefs| {
            let Some(holder) = refs.tags.get(self.label.as_str()).copied() else {
                return Ok(None);
            };
            if holder != self.commit {
                return Err(self.elsewhere(&workspace.repo, holder));
            }
            had = true;
            Ok(Some(self.update(refs.object(self.label.as_str()), None)))
        };
        self.settle(workspace, refs, dry_run, now)?;
        Ok(had)
    }

    /// Why it is not removed: something else has it.
    fn elsewhere(&self, repo: &Repository, holder: Oid) -> LabelError {
        let (app, label) = (self.app.clone(), self.label.clone());
        match version::number_in(repo, self.app, holder) {
            Some(holder) => LabelError::Elsewhere { app, label, holder },
            None => LabelError::Foreign {
                app,
                label,
                object: holder.to_string(),
            },
        }
    }

    fn update(&self, expected: Option<Oid>, new: Option<Oid>) -> RefUpdate {
        RefUpdate {
            name: Space::canonical(self.app).tag(self.label.as_str()),
            expected,
            new,
        }
    }

    fn still_living(&self, workspace: &Workspace, refs: &AppRefs) -> Result<(), LabelError> {
        let commit = living(&workspace.repo, self.app, refs, self.number)?;
        if commit == self.commit {
            return Ok(());
        }
        Err(LabelError::Gone {
            app: self.app.clone(),
            number: self.number,
        })
    }

    /// Pushes what `needed` says, until it says that nothing is.
    fn settle(
        &self,
        workspace: &Workspace,
        mut refs: AppRefs,
        dry_run: bool,
        mut needed: impl FnMut(&AppRefs) -> Result<Option<RefUpdate>, LabelError>,
    ) -> Result<(), LabelError> {
        // Between two pushes, too, whoever stops it is told what became of them.
        let _shield = Shield::raise();
        let mut contention = Contention::new();
        let mut may_arrive = false;
        loop {
            let Some(update) = needed(&refs)? else {
                return Ok(());
            };
            if dry_run {
                return Ok(());
            }
            // The version must still be there when its label comes. A server that takes no two changes at once is asked
            // for the label alone.
            let mut updates = vec![update];
            let atomic = contention.is_atomic();
            if atomic {
                updates.push(RefUpdate {
                    name: Space::canonical(self.app).version(self.number),
                    expected: Some(self.commit),
                    new: Some(self.commit),
                });
            }
            let Err(refused) = workspace.push(&updates, atomic) else {
                workspace.note(self.app, &updates);
                return Ok(());
            };
            if refused.is_interrupt() {
                return Err(LabelError::Interrupted(refused.after(may_arrive)));
            }
            may_arrive |= refused.may_arrive();
            contention.pause();
            let before = std::mem::take(&mut refs);
            refs = (workspace.refresh(self.app)).map_err(|source| LabelError::Unseen {
                push: refused.clone(),
                source,
            })?;
            let moved = if refs == before {
                Moved::Nothing
            } else {
                Moved::Expected
            };
            contention.lost(moved).map_err(|end| match end {
                GivenUp::Refused => LabelError::Refused(refused),
                GivenUp::Outrun(tries) => LabelError::TooManyRaces {
                    app: self.app.clone(),
                    label: self.label.clone(),
                    tries,
                },
            })?;
        }
    }
}
