//! The commits of a branch, along first parents, and of a pull along the second one.

use std::collections::BTreeSet;

use git2::{Commit, Oid, Repository};

use super::super::objects;
use super::scope::Walk;

/// Commits that are looked ahead for: what is missing of them is fetched at once.
pub(super) const AHEAD: usize = 256;

/// The commits of a branch, as far as they were asked for.
pub(super) struct Commits {
    pub(super) chain: Vec<Oid>,
    next: Option<Oid>,
    /// Commits whose parents are not in this clone.
    borders: BTreeSet<Oid>,
    /// Why the one behind the last cannot be read.
    problem: Option<String>,
    /// The end of what was brought.
    brought: usize,
}

impl Commits {
    /// Those from `tip` on.
    pub(super) fn new(tip: Oid, repo: &Repository) -> Self {
        Self {
            chain: Vec::new(),
            next: Some(tip),
            borders: borders(repo),
            problem: None,
            brought: 0,
        }
    }

    /// True for a commit whose parents are not in this clone.
    pub(super) fn is_border(&self, oid: Oid) -> bool {
        self.borders.contains(&oid)
    }

    /// The commit at this place; nothing behind the last. All that is missing of it is fetched.
    pub(super) fn get(&mut self, walk: &Walk<'_>, index: usize) -> Result<Option<Oid>, String> {
        if index >= self.brought {
            let start = self.chain.len();
            while let Some(oid) = self.next.filter(|_| self.chain.len() < start + AHEAD) {
                match objects::commit(walk.repo, oid) {
                    Ok(commit) => {
                        self.chain.push(oid);
                        self.next = commit.parent_ids().nth(main_parent(&commit, walk.branch));
                        if self.is_border(oid) {
                            self.next = None;
                        }
                    }
                    Err(problem) => {
                        let oid = oid.to_string();
                        self.problem =
                            Some(format!("commit {} cannot be read: {problem}", &oid[..12]));
                        self.next = None;
                    }
                }
            }
            (walk.bring)(&self.chain[start..])?;
            self.brought = self.chain.len();
        }
        match (self.chain.get(index), &self.problem) {
            (Some(oid), _) => Ok(Some(*oid)),
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => Ok(None),
        }
    }
}

/// Which parent goes on with the branch: the first, but the second where somebody pulled the branch into commits of their own.
pub(super) fn main_parent(commit: &Commit<'_>, branch: Option<&str>) -> usize {
    let message = String::from_utf8_lossy(commit.message_bytes());
    let first = message.lines().next().unwrap_or_default();
    let pulls = branch.is_some_and(|branch| is_pull(first, branch));
    usize::from(pulls && commit.parent_count() == 2)
}

/// True for git's own words for a pull of the branch.
fn is_pull(message: &str, branch: &str) -> bool {
    let of = |rest: &str| {
        let rest = rest.strip_prefix(branch)?.strip_prefix('\'')?;
        Some(rest.starts_with(" of "))
    };
    let tracking = |rest: &str| {
        let (name, into) = rest.split_once('\'')?;
        let (_, name) = name.split_once('/')?;
        Some(name == branch && (into.is_empty() || into.starts_with(" into ")))
    };
    let pulled = message.strip_prefix("Merge branch '").and_then(of);
    let fetched = (message.strip_prefix("Merge remote-tracking branch '")).and_then(tracking);
    pulled == Some(true) || fetched == Some(true)
}

/// The commits at which a shallow clone ends; git writes them down, and nobody else knows.
fn borders(repo: &Repository) -> BTreeSet<Oid> {
    let list = std::fs::read_to_string(repo.commondir().join("shallow"));
    let list = list.unwrap_or_default();
    list.lines()
        .filter_map(|line| Oid::from_str(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_of_the_branch_is_known_by_the_words_of_git() {
        for (message, expected) in [
            ("Merge branch 'main' of https://example.com/shop", true),
            ("Merge branch 'main' of ../shop into main", true),
            ("Merge remote-tracking branch 'origin/main'", true),
            (
                "Merge remote-tracking branch 'origin/main' into canary",
                true,
            ),
            ("Merge branch 'canary' of https://example.com/shop", false),
            ("Merge branch 'main'", false),
            ("Merge branch 'main2' of https://example.com/shop", false),
            ("Merge remote-tracking branch 'origin/canary'", false),
            ("Merge pull request #7 from shop/main", false),
        ] {
            assert_eq!(is_pull(message, "main"), expected, "{message}");
        }
    }
}
