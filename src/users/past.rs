//! What a branch deployed: the commits of the tracked branch that changed what the releases say about an app.

use std::collections::{BTreeSet, HashMap};

use git2::{Oid, Repository};

use super::change::Change;
use super::pulls::Pulls;
use super::scope::Walk;
use super::walk::{End, Walked};
use super::walk_error::WalkError;
use crate::releases::Kind;
use crate::store::mirror::Mirror;
use crate::store::partial::DEPTHS;
use crate::store::release_files::Branch;
use crate::store::workspace::{Workspace, reopened};
use crate::words::{AppName, CommitId};

/// The place of a commit that is behind all that were looked at.
pub(super) const BEYOND: usize = usize::MAX;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Changes, the newest first.
    pub changes: Vec<Change>,
    /// Why older ones are not known, other than the limit.
    pub problem: Option<String>,
    /// True where there are no older ones.
    pub whole: bool,
    /// True where it ends because this clone is shallow, and older commits were not asked for.
    pub(crate) shallow: bool,
    /// The places of commits among those of the branch, as far as they were asked for and are there.
    places: HashMap<CommitId, usize>,
}

impl Past {
    #[cfg(test)]
    pub(super) fn of(changes: Vec<Change>, places: HashMap<CommitId, usize>) -> Self {
        Self {
            changes,
            whole: true,
            places,
            ..Self::default()
        }
    }

    /// The place of a commit that was asked for: of itself, or of the merge that brought it. Behind all that were looked at
    /// where it is there; nothing where it is not in the branch, or nobody can tell.
    #[must_use]
    pub fn place(&self, commit: &CommitId) -> Option<usize> {
        self.places.get(commit).copied()
    }

    /// True where there are older changes that were not looked at.
    pub(super) fn is_limited(&self) -> bool {
        !self.whole && self.problem.is_none()
    }
}

/// How much of the past is wanted.
pub(crate) struct Reach<'a> {
    /// Commits whose places are wanted.
    pub(crate) marks: &'a [&'a CommitId],
    /// Where the clone is shallow: how often older commits are fetched, each time more of them.
    pub(crate) fetches: usize,
}

impl Workspace {
    /// The newest `limit` changes of the app's objects in the branch, or some more: along first parents, so a merge is one change, and through a pull
    /// along the second one. Says the
    /// places of the commits `marks` as well. Where the clone is shallow, older commits are fetched as they are needed.
    #[must_use]
    pub fn past(&self, app: &AppName, branch: &Branch, limit: usize, marks: &[&CommitId]) -> Past {
        let fetches = DEPTHS.len();
        // Changes that are told of as a problem, or not at all, count for nothing.
        let is_told = |change: &&Change| change.unknown.is_none() && !change.passing;
        self.past_until(app, branch, &Reach { marks, fetches }, |changes| {
            changes.len() >= limit && changes.iter().filter(is_told).count() >= limit
        })
    }

    /// The changes of the app's objects in the branch until there are enough.
    pub(crate) fn past_until(
        &self,
        app: &AppName,
        branch: &Branch,
        reach: &Reach<'_>,
        enough: impl Fn(&[Change]) -> bool,
    ) -> Past {
        // What was fetched since this repository was opened is seen by one that is opened anew.
        let opened = reopened(&self.repo);
        let (Ok(tip), Ok(mut repo)) = (Oid::try_from(&branch.commit), opened) else {
            return Past {
                problem: Some("this clone cannot be opened".to_owned()),
                ..Past::default()
            };
        };
        let pulls = Pulls::of(self, &branch.name);
        let mut depths = DEPTHS.iter().take(reach.fetches);
        loop {
            let walk = Walk {
                repo: &repo,
                folder: &self.settings().releases,
                pulls: Some(&pulls),
                app,
                bring: &|commits| self.bring_releases(&repo, commits),
            };
            let mut walked = walk.from(tip, &enough);
            if walked.end == End::Shallow {
                match depths.next() {
                    Some(depth) => match self.deepen(&branch.name, *depth) {
                        Ok(deeper) => {
                            repo = deeper;
                            continue;
                        }
                        Err(problem) => walked.end = End::Problem(problem.into()),
                    },
                    None if reach.fetches < DEPTHS.len() => {}
                    None => walked.end = End::Problem(WalkError::ShallowRemote),
                }
            }
            return found(&repo, walked, reach.marks);
        }
    }
}

/// The changes, and the places of these commits.
fn found(repo: &Repository, walked: Walked, marks: &[&CommitId]) -> Past {
    Past {
        places: places(repo, &walked, marks),
        changes: walked.changes,
        whole: walked.end == End::Root,
        shallow: walked.end == End::Shallow,
        problem: match walked.end {
            End::Problem(problem) => Some(problem.to_string()),
            End::Shallow => Some("this clone is shallow".to_owned()),
            End::Root | End::Enough => None,
        },
    }
}

/// The places of these commits: of those that were walked over, of those that merges among them brought, and [`BEYOND`] for those
/// behind them. One that is in the branch no more has none, however far was walked.
fn places(repo: &Repository, walked: &Walked, marks: &[&CommitId]) -> HashMap<CommitId, usize> {
    let chain: HashMap<Oid, usize> = (walked.chain.iter().enumerate())
        .map(|(index, oid)| (*oid, index))
        .collect();
    let marks: BTreeSet<Oid> = (marks.iter())
        .filter_map(|mark| Oid::try_from(*mark).ok())
        .collect();
    let mut places: HashMap<CommitId, usize> = (marks.iter())
        .filter_map(|oid| Some(((*oid).into(), *chain.get(oid)?)))
        .collect();
    let mut open: BTreeSet<Oid> = (marks.into_iter())
        .filter(|oid| !chain.contains_key(oid))
        .collect();
    let (Some(tip), Some(last)) = (walked.chain.first(), walked.chain.last()) else {
        return places;
    };
    for oid in above(repo, *tip, Some(*last), &mut open) {
        // One that came by a merge is where the merge is.
        let holds = |above: &Oid| repo.graph_descendant_of(*above, oid).unwrap_or(false);
        let count = walked.chain.partition_point(holds);
        places.insert(oid.into(), count.saturating_sub(1));
    }
    if walked.end == End::Enough {
        let mut behind = Vec::new();
        if repo.is_shallow() {
            // What is behind its end cannot be told from what is gone.
            behind.extend(open);
        } else {
            open.retain(|oid| repo.find_commit(*oid).is_ok());
            behind = above(repo, *last, None, &mut open);
        }
        places.extend(behind.iter().map(|oid| ((*oid).into(), BEYOND)));
    }
    places
}

/// Those of the commits `open` that `from` came after and `hidden` did not, as far as they can be read; they are taken out.
fn above(repo: &Repository, from: Oid, hidden: Option<Oid>, open: &mut BTreeSet<Oid>) -> Vec<Oid> {
    let mut found = Vec::new();
    // It may be a walk over all commits.
    if open.is_empty() {
        return found;
    }
    let walk = || {
        let mut walk = repo.revwalk()?;
        walk.push(from)?;
        hidden.map_or(Ok(()), |hidden| walk.hide(hidden))?;
        Ok::<_, git2::Error>(walk)
    };
    for oid in walk().into_iter().flatten().flatten() {
        if open.remove(&oid) {
            found.push(oid);
        }
        if open.is_empty() {
            break;
        }
    }
    found
}

impl Mirror {
    /// The change that gave a Deployment of the app, by its name, what it asks for in a commit of the branch.
    #[must_use]
    pub fn change(
        &self,
        app: &AppName,
        name: &str,
        commit: &CommitId,
        releases: &str,
    ) -> Option<Change> {
        let is_this = |change: &Change| {
            (change.kind, change.name.as_str()) == (Kind::Deployment, name)
                && change.unknown.is_none()
                && !change.passing
        };
        // A handle of its own: nobody waits for a long walk.
        let repo = Repository::open_bare(self.dir()).ok()?;
        let walk = Walk {
            repo: &repo,
            folder: releases,
            pulls: None,
            app,
            bring: &|_| Ok(()),
        };
        let tip = Oid::try_from(commit).ok()?;
        let walked = walk.from(tip, |changes| changes.iter().any(is_this));
        walked.changes.into_iter().find(is_this)
    }
}
