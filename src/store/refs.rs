//! Names of refs, each made in one place, and the refs of an app as they are read.

use std::collections::BTreeMap;

use git2::{Oid, Repository};

use crate::words::{AppName, VersionNumber};

/// Where the refs of one app stand in a repository.
#[derive(Debug, Clone)]
pub(super) struct Space {
    /// Prefix of version tags and labels, with a slash at the end.
    pub(super) tags: String,
    /// Prefix of `last` and `ids`, with a slash at the end.
    pub(super) own: String,
}

impl Space {
    /// At the remote, and in the controller's mirror.
    pub(super) fn canonical(app: &AppName) -> Self {
        Self {
            tags: format!("refs/tags/{app}/"),
            own: format!("refs/cutwater/{app}/"),
        }
    }

    /// In a person's clone: what was seen at the remote `key` the last time, apart from that person's own tags.
    pub(super) fn seen(key: &str, app: &AppName) -> Self {
        Self {
            tags: format!("refs/cutwater-remote/{key}/tags/{app}/"),
            own: format!("refs/cutwater-remote/{key}/own/{app}/"),
        }
    }

    /// The refspecs that bring the app's refs from a remote to here. Globs: a missing exact ref would fail the fetch.
    pub(super) fn refspecs(&self, app: &AppName) -> [String; 2] {
        let from = Self::canonical(app);
        [
            format!("+{}*:{}*", from.tags, self.tags),
            format!("+{}*:{}*", from.own, self.own),
        ]
    }

    pub(super) fn version(&self, number: VersionNumber) -> String {
        format!("{}{number}", self.tags)
    }

    pub(super) fn tag(&self, name: &str) -> String {
        format!("{}{name}", self.tags)
    }

    pub(super) fn last(&self) -> String {
        format!("{}last", self.own)
    }

    /// Prefix of the ledgers, with a slash at the end.
    pub(super) fn deployments(&self) -> String {
        format!("{}deployments/", self.own)
    }

    /// The hint of a tree.
    pub(super) fn id(&self, tree: impl std::fmt::Display) -> String {
        format!("{}ids/{tree}", self.own)
    }
}

/// The refs of one app, read at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AppRefs {
    /// Tags by the part of their name behind the app.
    pub(super) tags: BTreeMap<String, Oid>,
    /// The commit of the newest version ever published.
    pub(super) last: Option<Oid>,
    /// Hints: commits by tree id.
    pub(super) ids: BTreeMap<String, Oid>,
}

impl AppRefs {
    pub(super) fn read(repo: &Repository, space: &Space) -> Result<Self, git2::Error> {
        let mut refs = Self::default();
        each(repo, &space.tags, |name, oid| {
            refs.tags.insert(name.to_owned(), oid);
        })?;
        each(repo, &space.own, |name, oid| {
            if name == "last" {
                refs.last = Some(oid);
            } else if let Some(tree) = name.strip_prefix("ids/") {
                refs.ids.insert(tree.to_owned(), oid);
            }
        })?;
        Ok(refs)
    }

    /// Tags that stand at a version's place, whoever made them.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (VersionNumber, Oid)> {
        let numbered = |(name, oid): (&String, &Oid)| Some((number_of(name)?, *oid));
        self.tags.iter().filter_map(numbered)
    }
}

/// `v8`, and only that spelling.
pub(super) fn number_of(name: &str) -> Option<VersionNumber> {
    name.starts_with('v').then(|| name.parse().ok()).flatten()
}

/// Calls `found` for every direct ref below `prefix` with the rest of its name.
pub(super) fn each(
    repo: &Repository,
    prefix: &str,
    mut found: impl FnMut(&str, Oid),
) -> Result<(), git2::Error> {
    for reference in repo.references_glob(&format!("{prefix}*"))? {
        // One ref that cannot be read hides no other.
        let Ok(reference) = reference else { continue };
        let (Ok(name), Some(oid)) = (reference.name(), reference.target()) else {
            continue;
        };
        if let Some(rest) = name.strip_prefix(prefix) {
            found(rest, oid);
        }
    }
    Ok(())
}
