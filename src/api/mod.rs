//! The custom resources of `cutwater.dev/v1alpha1`, as types and as schemas, and the few fields of the Gateway API that
//! Cutwater sets or reads.
//!
//! A new field of a resource goes into its type here; what may stand in it goes beside it as a rule of `rules`, so that
//! the API server refuses what can never work, and into [`Wanted`] for objects that were written past the schema.
//! Nothing here talks to a cluster or reads a clock. Doc comments on fields are product text: `kubectl explain` prints them.

pub mod alias;
pub mod condition;
pub mod deployment;
pub mod gateway;
mod http_route;
mod owner_kind;
pub mod reach;
pub mod repository;
pub mod route;
mod rules;
pub mod schema;
mod specs;
pub mod status;
pub mod sync;
pub mod traffic;
pub mod trouble;
mod version_rule;
pub mod wanted;
mod words;

pub use alias::{Alias, AliasSpec, AliasStatus, Canary};
pub use condition::{Class, Reason, Type};
pub use deployment::{Deployment, DeploymentSpec, DeploymentStatus};
pub use owner_kind::OwnerKind;
pub use repository::{Ledger, Repository, RepositorySpec, RepositoryStatus, SecretName};
pub use route::{GatewayRef, Route, covers_hostname, path_key};
pub use status::{HistoryEntry, HistoryShare, ResolvedVersion, RouteState, ServingVersion};
pub use sync::{HeldObject, SyncStatus};
pub use traffic::{Affinity, OnLoss, Override, OverrideMode, SecretKey, WantedVersion};
pub use trouble::Trouble;
pub use version_rule::{CookieRule, HeaderRule, QueryRule, VersionRule};
pub use wanted::{
    AffinityKey, NamedRoute, OverrideRule, RequestMatch, SpecError, Wanted, WantedRule,
};

/// What kustomize has to know to rename references in the custom resources, as a file of `configurations`.
pub const KUSTOMIZE: &str = include_str!("kustomize.yaml");

/// Group of the custom resources.
pub const GROUP: &str = "cutwater.dev";
/// Version of the custom resources.
pub const VERSION: &str = "v1alpha1";

/// Field manager of everything that is made: workloads, routes, anchors. What it set fields of is ours.
pub const FIELD_MANAGER: &str = "cutwater";
/// Field manager of status.
pub const STATUS_MANAGER: &str = "cutwater-status";
/// Field manager of the Deployments and Aliases that are synced from a branch.
pub const SYNC_MANAGER: &str = "cutwater-sync";
/// Field manager of the finalizer.
pub const FINALIZER_MANAGER: &str = "cutwater-finalizer";
/// Holds a Deployment or an Alias until its routes are off, drained and gone.
pub const FINALIZER: &str = "cutwater.dev/drain";

/// Annotations that people set, and those of what is synced. Those of the objects that the controller makes are in [`crate::kubernetes::names`].
pub mod annotation {
    /// On a Repository: the commit whose held prune may go on.
    pub const PRUNE: &str = "cutwater.dev/prune";
    /// On a Deployment or an Alias: who asked for this change, where the writer knows it.
    pub const AUTHOR: &str = "cutwater.dev/author";
    /// On a Deployment or an Alias: with the value [`PAUSED`], what is synced leaves it as it is.
    pub const SYNC: &str = "cutwater.dev/sync";
    /// The value of [`SYNC`] that counts.
    pub const PAUSED: &str = "paused";
    /// On a Deployment or an Alias that is synced: the uid of its Repository. Written by the controller, as those below.
    pub const SYNCED_BY: &str = "cutwater.dev/synced-by";
    /// On a Deployment or an Alias that is synced: the commit as of which it was written last.
    pub const COMMIT: &str = "cutwater.dev/commit";
    /// On a Deployment or an Alias that is synced: the file in which it stood then.
    pub const FILE: &str = "cutwater.dev/file";
    /// On a Deployment or an Alias that is synced: a digest of what was wanted of it then.
    pub const APPLIED: &str = "cutwater.dev/applied";
    /// What a file of releases must not set.
    pub const RESERVED: [&str; 5] = [SYNC, SYNCED_BY, COMMIT, FILE, APPLIED];
}
