//! A snapshot as a folder of files: whole, or not there at all.
//!
//! Everything is written into a fresh folder that nobody else knows, files before links, each of them new: nothing is written
//! through a link, and nothing outside. Only then it gets its place.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use super::content::{Content, ContentError};
use super::error::SnapshotError;
use super::objects::{self, Item, Kind};
use super::snapshot;
use super::workspace::Workspace;
use crate::settings::Limits;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The folder, as an absolute path.
    pub folder: PathBuf,
    /// Files and links.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: usize,
}

/// Writes a snapshot into `folder`, which is new or empty.
///
/// # Errors
/// When the snapshot holds what may not be published, when the folder is anything else, or when a file cannot be written: then
/// all is as it was before.
pub fn export(
    workspace: &Workspace,
    content: &Content,
    folder: &Path,
) -> Result<Exported, ContentError> {
    let limits = &workspace.settings().limits;
    workspace.complete(&[content.tree])?;
    write_out(&workspace.repo, content.tree, limits, folder, |error| {
        content.bad(error)
    })
}

/// Writes the snapshot `tree` into `folder`, which is new or empty. `bad` says whose snapshot is wrong.
pub(super) fn write_out(
    repo: &Repository,
    tree: Oid,
    limits: &Limits,
    folder: &Path,
    bad: impl Fn(SnapshotError) -> ContentError,
) -> Result<Exported, ContentError> {
    snapshot::check(repo, tree, limits, None).map_err(&bad)?;
    let items = objects::walk(repo, tree).map_err(&bad)?;
    let place = Place::of(folder)?;
    // Dropped at any end, with all that is still in it.
    let stage = tempfile::Builder::new()
        .prefix(".cutwater-export-")
        .tempdir_in(place.parent())
        .map_err(|error| failed(place.parent(), &error))?;
    let root = stage.path().join("snapshot");
    fs::create_dir(&root).map_err(|error| failed(&root, &error))?;
    let max = limits.file_bytes();
    let mut bytes = 0;
    for item in &items {
        bytes += write((repo, max, &bad), item, &root, &place)?;
    }
    for item in items.iter().filter(|item| item.kind == Kind::Link) {
        let target = objects::blob(repo, item.oid, max);
        let target =
            target.map_err(|problem| bad(SnapshotError::new(&item.path, problem.to_string())))?;
        let target = String::from_utf8_lossy(&target).into_owned();
        symlink(target, root.join(&item.path)).map_err(|error| place.failed(&item.path, &error))?;
    }
    place.fill(&root)?;
    Ok(Exported {
        folder: place.folder().to_owned(),
        files: items
            .iter()
            .filter(|item| item.kind != Kind::Directory)
            .count(),
        bytes,
    })
}

/// Writes a folder or a file, which is not there yet; its bytes.
fn write(
    (repo, max, bad): (&Repository, usize, &dyn Fn(SnapshotError) -> ContentError),
    item: &Item,
    root: &Path,
    place: &Place,
) -> Result<usize, ContentError> {
    let path = root.join(&item.path);
    let fail = |error: io::Error| place.failed(&item.path, &error);
    let executable = match item.kind {
        Kind::Link => return Ok(0),
        Kind::Directory => return fs::create_dir(&path).map(|()| 0).map_err(fail),
        Kind::File { executable } => executable,
    };
    let content = objects::blob(repo, item.oid, max)
        .map_err(|problem| bad(SnapshotError::new(&item.path, problem.to_string())))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // The person's umask takes away from these.
        .mode(if executable { 0o777 } else { 0o666 })
        .open(&path)
        .map_err(fail)?;
    file.write_all(&content).map_err(fail)?;
    Ok(content.len())
}

/// Where the snapshot goes.
enum Place {
    /// A folder that is not there; the one it will be in is.
    New { folder: PathBuf, parent: PathBuf },
    /// An empty folder, which stays the one it is: somebody may stand in it, or something may be mounted there.
    Empty { folder: PathBuf },
}

impl Place {
    fn of(folder: &Path) -> Result<Self, ContentError> {
        let refuse = |problem: &str| ContentError::Write {
            path: folder.display().to_string(),
            problem: problem.to_owned(),
        };
        let folder = std::path::absolute(folder).map_err(|error| failed(folder, &error))?;
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_symlink() => {
                Err(refuse("is a link; name the folder that it leads to"))
            }
            Ok(found) if !found.is_dir() => {
                Err(refuse("is a file; name a folder that is new or empty"))
            }
            Ok(_) => {
                let mut inside = fs::read_dir(&folder).map_err(|error| failed(&folder, &error))?;
                match inside.next() {
                    None => Ok(Self::Empty { folder }),
                    Some(Ok(_)) => Err(refuse("is not empty; name a folder that is new or empty")),
                    Some(Err(error)) => Err(failed(&folder, &error)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = folder.parent().map(Path::to_owned);
                let parent =
                    parent.filter(|parent| parent.is_dir() && folder.file_name().is_some());
                match parent {
                    Some(parent) => Ok(Self::New { folder, parent }),
                    None => Err(refuse(
                        "cannot be made: the folder that it would be in is missing",
                    )),
                }
            }
            Err(error) => Err(failed(&folder, &error)),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::New { folder, .. } | Self::Empty { folder } => folder,
        }
    }

    /// The folder in which the stage is: on the same file system.
    fn parent(&self) -> &Path {
        match self {
            Self::New { parent, .. } => parent,
            Self::Empty { folder } => folder,
        }
    }

    /// Moves what is ready to its place.
    fn fill(&self, root: &Path) -> Result<(), ContentError> {
        if let Self::New { folder, .. } = self {
            // Refused where somebody has made it meanwhile and put something in.
            return fs::rename(root, folder).map_err(|error| failed(folder, &error));
        }
        let mut moved = Vec::new();
        let done = self.move_all(root, &mut moved);
        if done.is_err() {
            for path in moved {
                // What cannot be moved back is told by the first error already.
                drop(fs::rename(self.folder().join(&path), root.join(&path)));
            }
        }
        done
    }

    fn move_all(&self, root: &Path, moved: &mut Vec<PathBuf>) -> Result<(), ContentError> {
        for entry in fs::read_dir(root).map_err(|error| failed(root, &error))? {
            let name = PathBuf::from(entry.map_err(|error| failed(root, &error))?.file_name());
            let target = self.folder().join(&name);
            if fs::symlink_metadata(&target).is_ok() {
                let error = io::Error::from(io::ErrorKind::AlreadyExists);
                return Err(failed(&target, &error));
            }
            fs::rename(root.join(&name), &target).map_err(|error| failed(&target, &error))?;
            moved.push(name);
        }
        Ok(())
    }

    /// A file could not be written; named by the path that it would have had.
    fn failed(&self, path: &str, error: &io::Error) -> ContentError {
        failed(&self.folder().join(path), error)
    }
}

fn failed(path: &Path, error: &io::Error) -> ContentError {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; nothing is left of it; make room, or name a folder elsewhere"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; name a folder that you may write to"
        }
        _ => "",
    };
    ContentError::Write {
        path: path.display().to_string(),
        problem: format!("cannot be written: {error}{advice}"),
    }
}
