//! Who may use whom: a module of the crate uses only those above it in the table of `src/lib.rs`, and what is pure stays pure.
//!
//! Checked by text, line by line, comments and unit tests left out.

use std::path::{Path, PathBuf};

use crate::support::tools::checkout;

/// A clock that is read where it should be an argument.
const CLOCK: [&str; 4] = [
    "Timestamp::now",
    "Zoned::now",
    "SystemTime::",
    "Instant::now",
];
/// What reaches outside of the process.
const OUTSIDE: [&str; 6] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio::",
    "git2::",
];

/// What a module must not name, beside the modules below it.
fn forbidden(module: &str) -> Vec<&'static str> {
    let pure = [&CLOCK[..], &OUTSIDE[..]].concat();
    match module {
        "words" | "yaml" | "app" | "settings" | "ci" | "scaffold" | "releases" | "ledger"
        | "record" | "plan" => [&pure[..], &["kube::", "k8s_openapi::"]].concat(),
        "kubernetes" => [&pure[..], &["kube::"]].concat(),
        // The derive of the custom resources needs the crate, and nobody a client.
        "api" => [&pure[..], &["kube::Client", "kube::Api", "kube::runtime"]].concat(),
        // Object ids are git2's; repositories are opened by the store alone.
        "git" => vec!["git2::Repository", "kube::", "k8s_openapi::", "tokio::"],
        "store" => vec![
            "kube::",
            "k8s_openapi::",
            "tokio::",
            "std::process",
            "std::net",
        ],
        "gateway" => vec![
            "git2::",
            "kube::",
            "k8s_openapi::",
            "std::fs",
            "std::process",
            "std::env",
            "tokio::fs",
            "tokio::process",
        ],
        "controller" => vec!["git2::", "std::process"],
        _ => Vec::new(),
    }
}

#[test]
fn a_module_uses_only_those_above_it_and_what_is_pure_stays_pure() {
    let modules = table();
    let mut wrong = Vec::new();
    for (rank, module) in modules.iter().enumerate() {
        for file in files(module) {
            for (number, line) in code(&file) {
                let mut fail = |what: &str| {
                    let file = file.strip_prefix(checkout()).unwrap().display();
                    wrong.push(format!("{file}:{number}: {what}: {}", line.trim()));
                };
                for used in words_after(&line, "crate::") {
                    let place = modules.iter().position(|other| *other == used);
                    if place.is_some_and(|place| place > rank) {
                        fail(&format!(
                            "`{module}` uses `{used}`, which is below it in src/lib.rs"
                        ));
                    }
                }
                for word in forbidden(module) {
                    if starts_a_path(&line, word) {
                        fail(&format!("`{module}` must do without `{word}`"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_the_crate_lists_every_module() {
    let library = std::fs::read_to_string(checkout().join("src/lib.rs")).unwrap();
    let mut declared: Vec<&str> = (library.lines())
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    declared.sort_unstable();
    let mut listed = table();
    listed.sort_unstable();
    assert_eq!(declared, listed, "the table in src/lib.rs is the map");
}

/// Only one module starts programs, and only one writes what the controller makes.
#[test]
fn programs_are_started_and_objects_written_in_one_place() {
    let only = |word: &str, allowed: &[&str]| {
        for module in table() {
            for file in files(&module) {
                let place = file.strip_prefix(checkout().join("src")).unwrap();
                let place = place.to_string_lossy().into_owned();
                let named = code(&file).any(|(_, line)| line.contains(word));
                assert!(
                    !named || allowed.contains(&place.as_str()),
                    "{word} is for {allowed:?}, and stands in src/{place}"
                );
            }
        }
    };
    only(
        "Command::new",
        &[
            "git/run.rs",
            "processes/guard.rs",
            "processes/guarded.rs",
            "processes/last_step.rs",
        ],
    );
    // Objects; finalizers; status.
    only(
        "Patch::",
        &[
            "controller/apply.rs",
            "controller/finalizer.rs",
            "controller/report.rs",
        ],
    );
    only(".delete(name, &", &["controller/apply.rs"]);
}

/// The modules in the order of the table in `src/lib.rs`.
fn table() -> Vec<String> {
    let library = std::fs::read_to_string(checkout().join("src/lib.rs")).unwrap();
    let rows = library
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`"));
    let modules: Vec<String> = rows
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect();
    assert!(modules.len() > 5, "the table is read: {modules:?}");
    modules
}

fn files(module: &str) -> Vec<PathBuf> {
    fn below(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.file_stem().is_some_and(|stem| stem != "tests") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let root = checkout().join("src").join(module);
    if root.is_dir() {
        below(&root, &mut found);
    } else {
        found.push(root.with_extension("rs"));
    }
    found
}

/// The lines of a file with their numbers, without comments and up to its unit tests.
fn code(file: &Path) -> impl Iterator<Item = (usize, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<(usize, String)> = (text.lines().enumerate())
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect();
    lines.into_iter()
}

/// The words right behind each `prefix`.
fn words_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).map(move |(at, _)| {
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// True when a path in the line starts with `word`: `kube::` is not in `crate::kube::`.
fn starts_a_path(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    })
}
