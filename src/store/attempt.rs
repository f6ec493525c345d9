//! One request to publish, as it is prepared once and tried as often as it takes.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::error::PublishError;
use super::prepare::{Prepared, prepare};
use super::refs::{AppRefs, Space};
use super::request::Request;
use super::workspace::Workspace;

/// One request to publish, through all its tries.
pub(super) struct Attempt<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) request: &'a Request,
    /// Names of refs at the remote.
    pub(super) space: Space,
    pub(super) prepared: Prepared,
    pub(super) nonce: String,
}

impl<'a> Attempt<'a> {
    /// Prepares what is to be published. `seen` are the refs as they were seen last.
    pub(super) fn new(
        workspace: &'a Workspace,
        request: &'a Request,
        seen: &AppRefs,
    ) -> Result<Self, PublishError> {
        Ok(Self {
            workspace,
            request,
            space: Space::canonical(&request.app),
            prepared: prepare(workspace, request, seen.last)?,
            nonce: format!("{:016x}", RandomState::new().build_hasher().finish()),
        })
    }
}
