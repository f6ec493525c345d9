//! `cutwater crd`: the custom resource definitions, printed or written to files.

use std::path::PathBuf;

use serde_json::json;

use super::output::{Failure, Ui};
use crate::api::schema;

/// Print the custom resource definitions
///
/// They hold every rule about the fields of Deployment, Alias and Repository, so that the API server refuses what can
/// never work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater crd | kubectl apply --server-side -f -
  cutwater crd --output crds")]
pub(super) struct Args {
    /// Write one file per kind into this folder, and print their paths
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        if let Some(directory) = &self.output {
            return write(ui, directory);
        }
        if ui.json {
            return ui.json(&json!({"apiVersion": "v1", "kind": "List", "items": schema::all()?}));
        }
        ui.result(schema::all_yaml()?.trim_end());
        Ok(())
    }
}

fn write(ui: &Ui, directory: &std::path::Path) -> Result<(), Failure> {
    let failed = |path: &std::path::Path, error| {
        Failure::new(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut paths = Vec::new();
    for (name, yaml) in schema::files()? {
        let path = directory.join(name);
        std::fs::write(&path, yaml).map_err(|error| failed(&path, error))?;
        paths.push(path.display().to_string());
    }
    if ui.json {
        return ui.json(&paths);
    }
    for path in paths {
        ui.result(path);
    }
    Ok(())
}
