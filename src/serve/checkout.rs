//! Checkouts of snapshots, by their tree id: made once, read-only, not used where they are not whole, and compared with their
//! tree before each start of a program.
//!
//! All of it blocks, and nobody else waits for it: a program is prepared where blocking is allowed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::lack::Lack;
use super::tidy::NEW;
use crate::record::VersionRecord;
use crate::settings::Settings;
use crate::store::{ContentError, Mirror};

/// Most paths that a message names.
const NAMED: usize = 3;

/// The folder with the files of one version.
pub(super) struct Checkout {
    mirror: Mirror,
    settings: Settings,
    snapshots: PathBuf,
    record: VersionRecord,
    /// The functions of a version share it, and one of them looks at a time.
    looking: Mutex<()>,
}

impl Checkout {
    /// That of a version, below `snapshots`. Nothing is made yet.
    pub(super) fn new(
        mirror: Mirror,
        settings: Settings,
        snapshots: PathBuf,
        record: VersionRecord,
    ) -> Self {
        Self {
            mirror,
            settings,
            snapshots,
            record,
            looking: Mutex::new(()),
        }
    }

    /// The folder, made where it is missing, and mended where somebody changed it: then the log says so.
    ///
    /// # Errors
    /// What is wrong with the snapshot or the disk.
    pub(super) fn ready(&self) -> Result<PathBuf, Lack> {
        let _looking = self.looking.lock();
        let folder = self.snapshots.join(self.record.tree.as_str());
        if !is_folder(&folder) {
            self.clear(&folder)?;
            match self.make(&folder) {
                Err(_) if is_folder(&folder) => {} // Another version with the same files was faster.
                made => return made.map(|()| folder),
            }
        }
        let VersionRecord { app, number, .. } = &self.record;
        match self.mirror.restore(&self.record, &self.settings, &folder) {
            Ok(wrong) if wrong.is_empty() => {}
            Ok(wrong) => {
                let named: Vec<String> = (wrong.iter().take(NAMED))
                    .map(|path| format!("`{path}`"))
                    .collect();
                let more = wrong.len().saturating_sub(NAMED);
                let more = (more > 0).then(|| format!(" and {more} more"));
                tracing::warn!(
                    "{app} {number}: its files were changed and are as they were published again: {}{}; a program must write elsewhere",
                    named.join(", "),
                    more.unwrap_or_default()
                );
            }
            Err(error @ ContentError::Write { .. }) => return Err(error.into()),
            // It was compared when it was made, and a copy of the repository that is lost must not end what is served.
            Err(error) => tracing::warn!(
                "{app} {number}: its files cannot be compared with what was published, and are used as they are: {error}"
            ),
        }
        Ok(folder)
    }

    /// Takes away what is no folder and has its name. A link goes itself: what it leads to is not ours to mend.
    fn clear(&self, folder: &Path) -> Result<(), Lack> {
        match fs::remove_file(folder) {
            Ok(()) => {
                let VersionRecord { app, number, .. } = &self.record;
                tracing::warn!(
                    "{app} {number}: {} was no folder, and is checked out anew",
                    folder.display()
                );
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // Another version with the same files was faster: a file is all that is removed here.
            Err(_) if is_folder(folder) => Ok(()),
            Err(source) => Err(lack(folder, source)),
        }
    }

    /// Writes it beside its place and moves it there when it is whole: what has the name of a tree holds that tree.
    fn make(&self, folder: &Path) -> Result<(), Lack> {
        let fail = |error: io::Error| lack(folder, error);
        // Somebody may have removed the folder that all of them are in.
        fs::create_dir_all(&self.snapshots).map_err(fail)?;
        let stage = tempfile::Builder::new()
            .prefix(NEW)
            .tempdir_in(&self.snapshots)
            .map_err(fail)?;
        let made = stage.path().join("snapshot");
        self.mirror.checkout(&self.record, &self.settings, &made)?;
        protect(&made).map_err(fail)?;
        // The folder itself stays writable until it has its place: a rename changes its `..`.
        fs::rename(&made, folder).map_err(fail)?;
        fs::set_permissions(folder, Permissions::from_mode(0o555)).map_err(fail)
    }
}

fn lack(folder: &Path, source: io::Error) -> Lack {
    Lack::File {
        path: folder.to_owned(),
        source,
    }
}

/// True for a folder, and not for a link to one: what is checked is also mended, and files of others must not be.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
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
