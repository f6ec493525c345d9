//! `cutwater rollback`.

use super::Global;
use super::candidates;
use super::context::Context;
use super::order::Shape;
use super::output::{Failure, Ui};
use super::release::ReleaseArgs;
use crate::releasing::Wish;
use crate::words::{VersionWord, WORD_MAX, shown};

const SHAPE: Shape = Shape {
    command: "rollback",
    words: &["VERSION"],
    required: 0,
    endless: true,
    free: false,
    more: "",
};

/// Go back to the last version that had all the traffic, or to one that is named
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cutwater rollback checkout
  cutwater rollback checkout v7 --message \"v8 loses orders\"

A rollback is a new deployment of an old version, at 100 %. Without a version it is the one of the newest earlier deployment that
had one version at 100 %, which lives, is not the only one now, and was not left since: by the ledger, where there is one, and by
the commits of the tracked branch before it. Where it cannot be known what one of them deployed, or whether a commit that the ledger
has not was served, nothing changes, and the error says what to run. What was rolled back from is recorded in the commit. A version that a rule names keeps its rule, and stays listed at 0 %.")]
pub(super) struct Args {
    /// App, and the version by number, id or label; the app may be left out in its directory, and if there is only one
    #[arg(
        value_name = "[APP] [VERSION]",
        num_args = 0..,
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
    pub(super) fn run(mut self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        self.release.check(&self.words)?;
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_before(self.words)?;
        let target: Option<VersionWord> = match words.as_slice() {
            [] => None,
            [word] if !word.contains('=') => Some(word.parse().map_err(Failure::usage)?),
            words => {
                let several = if words.len() > 1 {
                    "are several"
                } else {
                    "has a share"
                };
                let words = shown(&words.join(" "), WORD_MAX);
                let failure = Failure::usage(format!(
                    "a rollback goes to one version, with all of the traffic, and `{words}` {several}"
                ));
                return Err(failure.hint(format!(
                    "{} splits the traffic",
                    context.command(&format!("deploy {app} VERSION=PERCENT..."))
                )));
            }
        };
        let is_bare = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
        self.release.is_bare = words.first().is_some_and(is_bare);
        let change = (app, Wish::RollBack(target), self.message);
        self.release
            .run(ui, &context, change, ("rolled back", "roll back"))
    }
}
