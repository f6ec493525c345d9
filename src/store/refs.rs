//! Names of refs, each made in one place, and the refs of an app as they are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git2::{ObjectType, Oid, Repository};

use super::{loose_objects, objects};
use crate::words::{AppName, VersionNumber};

/// Largest annotated tag that is read, and most of them that name each other.
const TAG_MAX: usize = 1024 * 1024;
const TAGS_MAX: usize = 4;

/// Prefix of all tags.
const TAGS: &str = "refs/tags/";

/// The refspec that brings the tags of all apps to a mirror.
pub(crate) const ALL_TAGS: &str = "+refs/tags/*:refs/tags/*";

/// Where the refs of one app stand in a repository.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    /// Prefix of version tags and labels, with a slash at the end.
    pub(crate) tags: String,
    /// Prefix of `last` and `ids`, with a slash at the end.
    pub(crate) own: String,
    /// What a clone itself remembers as the newest version of ours that it ever saw; no remote has it, and no fetch takes it away.
    pub(crate) spent: Option<String>,
}

impl Space {
    /// At the remote, and in the controller's mirror.
    pub(crate) fn canonical(app: &AppName) -> Self {
        Self {
            tags: format!("refs/tags/{app}/"),
            own: format!("refs/cutwater/{app}/"),
            spent: None,
        }
    }

    /// In a person's clone: what was seen at the remote `key` the last time, apart from that person's own tags.
    pub(crate) fn seen(key: &str, app: &AppName) -> Self {
        Self {
            tags: format!("refs/cutwater-remote/{key}/tags/{app}/"),
            own: format!("refs/cutwater-remote/{key}/own/{app}/"),
            spent: Some(format!("refs/cutwater-remote/{key}/spent/{app}")),
        }
    }

    /// The refspecs that bring the app's refs from a remote to here. Globs: a missing exact ref would fail the fetch.
    pub(crate) fn refspecs(&self, app: &AppName) -> [String; 2] {
        let from = Self::canonical(app);
        [
            format!("+{}*:{}*", from.tags, self.tags),
            format!("+{}*:{}*", from.own, self.own),
        ]
    }

    /// The refspec that brings the app's tags alone.
    pub(crate) fn tags_refspec(&self, app: &AppName) -> String {
        let [tags, _] = self.refspecs(app);
        tags
    }

    pub(crate) fn version(&self, number: VersionNumber) -> String {
        format!("{}{number}", self.tags)
    }

    pub(crate) fn tag(&self, name: &str) -> String {
        format!("{}{name}", self.tags)
    }

    pub(crate) fn last(&self) -> String {
        format!("{}last", self.own)
    }

    /// Prefix of the ledgers, with a slash at the end.
    pub(crate) fn deployments(&self) -> String {
        format!("{}deployments/", self.own)
    }

    /// The hint of a tree.
    pub(crate) fn id(&self, tree: impl std::fmt::Display) -> String {
        format!("{}ids/{tree}", self.own)
    }
}

/// The refs of one app, read at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppRefs {
    /// Tags by the part of their name behind the app. Of an annotated tag at a label's place, the commit that it names.
    pub(crate) tags: BTreeMap<String, Oid>,
    /// The objects of these annotated tags: a push expects them.
    pub(crate) annotated: BTreeMap<String, Oid>,
    /// The commit of the newest version ever published.
    pub(crate) last: Option<Oid>,
    /// The commit of the newest version of ours that this clone ever saw, also where its tag is gone.
    pub(crate) spent: Option<Oid>,
    /// Hints: commits by tree id.
    pub(crate) ids: BTreeMap<String, Oid>,
    /// Refs that lead to nothing by themselves, with what is wrong.
    pub(crate) odd: Vec<(String, String)>,
}

impl AppRefs {
    pub(crate) fn read(repo: &Repository, space: &Space) -> Result<Self, git2::Error> {
        let mut refs = Self::default();
        let mut odd = Vec::new();
        let tags = |name: &str, oid| {
            refs.tags.insert(name.to_owned(), oid);
        };
        each_or_odd(repo, &space.tags, tags, &mut odd)?;
        refs.peel(repo);
        let own = |name: &str, oid| {
            if name == "last" {
                refs.last = Some(oid);
            } else if let Some(tree) = name.strip_prefix("ids/") {
                refs.ids.insert(tree.to_owned(), oid);
            }
        };
        each_or_odd(repo, &space.own, own, &mut odd)?;
        refs.odd = odd;
        let spent = space.spent.as_deref();
        refs.spent = spent.and_then(|name| repo.refname_to_id(name).ok());
        Ok(refs)
    }

    /// The tags of these apps at their canonical place, in one pass over all refs, and how many tags there are in all.
    ///
    /// libgit2 copies the whole list of packed refs for each walk, so one per app costs the square of the apps.
    pub(crate) fn read_tags(
        repo: &Repository,
        apps: &BTreeSet<AppName>,
    ) -> Result<(BTreeMap<AppName, Self>, usize), git2::Error> {
        let mut all = 0;
        let mut found: HashMap<&str, Self> = apps
            .iter()
            .map(|app| (app.as_str(), Self::default()))
            .collect();
        let mut odd = Vec::new();
        let tags = |name: &str, oid| {
            all += 1;
            if let Some((app, tag)) = name.split_once('/')
                && let Some(refs) = found.get_mut(app)
            {
                refs.tags.insert(tag.to_owned(), oid);
            }
        };
        each_or_odd(repo, TAGS, tags, &mut odd)?;
        for (name, problem) in odd {
            let app = name
                .strip_prefix(TAGS)
                .and_then(|name| name.split_once('/'));
            if let Some(refs) = app.and_then(|(app, _)| found.get_mut(app)) {
                refs.odd.push((name, problem));
            }
        }
        for refs in found.values_mut() {
            refs.peel(repo);
        }
        let refs = |app: &AppName| found.remove(app.as_str()).unwrap_or_default();
        Ok((
            apps.iter().cloned().zip(apps.iter().map(refs)).collect(),
            all,
        ))
    }

    /// Follows annotated tags, as `git tag -a` and releases of forges make them, to the commits that they name. A label that
    /// names the commit of a version's tag needs no look.
    fn peel(&mut self, repo: &Repository) {
        let versions: BTreeSet<Oid> = self.numbered().map(|(_, oid)| oid).collect();
        for (name, oid) in &mut self.tags {
            if number_of(name).is_some() || versions.contains(oid) {
                continue;
            }
            if let Some(commit) = peeled(repo, *oid) {
                self.annotated.insert(name.clone(), *oid);
                *oid = commit;
            }
        }
    }

    /// The object that the remote holds at a tag.
    pub(crate) fn object(&self, name: &str) -> Option<Oid> {
        self.annotated
            .get(name)
            .or_else(|| self.tags.get(name))
            .copied()
    }

    /// How many tags are not as they are in `before`; those that are gone are not counted.
    pub(crate) fn moved(&self, before: &Self) -> usize {
        let moved = |(name, oid): &(&String, &Oid)| before.tags.get(*name) != Some(*oid);
        self.tags.iter().filter(moved).count()
    }

    /// Tags that stand at a version's place, whoever made them.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (VersionNumber, Oid)> {
        let numbered = |(name, oid): (&String, &Oid)| Some((number_of(name)?, *oid));
        self.tags.iter().filter_map(numbered)
    }
}

/// The commit that an annotated tag names, also through others; nothing where it is no such tag.
fn peeled(repo: &Repository, tag: Oid) -> Option<Oid> {
    let mut oid = tag;
    for _ in 0..TAGS_MAX {
        let (size, kind) = objects::header(repo, oid).ok()?;
        match kind {
            ObjectType::Commit => return (oid != tag).then_some(oid),
            ObjectType::Tag if size <= TAG_MAX => {
                loose_objects::check(repo, oid, size).ok()?;
                oid = repo.find_tag(oid).ok()?.target_id();
            }
            _ => return None,
        }
    }
    None
}

/// `v8`, and only that spelling.
pub(crate) fn number_of(name: &str) -> Option<VersionNumber> {
    name.starts_with('v').then(|| name.parse().ok()).flatten()
}

/// Calls `found` for every direct ref below `prefix` with the rest of its name.
pub(crate) fn each(
    repo: &Repository,
    prefix: &str,
    found: impl FnMut(&str, Oid),
) -> Result<(), git2::Error> {
    each_or_odd(repo, prefix, found, &mut Vec::new())
}

/// The same; what others there are goes into `odd`, with what is wrong.
fn each_or_odd(
    repo: &Repository,
    prefix: &str,
    mut found: impl FnMut(&str, Oid),
    odd: &mut Vec<(String, String)>,
) -> Result<(), git2::Error> {
    for reference in repo.references_glob(&format!("{prefix}*"))? {
        // One ref that cannot be read hides no other.
        let Ok(reference) = reference else { continue };
        let Ok(name) = reference.name() else {
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            odd.push((name, "has a name that is not UTF-8".to_owned()));
            continue;
        };
        match (name.strip_prefix(prefix), reference.target()) {
            (Some(rest), Some(oid)) => found(rest, oid),
            _ => odd.push((
                name.to_owned(),
                "is symbolic: it names another ref, and no commit".to_owned(),
            )),
        }
    }
    Ok(())
}
