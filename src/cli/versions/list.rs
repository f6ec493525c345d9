//! `cutwater versions list`.

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{EntryJson, row};
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::store::{History, RefProblem};
use crate::words::AppName;

/// Most refs that are warned of one by one.
const WARNINGS_MAX: usize = 10;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App to list; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Most versions to print, 0 for all
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// The versions of an app, newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListJson {
    /// The app.
    app: AppName,
    /// The versions that were asked for.
    versions: Vec<EntryJson>,
    /// How many there are in all.
    total: usize,
    /// Refs of the app that are not as they should be.
    problems: Vec<RefProblem>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app, None)?;
        let history = context.workspace.history(&app)?;
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let entries = history.entries.iter().rev().take(limit);
        if ui.json {
            let versions = entries.map(|(number, entry)| EntryJson::new(&app, *number, entry));
            return ui.json(&ListJson {
                app: app.clone(),
                versions: versions.collect(),
                total: history.entries.len(),
                problems: history.problems.clone(),
            });
        }
        warn(ui, &history);
        let rows: Vec<Vec<String>> = entries.map(|(number, entry)| row(*number, entry)).collect();
        if rows.is_empty() {
            ui.hint(format!(
                "`{app}` has no versions yet; publish one with `cutwater versions publish {app}`"
            ));
            return Ok(());
        }
        let shown = rows.len();
        ui.table(
            &["VERSION", "ID", "PUBLISHED", "AUTHOR", "LABELS", "MESSAGE"],
            rows,
        );
        if shown < history.entries.len() {
            ui.hint(format!(
                "{shown} of {} versions; all with --limit 0",
                history.entries.len()
            ));
        }
        Ok(())
    }
}

/// Says which refs are not as they should be.
fn warn(ui: &Ui, history: &History) {
    for ref_problem in history.problems.iter().take(WARNINGS_MAX) {
        ui.warning(format!("{} {}", ref_problem.name, ref_problem.problem));
    }
    let more = history.problems.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        ui.warning(format!(
            "{more} more refs are not as they should be; all with --json"
        ));
    }
}
