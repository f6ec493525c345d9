//! The state folder of one `serve`: what must survive its end, and the lock that keeps a second one out.
//!
//! ```text
//! lock             held as long as serve runs
//! mirror.git/      the copy of the release repository
//! snapshots/<id>/  checkouts, read-only
//! logs/            what programs print
//! apps/<app>.json  what was decided last, and in apps/<app>.copy once more
//! counted          the commits that count
//! repository       the address of the repository
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::accepted::Counted;
use super::claims::Claims;
use super::copies;
use super::folder;
use super::tidy;
use crate::api::{Alias, AliasSpec, Deployment, DeploymentSpec, Route};
use crate::plan::slots::Slots;
use crate::plan::{Memory, Owner};
use crate::record::VersionRecord;
use crate::releases::{Object, Release};
use crate::words::{AppName, Share, Shares, VersionNumber, VersionWord};
use crate::yaml::Place;

/// The folders in it. They are for nobody else on this machine: they hold what the repository holds, and what programs print.
const PARTS: [&str; 4] = ["apps", "snapshots", "logs", MIRROR];
/// The copy of the repository, which is made anew by itself.
const MIRROR: &str = "mirror.git";
/// The file with the commits that count.
const COUNTED: &str = "counted";
/// The mode of a folder that is for its owner alone.
const PRIVATE: u32 = 0o700;

/// The state folder, while this process has it.
pub(super) struct StateFolder {
    dir: PathBuf,
    _lock: File,
}

/// Why there is no state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another `serve` has it.
    #[error("another `cutwater serve` works in {0}; stop it, or name another folder with --state")]
    Taken(PathBuf),
    /// Nothing can be written there.
    #[error(
        "the state folder {0} is on a file system that is read-only; make it writable again, as by `mount -o remount,rw`, or name another folder with --state"
    )]
    ReadOnly(PathBuf),
    /// It belongs to another repository.
    #[error(
        "the state folder {dir} belongs to the repository {before}, and {now} has no commit in common with it: versions of one would be served as those of the other; name another folder with --state"
    )]
    Foreign {
        /// The state folder.
        dir: PathBuf,
        /// The repository that was served from it.
        before: String,
        /// The one that is to be served.
        now: String,
    },
    /// It is a folder of somebody else's.
    #[error(
        "the folder {dir} holds `{name}`, and nothing that shows that it is a state folder, from which old checkouts and output are removed; name a new or an empty folder with --state"
    )]
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// What it holds.
        name: String,
    },
    /// It cannot be used.
    #[error("{path}: {problem}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: io::Error,
    },
}

/// What has to be remembered of one app.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Remembered {
    pub(super) memory: Memory,
    /// What the words of each owner resolved to.
    pub(super) pinned: BTreeMap<Owner, Vec<Pinned>>,
    /// What the gateway does for each owner.
    pub(super) served: BTreeMap<Owner, Served>,
    /// What each owner wanted when all of it could be resolved last. It goes on while what is wanted now cannot be.
    pub(super) asked: BTreeMap<Owner, Spec>,
    /// What the gateway goes by for each owner: what it wanted when the versions came that are served.
    pub(super) shown: BTreeMap<Owner, Spec>,
    /// What the words of that resolved to.
    pub(super) words: BTreeMap<Owner, Vec<Pinned>>,
    /// Where each owner wants to be reached, numbered in the order in which that was seen first.
    pub(super) claims: BTreeMap<Owner, Claims>,
    /// The places at which each owner has answered as the one that has them; nothing before anybody counted.
    pub(super) taken: Option<BTreeMap<Owner, BTreeSet<String>>>,
    /// The routes that each owner has left, and at which it goes on until somebody else answers there.
    pub(super) staying: BTreeMap<Owner, Vec<Route>>,
    /// The versions of the slots of each owner with an affinity key: what the next ones are made from.
    #[serde(serialize_with = "as_texts", deserialize_with = "of_texts")]
    pub(super) slots: BTreeMap<Owner, Arc<Slots>>,
    /// Records of all versions that run, are pinned or are served.
    pub(super) records: BTreeMap<VersionNumber, VersionRecord>,
}

/// One entry of a Deployment or Alias, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pinned {
    pub(super) word: VersionWord,
    pub(super) number: VersionNumber,
    pub(super) share: Share,
}

/// What an owner wants, as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Spec {
    Deployment(Box<DeploymentSpec>),
    Alias(Box<AliasSpec>),
}

impl Spec {
    pub(super) fn is_of(&self, object: &Object) -> bool {
        match (self, object) {
            (Self::Deployment(spec), Object::Deployment(object)) => **spec == object.spec,
            (Self::Alias(spec), Object::Alias(object)) => **spec == object.spec,
            _ => false,
        }
    }

    /// Takes all its routes away.
    pub(super) fn leave(&mut self) {
        match self {
            Self::Deployment(spec) => spec.routes.clear(),
            Self::Alias(spec) => spec.routes.clear(),
        }
    }

    /// As an object of this name; nothing where it is none that could be.
    pub(super) fn release(&self, name: &str) -> Option<Release> {
        let (object, wanted) = match self {
            Self::Deployment(spec) => {
                let object = Deployment::new(name, spec.as_ref().clone());
                (Object::Deployment(Box::new(object)), spec.wanted())
            }
            Self::Alias(spec) => {
                let object = Alias::new(name, spec.as_ref().clone());
                (Object::Alias(Box::new(object)), spec.wanted())
            }
        };
        Some(Release {
            file: "the state folder".to_owned(),
            place: Place::default(),
            object,
            wanted: wanted.ok()?,
        })
    }
}

impl From<&Object> for Spec {
    fn from(object: &Object) -> Self {
        match object {
            Object::Deployment(object) => Self::Deployment(Box::new(object.spec.clone())),
            Object::Alias(object) => Self::Alias(Box::new(object.spec.clone())),
        }
    }
}

/// What the gateway does for one owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Served {
    pub(super) shares: Shares,
    pub(super) overrides: Vec<VersionNumber>,
    /// Since when.
    pub(super) since: Timestamp,
}

impl Remembered {
    /// Forgets what owners asked for that are not there any more. One that is made again later is a new one: no versions were
    /// before it that could go on in place of those that it names. What the gateway does for it the plan ends.
    pub(super) fn leave_behind(&mut self, stays: impl Fn(&Owner) -> bool) {
        self.asked.retain(|owner, _| stays(owner));
        self.pinned.retain(|owner, _| stays(owner));
        self.shown.retain(|owner, _| stays(owner));
        self.words.retain(|owner, _| stays(owner));
    }

    /// The versions that each owner is served by, or was until others stepped in for them.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&Owner, VersionNumber)> {
        (self.served.iter()).flat_map(|(owner, served)| {
            let lost = self.memory.intact.get(owner);
            let lost = lost.into_iter().flat_map(|intact| &intact.shares);
            let versions = served.versions().chain(lost.map(|(number, _)| *number));
            versions.map(move |number| (owner, number))
        })
    }
}

impl Served {
    /// The versions that get requests, by their share or because they are asked for. One may be named twice.
    pub(super) fn versions(&self) -> impl Iterator<Item = VersionNumber> {
        let shares = self.shares.iter().map(|(number, _)| *number);
        shares.chain(self.overrides.iter().copied())
    }
}

fn as_texts<S: Serializer>(slots: &BTreeMap<Owner, Arc<Slots>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(
        slots
            .iter()
            .map(|(owner, slots)| (owner, slots.to_string())),
    )
}

/// What is damaged is left out and said: it is made afresh from the shares.
fn of_texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Owner, Arc<Slots>>, D::Error> {
    let texts = BTreeMap::<Owner, String>::deserialize(from)?;
    let read = |(owner, text): (Owner, String)| match text.parse() {
        Ok(slots) => Some((owner, Arc::new(slots))),
        Err(error) => {
            tracing::warn!(
                "{owner}: which users meet which version {error}; it is made afresh, and some users move"
            );
            None
        }
    };
    Ok(texts.into_iter().filter_map(read).collect())
}

/// True where a folder holds something of what an earlier `serve` read or decided.
#[must_use]
pub fn remembers(dir: &Path) -> bool {
    let mut apps = fs::read_dir(dir.join("apps")).into_iter().flatten();
    dir.join(COUNTED).exists() || apps.next().is_some()
}

impl StateError {
    /// What stands in the way of opening `dir`, at this file or folder of it.
    fn of(dir: &Path, path: PathBuf, problem: io::Error) -> Self {
        match problem.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(dir.to_owned()),
            _ => Self::Io { path, problem },
        }
    }
}

/// Puts something aside that is not what it was made as.
fn put_aside(path: &Path) -> io::Result<()> {
    let aside = copies::aside(path)?;
    tracing::warn!("{}: is not what it was made as; {aside}", path.display());
    Ok(())
}

/// Makes a folder of the state folder where there is none, for its owner alone. What is in it is made anew, or begun afresh, so what
/// stands in its place is put aside; a link may lead to a disk that comes back.
fn made(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        match fs::read_link(path) {
            Ok(target) => {
                return Err(io::Error::other(format!(
                    "is a link to {}, which is no folder or cannot be reached; make it, or remove the link",
                    target.display()
                )));
            }
            Err(_) if path.exists() => put_aside(path)?,
            Err(_) => {}
        }
        DirBuilder::new().recursive(true).create(path)?;
    }
    // Also what an earlier version left open to everybody on this machine.
    fs::set_permissions(path, Permissions::from_mode(PRIVATE))
}

impl StateFolder {
    /// Opens the folder, makes it where it is missing, and keeps everybody else out.
    pub(super) fn open(dir: &Path) -> Result<Self, StateError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |problem| StateError::of(dir, path, problem)
        };
        if !dir.is_dir() {
            let mut new = DirBuilder::new();
            new.recursive(true).mode(PRIVATE);
            new.create(dir).map_err(fail(dir))?;
        }
        if let Some(name) = folder::stranger(dir).map_err(fail(dir))? {
            return Err(StateError::NotOurs {
                dir: dir.to_owned(),
                name,
            });
        }
        for part in PARTS {
            made(&dir.join(part)).map_err(fail(&dir.join(part)))?;
        }
        let path = dir.join("lock");
        if path.is_dir() {
            put_aside(&path).map_err(fail(&path))?;
        }
        let lock = (OpenOptions::new().create(true).truncate(false).write(true))
            .open(&path)
            .map_err(fail(&path))?;
        match lock.try_lock() {
            Ok(()) => {
                let snapshots = dir.join("snapshots");
                if let Err(error) = tidy::forsake(&snapshots) {
                    // It takes room, and keeps nothing from being served.
                    tracing::warn!(
                        "{}: {error}; checkouts that were not made to their end may stay there",
                        snapshots.display()
                    );
                }
                for folder in [dir, &dir.join("apps")] {
                    tidy::sweep(folder);
                }
                Ok(Self {
                    dir: dir.to_owned(),
                    _lock: lock,
                })
            }
            Err(TryLockError::WouldBlock) => Err(StateError::Taken(dir.to_owned())),
            Err(TryLockError::Error(problem)) => Err(fail(&path)(problem)),
        }
    }

    pub(super) fn mirror(&self) -> PathBuf {
        self.dir.join(MIRROR)
    }

    /// The commits of a branch that counted when the last `serve` ended.
    pub(super) fn counted(&self, branch: &str, folder: Option<&str>) -> Counted {
        Counted::read(self.dir.join(COUNTED), branch, folder)
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(super) fn log(&self, app: &AppName, version: VersionNumber, function: &str) -> PathBuf {
        let [newer, _] = Self::log_names(app, version, function);
        self.logs().join(newer)
    }

    /// The names of the files with the output of a function: the one that is written, and the one before it.
    pub(super) fn log_names(app: &AppName, version: VersionNumber, function: &str) -> [String; 2] {
        let name = format!("{app}-{version}-{function}.log");
        [name.clone(), format!("{name}.1")]
    }

    fn app(&self, app: &AppName) -> PathBuf {
        self.dir.join("apps").join(format!("{app}.json"))
    }

    /// Makes the folders that somebody removed, and says which cannot be made and why.
    pub(super) fn mend(&self) -> Vec<String> {
        let parts = PARTS.iter().filter(|part| **part != MIRROR);
        let paths = parts.map(|part| self.dir.join(part));
        let made = paths.filter(|path| !path.is_dir()).filter_map(|path| {
            let problem = made(&path).err()?;
            Some(StateError::Io { path, problem }.to_string())
        });
        made.collect()
    }

    /// True where what is remembered of an app stands in both of its files.
    pub(super) fn holds(&self, app: &AppName) -> bool {
        copies::are_there(&self.app(app))
    }

    /// What is remembered of all apps, and of which it is lost and why: what is wanted of those the repository says again.
    pub(super) fn read(&self) -> (BTreeMap<AppName, Remembered>, BTreeMap<AppName, String>) {
        let (mut all, mut lost) = (BTreeMap::new(), BTreeMap::new());
        for entry in fs::read_dir(self.dir.join("apps"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let app: Option<AppName> = (path.file_stem())
                .filter(|_| {
                    path.extension()
                        .is_some_and(|extension| extension == "json" || extension == "copy")
                })
                .and_then(|stem| stem.to_str()?.parse().ok());
            let Some(app) = app else { continue };
            if all.contains_key(&app) || lost.contains_key(&app) {
                continue;
            }
            match copies::read(&self.app(&app)) {
                Ok(remembered) => drop(all.insert(app, remembered)),
                Err(problem) => drop(lost.insert(app, problem.to_string())),
            }
        }
        (all, lost)
    }

    /// Writes what is to be remembered of an app; nothing where nothing is left.
    pub(super) fn write(&self, app: &AppName, remembered: &Remembered) -> Result<(), StateError> {
        let path = self.app(app);
        let fail = |problem| StateError::Io {
            path: path.clone(),
            problem,
        };
        if *remembered == Remembered::default() {
            return copies::remove(&path).map_err(fail);
        }
        let text = serde_json::to_vec(remembered).map_err(|error| fail(error.into()))?;
        // Somebody may have removed the folder.
        copies::write(&path, &text)
            .or_else(|_| made(&self.dir.join("apps")).and_then(|()| copies::write(&path, &text)))
            .map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_part_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        drop(StateFolder::open(&dir).unwrap());
        for part in PARTS {
            fs::remove_dir(dir.join(part)).unwrap();
            fs::write(dir.join(part), part).unwrap();
        }
        fs::remove_file(dir.join("lock")).unwrap();
        fs::create_dir(dir.join("lock")).unwrap();
        let folder = StateFolder::open(&dir).unwrap();
        for part in PARTS {
            assert!(dir.join(part).is_dir());
            let aside = dir.join(format!("{part}.damaged"));
            assert_eq!(fs::read_to_string(aside).unwrap(), part);
        }
        assert!(matches!(StateFolder::open(&dir), Err(StateError::Taken(_))));
        drop(folder);
    }
}
