//! `cutwater deployments`: one file per verb. Reads only.

mod list;
mod status;

use clap::Subcommand;

use super::Global;
use super::context::Context;
use super::output::{Failure, Ui};

pub(super) use list::ListJson;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what was deployed, newest first
    #[command(after_help = "Examples:
  cutwater deployments list checkout
  cutwater deployments list checkout --environment prod --limit 5 --json

From the ledgers, where there are any; else from the commits of the tracked branch that changed `releases/`. The cluster of the
kubeconfig adds its newest deployments.")]
    List(list::Args),
    /// Show what is wanted beside what is served
    #[command(after_help = "Examples:
  cutwater deployments status checkout
  cutwater deployments status checkout --json
  cutwater deployments status checkout --watch

With --watch it is shown again whenever it is something else, until Ctrl-C: at a terminal as a whole, elsewhere a line for what
is new, or with --json a document in a line.")]
    Status(status::Args),
}

impl Command {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        match self {
            Self::List(args) => args.run(ui, &context),
            Self::Status(args) => args.run(ui, &context),
        }
    }
}
