//! What a clone knows without asking its remote: for shells, which complete words while a person types.
//!
//! Refs alone are read, no commit and no network: an answer comes in milliseconds, and is as old as the last fetch.

use std::collections::BTreeSet;
use std::path::Path;

use super::refs::{AppRefs, Space};
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
}

impl Workspace {
    /// The apps of the work tree, and those with versions that were fetched; sorted.
    #[must_use]
    pub fn known_apps(&self) -> Vec<AppName> {
        let mut apps = BTreeSet::new();
        if let Some(root) = self.repo.workdir() {
            let folder = root.join(&self.settings().apps);
            apps.extend(directories_with_apps(&folder));
        }
        if let Ok(references) = self.repo.references_glob(&self.seen("*")) {
            let skip = self.seen("").len();
            for reference in references.flatten() {
                let name = reference.name().ok().and_then(|name| name.get(skip..));
                let app = name.and_then(|name| name.split('/').next());
                apps.extend(app.and_then(|app| app.parse().ok()));
            }
        }
        apps.into_iter().collect()
    }

    /// The versions of an app that were fetched, newest first.
    #[must_use]
    pub fn known_versions(&self, app: &AppName) -> Vec<KnownVersion> {
        let space = Space::seen(self.key(), app);
        let refs = AppRefs::read(&self.repo, &space).unwrap_or_default();
        let mut labels = super::history::labels(&refs);
        let mut versions: Vec<KnownVersion> = refs
            .numbered()
            .map(|(number, oid)| KnownVersion {
                number,
                labels: labels.remove(&oid).unwrap_or_default(),
            })
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        versions
    }

    /// Where the tags of all apps stand that were seen at the remote.
    fn seen(&self, rest: &str) -> String {
        format!("refs/cutwater-remote/{}/tags/{rest}", self.key())
    }
}

fn directories_with_apps(folder: &Path) -> impl Iterator<Item = AppName> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join(APP_FILE).is_file())
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
