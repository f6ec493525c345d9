//! `cutwater versions files`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::screen::{self, harmless};
use crate::store::{self, Content, Found, Listed};
use crate::words::{AppName, TreeId, VersionNumber, VersionWord};

const SHAPE: Shape = Shape {
    command: "versions files",
    words: &["VERSION", "[PATH]"],
    required: 1,
    endless: false,
    free: true,
    more: "one path is shown at a time",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, the version by number, id or label, and a path in the app's directory
    #[arg(value_name = "[APP] VERSION [PATH]", num_args = 1.., required = true, add = candidates::app_version_and_word())]
    words: Vec<String>,
}

/// Files of a version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FilesJson {
    /// The app.
    app: AppName,
    /// The version's number.
    number: VersionNumber,
    /// The snapshot id: 40 hex digits of the tree.
    tree: TreeId,
    /// All files below the path that was asked for, or the one that it names. Their content is printed without --json only.
    files: Vec<Listed>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and_one_or_two(self.words)?;
        let mut words = words.into_iter();
        let first = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let turned = || context.turned(&SHAPE, &app, [&first, &path]);
        let word: VersionWord =
            (first.parse()).map_err(|error| turned().unwrap_or_else(|| Failure::usage(error)))?;
        let workspace = &context.workspace;
        let history = context.history(ui, &app)?;
        let version =
            (history.version(&word)).map_err(|error| turned().unwrap_or_else(|| error.into()))?;
        let found = store::look(workspace, &Content::of_version(version)?, &path)?;
        if ui.json {
            return ui.json(&FilesJson {
                number: version.number,
                tree: version.tree.clone(),
                files: match found {
                    Found::Folder(files) => files,
                    Found::File(file, _) | Found::Link(file) => vec![file],
                },
                app,
            });
        }
        match found {
            Found::Folder(files) => {
                let width = files.iter().map(|file| file.size.to_string().len()).max();
                for file in &files {
                    let Listed {
                        path, mode, size, ..
                    } = file;
                    let width = width.unwrap_or_default();
                    let arrow = file.target.as_deref().map(|target| format!(" -> {target}"));
                    let arrow = arrow.unwrap_or_default();
                    ui.result(harmless(&format!("{mode} {size:>width$} {path}{arrow}")));
                }
                Ok(())
            }
            Found::File(_, bytes) => ui.content(&bytes, screen::Content::Plain),
            Found::Link(link) => {
                ui.result(harmless(&link.target.unwrap_or_default()));
                ui.hint(format!(
                    "`{}` is a link, and this is where it leads",
                    link.path
                ));
                Ok(())
            }
        }
    }
}
