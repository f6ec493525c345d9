//! `cutwater alias delete`.

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::release::ReleaseArgs;
use crate::releasing::Wish;

const SHAPE: Shape = Shape {
    command: "alias delete",
    words: &["NAME"],
    required: 1,
    endless: false,
    free: false,
    more: "one alias is deleted at a time; a message of several words stands in quotes",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App and alias; the app may be left out in its directory
    #[arg(
        value_name = "[APP] NAME",
        num_args = 1..,
        required = true,
        add = candidates::apps()
    )]
    words: Vec<String>,
    /// Why; it stands in the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and(self.words, 1)?;
        let name = words.concat().parse().map_err(Failure::usage)?;
        let change = (app, Wish::DeleteAlias(name), self.message);
        self.release.run(ui, context, change, ("deleted", "delete"))
    }
}
