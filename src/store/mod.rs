//! The version store: versions are commits without parents behind tags, in a plain git repository.
//!
//! ```text
//! a person's clone --snapshot, publish--> tags, last, ids at the remote --fetch--> Mirror --resolve--> VersionRecord
//! ```
//!
//! `refs/tags/<app>/v<number>` is the only authority; everything else is a hint that is checked. A repository is not
//! trusted: sizes are bounded, no link is followed out, a tag whose commit says something else is foreign. Objects and
//! local refs are read and written by libgit2; remotes only through [`crate::git`].

mod addition;
mod ancestry;
mod apps;
mod attempt;
mod audit;
mod begin;
mod browse;
mod candidate;
mod changed;
mod commit;
mod compare;
mod content;
mod damaged;
mod delete;
mod deletion;
mod doubt;
mod error;
mod exchange;
mod export;
mod files;
mod followed;
mod history;
mod holder;
mod import;
mod intact;
mod known;
mod label;
mod ledger;
mod listing;
mod lookup;
mod loose;
mod mirror;
mod objects;
mod partial;
mod prepare;
mod publish;
mod publish_all;
mod race;
mod refs;
mod release;
mod request;
mod select;
mod settings_file;
mod signature;
mod snapshot;
mod stale;
mod trailers;
mod unchanged;
mod users;
mod version;
mod work_tree;
mod workspace;

pub use addition::Addition;
pub use audit::RefProblem;
pub use begin::{BeginError, Begun, Place};
pub use browse::{Found, Listed, look};
pub use changed::Changed;
pub use compare::{Comparison, FileChange, FileStatus};
pub use content::{Content, ContentError, LATEST};
pub use delete::delete;
pub use deletion::{AskRunning, DeleteError, DeleteRequest, Deletion};
pub use error::CommitError;
pub use error::{LabelError, PublishError, ResolveError, SnapshotError, StoreError};
pub use export::{Exported, export};
pub use files::{FILES_MAX, RECORD_MAX};
pub use followed::LocalBranch;
pub use history::History;
pub use import::{ImportError, ImportSource, Imported, Unfit, import};
pub use intact::unlock;
pub use known::KnownVersion;
pub use label::{LabelChange, LabelOutcome, LabelRequest, Labelled, label};
pub use ledger::LedgerError;
pub use listing::ListedFile;
pub use mirror::{Fetched, Mirror};
pub use publish::publish;
pub use publish_all::publish_all;
pub use release::{
    ChangedMeanwhile, NewAlias, NothingStable, ReleaseError, ReleaseOutcome, ReleaseRequest,
    Released, Wish, WorkTree, alias_name, release,
};
pub use request::{Outcome, Provenance, Published, Request, Warning, WarningReason};
pub use select::{Filter, Page};
pub use signature::{Verdict, VersionSignature};
pub use users::{
    Branch, Change, Cluster, ClusterObject, Deployed, DeployedShare, Ledger, LedgerEntry, Memory,
    Past, Running, Scope, Server, Survey, Unreadable, Unserved, Use, User, deployed, may_mean,
    numbers, users_of,
};
pub use version::{Entry, Person, Tombstone, Version};
pub use workspace::{SourceCommit, Workspace};
