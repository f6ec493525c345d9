//! Generated files: written into a folder, and their paths printed.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::output::{Failure, Ui};

/// The files that were written.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FilesJson {
    /// Their paths.
    files: Vec<String>,
}

/// Writes files by their names into `folder`, which is made where it is missing. What is there is replaced.
pub(super) fn write(
    ui: &Ui,
    folder: &Path,
    contents: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Failure> {
    let failed =
        |path: &Path, error| Failure::new(format!("cannot write {}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut files = Vec::new();
    for (name, content) in contents {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|error| failed(&path, error))?;
        files.push(path.display().to_string());
    }
    if ui.json {
        return ui.json(&FilesJson { files });
    }
    for path in files {
        ui.result(path);
    }
    Ok(())
}
