//! `cutwater versions view`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{EntryJson, labels};
use crate::app::Function;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::cli::running::RunningArgs;
use crate::store::{Entry, ListedFile, Verdict, Version, VersionSignature};
use crate::users::{Use, users_of};
use crate::words::{AppName, CommitId, VersionNumber, VersionWord};

/// Files that are printed without `--files`.
const FILES_SHOWN: usize = 8;

const SHAPE: Shape = Shape {
    command: "versions view",
    words: &["VERSION"],
    required: 1,
    endless: false,
    free: false,
    more: "one version is shown at a time; `cutwater versions diff` compares two",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, and the version by number, id or label; the app may be left out as in `list`
    #[arg(value_name = "[APP] VERSION", num_args = 1.., required = true, add = candidates::app_and_versions())]
    words: Vec<String>,
    /// List all files
    #[arg(long)]
    files: bool,
    /// Do not look who uses it
    #[arg(long, conflicts_with = "context")]
    no_live: bool,
    #[command(flatten)]
    running: RunningArgs,
}

/// What stands at a number, what is in it, and who uses it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ViewJson {
    #[serde(flatten)]
    entry: EntryJson,
    /// What a living version holds.
    #[serde(flatten)]
    details: Option<Details>,
}

/// What is in a version, and who uses it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Details {
    /// Its signature, as git judges it here; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<VersionSignature>,
    /// Its functions; absent where its app.yaml cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<Vec<Function>>,
    /// What it is bound to, by name.
    bound: Bound,
    /// Its files; absent where they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<FilesJson>,
    /// Who uses it: in releases of the tracked branch, in ledgers, in the cluster where one was asked. Absent with
    /// `--no-live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Vec<Use>>,
    /// What could not be read where its users would be: there may be more of them.
    unread: Vec<String>,
}

/// What the functions of a version take from where they run. A change in these makes no version.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Bound {
    /// Secrets.
    secrets: BTreeSet<String>,
    /// ConfigMaps.
    config_maps: BTreeSet<String>,
}

/// The files of a version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FilesJson {
    /// How many there are.
    count: usize,
    /// Bytes of all of them together.
    bytes: usize,
    /// Each of them, with `--files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<Vec<ListedFile>>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and(self.words, 1)?;
        let word: VersionWord = words.concat().parse().map_err(Failure::usage)?;
        let (survey, running, unread) = self.running.look(ui, context, &app, self.no_live)?;
        if survey.history.entries.is_empty() {
            context.known(&app)?;
        }
        let (number, entry) = survey.history.find(&word)?;
        let Entry::Living(version) = entry else {
            if ui.json {
                let entry = EntryJson::new(&app, number, entry);
                return ui.json(&ViewJson {
                    entry,
                    details: None,
                });
            }
            gone(ui, &app, number, entry);
            return Ok(());
        };
        // A version that cannot run fails in the end; what can be read of it is printed all the same.
        let functions = context.workspace.functions(version);
        let (functions, fault) = match functions {
            Ok(functions) => (Some(functions), Ok(())),
            Err(error) => (None, Err(Failure::from(error))),
        };
        let files = context.workspace.listing(version);
        let files = files.map_err(|error| ui.warning(error)).ok();
        let signature = context.workspace.signature(version);
        let signature = signature.unwrap_or_else(|error| {
            ui.warning(error);
            None
        });
        let uses = (!self.no_live).then(|| users_of(version, &survey, &running));
        let mut bound = Bound::default();
        for function in functions.iter().flatten() {
            bound.secrets.extend(function.secrets().map(str::to_owned));
            let maps = function.config_maps().map(str::to_owned);
            bound.config_maps.extend(maps);
        }
        if ui.json {
            let details = Details {
                signature,
                functions,
                bound,
                files: files.map(|files| FilesJson {
                    count: files.len(),
                    bytes: files.iter().map(|file| file.bytes).sum(),
                    list: self.files.then_some(files),
                }),
                live: uses,
                unread,
            };
            ui.json(&ViewJson {
                entry: EntryJson::new(&app, number, entry),
                details: Some(details),
            })?;
            return fault;
        }
        metadata(ui, version);
        if let Some(signature) = signature {
            line(ui, "Signature:", &judged(&signature));
        }
        for function in functions.iter().flatten() {
            let image = function.image.as_deref().unwrap_or("no image");
            let text = format!("{} on port {}, {image}", function.name, function.port);
            line(ui, "Function:", &text);
        }
        let names = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
        line(ui, "Secrets:", &names(bound.secrets));
        line(ui, "ConfigMaps:", &names(bound.config_maps));
        if let Some(files) = files {
            print_files(ui, &files, self.files);
        }
        for entry in uses.iter().flatten() {
            line(
                ui,
                "Used by:",
                &format!("{} ({}%)", entry.user, entry.share()),
            );
        }
        fault
    }
}

/// What stands at a number that is no living version.
fn gone(ui: &Ui, app: &AppName, number: VersionNumber, entry: &Entry) {
    line(ui, "Version:", &format!("{app} {number}"));
    match entry {
        Entry::Living(_) => {}
        Entry::Deleted(tombstone) => {
            line(ui, "Deleted:", &tombstone.deleted_at.to_string());
            let author = &tombstone.author;
            line(ui, "By:", &format!("{} <{}>", author.name, author.email));
            line(ui, "Reason:", &several(&tombstone.reason));
        }
        Entry::Foreign(why) => {
            line(ui, "Foreign:", &format!("not published by Cutwater: {why}"));
        }
    }
}

/// Lines below each other, behind a name.
fn several(text: &str) -> String {
    text.replace('\n', "\n            ")
}

fn line(ui: &Ui, name: &str, value: &str) {
    if !value.is_empty() {
        ui.result(format!("{name:<11} {value}"));
    }
}

fn metadata(ui: &Ui, version: &Version) {
    let line = |name: &str, value: &str| line(ui, name, value);
    line("Version:", &format!("{} {}", version.app, version.number));
    line("Id:", &format!("g{}", version.tree));
    line("Commit:", version.commit.as_str());
    line("Labels:", &labels(version));
    line(
        "Author:",
        &format!("{} <{}>", version.author.name, version.author.email),
    );
    line("Published:", &version.published_at.to_string());
    line("By:", &version.source);
    line("Run:", version.run.as_deref().unwrap_or_default());
    line("Started by:", version.actor.as_deref().unwrap_or_default());
    line(
        "From:",
        (version.source_commit.as_ref()).map_or("", CommitId::as_str),
    );
    for overlay in &version.overlays {
        line("Overlay:", overlay);
    }
    line("Message:", &several(&version.message));
}

fn judged(signature: &VersionSignature) -> String {
    let verdict = match signature.verdict {
        Verdict::Good => "good",
        Verdict::Untrusted => "made by that key, which nothing here trusts",
        Verdict::Expired => "good, but past its time",
        Verdict::Revoked => "by a key that was revoked",
        Verdict::Bad => "BAD: not of this commit",
        Verdict::Unchecked => {
            "cannot be checked here; set gpg.ssh.allowedSignersFile, or fetch the signer's key"
        }
    };
    let who = [&signature.signer, &signature.key];
    let who: Vec<&str> = who.into_iter().flatten().map(String::as_str).collect();
    if who.is_empty() {
        verdict.to_owned()
    } else {
        format!("{verdict}; {}", who.join(", "))
    }
}

fn print_files(ui: &Ui, files: &[ListedFile], all: bool) {
    let total: usize = files.iter().map(|file| file.bytes).sum();
    let plural = if files.len() == 1 { "" } else { "s" };
    let text = format!("{} file{plural}, {}", files.len(), size(total));
    line(ui, "Files:", &text);
    let shown = if all { files.len() } else { FILES_SHOWN };
    for file in files.iter().take(shown) {
        let mark = match (file.link, file.executable) {
            (true, _) => " (link)",
            (_, true) => " (executable)",
            _ => "",
        };
        ui.result(format!(
            "{:>12}{:>10}  {}{mark}",
            "",
            size(file.bytes),
            file.path
        ));
    }
    if files.len() > shown {
        let more = files.len() - shown;
        ui.result(format!(
            "{:>12}{:>10}  and {more} more; see --files",
            "", ""
        ));
    }
}

/// Bytes as people read them.
fn size(bytes: usize) -> String {
    let mut unit = "B";
    let mut tenths = bytes.saturating_mul(10);
    for next in ["KiB", "MiB", "GiB"] {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}
