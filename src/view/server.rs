//! What a `cutwater serve` tells of an app, beside what the repository says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::admin_client::AdminClient;
use super::ask_error::ServerError;
use crate::serve::admin_api::{SplitStatus, Status};
use crate::store::Workspace;
use crate::words::{AppName, CommitId};

/// What a `cutwater serve` of this repository serves.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Its admin address.
    pub address: String,
    /// The commit that counts there.
    pub commit: Option<CommitId>,
    /// By `cwd/NAME` for a Deployment, `cwa/NAME` for an Alias.
    pub splits: BTreeMap<String, SplitStatus>,
    /// What stands against what is wanted.
    pub problems: Vec<String>,
    /// How many changes are not in the ledger yet; absent where none is written.
    pub waiting: Option<usize>,
}

impl ServerStatus {
    /// What it tells now.
    ///
    /// # Errors
    /// When none answers, or it follows another repository or branch than the clone.
    pub fn ask(
        client: &AdminClient,
        workspace: &Workspace,
        app: &AppName,
    ) -> Result<Self, ServerError> {
        let status: Status = client.ask("/status")?;
        client.follows(workspace, &status)?;
        let mut apps = status.apps;
        let app = apps.remove(app);
        let (splits, problems) = app
            .map(|app| (app.splits, app.problems))
            .unwrap_or_default();
        let (waiting, unwritten) = (status.ledger)
            .map(|ledger| (ledger.waiting, ledger.problems))
            .unzip();
        // Where the ledger is of another server, the records in the repository are not about this one.
        let unwritten = unwritten.into_iter().flatten();
        let problems = status.problems.into_iter().chain(problems);
        Ok(Self {
            address: client.to_string(),
            commit: status.commit,
            splits,
            problems: problems.chain(unwritten).collect(),
            waiting,
        })
    }
}
