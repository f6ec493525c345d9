//! `cutwater schema`: JSON Schemas of the files that people write, and of what `--json` prints.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::files::{self, FilesJson};
use super::output::{Failure, FailureJson, Ui};
use super::{alias, crd, deployments, init, plan, versions};
use crate::releasing::Released;
use crate::store::Labelled;
use crate::{app, releases, serve, settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the JSON Schema of app.yaml
    #[command(
        after_help = "Examples:\n  cutwater schema app > app.schema.json\n\nIn app.yaml, for editors with yaml-language-server:\n  # yaml-language-server: $schema=./app.schema.json"
    )]
    App,
    /// Print the JSON Schema of the files in releases/
    #[command(
        after_help = "Examples:\n  cutwater schema release > release.schema.json\n\nIn a file in releases/, for editors with yaml-language-server:\n  # yaml-language-server: $schema=../release.schema.json"
    )]
    Release,
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
            Self::Release => ui.json(&releases::json_schema()),
            Self::Settings => ui.json(settings::json_schema()),
            Self::Output {
                write: Some(folder),
                ..
            } => {
                let text = |schema| serde_json::to_string_pretty(schema).map(|text| text + "\n");
                let all = outputs();
                let all = all
                    .iter()
                    .map(|(words, schema)| Ok((file(words), text(schema)?)));
                files::write(ui, &folder, all.collect::<Result<Vec<_>, Failure>>()?)
            }
            Self::Output { command, .. } if command.is_empty() => ui.json(&outputs()),
            Self::Output { command, .. } => {
                let command = command.join(" ");
                let all = outputs();
                let schema = all.get(command.as_str()).ok_or_else(|| {
                    let names: Vec<&str> = all.keys().copied().collect();
                    no_json(&command).hint(format!("these do: {}", names.join(", ")))
                })?;
                ui.json(schema)
            }
        }
    }
}

/// What each command prints with `--json`, by the words of the command, and what `serve` answers, by the path. A command has a
/// line here or in [`WITHOUT`].
fn outputs() -> BTreeMap<&'static str, Json> {
    [
        ("versions publish", schema::<versions::PublishJson>()),
        ("versions label", schema::<Labelled>()),
        ("versions list", schema::<versions::ListJson>()),
        ("versions delete", schema::<versions::DeleteJson>()),
        ("versions view", schema::<versions::ViewJson>()),
        ("versions import", schema::<versions::ImportJson>()),
        ("versions files", schema::<versions::FilesJson>()),
        ("versions export", schema::<versions::ExportJson>()),
        ("versions diff", schema::<versions::DiffJson>()),
        ("deployments list", schema::<deployments::ListJson>()),
        ("deployments status", schema::<crate::view::AppStatus>()),
        ("deploy", schema::<Released>()),
        ("rollback", schema::<Released>()),
        ("plan", schema::<plan::Document>()),
        ("alias set", schema::<Released>()),
        ("alias list", schema::<alias::ListJson>()),
        ("alias view", schema::<alias::AliasJson>()),
        ("alias delete", schema::<Released>()),
        ("init", schema::<init::InitJson>()),
        ("crd", schema::<crd::CrdJson>()),
        ("schema app", json_schema()),
        ("schema release", json_schema()),
        ("schema settings", json_schema()),
        ("schema output", schema::<OutputJson>()),
        ("serve status", schema::<serve::admin_api::Status>()),
        ("serve apps", schema::<serve::admin_api::Apps>()),
        ("serve app", schema::<serve::admin_api::AppDetail>()),
        ("serve ledger", schema::<serve::admin_api::LedgerDetail>()),
        ("error", schema::<FailureJson>()),
    ]
    .into()
}

/// Commands that print no JSON, and why.
const WITHOUT: [(&str, &str); 5] = [
    ("completions", "it prints a script"),
    (
        "controller",
        "it runs until it is stopped, and logs to stderr",
    ),
    ("guard", "it runs another program"),
    ("man", "it prints pages"),
    ("serve", "it runs until it is stopped, and logs to stderr"),
];

/// Why a command prints no JSON; nothing for those that do.
pub(super) fn without_json(words: &str) -> Option<&'static str> {
    let found = WITHOUT.iter().find(|(command, _)| *command == words);
    found.map(|(_, why)| *why)
}

/// The command was asked for JSON, and has none.
pub(super) fn no_json(words: &str) -> Failure {
    let why = without_json(words).map(|why| format!(": {why}"));
    Failure::usage(format!(
        "`cutwater {words}` prints no JSON{}",
        why.unwrap_or_default()
    ))
}

/// The name of the file that has the schema of a command.
pub(super) fn file(words: &str) -> String {
    format!("{}.json", words.replace(' ', "-"))
}

/// What `schema output` prints.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "only its schema is used: the parts print themselves"
)]
enum OutputJson {
    /// The files that were written, with `--write`.
    Files(FilesJson),
    /// A JSON Schema, or all of them by the words of their commands.
    Schemas(serde_json::Map<String, Json>),
}

/// The schema of a schema.
fn json_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A JSON Schema.",
        "$ref": "https://json-schema.org/draft/2020-12/schema",
    })
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
