//! The controller's own bare copy of a release repository: fetched by globs, resolved without any network.
//!
//! All of it blocks: call it where blocking is allowed. A [`Mirror`] is cheap to clone; clones share one repository.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use git2::{Oid, Repository};

use super::error::{ResolveError, StoreError};
use super::files;
use super::history::{self, Entry, History, Version};
use super::refs::{AppRefs, Space, number_of};
use super::snapshot;
use crate::app::App;
use crate::git::{Credentials, Git, GitError, RemoteUrl};
use crate::record::VersionRecord;
use crate::words::{AppName, FunctionName, Label, VersionNumber, VersionWord};

/// Most records that are kept in memory.
const RECORDS_MAX: usize = 4096;

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

struct State {
    repo: Repository,
    apps: HashMap<AppName, Arc<AppRefs>>,
    /// What was read from a commit never changes.
    entries: HashMap<(AppName, VersionNumber, Oid), Arc<Entry>>,
    records: HashMap<Oid, VersionRecord>,
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
        let repo = repo.map_err(|error| StoreError::local(what(), &error.message()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                git: Git::of_controller(repo.path(), url.clone(), credentials),
                url: url.clone(),
                fetching: Mutex::new(()),
                state: Mutex::new(State {
                    repo,
                    apps: HashMap::new(),
                    entries: HashMap::new(),
                    records: HashMap::new(),
                }),
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
        let mut state = self.state();
        let refs = state.refs(app, word)?;
        let (number, oid) = state.find(app, &refs, word)?;
        let version = state.living(app, number, oid)?;
        let labels = history::labels(&refs).remove(&oid).unwrap_or_default();
        if let Some(record) = state.records.get(&oid) {
            let mut record = record.clone();
            record.labels = labels;
            return Ok(record);
        }
        let mut record = state.record(app, &version)?;
        if state.records.len() >= RECORDS_MAX {
            state.records.clear();
        }
        state.records.insert(oid, record.clone());
        record.labels = labels;
        Ok(record)
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

impl State {
    /// The app's refs: read once per fetch.
    fn refs(&mut self, app: &AppName, word: &impl ToString) -> Result<Arc<AppRefs>, ResolveError> {
        if let Some(refs) = self.apps.get(app) {
            return Ok(Arc::clone(refs));
        }
        let refs = AppRefs::read(&self.repo, &Space::canonical(app))
            .map_err(|error| unreadable(app, word, error.message()))?;
        let refs = Arc::new(refs);
        self.apps.insert(app.clone(), Arc::clone(&refs));
        Ok(refs)
    }

    fn entry(&mut self, app: &AppName, number: VersionNumber, oid: Oid) -> Arc<Entry> {
        let key = (app.clone(), number, oid);
        if let Some(entry) = self.entries.get(&key) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(history::read_entry(&self.repo, app, number, oid));
        if self.entries.len() >= RECORDS_MAX * 16 {
            self.entries.clear();
        }
        self.entries.insert(key, Arc::clone(&entry));
        entry
    }

    /// The number and the commit that a word means.
    fn find(
        &mut self,
        app: &AppName,
        refs: &AppRefs,
        word: &VersionWord,
    ) -> Result<(VersionNumber, Oid), ResolveError> {
        let unknown = || ResolveError::UnknownVersion {
            app: app.clone(),
            word: word.clone(),
            near: near(refs, word),
        };
        match word {
            VersionWord::Number(number) => {
                let oid = refs.tags.get(&number.to_string()).ok_or_else(unknown)?;
                Ok((*number, *oid))
            }
            VersionWord::Label(label) => {
                let oid = *refs.tags.get(label.as_str()).ok_or_else(unknown)?;
                self.labelled(app, refs, label, oid)
            }
            VersionWord::Id(hex) => {
                let numbered: Vec<_> = refs.numbered().collect();
                let mut found: Vec<(VersionNumber, Oid, String)> = Vec::new();
                for (number, oid) in numbered {
                    let entry = self.entry(app, number, oid);
                    if let Entry::Living(version) = entry.as_ref()
                        && (version.tree.starts_with(hex) || version.commit.starts_with(hex))
                    {
                        found.push((number, oid, version.tree.clone()));
                    }
                }
                found.sort();
                let (number, oid, tree) = found.first().ok_or_else(unknown)?;
                if found.iter().any(|(_, _, other)| other != tree) {
                    let candidates = found
                        .iter()
                        .map(|(number, _, tree)| format!("{number} (g{tree})"));
                    return Err(ResolveError::Ambiguous {
                        app: app.clone(),
                        word: word.clone(),
                        candidates: candidates.collect(),
                    });
                }
                Ok((*number, *oid))
            }
        }
    }

    /// The version that a label names: its commit says the number, and that number's tag must agree.
    fn labelled(
        &mut self,
        app: &AppName,
        refs: &AppRefs,
        label: &Label,
        oid: Oid,
    ) -> Result<(VersionNumber, Oid), ResolveError> {
        let foreign = |why: &str| ResolveError::Foreign {
            tag: format!("{app}/{label}"),
            why: why.to_owned(),
        };
        let number = history::number_in(&self.repo, app, oid)
            .ok_or_else(|| foreign("it does not point to a version of this app"))?;
        match refs.tags.get(&number.to_string()) {
            Some(tag) if *tag == oid => Ok((number, oid)),
            Some(tag) => match self.entry(app, number, *tag).as_ref() {
                // The version was deleted: that is what is said.
                Entry::Deleted(_) => Ok((number, *tag)),
                _ => Err(foreign("the tag of its number points elsewhere")),
            },
            None => Err(foreign("the tag of its number is gone")),
        }
    }

    fn living(
        &mut self,
        app: &AppName,
        number: VersionNumber,
        oid: Oid,
    ) -> Result<Version, ResolveError> {
        match self.entry(app, number, oid).as_ref() {
            Entry::Living(version) => Ok(version.as_ref().clone()),
            Entry::Deleted(tombstone) => Err(ResolveError::Deleted {
                app: app.clone(),
                number,
                who: tombstone.author.name.clone(),
                when: tombstone.deleted_at,
                why: tombstone.reason.clone(),
            }),
            Entry::Foreign(why) => Err(ResolveError::Foreign {
                tag: format!("{app}/{number}"),
                why: why.clone(),
            }),
        }
    }

    fn record(&self, app: &AppName, version: &Version) -> Result<VersionRecord, ResolveError> {
        let number = version.number;
        let bad = |source| ResolveError::BadSnapshot {
            app: app.clone(),
            number,
            source,
        };
        let tree = Oid::from_str(&version.tree)
            .map_err(|error| unreadable(app, &number, error.message()))?;
        super::objects::tree(&self.repo, tree)
            .map_err(|problem| unreadable(app, &number, &problem))?;
        let bytes = snapshot::app_file(&self.repo, tree).map_err(bad)?;
        let read = App::from_snapshot(&bytes).map_err(|problems| ResolveError::BadApp {
            app: app.clone(),
            number,
            problems,
        })?;
        files::record(&self.repo, version, read).map_err(bad)
    }
}

/// What is there and looks like the word, else the newest versions.
fn near(refs: &AppRefs, word: &VersionWord) -> Vec<String> {
    let word = word.to_string();
    let distance = |name: &str| strsim::damerau_levenshtein(name, &word);
    let mut labels: Vec<&String> = refs.tags.keys().collect();
    labels.retain(|name| number_of(name).is_none() && distance(name) <= 3.min(word.len() / 2));
    labels.sort_by_key(|name| distance(name));
    let mut near: Vec<String> = labels.into_iter().take(3).cloned().collect();
    let mut numbers: Vec<VersionNumber> = refs.numbered().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    near.extend(numbers.iter().rev().take(3).map(ToString::to_string));
    near
}

fn head_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn unreadable(app: &AppName, word: &impl ToString, problem: &str) -> ResolveError {
    ResolveError::Unreadable {
        app: app.clone(),
        word: word.to_string(),
        problem: problem.to_owned(),
    }
}

/// A panic elsewhere leaves nothing half done here: what is guarded is only read and replaced.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
