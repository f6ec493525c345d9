//! The controller's own bare copy of a release repository: fetched by globs, resolved without any network.
//!
//! All of it blocks: call it where blocking is allowed. A [`Mirror`] is cheap to clone; clones share one repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use git2::{Oid, Repository};

use super::error::{ResolveError, StoreError};
use super::files;
use super::history::{self, History};
use super::lookup::{State, unreadable};
use super::refs::{AppRefs, Space};
use crate::git::{Credentials, Git, GitError, RemoteUrl};
use crate::record::VersionRecord;
use crate::words::{AppName, FunctionName, Label, VersionNumber, VersionWord};

/// A bare repository that follows a remote.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    url: RemoteUrl,
    git: Git,
    /// One fetch at a time.
    fetching: Mutex<()>,
    state: Mutex<State>,
}

/// What a fetch brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Commit of the branch, 40 hex digits.
    pub head: Option<String>,
    /// True where the branch moved.
    pub head_changed: bool,
    /// Apps of which any ref appeared, moved or vanished.
    pub changed: BTreeSet<AppName>,
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
        let what = || format!("the mirror of {url}");
        let fresh = !dir.join("HEAD").exists();
        let repo = if fresh {
            Repository::init_bare(dir)
        } else {
            Repository::open_bare(dir)
        };
        let repo = repo.map_err(|error| {
            let place = dir.display();
            let problem = error.message();
            StoreError::local(
                what(),
                &format!("{problem}; {place} is only a copy and may be removed"),
            )
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                git: Git::of_controller(repo.path(), url.clone(), credentials),
                url: url.clone(),
                fetching: Mutex::new(()),
                state: Mutex::new(State::new(repo)),
            }),
        })
    }

    /// Fetches the branch and the refs of these apps, and nothing else, in one call of `git`.
    ///
    /// # Errors
    /// Why the remote could not be read. What was fetched before stays.
    pub fn fetch(
        &self,
        branch: &str,
        apps: &BTreeSet<AppName>,
        timeout: Duration,
    ) -> Result<Fetched, StoreError> {
        let _one_at_a_time = lock(&self.inner.fetching);
        if !git2::Reference::is_valid_name(&head_ref(branch)) || branch.contains('*') {
            return Err(StoreError::BranchNotFound {
                branch: branch.to_owned(),
                url: self.inner.url.to_string(),
            });
        }
        let (head_before, before) = self.read(branch, apps)?;
        let globs: Vec<String> = apps
            .iter()
            .flat_map(|app| Space::canonical(app).refspecs(app))
            .collect();
        let mut all = globs.clone();
        all.push(format!("+{0}:{0}", head_ref(branch)));
        if let Err(error) = self.inner.git.fetch(&all, timeout) {
            return Err(self.explain(error, branch, &globs, timeout));
        }
        let (head, after) = self.read(branch, apps)?;
        let changed = apps
            .iter()
            .filter(|app| before.get(*app) != after.get(*app));
        Ok(Fetched {
            head_changed: head != head_before,
            head: head.map(|oid| oid.to_string()),
            changed: changed.cloned().collect(),
        })
    }

    /// A branch that is not there fails the whole fetch: without it, the rest shows whether the remote is fine.
    fn explain(
        &self,
        error: GitError,
        branch: &str,
        globs: &[String],
        timeout: Duration,
    ) -> StoreError {
        let url = self.inner.url.to_string();
        let specs = if globs.is_empty() {
            vec!["+refs/cutwater/none/*:refs/cutwater/none/*".to_owned()]
        } else {
            globs.to_vec()
        };
        if error.kind == crate::git::GitErrorKind::MissingRef
            && self.inner.git.fetch(&specs, timeout).is_ok()
        {
            let branch = branch.to_owned();
            return StoreError::BranchNotFound { branch, url };
        }
        StoreError::Git {
            what: format!("cannot fetch from {url}"),
            source: error,
        }
    }

    /// Reads the branch and the apps' refs anew.
    #[expect(clippy::type_complexity, reason = "used in one place")]
    fn read(
        &self,
        branch: &str,
        apps: &BTreeSet<AppName>,
    ) -> Result<(Option<Oid>, BTreeMap<AppName, Arc<AppRefs>>), StoreError> {
        let mut state = self.state();
        let mut read = BTreeMap::new();
        for app in apps {
            let refs = AppRefs::read(&state.repo, &Space::canonical(app));
            let refs = refs.map_err(|error| {
                StoreError::local(
                    format!("the mirror of {}", self.inner.url),
                    &error.message(),
                )
            })?;
            let refs = Arc::new(refs);
            state.apps.insert(app.clone(), Arc::clone(&refs));
            read.insert(app.clone(), refs);
        }
        Ok((state.repo.refname_to_id(&head_ref(branch)).ok(), read))
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
        let state = self.state();
        let tree = Oid::from_str(&record.tree)
            .map_err(|error| unreadable(&record.app, &record.number, error.message()))?;
        files::contents(&state.repo, tree, wanted, function).map_err(|source| {
            ResolveError::BadSnapshot {
                app: record.app.clone(),
                number: record.number,
                source,
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

fn head_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// A panic elsewhere leaves nothing half done here: what is guarded is only read and replaced.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
