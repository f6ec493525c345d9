//! Who may use whom: a module of the crate uses only those above it in the table of `src/lib.rs`, and what is pure stays pure.

use crate::support::tools::checkout;

mod source;

use source::Source;

/// A clock that is read where it should be an argument.
const CLOCK: [&str; 4] = ["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now"];
/// What reaches outside of the process.
const OUTSIDE: [&str; 6] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio",
    "git2",
];

/// What a module must not name, beside the modules below it. One word is a crate or type; more are a part of a path.
fn forbidden(module: &str) -> Vec<&'static str> {
    let pure = [&CLOCK[..], &OUTSIDE[..]].concat();
    match module {
        "words" | "backoff" | "yaml" | "app" | "settings" | "ci" | "scaffold" | "releases"
        | "ledger" | "record" | "plan" | "preview" => {
            [&pure[..], &["kube", "k8s_openapi"]].concat()
        }
        "kubernetes" => [&pure[..], &["kube"]].concat(),
        // The derive of the custom resources needs the crate, and nobody a client.
        "api" => [&pure[..], &["kube::Client", "kube::Api", "kube::runtime"]].concat(),
        // Object ids are git2's; repositories are opened by the store alone.
        "git" => vec!["git2::Repository", "kube", "k8s_openapi", "tokio"],
        "store" | "users" | "releasing" => {
            vec!["kube", "k8s_openapi", "tokio", "std::process", "std::net"]
        }
        // What is in the environment, and which programs know a password, is told to it.
        "forge" => vec![
            "git2",
            "kube",
            "k8s_openapi",
            "std::env",
            "std::process",
            "tokio::fs",
            "tokio::process",
        ],
        "gateway" => vec![
            "git2",
            "kube",
            "k8s_openapi",
            "std::fs",
            "std::process",
            "std::env",
            "tokio::fs",
            "tokio::process",
        ],
        "controller" => vec!["git2", "std::process"],
        _ => Vec::new(),
    }
}

/// What is wrong with the paths of a module.
fn faults(modules: &[String], module: &str, paths: &[Vec<String>]) -> Vec<String> {
    let rank = |name: &str| modules.iter().position(|other| other == name);
    let mut faults = Vec::new();
    for path in paths {
        let written = path.join("::");
        if path[0] == "crate" {
            match path.get(1).map(String::as_str) {
                // Nobody could see what comes by it.
                Some("*") => faults.push(format!("`{module}` names the whole crate")),
                Some(used) if rank(used) > rank(module) => faults.push(format!(
                    "`{module}` uses `{used}`, which is below it in src/lib.rs: {written}"
                )),
                // Alone, it is how far something can be seen.
                None | Some(_) => {}
            }
        }
        for word in forbidden(module) {
            if names(path, word) {
                faults.push(format!("`{module}` must do without `{word}`: {written}"));
            }
        }
    }
    faults
}

/// True if a path has the parts of `word` in a row; a crate or the root of a path has to be its first.
fn names(path: &[String], word: &str) -> bool {
    let parts: Vec<&str> = word.split("::").collect();
    let is_root = parts[0].starts_with(|first: char| first.is_ascii_lowercase());
    let mut rows = path.windows(parts.len()).enumerate();
    rows.any(|(at, row)| row == parts && (!is_root || at == 0))
}

fn sources(module: &str) -> Vec<Source> {
    source::of_module(&checkout().join("src"), module)
}

#[test]
fn a_module_uses_only_those_above_it_and_what_is_pure_stays_pure() {
    let modules = table();
    let mut wrong = Vec::new();
    for module in &modules {
        for source in sources(module) {
            let file = source.file.strip_prefix(checkout()).unwrap().display();
            let faults = faults(&modules, module, &source.paths);
            wrong.extend(faults.iter().map(|fault| format!("{file}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever way a path is written, it is seen.
#[test]
fn no_form_of_an_import_goes_unseen() {
    let modules: Vec<String> = ["words", "plan", "store"].map(str::to_owned).to_vec();
    let found = |text: &str| {
        let place = ["plan", "shift"].map(str::to_owned);
        let (source, _) = source::names(text, &place);
        faults(&modules, "plan", &source.paths).len()
    };
    for seen in [
        "use crate::store::Mirror;",
        "use crate::{words::Share, store::Mirror};",
        "use crate::{words::{Share, Label}, store};",
        "use super::super::store::Mirror;",
        "use super::{super::store::Mirror, world};",
        "use self::super::super::store::Mirror;",
        "use crate as all;",
        "use crate::*;",
        "use crate::store as other;",
        "mod inner { use super::super::super::store::Mirror; }",
        "fn a() -> crate::store::Mirror { loop {} }",
        "fn a() { let b = crate::store::open(); }",
        "fn a() { println!(\"{:?}\", crate::store::open()); }",
        "macro_rules! a { () => { crate::store::open() } }",
        "#[cfg(test)] mod tests { } use crate::store::Mirror;",
        "#[cfg(unix)] use crate::store::Mirror;",
        "fn a() { use std::fs; }",
        "use std::{fs, fmt};",
        "use std::fs::{self, File};",
        "fn a() { let now = jiff::Timestamp::now(); }",
        "use jiff::Timestamp as Time; fn a() { Time::now(); }",
        "fn a() { let now = Timestamp::now; }",
        "async fn a() { tokio::spawn(b()).await; }",
    ] {
        assert!(found(seen) > 0, "{seen}");
    }
    for fine in [
        "use crate::words::Share;",
        "use super::world::World;",
        "// use crate::store::Mirror;\nfn a() -> &'static str { \"crate::store::Mirror\" }",
        "#[cfg(test)] mod tests { use crate::store::Mirror; }",
        "#[cfg(test)] use crate::store::Mirror;",
        "use crate::words::kube::Name;",
        "fn a(now: jiff::Timestamp) {}",
    ] {
        assert_eq!(found(fine), 0, "{fine}");
    }
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
    let only = |what: &str, allowed: &[&str], names: &dyn Fn(&Source) -> bool| {
        for module in table() {
            for source in sources(&module) {
                let place = source.file.strip_prefix(checkout().join("src")).unwrap();
                let place = place.to_string_lossy().into_owned();
                assert!(
                    !names(&source) || allowed.contains(&place.as_str()),
                    "{what} is for {allowed:?}, and stands in src/{place}"
                );
            }
        }
    };
    let has = |word: &'static str| {
        move |source: &Source| source.paths.iter().any(|path| names(path, word))
    };
    only(
        "Command::new",
        &[
            "git/interrupt.rs",
            "git/run.rs",
            "processes/guard.rs",
            "processes/guarded.rs",
            "processes/last_step.rs",
        ],
        &has("Command::new"),
    );
    // Objects; finalizers; status.
    let patches = |source: &Source| {
        let mut paths = source.paths.iter();
        paths.any(|path| {
            path[0] == "kube" && path.iter().rev().nth(1).is_some_and(|it| it == "Patch")
        })
    };
    only(
        "Patch",
        &[
            "controller/apply.rs",
            "controller/finalizer.rs",
            "controller/report.rs",
            "controller/sync/write.rs",
        ],
        &patches,
    );
    let deletes = |source: &Source| source.methods.contains(&("delete".to_owned(), 2));
    only(
        "a deletion",
        &[
            "controller/apply.rs",
            "controller/carry_out.rs",
            "controller/sync/carry_out.rs",
            "controller/sync/write.rs",
        ],
        &deletes,
    );
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
