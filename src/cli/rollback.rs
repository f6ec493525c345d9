//! `cutwater rollback`.

use super::Global;
use super::candidates;
use super::context::Context;
use super::output::{Failure, Ui};
use super::release::ReleaseArgs;
use crate::store::Wish;
use crate::words::{AppName, VersionWord};

/// Go back to the last version that had all the traffic, or to one that is named
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cutwater rollback checkout
  cutwater rollback checkout v7 --message \"v8 loses orders\"

A rollback is a new deployment of an old version, at 100 %. Without a version it is the one of the newest earlier deployment that
had one version at 100 %, which lives, is not the only one now, and was not left since: by the ledger, where there is one, and by
the commits of the tracked branch before it. Where it cannot be known what one of them deployed, nothing changes, and the error says
what to run. What was rolled back from is recorded in the commit. A version that a rule names keeps its rule, and stays listed at 0 %.")]
pub(super) struct Args {
    /// App
    #[arg(add = candidates::apps())]
    app: AppName,
    /// Version by number, id or label
    #[arg(value_name = "VERSION", add = candidates::app_and_versions())]
    target: Option<VersionWord>,
    /// Why; it stands in the Deployment and in the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        let change = (self.app, Wish::RollBack(self.target), self.message);
        self.release
            .run(ui, &context, change, ("rolled back", "roll back"))
    }
}
