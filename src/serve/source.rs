//! What the release repository says now: its tip, and the Deployments and Aliases there.
//!
//! All of it blocks. A commit counts as a whole or not at all: while one file cannot be read, what was read last goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::{Owner, OwnerKind};
use crate::releases::{Kind, Release};
use crate::settings::Settings;
use crate::store::{Mirror, StoreError};
use crate::words::AppName;

/// Longest time for one fetch.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is followed.
pub(super) struct Source {
    pub(super) mirror: Mirror,
    pub(super) branch: String,
    /// Folder of releases, where it is not the one of the settings.
    pub(super) folder: Option<String>,
    /// The commit that was read last, whether it counts or not.
    pub(super) seen: Option<String>,
    /// What counts now.
    pub(super) tip: Tip,
}

/// A commit whose releases count.
#[derive(Debug, Clone, Default)]
pub(super) struct Tip {
    /// 40 hex digits; empty before the first.
    pub(super) commit: String,
    pub(super) settings: Settings,
    pub(super) releases: Vec<Release>,
}

/// What a look at the repository brought.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The tip counts now, and did not before.
    pub(super) moved: bool,
    /// Why the newest commit does not count, or not as a whole.
    pub(super) problems: Vec<String>,
}

impl Source {
    /// The apps that are followed.
    fn apps(&self) -> BTreeSet<AppName> {
        self.tip
            .releases
            .iter()
            .map(|release| release.app().clone())
            .collect()
    }

    /// Fetches, and reads what is new.
    pub(super) fn look(&mut self) -> Result<Look, StoreError> {
        let fetched = match self.mirror.fetch(&self.branch, &self.apps(), TIMEOUT) {
            Ok(fetched) => fetched,
            Err(error) => {
                // Right after a start: what the mirror held when serve ended is what counted then.
                if self.seen.is_none()
                    && let Some(commit) = self.mirror.head(&self.branch)
                {
                    self.read(&commit, &mut Look::default())?;
                }
                return Err(error);
            }
        };
        let mut look = Look::default();
        let head = fetched
            .head
            .filter(|commit| Some(commit) != self.seen.as_ref());
        let Some(commit) = head else {
            return Ok(look);
        };
        self.read(&commit, &mut look)?;
        let followed = self.apps();
        self.mirror.fetch(&self.branch, &followed, TIMEOUT)?;
        Ok(look)
    }

    /// Reads a commit, which counts from now on if nothing is wrong with it.
    fn read(&mut self, commit: &str, look: &mut Look) -> Result<(), StoreError> {
        let commit = commit.to_owned();
        self.seen = Some(commit.clone());
        let settings = self.mirror.settings(&commit)?;
        let folder = self.folder.as_ref().unwrap_or(&settings.releases);
        let read = self.mirror.releases(&self.branch, &commit, folder)?;
        look.problems
            .extend(read.unreadable.iter().map(|file| file.problem.clone()));
        look.problems.extend(twins(&read.releases, folder));
        if !look.problems.is_empty() {
            look.problems.push(format!(
                "commit {} does not count until that is mended; what was read before goes on",
                short(&commit)
            ));
            return Ok(());
        }
        let mut releases: Vec<Release> = read.releases.to_vec();
        let (may_prune, why) = self.may_prune(&commit, &releases, folder);
        if !may_prune {
            let gone = (self.tip.releases.iter())
                .filter(|old| !releases.iter().any(|new| owner(new) == owner(old)));
            let gone: Vec<Release> = gone.cloned().collect();
            if !gone.is_empty() {
                look.problems.push(why);
            }
            releases.extend(gone);
        }
        self.tip = Tip {
            commit,
            settings,
            releases,
        };
        look.moved = true;
        Ok(())
    }

    /// Whether objects that are not in the commit any more go: never where the folder is gone, or history was rewritten.
    fn may_prune(&self, commit: &str, releases: &[Release], folder: &str) -> (bool, String) {
        let before = &self.tip.commit;
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
