//! `cutwater deploy`.

use super::Global;
use super::candidates;
use super::context::Context;
use super::output::{Failure, Ui};
use super::release::ReleaseArgs;
use crate::releases::Asked;
use crate::store::Wish;
use crate::words::AppName;

/// Say which versions serve an app's traffic, and how much each
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cutwater deploy checkout v8                     # all of the traffic
  cutwater deploy checkout v7=90 v8=10            # a canary
  cutwater deploy checkout v7 v8=10               # the same: v7 gets what v8 leaves
  cutwater deploy checkout v7=100 v8=0            # v8 runs, and the override header reaches it
  cutwater deploy checkout v8 --branch ship-v8    # for a pull request

Changes `versions` of the app's Deployment in `releases/` of the tracked branch, in one commit on top of what the remote has.
Comments, order and all else of the file stay as they are. Shares that are not given share equally what the others leave.")]
pub(super) struct Args {
    /// App
    #[arg(add = candidates::apps())]
    app: AppName,
    /// 1 to 10 versions by number, id or label, each with its share in percent where one is to be given
    #[arg(
        value_name = "VERSION[=PERCENT]",
        required = true,
        add = candidates::app_and_versions()
    )]
    versions: Vec<Asked>,
    /// Why; it stands in the Deployment and in the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        let change = (self.app, Wish::Deploy(self.versions), self.message);
        self.release
            .run(ui, &context, change, ("deployed", "deploy"))
    }
}
