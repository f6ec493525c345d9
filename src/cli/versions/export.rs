//! `cutwater versions export`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::short;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::store::{self, Content};
use crate::words::{AppName, TreeId, VersionNumber, VersionWord};

const SHAPE: Shape = Shape {
    command: "versions export",
    words: &["VERSION", "DIR"],
    required: 2,
    endless: false,
    free: true,
    more: "one version is written at a time",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, the version by number, id or label, and a folder that is new or empty
    #[arg(value_name = "[APP] VERSION DIR", num_args = 1.., required = true, add = candidates::app_version_and_folder())]
    words: Vec<String>,
}

/// A version that was written to a folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ExportJson {
    /// The app.
    app: AppName,
    /// The version's number.
    number: VersionNumber,
    /// The snapshot id: 40 hex digits of the tree.
    tree: TreeId,
    /// The folder, as an absolute path.
    folder: PathBuf,
    /// How many files and links were written.
    files: usize,
    /// Bytes of all files.
    bytes: usize,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, mut words) = context.app_and(self.words, 2)?;
        let last = words.pop().unwrap_or_default();
        let first = words.concat();
        let turned = || context.turned(&SHAPE, &app, [&first, &last]);
        let word: VersionWord =
            (first.parse()).map_err(|error| turned().unwrap_or_else(|| Failure::usage(error)))?;
        let workspace = &context.workspace;
        let history = context.history(ui, &app)?;
        let version =
            (history.version(&word)).map_err(|error| turned().unwrap_or_else(|| error.into()))?;
        let folder = PathBuf::from(last);
        ui.progress(&format!("writing {app} {}", version.number));
        let exported = store::export(workspace, &Content::of_version(version)?, &folder)?;
        if ui.json {
            return ui.json(&ExportJson {
                app,
                number: version.number,
                tree: version.tree.clone(),
                folder: exported.folder,
                files: exported.files,
                bytes: exported.bytes,
            });
        }
        ui.result(format!(
            "exported {app} {} ({}) to {}: {} files",
            version.number,
            short(&version.tree),
            folder.display(),
            exported.files
        ));
        Ok(())
    }
}
