//! What the release repository says now: its tip, and the Deployments and Aliases there.
//!
//! A commit counts as a whole or not at all: while one file cannot be read, what was read last goes on. Looking takes as long
//! as git does, so it has a task of its own, [`follow`], and nobody waits for it.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::counted::Counted;
use super::tasks::{self, Last};
use crate::plan::{Owner, OwnerKind};
use crate::releases::{Kind, Release};
use crate::settings::Settings;
use crate::store::{Mirror, StoreError};
use crate::words::AppName;

/// Longest time for one fetch.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is followed.
pub(super) struct Source {
    mirror: Mirror,
    branch: String,
    /// Folder of releases, where it is not the one of the settings.
    folder: Option<String>,
    found: Found,
    /// The last look brought versions, or took some away.
    brought: bool,
    /// What is wrong with the commit that was read last.
    wrong: Vec<String>,
    /// What a restart has to know.
    counted: Counted,
}

/// What is known of the repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// The commit that was read last, whether it counts or not.
    pub(super) seen: Option<String>,
    /// What counts now.
    pub(super) tip: Arc<Tip>,
    /// Why the newest commit does not count, or not as a whole, or why there is none to be had.
    pub(super) problems: Vec<String>,
}

/// When to look.
pub(super) struct Rhythm {
    /// How often in any case.
    pub(super) interval: Duration,
    /// Told of commits of a repository on this machine, and of webhooks.
    pub(super) committed: Arc<Notify>,
    /// How often while a version that releases name is not there.
    pub(super) missing_interval: Duration,
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
        let looking = tokio::task::spawn_blocking(move || {
            let looked = std::panic::catch_unwind(AssertUnwindSafe(|| {
                if started {
                    source.look();
                } else {
                    source.recall();
                }
            }));
            if let Err(panic) = looked {
                source.failed(&tasks::words(panic.as_ref()));
            }
            source
        });
        source = match looking.await {
            Ok(source) => source,
            Err(error) => {
                tracing::error!("the repository is not looked at any more: {error}");
                return;
            }
        };
        rhythm.looked.note();
        let told = tell.send_if_modified(|before| {
            let differs =
                before.seen != source.found.seen || before.problems != source.found.problems;
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
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A commit whose releases count.
#[derive(Debug, Clone, Default)]
pub(super) struct Tip {
    /// 40 hex digits; empty before the first.
    pub(super) commit: String,
    pub(super) settings: Settings,
    pub(super) releases: Vec<Release>,
}

impl Source {
    /// Nothing is known yet.
    pub(super) fn new(
        mirror: Mirror,
        branch: String,
        folder: Option<String>,
        counted: Counted,
    ) -> Self {
        Self {
            mirror,
            branch,
            folder,
            found: Found::default(),
            brought: false,
            wrong: Vec::new(),
            counted,
        }
    }

    /// Reads again what counted before.
    fn recall(&mut self) {
        for commit in self.counted.commits().to_vec() {
            match self.read(&commit) {
                Ok(wrong) => {
                    self.wrong = wrong;
                    self.found.seen = Some(commit);
                }
                Err(error) => {
                    let commit = short(&commit);
                    tracing::warn!(
                        "commit {commit}, which counted before: {error}; the newest one is read"
                    );
                }
            }
        }
        self.found.problems.clone_from(&self.wrong);
    }

    /// The apps that are followed.
    fn apps(&self) -> BTreeSet<AppName> {
        let releases = self.found.tip.releases.iter();
        releases.map(|release| release.app().clone()).collect()
    }

    /// Fetches, and reads what is new.
    fn look(&mut self) {
        let looked = self.fetch();
        self.found.problems.clone_from(&self.wrong);
        if let Err(error) = looked {
            let problem = format!("{error}; what was read before goes on");
            self.found.problems.push(problem);
        }
    }

    /// A look ended in a panic. What was read before goes on.
    fn failed(&mut self, panic: &str) {
        let problem = format!(
            "looking at the repository failed, which is a fault of cutwater: {panic}; what was read before goes on"
        );
        self.brought = false;
        self.found.problems.clone_from(&self.wrong);
        self.found.problems.push(problem);
    }

    fn fetch(&mut self) -> Result<(), StoreError> {
        let followed = self.apps();
        let fetched = self.mirror.fetch(&self.branch, &followed, TIMEOUT);
        self.brought = (fetched.as_ref()).is_ok_and(|found| !found.changed.is_empty());
        let head = fetched.as_ref().ok().and_then(|found| found.head.clone());
        if let Some(commit) = head.filter(|commit| Some(commit) != self.found.seen.as_ref()) {
            let before = self.found.tip.commit.clone();
            self.wrong = self.read(&commit)?;
            if self.found.tip.commit != before {
                self.note(&commit);
            }
            self.found.seen = Some(commit);
            // The first fetch knew nothing of an app that this commit is the first to name.
            let apps = self.apps();
            if fetched.is_ok() && !apps.is_subset(&followed) {
                self.mirror.fetch(&self.branch, &apps, TIMEOUT)?;
                self.brought = true;
            }
        }
        fetched.map(drop)
    }

    /// Has a restart know that this commit counts.
    fn note(&mut self, commit: &str) {
        if let Err(error) = self.counted.note(commit, self.wrong.is_empty()) {
            self.wrong.push(format!(
                "{error} in the state folder; after a restart an older commit than {} counts first",
                short(commit)
            ));
        }
    }

    /// Reads a commit, which counts from now on if nothing is wrong with it. What is wrong, and what is kept though it is not
    /// in it.
    fn read(&mut self, commit: &str) -> Result<Vec<String>, StoreError> {
        let settings = self.mirror.settings(commit)?;
        let folder = self.folder.as_ref().unwrap_or(&settings.releases);
        let read = self.mirror.releases(&self.branch, commit, folder)?;
        let unreadable = read.unreadable.iter().map(|file| file.problem.clone());
        let mut wrong: Vec<String> = unreadable.chain(twins(&read.releases, folder)).collect();
        if !wrong.is_empty() {
            wrong.push(format!(
                "commit {} does not count until that is mended; what was read before goes on",
                short(commit)
            ));
            return Ok(wrong);
        }
        let mut releases: Vec<Release> = read.releases.to_vec();
        let (may_prune, why) = self.may_prune(commit, &releases, folder);
        if !may_prune {
            let gone = (self.found.tip.releases.iter())
                .filter(|old| !releases.iter().any(|new| owner(new) == owner(old)));
            let gone: Vec<Release> = gone.cloned().collect();
            if !gone.is_empty() {
                wrong.push(why);
            }
            releases.extend(gone);
        }
        self.found.tip = Arc::new(Tip {
            commit: commit.to_owned(),
            settings,
            releases,
        });
        Ok(wrong)
    }

    /// Whether objects that are not in the commit any more go: never where the folder is gone, or history was rewritten.
    fn may_prune(&self, commit: &str, releases: &[Release], folder: &str) -> (bool, String) {
        let before = &self.found.tip.commit;
        if before.is_empty() {
            return (true, String::new());
        }
        if releases.is_empty() {
            return (
                false,
                format!(
                    "`{folder}` of commit {} is absent or empty, so what was there goes on",
                    short(commit)
                ),
            );
        }
        if !self.mirror.follows(commit, before) {
            return (
                false,
                format!(
                    "history was rewritten: commit {} does not follow {}, so what is missing in it goes on",
                    short(commit),
                    short(before)
                ),
            );
        }
        (true, String::new())
    }
}

/// Who an object is in a plan.
pub(super) fn owner(release: &Release) -> Owner {
    Owner {
        kind: match release.kind() {
            Kind::Deployment => OwnerKind::Deployment,
            Kind::Alias => OwnerKind::Alias,
        },
        name: release.name().to_owned(),
    }
}

/// One machine is one environment: an app has one Deployment, and a name means one object.
fn twins(releases: &[Release], folder: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, release) in releases.iter().enumerate() {
        let twin = releases[..index].iter().find(|other| {
            let both = release.kind() == Kind::Deployment && other.kind() == Kind::Deployment;
            owner(other) == owner(release) || (both && other.app() == release.app())
        });
        if let Some(twin) = twin {
            problems.push(format!(
                "{}:{}: {:?} `{}` of `{}` is the second one, after {}:{}; where folders below {folder} are meant for different places, name one with --releases",
                release.file,
                release.place.line,
                release.kind(),
                release.name(),
                release.app(),
                twin.file,
                twin.place.line
            ));
        }
    }
    problems
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
