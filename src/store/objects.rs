//! Reading objects of a repository that is not trusted: nothing is loaded before its size is known.

use std::collections::HashMap;
use std::rc::Rc;

use git2::{Commit, ObjectType, Oid, Repository, Tree};

use super::error::SnapshotError;
use super::loose_objects;
use super::read_error::ReadError;

/// Most entries of one snapshot, directories among them.
pub(crate) const ENTRIES_MAX: usize = 100_000;
/// Deepest folder.
pub(crate) const DEPTH_MAX: usize = 64;
/// Longest path.
const PATH_MAX: usize = 1024;
/// Longest of all paths together: a controller holds them in memory.
const PATHS_MAX: usize = 16 * 1024 * 1024;
/// Largest commit of the branch.
const COMMIT_MAX: usize = 16 * 1024 * 1024;
/// Largest tree object.
const TREE_MAX: usize = 16 * 1024 * 1024;

/// The content of a blob of at most `max` bytes.
pub(crate) fn blob(repo: &Repository, oid: Oid, max: usize) -> Result<Vec<u8>, ReadError> {
    let size = size(repo, oid, ObjectType::Blob)?;
    if size > max {
        let size = size as u64;
        return Err(ReadError::TooLarge { size, max });
    }
    loose_objects::check(repo, oid, size)?;
    Ok(repo.find_blob(oid)?.content().to_vec())
}

/// True where a blob of that size can be read, and starts so.
///
/// For thousands of blobs: `names` spares a look at the disk for each that is packed.
pub(super) fn starts_with(
    repo: &Repository,
    names: &mut loose_objects::Names,
    (oid, size): (Oid, usize),
    start: &[u8],
) -> bool {
    let whole = !names.may_hold(oid) || loose_objects::check(repo, oid, size).is_ok();
    whole
        && repo
            .find_blob(oid)
            .is_ok_and(|blob| blob.content().starts_with(start))
}

/// Sizes of blobs, each read once however many files are the same.
pub(crate) struct Sizes<'r> {
    repo: &'r Repository,
    known: HashMap<Oid, usize>,
}

impl<'r> Sizes<'r> {
    pub(crate) fn new(repo: &'r Repository) -> Self {
        Self {
            repo,
            known: HashMap::new(),
        }
    }

    /// The size of a blob.
    pub(crate) fn of(&mut self, oid: Oid) -> Result<usize, ReadError> {
        if let Some(size) = self.known.get(&oid) {
            return Ok(*size);
        }
        let size = size(self.repo, oid, ObjectType::Blob)?;
        self.known.insert(oid, size);
        Ok(size)
    }
}

/// The size of an object that must be of that kind.
pub(crate) fn size(repo: &Repository, oid: Oid, kind: ObjectType) -> Result<usize, ReadError> {
    let (size, found) = header(repo, oid)?;
    if found == kind {
        Ok(size)
    } else {
        let wanted = kind;
        Err(ReadError::OtherKind { oid, found, wanted })
    }
}

/// The size and the kind of an object.
pub(crate) fn header(repo: &Repository, oid: Oid) -> Result<(usize, ObjectType), ReadError> {
    Ok(repo.odb()?.read_header(oid)?)
}

/// A commit of the branch, if it is one and not too large.
pub(crate) fn commit(repo: &Repository, oid: Oid) -> Result<Commit<'_>, ReadError> {
    check(repo, oid, ObjectType::Commit, COMMIT_MAX)?;
    Ok(repo.find_commit(oid)?)
}

/// A tree, if it is one and not too large.
pub(crate) fn tree(repo: &Repository, oid: Oid) -> Result<Tree<'_>, ReadError> {
    check(repo, oid, ObjectType::Tree, TREE_MAX)?;
    Ok(repo.find_tree(oid)?)
}

/// Refuses an object that is of another kind, too large or damaged.
fn check(repo: &Repository, oid: Oid, kind: ObjectType, max: usize) -> Result<(), ReadError> {
    let size = size(repo, oid, kind)?;
    if size > max {
        return Err(ReadError::LargeObject {
            kind,
            oid,
            size,
            max,
        });
    }
    loose_objects::check(repo, oid, size)
}

/// Most entries that are named where they may not be in a snapshot.
const BAD_MAX: usize = 20;

/// What an entry of a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { executable: bool },
    Link,
}

/// One entry of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Path in the snapshot, UTF-8, relative, without `.` and `..`.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) oid: Oid,
}

/// All entries of a snapshot, in git's order, each folder before what is in it.
///
/// Refuses what no snapshot may hold by its name or kind: submodules, `.git`, names that are no plain UTF-8 file names,
/// names that differ only in case, and whatever is too many, too deep or too long.
pub(crate) fn walk(repo: &Repository, root: Oid) -> Result<Vec<Item>, SnapshotError> {
    let mut walk = Walk {
        repo,
        trees: HashMap::new(),
        items: Vec::new(),
        bytes: 0,
        bad: Vec::new(),
    };
    walk.folder(root, "", 0)?;
    SnapshotError::all(walk.bad).map_or(Ok(walk.items), Err)
}

struct Walk<'r> {
    repo: &'r Repository,
    /// What was read, at most the entries of one snapshot: a few trees that hold each other many times over would be read a
    /// hundred thousand times.
    trees: HashMap<Oid, Rc<Tree<'r>>>,
    items: Vec<Item>,
    /// Of all paths.
    bytes: usize,
    /// Entries that may not be there: people are told of all of them at once.
    bad: Vec<SnapshotError>,
}

impl Walk<'_> {
    /// Takes what is in a folder, and in the folders in it. `prefix` is its path with a slash at the end.
    fn folder(&mut self, oid: Oid, prefix: &str, depth: usize) -> Result<(), SnapshotError> {
        if depth > DEPTH_MAX {
            return Err(SnapshotError::new(
                prefix,
                format!("is deeper than {DEPTH_MAX} folders"),
            ));
        }
        let tree = if let Some(known) = self.trees.get(&oid) {
            Rc::clone(known)
        } else {
            let read = tree(self.repo, oid)
                .map_err(|error| SnapshotError::new(prefix, error.to_string()))?;
            Rc::clone(self.trees.entry(oid).or_insert(Rc::new(read)))
        };
        let mut folded = std::collections::BTreeMap::new();
        for entry in tree.iter() {
            let Ok(name) = entry.name() else {
                let shown = String::from_utf8_lossy(entry.name_bytes()).into_owned();
                self.bad(format!("{prefix}{shown}"), "is not UTF-8; rename it")?;
                continue;
            };
            let path = format!("{prefix}{name}");
            if let Some(problem) = bad_name(name) {
                self.bad(path, problem)?;
                continue;
            }
            if path.len() > PATH_MAX || name.len() > 255 {
                let problem =
                    format!("is too long: at most 255 bytes a name and {PATH_MAX} a path");
                self.bad(path, &problem)?;
                continue;
            }
            if let Some(other) = folded.insert(name.to_lowercase(), name.to_owned()) {
                let problem = format!("and `{prefix}{other}` differ only in case; rename one");
                self.bad(path, &problem)?;
                continue;
            }
            let kind = match entry.filemode_raw() {
                0o040_000 => Kind::Directory,
                0o100_644 | 0o100_664 => Kind::File { executable: false },
                0o100_755 => Kind::File { executable: true },
                0o120_000 => Kind::Link,
                0o160_000 => {
                    self.bad(
                        path,
                        "is a submodule; copy its files into the app's directory",
                    )?;
                    continue;
                }
                mode => {
                    self.bad(
                        path,
                        &format!("has the mode {mode:o}, which no file may have"),
                    )?;
                    continue;
                }
            };
            let fail = |problem: String| Err(SnapshotError::new(path.as_str(), problem));
            if self.items.len() >= ENTRIES_MAX {
                return fail(format!(
                    "is one too many: a snapshot has at most {ENTRIES_MAX} files and folders"
                ));
            }
            self.bytes += path.len();
            if self.bytes > PATHS_MAX {
                return fail(format!(
                    "is one too many: all paths together have at most {PATHS_MAX} bytes"
                ));
            }
            self.items.push(Item {
                path: path.clone(),
                kind,
                oid: entry.id(),
            });
            if kind == Kind::Directory {
                let inside = format!("{path}/");
                self.folder(entry.id(), &inside, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl Walk<'_> {
    /// Notes an entry that may not be there; the end where there are many.
    fn bad(&mut self, path: String, problem: &str) -> Result<(), SnapshotError> {
        self.bad.push(SnapshotError::new(path, problem));
        if self.bad.len() < BAD_MAX {
            return Ok(());
        }
        SnapshotError::all(std::mem::take(&mut self.bad)).map_or(Ok(()), Err)
    }
}

/// Why a name may not be in a snapshot.
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    let low = name.to_lowercase();
    // What file systems take for `.git`: trailing dots and spaces, streams, and characters that are ignored.
    let plain: String = low
        .chars()
        .filter(|c| !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
        .collect();
    let plain = plain
        .split(':')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ' ']);
    if plain == ".git" || plain == "git~1" {
        return Some("would be taken for git's own folder; rename it");
    }
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Some("is not a file name");
    }
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Some("holds a control character or a backslash; rename it");
    }
    None
}
