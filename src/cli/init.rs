//! `cutwater init`: the files of a new release repository.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use super::Global;
use super::output::{Failure, Ui};
use crate::scaffold::{self, Forge};
use crate::settings::{SETTINGS_FILE, Settings};
use crate::store::{BeginError, Place};
use crate::words::AppName;

/// Start a release repository
///
/// Writes settings, one app with a page, its Deployment, a Repository for the cluster, pipelines that publish what a push
/// changed, and a README with the next commands. Makes the git repository where there is none. Nothing is committed, and
/// nothing that is there is overwritten: if one of the files is, none is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater init shop --app checkout
  cutwater init --ci github           # in the current directory
  cutwater init --dry-run --keep      # what is missing here")]
pub(super) struct Args {
    /// Root of the repository, new or not; the current directory where absent
    #[arg(value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Name of the first app
    #[arg(long, value_name = "NAME", default_value = "hello")]
    app: AppName,
    /// Pipelines to write; where absent all three, or with --keep in a release repository those that it has
    #[arg(long, value_name = "FORGE", value_delimiter = ',')]
    ci: Vec<Ci>,
    /// Leave files that are there as they are, and write the others
    #[arg(long)]
    keep: bool,
    /// Print the files, and write none
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ci {
    /// GitHub Actions
    Github,
    /// GitLab CI/CD
    Gitlab,
    /// Forgejo Actions
    Forgejo,
    /// No pipelines
    None,
}

/// The release repository that was begun.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitJson {
    /// Its root.
    directory: String,
    /// The branch that its settings and pipelines name.
    branch: String,
    /// A git repository was made; there had been none.
    made_repository: bool,
    /// Files that were written, by their paths from the root.
    written: Vec<String>,
    /// Files that had been there, and stay as they are.
    kept: Vec<String>,
    /// Nothing was written: this is what would be.
    dry_run: bool,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let named = forges(&self.ci)?;
        if let Some(dir) = global.repo.as_ref().filter(|dir| !dir.exists()) {
            return Err(Failure::usage(format!(
                "directory {}: does not exist; the one to make is named without -C: cutwater init DIR",
                dir.display()
            )));
        }
        let base = global.repo.clone().unwrap_or_default();
        let dir = base.join(self.dir.unwrap_or_default());
        // An empty path is the current directory, which the system does not know by that name.
        let place = Place::at(&PathBuf::from(".").join(dir)).map_err(failure)?;
        let has = |path: &str| place.root().join(path).exists();
        let forges = match named {
            Some(forges) => forges,
            // It has settings: somebody chose its pipelines before.
            None if self.keep && has(SETTINGS_FILE) => {
                let there = Forge::ALL.into_iter();
                there.filter(|forge| has(forge.file())).collect()
            }
            None => Forge::ALL.into(),
        };
        let files = scaffold::files(&self.app, place.branch(), &forges);
        // The branch comes from the repository that is there: one that our own reader refuses is refused here.
        for file in &files {
            if file.path == SETTINGS_FILE {
                Settings::read(file.content.as_bytes()).map_err(|problems| {
                    Failure::new(problems).hint(
                        "the branch is the one that is checked out; rename it with `git branch -m`",
                    )
                })?;
            }
        }
        let begun = place
            .begin(&files, self.keep, self.dry_run)
            .map_err(failure)?;
        if ui.json {
            return ui.json(&InitJson {
                directory: place.root().display().to_string(),
                branch: place.branch().to_owned(),
                made_repository: begun.made_repository,
                written: begun.written,
                kept: begun.kept,
                dry_run: self.dry_run,
            });
        }
        let would = if self.dry_run { "would " } else { "" };
        if begun.made_repository {
            let verb = if self.dry_run { "make" } else { "made" };
            ui.result(format!(
                "{would}{verb} a git repository in {}",
                place.root().display()
            ));
        }
        for path in &begun.kept {
            let verb = if self.dry_run { "keep" } else { "kept" };
            ui.result(format!("{would}{verb} {path}"));
        }
        for path in &begun.written {
            let verb = if self.dry_run { "write" } else { "wrote" };
            ui.result(format!("{would}{verb} {path}"));
        }
        if !self.dry_run {
            ui.hint(format!(
                "the next commands are in {}",
                place.root().join("README.md").display()
            ));
        }
        Ok(())
    }
}

/// The forges that are named; nothing where none is, nor `none`.
fn forges(ci: &[Ci]) -> Result<Option<BTreeSet<Forge>>, Failure> {
    if ci.is_empty() {
        return Ok(None);
    }
    if ci.contains(&Ci::None) && ci.len() > 1 {
        return Err(Failure::usage("--ci none stands alone"));
    }
    let forge = |ci: &Ci| match ci {
        Ci::Github => Some(Forge::Github),
        Ci::Gitlab => Some(Forge::Gitlab),
        Ci::Forgejo => Some(Forge::Forgejo),
        Ci::None => None,
    };
    Ok(Some(ci.iter().filter_map(forge).collect()))
}

fn failure(error: BeginError) -> Failure {
    let hint = match &error {
        BeginError::Inside { root, .. } => Some(format!(
            "a release repository begins at the root of its git repository: cutwater init {}",
            root.display()
        )),
        BeginError::Bare(_) => Some("clone it, and begin in the clone".to_owned()),
        BeginError::Taken { .. } => {
            Some("move them away, or write only what is missing with --keep".to_owned())
        }
        BeginError::Failed { .. } => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
