//! Words and flags of other tools: what each is called here, as hints behind an error of the command line.
//!
//! Pure: reads the words that were typed and the error that the parser made of them. Runs nothing.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output::Failure;
use super::shell::quoted;
use super::{candidates, tree};

/// Commands that other tools have, and what does the same here.
const COMMANDS: [(&[&str], &str); 18] = [
    (
        &["publish", "upload", "push", "release"],
        "`cutwater versions publish APP` makes a version",
    ),
    (
        &["status", "get", "ps", "top", "describe", "info"],
        "`cutwater deployments status APP` shows what is wanted and what is served",
    ),
    (
        &["history", "log", "timeline"],
        "`cutwater deployments list APP` shows what was deployed",
    ),
    (
        &["list", "ls"],
        "`cutwater versions list APP` shows versions, `cutwater deployments list APP` shows what was deployed",
    ),
    (
        &["promote", "ship", "scale-up"],
        "`cutwater deploy APP VERSION` gives a version all of the traffic",
    ),
    (
        &[
            "canary",
            "split",
            "shift",
            "traffic",
            "set-weight",
            "weight",
        ],
        "`cutwater deploy APP v7 v8=10` splits the traffic",
    ),
    (
        &["undo", "abort", "revert", "back"],
        "`cutwater rollback APP` goes back to the version before",
    ),
    (
        &["logs", "tail"],
        "`cutwater serve` keeps what programs print in `logs/` of its state folder; in a cluster, `kubectl logs` shows it",
    ),
    (
        &["apply", "sync", "up"],
        "`kubectl apply -f releases/` applies the files to a cluster; `cutwater serve` follows the branch by itself",
    ),
    (
        &["dev", "run", "start", "server"],
        "`cutwater serve` serves the apps of a repository on this machine",
    ),
    (
        &["label", "tag"],
        "`cutwater versions label VERSION LABEL` names a version",
    ),
    (
        &["diff", "compare"],
        "`cutwater versions diff APP v7 v8` compares versions",
    ),
    (
        &["view", "show", "inspect"],
        "`cutwater versions view APP VERSION` shows a version, `cutwater alias view` an alias",
    ),
    (
        &["delete", "rm", "remove"],
        "`cutwater versions delete APP VERSION` deletes a version, `cutwater alias delete APP NAME` an alias",
    ),
    (
        &["export", "download", "checkout"],
        "`cutwater versions export APP VERSION DIR` writes the files of a version",
    ),
    (
        &["import"],
        "`cutwater versions import SOURCE` copies versions of another repository",
    ),
    (
        &["create", "new", "add"],
        "`cutwater init` starts a repository; `cutwater init --app NAME --keep` adds an app to it",
    ),
    (
        &["set"],
        "`cutwater alias set APP NAME VERSION` sets an alias, `cutwater deploy APP VERSION` the traffic",
    ),
];

/// Flags by which other tools name a version.
const VERSION_FLAGS: [&str; 8] = [
    "--version",
    "--to-revision",
    "--revision",
    "--to",
    "--tag",
    "--version-id",
    "--image",
    "-v",
];

/// What to write in the place of what was typed: `words` are those behind the program's name.
pub(super) fn hints(words: &[String], error: &clap::Error) -> Vec<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    // Flags that every command has may stand before it.
    let plain: Vec<&str> = candidates::plain(words).collect();
    let hint = match error.kind() {
        ErrorKind::InvalidSubcommand => context(ContextKind::InvalidSubcommand)
            .and_then(|word| behind(words, &plain, word).or_else(|| command(word))),
        ErrorKind::UnknownArgument => {
            context(ContextKind::InvalidArg).and_then(|flag| self::flag(words, &plain, flag))
        }
        ErrorKind::ValueValidation => {
            context(ContextKind::InvalidValue).and_then(|value| imported(&plain, value))
        }
        _ => None,
    };
    hint.into_iter().collect()
}

/// A command right behind a word that is none: then that word is an app, whatever other tools call so.
fn behind(words: &[String], plain: &[&str], app: &str) -> Option<String> {
    let root = tree::command();
    let is_command = |word: &String| root.find_subcommand(word).is_some();
    let mut pairs = words.windows(2);
    let place = pairs.position(|pair| pair[0] == app && is_command(&pair[1]))?;
    let command = root.find_subcommand(&words[place + 1])?;
    let is_verb = |word: &&String| command.find_subcommand(word).is_some();
    let verb = words.get(place + 2).filter(is_verb);
    if plain.first() != Some(&app) || (command.has_subcommands() && verb.is_none()) {
        return None;
    }
    let (head, rest) = words.split_at(place + 2 + verb.iter().len());
    let (flags, command) = head.split_at(place);
    let words = flags.iter().chain(&command[1..]).map(String::as_str);
    let words = words.chain([app]).chain(rest.iter().map(String::as_str));
    let words: Vec<_> = words.map(quoted).collect();
    Some(format!(
        "the command stands first, and the app behind it: cutwater {}",
        words.join(" ")
    ))
}

fn command(word: &str) -> Option<String> {
    let (_, hint) = COMMANDS.iter().find(|(names, _)| names.contains(&word))?;
    Some((*hint).to_owned())
}

fn flag(words: &[String], plain: &[&str], flag: &str) -> Option<String> {
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    let releases = matches!(plain.first(), Some(&("deploy" | "rollback" | "alias")));
    match name {
        "--name" | "-n" if plain.first() == Some(&"init") => {
            Some("the first app is named with --app, the directory by a word: cutwater init DIR --app NAME".to_owned())
        }
        name if releases && VERSION_FLAGS.contains(&name) => Some(format!(
            "the version is a word of its own: {}",
            with_word(words, name)
        )),
        "--percent" | "--percentage" | "--weight" | "--traffic" | "--canary" | "--step" if releases => {
            Some("a share is written behind its version: `cutwater deploy APP v7 v8=10`".to_owned())
        }
        "-n" | "--namespace" if releases => Some(
            "the namespace of an object stands in its file; --name NAMESPACE/NAME says which object is meant if the app has several"
                .to_owned(),
        ),
        "-n" | "--namespace" => {
            Some("objects of all namespaces are shown that you may list".to_owned())
        }
        "--app" | "--name" | "-a" => {
            Some("the app is the first word behind the command".to_owned())
        }
        "-o" | "--output" | "--format" => Some("--json prints the result as JSON".to_owned()),
        "-V" | "--version" => Some("`cutwater --version` prints the version of the program".to_owned()),
        "-f" | "--filename" | "--file" => {
            Some("files are read from the repository; -C DIR works in another clone".to_owned())
        }
        name => word_behind_the_app(plain, name),
    }
}

/// A word behind the app of a command that takes nothing but the app.
fn word_behind_the_app(plain: &[&str], word: &str) -> Option<String> {
    let hint = match (*plain.first()?, *plain.get(1)?) {
        ("versions" | "version", "list") => {
            "all versions are listed; `cutwater versions view APP VERSION` shows one"
        }
        ("deployments" | "deployment", _) => {
            "an app is shown as a whole; `cutwater versions view APP VERSION` shows who uses a version"
        }
        ("alias" | "aliases", "list") => {
            "all aliases are listed; `cutwater alias view APP NAME` shows one"
        }
        _ => return None,
    };
    (!word.starts_with('-')).then(|| hint.to_owned())
}

/// A repository in the place of an app.
fn imported(plain: &[&str], value: &str) -> Option<String> {
    let [noun, verb, apps @ ..] = plain else {
        return None;
    };
    if !noun.starts_with("version") || *verb != "import" {
        return None;
    }
    let mut line = vec!["cutwater versions import".into(), quoted(value)];
    let apps = apps.iter().filter(|app| **app != value);
    line.extend(apps.map(|app| quoted(app)));
    Some(format!(
        "the repository stands first, the apps behind it: {}",
        line.join(" ")
    ))
}

/// The command line with the value of `flag` as a word at its end.
fn with_word(words: &[String], flag: &str) -> String {
    let mut line = vec!["cutwater"];
    let mut value = None;
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        if word == flag {
            value = rest.next_if(|next| !next.starts_with('-'));
        } else if let Some(joined) = word
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='))
        {
            value = Some(joined);
        } else {
            line.push(word);
        }
    }
    line.push(value.filter(|value| !value.is_empty()).unwrap_or("VERSION"));
    line.join(" ")
}

impl Failure {
    /// The command line cannot be read: `words` were typed behind the name of the program, and `usage` is the form that the
    /// command has.
    pub(super) fn command_line(mut error: clap::Error, words: &[String], usage: &str) -> Self {
        let hints = hints(words, &error);
        // This advice makes a flag of another tool a version or an app.
        error.remove(ContextKind::Suggested);
        if !hints.is_empty() {
            error.remove(ContextKind::SuggestedArg);
            error.remove(ContextKind::SuggestedSubcommand);
        }
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        let text = text.split("\n\nUsage:").next().unwrap_or(text);
        let text = (text.split("\n\nFor more information").next()).unwrap_or(text);
        let (message, tips) = text.split_once("\n\n  tip: ").unwrap_or((text, ""));
        let tips = tips.split("\n  tip: ").filter(|tip| !tip.is_empty());
        let mut failure = Self::usage(message);
        for hint in tips.map(|tip| tip.trim().to_owned()).chain(hints) {
            failure = failure.hint(hint);
        }
        failure.hint(format!("{usage}; --help says more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let typed = std::iter::once("cutwater".to_owned()).chain(words.clone());
        let error = tree::command().try_get_matches_from(typed).err();
        error.map_or_else(String::new, |error| hints(&words, &error).join("; "))
    }

    #[test]
    fn a_version_behind_a_flag_becomes_a_word() {
        for (line, right) in [
            (
                "rollback orders --version v1",
                "cutwater rollback orders v1",
            ),
            (
                "rollback orders --version=v1",
                "cutwater rollback orders v1",
            ),
            (
                "rollback orders --to-revision=1",
                "cutwater rollback orders 1",
            ),
            ("deploy orders --version v3", "cutwater deploy orders v3"),
            (
                "rollback --version v1 orders",
                "cutwater rollback orders v1",
            ),
            (
                "rollback orders --version",
                "cutwater rollback orders VERSION",
            ),
            (
                "alias set orders staging --version v3",
                "cutwater alias set orders staging v3",
            ),
        ] {
            assert_eq!(
                hint(line),
                format!("the version is a word of its own: {right}"),
                "{line}"
            );
        }
    }

    #[test]
    fn words_of_other_tools_lead_to_what_is_meant() {
        for (line, right) in [
            ("publish orders", "cutwater versions publish"),
            ("status", "cutwater deployments status"),
            ("promote orders", "cutwater deploy"),
            ("undo orders", "cutwater rollback"),
            ("deploy orders v8 --percent 50", "v8=10"),
            ("deploy orders v8 -n prod", "--name NAMESPACE/NAME"),
            ("versions list -o json", "--json"),
            ("versions list --app orders", "first word"),
            ("versions list -V", "cutwater --version"),
            ("init --name shop", "cutwater init DIR --app NAME"),
            ("--json list", "cutwater versions list"),
            ("--timeout 5 deploy orders v8 --percent 50", "v8=10"),
            (
                "-C shop rollback orders --version v1",
                "cutwater -C shop rollback orders v1",
            ),
        ] {
            let hint = hint(line);
            assert!(hint.contains(right), "{line}: {hint}");
        }
    }

    #[test]
    fn an_app_before_the_command_is_moved_behind_it_whatever_it_is_called() {
        for (line, right) in [
            ("checkout deploy v8", "cutwater deploy checkout v8"),
            ("checkout versions list", "cutwater versions list checkout"),
            ("-q canary rollback", "cutwater -q rollback canary"),
            (
                "orders deploy v8 --branch ship",
                "cutwater deploy orders v8 --branch ship",
            ),
            (
                "push alias set staging v3",
                "cutwater alias set push staging v3",
            ),
        ] {
            let hint = hint(line);
            assert!(hint.ends_with(right), "{line}: {hint}");
        }
        // Without a command behind it, it is a word of another tool.
        assert!(hint("checkout v8").contains("versions export"));
        assert!(hint("push versions").contains("versions publish"));
    }

    #[test]
    fn what_nobody_uses_elsewhere_gets_no_hint() {
        assert_eq!(hint("versions list --frobnicate"), "");
        assert_eq!(hint("frobnicate"), "");
    }
}
