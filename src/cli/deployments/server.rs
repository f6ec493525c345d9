//! What a `cutwater serve` tells of an app, beside what the repository says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::standalone::Standalone;
use crate::serve::admin_api::{SplitStatus, Status};
use crate::words::AppName;

/// What a `cutwater serve` of this repository serves.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ServerJson {
    /// Its admin address.
    pub(super) address: String,
    /// The commit that counts there.
    pub(super) commit: Option<String>,
    /// By `cwd/NAME` for a Deployment, `cwa/NAME` for an Alias.
    pub(super) splits: BTreeMap<String, SplitStatus>,
    /// What stands against what is wanted.
    pub(super) problems: Vec<String>,
    /// How many changes are not in the ledger yet; absent where none is written.
    pub(super) waiting: Option<usize>,
}

impl ServerJson {
    /// What it tells now; nothing where none answers or it follows another repository, with the reason.
    pub(super) fn ask(
        standalone: &Standalone,
        context: &Context,
        app: &AppName,
    ) -> Result<Self, String> {
        let status: Status = standalone
            .ask("/status")
            .map_err(|error| error.to_string())?;
        standalone
            .follows(context, &status)
            .map_err(|failure| failure.to_string())?;
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
            address: standalone.to_string(),
            commit: status.commit,
            splits,
            problems: problems.chain(unwritten).collect(),
            waiting,
        })
    }
}
