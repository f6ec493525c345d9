//! What versions that are gone leave in the state folder: checkouts and output. The newest stay, for the way back and for who
//! looks for why it went; the older ones are removed, so that a server that runs for years does not fill its disk.
//!
//! It knows nothing of apps: it is told what is in use.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::store;

/// How many checkouts that nobody uses are kept.
pub(super) const SNAPSHOTS: usize = 10;
/// How many files of output of programs that are gone are kept, each of at most 4 MiB.
pub(super) const LOGS: usize = 100;

/// Takes all but the newest `kept` of what is in `folder` and is not `used`, by its name. What it takes is out of the way at once,
/// and removed by [`remove`].
///
/// # Errors
/// When the folder cannot be read or changed.
pub(super) fn take(
    folder: &Path,
    used: &BTreeSet<String>,
    kept: usize,
) -> io::Result<Vec<PathBuf>> {
    let mut unused = Vec::new();
    let mut taken = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if begins(&name, NEW) {
            continue;
        }
        if begins(&name, OLD) {
            taken.push(entry.path());
        } else if !name.to_str().is_some_and(|name| used.contains(name)) {
            let age = entry
                .metadata()?
                .modified()
                .unwrap_or(SystemTime::UNIX_EPOCH);
            unused.push((age, name));
        }
    }
    unused.sort();
    unused.truncate(unused.len().saturating_sub(kept));
    for (_, name) in unused {
        let mut hidden = OsStr::new(OLD).to_owned();
        hidden.push(&name);
        let aside = folder.join(hidden);
        fs::rename(folder.join(name), &aside)?;
        taken.push(aside);
    }
    Ok(taken)
}

/// How the name of something begins that is being made, by a task of its own.
pub(super) const NEW: &str = ".new-";
/// How the name of something begins that is being removed.
const OLD: &str = ".old-";

/// Marks what an earlier `serve` was making when it was killed, so that it is removed.
///
/// # Errors
/// When the folder cannot be read or changed.
pub(super) fn forsake(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if begins(&name, NEW) {
            let mut old = OsStr::new(OLD).to_owned();
            old.push(&name);
            fs::rename(folder.join(&name), folder.join(old))?;
        }
    }
    Ok(())
}

/// How the name of a file begins and ends that is being written. Others may keep files in the state folder too, so that nothing
/// but the whole name says whose it is.
const WRITTEN: (&str, &str) = (".cutwater-", ".new");

/// Writes a file, whole or not at all.
///
/// # Errors
/// When it cannot be written; then the file is as it was.
pub(super) fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = tempfile::Builder::new()
        .prefix(WRITTEN.0)
        .suffix(WRITTEN.1)
        .tempfile_in(file.parent().unwrap_or(file))?;
    new.write_all(text)?;
    new.as_file().sync_data()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// Removes the files that an earlier `serve` was writing when it was killed. One that stays is in nobody's way.
pub(super) fn sweep(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in files.filter(|entry| is_written(&entry.file_name())) {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && let Err(error) = fs::remove_file(entry.path()) {
            tracing::warn!(
                "{}: {error}; what was being written there is not needed any more, remove it",
                entry.path().display()
            );
        }
    }
}

fn is_written(name: &OsStr) -> bool {
    let word = (name.to_str())
        .and_then(|name| name.strip_prefix(WRITTEN.0))
        .and_then(|name| name.strip_suffix(WRITTEN.1));
    word.is_some_and(|word| {
        word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn begins(name: &OsStr, with: &str) -> bool {
    name.as_encoded_bytes().starts_with(with.as_bytes())
}

/// Removes a file, or a folder with all that is in it, also where it is read-only. What is gone already, because it was taken a
/// second time while it was being removed, is no error.
///
/// # Errors
/// When something of it cannot be removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match remove_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    store::unlock(path)?;
    fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_was_being_written_here_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let others = [
            ".tmp",
            ".tmpAb12Cd",
            ".tmpl",
            ".cutwater-abc.new",
            ".cutwater-notes",
        ];
        for name in others.iter().chain(&[".cutwater-Ab12Cd.new"]) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        // One that is no file cannot be removed as one.
        fs::create_dir(dir.path().join(".cutwater-folder.new")).unwrap();
        write(&dir.path().join("counted"), b"main:").unwrap();
        sweep(dir.path());
        let mut left = others.to_vec();
        left.extend([".cutwater-folder.new", "counted"]);
        left.sort_unstable();
        assert_eq!(names(dir.path()), left);
        sweep(&dir.path().join("gone"));
    }

    #[test]
    fn what_is_being_written_has_a_name_that_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("taken");
        fs::create_dir_all(target.join("in")).unwrap();
        // It has nowhere to go, and nothing of it is left.
        write(&target, b"x").unwrap_err();
        assert_eq!(names(dir.path()), ["taken"]);
        let new = (tempfile::Builder::new().prefix(WRITTEN.0))
            .suffix(WRITTEN.1)
            .tempfile_in(dir.path())
            .unwrap();
        assert!(is_written(new.path().file_name().unwrap()));
    }

    #[test]
    fn the_newest_and_what_is_used_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = SystemTime::now();
        for number in 0..6 {
            let name = if number == 5 {
                ".new-x".to_owned()
            } else {
                number.to_string()
            };
            let folder = dir.path().join(name);
            fs::create_dir_all(folder.join("in/it")).unwrap();
            fs::write(folder.join("in/it/file"), "x").unwrap();
            std::os::unix::fs::symlink(dir.path(), folder.join("in/link")).unwrap();
            for path in ["in/it/file", "in/it", "in", ""] {
                let mode = Permissions::from_mode(0o555);
                fs::set_permissions(folder.join(path), mode).unwrap();
            }
            let age = fs::File::open(&folder).unwrap();
            age.set_modified(at - Duration::from_secs(100 - number))
                .unwrap();
        }
        // One that this `serve` makes stays; one that an earlier one was making goes.
        forsake(dir.path()).unwrap();
        fs::create_dir(dir.path().join(".new-y")).unwrap();
        let taken = take(dir.path(), &["0".to_owned()].into(), 2).unwrap();
        assert_eq!(
            names(dir.path()),
            [".new-y", ".old-.new-x", ".old-1", ".old-2", "0", "3", "4"]
        );
        assert_eq!(taken.len(), 3);
        for path in &taken {
            remove(path).unwrap();
            remove(path).unwrap();
        }
        assert_eq!(names(dir.path()), [".new-y", "0", "3", "4"]);
        assert_eq!(
            take(dir.path(), &BTreeSet::new(), 3).unwrap(),
            [""; 0].map(PathBuf::from)
        );
    }
}
