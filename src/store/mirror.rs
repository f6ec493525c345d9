//! The controller's own bare copy of a release repository: fetched by globs, resolved without any network.
//!
//! All of it blocks: call it where blocking is allowed. A [`Mirror`] is cheap to clone; clones share one repository.

mod renewal;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use git2::{Oid, Repository};
use parking_lot::{Mutex, MutexGuard};

use self::renewal::{Attempt, Renewal};
use super::damaged::{begun, beside, cleared, exchanged, has_head, may_be_damaged, removed};
use super::doubt::Doubt;
use super::error::{ResolveError, StoreError};
use super::files;
use super::history::{self, History};
use super::lookup::{State, unreadable};
use super::refs::{ALL_TAGS, AppRefs, Space};
use super::stale_locks::{self, AtWork};
use crate::git::{self, Caller, Credentials, Git, GitError, RemoteUrl};
use crate::record::VersionRecord;
use crate::words::{AppName, FunctionName, Label, VersionNumber, VersionWord};

/// From so many apps on, all tags are fetched by one refspec: git compares each ref with each refspec.
const MANY_APPS: usize = 200;
/// Most tags that are left as a file each.
const LOOSE_MAX: usize = 256;

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
    at_work: AtWork,
    state: Mutex<State>,
}

/// What fetching has learned about the repository.
struct Shape {
    /// Tags that may be a file each.
    loose: usize,
    /// Most tags at the remote are not of the apps that are followed.
    crowded: bool,
    renewal: Renewal,
    /// Apps of which something came with a fetch that failed, and of which nobody was told.
    untold: BTreeSet<AppName>,
}

/// What a fetch brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Commit of the branch, 40 hex digits.
    pub head: Option<String>,
    /// True where the branch moved.
    pub head_changed: bool,
    /// Apps of which any tag appeared, moved or vanished.
    pub changed: BTreeSet<AppName>,
    /// The copy was damaged and made anew: what was read of it before may have been wrong.
    pub renewed: bool,
    /// Why the mirror could not be packed anew. What was fetched is there all the same.
    pub untidy: Option<String>,
    /// Locks of a killed process that were in the way, and were removed.
    pub removed: Vec<PathBuf>,
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
                return Err(error.message().to_owned());
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
        let repo = repo.map_err(|problem| local(&problem))?;
        // What a process had begun that was killed.
        drop(removed(&beside(dir)[0]));
        Ok(Self {
            inner: Arc::new(Inner {
                // Without a slash at its end, which would ask for a folder where something else may stand.
                dir: repo.path().components().collect(),
                caller,
                git: Git::of_program(repo.path(), url.clone(), credentials, caller),
                url: url.clone(),
                fetching: Mutex::new(Shape {
                    // What an earlier process left is not known.
                    loose: if fresh { 0 } else { LOOSE_MAX },
                    crowded: false,
                    renewal: Renewal::default(),
                    untold: BTreeSet::new(),
                }),
                at_work: AtWork::new(!fresh),
                state: Mutex::new(State::new(repo)),
            }),
        })
    }

    /// Fetches the branch and the tags of these apps in one call of `git`, and nothing else; from many apps on, all tags.
    ///
    /// `silence` is the longest time without a word of the remote: a transfer that goes on is let go on ([`git::Git::fetch_long`]).
    /// `last` and the hints are for publishers alone. Afterwards the mirror is packed anew where that is due.
    ///
    /// # Errors
    /// Why the remote could not be read. What was fetched before stays.
    pub fn fetch(
        &self,
        branch: &str,
        apps: &BTreeSet<AppName>,
        silence: Duration,
    ) -> Result<Fetched, StoreError> {
        let mut shape = self.inner.fetching.lock();
        let head_ref = head_ref(branch);
        if !git2::Reference::is_valid_name(&head_ref) || branch.contains('*') {
            return Err(StoreError::BranchNotFound {
                branch: branch.to_owned(),
                url: self.inner.url.to_string(),
            });
        }
        let known_before = self.known(apps);
        let head_before = self.head(branch);
        let all = apps.len() >= MANY_APPS && !shape.crowded;
        let globs: Vec<String> = if all {
            vec![ALL_TAGS.to_owned()]
        } else {
            let spec = |app| Space::canonical(app).tags_refspec(app);
            apps.iter().map(spec).collect()
        };
        let mut specs = globs.clone();
        specs.push(format!("+{head_ref}:{head_ref}"));
        // A glob, because git refuses a name that is not there yet.
        let mut known = vec![format!("{head_ref}*")];
        // A version has no parents: only its app's newest one tells the server which of its files are here, if it keeps
        // bitmaps, as forges do. With many apps the list would cost more than it spares.
        if !all {
            known.extend(known_before.iter().flat_map(|before| self.newest(before)));
        }
        let fetch = || self.have_git(|git| git.fetch_long(&specs, &known, silence));
        let mut removed = Vec::new();
        let fetched = fetch().or_else(|error| {
            removed = stale_locks::remove(&self.dir(), SystemTime::now());
            if removed.is_empty() {
                Err(error)
            } else {
                fetch()
            }
        });
        let attempt = Attempt {
            specs: &specs,
            apps,
            again: &fetch,
            is_unreadable: known_before.is_err() && self.read(apps).is_err(),
            timeout: silence,
        };
        let (fetched, is_new) = self.renewed(&mut shape.renewal, fetched, &attempt);
        // What was read of a copy that is replaced may have been wrong.
        let before = known_before.ok().filter(|_| !is_new).unwrap_or_default();
        let moved = |after: &BTreeMap<AppName, Arc<AppRefs>>| -> BTreeSet<AppName> {
            let moved = apps
                .iter()
                .filter(|app| before.get(*app) != after.get(*app));
            moved.cloned().collect()
        };
        if let Err(error) = fetched {
            // git takes each ref that it can, and those that came are whole: they are read now, and not at the next start.
            let came = self.read(apps).map(|(after, _)| moved(&after));
            shape.untold.extend(came.unwrap_or_default());
            return Err(self.explain(error, branch, &globs, silence));
        }
        // Where it cannot be written, the disk is full, and the fetch or the next one says so.
        drop(std::fs::write(self.dir().join(FETCHED), ""));
        let (after, tags) = self.read(apps)?;
        let head_before = head_before.filter(|_| !is_new);
        let loose = |(app, refs): (&AppName, &Arc<AppRefs>)| {
            before.get(app).map_or(0, |before| refs.moved(before))
        };
        shape.loose = if is_new { 0 } else { shape.loose } + after.iter().map(loose).sum::<usize>();
        if all {
            let followed: usize = after.values().map(|refs| refs.tags.len()).sum();
            shape.crowded = tags > 2 * followed.max(LOOSE_MAX);
        }
        let mut changed = moved(&after);
        changed.append(&mut shape.untold);
        let head = self.head(branch);
        let head_changed = head != head_before;
        let untidy = (head_changed || !changed.is_empty())
            .then(|| self.tidy(&mut shape).err())
            .flatten();
        Ok(Fetched {
            head_changed,
            head,
            changed,
            renewed: is_new,
            untidy: untidy.map(|error| error.message),
            removed,
        })
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

    /// When git or the remote said something last; nothing before any call.
    #[must_use]
    pub fn heard_at(&self) -> Option<Instant> {
        self.inner.git.heard_at()
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
        let read = self.read(apps).map(|(read, _)| read).unwrap_or_default();
        let filled = read.into_iter().filter(|(_, refs)| !refs.tags.is_empty());
        filled.map(|(app, _)| app).collect()
    }

    pub(super) fn unread(&self, source: GitError) -> StoreError {
        StoreError::Git {
            what: format!("cannot fetch from {}", self.inner.url),
            source,
        }
    }

    /// Packs refs and objects where there are many loose ones. Called between two fetches.
    fn tidy(&self, shape: &mut Shape) -> Result<(), GitError> {
        // A reader of refs would miss those that move from their files into the packed ones just then: none is let in.
        let state = self.state();
        let dir = state.repo.path().to_owned();
        if shape.loose >= LOOSE_MAX {
            self.have_git(|_| git::pack_refs(&dir, self.inner.caller))?;
            shape.loose = 0;
        }
        drop(state);
        self.have_git(|_| git::pack_objects(&dir, self.inner.caller))
    }

    /// A branch that is not there fails the whole fetch: without it, the rest shows whether the remote is fine.
    fn explain(
        &self,
        error: GitError,
        branch: &str,
        globs: &[String],
        timeout: Duration,
    ) -> StoreError {
        if !has_head(&self.dir()).unwrap_or(true) {
            return StoreError::local(
                format!("the copy of {} in {}", self.inner.url, self.dir().display()),
                &"is gone, or is no repository; it is made anew once the repository can be read",
            );
        }
        let url = self.inner.url.to_string();
        let specs = if globs.is_empty() {
            vec!["+refs/tags/none/*:refs/tags/none/*".to_owned()]
        } else {
            globs.to_vec()
        };
        if error.kind == crate::git::GitErrorKind::MissingRef
            && self
                .have_git(|git| git.fetch_long(&specs, &[], timeout))
                .is_ok()
        {
            let branch = branch.to_owned();
            return StoreError::BranchNotFound { branch, url };
        }
        self.unread(error)
    }

    /// The tags of these apps as they were read last: only a fetch changes them.
    fn known(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<BTreeMap<AppName, Arc<AppRefs>>, StoreError> {
        let known = |state: &State| {
            let refs = |app: &AppName| Some((app.clone(), Arc::clone(state.apps.get(app)?)));
            apps.iter().map(refs).collect::<Option<_>>()
        };
        let known = known(&self.state());
        known.map_or_else(|| Ok(self.read(apps)?.0), Ok)
    }

    /// The commit of the newest version of each app, where it is there.
    fn newest(&self, apps: &BTreeMap<AppName, Arc<AppRefs>>) -> Vec<String> {
        let state = self.state();
        // git refuses to fetch at all where one is not.
        let Ok(odb) = state.repo.odb() else {
            return Vec::new();
        };
        let newest = |refs: &Arc<AppRefs>| refs.numbered().max().map(|(_, oid)| oid);
        apps.values()
            .filter_map(newest)
            .filter(|oid| odb.exists(*oid))
            .map(|oid| oid.to_string())
            .collect()
    }

    /// Reads the tags of these apps anew; also, how many tags there are in all.
    fn read(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<(BTreeMap<AppName, Arc<AppRefs>>, usize), StoreError> {
        let mut state = self.state();
        let (read, all) = AppRefs::read_tags(&state.repo, apps).map_err(|error| {
            StoreError::local(
                format!("the mirror of {}", self.inner.url),
                &error.message(),
            )
        })?;
        let read: BTreeMap<_, _> = read
            .into_iter()
            .map(|(app, refs)| (app, Arc::new(refs)))
            .collect();
        let copies = read
            .iter()
            .map(|(app, refs)| (app.clone(), Arc::clone(refs)));
        state.apps.extend(copies);
        Ok((read, all))
    }

    /// True where the tag of a version of one of these apps names one of these commits, 40 hex digits each.
    #[must_use]
    pub fn has_any(&self, apps: &BTreeSet<AppName>, commits: &BTreeSet<String>) -> bool {
        let read = self.read(apps).map(|(read, _)| read).unwrap_or_default();
        let mut tags = read.values().flat_map(|refs| refs.numbered());
        tags.any(|(_, oid)| commits.contains(&oid.to_string()))
    }

    /// The commit of the branch as it was fetched last, 40 hex digits.
    #[must_use]
    pub fn head(&self, branch: &str) -> Option<String> {
        let oid = self.state().repo.refname_to_id(&head_ref(branch)).ok();
        oid.map(|oid| oid.to_string())
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
        let tree = Oid::from_str(&record.tree)
            .map_err(|error| unreadable(&record.app, &record.number, error.message()))?;
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }
}

fn head_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
