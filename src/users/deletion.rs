//! What deleting is asked for, and what it answers.

use std::error::Error;
use std::sync::Arc;

use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Running, Use};
use crate::ci::Provenance;
use crate::store::error::CommitError;
use crate::store::error::StoreError;
use crate::store::version::{Person, Tombstone, Version};
use crate::words::{AppName, VersionNumber, VersionWord};

/// What is to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    /// The app.
    pub app: AppName,
    /// The versions.
    pub words: Vec<VersionWord>,
    /// Why; may be empty.
    pub reason: String,
    /// Who deletes.
    pub author: Person,
    /// When.
    pub time: Zoned,
    /// What deletes.
    pub provenance: Provenance,
    /// Say what would happen, and push nothing.
    pub dry_run: bool,
}

/// What became of one version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Deletion {
    /// It is deleted now.
    Deleted {
        /// The version as it was.
        version: Box<Version>,
        /// Why it could not be checked again whether somebody began to use it at the same moment.
        unchecked: Option<String>,
    },
    /// A dry run: it would be deleted.
    WouldDelete {
        /// The version.
        version: Box<Version>,
    },
    /// It was deleted before.
    AlreadyDeleted {
        /// Its number.
        number: VersionNumber,
        /// Who, when, why.
        #[serde(flatten)]
        tombstone: Tombstone,
    },
    /// It is used, and stays.
    InUse {
        /// The version.
        version: Box<Version>,
        /// Everybody who uses it.
        users: Vec<Use>,
        /// True where it was deleted for a moment, and somebody began to use it in that moment.
        restored: bool,
    },
    /// Whether it is deleted is not known: the remote did not answer.
    Unknown {
        /// The version as it was named.
        word: VersionWord,
        /// What happened, and what to do.
        reason: String,
    },
    /// It stays for another reason.
    Refused {
        /// The version as it was named.
        word: VersionWord,
        /// Why.
        reason: String,
    },
}

impl Deletion {
    /// True where the version is deleted, or would be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(
            self,
            Self::InUse { .. } | Self::Unknown { .. } | Self::Refused { .. }
        )
    }
}

/// Why nothing was deleted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeleteError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody may use the versions, and that cannot be known.
    #[error(
        "it cannot be known who uses the versions of `{app}`, so none is deleted; correct or remove what cannot be read:\n  {}",
        gaps.join("\n  ")
    )]
    Unknown {
        /// The app.
        app: AppName,
        /// What cannot be read: file, line and branch, or the ledger.
        gaps: Vec<String>,
    },
    /// A cluster or a server was to be asked and could not be.
    #[error("it cannot be asked who uses the versions, so none is deleted: {0}")]
    Running(Unasked),
    /// The tombstone could not be written or signed.
    #[error("the tombstone cannot be written: {0}")]
    Commit(#[from] CommitError),
}

/// Why it cannot be asked what runs, in the words of who was to ask.
pub type Unasked = Arc<dyn Error + Send + Sync>;

/// Asks what runs outside of the repository.
pub type AskRunning<'a> = &'a mut dyn FnMut() -> Result<Running, Unasked>;
