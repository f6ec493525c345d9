//! A copy of a repository that is damaged itself, and a new one in its place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::Repository;

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

/// A new, empty copy beside the one in `dir`. Where none can be made, or opened, that one is not the cause.
pub(super) fn begun(dir: &Path) -> Result<Repository, String> {
    let fresh = dir.with_extension("new");
    removed(&fresh).map_err(|error| error.to_string())?;
    let made = Repository::init_bare(&fresh).and_then(|_| Repository::open_bare(&fresh));
    made.map_err(|error| {
        drop(removed(&fresh));
        error.message().to_owned()
    })
}

/// Puts the new copy that was begun in place of the one in `dir`, which is kept beside it; of two, the newer one. Who may read it
/// stays the same.
pub(super) fn exchanged(dir: &Path) -> Result<(Repository, PathBuf), String> {
    let [fresh, damaged, aside] =
        ["new", "damaged", "aside"].map(|extension| dir.with_extension(extension));
    let put = |from: &Path, to: &Path| removed(to).and_then(|()| fs::rename(from, to));
    let text = |error: io::Error| error.to_string();
    if fs::symlink_metadata(&aside).is_ok() {
        // A process was killed in between.
        put(&aside, &damaged).map_err(text)?;
    }
    let before = fs::metadata(dir).map_err(text)?;
    if before.is_dir() {
        fs::set_permissions(&fresh, before.permissions()).map_err(text)?;
    }
    fs::rename(dir, &aside).map_err(text)?;
    let opened = fs::rename(&fresh, dir)
        .map_err(text)
        .and_then(|()| Repository::open_bare(dir).map_err(|error| error.message().to_owned()));
    match opened {
        Ok(repo) => {
            put(&aside, &damaged).map_err(text)?;
            Ok((repo, damaged))
        }
        Err(error) => {
            let back = put(&aside, dir);
            let back = back
                .map_err(|error| format!("; what was there is in {}: {error}", aside.display()));
            Err(format!(
                "{error}{}; {} is only a copy and may be removed",
                back.err().unwrap_or_default(),
                dir.display()
            ))
        }
    }
}

/// Removes what stands there, whatever it is.
pub(super) fn removed(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}
