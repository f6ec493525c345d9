//! What one commit after the other changed in the objects of an app, going back.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::states::{Key, State, States};
use crate::releases::Kind;

/// Changes that were found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    /// Objects of which cannot be known what older commits ask, and the place of the change that ended that.
    pub(super) open: BTreeMap<Key, Option<usize>>,
    /// What objects are called now that were called otherwise in older commits.
    moved: BTreeMap<Key, Key>,
}

impl Found {
    /// None yet, of objects that are called as they are here.
    pub(super) fn beside(&self) -> Self {
        Self {
            moved: self.moved.clone(),
            ..Self::default()
        }
    }

    /// Adds what a commit changed.
    pub(super) fn compare(&mut self, commit: &Change, newer: &States, older: &States) {
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
    /// deployed; `brought` is what the branch asked down to there, where it may have been a line beside it itself.
    pub(super) fn doubt(
        &mut self,
        pull: &Change,
        branch: &States,
        line: &[States],
        brought: &[States],
    ) {
        let Some(base) = line.last() else { return };
        let keys: BTreeSet<Key> = (line.iter().chain(brought).chain([branch]))
            .flat_map(States::keys)
            .cloned()
            .collect();
        for key in keys {
            let differs = |pair: &&[States]| !pair[0].of(&key).is_like(&pair[1].of(&key));
            let changes = |line: &[States]| line.windows(2).filter(differs).count();
            let count = changes(line);
            let both = count > 0 && !branch.of(&key).is_like(&base.of(&key));
            if count < 2 && changes(brought) < 2 && !both {
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
pub(super) fn file_of(state: &State) -> Option<String> {
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
