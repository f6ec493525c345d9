//! `cutwater versions import`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::store::{self, ImportSource, Imported, Unfit};
use crate::words::{AppName, Label, VersionNumber};

/// Most numbers of an app that are named in an error.
const NAMED_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Repository to import from: a remote of this clone, a folder, or an address
    from: String,
    /// Apps to import; all that have versions there, where absent
    #[arg(add = candidates::apps())]
    apps: Vec<AppName>,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
}

/// What was imported, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ImportJson {
    /// The other repository, without credentials.
    from: String,
    /// True where nothing was pushed, because of --dry-run.
    dry_run: bool,
    /// By app.
    apps: Vec<Imported>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let workspace = &context.workspace;
        let here = std::env::current_dir()?;
        let origin = ImportSource::find(workspace, &self.from, &here).map_err(|error| {
            let is_source =
                |app: &&AppName| ImportSource::find(workspace, app.as_str(), &here).is_ok();
            let source = self.apps.iter().find(is_source);
            source.map_or_else(
                || error.into(),
                |source| {
                    Failure::usage(format!(
                        "the words stand in the wrong order: the repository stands first, and `{source}` is one: cutwater versions import {source} APP"
                    ))
                },
            )
        })?;
        let apps = store::import(workspace, &origin, &self.apps, self.dry_run, &mut |line| {
            ui.progress(line);
        })?;
        let taken: Vec<String> = apps.iter().filter_map(taken).collect();
        if ui.json {
            ui.json(&ImportJson {
                from: origin.shown,
                dry_run: self.dry_run,
                apps,
            })?;
        } else {
            for app in &apps {
                self.tell(ui, app);
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        Err(
            Failure::new(taken.join("\n")).hint(
                "numbers cannot be changed; publish that content here, or import into another repository",
            ),
        )
    }

    fn tell(&self, ui: &Ui, report: &Imported) {
        let app = &report.app;
        for Unfit { number, problem } in &report.foreign {
            ui.warning(format!(
                "{app} {number} is not imported: Cutwater did not publish it ({problem})"
            ));
        }
        for label in &report.taken_labels {
            ui.warning(format!(
                "label {label} of {app} is not imported: it names something else here"
            ));
        }
        let mut came = Vec::new();
        if !report.versions.is_empty() {
            came.push(ranges(&report.versions));
        }
        if !report.deleted.is_empty() {
            came.push(format!("deleted {}", ranges(&report.deleted)));
        }
        if !report.labels.is_empty() {
            let labels: Vec<&str> = report.labels.iter().map(Label::as_str).collect();
            came.push(format!("labels {}", labels.join(", ")));
        }
        if came.is_empty() {
            if report.conflicts.is_empty() {
                ui.result(format!(
                    "unchanged {app}: {} are here already",
                    report.present
                ));
            }
            return;
        }
        let verb = if self.dry_run {
            "would import"
        } else {
            "imported"
        };
        ui.result(format!("{verb} {app}: {}", came.join("; ")));
    }
}

/// `v1 to v3, v7`.
fn ranges(numbers: &[VersionNumber]) -> String {
    let mut parts: Vec<(VersionNumber, VersionNumber)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, end)) if end.next() == Some(*number) => *end = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let parts = parts.into_iter().map(|(from, to)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from} to {to}")
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Why nothing of an app came.
fn taken(report: &Imported) -> Option<String> {
    let numbers = report.conflicts.iter();
    let mut numbers: Vec<String> = numbers
        .map(|Unfit { number, problem }| format!("{number} {problem}"))
        .collect();
    if numbers.is_empty() {
        return None;
    }
    let more = numbers.len().saturating_sub(NAMED_MAX);
    numbers.truncate(NAMED_MAX);
    if more > 0 {
        numbers.push(format!("and {more} more"));
    }
    Some(format!(
        "nothing of `{}` is imported, because numbers of it are taken: {}",
        report.app,
        numbers.join("; ")
    ))
}
