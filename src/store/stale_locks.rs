//! What git processes left behind in a mirror when they were killed: locks, which nobody would ever take away, and halves of packs,
//! which fill the disk.
//!
//! Only for repositories that are this program's own. In anybody else's a lock is named, and stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A lock that is older belongs to nobody: git holds those of refs for moments, and no call of ours lives so long behind a
/// kill of this program.
const AGE: Duration = Duration::from_mins(1);

/// Removes locks that are older than a minute at `now`, and gives their paths.
pub(super) fn remove(dir: &Path, now: SystemTime) -> Vec<PathBuf> {
    remove_if(dir, |modified| {
        now.duration_since(modified).is_ok_and(|age| age > AGE)
    })
}

/// Removes all locks, and gives their paths: for when nobody works in it.
pub(super) fn remove_all(dir: &Path) -> Vec<PathBuf> {
    remove_if(dir, |_| true)
}

/// Removes the halves of packs that a fetch has left: for when no git works in it.
pub(super) fn remove_halves(dir: &Path) {
    let packs = fs::read_dir(dir.join("objects/pack"));
    for entry in packs.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("tmp_pack_") || name.starts_with("tmp_idx_") {
            // What cannot be removed is in nobody's way but the disk's.
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn remove_if(dir: &Path, is_old: impl Fn(SystemTime) -> bool) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir() {
                folders.push(path);
                continue;
            }
            let is_lock = path
                .extension()
                .is_some_and(|extension| extension == "lock")
                || path.ends_with("packed-refs.new");
            if is_lock && found.modified().is_ok_and(&is_old) && fs::remove_file(&path).is_ok() {
                removed.push(path);
            }
        }
    }
    removed
}
