//! Checkouts of snapshots, by their tree id: made once, read-only, and not used where they are not whole.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::record::VersionRecord;
use crate::settings::Settings;
use crate::store::Mirror;

/// The folder with the files of a version, made where it is missing.
///
/// A checkout is written beside its place and moved there when it is whole: what has the name of a tree holds that tree.
///
/// # Errors
/// What is wrong with the snapshot or the disk.
pub(super) fn checkout(
    mirror: &Mirror,
    settings: &Settings,
    snapshots: &Path,
    record: &VersionRecord,
) -> Result<PathBuf, String> {
    let folder = snapshots.join(&record.tree);
    if folder.is_dir() {
        return Ok(folder);
    }
    let fail = |error: io::Error| format!("{}: {error}", folder.display());
    let stage = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(snapshots)
        .map_err(fail)?;
    let made = stage.path().join("snapshot");
    mirror
        .checkout(record, settings, &made)
        .map_err(|error| error.to_string())?;
    protect(&made).map_err(fail)?;
    // The folder itself stays writable until it has its place: a rename changes its `..`.
    fs::rename(&made, &folder).map_err(fail)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).map_err(fail)?;
    Ok(folder)
}

/// Takes the right to write from everything below `folder`.
fn protect(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            protect(&path)?;
        }
        let mode = entry.metadata()?.permissions().mode() & 0o555;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    Ok(())
}
