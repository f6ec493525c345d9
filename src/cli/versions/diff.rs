//! `cutwater versions diff`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Change;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::screen::{self, harmless};
use crate::git::Form;
use crate::store::{Comparison, Content, FileChange, History, LATEST};
use crate::words::{AppName, CommitId, TreeId, VersionWord};

const SHAPE: Shape = Shape {
    command: "versions diff",
    words: &["FROM", "[TO]"],
    required: 1,
    endless: false,
    free: false,
    more: "two versions are compared",
};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub(in crate::cli) struct Args {
    /// App, and two versions by number, id or label; LATEST is what the branch holds, and stands for TO where that is absent
    #[arg(value_name = "[APP] FROM [TO]", num_args = 1.., required = true, add = candidates::app_and_sides())]
    words: Vec<String>,
    /// Commit, branch or tag that LATEST is taken from
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD")]
    reference: String,
    /// Count the lines per file, and leave the code out
    #[arg(long)]
    stat: bool,
    /// Print the paths of the files that differ, and nothing else
    #[arg(long, conflicts_with_all = ["stat", "no_code", "patch"])]
    name_only: bool,
    /// Print what changes for a running app, and nothing else
    #[arg(long, conflicts_with_all = ["stat", "patch"])]
    no_code: bool,
    /// Print the code also with --stat or --json
    #[arg(long)]
    patch: bool,
    /// End with code 1 where there are differences
    #[arg(long)]
    exit_code: bool,
}

/// What differs between two versions of an app.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct DiffJson {
    /// The old side.
    from: SideJson,
    /// The new side.
    to: SideJson,
    /// What changes for a running app; absent where that cannot be told.
    app: Option<Vec<Change>>,
    /// Why that cannot be told.
    app_problem: Option<String>,
    /// The files that differ.
    files: Vec<FileChange>,
    /// With --patch, the code as git shows it; what is not UTF-8 is replaced.
    patch: Option<String>,
}

/// One side of a comparison.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct SideJson {
    /// The app.
    app: AppName,
    /// The version's number, such as `v8`, or `LATEST`.
    name: String,
    /// The snapshot id: 40 hex digits of the tree.
    tree: TreeId,
    /// The commit of the version, or that of the branch.
    commit: CommitId,
}

impl SideJson {
    fn new(content: &Content) -> Self {
        Self {
            app: content.app.clone(),
            name: content.name.clone(),
            tree: content.tree(),
            commit: content.commit.clone(),
        }
    }
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and_one_or_two(self.words.clone())?;
        let workspace = &context.workspace;
        let mut history: Option<History> = None;
        let mut side = |word: Option<&String>| -> Result<Content, Failure> {
            let Some(word) = word.filter(|word| *word != LATEST) else {
                let commit = workspace.source(Some(&self.reference))?;
                return Ok(Content::latest(workspace, &app, &commit)?);
            };
            let word: VersionWord = word.parse().map_err(Failure::usage)?;
            let history = match &mut history {
                Some(history) => history,
                none => none.insert(context.history(ui, &app)?),
            };
            Ok(Content::of_version(history.version(&word)?)?)
        };
        let (from, to) = (side(words.first())?, side(words.get(1))?);
        let comparison = Comparison::new(workspace, &from, &to, context.timeout)?;
        if ui.json {
            self.json(ui, &comparison, &from, &to)?;
        } else if comparison.is_empty() {
            ui.hint(format!(
                "{} and {} of {app} hold the same",
                from.name, to.name
            ));
        } else {
            self.text(ui, &comparison, &from, &to)?;
        }
        if self.exit_code && !comparison.is_empty() {
            return Err(Failure::code(exit::FAILED));
        }
        Ok(())
    }

    fn json(
        &self,
        ui: &Ui,
        comparison: &Comparison<'_>,
        from: &Content,
        to: &Content,
    ) -> Result<(), Failure> {
        let (app, app_problem) = match comparison.app() {
            Ok(changes) => (Some(changes), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let patch = if self.patch {
            let bytes = comparison.show(Form::Patch)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            None
        };
        ui.json(&DiffJson {
            from: SideJson::new(from),
            to: SideJson::new(to),
            app,
            app_problem,
            files: comparison.files()?,
            patch,
        })
    }

    fn text(
        &self,
        ui: &Ui,
        comparison: &Comparison<'_>,
        from: &Content,
        to: &Content,
    ) -> Result<(), Failure> {
        if self.name_only {
            let names = comparison.show(Form::NameOnly)?;
            return ui.content(&names, screen::Content::Plain);
        }
        match comparison.app() {
            Ok(changes) => {
                let between = format!("from {} {} to {}", from.app, from.name, to.name);
                if changes.is_empty() {
                    let count = comparison.files()?.len();
                    let files = if count == 1 {
                        "one file differs"
                    } else {
                        "files differ"
                    };
                    let count = if count == 1 {
                        String::new()
                    } else {
                        format!("{count} ")
                    };
                    ui.result(format!(
                        "app.yaml asks for the same {between}; {count}{files}."
                    ));
                } else {
                    ui.result(format!("For a running app, {between}:"));
                }
                for change in &changes {
                    ui.result(line(change));
                }
            }
            Err(problem) => ui.warning(format!(
                "what changes for a running app cannot be told: {problem}"
            )),
        }
        for (path, size) in &comparison.large {
            ui.warning(format!(
                "`{path}` has {size} bytes, and is not compared line by line"
            ));
        }
        let show = |form| -> Result<(), Failure> {
            let text = comparison.show(form)?;
            ui.result("");
            ui.content(&text, screen::Content::Patch)
        };
        if self.stat {
            show(Form::Stat)?;
        }
        if self.patch || !(self.stat || self.no_code) {
            show(Form::Patch)?;
        }
        Ok(())
    }
}

/// One change: `~ web image: OLD -> NEW`.
fn line(change: &Change) -> String {
    let name = if change.field == "function" {
        format!("function {}", change.function)
    } else {
        format!("{} {}", change.function, harmless(&change.field))
    };
    match (change.from.as_deref(), change.to.as_deref()) {
        (Some(_), None) if change.field == "function" => format!("  - {name}"),
        (None, Some(_)) if change.field == "function" => format!("  + {name}"),
        (Some(from), Some(to)) => {
            format!("  ~ {name}: {} -> {}", harmless(from), harmless(to))
        }
        (Some(from), None) => format!("  - {name}: {}", harmless(from)),
        (None, to) => format!("  + {name}: {}", harmless(to.unwrap_or_default())),
    }
}
