//! Goes back through the commits of a branch, along first parents (of a pull along the second one), and finds those that changed what the releases ask of an
//! app. A commit whose releases are those of its parent costs no more than a look at two trees.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Commit, Oid, Repository};
use jiff::Timestamp;

use super::super::history::Person;
use super::super::objects;
use super::super::release::{made_by, reason, rolled_back_from};
use super::branches::folder_of;
use super::past::Change;
use super::states::{Key, Reader, State, States};
use crate::releases::Kind;
use crate::words::AppName;

/// Most commits that are looked at.
const COMMITS_MAX: usize = 100_000;
/// Commits that are looked ahead for: what is missing of them is fetched at once.
const AHEAD: usize = 256;

/// Where to walk.
pub(super) struct Walk<'a> {
    pub(super) repo: &'a Repository,
    /// Folder of the releases.
    pub(super) folder: &'a str,
    /// The tracked branch, where it is known.
    pub(super) branch: Option<&'a str>,
    pub(super) app: &'a AppName,
    /// Fetches what is missing of the releases of commits.
    pub(super) bring: &'a dyn Fn(&[Oid]) -> Result<(), String>,
}

/// Why a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// There is no older commit.
    Root,
    /// There are enough changes.
    Enough,
    /// The clone is shallow: older commits are not in it.
    Shallow,
    /// Older commits cannot be read.
    Problem(String),
}

/// What was found.
pub(super) struct Walked {
    /// The changes, the newest first.
    pub(super) changes: Vec<Change>,
    /// The commits that were walked over, the newest first.
    pub(super) chain: Vec<Oid>,
    pub(super) end: End,
}

impl Walk<'_> {
    /// Walks from a commit until there are enough changes.
    pub(super) fn from(&self, tip: Oid, enough: impl Fn(&[Change]) -> bool) -> Walked {
        let mut found = Found {
            changes: Vec::new(),
            open: BTreeMap::new(),
            moved: BTreeMap::new(),
        };
        let mut commits = Commits::new(tip, borders(self.repo));
        let end = self.go(&mut commits, &mut found, enough);
        Walked {
            changes: found.changes,
            chain: commits.chain,
            end: end.unwrap_or_else(End::Problem),
        }
    }

    fn go(
        &self,
        commits: &mut Commits,
        found: &mut Found,
        enough: impl Fn(&[Change]) -> bool,
    ) -> Result<End, String> {
        let cannot = |oid: Oid, problem: String| {
            let oid = oid.to_string();
            format!("commit {} cannot be read: {problem}", &oid[..12])
        };
        let tree = |oid: Oid| {
            folder_of(self.repo, self.folder, oid).map_err(|problem| cannot(oid, problem))
        };
        let mut reader = Reader::new(self.repo, self.folder, self.app);
        let step = |reader: &mut Reader<'_>, states: &States, oid: Oid, trees: (_, _)| {
            let next = reader.step(states, trees.0, trees.1);
            next.map_err(|problem| cannot(oid, problem))
        };
        let Some(mut now) = commits.get(self, 0)? else {
            return Ok(End::Root);
        };
        let mut tree_now = tree(now)?;
        let mut states = step(&mut reader, &States::default(), now, (None, tree_now))?;
        for index in 1..COMMITS_MAX {
            // Whether a change is one is not known while what was before is not.
            if found.open.values().all(Option::is_none) && enough(&found.changes) {
                return Ok(End::Enough);
            }
            let before = commits.get(self, index)?;
            if before.is_none() && commits.is_border(now) {
                return Ok(End::Shallow);
            }
            let tree_before = before.map_or(Ok(None), tree)?;
            if tree_before != tree_now {
                let oid = before.unwrap_or(now);
                let older = step(&mut reader, &states, oid, (tree_now, tree_before))?;
                found.compare(&self.about(now, index - 1)?, &states, &older);
                states = older;
            }
            // What was done beside the branch before a pull is one change, if it is.
            if let Some((before, side)) = before.and_then(|oid| Some((oid, self.side(now, oid)?))) {
                let lines = self.line(&mut reader, (&states, tree_before), before, side);
                let lines = lines.map_err(|problem| cannot(side, problem))?;
                found.doubt(&self.about(now, index - 1)?, &states, &lines);
            }
            let Some(before) = before else {
                return Ok(End::Root);
            };
            (now, tree_now) = (before, tree_before);
        }
        Err(format!("only {COMMITS_MAX} commits are looked at"))
    }

    /// The first parent of a pull, where the walk goes on with the second one.
    fn side(&self, pull: Oid, next: Oid) -> Option<Oid> {
        let commit = objects::commit(self.repo, pull).ok()?;
        let first = commit.parent_ids().next()?;
        (first != next).then_some(first)
    }

    /// What the commits of a line ask from `side` on, the newest first, and down to the one that it has in common with `other`.
    fn line(
        &self,
        reader: &mut Reader<'_>,
        (states, tree): (&States, Option<Oid>),
        other: Oid,
        side: Oid,
    ) -> Result<Vec<States>, String> {
        let mut commits = Vec::new();
        let mut next = Some(side);
        while let Some(oid) = next {
            if commits.len() >= AHEAD {
                return Err(format!(
                    "more than {AHEAD} commits were made beside the branch"
                ));
            }
            commits.push(oid);
            let above = self.repo.graph_descendant_of(other, oid);
            if oid == other || above.map_err(|error| error.message().to_owned())? {
                break;
            }
            next = objects::commit(self.repo, oid)?.parent_ids().next();
        }
        (self.bring)(&commits)?;
        let (mut states, mut tree) = (states.clone(), tree);
        let mut line = Vec::new();
        for oid in commits {
            let to = folder_of(self.repo, self.folder, oid)?;
            states = reader.step(&states, tree, to)?;
            tree = to;
            line.push(states.clone());
        }
        Ok(line)
    }

    /// What a commit says of itself, as a change of nothing yet.
    fn about(&self, oid: Oid, position: usize) -> Result<Change, String> {
        let commit = objects::commit(self.repo, oid)?;
        let text = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes);
            text.chars().filter(|c| !c.is_control()).collect()
        };
        let author = commit.author();
        let said = self.said(&commit, |text| reason(text, self.app));
        let from = self.said(&commit, |text| {
            Some(rolled_back_from(text, self.app)).filter(|from| !from.is_empty())
        });
        Ok(Change {
            commit: oid.to_string(),
            position,
            author: Person {
                name: text(author.name_bytes()),
                email: text(author.email_bytes()),
            },
            at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
            message: said.unwrap_or_else(|| text(commit.summary_bytes().unwrap_or_default())),
            file: String::new(),
            folder: String::new(),
            kind: Kind::Deployment,
            namespace: None,
            name: String::new(),
            source: self.said(&commit, |text| made_by(text, self.app)),
            versions: Vec::new(),
            rolled_back_from: from.unwrap_or_default(),
            unknown: None,
            passing: false,
        })
    }

    /// What the message of a commit says; where it merges a pull request and says nothing, what the commit that it merges
    /// says.
    fn said<T>(&self, commit: &Commit<'_>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text =
            |commit: &Commit<'_>| String::from_utf8_lossy(commit.message_bytes()).into_owned();
        read(&text(commit)).or_else(|| {
            let place = 1 - main_parent(commit, self.branch);
            let merged = commit
                .parent_ids()
                .nth(1)
                .and(commit.parent_ids().nth(place))?;
            let merged = objects::commit(self.repo, merged).ok()?;
            read(&text(&merged))
        })
    }
}

/// The commits of a branch, as far as they were asked for.
struct Commits {
    chain: Vec<Oid>,
    next: Option<Oid>,
    /// Commits whose parents are not in this clone.
    borders: BTreeSet<Oid>,
    /// Why the one behind the last cannot be read.
    problem: Option<String>,
    /// The end of what was brought.
    brought: usize,
}

impl Commits {
    fn new(tip: Oid, borders: BTreeSet<Oid>) -> Self {
        Self {
            chain: Vec::new(),
            next: Some(tip),
            borders,
            problem: None,
            brought: 0,
        }
    }

    fn is_border(&self, oid: Oid) -> bool {
        self.borders.contains(&oid)
    }

    /// The commit at this place; nothing behind the last. All that is missing of it is fetched.
    fn get(&mut self, walk: &Walk<'_>, index: usize) -> Result<Option<Oid>, String> {
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
fn main_parent(commit: &Commit<'_>, branch: Option<&str>) -> usize {
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

/// Changes that were found.
struct Found {
    changes: Vec<Change>,
    /// Objects of which cannot be known what older commits ask, and the place of the change that ended that.
    open: BTreeMap<Key, Option<usize>>,
    /// What objects are called now that were called otherwise in older commits.
    moved: BTreeMap<Key, Key>,
}

impl Found {
    /// Adds what a commit changed.
    fn compare(&mut self, commit: &Change, newer: &States, older: &States) {
        let mut keys: BTreeSet<Key> = newer.keys().chain(older.keys()).cloned().collect();
        keys.extend(self.open.keys().cloned());
        let pair = |key: Key| {
            let (now, before) = (newer.of(&key), older.of(&key));
            (key, now, before)
        };
        let mut pairs: Vec<(Key, State, State)> = keys.into_iter().map(pair).collect();
        for kind in [Kind::Deployment, Kind::Alias] {
            self.follow(kind, &mut pairs);
        }
        for (key, now, before) in pairs {
            self.add(commit, &key, &now, &before);
        }
    }

    /// Of a pull: `line` is what the commits asked that were made beside the branch, down to where it began, and `branch` what
    /// the branch asked. Where both changed an object, or the line changed it more than once, nobody can tell which of them was
    /// deployed.
    fn doubt(&mut self, pull: &Change, branch: &States, line: &[States]) {
        let Some(base) = line.last() else { return };
        let keys: BTreeSet<Key> = (line.iter().chain([branch]))
            .flat_map(States::keys)
            .cloned()
            .collect();
        for key in keys {
            let neighbours = line.windows(2);
            let changed = |pair: &&[States]| !pair[0].of(&key).is_like(&pair[1].of(&key));
            let count = neighbours.filter(changed).count();
            let both = count > 0 && !branch.of(&key).is_like(&base.of(&key));
            if count < 2 && !both {
                continue;
            }
            let called = self.moved.get(&key).unwrap_or(&key);
            let mut change = of(pull, called, &branch.of(&key));
            change.unknown =
                Some("it merges two lines of commits that both may have been deployed".to_owned());
            self.changes.push(change);
        }
    }

    /// An object that goes into another folder, or gets another name or namespace in its file, is the same one: the only one
    /// that is gone and the only one that is new.
    fn follow(&mut self, kind: Kind, pairs: &mut Vec<(Key, State, State)>) {
        let only = |is: &dyn Fn(&State, &State) -> bool| {
            let mut found = (pairs.iter().enumerate())
                .filter(|(_, (key, now, before))| key.kind == kind && is(now, before));
            let first = found.next().map(|(index, _)| index);
            first.filter(|_| found.next().is_none())
        };
        let is_new =
            |now: &State, before: &State| matches!((now, before), (State::Asks(..), State::Absent));
        let new = only(&is_new);
        let gone = only(&|now, before| is_new(before, now));
        let (Some(new), Some(gone)) = (new, gone) else {
            return;
        };
        let (key, now, _) = &pairs[new];
        let (old, _, before) = &pairs[gone];
        let same_name = (&key.namespace, &key.name) == (&old.namespace, &old.name);
        if !same_name && file_of(now) != file_of(before) {
            return;
        }
        let called = self.moved.get(key).unwrap_or(key).clone();
        self.moved.insert(old.clone(), called);
        pairs[new].2 = before.clone();
        pairs.remove(gone);
    }

    /// Adds what a commit changed in one object.
    fn add(&mut self, commit: &Change, key: &Key, now: &State, before: &State) {
        let called = self.moved.get(key).unwrap_or(key);
        let change = |state: &State| of(commit, called, state);
        match (now, before) {
            (State::Unknown(_), State::Unknown(_)) => {
                self.open.entry(key.clone()).or_default();
            }
            (State::Unknown(why), _) => {
                let mut change = change(before);
                let asked = std::mem::take(&mut change.versions);
                change.unknown = Some(why.clone());
                // What cannot be read for a while and is as before then.
                let ended = self.open.remove(key).flatten();
                let last = ended.and_then(|index| self.changes.get_mut(index));
                if let Some(last) = last.filter(|last| last.versions == asked) {
                    last.passing = true;
                    change.passing = true;
                }
                self.changes.push(change);
            }
            (_, State::Unknown(_)) => {
                let change = change(now);
                self.open.insert(key.clone(), Some(self.changes.len()));
                self.changes.push(change);
            }
            _ if now.is_like(before) => {}
            _ => {
                let mut change = change(now);
                change.file = file_of(now).or_else(|| file_of(before)).unwrap_or_default();
                self.changes.push(change);
            }
        }
    }
}

/// The file of an object.
fn file_of(state: &State) -> Option<String> {
    match state {
        State::Asks(file, _) => Some(file.clone()),
        _ => None,
    }
}

/// The change of an object to what it asks for from then on.
fn of(commit: &Change, key: &Key, now: &State) -> Change {
    let mut change = commit.clone();
    change.folder.clone_from(&key.folder);
    change.kind = key.kind;
    change.namespace.clone_from(&key.namespace);
    change.name.clone_from(&key.name);
    change.file = file_of(now).unwrap_or_default();
    if let State::Asks(_, versions) = now {
        change.versions.clone_from(versions);
    }
    // A rollback is of a Deployment.
    if key.kind == Kind::Alias {
        change.rolled_back_from = Vec::new();
    }
    change
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
