//! All commands, as clap knows them: for the manual, the reference, and the tests that hold the documentation to them.

use clap::CommandFactory;

use super::Cli;

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
    let mut root = Cli::command();
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
