//! Where a walk goes, and what a commit on its way says of itself.

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::change::Change;
use super::pulls::Pulls;
use crate::releases::Kind;
use crate::releases::message::{made_by, reason, rolled_back_from};
use crate::store::ReadError;
use crate::store::objects;
use crate::store::version::Person;
use crate::words::AppName;

/// Where to walk.
pub(super) struct Walk<'a> {
    pub(super) repo: &'a Repository,
    /// Folder of the releases.
    pub(super) folder: &'a str,
    /// Which merges are pulls of the tracked branch, where that can be told.
    pub(super) pulls: Option<&'a Pulls>,
    pub(super) app: &'a AppName,
    /// Fetches what is missing of the releases of commits.
    pub(super) bring: &'a dyn Fn(&[Oid]) -> Result<(), ReadError>,
}

impl Walk<'_> {
    /// What a commit says of itself, as a change of nothing yet.
    pub(super) fn about(&self, oid: Oid, position: usize) -> Result<Change, ReadError> {
        let commit = objects::commit(self.repo, oid)?;
        let text = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes);
            text.chars().filter(|c| !c.is_control()).collect()
        };
        let author = commit.author();
        let said = String::from_utf8_lossy(commit.message_bytes());
        Ok(Change {
            commit: oid.into(),
            position,
            author: Person {
                name: text(author.name_bytes()),
                email: text(author.email_bytes()),
            },
            at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
            message: reason(&said, self.app)
                .unwrap_or_else(|| text(commit.summary_bytes().unwrap_or_default())),
            file: String::new(),
            folder: String::new(),
            kind: Kind::Deployment,
            namespace: None,
            name: String::new(),
            source: made_by(&said, self.app),
            versions: Vec::new(),
            rolled_back_from: rolled_back_from(&said, self.app),
            unknown: None,
            passing: false,
        })
    }
}
