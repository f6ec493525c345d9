//! Which living version has a content: the hint says it at once, where it does not lie.

use git2::{Oid, Repository};

use super::objects;
use super::refs::{AppRefs, number_of};
use super::version::{self, Entry, Version};
use crate::words::{AppName, VersionNumber};

/// The living version whose tree is `tree`, as the refs say it; with labels.
///
/// A hint counts if its commit, and the tag of the number that the commit names, agree. A hint that is not there says
/// nothing: it may be lost, or lie elsewhere. So each version's commit is read then, though of most nothing but the tree.
pub(super) fn living(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    tree: Oid,
) -> Option<Version> {
    let hinted = refs.ids.get(&tree.to_string()).and_then(|commit| {
        let number = version::number_in(repo, app, *commit)?;
        (refs.tags.get(&number.to_string()) == Some(commit)).then_some((number, *commit))
    });
    if let Some(version) = hinted.and_then(|at| version(repo, app, refs, tree, at)) {
        return Some(version);
    }
    let mut numbered: Vec<_> = refs.numbered().collect();
    numbered.sort_unstable();
    let has_tree = |commit| objects::commit(repo, commit).is_ok_and(|c| c.tree_id() == tree);
    numbered
        .into_iter()
        .filter(|(_, commit)| has_tree(*commit))
        .find_map(|at| version(repo, app, refs, tree, at))
}

/// The version at a number, if it lives and has that content.
fn version(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    tree: Oid,
    (number, commit): (VersionNumber, Oid),
) -> Option<Version> {
    let Ok(Entry::Living(mut version)) = version::read_entry(repo, app, number, commit) else {
        return None;
    };
    let names = refs.tags.iter().filter(|(_, oid)| **oid == commit);
    let labels = names.filter(|(name, _)| number_of(name).is_none());
    version.labels = labels.filter_map(|(name, _)| name.parse().ok()).collect();
    (version.tree == tree.into()).then_some(*version)
}
