//! Which commit of the branch counts for a Repository: memory around [`crate::following`], with a gate before it.
//!
//! A commit counts where it came after the one that counts, or where a person has released it. A branch that was rewritten, went back,
//! or of which that cannot be told, changes nothing. What is judged is a new memory, which takes the place of the old one as a whole;
//! nothing is half set where reading fails. Blocks: git is read here, and nothing is fetched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::asked::Asked;
use super::decide::{Decision, Question, Settled, decide};
use super::desired::Desired;
use super::live::{Cluster, Here};
use crate::api::{Repository, RepositoryStatus, SyncStatus};
use crate::branch::{Known, Problem, Tip};
use crate::following::{Followed, Place};
use crate::store::{Mirror, StoreError};
use crate::words::CommitId;

/// Most commits that are remembered: each but the last has an object that is held.
const MAX: usize = 64;

/// Of what a memory is: of anything else nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) uid: String,
    pub(super) url: String,
    pub(super) branch: String,
    pub(super) path: String,
}

/// What is remembered of what was synced.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub(super) of: Of,
    pub(super) followed: Followed,
    /// What stands against the commit that counts.
    pub(super) problems: Vec<Problem>,
    /// The commits that count, the newest last.
    pub(super) counted: Vec<CommitId>,
    /// The commit that counted last of another address, branch or path, until one counts that follows it.
    pub(super) before: Option<CommitId>,
    /// The commit that a person released last, of this address, branch and path.
    pub(super) released: Option<CommitId>,
    /// The same of any address, branch and path: a word that stands is not said again by a change of those.
    pub(super) heard: Option<CommitId>,
    /// The last commit that was applied in full.
    pub(super) synced: Option<CommitId>,
    pub(super) pruned: Vec<String>,
    pub(super) settled: Settled,
    /// What stands at paths of other Repositories, by path, in the commit that was read last.
    pub(super) beside: HashMap<String, (CommitId, Arc<Here>)>,
    /// Looks in a row that have to be done again.
    pub(super) failures: u32,
}

impl Memory {
    /// What an earlier program remembered of the same.
    pub(super) fn kept(of: Of, status: Option<&RepositoryStatus>) -> Self {
        let sync = status.and_then(|status| status.sync.as_ref());
        let heard = sync.filter(|sync| sync.uid == of.uid);
        let heard = heard.and_then(|sync| sync.heard.as_ref()?.parse().ok());
        let of_same = sync.filter(|sync| sync.uid == of.uid);
        let before = of_same.and_then(|sync| {
            let last = sync.counting.last().filter(|_| !of.is_of(sync));
            last.or(sync.before.as_ref())?.parse().ok()
        });
        let sync = sync.filter(|sync| of.is_of(sync));
        // What is no id was one before somebody changed the status.
        let id = |text: &String| text.parse().unwrap_or_else(|_| CommitId::zero());
        let synced = status.and_then(|status| status.synced.as_ref()?.parse().ok());
        Self {
            of,
            before,
            counted: sync.map_or_else(Vec::new, |sync| sync.counting.iter().map(id).collect()),
            released: sync.and_then(|sync| sync.released.as_ref()?.parse().ok()),
            synced: sync.and(synced),
            pruned: sync.map_or_else(Vec::new, |sync| sync.pruned.clone()),
            heard,
            ..Self::default()
        }
    }

    /// What is remembered after a memory of the same, or of another address, branch or path.
    pub(super) fn after(before: Option<Self>, of: Of, status: Option<&RepositoryStatus>) -> Self {
        match before {
            Some(before) if before.of == of => before,
            Some(before) if before.of.uid == of.uid => Self {
                // The status may be older.
                before: before.counts().cloned().or(before.before),
                heard: before.heard,
                ..Self::kept(of, status)
            },
            _ => Self::kept(of, status),
        }
    }

    /// True where something is remembered of a Repository as it is `now`.
    pub(super) fn is_read(&self, now: &Of) -> bool {
        self.of == *now && self.followed.tip.commit.is_some()
    }

    /// The commit that counts.
    pub(super) fn counts(&self) -> Option<&CommitId> {
        self.counted.last()
    }

    /// A person's word releases a commit once; while it stands unchanged it does not do so again.
    pub(super) fn hear(&mut self, word: Option<&str>) {
        let names = |commit: &CommitId| word.is_some_and(|word| is_named(commit, word));
        self.released.take_if(|commit| !names(commit));
        self.heard.take_if(|commit| !names(commit));
    }
}

impl Of {
    /// Of a Repository and its path; one that syncs nothing has none.
    pub(super) fn new(repository: &Repository) -> Self {
        let spec = &repository.spec;
        Self {
            uid: repository.metadata.uid.clone().unwrap_or_default(),
            url: spec.url.clone(),
            branch: spec.branch.clone(),
            path: spec.releases.clone().unwrap_or_default(),
        }
    }

    fn is_of(&self, sync: &SyncStatus) -> bool {
        (&self.uid, &self.url, &self.branch, &self.path)
            == (&sync.uid, &sync.url, &sync.branch, &sync.path)
    }
}

/// True where a person names that commit: by its id, or by its first digits.
pub(super) fn is_named(commit: &CommitId, word: &str) -> bool {
    word.len() >= 7 && commit.begins(&word.to_ascii_lowercase())
}

/// Why a commit of the branch changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stands {
    /// It does not follow the one that counts.
    Rewritten(CommitId),
    /// It is before the one that counts.
    WentBack(CommitId),
    /// Whether it follows the one that counts cannot be told.
    Unknown(CommitId),
    /// It cannot be read.
    Unreadable(Vec<String>),
}

/// A commit that counts.
pub(super) struct Counts {
    pub(super) memory: Memory,
    pub(super) decision: Decision,
    /// It counts by a person's word.
    pub(super) released: bool,
    /// Annotations in files that must not be there, and objects of others.
    pub(super) notes: Vec<String>,
}

/// What is to be judged.
pub(super) struct Case {
    pub(super) memory: Memory,
    pub(super) mirror: Mirror,
    pub(super) namespace: String,
    pub(super) head: CommitId,
    /// The commit that a person names.
    pub(super) word: Option<String>,
    pub(super) cluster: Cluster,
}

impl Case {
    pub(super) fn judge(self) -> Result<Counts, Stands> {
        let asked = Asked::new(&self.mirror, &self.head, &self.cluster);
        let came_after =
            |newer: &CommitId, older: &CommitId| -> Option<bool> { asked.came_after(newer, older) };
        let head = &self.head;
        let named = (self.word.as_deref()).is_some_and(|word| is_named(head, word));
        let is_new_word = named && self.memory.heard.as_ref() != Some(head);
        // It counts by that word until another commit counts, also where it was not carried out at once.
        let stands =
            self.memory.released.as_ref() == Some(head) && self.memory.counts() == Some(head);
        let released = is_new_word || stands;
        let mut next = self.memory.clone();
        let mut before = Arc::clone(&next.followed.tip);
        if !released {
            gate(head, next.counts(), &came_after)?;
            is_no_lag(head, next.before.as_ref(), &came_after)?;
            before = self.read(&mut next)?;
        } else if is_new_word
            || next.followed.unread
            || next.followed.tip.commit.as_ref() != Some(head)
        {
            self.read_released(&mut next)?;
        }
        let followed = &next.followed;
        if followed.tip.commit.as_ref() != Some(head) {
            let said = next.problems.iter().map(super::words::problem);
            return Err(Stands::Unreadable(said.collect()));
        }
        let follows = |before: &mut CommitId| released || came_after(head, before) == Some(true);
        next.before.take_if(follows);
        next.counted = limited(followed.tip.commits(&next.counted));
        let mut cluster = self.cluster.clone();
        cluster.here = self.beside(&mut next.beside);
        let followed = &next.followed;
        let tip = &followed.tip;
        let wanted: Vec<Desired> = (tip.releases.iter())
            .map(|release| {
                let owner = crate::branch::owner(release);
                Desired::of(release, tip.commit_of(&owner).unwrap_or(head))
            })
            .collect();
        let mut notes: Vec<String> = wanted.iter().filter_map(super::words::reserved).collect();
        notes.extend(followed.aside.iter().cloned());
        let decision = decide(Question {
            repository: &next.of.uid,
            wanted,
            head,
            recalls: &|owner| tip.recalls(owner),
            before: &|owner| {
                let commit = before.commit_of(owner)?;
                Some(Desired::of(before.release(owner)?, commit))
            },
            keeps: &|owner| tip.held.contains_key(owner),
            released,
            elsewhere: next.before.as_ref(),
            path: &next.of.path,
            empty: followed.empty,
            cluster: &cluster,
            settled: &next.settled,
            came_after: &came_after,
        });
        Ok(Counts {
            memory: next,
            decision,
            released,
            notes,
        })
    }

    /// What Repositories that read the same branch have at their paths in this very commit, whether they have read it or not.
    fn beside(
        &self,
        read: &mut HashMap<String, (CommitId, Arc<Here>)>,
    ) -> BTreeMap<String, Arc<Here>> {
        let paths = &self.cluster.paths;
        read.retain(|path, (commit, here)| {
            *commit == self.head && !here.is_unread && paths.values().any(|it| it == path)
        });
        let mut all = BTreeMap::new();
        for (uid, path) in paths {
            let (_, here) = read.entry(path.clone()).or_insert_with(|| {
                let found = self
                    .mirror
                    .releases(&self.memory.of.branch, &self.head, path);
                let here = found.map_or_else(
                    |_| Here {
                        owners: BTreeSet::new(),
                        is_unread: true,
                    },
                    |found| Here {
                        owners: found.releases.iter().map(crate::branch::owner).collect(),
                        is_unread: !found.unreadable.is_empty(),
                    },
                );
                (self.head.clone(), Arc::new(here))
            });
            all.insert(uid.clone(), Arc::clone(here));
        }
        all
    }

    fn place(&self) -> Place<'_> {
        Place {
            mirror: &self.mirror,
            branch: &self.memory.of.branch,
            folder: Some(&self.memory.of.path),
            namespace: Some(&self.namespace),
        }
    }

    /// Reads the commit as if none had counted before: a person said so.
    fn read_released(&self, next: &mut Memory) -> Result<(), Stands> {
        next.followed = Followed::new(Known::new());
        next.counted.clear();
        let read = next.followed.read(self.place(), &self.head, &[], None);
        next.problems = read.map_err(|error| unreadable(&error))?;
        next.released = Some(self.head.clone());
        next.heard = next.released.clone();
        Ok(())
    }

    /// Reads the commit after those that counted, of which a program that was just started reads again what counts still. What counted
    /// before it.
    fn read(&self, next: &mut Memory) -> Result<Arc<Tip>, Stands> {
        let repository = &next.of.uid;
        next.followed.known = self.cluster.known(repository);
        let is_first = next.followed.tip.commit.is_none() && next.counted.is_empty();
        if is_first && !next.followed.known.is_empty() {
            // What counted of another address, branch or path is not known here, nor what was held there: so the first commit takes
            // nothing away.
            next.counted.push(CommitId::zero());
            next.followed.lost.push(CommitId::zero());
        } else if next.followed.tip.commit.is_none() && !next.counted.is_empty() {
            let may_stay = self.cluster.owners(repository);
            let followed = &mut next.followed;
            let (_, problems) = followed.replay(self.place(), &next.counted, Some(&may_stay));
            next.problems = problems;
        }
        let before = Arc::clone(&next.followed.tip);
        let followed = &mut next.followed;
        let is_read = followed.tip.commit.as_ref() == Some(&self.head);
        if !is_read || followed.unread || !followed.lost.is_empty() {
            let read = followed.read(self.place(), &self.head, &next.counted, None);
            next.problems = read.map_err(|error| unreadable(&error))?;
        }
        Ok(before)
    }
}

fn unreadable(error: &StoreError) -> Stands {
    Stands::Unreadable(vec![error.to_string()])
}

/// Why a commit does not count after the one that does.
fn gate(
    head: &CommitId,
    counts: Option<&CommitId>,
    came_after: &dyn Fn(&CommitId, &CommitId) -> Option<bool>,
) -> Result<(), Stands> {
    let Some(before) = counts.filter(|before| *before != head) else {
        return Ok(());
    };
    match came_after(head, before) {
        Some(true) => Ok(()),
        None => Err(Stands::Unknown(before.clone())),
        Some(false) => Err(match came_after(before, head) {
            Some(true) => Stands::WentBack(before.clone()),
            Some(false) => Stands::Rewritten(before.clone()),
            None => Stands::Unknown(before.clone()),
        }),
    }
}

/// Another address, branch or path may be behind what was synced of the one before: then nothing counts. Of one with another history
/// that is not said.
fn is_no_lag(
    head: &CommitId,
    before: Option<&CommitId>,
    came_after: &dyn Fn(&CommitId, &CommitId) -> Option<bool>,
) -> Result<(), Stands> {
    match before.filter(|before| *before != head) {
        Some(before) if came_after(before, head) == Some(true) => {
            Err(Stands::WentBack(before.clone()))
        }
        _ => Ok(()),
    }
}

/// As many commits as are remembered; one of which nothing is known stands for those that are not.
fn limited(mut commits: Vec<CommitId>) -> Vec<CommitId> {
    if commits.len() > MAX {
        commits.drain(..commits.len() + 1 - MAX);
        commits.insert(0, CommitId::zero());
    }
    commits
}
