//! The command line: one file per noun. Parses, calls, prints; decides nothing that a library caller would want.
//!
//! Results go to stdout, everything else to stderr. Errors and hints are printed in one place, [`run`], and end with a code
//! of [`exit`]. This is the only module that reads the environment. A new command is one line in [`Command`] and one in
//! [`Command::run`].

mod alias;
mod bare;
mod candidates;
mod completions;
mod context;
mod controller;
mod crd;
mod deploy;
mod deployments;
pub mod exit;
mod files;
mod guard;
mod habits;
mod init;
mod man;
mod moment;
mod order;
mod output;
mod plan;
mod progress;
mod pull_request;
mod reason;
mod reference;
mod release;
mod remedy;
mod rollback;
mod running;
mod schema;
mod screen;
mod serve;
mod shell;
mod sources;
mod stray_words;
mod tree;
mod versions;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Parser, Subcommand};

use self::output::{Failure, Ui};
use crate::git;
use crate::words::{Period, PeriodError};

/// Immutable versions of applications in git, and exact traffic splits between them
#[derive(Debug, Parser)]
#[command(
    name = "cutwater",
    version,
    disable_help_subcommand = true,
    after_help = exit::HELP
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command has.
#[derive(Debug, Args)]
struct Global {
    /// Work in the clone that holds this directory
    #[arg(
        short = 'C',
        long,
        value_name = "DIR",
        global = true,
        help_heading = "Global options"
    )]
    repo: Option<PathBuf>,
    /// Remote of the clone that holds the versions; the one of cutwater.yaml, or origin, where absent
    #[arg(
        long,
        value_name = "NAME",
        env = "CUTWATER_REMOTE",
        global = true,
        help_heading = "Global options"
    )]
    remote: Option<String>,
    /// Longest time for each exchange with the remote, such as 90s or 5m; a bare number is in seconds; at most 1h
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60",
        value_parser = seconds,
        global = true,
        help_heading = "Global options"
    )]
    timeout: u32,
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Print no progress and no hints
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
}

/// A number of seconds, or a period such as `90s`.
fn seconds(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = if digits {
        text.parse().ok()
    } else {
        let period: Period = text
            .parse()
            .map_err(|error: PeriodError| error.to_string())?;
        Some(period.as_secs())
    };
    let range = 1..=3600;
    seconds
        .filter(|seconds| range.contains(seconds))
        .ok_or_else(|| "write a time from 1s to 1h".to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish, label, list, view, compare, copy and delete versions
    #[command(subcommand, alias = "version")]
    Versions(versions::Command),
    /// Show what was deployed, and what is served
    #[command(subcommand, alias = "deployment")]
    Deployments(deployments::Command),
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Plan(plan::Args),
    /// Set, list, view and delete aliases: names for versions
    #[command(subcommand, visible_alias = "aliases")]
    Alias(alias::Command),
    Init(init::Args),
    Serve(serve::Args),
    Controller(controller::Args),
    Crd(crd::Args),
    /// Print JSON Schemas for editors
    #[command(subcommand)]
    Schema(schema::Command),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    Guard(guard::Args),
}

impl Command {
    fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Versions(command) => command.run(ui, global),
            Self::Deployments(command) => command.run(ui, global),
            Self::Serve(args) => args.run(global),
            Self::Deploy(args) => args.run(ui, global),
            Self::Rollback(args) => args.run(ui, global),
            Self::Plan(args) => args.run(ui, global),
            Self::Alias(command) => command.run(ui, global),
            Self::Controller(args) => args.run(),
            Self::Guard(args) => args.run(),
            Self::Crd(args) => args.run(ui),
            Self::Schema(command) => command.run(ui),
            Self::Init(args) => args.run(ui, global),
            Self::Completions(args) => args.run(ui),
            Self::Man(args) => args.run(ui),
        }
    }
}

/// The words of all commands, such as `versions list`, and why a command prints no JSON where it does not; for tests that
/// hold the documentation to the program.
#[must_use]
pub fn commands() -> Vec<(String, Option<&'static str>)> {
    let leaves = tree::all().into_iter().filter(tree::Entry::is_leaf);
    leaves
        .map(|entry| {
            let without = schema::without_json(&entry.words);
            (entry.words, without)
        })
        .collect()
}

/// `help COMMAND` and `version`, as other programs have them, in the flags of this one.
fn asked_in_words(mut args: Vec<OsString>) -> Vec<OsString> {
    match args.get(1).and_then(|word| word.to_str()) {
        Some("help") => {
            args.remove(1);
            args.push("--help".into());
        }
        Some("version") if args.len() == 2 => args[1] = "--version".into(),
        _ => {}
    }
    args
}

/// Something is wrong with the command line; a group without a command is answered with its help.
fn is_error(error: &clap::Error) -> bool {
    error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// The words behind the program's own name.
fn typed(args: &[OsString]) -> Vec<String> {
    let words = args.iter().skip(1);
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if candidates::answer(tree::command) {
        return ExitCode::from(exit::OK);
    }
    let args: Vec<OsString> = args.into_iter().collect();
    // As a kubectl plugin, help shows what a person types.
    let name = args.first().map(PathBuf::from);
    let plugin = name
        .as_ref()
        .and_then(|path| path.file_stem())
        .is_some_and(|stem| stem == "kubectl-cutwater");
    let command = if plugin {
        let name = "kubectl cutwater";
        tree::command_called(name).bin_name(name).display_name(name)
    } else {
        tree::command()
    };
    let args = asked_in_words(args);
    let wants_json = args.iter().any(|arg| arg == "--json");
    let parsed = command
        .clone()
        .try_get_matches_from(&args)
        .and_then(|matches| {
            let words = tree::words(&matches);
            Ok((Cli::from_arg_matches(&matches)?, words))
        });
    let (cli, words) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if is_error(&error) => {
            let typed = typed(&args);
            let usage = tree::usage(command, &typed);
            let failure = Failure::command_line(error, &typed, &usage);
            Ui::new(wants_json, false).failure(&failure);
            return ExitCode::from(exit::USAGE);
        }
        Err(help) => {
            // Help to a closed pipe is nobody's problem.
            drop(help.print());
            return ExitCode::from(if help.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            });
        }
    };
    let ui = Ui::new(cli.global.json, cli.global.quiet);
    if let Ok(program) = std::env::current_exe() {
        git::watch_pushes_with(program, guard::PUSHES.map(str::to_owned).to_vec());
    }
    let done = if ui.json && schema::without_json(&words).is_some() {
        Err(schema::no_json(&words))
    } else if let Err(failure) = stray_words::check(&typed(&args)) {
        Err(failure)
    } else {
        (cli.command.run(&ui, &cli.global)).and_then(|()| ui.written())
    };
    ui.settle();
    match done {
        Ok(()) => ExitCode::from(exit::OK),
        Err(mut failure) => {
            if git::was_interrupted() {
                failure.code = exit::INTERRUPTED;
            }
            ui.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}
