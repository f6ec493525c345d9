//! A copy of a repository that cannot be opened: whether it is damaged itself, and a new one in its place.

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

/// True where what stands in `dir` is damaged, and not what git is set to elsewhere, or what the system refuses for a moment.
pub(super) fn is_damaged(dir: &Path, error: &git2::Error) -> bool {
    let is_there = fs::symlink_metadata(dir).is_ok();
    let has_head = has_head(dir).unwrap_or(true);
    match error.class() {
        _ if !is_there => false,
        // It was never made whole, or is no folder.
        _ if !has_head => true,
        git2::ErrorClass::Config => git2::Config::open(&dir.join("config"))
            .and_then(|mut config| config.snapshot())
            .is_err_and(|error| error.class() == git2::ErrorClass::Config),
        git2::ErrorClass::Repository | git2::ErrorClass::Reference | git2::ErrorClass::Odb => true,
        _ => false,
    }
}

/// Makes a mirror anew in place of one that is damaged, which is kept beside it; of two, the newer one. Where it cannot be made,
/// all stays as it was. Who may read it stays the same.
pub(super) fn made_anew(dir: &Path) -> Result<(Repository, PathBuf), String> {
    let (damaged, aside) = (dir.with_extension("damaged"), dir.with_extension("aside"));
    let put = |from: &Path, to: &Path| {
        let removed = match fs::symlink_metadata(to) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(to),
            Ok(_) => fs::remove_file(to),
            Err(_) => Ok(()),
        };
        removed.and_then(|()| fs::rename(from, to))
    };
    let text = |error: io::Error| error.to_string();
    if fs::symlink_metadata(&aside).is_ok() {
        // A process was killed in between.
        put(&aside, &damaged).map_err(text)?;
    }
    fs::rename(dir, &aside).map_err(text)?;
    let mode = fs::metadata(&aside).map_err(text)?;
    match Repository::init_bare(dir) {
        Ok(repo) => {
            if mode.is_dir() {
                fs::set_permissions(dir, mode.permissions()).map_err(text)?;
            }
            put(&aside, &damaged).map_err(text)?;
            Ok((repo, damaged))
        }
        Err(error) => {
            let back = put(&aside, dir);
            let back = back
                .map_err(|error| format!("; what was there is in {}: {error}", aside.display()));
            Err(format!(
                "{}{}; {} is only a copy and may be removed",
                error.message(),
                back.err().unwrap_or_default(),
                dir.display()
            ))
        }
    }
}
