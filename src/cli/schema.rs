//! `cutwater schema`: JSON Schemas of the files that people write, and of what `--json` prints.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value as Json, json};

use super::output::{Failure, Ui};
use super::{deployments, versions};
use crate::store::Published;
use crate::{app, settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the JSON Schema of app.yaml
    #[command(
        after_help = "Examples:\n  cutwater schema app > app.schema.json\n\nIn app.yaml, for editors with yaml-language-server:\n  # yaml-language-server: $schema=./app.schema.json"
    )]
    App,
    /// Print the JSON Schema of cutwater.yaml
    #[command(
        after_help = "Examples:\n  cutwater schema settings > settings.schema.json\n\nIn cutwater.yaml, for editors with yaml-language-server:\n  # yaml-language-server: $schema=./settings.schema.json"
    )]
    Settings,
    /// Print the JSON Schema of what a command prints with --json
    #[command(after_help = "Examples:
  cutwater schema output versions list
  cutwater schema output                      # all of them, by command
  cutwater schema output --write docs/schemas # one file per command")]
    Output {
        /// The words of the command, such as `versions list`
        command: Vec<String>,
        /// Write one file per command into this folder, and print their paths
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        write: Option<PathBuf>,
    },
}

impl Command {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::App => ui.json(app::json_schema()),
            Self::Settings => ui.json(settings::json_schema()),
            Self::Output {
                write: Some(folder),
                ..
            } => write(ui, &folder),
            Self::Output { command, .. } if command.is_empty() => ui.json(&outputs()),
            Self::Output { command, .. } => {
                let command = command.join(" ");
                let all = outputs();
                let schema = all.get(command.as_str()).ok_or_else(|| {
                    let names: Vec<&str> = all.keys().copied().collect();
                    Failure::usage(format!("`cutwater {command}` prints no JSON of its own"))
                        .hint(format!("these do: {}", names.join(", ")))
                })?;
                ui.json(schema)
            }
        }
    }
}

/// What each command prints with `--json`, by the words of the command. A command that prints JSON has a line here.
fn outputs() -> BTreeMap<&'static str, Json> {
    [
        ("deployments list", schema::<deployments::ListJson>()),
        ("deployments status", schema::<deployments::StatusJson>()),
        ("versions publish", schema::<Published>()),
        ("versions list", schema::<versions::ListJson>()),
        ("versions delete", schema::<versions::DeleteJson>()),
        ("versions view", schema::<versions::ViewJson>()),
    ]
    .into()
}

/// The schema of what is written, without the rules that only an API server reads.
fn schema<T: JsonSchema>() -> Json {
    fn plain(schema: &mut Schema) {
        schema.remove("x-kubernetes-validations");
        schemars::transform::transform_subschemas(&mut plain, schema);
    }
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings
        .with_transform(plain)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn write(ui: &Ui, folder: &std::path::Path) -> Result<(), Failure> {
    let failed = |path: &std::path::Path, error| {
        Failure::new(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut paths = Vec::new();
    for (command, schema) in outputs() {
        let path = folder.join(format!("{}.json", command.replace(' ', "-")));
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        paths.push(path.display().to_string());
    }
    if ui.json {
        return ui.json(&json!(paths));
    }
    for path in paths {
        ui.result(path);
    }
    Ok(())
}
