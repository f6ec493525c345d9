//! What the release repository says now: its tip, and the Deployments and Aliases there.
//!
//! What of a commit counts is said in [`crate::branch`], by way of [`crate::following`]. Looking takes as long as git does, so it has a task of its own, [`follow`],
//! and nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::accepted::Counted;
use super::state::Remembered;
use super::tasks::Last;
use super::trouble::{exchanged, goes_on, is_gone, looks_long, says, takes_long, went_back};
use crate::branch::{Known, Tip};
use crate::following::{Followed, Place};
use crate::panics::{Panic, guarded_now};
use crate::store::{Fetched, Mirror, StoreError};
use crate::words::{AppName, CommitId};

/// Longest time for a fetch that a look waits for, and without a word of the remote in one that it does not wait for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is asked whether something has come that no look waited for.
const PULSE: Duration = Duration::from_secs(1);

/// What is followed.
pub(super) struct Source {
    pub(super) mirror: Mirror,
    pub(super) branch: String,
    /// Folder of releases, where it is not the one of the settings.
    pub(super) folder: Option<String>,
    pub(super) found: Found,
    /// The last look brought versions, or took some away.
    pub(super) brought: bool,
    /// What is wrong with the commit that was read last.
    pub(super) wrong: Vec<String>,
    /// That commit was read of a copy that has been made anew since: it is read again at the next look.
    pub(super) renewed: bool,
    /// That the branch went back with that commit, or that the one before it is gone.
    pub(super) turned: Option<String>,
    /// What a restart has to know.
    pub(super) counted: Counted,
    /// What counts, with what the state folder remembers of objects.
    pub(super) followed: Followed,
    /// What could not be read at the start is tried once more after the first fetch, which may have brought it.
    pub(super) replays: bool,
    /// The commit of the branch that was fetched last before the start.
    pub(super) fetched: Option<CommitId>,
    /// The commits of the versions that are used.
    pub(super) used: Arc<ArcSwap<BTreeSet<CommitId>>>,
}

/// What is known of the repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// The commit that was read last, whether it counts or not.
    pub(super) seen: Option<CommitId>,
    /// What counts now.
    pub(super) tip: Arc<Tip>,
    /// Commits counted before, and none of them can be read any more: what is remembered of the apps is all that is known.
    pub(super) lost: bool,
    /// The repository is another one than that of which commits counted: nothing of it counts, and no version of it either.
    pub(super) foreign: bool,
    /// The repository has answered since the start, and is not another one.
    pub(super) own: bool,
    /// Why the newest commit does not count, or not as a whole, or why there is none to be had.
    pub(super) problems: Vec<String>,
    /// How often versions or labels of an app have come, moved or gone.
    pub(super) moves: Arc<BTreeMap<AppName, u64>>,
    /// Apps of which versions may be at the remote that have not come yet.
    pub(super) awaited: Arc<BTreeSet<AppName>>,
}

impl Found {
    /// False while it is not known what is wanted, which is not the same as nothing being wanted.
    pub(super) fn is_known(&self) -> bool {
        self.lost || self.tip.commit.is_some()
    }
}

/// When to look.
pub(super) struct Rhythm {
    /// How often in any case.
    pub(super) interval: Duration,
    /// Told of commits of a repository on this machine, and of webhooks.
    pub(super) committed: Arc<Notify>,
    /// How often while a version that releases name is not there.
    pub(super) missing_interval: Duration,
    /// After how long people are told of a look that has not ended.
    pub(super) late: Duration,
    /// A version that releases name is not there.
    pub(super) missing: watch::Receiver<bool>,
    /// Told when something was found.
    pub(super) changed: Arc<Notify>,
    /// When the last look ended, whatever it found.
    pub(super) looked: Arc<Last>,
}

/// Looks at the repository again and again, and says what it found. A look that panics is said too, and the next one follows:
/// a repository that brings it about must not end what is served.
///
/// First it says what counted when the last `serve` ended: a remote that is slow or away keeps nobody waiting.
pub(super) async fn follow(mut source: Source, mut rhythm: Rhythm, tell: watch::Sender<Found>) {
    let mut started = false;
    loop {
        let mirror = source.mirror.clone();
        let (branch, begun) = (source.branch.clone(), Timestamp::now());
        let mut looking = tokio::task::spawn_blocking(move || {
            let looked = guarded_now(|| {
                if started {
                    source.look();
                } else {
                    source.recall();
                }
            });
            if let Err(panic) = looked {
                source.failed(&panic);
            }
            source
        });
        let looked = match tokio::time::timeout(rhythm.late, &mut looking).await {
            Ok(looked) => looked,
            Err(_late) => {
                let problem = looks_long(&branch, begun);
                tell.send_modify(|found| found.problems.push(problem));
                rhythm.changed.notify_one();
                looking.await
            }
        };
        source = match looked {
            Ok(source) => source,
            Err(error) => {
                tracing::error!("the repository is not looked at any more: {error}");
                return;
            }
        };
        rhythm.looked.note();
        let told = tell.send_if_modified(|before| {
            let found = &source.found;
            let differs = before.seen != found.seen
                || before.problems != found.problems
                || before.lost != found.lost
                || before.own != found.own;
            *before = source.found.clone();
            differs
        });
        if told || source.brought {
            rhythm.changed.notify_one();
        }
        if !std::mem::replace(&mut started, true) {
            continue;
        }
        let pause = if *rhythm.missing.borrow_and_update() {
            rhythm.missing_interval
        } else {
            rhythm.interval
        };
        tokio::select! {
            () = rhythm.committed.notified() => {}
            Ok(()) = rhythm.missing.changed() => {}
            () = arrival(&mirror) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits until something has come that takes long, or has failed; for ever where nothing does.
async fn arrival(mirror: &Mirror) {
    if mirror.coming().is_empty() {
        std::future::pending::<()>().await;
    }
    while !mirror.has_arrived() {
        tokio::time::sleep(PULSE).await;
    }
}

impl Source {
    /// Nothing is read yet. Where it is not known which commits counted, what is remembered goes on until one says otherwise.
    pub(super) fn new(
        mirror: Mirror,
        branch: String,
        folder: Option<String>,
        (mut counted, known): (Counted, Known),
        used: Arc<ArcSwap<BTreeSet<CommitId>>>,
    ) -> Self {
        if !known.is_empty() {
            counted.something_did();
        }
        Self {
            mirror,
            branch,
            folder,
            found: Found::default(),
            brought: false,
            wrong: Vec::new(),
            renewed: false,
            turned: None,
            counted,
            followed: Followed::new(known),
            replays: true,
            fetched: None,
            used,
        }
    }

    /// The apps that are followed.
    pub(super) fn apps(&self) -> BTreeSet<AppName> {
        let releases = self.found.tip.releases.iter();
        let known = self.followed.known.values().map(|(app, _)| app);
        (releases.map(|release| release.app()).chain(known))
            .cloned()
            .collect()
    }

    /// Fetches, and reads what is new.
    fn look(&mut self) {
        let looked = self.fetch();
        self.found.problems.clone_from(&self.wrong);
        let coming = self.mirror.coming();
        let coming = coming.iter().map(|part| takes_long(part, &self.branch));
        self.found.problems.extend(coming);
        let mut awaited = self.apps();
        awaited.retain(|app| self.mirror.awaits_versions_of(app));
        self.found.awaited = Arc::new(awaited);
        if let Err(error) = looked {
            // What counted before the last restart may be served though it cannot be read.
            let is_first = self.found.tip.commit.is_none() && self.knows_nothing();
            self.found.problems.push(goes_on(&error, is_first));
        }
    }

    /// A look ended in a panic. What was read before goes on.
    fn failed(&mut self, panic: &Panic) {
        let problem = format!(
            "looking at the repository failed, which is a fault of cutwater: {panic}; what was read before goes on"
        );
        self.brought = false;
        self.found.problems.clone_from(&self.wrong);
        self.found.problems.push(problem);
    }

    /// Counts the apps whose versions or labels are others now. True where there are any.
    fn moved(&mut self, fetched: &Result<Fetched, StoreError>) -> bool {
        let Ok(fetched) = fetched else { return false };
        if fetched.changed.is_empty() {
            return false;
        }
        let moves = Arc::make_mut(&mut self.found.moves);
        for app in &fetched.changed {
            *moves.entry(app.clone()).or_default() += 1;
        }
        true
    }

    fn fetch(&mut self) -> Result<(), StoreError> {
        let followed = self.apps();
        let fetched = self.mirror.fetch(&self.branch, &followed, TIMEOUT);
        self.brought = self.moved(&fetched);
        let head = fetched.as_ref().ok().and_then(|found| found.head.clone());
        self.renewed |= fetched.as_ref().is_ok_and(|found| found.renewed);
        let is_new = |commit: &CommitId| {
            let judged = self.found.foreign && self.brought;
            Some(commit) != self.found.seen.as_ref()
                || judged
                || self.renewed
                || self.followed.unread
        };
        let answered = head.is_some();
        let head = head.filter(is_new);
        if let Some(commit) = &head {
            let is_foreign = self.is_foreign(commit);
            // A version that has not come may show that it is not.
            if is_foreign
                && self
                    .apps()
                    .iter()
                    .any(|app| self.mirror.awaits_versions_of(app))
            {
                return ended(fetched);
            }
            self.found.foreign = is_foreign;
        }
        if answered {
            self.found.own = !self.found.foreign;
        }
        if let Some(commit) = head {
            if self.found.foreign {
                self.wrong = vec![exchanged(&commit)];
                self.found.seen = Some(commit);
                return ended(fetched);
            }
            if fetched.is_ok()
                && std::mem::take(&mut self.replays)
                && !self.followed.lost.is_empty()
            {
                self.replay();
            }
            let before = self.before();
            self.wrong = self.read(&commit)?;
            self.renewed = false;
            if let Some(before) = before.filter(|before| *before != commit) {
                self.turned = if self.mirror.went_back(&before, &commit) {
                    Some(went_back(&commit, &before))
                } else if fetched.is_ok() && !self.mirror.holds(&before) {
                    Some(is_gone(&commit, &before))
                } else {
                    None
                };
            }
            if self.found.tip.commit.as_ref() == Some(&commit) {
                self.wrong.extend(self.turned.clone());
            }
            self.followed.forget();
            // One that counts; of what could not be read before, more may count now.
            if self.found.tip.commit.as_ref() == Some(&commit) {
                self.note();
            }
            self.found.seen = Some(commit);
            // The first fetch knew nothing of an app that this commit is the first to name.
            let apps = self.apps();
            if fetched.is_ok() && !apps.is_subset(&followed) {
                let more = self.mirror.fetch(&self.branch, &apps, TIMEOUT);
                self.brought |= self.moved(&more);
                // What was judged a moment ago was judged on a damaged copy: the next look judges it again.
                self.renewed |= more.as_ref().is_ok_and(|more| more.renewed);
                ended(more)?;
            }
        }
        ended(fetched)
    }

    /// The newest commit that counted before, as far as that is known.
    fn before(&self) -> Option<CommitId> {
        let tip = self.found.tip.commit.as_ref();
        let before = tip.or(self.counted.commits().last());
        before.filter(|commit| !commit.is_zero()).cloned()
    }

    /// Has a restart know what counts.
    fn note(&mut self) {
        let tip = &self.found.tip;
        let commits = tip.commits(self.counted.commits());
        if let Err(error) = self.counted.note(commits, tip.stays()) {
            self.wrong.push(format!(
                "{error} in the state folder; after a restart an older commit than {} counts first",
                tip.commit.as_ref().map_or("", CommitId::short)
            ));
        }
    }

    /// Reads a commit, which counts from now on as far as it can be read. What is wrong, and what is kept though it is not in it.
    fn read(&mut self, commit: &CommitId) -> Result<Vec<String>, StoreError> {
        let place = Place {
            mirror: &self.mirror,
            branch: &self.branch,
            folder: self.folder.as_deref(),
            namespace: None,
        };
        let counted = self.counted.commits();
        let problems = self.followed.read(place, commit, counted, None)?;
        self.found.tip = Arc::clone(&self.followed.tip);
        Ok(problems.iter().map(says).collect())
    }
}

/// How a fetch ended: what took long, and did not come, was a part of it.
fn ended(fetched: Result<Fetched, StoreError>) -> Result<(), StoreError> {
    fetched?.failed.map_or(Ok(()), Err)
}

/// What the state folder remembers of objects. What serves comes before what was only asked for.
pub(super) fn known(remembered: &BTreeMap<AppName, Remembered>) -> Known {
    let mut known = Known::new();
    for (app, remembered) in remembered {
        for (owner, spec) in &remembered.asked {
            let Some(release) = spec.release(&owner.name) else {
                continue;
            };
            if remembered.served.contains_key(owner) || !known.contains_key(owner) {
                known.insert(owner.clone(), (app.clone(), release.wanted.repository));
            }
        }
    }
    known
}

/// The commits of the versions that are remembered.
pub(super) fn used<'a>(remembered: impl Iterator<Item = &'a Remembered>) -> BTreeSet<CommitId> {
    let records = remembered.flat_map(|remembered| remembered.records.values());
    records.map(|record| record.commit.clone()).collect()
}

#[cfg(test)]
#[path = "source_test.rs"]
mod tests;
