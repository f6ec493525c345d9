//! What the releases ask of one app in one commit after the other: only the files that differ are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use git2::{Oid, Repository};

use super::walk_error::WalkError;
use crate::api::WantedVersion;
use crate::releases::{self, Kind};
use crate::store::ReadError;
use crate::store::objects;
use crate::words::AppName;

/// Largest file; the reader of YAML has its own, smaller limit and says so.
const FILE_MAX: usize = 1024 * 1024;
/// Most folders that are kept in memory.
const FOLDERS_MAX: usize = 64;

/// Which object it is. Folders may be meant for different namespaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) folder: String,
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

/// What a commit asks of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// It is not there.
    Absent,
    /// These versions, in this file.
    Asks(String, Vec<WantedVersion>),
    /// This cannot be known, and why.
    Unknown(String),
}

impl State {
    /// True where both ask for the same, wherever it stands.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Asks(_, ours), Self::Asks(_, theirs)) => ours == theirs,
            (Self::Absent, Self::Absent) => true,
            _ => false,
        }
    }
}

/// What one file says of the app.
#[derive(Debug, Default)]
struct File {
    objects: Vec<(Key, Vec<WantedVersion>)>,
    /// Why it cannot be read, where it may be about the app.
    broken: Option<String>,
}

/// What all files of a commit say of the app: those that say nothing of it are not in it.
#[derive(Debug, Clone, Default)]
pub(super) struct States {
    files: BTreeMap<String, Rc<File>>,
    /// The own file of an object, where a copy of it kept the object's name for a while.
    own: BTreeMap<Key, String>,
}

impl States {
    /// The objects that they hold.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        (self.files.values()).flat_map(|file| file.objects.iter().map(|(key, _)| key))
    }

    /// The files that hold an object, and what each asks.
    fn places<'s>(
        &'s self,
        key: &'s Key,
    ) -> impl Iterator<Item = (&'s String, &'s Vec<WantedVersion>)> {
        self.files.iter().flat_map(move |(path, file)| {
            let ours = file.objects.iter().filter(move |(other, _)| other == key);
            ours.map(move |(_, versions)| (path, versions))
        })
    }

    /// True for an object that several files hold.
    pub(super) fn is_doubled(&self, key: &Key) -> bool {
        self.places(key).nth(1).is_some()
    }

    /// Finds the own file of each object that several files hold now, where that is not so in `newer`, by `own`.
    pub(super) fn settle(
        &mut self,
        newer: &Self,
        own: impl FnMut(&Self, &Key) -> Result<Option<String>, WalkError>,
    ) -> Result<(), WalkError> {
        let mut own = own;
        let doubled: BTreeSet<Key> = self
            .keys()
            .filter(|key| self.is_doubled(key))
            .cloned()
            .collect();
        self.own
            .retain(|key, _| doubled.contains(key) && newer.is_doubled(key));
        for key in doubled.into_iter().filter(|key| !newer.is_doubled(key)) {
            if let Some(file) = own(self, &key)? {
                self.own.insert(key, file);
            }
        }
        Ok(())
    }

    /// What they ask of an object: its own file counts. A file that cannot be read may hold an object that no other file of
    /// its folder holds.
    pub(super) fn of(&self, key: &Key) -> State {
        let mut found = self.places(key);
        if let Some((path, versions)) = found.next() {
            let Some((second, _)) = found.next() else {
                return State::Asks(path.clone(), versions.clone());
            };
            let own = self.own.get(key);
            let own = self.places(key).find(|(path, _)| own == Some(*path));
            let alike = self.places(key).all(|(_, theirs)| theirs == versions);
            return match own.or(alike.then_some((path, versions))) {
                Some((path, versions)) => State::Asks(path.clone(), versions.clone()),
                None => State::Unknown(format!(
                    "{:?} `{}` is in {path} and in {second}",
                    key.kind, key.name
                )),
            };
        }
        let mut files = self.files.iter();
        let broken = files.find_map(|(path, file)| {
            let problem = file.broken.as_ref()?;
            (folder(path) == key.folder).then(|| problem.clone())
        });
        broken.map_or(State::Absent, State::Unknown)
    }
}

/// The folder of a file.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// An entry of a folder: its mode and its object.
type Entry = (i32, Oid);
type Folder = Rc<BTreeMap<String, Entry>>;

/// Reads files, each once for each content.
pub(super) struct Reader<'a> {
    repo: &'a Repository,
    root: &'a str,
    app: &'a AppName,
    folders: HashMap<Oid, Folder>,
    files: HashMap<(String, Oid), Rc<File>>,
}

impl<'a> Reader<'a> {
    /// `root` is the folder of the releases.
    pub(super) fn new(repo: &'a Repository, root: &'a str, app: &'a AppName) -> Self {
        Self {
            repo,
            root,
            app,
            folders: HashMap::new(),
            files: HashMap::new(),
        }
    }

    /// What the releases of the tree `to` ask, where those of `from` ask what is in `states`.
    pub(super) fn step(
        &mut self,
        states: &States,
        from: Option<Oid>,
        to: Option<Oid>,
    ) -> Result<States, WalkError> {
        let mut next = states.clone();
        let root = self.root.to_owned();
        self.compare((from, to), &root, 0, &mut next)?;
        Ok(next)
    }

    /// Reads what differs in a folder and in those in it.
    fn compare(
        &mut self,
        (from, to): (Option<Oid>, Option<Oid>),
        prefix: &str,
        depth: usize,
        states: &mut States,
    ) -> Result<(), WalkError> {
        if from == to {
            return Ok(());
        }
        if depth > objects::DEPTH_MAX {
            return Err(WalkError::TooDeep(prefix.to_owned()));
        }
        let (from, to) = (self.folder(from)?, self.folder(to)?);
        let gone = from.iter().filter(|(name, _)| !to.contains_key(*name));
        let gone = gone.map(|(name, before)| (name, Some(*before), None));
        let there = to
            .iter()
            .map(|(name, now)| (name, from.get(name).copied(), Some(*now)));
        for (name, before, now) in gone.chain(there).filter(|(_, before, now)| before != now) {
            let path = format!("{prefix}/{name}");
            let tree = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode == 0o040_000);
            let inside = (tree(before), tree(now));
            if inside != (None, None) {
                let oids = (inside.0.map(|entry| entry.1), inside.1.map(|entry| entry.1));
                self.compare(oids, &path, depth + 1, states)?;
            }
            if !releases::is_read(name) {
                continue;
            }
            let file = now.filter(|(mode, _)| *mode != 0o040_000);
            let file = file.map(|(mode, oid)| self.file(&path, mode, oid));
            match file.filter(|file| !file.objects.is_empty() || file.broken.is_some()) {
                Some(file) => states.files.insert(path, file),
                None => states.files.remove(&path),
            };
        }
        Ok(())
    }

    fn folder(&mut self, oid: Option<Oid>) -> Result<Folder, ReadError> {
        let Some(oid) = oid else {
            return Ok(Folder::default());
        };
        if let Some(folder) = self.folders.get(&oid) {
            return Ok(Rc::clone(folder));
        }
        let tree = objects::tree(self.repo, oid)?;
        let entry = |entry: git2::TreeEntry<'_>| {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            (name, (entry.filemode_raw(), entry.id()))
        };
        let folder = Rc::new(tree.iter().map(entry).collect());
        if self.folders.len() >= FOLDERS_MAX {
            self.folders.clear();
        }
        self.folders.insert(oid, Rc::clone(&folder));
        Ok(folder)
    }

    fn file(&mut self, path: &str, mode: i32, oid: Oid) -> Rc<File> {
        let key = (path.to_owned(), oid);
        if let Some(file) = self.files.get(&key) {
            return Rc::clone(file);
        }
        let file = Rc::new(self.read(path, mode, oid));
        self.files.insert(key, Rc::clone(&file));
        file
    }

    fn read(&self, path: &str, mode: i32, oid: Oid) -> File {
        let broken = |problem: String| File {
            broken: Some(problem),
            ..File::default()
        };
        if mode & 0o170_000 != 0o100_000 {
            return broken(format!("{path}: is no regular file"));
        }
        let bytes = match objects::blob(self.repo, oid, FILE_MAX) {
            Ok(bytes) => bytes,
            Err(problem) => return broken(format!("{path}: {problem}")),
        };
        match releases::read(path, &bytes) {
            Ok(content) => {
                let ours = (content.releases.into_iter()).filter(|found| found.app() == self.app);
                let object = |release: releases::Release| {
                    let key = Key {
                        folder: folder(path).to_owned(),
                        kind: release.kind(),
                        namespace: release.namespace().map(str::to_owned),
                        name: release.name().to_owned(),
                    };
                    (key, release.wanted.versions)
                };
                File {
                    objects: ours.map(object).collect(),
                    broken: None,
                }
            }
            Err(problems) if releases::may_name(&bytes, self.app) => broken(
                problems
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            Err(_) => File::default(),
        }
    }
}
