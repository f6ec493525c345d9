//! A person's clone: its settings and its commits. The apps in them are in [`super::apps`], and what its remote holds is in
//! [`super::exchange`].

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use git2::{Commit, ErrorCode, Oid, Repository};
use sha2::{Digest, Sha256};

use super::error::StoreError;
use super::loose_objects;
use super::objects;
use super::remedy::Remedy;
use super::settings_file;
use super::snapshot;
use super::version::{Person, Version};
use crate::app::{App, Function};
use crate::git::{self, Git};
use crate::settings::Settings;
use crate::words::is_plain;

/// A clone of the release repository, and one remote of it.
pub struct Workspace {
    pub(crate) repo: Repository,
    pub(crate) remote: String,
    pub(crate) key: String,
    pub(crate) git: Git,
    pub(crate) ssh_is_set: bool,
    pub(crate) timeout: Duration,
    settings: Settings,
    /// Whether the remote has a branch, once it was asked.
    branches: OnceLock<bool>,
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
        let repo = Repository::discover(dir).or_else(|error| {
            if error.code() == ErrorCode::Owner {
                of_another_user(dir)
            } else {
                Err(error)
            }
        });
        let repo = repo.map_err(|error| {
            if error.code() == ErrorCode::Owner {
                let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
                let root = root_of(&dir).display();
                let problem = format!(
                    "it belongs to another user, and what is set up in it could start programs in your name; if you trust it: git config --global --add safe.directory {root}"
                );
                StoreError::local(what(), &problem)
            } else if error.code() == ErrorCode::NotFound {
                StoreError::local(what(), &"there is none; change to a clone of the release repository")
                    .or(Remedy::OtherClone)
            } else if error.message().contains("object format") {
                let problem = error.message();
                let advice = "SHA-256 repositories are not supported: use a clone made with `git init --object-format=sha1`";
                StoreError::local(what(), &format!("{problem}; {advice}"))
            } else {
                StoreError::local(what(), &error.message())
            }
        })?;
        let settings = settings_file::read(&repo, remote, ssh_is_set, timeout)?;
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
            branches: OnceLock::new(),
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

    /// The remote's address, with its credentials; a path is absolute, also while nothing is there.
    #[must_use]
    pub fn address(&self) -> String {
        let remote = self.repo.find_remote(&self.remote);
        let url = remote.map(|found| String::from_utf8_lossy(found.url_bytes()).into_owned());
        let url = url.unwrap_or_default();
        git::address(&url, self.home())
    }

    /// The part of the names of refs that stands for the remote's address.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The commit that `reference` (HEAD where absent) means.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn source(&self, reference: Option<&str>) -> Result<SourceCommit, StoreError> {
        let shown = reference.unwrap_or("HEAD");
        let what = || format!("`{shown}`");
        let fail = |problem: &str| StoreError::local(what(), &problem);
        // The commit of a ref is looked at before libgit2 reads it.
        let named = self.repo.resolve_reference_from_short_name(shown);
        if let Some(oid) = named.ok().and_then(|found| found.target()) {
            objects::header(&self.repo, oid)
                .and_then(|(size, _)| loose_objects::check(&self.repo, oid, size))
                .map_err(|problem| StoreError::local(what(), &problem))?;
        }
        let commit = self.commit(shown).ok_or_else(|| match reference {
            Some(_) => fail("names no commit here; commit first").or(Remedy::OtherCommit),
            None => fail("names no commit here, so there is nothing in it; commit first"),
        })?;
        Ok(SourceCommit::new(shown, &commit))
    }

    /// The same, for a version that is to be made from it: says too whether a branch of the remote holds it, as far as this
    /// clone knows.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn source_to_publish(&self, reference: Option<&str>) -> Result<SourceCommit, StoreError> {
        let mut source = self.source(reference)?;
        source.is_held = git::is_on_branch(self.home(), &self.remote, &source.oid.into());
        Ok(source)
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

    /// False where the remote is known to have no branch. It is asked once.
    pub(crate) fn has_branch(&self) -> bool {
        let ask = || self.git.has_branch(self.timeout).unwrap_or(true);
        *self.branches.get_or_init(ask)
    }

    /// Where `git` is started.
    pub(crate) fn home(&self) -> &Path {
        self.repo.workdir().unwrap_or_else(|| self.repo.path())
    }

    /// The commit that a word of a person means. Words other than HEAD are git's to read: libgit2 would load every object on
    /// the way, and never come back from a damaged one.
    fn commit(&self, word: &str) -> Option<Commit<'_>> {
        let oid = if word == "HEAD" {
            self.repo.refname_to_id(word).ok()?
        } else {
            Oid::try_from(&git::commit_of(self.home(), word)?).ok()?
        };
        let (size, _) = objects::header(&self.repo, oid).ok()?;
        loose_objects::check(&self.repo, oid, size).ok()?;
        self.repo.find_commit(oid).ok()
    }

    /// The functions of a version.
    ///
    /// # Errors
    /// When its app.yaml cannot be read.
    pub fn functions(&self, version: &Version) -> Result<Vec<Function>, StoreError> {
        let what = || format!("version {} of `{}`", version.number, version.app);
        let tree = Oid::try_from(&version.tree);
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
pub(crate) fn key_of(url: &str) -> String {
    // A pipeline's token changes with each run; what it reaches does not.
    let mut key = hex::encode(Sha256::digest(git::redact(url)));
    key.truncate(12);
    key
}

/// The clone of another user, where git takes it: git reads all of its configuration, and libgit2 only the files.
fn of_another_user(dir: &Path) -> Result<Repository, git2::Error> {
    let refused = || git2::Error::new(ErrorCode::Owner, git2::ErrorClass::Config, "not trusted");
    let (folder, root) = git::repository_of(dir).ok_or_else(refused)?;
    let repo = Repository::open_bare(folder)?;
    if let Some(root) = root {
        repo.set_workdir(&root, false)?;
    }
    Ok(repo)
}

/// The same repository, opened anew: it sees what was fetched meanwhile. That git trusts it was seen when it was opened first.
pub(crate) fn reopened(repo: &Repository) -> Result<Repository, git2::Error> {
    let again = Repository::open(repo.path());
    if !matches!(&again, Err(error) if error.code() == ErrorCode::Owner) {
        return again;
    }
    let again = Repository::open_bare(repo.path())?;
    if let Some(root) = repo.workdir() {
        again.set_workdir(root, false)?;
    }
    Ok(again)
}

/// The nearest folder that holds a repository; the one itself where none does.
fn root_of(dir: &Path) -> &Path {
    let mut above = dir.ancestors();
    above
        .find(|folder| folder.join(".git").exists())
        .unwrap_or(dir)
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
        format!("there are: {}", names.join(", "))
    };
    StoreError::local(
        format!("remote `{remote}`"),
        &format!("is not there; {advice}"),
    )
    .or(Remedy::OtherRemote)
}

/// A commit of the branch.
#[derive(Debug, Clone)]
pub struct SourceCommit {
    /// How it was named.
    pub(crate) shown: String,
    pub(crate) oid: Oid,
    pub(crate) tree: Oid,
    /// First line of its message.
    pub(crate) subject: String,
    /// Whether a branch of the remote holds it; nothing where the clone knows no branch.
    pub(crate) is_held: Option<bool>,
}

impl SourceCommit {
    pub(super) fn new(shown: &str, commit: &Commit<'_>) -> Self {
        let subject = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default());
        Self {
            shown: shown.to_owned(),
            oid: commit.id(),
            tree: commit.tree_id(),
            subject: subject.chars().filter(|c| is_plain(*c)).collect(),
            is_held: Some(true),
        }
    }
}
