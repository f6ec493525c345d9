//! The version store: versions are commits without parents behind tags, in a plain git repository.
//!
//! ```text
//! a person's clone --snapshot, publish--> tags, last, ids at the remote --fetch--> Mirror --resolve--> VersionRecord
//! ```
//!
//! `refs/tags/<app>/v<number>` is the only authority; everything else is a hint that is checked. A repository is not
//! trusted: sizes are bounded, no link is followed out, a tag whose commit says something else is foreign. Objects and
//! local refs are read and written by libgit2; remotes only through [`crate::git`].

mod ancestry;
mod apps;
mod attempt;
mod audit;
mod branch;
mod browse;
mod by_content;
mod candidate;
mod changed;
pub(crate) mod commit;
mod compare;
pub(crate) mod content;
pub(crate) mod contention;
mod damaged;
mod doubt;
pub(crate) mod error;
mod exchange;
mod export;
mod files;
pub(crate) mod history;
mod import;
mod init;
mod intact;
mod label;
pub(crate) mod ledger;
mod listing;
mod lookup;
mod loose_objects;
pub(crate) mod mirror;
pub(crate) mod objects;
mod offline;
mod outgoing;
mod overlay;
pub(crate) mod partial;
mod prepare;
mod proposal;
mod publish;
mod publish_all;
mod read_error;
pub(crate) mod refs;
pub(crate) mod release_files;
mod remedy;
pub(crate) mod request;
mod select;
pub(crate) mod settings_file;
mod signature;
mod snapshot;
mod stale_locks;
pub(crate) mod trailers;
mod unchanged;
pub(crate) mod version;
mod work_tree;
pub(crate) mod workspace;

pub use audit::RefProblem;
pub use branch::LocalBranch;
pub use browse::{Found, Listed, look};
pub use changed::Changed;
pub use compare::{Comparison, FileChange, FileStatus};
pub use content::{Content, ContentError, LATEST};
pub use error::CommitError;
pub use error::{LabelError, PublishError, ResolveError, SnapshotError, StoreError};
pub use export::{Exported, export};
pub use files::{FILES_MAX, RECORD_MAX};
pub use history::History;
pub use import::{ImportError, ImportSource, Imported, Unfit, import};
pub use init::{BeginError, Begun, Place};
pub use intact::unlock;
pub use label::{LabelChange, LabelOutcome, LabelRequest, Labelled, label};
pub use ledger::{Ledger, LedgerEntry, LedgerError};
pub use listing::ListedFile;
pub use mirror::{Coming, Fetched, Mirror, Part};
pub use offline::KnownVersion;
pub use outgoing::{Outgoing, OutgoingCommit, OutgoingError};
pub use overlay::{Addition, AdditionError};
pub use proposal::{NamedVersion, NamedVersions, ReleaseState};
pub use publish::publish;
pub use publish_all::publish_all;
pub use read_error::ReadError;
pub use release_files::{Branch, Unreadable};
pub use remedy::Remedy;
pub use request::{Outcome, Published, Request, Warning, WarningReason};
pub use select::{Filter, Page};
pub use signature::{Verdict, VersionSignature};
pub use version::{Entry, Person, Tombstone, Version};
pub use workspace::{SourceCommit, Workspace};
