//! A copy of a repository that is damaged itself, and a new one in its place.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use git2::Repository;

/// Why a new copy is not made, or not put in place of another one.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// libgit2 does not make it, or does not open it.
    #[error("{}", .0.message())]
    Git(#[from] git2::Error),
    /// The system does not let it be made or moved.
    #[error(transparent)]
    System(#[from] io::Error),
    /// What was kept of an older one cannot be removed.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The older one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It did not get to its place.
    #[error(
        "{source}{}; {} is only a copy and may be removed",
        left.as_ref().map_or_else(String::new, |(path, error)| format!("; what was there is in {}: {error}", path.display())),
        dir.display()
    )]
    Exchange {
        /// The place.
        dir: PathBuf,
        /// Why.
        source: Box<Self>,
        /// Where what was in that place is, and why it is not there again.
        left: Option<(PathBuf, io::Error)>,
    },
}

/// True where a mirror was made in `dir`, whole or not.
///
/// # Errors
/// When that cannot be told now.
pub(super) fn has_head(dir: &Path) -> io::Result<bool> {
    match fs::metadata(dir.join("HEAD")) {
        Ok(found) => Ok(found.is_file()),
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// True where what stands in `dir` may be damaged, and this is not what the system refuses for a moment.
pub(super) fn may_be_damaged(dir: &Path, error: &git2::Error) -> bool {
    let is_there = fs::symlink_metadata(dir).is_ok();
    // Without a head it was never made whole, or is no folder.
    is_there
        && (!has_head(dir).unwrap_or(true)
            || matches!(
                error.class(),
                git2::ErrorClass::Config
                    | git2::ErrorClass::Repository
                    | git2::ErrorClass::Reference
                    | git2::ErrorClass::Odb
            ))
}

/// Where a new copy is filled, and where the one that it takes the place of is kept.
pub(super) fn beside(dir: &Path) -> [PathBuf; 2] {
    ["new", "damaged"].map(|extension| dir.with_extension(extension))
}

/// A new, empty copy beside the one in `dir`, for its owner alone. Where none can be made, or opened, that one is not the cause.
pub(super) fn begun(dir: &Path) -> Result<Repository, CopyError> {
    let [fresh, _] = beside(dir);
    removed(&fresh)?;
    let make = || {
        // The folder that it stands in may be gone too.
        let mut new = DirBuilder::new();
        new.recursive(true).mode(0o700).create(&fresh)?;
        Repository::init_bare(&fresh)?;
        Ok(Repository::open_bare(&fresh)?)
    };
    make().inspect_err(|_| drop(removed(&fresh)))
}

/// Makes room for the copy in `dir` where it is to be kept: of two, the newer one is. That takes a while.
///
/// # Errors
/// When the older one cannot be removed.
pub(super) fn cleared(dir: &Path) -> Result<(), CopyError> {
    let [_, path] = beside(dir);
    removed(&path).map_err(|source| CopyError::Kept { path, source })
}

/// Puts the new copy that was begun in place of the one in `dir`, for which room was made, and says where that one is, if there was one.
/// Who may read it stays the same. Where it cannot be put there, all stays as it was.
pub(super) fn exchanged(dir: &Path) -> Result<(Repository, Option<PathBuf>), CopyError> {
    let [fresh, damaged] = beside(dir);
    let before = fs::symlink_metadata(dir).ok();
    if before.is_some() {
        if let Ok(folder) = fs::metadata(dir)
            && folder.is_dir()
        {
            fs::set_permissions(&fresh, folder.permissions())?;
        }
        fs::rename(dir, &damaged)?;
    }
    let opened = fs::rename(&fresh, dir)
        .map_err(CopyError::from)
        .and_then(|()| Ok(Repository::open_bare(dir)?));
    let source = match opened {
        Ok(repo) => return Ok((repo, before.map(|_| damaged))),
        Err(error) => Box::new(error),
    };
    let back = removed(dir).and_then(|()| match before {
        Some(_) => fs::rename(&damaged, dir),
        None => Ok(()),
    });
    Err(CopyError::Exchange {
        dir: dir.to_owned(),
        source,
        left: back.err().map(|error| (damaged, error)),
    })
}

/// Removes what stands there, whatever it is.
pub(super) fn removed(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}
