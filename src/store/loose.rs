//! Loose objects that were cut off, as a power cut leaves them: found before libgit2 reads them.
//!
//! libgit2 up to 1.9.7 never comes back from one (its issue 7342), and whoever waits for it waits for ever. What is packed
//! has a checksum of its own, and is not looked at.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::ZlibDecoder;
use git2::{Oid, Repository};

/// Longest header: kind, size and a zero byte.
const HEADER_MAX: u64 = 64;

/// Says what is wrong with an object of that size, where it is a loose one and not whole.
pub(super) fn check(repo: &Repository, oid: Oid, size: usize) -> Result<(), String> {
    let hex = oid.to_string();
    let (folder, name) = hex.split_at(2);
    let path = repo.commondir().join("objects").join(folder).join(name);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("object {oid} cannot be read ({error})")),
    };
    let size = size as u64;
    // One byte more than there can be tells a file that goes on for ever.
    let mut content = ZlibDecoder::new(BufReader::new(file)).take(size + HEADER_MAX + 1);
    match io::copy(&mut content, &mut io::sink()) {
        Ok(count) if (size..=size + HEADER_MAX).contains(&count) => Ok(()),
        _ => Err(format!(
            "object {oid} is damaged: its file was cut off or overwritten"
        )),
    }
}
