//! `cutwater versions delete`.

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::short;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::moment;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::running::RunningArgs;
use crate::users::{DeleteRequest, Deletion, Unasked, Use, User};
use crate::words::{AppName, EnvironmentName, VersionWord};

const SHAPE: Shape = Shape {
    command: "versions delete",
    words: &["VERSION"],
    required: 1,
    endless: true,
    free: false,
    more: "",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, and versions by number, id or label; the app may be left out where the versions begin with a number or an id
    #[arg(value_name = "[APP] VERSION...", num_args = 1.., required = true, add = candidates::app_and_versions())]
    words: Vec<String>,
    /// Why; it stays readable in place of the version
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    running: RunningArgs,
}

/// What became of each version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct DeleteJson {
    /// The app.
    app: AppName,
    /// One for each version, in the order in which they were named.
    results: Vec<Deletion>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (named, words) = split(self.words)?;
        let app = context.app(named, None)?;
        let asks = !self.yes && !self.dry_run;
        if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let history = context.history(ui, &app)?;
            for word in &words {
                history.find(word)?;
            }
            return Err(Failure::usage("there is nobody to ask whether to delete")
                .hint("look with --dry-run, then delete with --yes"));
        }
        let mut request = DeleteRequest {
            app: app.clone(),
            words,
            reason: self.message,
            author: context.author()?,
            time: moment::now(),
            provenance: Context::provenance(),
            dry_run: self.dry_run || asks,
        };
        let mut partial = None;
        let asked = RefCell::new(String::new());
        let mut ask = || {
            let running = self.running.ask(context, &app);
            let running = running.map_err(|error| Arc::new(error) as Unasked)?;
            partial = (running.cluster.as_ref()).and_then(|cluster| cluster.partial.clone());
            asked.replace(self.running.asked(&running));
            Ok(running)
        };
        let workspace = &context.workspace;
        let mut progress = |line: &str| ui.progress(line);
        let mut results = crate::users::delete(workspace, &request, &mut ask, &mut progress)?;
        if asks {
            let goes = |result: &&Deletion| matches!(result, Deletion::WouldDelete { .. });
            if results.iter().any(|result| goes(&result)) {
                let lines: Vec<String> = results.iter().map(|result| line(&app, result)).collect();
                let count = results.iter().filter(goes).count();
                ui.settle();
                ui.hint(asked.borrow());
                if !confirmed(&lines, &app, count)? {
                    return Err(Failure::new("nothing was deleted"));
                }
                request.dry_run = false;
                results = crate::users::delete(workspace, &request, &mut ask, &mut progress)?;
            }
        }
        if let Some(partial) = partial {
            ui.warning(partial);
        }
        let is_deleted = |result: &Deletion| matches!(result, Deletion::Deleted { .. });
        if results.iter().any(is_deleted) {
            ui.hint(format!(
                "clones that fetched the tags keep what was deleted, and their `git fetch --tags` fails: {}",
                super::fetch_again(context, &app, "*")
            ));
        }
        let goes = |result: &Deletion| {
            matches!(
                result,
                Deletion::Deleted { .. } | Deletion::WouldDelete { .. }
            )
        };
        if !asks && results.iter().any(goes) {
            ui.hint(asked.borrow());
        }
        let stays = |result: &Deletion| matches!(result, Deletion::Refused { .. });
        if results.iter().all(stays) && !context.is_app(app.as_str()) {
            // An app that is not there has no versions.
            context.history(ui, &app)?;
        }
        report(ui, app, results)
    }
}

/// The app, where the first word can be nothing else, and the versions.
fn split(mut words: Vec<String>) -> Result<(Option<AppName>, Vec<VersionWord>), Failure> {
    let mut app = None;
    if words.len() > 1 {
        let version = words[0].parse::<VersionWord>();
        let named = !matches!(version, Ok(VersionWord::Number(_) | VersionWord::Id(_)));
        if named {
            app = Some(words.remove(0).parse().map_err(Failure::usage)?);
        }
    }
    let words: Result<Vec<VersionWord>, _> = words.iter().map(|word| word.parse()).collect();
    Ok((app, words.map_err(Failure::usage)?))
}

/// Asks at the terminal. Only a clear yes is one.
fn confirmed(lines: &[String], app: &AppName, count: usize) -> Result<bool, Failure> {
    let mut out = io::stderr().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    let what = if count == 1 {
        "1 version".to_owned()
    } else {
        format!("{count} versions")
    };
    write!(out, "Delete {what} of {app}? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        // No answer: what is said next begins a line of its own.
        writeln!(out)?;
    }
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

fn report(ui: &Ui, app: AppName, results: Vec<Deletion>) -> Result<(), Failure> {
    let mut left = Vec::new();
    for result in &results {
        if !result.is_done() {
            left.push(line(&app, result));
        } else if !ui.json {
            ui.result(line(&app, result));
        }
        if let Deletion::Deleted {
            version,
            unchecked: Some(why),
        } = result
        {
            ui.warning(format!(
                "{app} {} is deleted, but whether somebody began to use it at the same moment is not known: {why}",
                version.number
            ));
        }
    }
    if ui.json {
        ui.json(&DeleteJson { app, results })?;
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(left.join("\n")))
    }
}

/// One result for people.
fn line(app: &AppName, result: &Deletion) -> String {
    match result {
        Deletion::Deleted { version, .. } => {
            format!(
                "deleted {app} {} ({})",
                version.number,
                short(&version.tree)
            )
        }
        Deletion::WouldDelete { version } => {
            let first = version.message.lines().next().unwrap_or_default();
            let id = short(&version.tree);
            format!("would delete {app} {} ({id}) {first}", version.number)
                .trim_end()
                .to_owned()
        }
        Deletion::AlreadyDeleted { number, tombstone } => {
            let mut text = format!(
                "{app} {number} was deleted before, by {} at {}",
                tombstone.author.name, tombstone.deleted_at
            );
            if !tombstone.reason.is_empty() {
                text.push_str(": ");
                text.push_str(&tombstone.reason);
            }
            text
        }
        Deletion::InUse {
            version,
            users,
            restored,
        } => {
            let began = if *restored {
                " (somebody began to use it while it was being deleted, and it is back)"
            } else {
                ""
            };
            let head = format!("{app} {} is in use and stays{began}:", version.number);
            let user = |entry: &Use| format!("  {} ({}%)", entry.user, entry.share());
            let ledgers = users.iter().filter_map(|entry| match &entry.user {
                User::Ledger { environment, .. } => Some(environment),
                _ => None,
            });
            let ledgers: Vec<&EnvironmentName> = ledgers.collect();
            // A ledger does not tell that an app was taken away.
            let gone = (ledgers.len() == users.len()).then(|| {
                let refs = ledgers.iter().map(|environment| {
                    format!(" :refs/cutwater/{app}/deployments/{environment}")
                });
                format!(
                    "  a ledger does not say when an app was taken away: if nothing of `{app}` runs there any more, remove it, `git push REMOTE{}`, and try again",
                    refs.collect::<String>()
                )
            });
            let users = users.iter().map(user);
            let lines = [head].into_iter().chain(users).chain(gone);
            lines.collect::<Vec<_>>().join("\n")
        }
        Deletion::Unknown { word, reason } => {
            format!("whether {app} {word} is deleted is not known: {reason}")
        }
        Deletion::Refused { word, reason } => format!("{app} {word} stays: {reason}"),
    }
}
