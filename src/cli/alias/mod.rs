//! `cutwater alias`: one file per verb.

mod delete;
mod entry;
mod list;
mod set;
mod view;

use clap::Subcommand;

use super::Global;
use super::context::Context;
use super::output::{Failure, Ui};

pub(super) use entry::AliasJson;
pub(super) use list::ListJson;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Point an alias to a version, with a canary or without
    #[command(after_help = "Examples:
  cutwater alias set checkout staging v8
  cutwater alias set checkout staging v7 --canary v8=25
  cutwater alias set checkout staging v8 --branch staging-v8

Changes `version` and `canary` of the Alias in `releases/` of the tracked branch, in one commit on top of what the remote has;
all else of the file stays as it is. Without --canary the alias has none afterwards.")]
    Set(set::Args),
    /// List the aliases of an app
    #[command(after_help = "Examples:
  cutwater alias list checkout
  cutwater alias list checkout --json")]
    List(list::Args),
    /// Show an alias
    #[command(after_help = "Examples:
  cutwater alias view checkout staging")]
    View(view::Args),
    /// Take an alias out of `releases/`
    #[command(after_help = "Examples:
  cutwater alias delete checkout staging --dry-run
  cutwater alias delete checkout staging --message \"Nobody uses it\"

The file goes with the alias where it holds nothing else. `cutwater serve` ends its routes at once; in a cluster `kubectl delete -f` does.")]
    Delete(delete::Args),
}

impl Command {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        match self {
            Self::Set(args) => args.run(ui, &context),
            Self::List(args) => args.run(ui, &context),
            Self::View(args) => args.run(ui, &context),
            Self::Delete(args) => args.run(ui, &context),
        }
    }
}
