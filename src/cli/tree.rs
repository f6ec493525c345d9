//! All commands, as clap knows them: for the command line itself, the manual, the reference, and the tests that hold the
//! documentation to them.

use clap::CommandFactory;

use super::{Cli, candidates};

/// A command, or a group of commands.
pub(super) struct Entry {
    /// The words behind `cutwater`, such as `versions list`; empty for the program itself.
    pub(super) words: String,
    pub(super) clap: clap::Command,
}

impl Entry {
    /// It does something itself, and is no group.
    pub(super) fn is_leaf(&self) -> bool {
        !self.words.is_empty() && !self.clap.has_subcommands()
    }
}

/// The program's command line.
pub(super) fn command() -> clap::Command {
    command_called("cutwater")
}

/// The same, where a person types `program` for the program's name.
pub(super) fn command_called(program: &str) -> clap::Command {
    with_usage(Cli::command(), program)
}

/// Gives a usage line to each command whose words are read by us, and not by clap: it would repeat them all.
fn with_usage(command: clap::Command, path: &str) -> clap::Command {
    let words = command.get_positionals().find_map(|arg| {
        let name = arg.get_value_names()?.first()?;
        name.contains(' ').then(|| name.clone())
    });
    let notes = command
        .get_after_help()
        .map(|notes| paragraphs(&notes.to_string()));
    let command = match notes {
        Some(notes) => command.after_help(notes),
        None => command,
    };
    let command = match words {
        Some(words) => command.override_usage(format!("{path} [OPTIONS] {words}")),
        None => command,
    };
    command.mut_subcommands(|next| {
        let path = format!("{path} {}", next.get_name());
        with_usage(next, &path)
    })
}

/// The text with each paragraph in one line, so that a terminal wraps it once. Lines that are indented stay as they are.
fn paragraphs(text: &str) -> String {
    let mut joined = String::new();
    let mut is_prose = false;
    for line in text.lines() {
        let starts = !line.is_empty() && !line.starts_with(' ');
        if is_prose && starts {
            joined.push(' ');
        } else if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(line);
        is_prose = starts && !line.ends_with(':');
    }
    joined
}

/// The usage of the command that these words name, as far as they name one: `usage: cutwater rollback [OPTIONS] <APP>`. It
/// is that of the command itself, whatever else was typed or comes from the environment.
pub(super) fn usage(mut root: clap::Command, words: &[String]) -> String {
    root.build();
    let mut command = &root;
    for word in candidates::plain(words) {
        match command.find_subcommand(word) {
            Some(next) => command = next,
            None => break,
        }
    }
    let usage = command.clone().render_usage().to_string();
    usage.replacen("Usage: ", "usage: ", 1)
}

/// Everything that is shown in help, each group before its commands.
pub(super) fn all() -> Vec<Entry> {
    fn below(words: &str, command: &clap::Command, found: &mut Vec<Entry>) {
        found.push(Entry {
            words: words.to_owned(),
            clap: command.clone(),
        });
        for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
            let words = format!("{words} {}", next.get_name());
            below(words.trim_start(), next, found);
        }
    }
    let mut root = command();
    root.build();
    let mut found = Vec::new();
    below("", &root, &mut found);
    found
}

/// The words of the command that was given.
pub(super) fn words(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut next = matches.subcommand();
    while let Some((name, matches)) = next {
        words.push(name);
        next = matches.subcommand();
    }
    words.join(" ")
}
