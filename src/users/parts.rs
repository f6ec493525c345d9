//! The versions that the words of a release meant.

use crate::api::WantedVersion;
use crate::releases::Part;
use crate::store::error::ResolveError;
use crate::store::history::History;
use crate::words::{Share, VersionWord};

/// The versions that words meant, also one that does not live, where it is named by number; nothing where a label had a share: it
/// may have named another version then.
pub(crate) fn parts(history: &History, words: &[WantedVersion]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in words {
        let version = match &entry.version {
            VersionWord::Number(number) => *number,
            VersionWord::Label(_) if entry.percentage == Share::ZERO => continue,
            VersionWord::Label(_) => return None,
            word @ VersionWord::Id(_) => match history.version(word) {
                Ok(version) => version.number,
                Err(ResolveError::Ambiguous { .. } | ResolveError::Unreadable { .. })
                    if entry.percentage == Share::ALL =>
                {
                    return None;
                }
                // It does not live, so nobody goes back to it.
                Err(_) => continue,
            },
        };
        parts.push(Part {
            version,
            percentage: entry.percentage,
        });
    }
    Some(parts)
}
