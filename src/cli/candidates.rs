//! Candidates for what a shell completes: app names, versions and labels, from the clone alone.
//!
//! A person waits for each of these, in the middle of a line: nothing is asked of the network, and nothing is ever said about
//! an error. An argument gets them by `#[arg(add = candidates::apps())]` and the like.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use super::Global;
use super::context::Context;
use crate::store::LATEST;
use crate::words::{AppName, Label};

/// The variable by which the script of a shell asks for candidates.
pub(super) const VARIABLE: &str = "CUTWATER_COMPLETE";

/// Most versions that are offered: the newest ones.
const VERSIONS_MAX: usize = 200;

/// Most versions whose commit is looked at, to see whether they live.
const LOOKS_MAX: usize = 1000;

/// Flags whose value is a word of its own.
const WITH_VALUE: [&str; 4] = ["-C", "--repo", "--remote", "--timeout"];

/// Answers a shell that asks for candidates. True where one did.
pub(super) fn answer(command: fn() -> Command) -> bool {
    let asked = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty() && value != "0");
    if asked {
        let completer = CompleteEnv::with_factory(command).var(VARIABLE);
        let directory = std::env::current_dir().ok();
        // What cannot be completed is not completed: an error would be printed into a person's line.
        drop(completer.try_complete(std::env::args_os(), directory.as_deref()));
    }
    asked
}

/// Names of apps.
pub(super) fn apps() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let line = Line::read();
        line.context().map_or_else(Vec::new, |context| {
            let apps = context.workspace.known_apps();
            apps.iter()
                .map(|app| CompletionCandidate::new(app.as_str()))
                .collect()
        })
    })
}

/// Names of branches, here and at remotes.
pub(super) fn branches() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let context = Line::read().context();
        let names = context.map_or_else(Vec::new, |context| context.workspace.known_branches());
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Words of the form `[APP] VERSION...`: apps where none is named yet, and versions and labels of the app that is meant.
pub(super) fn app_and_versions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| complete(current, None))
}

/// Words of the form `[APP] FROM [TO]`: the same, and LATEST.
pub(super) fn app_and_sides() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = complete(current, None);
        if current
            .to_str()
            .is_some_and(|word| LATEST.starts_with(word))
        {
            let help = Some("what the branch holds".into());
            let latest = CompletionCandidate::new(LATEST).help(help);
            found.push(latest.display_order(Some(usize::MAX)));
        }
        found
    })
}

/// Words of the form `[APP] VERSION WORD`: nothing for a word that nobody here knows yet.
pub(super) fn app_version_and_word() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| complete(current, Some(Behind::Word)))
}

/// Words of the form `[APP] VERSION DIR`.
pub(super) fn app_version_and_folder() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| complete(current, Some(Behind::Folder)))
}

/// What stands behind one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Word,
    Folder,
}

/// Candidates that begin with `current`; with `behind`, for one version and what stands behind it.
fn complete(current: &OsStr, behind: Option<Behind>) -> Vec<CompletionCandidate> {
    let line = Line::read();
    let (Some(word), Some(context)) = (current.to_str(), line.context()) else {
        return Vec::new();
    };
    let named_in = |apps: &[AppName]| -> Option<AppName> {
        let first = line.words.first()?;
        apps.iter().find(|app| app.as_str() == first).cloned()
    };
    // Mostly the app is one of the work tree, and then nobody need go through the refs of all.
    let mut apps = context.workspace.apps_in_work_tree();
    let mut named = named_in(&apps);
    if named.is_none() {
        apps = context.workspace.known_apps();
        named = named_in(&apps);
    }
    let versions = line.words.len() - usize::from(named.is_some());
    match behind {
        Some(Behind::Word) if versions > 0 => return Vec::new(),
        Some(Behind::Folder) if versions > 0 => return PathCompleter::dir().complete(current),
        _ => {}
    }
    let mut found: Vec<CompletionCandidate> = Vec::new();
    // The app is the first word, or is not named.
    if line.words.is_empty() {
        let apps = apps.iter().map(AppName::as_str);
        found.extend(
            apps.filter(|app| app.starts_with(word))
                .map(CompletionCandidate::new),
        );
    }
    let meant = named
        .or_else(|| context.workspace.app_at(context.dir()))
        .or_else(|| (apps.len() == 1).then(|| apps[0].clone()));
    if let Some(app) = meant {
        found.extend(versions_of(&context, &app, word, found.len()));
    }
    found
}

/// Versions and labels that begin with `current`, newest first; `order` is the place of the first.
fn versions_of(
    context: &Context,
    app: &AppName,
    current: &str,
    mut order: usize,
) -> Vec<CompletionCandidate> {
    let mut found = Vec::new();
    let mut looks = 0;
    for version in context.workspace.known_versions(app) {
        let labels: Vec<&str> = version.labels.iter().map(Label::as_str).collect();
        let number = version.number.to_string();
        let words = std::iter::once((number.as_str(), labels.join(", ")))
            .chain(labels.iter().map(|label| (*label, number.clone())));
        let mut words = words
            .filter(|(word, _)| word.starts_with(current))
            .peekable();
        if words.peek().is_none() {
            continue;
        }
        looks += 1;
        if looks > LOOKS_MAX || found.len() >= VERSIONS_MAX {
            break;
        }
        if !context.workspace.is_living(app, &version) {
            continue;
        }
        for (word, help) in words {
            let help = (!help.is_empty()).then(|| help.into());
            let candidate = CompletionCandidate::new(word).help(help);
            found.push(candidate.display_order(Some(order)));
            order += 1;
        }
    }
    found
}

/// How many words name the command: a noun and a verb, or a verb alone.
fn verb(before: &[String]) -> usize {
    let alone = plain(before)
        .next()
        .is_some_and(|word| matches!(word, "deploy" | "rollback"));
    if alone { 1 } else { 2 }
}

/// The command line that is being typed, as far as it bears on the candidates.
#[derive(Default)]
struct Line {
    /// Words behind the noun and the verb, and before the one that is being typed; no flags.
    words: Vec<String>,
    repo: Option<PathBuf>,
    remote: Option<String>,
}

impl Line {
    /// The script passes the words behind a `--`; bash and zsh say which of them is being typed, for the others it is the
    /// last one.
    fn read() -> Self {
        let words: Vec<String> = std::env::args_os()
            .skip_while(|word| word != "--")
            .skip(2)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok();
        let index = index.and_then(|index| index.parse::<usize>().ok());
        let end = index.map_or(words.len().saturating_sub(1), |index| {
            index.saturating_sub(1).min(words.len())
        });
        let before = words[..end].to_vec();
        let value = |names: &[&str]| {
            let joined = before.iter().find_map(|word| {
                let (name, value) = word.split_once('=')?;
                names.contains(&name).then(|| value.to_owned())
            });
            let apart = before
                .windows(2)
                .find(|pair| names.contains(&pair[0].as_str()));
            joined.or_else(|| apart.map(|pair| pair[1].clone()))
        };
        Self {
            repo: value(&["-C", "--repo"]).map(PathBuf::from),
            remote: value(&["--remote"]).or_else(|| std::env::var("CUTWATER_REMOTE").ok()),
            words: plain(&before)
                .skip(verb(&before))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The clone that is meant, if there is one.
    fn context(&self) -> Option<Context> {
        let global = Global {
            repo: self.repo.clone(),
            remote: self.remote.clone(),
            timeout: 1,
            json: false,
            quiet: true,
        };
        Context::open(&global).ok()
    }
}

/// The words that are neither flags nor the value of one that every command has.
pub(super) fn plain(words: &[String]) -> impl Iterator<Item = &str> {
    let mut value = false;
    words.iter().map(String::as_str).filter(move |word| {
        let was = std::mem::replace(&mut value, WITH_VALUE.contains(word));
        !was && !word.starts_with('-')
    })
}
