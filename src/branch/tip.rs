//! What counts of a commit, beside what counted before it.
//!
//! An object counts where its file can be read and it is the only one of its kind for its app. One of which that cannot be said
//! stays as it was, and so does one that is missing while a file cannot be read or is refused: it may stand there, and a copied
//! file may have taken its place. One that is missing for another reason goes, but where [`super::kept`] says why not. All others of
//! the commit count, so a slip in one app's file holds that app alone.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::commit::{Commit, Known};
use super::kept::{self, Kept, Missing, Reasons};
use super::problem::Problem;
use crate::plan::Owner;
use crate::releases::{Kind, Release};
use crate::settings::Settings;
use crate::words::{AppName, CommitId};

/// The objects that go on though commits do not have them.
type AllKept = BTreeMap<Owner, Kept>;

/// What counts.
#[derive(Debug, Clone, Default)]
pub struct Tip {
    /// The commit; nothing before the first.
    pub commit: Option<CommitId>,
    /// What `cutwater.yaml` says there.
    pub settings: Settings,
    /// The objects that count.
    pub releases: Vec<Arc<Release>>,
    owners: BTreeMap<Owner, Arc<Release>>,
    /// The objects that are as an older commit has them, and which one that is.
    pub held: BTreeMap<Owner, CommitId>,
    /// The objects that go on though this commit, and others before it, do not have them. Those that are not among the releases
    /// stand in the state folder.
    kept: AllKept,
    /// Commits that counted before and cannot be read any more, where what only they may have had goes on.
    lost: Vec<CommitId>,
    /// What is neither among the releases nor kept is not wanted. Where it is false, something could not be read.
    pub whole: bool,
}

impl Tip {
    /// The commit of which an object is; nothing before the first.
    #[must_use]
    pub fn commit_of(&self, owner: &Owner) -> Option<&CommitId> {
        self.held.get(owner).or(self.commit.as_ref())
    }

    /// True for an object that is among the releases.
    #[must_use]
    pub fn has(&self, owner: &Owner) -> bool {
        self.owners.contains_key(owner)
    }

    /// An object that is among the releases.
    #[must_use]
    pub fn release(&self, owner: &Owner) -> Option<&Release> {
        self.owners.get(owner).map(Arc::as_ref)
    }

    /// True for an object that is wanted, and of which only the state folder knows how.
    #[must_use]
    pub fn recalls(&self, owner: &Owner) -> bool {
        !self.whole || (self.kept.contains_key(owner) && !self.has(owner))
    }

    /// For an object that is not as this commit has it: what has it so, in words.
    #[must_use]
    pub fn older(&self, owner: &Owner) -> Option<String> {
        match self.held.get(owner) {
            Some(commit) => Some(format!("commit {}", commit.short())),
            None => (!self.has(owner)).then(|| "the state folder".to_owned()),
        }
    }

    /// The objects that go on though the commit does not have them so.
    #[must_use]
    pub fn stays(&self) -> BTreeSet<Owner> {
        self.held.keys().chain(self.kept.keys()).cloned().collect()
    }

    /// The commits that make this up, the oldest first where `before` has them so.
    #[must_use]
    pub fn commits(&self, before: &[CommitId]) -> Vec<CommitId> {
        let since = self.kept.values().map(|kept| &kept.since);
        let held: BTreeSet<&CommitId> = self.held.values().chain(since).collect();
        let mut commits: Vec<CommitId> = (before.iter())
            // One of which nothing is known stands for those that are not remembered: any of them may have what is held.
            .filter(|commit| {
                let is_unknown = commit.is_zero() && !held.is_empty();
                is_unknown || held.contains(commit) || self.lost.contains(commit)
            })
            .filter(|commit| Some(*commit) != self.commit.as_ref())
            .cloned()
            .collect();
        commits.extend(self.commit.clone());
        commits
    }

    /// What counts with a commit after this, and all that stands against the commit.
    #[must_use]
    pub fn next(&self, commit: Commit<'_>) -> (Self, Vec<Problem>) {
        // A file that stands against another one is read all the same, and judged by its objects.
        let read_files: BTreeSet<&str> = (commit.releases.iter())
            .map(|it| it.file.as_str())
            .collect();
        let is_read = |file: &str| read_files.contains(file);
        let files: BTreeSet<&str> = (commit.unreadable.iter())
            .map(|(file, _)| *file)
            .filter(|file| !is_read(file))
            .collect();
        let mut problems: Vec<Problem> = (commit.unreadable.iter())
            .map(|(_, problem)| Problem::Unreadable((*problem).to_owned()))
            .collect();
        let mut stay: BTreeSet<AppName> = (self.releases.iter())
            .filter(|release| files.contains(release.file.as_str()))
            .map(|release| release.app().clone())
            .collect();
        let (mut releases, refused) = self.taken(&commit, &mut problems, &mut stay);
        let (doubled, said) = twins(&releases);
        problems.extend(said);
        stay.extend(doubled);
        releases.retain(|release| !stay.contains(release.app()));
        let is_read = files.is_empty() && !refused;
        let emptied = |old: &Release| commit.bare.contains(&old.file);
        let mut held = BTreeMap::new();
        let (mut stays, mut slipped) = (Vec::new(), Vec::new());
        let mut missing = self.unread(&commit);
        let taken: BTreeSet<Owner> = releases.iter().map(|release| owner(release)).collect();
        for old in &self.releases {
            let owner = owner(old);
            if taken.contains(&owner) {
                continue;
            }
            if emptied(old) {
                problems.push(Problem::Emptied {
                    file: old.file.clone(),
                    owner: owner.clone(),
                });
                slipped.push(owner);
            } else if is_read && !stay.contains(old.app()) {
                missing.insert(owner);
            } else {
                slipped.push(owner);
            }
        }
        let may_stay = |owner: &Owner| commit.may_stay.is_none_or(|owners| owners.contains(owner));
        missing.retain(may_stay);
        slipped.retain(may_stay);
        let (mut kept, reasons) = self.keep(&missing, &commit);
        for owner in &slipped {
            kept.extend(
                self.kept
                    .get(owner)
                    .map(|kept| (owner.clone(), kept.clone())),
            );
        }
        let goes_on: BTreeSet<&Owner> = reasons.values().flatten().chain(&slipped).collect();
        for old in &self.releases {
            let owner = owner(old);
            if goes_on.contains(&owner) {
                held.extend(self.commit_of(&owner).map(|of| (owner, of.clone())));
                stays.push(Arc::clone(old));
            }
        }
        let kept_for = |(why, owners)| Problem::Kept {
            why,
            owners,
            commit: commit.id.clone(),
        };
        problems.extend(reasons.into_iter().map(kept_for));
        if !slipped.is_empty() {
            problems.push(Problem::AsBefore {
                owners: slipped,
                commit: commit.id.clone(),
            });
        }
        releases.extend(stays);
        let tip = Self {
            commit: Some(commit.id.clone()),
            settings: commit.settings,
            owners: (releases.iter())
                .map(|release| (owner(release), Arc::clone(release)))
                .collect(),
            releases,
            held,
            lost: if kept.is_empty() {
                Vec::new()
            } else {
                [&self.lost, commit.lost].concat()
            },
            kept,
            whole: is_read && stay.is_empty(),
        };
        (tip, problems)
    }

    /// The objects of a commit that may count, and whether any may not: of another app than before, or for another namespace. The apps of
    /// those that may not `stay`.
    fn taken(
        &self,
        commit: &Commit<'_>,
        problems: &mut Vec<Problem>,
        stay: &mut BTreeSet<AppName>,
    ) -> (Vec<Arc<Release>>, bool) {
        let mut releases = Vec::new();
        let mut refused = false;
        for release in commit.releases {
            match self.refusal(release, commit) {
                Some((app, problem)) => {
                    problems.push(problem);
                    refused = true;
                    // A copy that kept the name is refused alone, where the object is there as it was.
                    let mut others =
                        (commit.releases.iter()).filter(|other| owner(other) == owner(release));
                    if !others.any(|other| self.refusal(other, commit).is_none()) {
                        stay.insert(app);
                    }
                }
                None => releases.push(Arc::new(release.clone())),
            }
        }
        (releases, refused)
    }

    /// The objects that are missing in a commit, and of which only the state folder knows.
    fn unread(&self, commit: &Commit<'_>) -> BTreeSet<Owner> {
        // What an empty folder says nothing of may be meant to go on, whatever is known of the commits before it.
        let is_held = !commit.lost.is_empty() || (commit.empty.is_some() && !self.whole);
        let known = commit.known.keys().filter(|_| is_held);
        let in_commit: BTreeSet<Owner> = commit.releases.iter().map(owner).collect();
        let here = |owner: &Owner| in_commit.contains(owner);
        (known.chain(self.kept.keys()))
            .filter(|owner| !self.has(owner) && !here(owner))
            .cloned()
            .collect()
    }

    /// Which of the objects that are missing in a commit go on, and why.
    fn keep(&self, missing: &BTreeSet<Owner>, commit: &Commit<'_>) -> (AllKept, Reasons) {
        let (mut kept, mut reasons) = (AllKept::new(), Reasons::new());
        for owner in missing {
            let known = Missing {
                of: self.commit_of(owner).filter(|_| self.has(owner)),
                kept: self.kept.get(owner),
            };
            if let Some((why, keeps)) = kept::why(&known, commit) {
                kept.extend(keeps.map(|kept| (owner.clone(), kept)));
                reasons.entry(why).or_default().insert(owner.clone());
            }
        }
        (kept, reasons)
    }

    /// An object that must not count: the app that stays as it was because of it, and what is wrong.
    fn refusal(&self, release: &Release, commit: &Commit<'_>) -> Option<(AppName, Problem)> {
        let named = release.namespace().unwrap_or_default();
        match commit.namespace {
            Some(here) if !named.is_empty() && named != here => {
                let place = (release.place.line, release.place.column);
                let problem = Problem::Astray {
                    file: release.file.clone(),
                    place,
                    owner: owner(release),
                    named: named.to_owned(),
                    here: here.to_owned(),
                };
                Some((release.app().clone(), problem))
            }
            _ => self.changed(release, commit.known),
        }
    }

    /// An object that is now of another app or repository than before: which app it was of, and what is wrong.
    fn changed(&self, release: &Release, known: &Known) -> Option<(AppName, Problem)> {
        let owner = owner(release);
        let old = self.release(&owner);
        let (app, repository) = match old {
            Some(old) => (&old.wanted.app, &old.wanted.repository),
            None => known
                .get(&owner)
                .map(|(app, repository)| (app, repository))?,
        };
        let differs = |field, before: &str, now: &str| {
            (before != now).then(|| Problem::Changed {
                file: release.file.clone(),
                line: release.place.line,
                field,
                before: before.to_owned(),
                now: now.to_owned(),
            })
        };
        let now = &release.wanted;
        differs("app", app.as_str(), now.app.as_str())
            .or_else(|| differs("repository", repository, &now.repository))
            .map(|problem| (app.clone(), problem))
    }
}

/// Who an object is in a plan.
#[must_use]
pub fn owner(release: &Release) -> Owner {
    Owner {
        kind: release.kind(),
        name: release.name().to_owned(),
    }
}

/// One machine is one environment: an app has one Deployment, and a name means one object. The apps of which that is not so.
fn twins(releases: &[Arc<Release>]) -> (Vec<AppName>, Vec<Problem>) {
    let (mut apps, mut problems) = (Vec::new(), Vec::new());
    // The first of each name, and the first Deployment of each app.
    let mut named: HashMap<Owner, usize> = HashMap::new();
    let mut deployments: HashMap<&AppName, usize> = HashMap::new();
    for (index, release) in releases.iter().enumerate() {
        let of_name = *named.entry(owner(release)).or_insert(index);
        let of_app = if release.kind() == Kind::Deployment {
            *deployments.entry(release.app()).or_insert(index)
        } else {
            index
        };
        let first = of_name.min(of_app);
        let twin = releases.get(first).filter(|_| first < index);
        if let Some(twin) = twin {
            apps.extend([release.app().clone(), twin.app().clone()]);
            problems.push(Problem::Second {
                file: release.file.clone(),
                line: release.place.line,
                kind: release.kind(),
                name: release.name().to_owned(),
                app: release.app().clone(),
                first: (twin.file.clone(), twin.place.line),
            });
        }
    }
    (apps, problems)
}
