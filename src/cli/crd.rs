//! `cutwater crd`: the custom resource definitions, printed or written to files.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::files::{self, FilesJson};
use super::output::{Failure, Ui};
use crate::api::{self, schema};

/// Print the custom resource definitions
///
/// They hold every rule about the fields of Deployment, Alias and Repository, so that the API server refuses what can
/// never work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater crd | kubectl apply --server-side -f -
  cutwater crd --output crds
  cutwater crd --kustomize > cutwater.yaml    # then, in kustomization.yaml: configurations: [cutwater.yaml]")]
pub(super) struct Args {
    /// Write one file per kind into this folder, and print their paths
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print a configuration for kustomize instead, so that namePrefix and generators rename what the resources refer to
    #[arg(long, conflicts_with = "output")]
    kustomize: bool,
}

/// The custom resource definitions.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CrdJson {
    /// The files that were written, with `--output`.
    #[expect(
        dead_code,
        reason = "only its schema is used: what writes files prints them"
    )]
    Files(FilesJson),
    /// A list as `kubectl apply` takes it.
    #[serde(rename_all = "camelCase")]
    List {
        /// Always `v1`.
        api_version: String,
        /// Always `List`.
        kind: String,
        /// The definitions, of `apiextensions.k8s.io/v1`.
        #[schemars(with = "Vec<serde_json::Map<String, Json>>")]
        items: Vec<Json>,
    },
}

impl Args {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        if self.kustomize {
            if ui.json {
                return Err(Failure::usage(
                    "--kustomize prints a file for kustomize, and no JSON",
                ));
            }
            ui.result(api::KUSTOMIZE.trim_end());
            return Ok(());
        }
        if let Some(folder) = &self.output {
            return files::write(ui, folder, schema::files()?);
        }
        if ui.json {
            return ui.json(&CrdJson::List {
                api_version: "v1".to_owned(),
                kind: "List".to_owned(),
                items: schema::all()?
                    .iter()
                    .map(serde_json::to_value)
                    .collect::<Result<_, _>>()?,
            });
        }
        ui.result(schema::all_yaml()?.trim_end());
        Ok(())
    }
}
