//! The controller's own bare copy of a release repository: fetched by globs, resolved without any network.
//!
//! All of it blocks: call it where blocking is allowed. A [`Mirror`] is cheap to clone; clones share one repository.

mod fetching;
mod level;
mod renewal;
mod transfers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use git2::{Oid, Repository};
use parking_lot::{Mutex, MutexGuard};

pub use self::fetching::Fetched;
use self::fetching::Shape;
use self::transfers::Transfers;
pub use self::transfers::{Coming, Part};
use super::damaged::{
    CopyError, begun, beside, cleared, exchanged, has_head, may_be_damaged, removed,
};
use super::doubt::Doubt;
use super::error::{ResolveError, StoreError};
use super::files;
use super::history::{self, History};
use super::lookup::{State, unreadable};
use super::refs::AppRefs;
use super::stale_locks::{self, AtWork};
use crate::git::{Caller, Credentials, Git, GitError, RemoteUrl};
use crate::record::VersionRecord;
use crate::words::{AppName, CommitId, FunctionName, Label, VersionNumber, VersionWord};

/// The file in a mirror whose time is that of the last fetch that succeeded.
const FETCHED: &str = "cutwater-fetched";

/// A bare repository that follows a remote.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    caller: Caller,
    url: RemoteUrl,
    git: Git,
    /// One fetch at a time.
    fetching: Mutex<Shape>,
    /// What is fetched beside that.
    transfers: Mutex<Transfers>,
    at_work: AtWork,
    state: Mutex<State>,
}

impl Mirror {
    /// Opens the mirror in `dir`, or makes it. Nothing is fetched yet.
    ///
    /// # Errors
    /// When the directory cannot be written, or holds something else.
    pub fn open(
        dir: &Path,
        url: &RemoteUrl,
        credentials: Option<Credentials>,
    ) -> Result<Self, StoreError> {
        Self::open_for(Caller::Controller, dir, url, credentials)
    }

    /// The same, for another program than the controller: what can be done about an error differs.
    ///
    /// # Errors
    /// When the directory cannot be written, or holds something else.
    pub fn open_for(
        caller: Caller,
        dir: &Path,
        url: &RemoteUrl,
        credentials: Option<Credentials>,
    ) -> Result<Self, StoreError> {
        let what = || format!("the mirror of {url}");
        // What is read more than once is kept here, within bounds; libgit2 would keep up to 256 MB of objects beside it.
        git2::opts::enable_caching(false);
        let local =
            |problem: &str| StoreError::local(what(), &format!("{}: {problem}", dir.display()));
        let mut fresh = !has_head(dir).map_err(|error| local(&error.to_string()))?;
        let opened = if fresh {
            Repository::init_bare(dir)
        } else {
            Repository::open_bare(dir)
        };
        let repo = opened.or_else(|error| {
            if !may_be_damaged(dir, &error) || begun(dir).is_err() {
                return Err(CopyError::from(error));
            }
            // A process that was killed while it made it leaves a half; a disk may have taken more. It is a copy: the remote has it.
            fresh = true;
            let (repo, aside) = cleared(dir).and_then(|()| exchanged(dir))?;
            tracing::warn!(
                "{}: {}; it is only a copy, and is made anew; what stood there is in {}",
                dir.display(),
                error.message(),
                aside.unwrap_or_default().display()
            );
            Ok(repo)
        });
        let repo = repo.map_err(|problem| local(&problem.to_string()))?;
        // What a process had begun that was killed.
        drop(removed(&beside(dir)[0]));
        Ok(Self {
            inner: Arc::new(Inner {
                // Without a slash at its end, which would ask for a folder where something else may stand.
                dir: repo.path().components().collect(),
                caller,
                git: Git::of_program(repo.path(), url.clone(), credentials, caller),
                url: url.clone(),
                fetching: Mutex::new(Shape::new(fresh)),
                transfers: Mutex::default(),
                at_work: AtWork::new(!fresh),
                state: Mutex::new(State::new(repo)),
            }),
        })
    }

    /// What takes long and is being fetched beside all else.
    #[must_use]
    pub fn coming(&self) -> Vec<Coming> {
        self.transfers().coming()
    }

    /// True where some of that has come, or failed, and the next fetch takes it in.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.transfers().have_arrived()
    }

    /// True where versions and labels of the app may be at the remote that are not asked for, because something else comes first or they
    /// are being fetched.
    #[must_use]
    pub fn awaits_versions_of(&self, app: &AppName) -> bool {
        self.transfers().hold_up(app)
    }

    /// Removes the locks that git left when it was killed, and gives their paths. Only where nobody else works in the mirror, and
    /// nothing was fetched yet: git of an earlier program ends with it.
    #[must_use]
    pub fn unlock(&self) -> Vec<PathBuf> {
        let _alone = self.inner.fetching.lock();
        stale_locks::remove_all(&self.dir())
    }

    /// Asks the remote for one ref, to see whether it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub fn reach(&self, timeout: Duration) -> Result<(), StoreError> {
        self.inner
            .git
            .reach(timeout)
            .map_err(|error| self.unread(error))
    }

    /// When a fetch succeeded last, be it one of an earlier program.
    #[must_use]
    pub fn fetched_at(&self) -> Option<SystemTime> {
        let mark = std::fs::metadata(self.dir().join(FETCHED)).ok()?;
        mark.modified().ok()
    }

    /// Those of these apps of which anything was fetched.
    #[must_use]
    pub fn with_tags(&self, apps: &BTreeSet<AppName>) -> BTreeSet<AppName> {
        let read = self.seen(apps).map(|(read, _)| read).unwrap_or_default();
        let filled = read.into_iter().filter(|(_, refs)| !refs.tags.is_empty());
        filled.map(|(app, _)| app).collect()
    }

    pub(super) fn unread(&self, source: GitError) -> StoreError {
        StoreError::Git {
            what: format!("cannot fetch from {}", self.inner.url),
            source,
        }
    }

    /// The tags of these apps as they were read last. Part was read is not read again: whatever has moved since is told of by the next
    /// fetch, by whom ever it was moved.
    fn known(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<BTreeMap<AppName, Arc<AppRefs>>, StoreError> {
        let mut known = BTreeMap::new();
        let mut others = BTreeSet::new();
        let state = self.state();
        for app in apps {
            match state.apps.get(app) {
                Some(refs) => drop(known.insert(app.clone(), Arc::clone(refs))),
                None => drop(others.insert(app.clone())),
            }
        }
        drop(state);
        if !others.is_empty() {
            known.extend(self.read(&others)?.0);
        }
        Ok(known)
    }

    /// Reads the tags of these apps anew; also, how many tags there are in all.
    fn read(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<(BTreeMap<AppName, Arc<AppRefs>>, usize), StoreError> {
        let (read, all) = self.seen(apps)?;
        let read: BTreeMap<_, _> = read
            .into_iter()
            .map(|(app, refs)| (app, Arc::new(refs)))
            .collect();
        let copies = read
            .iter()
            .map(|(app, refs)| (app.clone(), Arc::clone(refs)));
        self.state().apps.extend(copies);
        Ok((read, all))
    }

    /// The same for a look between two fetches, of which nobody is told.
    fn seen(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<(BTreeMap<AppName, AppRefs>, usize), StoreError> {
        let read = AppRefs::read_tags(&self.state().repo, apps);
        read.map_err(|error| {
            StoreError::local(
                format!("the mirror of {}", self.inner.url),
                &error.message(),
            )
        })
    }

    /// True where the tag of a version of one of these apps names one of these commits.
    #[must_use]
    pub fn has_any(&self, apps: &BTreeSet<AppName>, commits: &BTreeSet<CommitId>) -> bool {
        let read = self.seen(apps).map(|(read, _)| read).unwrap_or_default();
        let mut tags = read.values().flat_map(AppRefs::numbered);
        tags.any(|(_, oid)| commits.contains(&oid.into()))
    }

    /// The commit of the branch as it was fetched last.
    #[must_use]
    pub fn head(&self, branch: &str) -> Option<CommitId> {
        let oid = self.state().repo.refname_to_id(&head_ref(branch)).ok();
        oid.map(CommitId::from)
    }

    /// The record of the version that `word` names, from what was fetched last.
    ///
    /// # Errors
    /// Why the word leads to no version that can run.
    pub fn resolve(
        &self,
        app: &AppName,
        word: &VersionWord,
    ) -> Result<VersionRecord, ResolveError> {
        self.state().resolve(app, word)
    }

    /// The labels of a version now, sorted.
    ///
    /// # Errors
    /// Why the version cannot be found.
    pub fn labels(&self, app: &AppName, number: VersionNumber) -> Result<Vec<Label>, ResolveError> {
        let mut state = self.state();
        let word = VersionWord::Number(number);
        let refs = state.refs(app, &word)?;
        let (_, oid) = state.find(app, &refs, &word)?;
        Ok(history::labels(&refs).remove(&oid).unwrap_or_default())
    }

    /// All versions of an app as they were fetched last.
    ///
    /// # Errors
    /// When the mirror cannot be read.
    pub fn history(&self, app: &AppName) -> Result<History, ResolveError> {
        let mut state = self.state();
        let refs = state.refs(app, &"v1")?;
        Ok(History::read(&state.repo, app, &refs))
    }

    /// The contents of a function's files by their keys; empty for a function without files.
    ///
    /// # Errors
    /// Why the snapshot cannot be read.
    pub fn file_contents(
        &self,
        record: &VersionRecord,
        function: &FunctionName,
    ) -> Result<BTreeMap<String, Vec<u8>>, ResolveError> {
        let Some(wanted) = record
            .function(function)
            .and_then(|function| function.files.as_ref())
        else {
            return Ok(BTreeMap::new());
        };
        let mut state = self.state();
        let tree = Oid::try_from(&record.tree)
            .map_err(|error| unreadable(&record.app, &record.number, &error.message()))?;
        files::contents(&state.repo, tree, wanted, function).map_err(|source| {
            state.doubts.note_id(Doubt::Version, &record.commit);
            ResolveError::BadSnapshot {
                app: record.app.clone(),
                number: record.number,
                source,
            }
        })
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.inner.dir.clone()
    }

    pub(super) fn caller(&self) -> Caller {
        self.inner.caller
    }

    pub(super) fn url(&self) -> &RemoteUrl {
        &self.inner.url
    }

    pub(super) fn git(&self) -> &Git {
        &self.inner.git
    }

    /// Has git write in the repository. What it leaves where it is killed is removed.
    pub(super) fn have_git<T>(
        &self,
        call: impl FnOnce(&Git) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let inner = &self.inner;
        inner.at_work.call(&inner.dir, || call(&inner.git))
    }

    fn transfers(&self) -> MutexGuard<'_, Transfers> {
        self.inner.transfers.lock()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }
}

fn head_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
