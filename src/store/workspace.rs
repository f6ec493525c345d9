//! A person's clone: its settings, its commits and the apps in them. What its remote holds is in [`super::exchange`].

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use git2::{Commit, ErrorCode, Oid, Repository};
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::history::{Person, Version};
use super::loose;
use super::objects;
use super::snapshot;
use crate::app::{APP_FILE, App, Function};
use crate::git::{self, Git};
use crate::settings::{SETTINGS_FILE, Settings};
use crate::words::AppName;

/// Largest `cutwater.yaml` that is read.
const SETTINGS_MAX: usize = 256 * 1024;

/// A clone of the release repository, and one remote of it.
pub struct Workspace {
    pub(super) repo: Repository,
    pub(super) remote: String,
    pub(super) key: String,
    pub(super) git: Git,
    pub(super) ssh_is_set: bool,
    pub(super) timeout: Duration,
    settings: Settings,
}

impl Workspace {
    /// The clone that `dir` is in, with its remote of that name, or the one of its settings. `ssh_is_set` says that the
    /// environment names an ssh program.
    ///
    /// # Errors
    /// When there is no repository, or no such remote (says which there are), or when its settings are wrong.
    pub fn open(
        dir: &Path,
        remote: Option<&str>,
        ssh_is_set: bool,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        if !dir.exists() {
            let what = format!("directory {}", dir.display());
            return Err(StoreError::local(
                what,
                &"does not exist; name one in a clone of the release repository",
            ));
        }
        let what = || format!("the repository of {}", dir.display());
        let repo = Repository::discover(dir).map_err(|error| {
            if error.code() == ErrorCode::NotFound {
                StoreError::local(what(), &"there is none; change to a clone of the release repository, or name one with --repo")
            } else if error.message().contains("object format") {
                let problem = error.message();
                let advice = "SHA-256 repositories are not supported: use a clone made with `git init --object-format=sha1`";
                StoreError::local(what(), &format!("{problem}; {advice}"))
            } else {
                StoreError::local(what(), &error.message())
            }
        })?;
        let settings = settings(&repo)?;
        let remote = remote.unwrap_or(&settings.remote);
        let Ok(found) = repo.find_remote(remote) else {
            return Err(no_remote(&repo, remote));
        };
        let url = String::from_utf8_lossy(found.url_bytes()).into_owned();
        drop(found);
        let home = repo.workdir().unwrap_or_else(|| repo.path()).to_owned();
        Ok(Self {
            git: Git::of_person(&home, remote, &url, ssh_is_set),
            remote: remote.to_owned(),
            key: key_of(&url),
            repo,
            ssh_is_set,
            timeout,
            settings,
        })
    }

    /// The settings of the repository.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The remote's name.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// The remote's address, with its credentials; a path is absolute.
    #[must_use]
    pub fn address(&self) -> String {
        let remote = self.repo.find_remote(&self.remote);
        let url = remote.map(|found| String::from_utf8_lossy(found.url_bytes()).into_owned());
        let url = url.unwrap_or_default();
        let path = self.home().join(&url).canonicalize();
        path.map_or(url, |path| path.display().to_string())
    }

    /// The part of the names of refs that stands for the remote's address.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The app whose directory holds `dir`, if it is inside one.
    #[must_use]
    pub fn app_at(&self, dir: &Path) -> Option<AppName> {
        let root = self.repo.workdir()?.canonicalize().ok()?;
        let inside = dir.canonicalize().ok()?;
        let inside = inside
            .strip_prefix(root)
            .ok()?
            .strip_prefix(&self.settings.apps)
            .ok()?;
        inside.iter().next()?.to_str()?.parse().ok()
    }

    /// The app's directory on the disk, where there is a work tree.
    #[must_use]
    pub fn app_dir(&self, app: &AppName) -> Option<PathBuf> {
        let root = self.repo.workdir()?;
        Some(root.join(&self.settings.apps).join(app.as_str()))
    }

    /// The names of the apps in a commit, sorted.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn apps(&self, commit: &SourceCommit) -> Result<Vec<AppName>, StoreError> {
        let fail =
            |problem: String| StoreError::local(format!("the apps of {}", commit.shown), &problem);
        self.bring_tree(commit.tree).map_err(fail)?;
        let root = objects::tree(&self.repo, commit.tree).map_err(fail)?;
        let Ok(entry) = root.get_path(Path::new(&self.settings.apps)) else {
            return Ok(Vec::new());
        };
        self.bring_folders(entry.id()).map_err(fail)?;
        let Ok(apps) = objects::tree(&self.repo, entry.id()) else {
            return Ok(Vec::new());
        };
        let is_app = |entry: &git2::TreeEntry<'_>| {
            let inside = objects::tree(&self.repo, entry.id()).ok()?;
            inside.get_name(APP_FILE)?;
            entry.name().ok()?.parse().ok()
        };
        Ok(apps.iter().filter_map(|entry| is_app(&entry)).collect())
    }

    /// The commit that `reference` (HEAD where absent) means.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn source(&self, reference: Option<&str>) -> Result<SourceCommit, StoreError> {
        let shown = reference.unwrap_or("HEAD");
        let fail = |problem: &str| StoreError::local(format!("`{shown}`"), &problem);
        // The commit of a ref is looked at before libgit2 reads it.
        let named = self.repo.resolve_reference_from_short_name(shown);
        if let Some(oid) = named.ok().and_then(|found| found.target()) {
            objects::header(&self.repo, oid)
                .and_then(|(size, _)| loose::check(&self.repo, oid, size))
                .map_err(|problem| fail(&problem))?;
        }
        let commit = self.commit(shown).ok_or_else(|| {
            fail(match reference {
                Some(_) => "names no commit here; commit first, or name another with --ref",
                None => {
                    "names no commit here, so there is no app in it; commit first, or name the app"
                }
            })
        })?;
        Ok(SourceCommit::new(shown, &commit))
    }

    /// The commit that changes are counted from.
    ///
    /// # Errors
    /// When there is no such commit; a pipeline's clone may hold too few.
    pub fn base(&self, reference: &str) -> Result<SourceCommit, StoreError> {
        let commit = self.commit(reference).ok_or_else(|| {
            StoreError::local(
                format!("`{reference}`"),
                &"names no commit here; fetch it first: a pipeline's clone often holds one commit alone (fetch-depth: 0 brings all)",
            )
        })?;
        Ok(SourceCommit::new(reference, &commit))
    }

    /// Where `git` is started.
    pub(super) fn home(&self) -> &Path {
        self.repo.workdir().unwrap_or_else(|| self.repo.path())
    }

    /// The commit that a word of a person means. Words other than HEAD are git's to read: libgit2 would load every object on
    /// the way, and never come back from a damaged one.
    fn commit(&self, word: &str) -> Option<Commit<'_>> {
        let oid = if word == "HEAD" {
            self.repo.refname_to_id(word).ok()?
        } else {
            Oid::from_str(&git::commit_of(self.home(), word)?).ok()?
        };
        let (size, _) = objects::header(&self.repo, oid).ok()?;
        loose::check(&self.repo, oid, size).ok()?;
        self.repo.find_commit(oid).ok()
    }

    /// Looks, beside other work, whether a tracked file in the app's directory differs from HEAD, or an untracked one is
    /// there: with many files, as long as everything else before a push.
    #[must_use]
    pub fn look_for_changes(&self, app: &AppName) -> JoinHandle<bool> {
        let directory = format!("{}/{app}", self.settings.apps);
        let path = self.repo.path().to_owned();
        thread::spawn(move || {
            let mut options = git2::StatusOptions::new();
            options
                .pathspec(directory)
                .include_untracked(true)
                .recurse_untracked_dirs(false);
            let repo = Repository::open(path);
            repo.and_then(|repo| Ok(!repo.statuses(Some(&mut options))?.is_empty()))
                .unwrap_or(false)
        })
    }

    /// The directory tree of an app in a commit.
    pub(super) fn directory(
        &self,
        commit: &SourceCommit,
        app: &AppName,
    ) -> Result<Option<Oid>, StoreError> {
        let fail = |problem: String| StoreError::local(commit.shown.clone(), &problem);
        let mut oid = commit.tree;
        for part in self.settings.apps.split('/').chain([app.as_str()]) {
            self.bring_tree(oid).map_err(fail)?;
            let tree = objects::tree(&self.repo, oid).map_err(fail)?;
            match tree.get_name(part) {
                Some(entry) if entry.filemode_raw() == 0o040_000 => oid = entry.id(),
                _ => return Ok(None),
            }
        }
        Ok(Some(oid))
    }

    /// The functions of a version.
    ///
    /// # Errors
    /// When its app.yaml cannot be read.
    pub fn functions(&self, version: &Version) -> Result<Vec<Function>, StoreError> {
        let what = || format!("version {} of `{}`", version.number, version.app);
        let tree = Oid::from_str(&version.tree);
        let tree = tree.map_err(|error| StoreError::local(what(), &error.message()))?;
        self.complete(&[tree])?;
        let bytes = snapshot::app_file(&self.repo, tree);
        let bytes = bytes.map_err(|error| StoreError::local(what(), &error))?;
        let app = App::from_snapshot(&bytes);
        Ok(app
            .map_err(|error| StoreError::local(what(), &error))?
            .spec
            .functions)
    }

    /// Who git says that the person is; nothing where it does not know.
    #[must_use]
    pub fn author(&self) -> Option<Person> {
        let home = self.home();
        let (name, email) = git::author(home)?;
        Some(Person { name, email })
    }
}

/// A word for what was seen at an address, of which refs are made.
pub(super) fn key_of(url: &str) -> String {
    // A pipeline's token changes with each run; what it reaches does not.
    let mut key = hex::encode(Sha256::digest(git::redact(url)));
    key.truncate(12);
    key
}

/// What the repository's `cutwater.yaml` says: the file of the work tree, or of HEAD where there is no work tree.
fn settings(repo: &Repository) -> Result<Settings, StoreError> {
    let fail = |problem: &dyn ToString| StoreError::local(SETTINGS_FILE, &problem.to_string());
    let bytes = if let Some(root) = repo.workdir() {
        let path = root.join(SETTINGS_FILE);
        // Whoever wrote the repository may have put a link or a pipe there.
        match path.symlink_metadata() {
            Ok(file) if !file.is_file() => return Err(fail(&"is not a regular file")),
            Ok(file) if file.len() > SETTINGS_MAX as u64 => {
                let size = file.len();
                return Err(fail(&format!(
                    "has {size} bytes; at most {SETTINGS_MAX} are read"
                )));
            }
            Ok(_) => std::fs::read(path).map_err(|error| fail(&error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Settings::default());
            }
            Err(error) => return Err(fail(&error)),
        }
    } else {
        let head = repo.head().ok().and_then(|head| head.target());
        let Some(head) = head else {
            return Ok(Settings::default());
        };
        let head = objects::commit(repo, head).map_err(|problem| fail(&problem))?;
        let root = objects::tree(repo, head.tree_id()).map_err(|problem| fail(&problem))?;
        let Some(entry) = root.get_name(SETTINGS_FILE) else {
            return Ok(Settings::default());
        };
        objects::blob(repo, entry.id(), SETTINGS_MAX).map_err(|problem| fail(&problem))?
    };
    Settings::read(&bytes).map_err(StoreError::Settings)
}

/// The remote is not there: says which are.
fn no_remote(repo: &Repository, remote: &str) -> StoreError {
    let names = repo.remotes();
    let names = names
        .iter()
        .flat_map(|names| names.iter().flatten().flatten());
    let names: Vec<&str> = names.collect();
    let advice = if names.is_empty() {
        "add one with `git remote add origin URL`".to_owned()
    } else {
        format!("there are: {}; choose one with --remote", names.join(", "))
    };
    StoreError::local(
        format!("remote `{remote}`"),
        &format!("is not there; {advice}"),
    )
}

/// A commit of the branch.
#[derive(Debug, Clone)]
pub struct SourceCommit {
    /// How it was named.
    pub(super) shown: String,
    pub(super) oid: Oid,
    pub(super) tree: Oid,
    /// First line of its message.
    pub(super) subject: String,
}

impl SourceCommit {
    fn new(shown: &str, commit: &Commit<'_>) -> Self {
        let subject = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default());
        Self {
            shown: shown.to_owned(),
            oid: commit.id(),
            tree: commit.tree_id(),
            subject: subject.chars().filter(|c| !c.is_control()).collect(),
        }
    }
}
