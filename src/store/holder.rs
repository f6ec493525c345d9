//! Which living version has a content: the hint says it at once, where it does not lie.

use std::collections::BTreeSet;

use git2::{Oid, Repository};

use super::history::{self, Entry, Version};
use super::refs::{AppRefs, number_of};
use crate::words::AppName;

/// The living version whose tree is `tree`, as the refs say it; with labels.
///
/// A hint counts if its commit, and the tag of the number that the commit names, agree. Without one, only versions are
/// read that no hint points at: those whose hint was lost. The others have their content elsewhere; who makes hints lie
/// about that gets a second version of the same content, which they could have pushed as well.
pub(super) fn living(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    tree: Oid,
) -> Option<Version> {
    let tree = tree.to_string();
    let hinted = refs.ids.get(&tree).and_then(|commit| {
        let number = history::number_in(repo, app, *commit)?;
        (refs.tags.get(&number.to_string()) == Some(commit)).then_some((number, *commit))
    });
    let known: BTreeSet<&Oid> = refs.ids.values().collect();
    let mut unknown: Vec<_> = refs
        .numbered()
        .filter(|(_, commit)| !known.contains(commit))
        .collect();
    unknown.sort_unstable();
    for (number, commit) in hinted.into_iter().chain(unknown) {
        if let Ok(Entry::Living(mut version)) = history::read_entry(repo, app, number, commit)
            && version.tree == tree
        {
            let names = refs.tags.iter().filter(|(_, oid)| **oid == commit);
            let labels = names.filter(|(name, _)| number_of(name).is_none());
            version.labels = labels.filter_map(|(name, _)| name.parse().ok()).collect();
            return Some(*version);
        }
    }
    None
}
