//! Folders of the disk that are laid over a snapshot: built bundles, ignored files, things outside of the repository.
//!
//! Their bytes go in as they are: no filter of git and no ignore rule applies. Links are kept as links and never followed;
//! only the folder itself may be named through one. What may stand in a snapshot at all is checked with the whole of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};
use rustix::fs::OFlags;

use super::error::SnapshotError;
use super::objects::{self, DEPTH_MAX, ENTRIES_MAX};
use crate::settings::Limits;

/// A folder of the disk, and its place in the snapshot.
#[derive(Debug, Clone)]
pub struct Addition {
    folder: PathBuf,
    /// Empty for the root of the snapshot.
    place: String,
    shown: String,
}

/// Why a folder cannot be laid over a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum AdditionError {
    /// The folder or its place is the empty text.
    #[error(
        "a folder or its place is empty; write DIR or DIR=PATH, with `.` for the folder here or for the root of the app"
    )]
    Empty,
    /// The system does not find the folder, or does not let it be read.
    #[error("`{given}` cannot be read: {source}")]
    Unread {
        /// The folder as it was given.
        given: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a folder.
    #[error("`{0}` is not a folder")]
    NoFolder(String),
    /// Its place would be its name, which no snapshot can have.
    #[error("`{0}` is not UTF-8; name its place with DIR=PATH")]
    NotText(String),
    /// No snapshot can have such a place.
    #[error(
        "the place `{place}` {problem}; write a path in the app's directory, such as public/js"
    )]
    Place {
        /// The place.
        place: String,
        /// What is wrong with a name in it.
        problem: &'static str,
    },
}

impl Addition {
    /// Reads `DIR` or `DIR=PATH`. `here` is where a relative DIR starts. Without PATH a folder in `app`, the app's
    /// directory, keeps its place, and another one goes to its own name.
    ///
    /// # Errors
    /// When DIR is no folder, or PATH is none that a snapshot can have.
    pub fn read(text: &str, here: &Path, app: Option<&Path>) -> Result<Self, AdditionError> {
        let (given, place) = match text.rsplit_once('=') {
            Some((given, place)) => (given, Some(place)),
            None => (text, None),
        };
        if given.is_empty() || place == Some("") {
            // An unset variable would otherwise take all that is here, or lay it over everything.
            return Err(AdditionError::Empty);
        }
        let folder = here.join(given);
        let real = folder
            .canonicalize()
            .map_err(|source| AdditionError::Unread {
                given: given.to_owned(),
                source,
            })?;
        if !real.is_dir() {
            return Err(AdditionError::NoFolder(given.to_owned()));
        }
        let name = real.file_name().unwrap_or_default();
        let place = match place {
            Some(".") => PathBuf::new(),
            Some(place) => PathBuf::from(place.trim_end_matches('/')),
            None => {
                let app = app.and_then(|app| app.canonicalize().ok());
                let inside = app.and_then(|app| real.strip_prefix(app).map(Path::to_owned).ok());
                inside.unwrap_or_else(|| {
                    let link = folder.file_name().filter(|_| !given.ends_with(".."));
                    PathBuf::from(link.unwrap_or(name))
                })
            }
        };
        let place = place
            .to_str()
            .ok_or_else(|| AdditionError::NotText(given.to_owned()))?;
        if !place.is_empty() {
            for part in place.split('/') {
                if let Some(problem) = objects::bad_name(part) {
                    return Err(AdditionError::Place {
                        place: place.to_owned(),
                        problem,
                    });
                }
            }
        }
        // Where things are on somebody's disk is nobody's business later.
        let shown = if Path::new(given).is_absolute() {
            name.to_string_lossy().into_owned()
        } else {
            given.to_owned()
        };
        Ok(Self {
            folder: real,
            place: place.to_owned(),
            shown,
        })
    }

    /// What is recorded about it.
    pub(super) fn overlay(&self) -> String {
        let place = if self.place.is_empty() {
            "."
        } else {
            &self.place
        };
        format!("add {}={place}", self.shown)
    }

    /// The tree `base` with the folder's files laid over it.
    pub(super) fn lay(
        &self,
        repo: &Repository,
        base: Oid,
        limits: &Limits,
    ) -> Result<Oid, SnapshotError> {
        let mut reader = Reader {
            repo,
            entries: 0,
            bytes: 0,
            limits,
        };
        let Some(mut tree) = reader.folder(&self.folder, &self.place, 0)? else {
            return Err(SnapshotError::new(
                &self.shown,
                "holds no file; build first, or do not lay it over the app",
            ));
        };
        for part in self.place.rsplit('/').filter(|part| !part.is_empty()) {
            tree = single(repo, part, tree)
                .map_err(|error| SnapshotError::new(&self.place, error.message()))?;
        }
        merge(repo, base, tree, "")
    }
}

/// A tree with one folder.
fn single(repo: &Repository, name: &str, tree: Oid) -> Result<Oid, git2::Error> {
    let mut builder = repo.treebuilder(None)?;
    builder.insert(name, tree, 0o040_000)?;
    builder.write()
}

/// `base` with `over` laid over it: folders are merged, files and links replace each other.
fn merge(repo: &Repository, base: Oid, over: Oid, prefix: &str) -> Result<Oid, SnapshotError> {
    const FOLDER: i32 = 0o040_000;
    let fail = |error: git2::Error| SnapshotError::new(prefix, error.message());
    let base =
        objects::tree(repo, base).map_err(|error| SnapshotError::new(prefix, error.to_string()))?;
    let over =
        objects::tree(repo, over).map_err(|error| SnapshotError::new(prefix, error.to_string()))?;
    let mut builder = repo.treebuilder(Some(&base)).map_err(fail)?;
    for entry in &over {
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let path = format!("{prefix}{name}");
        let mut id = entry.id();
        if let Some(old) = base.get_name_bytes(entry.name_bytes()) {
            let folders = (old.filemode() == FOLDER, entry.filemode() == FOLDER);
            match folders {
                (true, true) => id = merge(repo, old.id(), id, &format!("{path}/"))?,
                (false, false) => {}
                _ => {
                    return Err(SnapshotError::new(
                        path,
                        "is a folder in one and none in the other, of the app's files and what is laid over them; choose another place for it",
                    ));
                }
            }
        }
        builder
            .insert(entry.name_bytes(), id, entry.filemode())
            .map_err(fail)?;
    }
    builder.write().map_err(fail)
}

/// Reads a folder of the disk into trees and blobs, within limits.
struct Reader<'a> {
    repo: &'a Repository,
    entries: usize,
    bytes: u64,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// The tree of a folder; nothing where there is no file in it, as git keeps no empty folders.
    fn folder(
        &mut self,
        folder: &Path,
        place: &str,
        depth: usize,
    ) -> Result<Option<Oid>, SnapshotError> {
        let failed = |problem: &dyn ToString| SnapshotError::new(place, problem.to_string());
        if depth > DEPTH_MAX {
            return Err(failed(&format!("is deeper than {DEPTH_MAX} folders")));
        }
        let mut builder = self
            .repo
            .treebuilder(None)
            .map_err(|error| failed(&error.message()))?;
        let unreadable = |error: io::Error| failed(&format!("cannot be read: {error}"));
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let shown = name.to_string_lossy().into_owned();
            let place = if place.is_empty() {
                shown
            } else {
                format!("{place}/{shown}")
            };
            let fail = |problem: String| SnapshotError::new(&place, problem);
            let plain = name
                .to_str()
                .ok_or_else(|| fail("is not UTF-8; rename it".to_owned()))?;
            if let Some(problem) = objects::bad_name(plain) {
                return Err(fail(problem.to_owned()));
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(fail(format!(
                    "is one too many: a snapshot has at most {ENTRIES_MAX} files and folders"
                )));
            }
            let path = entry.path();
            let unreadable = |error: io::Error| fail(format!("cannot be read: {error}"));
            let kind = entry.file_type().map_err(unreadable)?;
            let (oid, mode) = if kind.is_dir() {
                match self.folder(&path, &place, depth + 1)? {
                    Some(tree) => (tree, 0o040_000),
                    None => continue,
                }
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(unreadable)?.into_os_string();
                let blob = self.repo.blob(&target.into_vec());
                (blob.map_err(|e| fail(e.message().to_owned()))?, 0o120_000)
            } else if kind.is_file() {
                self.file(&path, &place)?
            } else {
                return Err(fail(
                    "is neither a file nor a folder nor a link; remove it".to_owned(),
                ));
            };
            builder
                .insert(name.as_bytes(), oid, mode)
                .map_err(|error| fail(error.message().to_owned()))?;
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let tree = builder.write();
        tree.map(Some).map_err(|error| failed(&error.message()))
    }

    /// The blob of a file, and its mode.
    fn file(&mut self, path: &Path, place: &str) -> Result<(Oid, i32), SnapshotError> {
        let fail = |problem: String| SnapshotError::new(place, problem);
        let unreadable = |error: io::Error| fail(format!("cannot be read: {error}"));
        // It may have become a link or a pipe just now: neither is followed or waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file: File = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(fail("changed while it was read; try again".to_owned()));
        }
        let size = about.len();
        self.bytes = self.bytes.saturating_add(size);
        let (one, all) = (self.limits.file_bytes(), self.limits.snapshot_bytes());
        if usize::try_from(size).is_ok_and(|size| size > one) {
            return Err(fail(format!(
                "has {size} bytes; at most {one} are allowed in one file (limits.file in cutwater.yaml); put it into the image"
            )));
        }
        if usize::try_from(self.bytes).is_ok_and(|bytes| bytes > all) {
            return Err(fail(format!(
                "brings the snapshot past {all} bytes (limits.snapshot in cutwater.yaml); put large files into the image"
            )));
        }
        let store = |error: git2::Error| fail(error.message().to_owned());
        let length = usize::try_from(size).map_err(|error| fail(error.to_string()))?;
        let odb = self.repo.odb().map_err(store)?;
        let mut writer = odb.writer(length, ObjectType::Blob).map_err(store)?;
        let copied = io::copy(&mut file.take(size), &mut writer).map_err(unreadable)?;
        if copied != size {
            return Err(fail("changed while it was read; try again".to_owned()));
        }
        let oid = writer.finalize().map_err(store)?;
        let executable = about.mode() & 0o100 != 0;
        Ok((oid, if executable { 0o100_755 } else { 0o100_644 }))
    }
}
