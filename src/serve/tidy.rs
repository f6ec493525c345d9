//! What versions that are gone leave in the state folder: checkouts and output. The newest stay, for the way back and for who
//! looks for why it went; the older ones are removed, so that a server that runs for years does not fill its disk.
//!
//! It knows nothing of apps: it is told what is in use.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
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

/// Removes the files that an earlier `serve` was writing when it was killed.
///
/// # Errors
/// When the folder cannot be read or changed.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // So names them what writes them, before they have their own name.
        if begins(&entry.file_name(), ".tmp") && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
