//! The files of `releases/` in commits of branches, read once for each content.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use git2::{ObjectType, Oid, Repository};

use super::objects::{self, Item, Kind};
use super::read_error::ReadError;
use crate::releases::{self, Content, Release, Releases};
use crate::words::{AppName, CommitId};
use crate::yaml::Problem;

/// Most files of releases in one commit.
const FILES_MAX: usize = 5_000;
/// Most bytes of them together.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest file; the reader of YAML has its own, smaller limit and says so.
const FILE_MAX: usize = 1024 * 1024;

/// A branch of the remote, and what its releases say.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// Its commit.
    pub commit: CommitId,
    /// The objects of all files that can be read.
    pub releases: Arc<Vec<Release>>,
    /// The files that cannot be read.
    pub unreadable: Arc<Vec<Unreadable>>,
    /// Objects of others in them, which concern no app: each in a sentence, with its place.
    pub aside: Arc<Vec<String>>,
    /// The files that hold no object at all, of whomever.
    pub bare: Arc<Vec<String>>,
}

/// A file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file, from the root of the repository; the folder where none of its files can be read.
    pub file: String,
    /// File, line, column and what is wrong; several lines where there are several problems.
    pub problem: String,
    /// The same, one by one; nothing where what is wrong has no place in the file.
    pub places: Vec<Problem>,
    /// True where it could name the app that was asked for.
    pub may_concern: bool,
    /// It was not read at all, so that nothing is known of what stands in it: another time it may be to be had.
    pub is_unread: bool,
}

/// What the releases of one tree say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    pub(crate) releases: Arc<Vec<Release>>,
    pub(crate) unreadable: Arc<Vec<Unreadable>>,
    pub(crate) aside: Arc<Vec<String>>,
    pub(crate) bare: Arc<Vec<String>>,
}

type File = Arc<Result<Content, Unreadable>>;

/// The tree of a folder in a commit; nothing where there is none.
pub(crate) fn folder_of(
    repo: &Repository,
    folder: &str,
    commit: Oid,
) -> Result<Option<Oid>, ReadError> {
    let mut oid = objects::commit(repo, commit)?.tree_id();
    for part in folder.split('/') {
        let tree = objects::tree(repo, oid)?;
        let Some(entry) = tree.get_name(part) else {
            return Ok(None);
        };
        if entry.filemode_raw() != 0o040_000 {
            return Err(ReadError::NoFolder(folder.to_owned()));
        }
        oid = entry.id();
    }
    Ok(Some(oid))
}

/// Reads commits, and remembers what it read.
pub(crate) struct Reader<'a> {
    repo: &'a Repository,
    folder: &'a str,
    app: Option<&'a AppName>,
    trees: HashMap<Oid, Read>,
    files: HashMap<(String, Oid), File>,
}

impl<'a> Reader<'a> {
    /// `folder` is the place of the releases; whether a file that cannot be read matters is asked for `app`, or for any.
    pub(crate) fn new(repo: &'a Repository, folder: &'a str, app: Option<&'a AppName>) -> Self {
        Self {
            repo,
            folder,
            app,
            trees: HashMap::new(),
            files: HashMap::new(),
        }
    }

    /// What the releases of a commit say.
    pub(crate) fn commit(&mut self, commit: Oid) -> Read {
        match folder_of(self.repo, self.folder, commit) {
            Ok(None) => Read::default(),
            Ok(Some(tree)) => self.read(tree),
            Err(problem) => self.nothing(&problem),
        }
    }

    /// What the releases of a tree say.
    pub(crate) fn read(&mut self, tree: Oid) -> Read {
        if let Some(read) = self.trees.get(&tree) {
            return read.clone();
        }
        let read = self
            .fresh(tree)
            .unwrap_or_else(|problem| self.nothing(&problem));
        self.trees.insert(tree, read.clone());
        read
    }

    /// Nothing, for this reason.
    pub(crate) fn nothing(&self, problem: &impl Display) -> Read {
        Read {
            unreadable: Arc::new(vec![Unreadable {
                file: self.folder.to_owned(),
                problem: format!("{}: {problem}", self.folder),
                places: Vec::new(),
                may_concern: true,
                is_unread: true,
            }]),
            ..Read::default()
        }
    }

    fn fresh(&mut self, tree: Oid) -> Result<Read, ReadError> {
        let items = objects::walk(self.repo, tree)?;
        let items: Vec<_> = (items.into_iter())
            .filter(|item| {
                let is_read = releases::is_read(&item.path) || releases::is_nearly_read(&item.path);
                item.kind != Kind::Directory && is_read
            })
            .collect();
        if items.len() > FILES_MAX {
            return Err(ReadError::ManyFiles {
                count: items.len(),
                max: FILES_MAX,
            });
        }
        let mut room = BYTES_MAX;
        let mut unreadable = Vec::new();
        let mut good = Vec::new();
        let mut aside = Vec::new();
        let mut bare = Vec::new();
        for item in items {
            let path = format!("{}/{}", self.folder, item.path);
            if !releases::is_read(&path) {
                let size = objects::size(self.repo, item.oid, ObjectType::Blob)?;
                if let Some(left) = room.checked_sub(size) {
                    room = left;
                    unreadable.extend(self.misnamed(path, &item));
                }
                continue;
            }
            let name = path.clone();
            let file = if item.kind == Kind::Link {
                Arc::new(Err(Unreadable {
                    file: path.clone(),
                    problem: format!(
                        "{path}: is a link, and links are not followed; copy the file"
                    ),
                    places: Vec::new(),
                    may_concern: true,
                    is_unread: false,
                }))
            } else {
                let size = objects::size(self.repo, item.oid, ObjectType::Blob)?;
                let left = room.checked_sub(size);
                room = left.ok_or(ReadError::ManyBytes(BYTES_MAX))?;
                self.file(path, item.oid)
            };
            match file.as_ref() {
                Ok(content) => {
                    if content.releases.is_empty() && content.aside.is_empty() {
                        bare.push(name);
                    }
                    good.push(Ok(content.releases.clone()));
                    aside.extend_from_slice(&content.aside);
                }
                Err(problem) => unreadable.push(problem.clone()),
            }
        }
        let all = Releases::of(good);
        unreadable.extend(all.problems.iter().map(|problems| Unreadable {
            file: problems.file.clone(),
            problem: problems.to_string(),
            places: problems.list.clone(),
            may_concern: true,
            is_unread: false,
        }));
        Ok(Read {
            releases: Arc::new(all.list),
            unreadable: Arc::new(unreadable),
            aside: Arc::new(aside),
            bare: Arc::new(bare),
        })
    }

    /// What is said of a file that is not read, where it was meant to be.
    fn misnamed(&self, path: String, item: &Item) -> Option<Unreadable> {
        let bytes = (item.kind != Kind::Link)
            .then(|| objects::blob(self.repo, item.oid, FILE_MAX).ok())
            .flatten()?;
        let may_concern = (self.app).is_none_or(|app| releases::may_name(&bytes, app));
        Some(Unreadable {
            problem: releases::misnamed(&path, &bytes)?,
            file: path,
            places: Vec::new(),
            may_concern,
            is_unread: false,
        })
    }

    fn file(&mut self, path: String, oid: Oid) -> File {
        let key = (path, oid);
        if let Some(file) = self.files.get(&key) {
            return Arc::clone(file);
        }
        let path = &key.0;
        let file = match objects::blob(self.repo, oid, FILE_MAX) {
            Err(problem) => Err(Unreadable {
                file: path.clone(),
                problem: format!("{path}: {problem}"),
                places: Vec::new(),
                may_concern: true,
                is_unread: true,
            }),
            Ok(bytes) => releases::read(path, &bytes).map_err(|problems| Unreadable {
                file: path.clone(),
                problem: problems.to_string(),
                places: problems.list,
                may_concern: (self.app).is_none_or(|app| releases::may_name(&bytes, app)),
                is_unread: false,
            }),
        };
        let file = Arc::new(file);
        self.files.insert(key, Arc::clone(&file));
        file
    }
}
