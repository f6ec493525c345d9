//! `cutwater schema`: JSON Schemas for editors.

use clap::Subcommand;

use super::output::{Failure, Ui};
use crate::app;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the JSON Schema of app.yaml
    #[command(
        after_help = "Examples:\n  cutwater schema app > app.schema.json\n\nIn app.yaml, for editors with yaml-language-server:\n  # yaml-language-server: $schema=./app.schema.json"
    )]
    App,
}

impl Command {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::App => ui.json(app::json_schema()),
        }
    }
}
