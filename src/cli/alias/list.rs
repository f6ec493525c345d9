//! `cutwater alias list`.

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{self, AliasJson};
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::words::AppName;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
}

/// The aliases of an app, by name.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListJson {
    /// The app.
    app: AppName,
    /// Its aliases.
    aliases: Vec<AliasJson>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app, None)?;
        let aliases = entry::read(ui, context, &app)?;
        if ui.json {
            return ui.json(&ListJson { app, aliases });
        }
        if aliases.is_empty() {
            let settings = context.workspace.settings();
            ui.hint(format!(
                "`{app}` has no alias in `{}` of branch {}",
                settings.releases, settings.branch
            ));
            return Ok(());
        }
        let row = |alias: &AliasJson| {
            vec![
                alias.name.clone(),
                alias.shares(),
                alias.hostnames.join(", "),
                format!("{}:{}", alias.file, alias.line),
                alias.description.clone().unwrap_or_default(),
            ]
        };
        let head = ["ALIAS", "VERSIONS", "HOSTNAMES", "FILE", "DESCRIPTION"];
        ui.table(&head, 1, aliases.iter().map(row).collect());
        Ok(())
    }
}
