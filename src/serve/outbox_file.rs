//! The outbox in the state folder: what is in its file survives any end of this process.
//!
//! It is changed in memory, at once, and written by whoever may wait for a disk: nobody who changes or reads it does.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};

use super::copies;
use super::state::StateError;
use super::tidy;
use crate::ledger::Outbox;
use crate::words::EnvironmentName;

/// What is said of a file that is cut off, changed or no file.
const DAMAGES: [io::ErrorKind; 4] = [
    io::ErrorKind::InvalidData,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::IsADirectory,
];

/// The outbox of one environment, and its file.
#[derive(Debug)]
pub(super) struct OutboxFile {
    path: PathBuf,
    /// Never held while something is written or read.
    outbox: Mutex<Outbox>,
    /// After how many of its changes it was written last; nothing where it is in no file yet: what its writer wrote would be another
    /// one's after a restart. Held while it is written, so that no older state comes after a newer one.
    written: Mutex<Option<u64>>,
}

impl OutboxFile {
    /// Opens the outbox in `dir`, or makes it: in memory for now, where it cannot be written. One that cannot be read is said and begun
    /// anew, by another writer.
    pub(super) fn open(dir: &Path, environment: &EnvironmentName) -> Result<Self, StateError> {
        let path = dir.join(format!("ledger-{environment}.json"));
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read
                .and_then(|bytes| Ok(serde_json::from_slice::<Outbox>(&bytes)?))
                .map(Some),
        };
        let outbox = match read {
            Ok(outbox) => outbox,
            Err(error) if DAMAGES.contains(&error.kind()) => {
                let aside = copies::aside(&path);
                tracing::warn!(
                    "{}: {error}; what waited in it is not written to the ledger{}",
                    path.display(),
                    aside.map_or_else(
                        |error| format!("; it cannot be put aside: {error}"),
                        |aside| format!("; {aside}")
                    )
                );
                None
            }
            Err(problem) => return Err(StateError::Io { path, problem }),
        };
        let written = outbox.as_ref().map(Outbox::changes);
        let mut outbox = outbox.unwrap_or_else(Outbox::begin);
        outbox.resume();
        let file = Self {
            path,
            outbox: Mutex::new(outbox),
            written: Mutex::new(written),
        };
        if let Err(error) = file.keep() {
            // A ledger that waits is no reason not to serve.
            tracing::warn!("{error}; the ledger is in memory until that file can be written");
        }
        Ok(file)
    }

    /// Notes that the ledgers of `dir` other than that of `written` are not written for now.
    pub(super) fn pause(dir: &Path, written: Option<&EnvironmentName>) -> Result<(), StateError> {
        let fail = |problem| StateError::Io {
            path: dir.to_owned(),
            problem,
        };
        for entry in fs::read_dir(dir).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().and_then(OsStr::to_str);
            let environment = name
                .and_then(|name| name.strip_prefix("ledger-")?.strip_suffix(".json"))
                .filter(|environment| Some(*environment) != written.map(EnvironmentName::as_str));
            // What cannot be read is begun anew by whoever writes it next.
            let outbox = environment.and_then(|_| {
                let bytes = fs::read(&path).ok()?;
                serde_json::from_slice::<Outbox>(&bytes).ok()
            });
            if let Some(mut outbox) = outbox
                && outbox.pause()
            {
                write(&path, serde_json::to_vec(&outbox))?;
            }
        }
        Ok(())
    }

    /// The outbox as it is now. Nobody has it for long.
    pub(super) fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    /// Writes the file, whole or not at all, where something is not in it yet. Call it where blocking is allowed.
    ///
    /// # Errors
    /// Why what was changed until now is not in the file.
    pub(super) fn keep(&self) -> Result<(), StateError> {
        let mut written = self.written.lock();
        let (changes, text) = {
            let outbox = self.lock();
            if *written == Some(outbox.changes()) {
                return Ok(());
            }
            (outbox.changes(), serde_json::to_vec(&*outbox))
        };
        write(&self.path, text)?;
        *written = Some(changes);
        Ok(())
    }

    /// As long as somebody has this, the disk takes nothing.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Drop + '_ {
        self.written.lock()
    }
}

fn write(path: &Path, text: serde_json::Result<Vec<u8>>) -> Result<(), StateError> {
    let written = text
        .map_err(io::Error::from)
        .and_then(|text| tidy::write(path, &text));
    written.map_err(|problem| StateError::Io {
        path: path.to_owned(),
        problem,
    })
}

#[cfg(test)]
#[path = "outbox_test.rs"]
mod tests;
