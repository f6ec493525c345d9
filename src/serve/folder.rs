//! What a state folder holds, and what shows that a folder is none.

use std::fs;
use std::io;
use std::path::Path;

/// The file with the address of the repository.
pub(super) const FILE: &str = "repository";

/// What is in a state folder. What was damaged stands beside it, under its name with an ending.
const NAMES: [&str; 7] = [
    "apps",
    "counted",
    "lock",
    "logs",
    "mirror.git",
    FILE,
    "snapshots",
];

/// The name of something in `dir` that shows that it is no state folder, but one of somebody else's: old checkouts and output are
/// removed from a state folder. Hidden files are anybody's.
///
/// # Errors
/// When it cannot be read.
pub(super) fn stranger(dir: &Path) -> io::Result<Option<String>> {
    // Each state folder has these from the first start on, and hardly any other folder has.
    let lock = fs::symlink_metadata(dir.join("lock"));
    if lock.is_ok_and(|lock| lock.is_file() && lock.len() == 0) || dir.join("mirror.git").is_dir() {
        return Ok(None);
    }
    let is_known = |name: &str| {
        let stem = name.split('.').next().unwrap_or_default();
        let known = NAMES.contains(&name) || (name != stem && NAMES.contains(&stem));
        known
            || name.starts_with("mirror.")
            || name.starts_with("ledger-")
            || (name.starts_with('.') && name != ".git")
            || name == "lost+found"
    };
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_known(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
