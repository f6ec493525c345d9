//! `cutwater versions`: publish, list and view immutable versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Zoned;
use serde_json::{Value as Json, json};

use super::Global;
use super::output::{Failure, Ui};
use crate::store::{self, Entry, History, Limits, Outcome, Person, Request, Version, Workspace};
use crate::words::{AppName, FunctionName, Label, VersionNumber, VersionWord};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publish an app as a new version, or name the version that has this content already
    #[command(after_help = "Examples:
  cutwater versions publish checkout
  cutwater versions publish checkout --image web=ghcr.io/acme/checkout@sha256:... --label v1.4.0
  cutwater versions publish --ref main --dry-run")]
    Publish(Publish),
    /// List the versions of an app, newest first
    #[command(after_help = "Examples:
  cutwater versions list checkout
  cutwater versions list checkout --limit 5 --json")]
    List(List),
    /// Show one version of an app
    #[command(after_help = "Examples:
  cutwater versions view checkout v8
  cutwater versions view checkout spring-sale
  cutwater versions view v8          # in apps/checkout")]
    View(View),
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// App to publish; the one of the current directory, or the only one, where absent
    app: Option<AppName>,
    /// Commit, branch or tag to publish from
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD")]
    reference: String,
    /// Set the image of a function in the version, not in the branch
    #[arg(long, value_name = "FUNCTION=REF@sha256:DIGEST", value_parser = image)]
    image: Vec<(FunctionName, String)>,
    /// What this version is about; the subject of the commit where absent
    #[arg(short, long)]
    message: Option<String>,
    /// Name the version, also if it was there already
    #[arg(long)]
    label: Option<Label>,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// App to list; the one of the current directory, or the only one, where absent
    app: Option<AppName>,
    /// Most versions to print, 0 for all
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct View {
    /// App, and the version by number, id or label; the app may be left out as in `list`
    #[arg(value_name = "[APP] VERSION", num_args = 1..=2, required = true)]
    words: Vec<String>,
}

/// `FUNCTION=REF`.
fn image(text: &str) -> Result<(FunctionName, String), String> {
    let (function, image) = text
        .split_once('=')
        .ok_or("write FUNCTION=REF@sha256:DIGEST, such as web=ghcr.io/acme/web@sha256:...")?;
    let function = function.parse().map_err(|error| format!("{error}"))?;
    crate::app::check_image(image).map_err(|error| error.to_string())?;
    Ok((function, image.to_owned()))
}

impl Command {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let dir = global.repo.clone().map_or_else(std::env::current_dir, Ok)?;
        let ssh = ["GIT_SSH", "GIT_SSH_COMMAND"];
        let ssh_is_set = ssh.iter().any(|name| std::env::var_os(name).is_some());
        let timeout = Duration::from_secs(u64::from(global.timeout));
        let workspace = Workspace::open(&dir, &global.remote, ssh_is_set, timeout)?;
        match self {
            Self::Publish(command) => command.run(ui, &workspace, &dir),
            Self::List(command) => command.run(ui, &workspace, &dir),
            Self::View(command) => command.run(ui, &workspace, &dir),
        }
    }
}

/// The app that is meant where none is named.
fn app_or_only(
    workspace: &Workspace,
    dir: &Path,
    app: Option<AppName>,
    reference: Option<&str>,
) -> Result<AppName, Failure> {
    if let Some(app) = app.or_else(|| workspace.app_at(dir)) {
        return Ok(app);
    }
    let apps = workspace.apps(&workspace.source(reference)?)?;
    match apps.as_slice() {
        [app] => Ok(app.clone()),
        [] => Err(Failure::usage("there is no app in this commit")
            .hint("make one with apps/<name>/app.yaml and commit it")),
        apps => {
            let names: Vec<&str> = apps.iter().map(AppName::as_str).collect();
            Err(Failure::usage("which app is meant?")
                .hint(format!("name one of: {}", names.join(", "))))
        }
    }
}

impl Publish {
    fn run(self, ui: &Ui, workspace: &Workspace, dir: &Path) -> Result<(), Failure> {
        let app = app_or_only(workspace, dir, self.app, Some(&self.reference))?;
        let mut images = BTreeMap::new();
        for (function, image) in self.image {
            if images.insert(function.clone(), image).is_some() {
                return Err(Failure::usage(format!(
                    "--image is given twice for `{function}`"
                )));
            }
        }
        if self.reference == "HEAD" && workspace.is_dirty(&app) {
            ui.warning(format!(
                "apps/{app} has changes that are not committed; they are not published"
            ));
        }
        let request = Request {
            source: workspace.source(Some(&self.reference))?,
            author: author(workspace)?,
            app,
            images,
            message: self.message,
            label: self.label,
            time: Zoned::now(),
            publisher: "cli".to_owned(),
            limits: Limits::default(),
            dry_run: self.dry_run,
        };
        let published = store::publish(workspace, &request, &mut |line| ui.progress(line))?;
        if ui.json {
            return ui.json(&published);
        }
        let version = &published.version;
        let verb = match published.outcome {
            Outcome::Published => "published",
            Outcome::Unchanged => "unchanged",
            Outcome::WouldPublish => "would publish",
        };
        ui.result(format!(
            "{verb} {} {} ({})",
            version.app,
            version.number,
            short(&version.tree)
        ));
        if let (Outcome::Unchanged, Some(label)) = (published.outcome, &published.added_label) {
            let verb = if self.dry_run {
                "would label"
            } else {
                "labelled"
            };
            ui.result(format!("{verb} {} {} {label}", version.app, version.number));
        }
        Ok(())
    }
}

/// Who publishes: as git itself decides it.
fn author(workspace: &Workspace) -> Result<Person, Failure> {
    workspace.author().ok_or_else(|| {
        Failure::new("a version records who published it, and git does not know who you are")
            .hint("git config --global user.name \"Your Name\"")
            .hint("git config --global user.email you@example.com")
    })
}

impl List {
    fn run(self, ui: &Ui, workspace: &Workspace, dir: &Path) -> Result<(), Failure> {
        let app = app_or_only(workspace, dir, self.app, None)?;
        let history = workspace.history(&app)?;
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let entries = history.entries.iter().rev().take(limit);
        if ui.json {
            let list: Vec<Json> = entries
                .map(|(number, entry)| entry_json(&app, *number, entry))
                .collect();
            return ui.json(&json!({"app": app, "versions": list, "total": history.entries.len()}));
        }
        let rows: Vec<Vec<String>> = entries.map(|(number, entry)| row(*number, entry)).collect();
        if rows.is_empty() {
            ui.hint(format!(
                "`{app}` has no versions yet; publish one with `cutwater versions publish {app}`"
            ));
            return Ok(());
        }
        let shown = rows.len();
        ui.table(
            &["VERSION", "ID", "PUBLISHED", "AUTHOR", "LABELS", "MESSAGE"],
            rows,
        );
        if shown < history.entries.len() {
            ui.hint(format!(
                "{shown} of {} versions; all with --limit 0",
                history.entries.len()
            ));
        }
        Ok(())
    }
}

fn row(number: VersionNumber, entry: &Entry) -> Vec<String> {
    match entry {
        Entry::Living(version) => vec![
            number.to_string(),
            short(&version.tree),
            version.published_at.strftime("%Y-%m-%d %H:%M").to_string(),
            version.author.name.clone(),
            labels(version),
            version
                .message
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ],
        Entry::Deleted(tombstone) => vec![
            number.to_string(),
            "deleted".to_owned(),
            tombstone.deleted_at.strftime("%Y-%m-%d %H:%M").to_string(),
            tombstone.author.name.clone(),
            String::new(),
            tombstone
                .reason
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ],
        Entry::Foreign(why) => vec![
            number.to_string(),
            "foreign".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            format!("not published by Cutwater: {why}"),
        ],
    }
}

impl View {
    fn run(self, ui: &Ui, workspace: &Workspace, dir: &Path) -> Result<(), Failure> {
        let mut words = self.words;
        let word = words.pop().unwrap_or_default();
        let app = words.pop().map(|app| app.parse()).transpose();
        let app = app_or_only(workspace, dir, app.map_err(Failure::usage)?, None)?;
        let word: VersionWord = word.parse().map_err(Failure::usage)?;
        let history = workspace.history(&app)?;
        let number = find(&history, &word)?;
        let Some(entry) = history.entries.get(&number) else {
            return Err(not_found(&history, &word));
        };
        if ui.json {
            return ui.json(&entry_json(&app, number, entry));
        }
        let Entry::Living(version) = entry else {
            let [number, state, when, who, _, why] =
                row(number, entry).try_into().unwrap_or_default();
            ui.result(format!("{app} {number} {state} {when} {who}\n{why}"));
            return Ok(());
        };
        let line = |name: &str, value: &str| {
            if !value.is_empty() {
                ui.result(format!("{name:<11} {value}"));
            }
        };
        line("Version:", &format!("{app} {}", version.number));
        line("Id:", &format!("g{}", version.tree));
        line("Commit:", &version.commit);
        line("Labels:", &labels(version));
        line(
            "Author:",
            &format!("{} <{}>", version.author.name, version.author.email),
        );
        line("Published:", &version.published_at.to_string());
        line("By:", &version.source);
        line(
            "From:",
            version.source_commit.as_deref().unwrap_or_default(),
        );
        for overlay in &version.overlays {
            line("Overlay:", overlay);
        }
        line("Message:", &version.message.replace('\n', "\n            "));
        for function in workspace.functions(version)? {
            let image = function.image.as_deref().unwrap_or("no image");
            line(
                "Function:",
                &format!("{} on port {}, {image}", function.name, function.port),
            );
        }
        Ok(())
    }
}

/// The number that a word means among all that is listed.
fn find(history: &History, word: &VersionWord) -> Result<VersionNumber, Failure> {
    let mut found: Vec<&Version> = match word {
        VersionWord::Number(number) => return Ok(*number),
        VersionWord::Label(label) => history
            .living()
            .filter(|v| v.labels.contains(label))
            .collect(),
        VersionWord::Id(hex) => history
            .living()
            .filter(|v| v.tree.starts_with(hex) || v.commit.starts_with(hex))
            .collect(),
    };
    found.dedup_by(|a, b| a.tree == b.tree);
    match found.as_slice() {
        [] => Err(not_found(history, word)),
        [version] => Ok(version.number),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|v| format!("{} (g{})", v.number, v.tree))
                .collect();
            Err(
                Failure::new(format!("`{word}` is the beginning of several versions"))
                    .hint(names.join(", ")),
            )
        }
    }
}

fn not_found(history: &History, word: &VersionWord) -> Failure {
    let names: Vec<String> = history
        .living()
        .rev()
        .take(5)
        .map(|v| format!("{} {}", v.number, labels(v)).trim().to_owned())
        .collect();
    let failure = Failure::new(format!("app `{}` has no version `{word}`", history.app));
    if names.is_empty() {
        failure.hint(format!(
            "publish one with `cutwater versions publish {}`",
            history.app
        ))
    } else {
        failure.hint(format!("there are: {}", names.join(", ")))
    }
}

fn labels(version: &Version) -> String {
    let labels: Vec<&str> = version.labels.iter().map(Label::as_str).collect();
    labels.join(", ")
}

/// An id as it is printed: enough to be found again.
fn short(tree: &str) -> String {
    format!("g{}", &tree[..tree.len().min(12)])
}

fn entry_json(app: &AppName, number: VersionNumber, entry: &Entry) -> Json {
    match entry {
        Entry::Living(version) => {
            let mut json = json!(version);
            json["state"] = json!("living");
            json
        }
        Entry::Deleted(tombstone) => {
            let mut json = json!(tombstone);
            json["state"] = json!("deleted");
            json["app"] = json!(app);
            json["number"] = json!(number);
            json
        }
        Entry::Foreign(why) => {
            json!({"app": app, "number": number, "state": "foreign", "problem": why})
        }
    }
}
