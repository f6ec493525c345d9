//! The reference of the command line, `docs/cli.md`: made from what clap knows, so that it cannot say anything else.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::output::Failure;
use super::{exit, schema, tree};

/// The page.
pub(super) fn page() -> Result<String, Failure> {
    let mut page = String::new();
    render(&mut page)?;
    Ok(page)
}

const HEAD: &str = "\
# The command line

Made by `make generate` from the program itself: `cutwater COMMAND --help` says the same.

Results go to stdout; progress, warnings, hints and errors to stderr. With `--json` the result is one JSON value, whose schema is
named below for each command, and an error is one line of JSON, the last one on stderr ([schema](schemas/error.json)), with a `reason`
in one word and a `class`: `retry` where the same command may succeed later, `wait` where all is done and not served yet, `fix` where
somebody has to change something first. Progress is
shown at a terminal only, and only for what takes longer than half a second. Nothing ever asks unless stdin and stderr are both
terminals.
";

fn render(page: &mut String) -> Result<(), std::fmt::Error> {
    let commands = tree::all();
    let (codes, after) = (exit::HELP.split_once('\n'), "## Exit codes");
    writeln!(page, "{HEAD}")?;
    writeln!(page, "{after}\n\n| code | means |\n|---|---|")?;
    for line in codes.map_or("", |(_, lines)| lines).lines() {
        if let Some((code, means)) = line.trim().split_once("  ") {
            writeln!(page, "| {code} | {} |", means.trim())?;
        }
    }
    writeln!(page, "\n## Global options\n\nEvery command has these.")?;
    if let Some(root) = commands.first() {
        options(page, &root.clap, true)?;
    }
    writeln!(page, "\n## Commands\n\n| command | does |\n|---|---|")?;
    for entry in commands.iter().filter(|entry| entry.is_leaf()) {
        let words = format!("cutwater {}", entry.words);
        let about = about(&entry.clap);
        writeln!(
            page,
            "| [`{words}`](#{}) | {about} |",
            words.replace(' ', "-")
        )?;
    }
    for entry in commands.iter().filter(|entry| entry.is_leaf()) {
        command(page, entry)?;
    }
    Ok(())
}

fn command(page: &mut String, entry: &tree::Entry) -> std::fmt::Result {
    let mut clap = entry.clap.clone();
    writeln!(page, "\n## `cutwater {}`\n", entry.words)?;
    writeln!(page, "{}.", about(&clap))?;
    let long = clap.get_long_about().map(ToString::to_string);
    if let Some((_, more)) = long.as_deref().and_then(|text| text.split_once("\n\n")) {
        writeln!(page, "{}", more.trim())?;
    }
    let usage = clap.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    writeln!(page, "\n```text\n{usage}\n```")?;
    let words: Vec<&Arg> = clap.get_positionals().collect();
    if !words.is_empty() {
        writeln!(page, "\n| argument | what |\n|---|---|")?;
        for word in words {
            let name = value(word).unwrap_or_default();
            writeln!(page, "| `{}` | {} |", cell(&name), what(word))?;
        }
    }
    options(page, &clap, false)?;
    if let Some(after) = clap.get_after_help() {
        after_help(page, &after.to_string())?;
    }
    let json = match schema::without_json(&entry.words) {
        Some(why) => format!("`--json` is refused: {why}."),
        None => format!(
            "What `--json` prints: [schema](schemas/{}).",
            schema::file(&entry.words)
        ),
    };
    writeln!(page, "\n{json}")
}

/// What stands behind the options: what is indented there is text to type, and the rest is prose.
fn after_help(page: &mut String, text: &str) -> std::fmt::Result {
    for part in text.trim().split("\n\n") {
        let lines: Vec<&str> = part.lines().collect();
        let prose = lines.iter().take_while(|line| !line.starts_with("  "));
        let (prose, typed) = lines.split_at(prose.count());
        if !prose.is_empty() {
            writeln!(page, "\n{}", prose.join("\n"))?;
        }
        if !typed.is_empty() {
            let typed = typed
                .iter()
                .map(|line| line.strip_prefix("  ").unwrap_or(line));
            let typed: Vec<&str> = typed.collect();
            writeln!(page, "\n```text\n{}\n```", typed.join("\n"))?;
        }
    }
    Ok(())
}

/// The table of the flags: the global ones, or those of the command alone.
fn options(page: &mut String, command: &Command, global: bool) -> std::fmt::Result {
    let options: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set() && arg.is_global_set() == global)
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
        .collect();
    if options.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n| option | what |\n|---|---|")?;
    for arg in options {
        let short = arg.get_short().map(|short| format!("`-{short}`, "));
        let long = arg.get_long().unwrap_or_default();
        let value = value(arg).map(|value| {
            if arg.is_require_equals_set() {
                format!("[={value}]")
            } else {
                format!(" {value}")
            }
        });
        writeln!(
            page,
            "| {}`--{long}{}` | {} |",
            short.unwrap_or_default(),
            cell(&value.unwrap_or_default()),
            what(arg)
        )?;
    }
    Ok(())
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string);
    about.unwrap_or_default().replace('\n', " ")
}

/// The names of an argument's values; nothing for a switch.
fn value(arg: &Arg) -> Option<String> {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    takes.then(|| names.join(" "))
}

/// The help of an argument, with what it is where it is absent, what sets it, and what it may be.
fn what(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut parts = vec![cell(&help.replace('\n', " "))];
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if takes {
        let values = arg.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            parts.push(format!("One of {}", values.join(", ")));
        }
        let defaults = arg.get_default_values().iter();
        let defaults: Vec<String> = defaults
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !defaults.is_empty() && !arg.is_hide_default_value_set() {
            parts.push(format!("Default {}", defaults.join(", ")));
        }
    }
    if matches!(arg.get_action(), ArgAction::Append) && !arg.is_positional() {
        parts.push("May be given several times".to_owned());
    }
    if let Some(variable) = arg.get_env() {
        parts.push(format!(
            "From `{}` where absent",
            variable.to_string_lossy()
        ));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(". ")
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
