//! `cutwater crd`: the custom resource definitions, printed or written to files.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::api::schema::{self, SchemaError};

/// Print the custom resource definitions, for `kubectl apply --server-side -f -`
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CrdArgs {
    /// Write one file per kind into this directory instead
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Why the definitions could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// A definition could not be made.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// It could not be written.
    #[error("cannot write {place}: {source}")]
    Write {
        /// The file, or standard output.
        place: String,
        /// Why not.
        source: io::Error,
    },
}

/// Writes the definitions to `out`, or to files where a directory is given; their paths go to `out` then.
///
/// # Errors
///
/// If `out` or a file cannot be written.
pub fn cmd_crd(args: &CrdArgs, out: &mut dyn Write) -> Result<(), CrdError> {
    let failed = |place: String| move |source| CrdError::Write { place, source };
    let stdout = || "standard output".to_owned();
    let Some(directory) = &args.output else {
        return write!(out, "{}", schema::all_yaml()?).map_err(failed(stdout()));
    };
    std::fs::create_dir_all(directory).map_err(failed(directory.display().to_string()))?;
    for (name, yaml) in schema::files()? {
        let path = directory.join(name);
        std::fs::write(&path, yaml).map_err(failed(path.display().to_string()))?;
        writeln!(out, "{}", path.display()).map_err(failed(stdout()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_go_to_standard_output_or_to_files() {
        let mut out = Vec::new();
        cmd_crd(&CrdArgs::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("kind: CustomResourceDefinition").count(), 3);

        let directory = tempfile::tempdir().unwrap();
        let output = Some(directory.path().join("crds"));
        let mut out = Vec::new();
        cmd_crd(&CrdArgs { output }, &mut out).unwrap();
        let listed = String::from_utf8(out).unwrap();
        assert_eq!(listed.lines().count(), 3);
        for path in listed.lines() {
            let yaml = std::fs::read_to_string(path).unwrap();
            assert!(text.contains(&yaml), "{path}");
        }
    }
}
