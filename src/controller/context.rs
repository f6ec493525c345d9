//! What a reconcile works with: the parts of the controller that all stages share.

use std::sync::Arc;

use kube::Client;

use super::acceptance::Acceptance;
use super::apply::Applier;
use super::cache::Cache;
use super::observe::Delays;
use super::report::Reports;
use super::repositories::Repositories;
use super::sync::Sync;

/// What a reconcile works with.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) cache: Arc<Cache>,
    pub(super) repositories: Arc<Repositories>,
    pub(super) applier: Applier,
    pub(super) acceptance: Acceptance,
    pub(super) reports: Reports,
    pub(super) sync: Sync,
    pub(super) delays: Delays,
}
