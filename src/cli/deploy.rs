//! `cutwater deploy`.

use super::Global;
use super::bare;
use super::candidates;
use super::context::Context;
use super::order::Shape;
use super::output::{Failure, Ui};
use super::release::ReleaseArgs;
use crate::releases::{Asked, split};
use crate::releasing::Wish;

const SHAPE: Shape = Shape {
    command: "deploy",
    words: &["VERSION"],
    required: 1,
    endless: true,
    free: false,
    more: "",
};

/// Say which versions serve an app's traffic, and how much each
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cutwater deploy checkout v8                     # all of the traffic
  cutwater deploy checkout v7=90 v8=10            # a canary
  cutwater deploy checkout v7 v8=10               # the same: v7 gets what v8 leaves
  cutwater deploy checkout v7=100 v8=0            # v8 runs, and the override header reaches it
  cutwater deploy checkout v8 --branch ship-v8    # for a pull request
  cutwater deploy checkout v8 --pull-request      # opens it, with what the merge does as its text

Changes `versions` of the app's Deployment in `releases/` of the tracked branch, in one commit on top of what the remote has.
Comments, order and all else of the file stay as they are. Shares that are not given share equally what the others leave.")]
pub(super) struct Args {
    /// App, and 1 to 10 versions by number, id or label, each with its share in percent if one is to be given; the app may be
    /// left out in its directory, and if there is only one
    #[arg(
        value_name = "[APP] VERSION[=PERCENT]...",
        num_args = 1..,
        required = true,
        add = candidates::app_and_versions()
    )]
    words: Vec<String>,
    /// Why; it stands in the Deployment and in the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        self.release.check(&self.words)?;
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_before(self.words)?;
        bare::check(&context.command(&format!("deploy {app}")), &words)?;
        let versions: Result<Vec<Asked>, _> = words.iter().map(|word| word.parse()).collect();
        let versions = versions.map_err(Failure::usage)?;
        let shares: Vec<_> = versions.iter().map(|asked| asked.percentage).collect();
        split(&shares).map_err(Failure::usage)?;
        let change = (app, Wish::Deploy(versions), self.message);
        self.release
            .run(ui, &context, change, ("deployed", "deploy"))
    }
}
