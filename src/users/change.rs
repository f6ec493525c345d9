//! A change of what the releases ask of an app: which commit made it, of which object, and what it asks for from then on.

use jiff::Timestamp;

use super::states::Key;
use crate::api::WantedVersion;
use crate::releases::{Kind, Release};
use crate::store::version::Person;
use crate::words::{CommitId, VersionNumber};
#[cfg(test)]
use crate::words::{Share, VersionWord};

/// A change of one Deployment or Alias of the app.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The commit of the branch.
    pub commit: CommitId,
    /// Its place among the commits of the branch: 0 is the newest.
    pub position: usize,
    /// Who made the commit.
    pub author: Person,
    /// When it came to be.
    pub at: Timestamp,
    /// Why: what the person said where a command made the commit, else the first line of its message.
    pub message: String,
    /// The file.
    pub file: String,
    /// The folder that the object is in now, or was last.
    pub(super) folder: String,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace, where the file names one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// What made the commit, such as `cli`, where it says so.
    pub source: Option<String>,
    /// What it asks for from then on; nothing where it was removed.
    pub versions: Vec<WantedVersion>,
    /// For a rollback by a command: the versions that it went away from, the one with the largest share first.
    pub rolled_back_from: Vec<VersionNumber>,
    /// Why cannot be known what it asks for from then on.
    pub unknown: Option<String>,
    /// True where that was so for a while only, and all is as before then: for the change that begins it, and for the one
    /// that ends it.
    pub passing: bool,
}

impl Change {
    /// True where both are of one object. Folders may be meant for different namespaces.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        self.object() == other.object()
    }

    /// The object.
    pub(super) fn key(&self) -> Key {
        Key {
            folder: self.folder.clone(),
            kind: self.kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// True where it is of this object.
    pub(crate) fn is_of(&self, release: &Release) -> bool {
        let folder = release.file.rsplit_once('/');
        let folder = folder.map_or("", |(folder, _)| folder);
        self.object() == (folder, release.kind(), release.namespace(), release.name())
    }

    fn object(&self) -> (&str, Kind, Option<&str>, &str) {
        let namespace = self.namespace.as_deref();
        (&self.folder, self.kind, namespace, &self.name)
    }
}

/// The change of some Deployment to these versions, with their percentages.
#[cfg(test)]
pub(super) fn change_to(shares: &[(u32, u32)]) -> Change {
    let entry = |(version, percent): &(u32, u32)| WantedVersion {
        version: VersionWord::Number(VersionNumber::new(*version).unwrap()),
        percentage: Share::from_basis_points(percent * 100),
    };
    Change {
        commit: CommitId::zero(),
        position: 0,
        author: Person {
            name: String::new(),
            email: String::new(),
        },
        at: Timestamp::UNIX_EPOCH,
        message: String::new(),
        file: String::new(),
        folder: String::new(),
        kind: Kind::Deployment,
        namespace: None,
        name: String::new(),
        source: None,
        versions: shares.iter().map(entry).collect(),
        rolled_back_from: Vec::new(),
        unknown: None,
        passing: false,
    }
}
