//! `cutwater alias set`.

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::release::ReleaseArgs;
use crate::releases::Asked;
use crate::releasing::Wish;

const SHAPE: Shape = Shape {
    command: "alias set",
    words: &["NAME", "VERSION"],
    required: 2,
    endless: false,
    free: false,
    more: "a second version is the canary: --canary VERSION=PERCENT; a message of several words stands in quotes",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, the alias, and the version by number, id or label; the app may be left out in its directory
    #[arg(
        value_name = "[APP] NAME VERSION",
        num_args = 1..,
        required = true,
        add = candidates::app_and_versions()
    )]
    words: Vec<String>,
    /// A version that gets a part of the alias's requests, and how many percent
    #[arg(long, value_name = "VERSION=PERCENT")]
    canary: Option<Asked>,
    /// Why; it stands in the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        self.release.check(&self.words)?;
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and(self.words, 2)?;
        let [name, version] = words
            .try_into()
            .map_err(|_| Failure::usage("write the alias and the version"))?;
        let canary = match self.canary {
            None => None,
            Some(Asked {
                version,
                percentage: Some(percentage),
            }) => Some((version, percentage)),
            Some(Asked { version, .. }) => {
                return Err(Failure::usage(format!(
                    "--canary {version} names a version and no percentage; write --canary {version}=10, or whatever version and share are meant: --canary VERSION=PERCENT"
                )));
            }
        };
        let wish = Wish::SetAlias {
            name: name.parse().map_err(Failure::usage)?,
            version: version.parse().map_err(Failure::usage)?,
            canary,
        };
        let change = (app, wish, self.message);
        self.release.run(ui, context, change, ("set", "set"))
    }
}
