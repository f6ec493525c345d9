//! Loose objects that were cut off, as a power cut leaves them: found before libgit2 reads them.
//!
//! libgit2 up to 1.9.7 never comes back from one (its issue 7342), and whoever waits for it waits for ever. What is packed
//! has a checksum of its own, and is not looked at.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use flate2::bufread::ZlibDecoder;
use git2::{Oid, Repository};

use super::read_error::ReadError;

/// Longest header: kind, size and a zero byte.
const HEADER_MAX: u64 = 64;

/// Says what is wrong with an object of that size, where it is a loose one and not whole.
pub(super) fn check(repo: &Repository, oid: Oid, size: usize) -> Result<(), ReadError> {
    let hex = oid.to_string();
    let (folder, name) = hex.split_at(2);
    let path = repo.commondir().join("objects").join(folder).join(name);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let said = error.to_string();
            return Err(ReadError::Closed { oid, said });
        }
    };
    let size = size as u64;
    // One byte more than there can be tells a file that goes on for ever.
    let mut content = ZlibDecoder::new(BufReader::new(file)).take(size + HEADER_MAX + 1);
    match io::copy(&mut content, &mut io::sink()) {
        Ok(count) if (size..=size + HEADER_MAX).contains(&count) => Ok(()),
        _ => Err(ReadError::Damaged(oid)),
    }
}

/// The names of loose objects, each folder read once: for whoever looks at thousands of objects, most of them packed.
///
/// What is written after its folder was read is not seen, so it must not outlive one look at one tree.
pub(super) struct Names {
    objects: PathBuf,
    folders: HashMap<String, Option<HashSet<OsString>>>,
}

impl Names {
    pub(super) fn new(repo: &Repository) -> Self {
        Self {
            objects: repo.commondir().join("objects"),
            folders: HashMap::new(),
        }
    }

    /// False where the object is surely not a loose one.
    pub(super) fn may_hold(&mut self, oid: Oid) -> bool {
        let hex = oid.to_string();
        let (folder, name) = hex.split_at(2);
        let names = self.folders.entry(folder.to_owned()).or_insert_with(|| {
            let entries = match fs::read_dir(self.objects.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Some(HashSet::new());
                }
                Err(_) => return None,
            };
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<Result<_, _>>()
                .ok()
        });
        names
            .as_ref()
            .is_none_or(|names| names.contains(OsStr::new(name)))
    }
}
