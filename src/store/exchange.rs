//! What a clone and its remote exchange: the refs of apps as they were seen last, and the changes that are pushed.
//!
//! What the remote holds is fetched into `refs/cutwater-remote/`, apart from the person's own tags and branches, which are
//! neither read for decisions nor changed. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use git2::Oid;

use super::error::StoreError;
use super::history::{self, History};
use super::refs::{AppRefs, Space};
use super::remedy::Remedy;
use super::version;
use super::workspace::Workspace;
use crate::git::{self, Git, GitError, GitErrorKind, RefUpdate};
use crate::releases::{self, Release};
use crate::words::{AppName, CommitId};

/// How often it is looked whether another command has ended.
const BREATH: Duration = Duration::from_millis(20);

/// Where refs stand while they are pushed by the thousand.
const PUSHED: &str = "refs/cutwater-push/";

impl Workspace {
    /// All versions of the app as the remote holds them now.
    ///
    /// # Errors
    /// When the remote cannot be read.
    pub fn history(&self, app: &AppName) -> Result<History, StoreError> {
        let refs = self.refresh(app)?;
        Ok(History::read(&self.repo, app, &refs))
    }

    /// True where this clone has that commit, also after asking the remote for the branch that may hold it.
    ///
    /// # Errors
    /// When the remote cannot be read.
    pub fn knows(&self, commit: &CommitId, branch: &str) -> Result<bool, StoreError> {
        let known = || Oid::try_from(commit).is_ok_and(|oid| self.repo.find_commit(oid).is_ok());
        if known() {
            return Ok(true);
        }
        // Whoever names it may be anybody.
        if !git2::Reference::is_valid_name(&format!("refs/heads/{branch}")) {
            return Ok(false);
        }
        self.fetch_branch(branch)?;
        Ok(known())
    }

    /// Fetches a branch of the remote, and says its commit.
    ///
    /// # Errors
    /// When the remote cannot be read, or has no such branch.
    pub(crate) fn fetch_branch(&self, branch: &str) -> Result<Oid, StoreError> {
        self.fetch_branch_within(branch, self.timeout)
    }

    /// The same in so much time at most, where nothing means that the remote has no such branch.
    ///
    /// # Errors
    /// When the remote cannot be read in that time.
    pub(crate) fn tip(&self, branch: &str, longest: Duration) -> Result<Option<Oid>, StoreError> {
        match self.fetch_branch_within(branch, longest.min(self.timeout)) {
            Err(StoreError::Git { source, .. }) if source.kind == GitErrorKind::MissingRef => {
                Ok(None)
            }
            fetched => fetched.map(Some),
        }
    }

    fn fetch_branch_within(&self, branch: &str, longest: Duration) -> Result<Oid, StoreError> {
        let here = self.heads();
        let spec = format!("+refs/heads/{branch}:{here}{branch}");
        let tips = [format!("{here}*"), "refs/heads/*".to_owned()];
        let _alone = self.lock()?;
        let what = || format!("cannot fetch branch {branch} from remote `{}`", self.remote);
        self.git
            .fetch(&[spec], &tips, longest)
            .map_err(|source| StoreError::Git {
                what: what(),
                source,
            })?;
        let found = self.repo.refname_to_id(&format!("{here}{branch}"));
        found.map_err(|error| StoreError::local(what(), &error.message()))
    }

    /// True where older commits are not in this clone, so that one that it does not have may be of the same repository.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.repo.is_shallow()
    }

    /// True where the commit `newer` came after `older`, or is the same; false also where this clone has not both.
    #[must_use]
    pub fn follows(&self, newer: &CommitId, older: &CommitId) -> bool {
        let (Ok(newer), Ok(older)) = (Oid::try_from(newer), Oid::try_from(older)) else {
            return false;
        };
        newer == older || self.repo.graph_descendant_of(newer, older).unwrap_or(false)
    }

    /// The objects in a file of releases of a commit; nothing where it cannot be read.
    #[must_use]
    pub fn releases_in(&self, commit: &CommitId, file: &str) -> Option<Vec<Release>> {
        let oid = Oid::try_from(commit).ok()?;
        let tree = self.repo.find_commit(oid).ok()?.tree().ok()?;
        let entry = tree.get_path(Path::new(file)).ok()?;
        let blob = self.repo.find_blob(entry.id()).ok()?;
        let content = releases::read(file, blob.content()).ok()?;
        Some(content.releases)
    }

    /// Fetches the app's refs and reads them.
    pub(crate) fn refresh(&self, app: &AppName) -> Result<AppRefs, StoreError> {
        let space = Space::seen(&self.key, app);
        let _alone = self.lock()?;
        self.git
            .fetch(
                &space.refspecs(app),
                &self.tips(&[space.last()]),
                self.timeout,
            )
            .map_err(|source| StoreError::Git {
                what: format!(
                    "cannot fetch the versions of `{app}` from remote `{}`",
                    self.remote
                ),
                source,
            })?;
        let mut refs = AppRefs::read(&self.repo, &space)
            .map_err(|error| StoreError::local("the fetched refs", &error.message()))?;
        self.remember(app, &space, &mut refs);
        Ok(refs)
    }

    /// Keeps the newest version of ours as seen. Its number stays spent here, whatever becomes of its tag, and also where the
    /// remote keeps no other refs than branches and tags. A `last` that is believed is kept too: two servers that died in a row
    /// leave two numbers without a tag, and a clone that saw the first believes the second.
    fn remember(&self, app: &AppName, space: &Space, refs: &mut AppRefs) {
        let Some(name) = space.spent.as_deref() else {
            return;
        };
        let number = |oid| version::number_in(&self.repo, app, oid);
        let known = refs.spent.and_then(number);
        let newest = history::newest_own(&self.repo, app, refs);
        let unbacked = history::unbacked(&self.repo, app, refs).is_some();
        let last = refs.last.filter(|_| !unbacked);
        let last = last.and_then(|oid| Some((number(oid)?, oid)));
        if let Some((number, oid)) = newest.max(last)
            && known < Some(number)
        {
            // A clone that cannot be written remembers nothing.
            drop(self.repo.reference(name, oid, true, ""));
            refs.spent = Some(oid);
        }
    }

    /// What a fetch tells the remote of: those of these refs that are here. git looks up a name, but walks over every ref for
    /// a glob, and tells of every ref where it is given neither; so a glob that matches nothing stands for none of them.
    pub(crate) fn tips(&self, names: &[String]) -> Vec<String> {
        let here = |name: &&String| self.repo.refname_to_id(name).is_ok();
        let mut tips: Vec<String> = names.iter().filter(here).cloned().collect();
        if tips.is_empty() {
            tips.push("refs/cutwater-remote/none/*".to_owned());
        }
        tips
    }

    /// The app's refs as they were seen last, without asking the remote.
    pub(crate) fn seen_refs(&self, app: &AppName) -> Result<AppRefs, StoreError> {
        AppRefs::read(&self.repo, &Space::seen(&self.key, app))
            .map_err(|error| StoreError::local("the fetched refs", &error.message()))
    }

    /// Notes changes that the remote has taken as seen, so that the next publish starts from them.
    ///
    /// A note that cannot be made is none: the next publish then asks the remote. Where another command holds the refs,
    /// it is fetching, and will see the changes by itself.
    pub(crate) fn note(&self, app: &AppName, updates: &[RefUpdate]) {
        let Ok(file) = self.lock_file() else { return };
        if file.try_lock().is_err() {
            return;
        }
        let (there, here) = (Space::canonical(app), Space::seen(&self.key, app));
        let published = updates.iter().filter_map(|update| {
            let name = update.name.strip_prefix(&there.tags)?;
            Some((name.to_owned(), update.new?))
        });
        let mut refs = AppRefs {
            tags: published.collect(),
            ..AppRefs::default()
        };
        let spent = here.spent.as_deref();
        refs.spent = spent.and_then(|name| self.repo.refname_to_id(name).ok());
        self.remember(app, &here, &mut refs);
        for update in updates {
            let tag = update.name.strip_prefix(&there.tags);
            let own = update.name.strip_prefix(&there.own);
            let name = match (tag, own) {
                (Some(tag), _) => format!("{}{tag}", here.tags),
                (_, Some(own)) => format!("{}{own}", here.own),
                _ => continue,
            };
            let noted = match (update.new, update.expected) {
                (Some(new), Some(old)) => self
                    .repo
                    .reference_matching(&name, new, true, old, "")
                    .map(drop),
                (Some(new), None) => self.repo.reference(&name, new, false, "").map(drop),
                (None, _) => self
                    .repo
                    .find_reference(&name)
                    .and_then(|mut reference| reference.delete()),
            };
            drop(noted);
        }
    }

    /// Another remote, by name or address, with the same rules.
    pub(crate) fn other(&self, name: &str, url: &str) -> Git {
        let home = self.home();
        Git::of_person(home, name, url, self.ssh_is_set)
    }

    /// The longest time for one exchange.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Fetches the refs of apps from this remote, in one exchange, and reads them.
    pub(crate) fn read_own(
        &self,
        apps: &BTreeSet<AppName>,
    ) -> Result<BTreeMap<AppName, AppRefs>, StoreError> {
        let shown = format!("remote `{}`", self.remote);
        self.read_apps(&self.git, &self.key, &shown, apps)
    }

    /// Fetches the refs of apps from a remote, in one exchange, and reads them.
    pub(crate) fn read_apps(
        &self,
        git: &Git,
        key: &str,
        shown: &str,
        apps: &BTreeSet<AppName>,
    ) -> Result<BTreeMap<AppName, AppRefs>, StoreError> {
        let refspecs = |app| Space::seen(key, app).refspecs(app);
        let refspecs: Vec<String> = apps.iter().flat_map(refspecs).collect();
        let _alone = self.lock()?;
        git.fetch(&refspecs, &[], self.timeout)
            .map_err(|source| StoreError::Git {
                what: format!("cannot fetch versions from {shown}"),
                source,
            })?;
        let read = |app: &AppName| {
            let space = Space::seen(key, app);
            let mut refs = AppRefs::read(&self.repo, &space)?;
            self.remember(app, &space, &mut refs);
            Ok((app.clone(), refs))
        };
        let refs: Result<_, git2::Error> = apps.iter().map(read).collect();
        refs.map_err(|error| StoreError::local("the fetched refs", &error.message()))
    }

    /// What every command asks before it reads what it is to push: it must not decide on what is in one repository, and push
    /// to another one.
    ///
    /// # Errors
    /// When pushes lead to another repository than fetches.
    pub(crate) fn may_push(&self) -> Result<(), StoreError> {
        let remote = &self.remote;
        let Some(found) = git::pushes_elsewhere(self.home(), remote) else {
            return Ok(());
        };
        let (fetch, push) = (found.fetch, found.push);
        // The real one has its password, which is not shown.
        let url = if fetch.contains("***") { "URL" } else { &fetch };
        let error = StoreError::local(
            format!("remote `{remote}`"),
            &format!(
                "pushes go to {push}, which is another repository than {fetch}, from which is fetched: what is decided on the one would be written to the other, so nothing is pushed; send pushes there too: git remote set-url --push {remote} {url}"
            ),
        );
        Err(error.or(Remedy::OtherRemote))
    }

    pub(crate) fn push(&self, updates: &[RefUpdate], atomic: bool) -> Result<(), GitError> {
        self.git.push(updates, atomic, self.timeout)
    }

    /// The same of what puts right an earlier push: a signal that came since then does not keep it back.
    pub(crate) fn push_back(&self, updates: &[RefUpdate]) -> Result<(), GitError> {
        self.git.mending().push(updates, false, self.timeout)
    }

    /// Pushes refs that are not at the remote yet, however many; those that are there stay, which is an error.
    pub(crate) fn push_new(&self, updates: &[RefUpdate]) -> Result<(), GitError> {
        let home = self.home();
        let Ok(_alone) = self.lock() else {
            return self.push(updates, false);
        };
        // What a killed import left.
        let mut left = String::new();
        let stale = self.repo.references_glob(&format!("{PUSHED}*"));
        if let Ok(mut stale) = stale {
            for name in stale.names().flatten() {
                writeln!(left, "delete {name}").ok();
            }
        }
        let (mut made, mut gone) = (String::new(), String::new());
        for update in updates {
            let rest = update.name.strip_prefix("refs/").unwrap_or(&update.name);
            if let Some(oid) = update.new {
                writeln!(made, "create {PUSHED}{rest} {oid}").ok();
                writeln!(gone, "delete {PUSHED}{rest}").ok();
            }
        }
        if !left.is_empty() {
            git::update_refs(home, left, self.timeout)?;
        }
        git::update_refs(home, made, self.timeout)?;
        let pushed = self.git.push_new(PUSHED, self.timeout);
        git::update_refs(home, gone, self.timeout)?;
        pushed.or_else(|error| self.git.stopped(updates, error))
    }

    /// Prefix of the remote's branches as they were seen the last time, with a slash at the end.
    pub(crate) fn heads(&self) -> String {
        format!("refs/cutwater-remote/{}/heads/", self.key)
    }

    /// Held while the remote's refs are written here: other commands in this clone wait, as long as an exchange may take. The
    /// system drops it at any end.
    pub(crate) fn lock(&self) -> Result<File, StoreError> {
        let file = self.lock_file()?;
        let deadline = Instant::now() + self.timeout;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(BREATH),
                Err(TryLockError::WouldBlock) => {
                    let problem = format!(
                        "another cutwater command has held it for {} s; wait for its end",
                        self.timeout.as_secs()
                    );
                    let what = self.lock_path().display().to_string();
                    return Err(StoreError::local(what, &problem).or(Remedy::MoreTime));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::local(
                        self.lock_path().display().to_string(),
                        &error,
                    ));
                }
            }
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.repo.commondir().join("cutwater.lock")
    }

    fn lock_file(&self) -> Result<File, StoreError> {
        let path = self.lock_path();
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| {
                let path = path.display();
                let problem = match error.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
                        "{error}: what is seen at the remote is kept in the clone, so it has to be one that you may write; make a clone of your own"
                    ),
                    _ => error.to_string(),
                };
                StoreError::local(path.to_string(), &problem)
            })
    }
}
