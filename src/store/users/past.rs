//! What a branch deployed: the commits of the tracked branch that changed what the releases say about an app.

use std::collections::BTreeMap;

use git2::{Commit, Oid, Repository};
use jiff::Timestamp;

use super::super::history::Person;
use super::super::mirror::Mirror;
use super::super::objects;
use super::super::release::{made_by, reason, rolled_back_from};
use super::super::workspace::Workspace;
use super::branches::{Branch, Reader};
use crate::api::WantedVersion;
use crate::releases::Kind;
use crate::words::{AppName, VersionNumber};

/// Most commits that are looked at.
const COMMITS_MAX: usize = 100_000;

/// A change of one Deployment or Alias of the app.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The commit of the branch: 40 hex digits.
    pub commit: String,
    /// Who made the commit.
    pub author: Person,
    /// When it came to be.
    pub at: Timestamp,
    /// Why: what the person said where a command made the commit, else the first line of its message.
    pub message: String,
    /// The file.
    pub file: String,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace, where the file names one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// What made the commit, such as `cli`, where it says so.
    pub source: Option<String>,
    /// What it asks for from then on; nothing where it was removed.
    pub versions: Vec<WantedVersion>,
    /// For a rollback by a command: the versions that it went away from, the one with the largest share first.
    pub rolled_back_from: Vec<VersionNumber>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Changes, the newest first.
    pub changes: Vec<Change>,
    /// Why older ones are not known, other than the limit.
    pub problem: Option<String>,
}

/// What an object asks for, by its folder, kind, namespace and name.
type State = BTreeMap<(String, Kind, Option<String>, String), (String, Vec<WantedVersion>)>;

impl Workspace {
    /// The newest `limit` changes of the app's objects in the branch: along first parents, so a merge is one change.
    /// Where files cannot be read, nothing changed until they can be read again.
    #[must_use]
    pub fn past(&self, app: &AppName, branch: &Branch, limit: usize) -> Past {
        let folder = &self.settings().releases;
        let mut past = walk(&self.repo, folder, app, &branch.commit, |changes| {
            changes.len() >= limit
        });
        past.changes.truncate(limit);
        past
    }
}

impl Mirror {
    /// The change that gave a Deployment of the app, by its name, what it asks for in a commit of the branch.
    #[must_use]
    pub fn change(
        &self,
        app: &AppName,
        name: &str,
        commit: &str,
        releases: &str,
    ) -> Option<Change> {
        let is_this = |change: &Change| change.kind == Kind::Deployment && change.name == name;
        // A handle of its own: nobody waits for a long walk.
        let repo = Repository::open_bare(self.dir()).ok()?;
        let past = walk(&repo, releases, app, commit, |changes| {
            changes.iter().any(is_this)
        });
        past.changes.into_iter().find(is_this)
    }
}

/// The changes of the app's objects up to a commit, the newest first, until there are enough.
fn walk(
    repo: &Repository,
    folder: &str,
    app: &AppName,
    commit: &str,
    enough: impl Fn(&[Change]) -> bool,
) -> Past {
    let mut past = Past::default();
    let mut reader = Reader::new(repo, folder, Some(app));
    let Ok(mut oid) = Oid::from_str(commit) else {
        return past;
    };
    let mut tree = reader.tree(oid);
    let mut now = state(&mut reader, &tree, app);
    for _ in 0..COMMITS_MAX {
        if enough(&past.changes) {
            return past;
        }
        let (parent, known) = match parent(repo, oid) {
            Ok(parent) => parent,
            Err(problem) => {
                past.problem = Some(problem);
                return past;
            }
        };
        if parent.is_some() && known.is_none() {
            let problem = "this clone is shallow; `git fetch --unshallow` brings the rest";
            past.problem = Some(problem.to_owned());
            return past;
        }
        let tree_before = known.map_or(Ok(None), |oid| reader.tree(oid));
        if tree_before != tree {
            let before = state(&mut reader, &tree_before, app);
            if let (Some(now), Some(before)) = (&now, &before) {
                past.changes.extend(changes(repo, app, oid, now, before));
            }
            now = before.or(now);
        }
        let Some(next) = known else {
            return past;
        };
        (oid, tree) = (next, tree_before);
    }
    if !enough(&past.changes) {
        past.problem = Some(format!("only {COMMITS_MAX} commits are looked at"));
    }
    past
}

/// The first parent of a commit, and the same once more if it is here.
fn parent(repo: &Repository, oid: Oid) -> Result<(Option<Oid>, Option<Oid>), String> {
    let commit = repo.find_commit(oid);
    let commit = commit.map_err(|error| error.message().to_owned())?;
    let parent = commit.parent_ids().next();
    Ok((parent, parent.filter(|oid| repo.find_commit(*oid).is_ok())))
}

/// What the releases of a commit ask of the app; nothing where that cannot be known.
fn state(
    reader: &mut Reader<'_>,
    tree: &Result<Option<Oid>, String>,
    app: &AppName,
) -> Option<State> {
    let Some(tree) = tree.as_ref().ok()? else {
        return Some(State::new());
    };
    let read = reader.read(*tree);
    if read.unreadable.iter().any(|file| file.may_concern) {
        return None;
    }
    let ours = read.releases.iter().filter(|release| release.app() == app);
    let ours = ours.map(|release| {
        let folder = release.file.rsplit_once('/').unwrap_or_default().0;
        let key = (
            folder.to_owned(),
            release.kind(),
            release.namespace().map(str::to_owned),
            release.name().to_owned(),
        );
        (key, (release.file.clone(), release.wanted.versions.clone()))
    });
    Some(ours.collect())
}

/// What differs, as changes by that commit.
fn changes(
    repo: &Repository,
    app: &AppName,
    oid: Oid,
    newer: &State,
    older: &State,
) -> Vec<Change> {
    let Ok(commit) = repo.find_commit(oid) else {
        return Vec::new();
    };
    let text = |bytes: &[u8]| -> String {
        let text = String::from_utf8_lossy(bytes);
        text.chars().filter(|c| !c.is_control()).collect()
    };
    let author = commit.author();
    let from = said(repo, &commit, |text| {
        Some(rolled_back_from(text, app)).filter(|from| !from.is_empty())
    })
    .unwrap_or_default();
    let source = said(repo, &commit, |text| made_by(text, app));
    let reason = said(repo, &commit, |text| reason(text, app));
    let mut keys: Vec<_> = newer.keys().chain(older.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &&(String, Kind, Option<String>, String)| {
        let (now, before) = (newer.get(*key), older.get(*key));
        let same = now.map(|(_, versions)| versions) == before.map(|(_, versions)| versions);
        if same {
            return None;
        }
        let (file, _) = now.or(before)?;
        Some(Change {
            commit: oid.to_string(),
            author: Person {
                name: text(author.name_bytes()),
                email: text(author.email_bytes()),
            },
            at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
            message: (reason.clone())
                .unwrap_or_else(|| text(commit.summary_bytes().unwrap_or_default())),
            file: file.clone(),
            kind: key.1,
            namespace: key.2.clone(),
            name: key.3.clone(),
            source: source.clone(),
            versions: now
                .map(|(_, versions)| versions.clone())
                .unwrap_or_default(),
            // A rollback is of a Deployment.
            rolled_back_from: match key.1 {
                Kind::Deployment => from.clone(),
                Kind::Alias => Vec::new(),
            },
        })
    };
    keys.iter().filter_map(change).collect()
}

/// What the message of a commit says; where it merges a pull request and says nothing, what the commit that it merges says.
fn said<T>(repo: &Repository, commit: &Commit<'_>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = |commit: &Commit<'_>| String::from_utf8_lossy(commit.message_bytes()).into_owned();
    read(&text(commit)).or_else(|| {
        let merged = objects::commit(repo, commit.parent_ids().nth(1)?).ok()?;
        read(&text(&merged))
    })
}
