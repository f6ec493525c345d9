//! What a clone knows without asking its remote: for shells, which complete words while a person types.
//!
//! No network, and no commit but those that are asked for one by one: an answer comes in milliseconds, and is as old as the
//! last fetch.

use std::collections::BTreeSet;
use std::path::Path;

use git2::Oid;

use super::history;
use super::refs::AppRefs;
use super::version::{self, Entry};
use super::workspace::Workspace;
use crate::app::APP_FILE;
use crate::words::{AppName, Label, VersionNumber};

/// A version as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVersion {
    /// Its number.
    pub number: VersionNumber,
    /// Its labels.
    pub labels: Vec<Label>,
    commit: Oid,
}

impl Workspace {
    /// The apps of the work tree, sorted. This asks the folder alone, and is the cheapest of all.
    #[must_use]
    pub fn apps_in_work_tree(&self) -> Vec<AppName> {
        let Some(root) = self.repo.workdir() else {
            return Vec::new();
        };
        let mut apps: Vec<AppName> =
            directories_with_apps(&root.join(&self.settings().apps)).collect();
        apps.sort();
        apps
    }

    /// True if the work tree has an `app.yaml` of this app, committed or not.
    #[must_use]
    pub fn is_in_work_tree(&self, app: &AppName) -> bool {
        let root = self.repo.workdir();
        root.is_some_and(|root| {
            let folder = root.join(&self.settings().apps).join(app.as_str());
            folder.join(APP_FILE).is_file()
        })
    }

    /// The names of the branches of this clone, and of those of its remotes as they were seen last, such as `origin/main`.
    #[must_use]
    pub fn known_branches(&self) -> Vec<String> {
        let branches = self.repo.branches(None).into_iter().flatten().flatten();
        let name = |(branch, _): (git2::Branch<'_>, _)| {
            let name = branch.name().ok().flatten()?.to_owned();
            (!name.ends_with("/HEAD")).then_some(name)
        };
        branches.filter_map(name).collect()
    }

    /// The apps of the work tree, and those with versions that were fetched; sorted.
    #[must_use]
    pub fn known_apps(&self) -> Vec<AppName> {
        let mut apps = BTreeSet::from_iter(self.apps_in_work_tree());
        let mut last = String::new();
        self.walk("", |name, _| {
            // Refs come in order: an app is looked at once, and not for each of its versions.
            let app = name.split('/').next().unwrap_or_default();
            if app != last {
                app.clone_into(&mut last);
                apps.extend(app.parse());
            }
        });
        apps.into_iter().collect()
    }

    /// The tags of an app at a version's place that were fetched, newest first.
    #[must_use]
    pub fn known_versions(&self, app: &AppName) -> Vec<KnownVersion> {
        let mut refs = AppRefs::default();
        self.walk(&format!("{app}/"), |name, oid| {
            refs.tags.insert(name.to_owned(), oid);
        });
        let mut labels = history::labels(&refs);
        let mut versions: Vec<KnownVersion> = refs
            .numbered()
            .map(|(number, oid)| KnownVersion {
                number,
                commit: oid,
                labels: labels.remove(&oid).unwrap_or_default(),
            })
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        versions
    }

    /// False for one that was deleted, or that Cutwater did not publish. Reads one commit.
    #[must_use]
    pub fn is_living(&self, app: &AppName, version: &KnownVersion) -> bool {
        let entry = version::read_entry(&self.repo, app, version.number, version.commit);
        matches!(entry, Ok(Entry::Living(_)))
    }

    /// Calls `found` with the rest of the name of each tag that was seen at the remote, below `prefix`. One walk: libgit2
    /// goes through all packed refs for each.
    fn walk(&self, prefix: &str, mut found: impl FnMut(&str, Oid)) {
        let prefix = format!("refs/cutwater-remote/{}/tags/{prefix}", self.key());
        let Ok(references) = self.repo.references_glob(&format!("{prefix}*")) else {
            return;
        };
        for reference in references.flatten() {
            if let (Ok(name), Some(oid)) = (reference.name(), reference.target())
                && let Some(rest) = name.strip_prefix(&prefix)
            {
                found(rest, oid);
            }
        }
    }
}

fn directories_with_apps(folder: &Path) -> impl Iterator<Item = AppName> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join(APP_FILE).is_file())
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
