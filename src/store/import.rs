//! Versions of another repository, with their numbers: the very same commits, so that ids, authors and times stay.
//!
//! The other repository is only read. What is pushed here is create-only, so an import that was interrupted is run again, and
//! goes on where it ended. `last` is raised first: from then on no publisher takes a number that is still to come.

mod plan;

use std::collections::BTreeSet;
use std::path::Path;

use git2::Repository;
use schemars::JsonSchema;
use serde::Serialize;

use self::plan::Plan;
use super::contention::{Contention, Moved};
use super::error::StoreError;
use super::refs::{AppRefs, number_of};
use super::workspace::{Workspace, key_of};
use crate::git::{Git, GitError, RefUpdate, RemoteUrl, Shield, UrlError, redact};
use crate::words::{AppName, Label, VersionNumber};

/// Most refs of one push: between two, people are told how far it is.
const BATCH: usize = 1000;
/// Most refs of one push that are named one by one.
const LAST_BATCH: usize = 200;
/// Most apps that are named in a message.
const NAMED_MAX: usize = 3;

/// A repository that versions are taken from.
pub struct ImportSource {
    git: Git,
    key: String,
    /// Its name or its address, without credentials.
    pub shown: String,
    /// For a clone: the name and the address, without credentials, of the remote that it was made from.
    origin: Option<(String, String)>,
}

/// What was imported of one app, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The app.
    pub app: AppName,
    /// Versions that came.
    pub versions: Vec<VersionNumber>,
    /// Versions that were deleted there: their numbers are spent here too now.
    pub deleted: Vec<VersionNumber>,
    /// Labels that came.
    pub labels: Vec<Label>,
    /// How many numbers were here already, with the same commit.
    pub present: usize,
    /// Tags there that are no versions; they stayed there.
    pub foreign: Vec<Unfit>,
    /// Labels that name something else here; they stayed there.
    pub taken_labels: Vec<Label>,
    /// Numbers that are taken here. Where there is one, nothing of the app came.
    pub conflicts: Vec<Unfit>,
}

/// A number that cannot come, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unfit {
    /// The number.
    pub number: VersionNumber,
    /// What is wrong.
    pub problem: String,
}

/// Why versions were not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other repository is not named in a way that is understood.
    #[error(
        "no folder and no remote of this clone is called `{0}`, and it is not the address of a git repository; write https://host/path or ssh://user@host/path"
    )]
    Origin(String),
    /// The address is not one that may be used.
    #[error(transparent)]
    Address(UrlError),
    /// The address holds a password, which other people of this machine could see.
    #[error(
        "`{0}` holds a password or token; leave it out and let git ask its credential helper, or add a remote and name that"
    )]
    Password(String),
    /// There are no versions to import.
    #[error("{from} has no versions{}{}", of(app.as_ref()), elsewhere(origin.as_ref()))]
    Nothing {
        /// The other repository.
        from: String,
        /// Where it is a clone: the remote that it was made from, and its address.
        origin: Option<(String, String)>,
        /// The app that was named.
        app: Option<AppName>,
    },
    /// There are more tags than can be held.
    #[error("{0} has too many tags to be listed; name the apps that are to be imported")]
    TooManyTags(String),
    /// The remote refused, and nothing there had changed.
    #[error("the remote did not take versions of {apps}: {message}; what it took before stays")]
    Refused {
        /// Names of apps.
        apps: String,
        /// What git and the server said.
        message: String,
    },
    /// A push failed, and the remote could not be looked at after it.
    #[error(
        "while versions of {apps} were imported: {push}; what arrived is not known: {source}; another run goes on from there"
    )]
    Unseen {
        /// Names of apps.
        apps: String,
        /// How the push failed.
        push: String,
        /// Why nobody can look.
        source: StoreError,
    },
    /// The person stopped it.
    #[error("while versions of {apps} were imported: {message}; another run goes on from there")]
    Interrupted {
        /// Names of apps.
        apps: String,
        /// What arrived.
        message: String,
    },
    /// Somebody took a number while the import went on.
    #[error(
        "while `{app}` was imported, {number} was taken ({problem}); what was pushed before stays, and the rest cannot come with its numbers"
    )]
    Raced {
        /// The app.
        app: AppName,
        /// A number that was taken.
        number: VersionNumber,
        /// By what.
        problem: String,
    },
}

fn of(app: Option<&AppName>) -> String {
    app.map(|app| format!(" of `{app}`")).unwrap_or_default()
}

/// A clone need not have the tags of its remote.
fn elsewhere(origin: Option<&(String, String)>) -> String {
    let text = |(name, url): &(String, String)| {
        format!(
            "; it is a clone, and its remote `{name}` may have them: import from {url}, or run `git fetch --tags` in it"
        )
    };
    origin.map(text).unwrap_or_default()
}

/// The remote that a clone was made from. A path begins at that clone, and is told as it is reached from anywhere.
fn origin(folder: &str) -> Option<(String, String)> {
    let repo = Repository::open(folder).ok()?;
    let names = repo.remotes().ok()?;
    let names: Vec<&str> = names.iter().flatten().flatten().collect();
    let name = (names.iter().find(|name| **name == "origin")).or(names.first())?;
    let remote = repo.find_remote(name).ok()?;
    let url = String::from_utf8_lossy(remote.url_bytes());
    let path = repo.workdir().unwrap_or_else(|| repo.path()).join(&*url);
    let path = path.canonicalize().ok().filter(|path| path.is_dir());
    let shown = path.map_or_else(|| redact(&url), |path| path.display().to_string());
    Some(((*name).to_owned(), shown))
}

impl ImportSource {
    /// The repository that `from` means: a remote of the clone, a folder (seen from `dir`), or an address.
    ///
    /// # Errors
    /// When it is none of these, or when it holds a password.
    pub fn find(workspace: &Workspace, from: &str, dir: &Path) -> Result<Self, ImportError> {
        if let Ok(remote) = workspace.repo.find_remote(from) {
            let url = String::from_utf8_lossy(remote.url_bytes()).into_owned();
            return Ok(Self::new(workspace, from, &url, format!("remote `{from}`")));
        }
        let folder = dir
            .join(from)
            .canonicalize()
            .ok()
            .filter(|path| path.is_dir());
        if let Some(folder) = folder.as_deref().and_then(Path::to_str) {
            let mut source = Self::new(workspace, folder, folder, folder.to_owned());
            source.origin = origin(folder);
            return Ok(source);
        }
        let url = RemoteUrl::parse(from, true).map_err(|error| match error {
            UrlError::Password(shown) => ImportError::Password(shown),
            UrlError::Form(shown) => ImportError::Origin(shown),
            other @ (UrlError::Local(_) | UrlError::Query(_)) => ImportError::Address(other),
        })?;
        Ok(Self::new(
            workspace,
            url.as_str(),
            url.as_str(),
            url.to_string(),
        ))
    }

    fn new(workspace: &Workspace, name: &str, url: &str, shown: String) -> Self {
        Self {
            git: workspace.other(name, url),
            key: key_of(url),
            shown,
            origin: None,
        }
    }

    /// The apps that have version tags there.
    fn apps(&self, workspace: &Workspace) -> Result<BTreeSet<AppName>, ImportError> {
        let tags = self
            .git
            .tags("*/v*", workspace.timeout())
            .map_err(|source| StoreError::Git {
                what: format!("cannot list the tags of {}", self.shown),
                source,
            })?;
        let tags = tags.ok_or_else(|| ImportError::TooManyTags(self.shown.clone()))?;
        let app = |tag: &String| {
            let (app, name) = tag.split_once('/')?;
            number_of(name)?;
            app.parse().ok()
        };
        Ok(tags.iter().filter_map(app).collect())
    }
}

/// Imports the versions of `apps`, of all apps where none is named. `progress` is told what takes time.
///
/// # Errors
/// When a repository cannot be read or written. What was pushed before stays, and another run goes on from there. Numbers that
/// are taken are no error of this kind: the report of their app has them.
pub fn import(
    workspace: &Workspace,
    origin: &ImportSource,
    apps: &[AppName],
    dry_run: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Imported>, ImportError> {
    workspace.may_push()?;
    let mut wanted: BTreeSet<AppName> = apps.iter().cloned().collect();
    if wanted.is_empty() {
        progress(&format!("listing the tags of {}", origin.shown));
        wanted = origin.apps(workspace)?;
    }
    let nothing = |app: Option<&AppName>| ImportError::Nothing {
        from: origin.shown.clone(),
        origin: origin.origin.clone(),
        app: app.cloned(),
    };
    if wanted.is_empty() {
        return Err(nothing(None));
    }
    progress(&format!("fetching versions from {}", origin.shown));
    let theirs = workspace.read_apps(&origin.git, &origin.key, &origin.shown, &wanted)?;
    if let Some((app, _)) = theirs
        .iter()
        .find(|(_, refs)| refs.numbered().next().is_none())
    {
        return Err(nothing(Some(app)));
    }
    progress(&format!("reading the versions at {}", workspace.remote()));
    let mut ours = workspace.read_own(&wanted)?;
    let mut reports = Vec::new();
    let mut pending = Vec::new();
    for (app, theirs) in &theirs {
        let ours = ours.remove(app).unwrap_or_default();
        let plan = Plan::new(&workspace.repo, app, theirs, &ours);
        reports.push(plan.report.clone());
        if !dry_run {
            pending.push(Pending {
                app,
                theirs,
                ours,
                plan,
            });
        }
    }
    carry_out(workspace, pending, progress)?;
    Ok(reports)
}

/// An app of which something is still to come.
struct Pending<'a> {
    app: &'a AppName,
    theirs: &'a AppRefs,
    /// What the remote held when it was looked at last.
    ours: AppRefs,
    plan: Plan,
}

/// Pushes what is missing, until nothing is.
fn carry_out(
    workspace: &Workspace,
    mut pending: Vec<Pending<'_>>,
    progress: &mut dyn FnMut(&str),
) -> Result<(), ImportError> {
    // Between two pushes, too, whoever stops it is told what became of them.
    let _shield = Shield::raise();
    let mut contention = Contention::new();
    let mut may_arrive = false;
    loop {
        pending.retain(|one| !one.plan.is_done());
        if pending.is_empty() {
            return Ok(());
        }
        let Err(error) = push(workspace, &pending, progress) else {
            return Ok(());
        };
        if error.is_interrupt() {
            return Err(ImportError::Interrupted {
                apps: names(&pending),
                message: error.after(may_arrive).message,
            });
        }
        may_arrive |= error.may_arrive();
        contention.pause();
        // What a refused push means, the refs say.
        let apps = pending.iter().map(|one| one.app.clone()).collect();
        let mut now = (workspace.read_own(&apps)).map_err(|source| ImportError::Unseen {
            apps: names(&pending),
            push: error.to_string(),
            source,
        })?;
        let mut moved = false;
        for one in &mut pending {
            let ours = now.remove(one.app).unwrap_or_default();
            moved |= ours != one.ours;
            one.ours = ours;
            one.plan = Plan::new(&workspace.repo, one.app, one.theirs, &one.ours);
            if let Some(conflict) = one.plan.report.conflicts.pop() {
                return Err(ImportError::Raced {
                    app: one.app.clone(),
                    number: conflict.number,
                    problem: conflict.problem,
                });
            }
        }
        let moved = if moved {
            Moved::Expected
        } else {
            Moved::Nothing
        };
        if contention.lost(moved).is_err() {
            return Err(ImportError::Refused {
                apps: names(&pending),
                message: format!("{error}{}", error.advice()),
            });
        }
    }
}

/// Pushes what is missing of all these apps, up to the first refusal: `last` of each before any tag.
fn push(
    workspace: &Workspace,
    pending: &[Pending<'_>],
    progress: &mut dyn FnMut(&str),
) -> Result<(), GitError> {
    let lasts = pending.iter().filter_map(|one| one.plan.last.clone());
    let lasts: Vec<RefUpdate> = lasts.collect();
    for batch in lasts.chunks(LAST_BATCH) {
        workspace.push(batch, false)?;
    }
    let refs = pending.iter().flat_map(|one| one.plan.refs.iter().cloned());
    let refs: Vec<RefUpdate> = refs.collect();
    for (index, batch) in refs.chunks(BATCH).enumerate() {
        progress(&format!(
            "pushing {} to {}: {} of {} refs",
            names(pending),
            workspace.remote(),
            index * BATCH,
            refs.len()
        ));
        workspace.push_new(batch)?;
    }
    Ok(())
}

/// `checkout`, or `checkout, pay and 3 more`.
fn names(pending: &[Pending<'_>]) -> String {
    let shown: Vec<&str> = pending
        .iter()
        .map(|one| one.app.as_str())
        .take(NAMED_MAX)
        .collect();
    let more = pending.len() - shown.len();
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
