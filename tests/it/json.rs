//! `--json`: what each command really prints, in a clone with versions, is what its schema in `docs/schemas` says.
//!
//! A new command has a line in [`CASES`]; without one, the test fails.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::delete::{alias, deployment, push};
use super::shop::{Shop, app_with_image, text};
use crate::support::tools::checkout;

/// Real invocations, in the order in which they are run: the words of the command, and what stands behind them.
const CASES: &[(&str, &[&str])] = &[
    ("versions publish", &["checkout", "--dry-run"]),
    ("versions publish", &["checkout", "--label", "spring-sale"]),
    ("versions publish", &["checkout"]),
    ("versions publish", &["--changed", "HEAD~1"]),
    ("versions label", &["checkout", "v1", "old", "--dry-run"]),
    ("versions label", &["checkout", "v1", "old"]),
    ("versions label", &["checkout", "v1", "old", "--remove"]),
    ("versions diff", &["checkout", "v1", "spring-sale"]),
    ("versions diff", &["checkout", "v1", "--patch"]),
    ("versions files", &["checkout", "v1"]),
    ("versions files", &["checkout", "v1", "app.yaml"]),
    ("versions export", &["checkout", "v1", "../exported"]),
    ("versions import", &["../other.git", "--dry-run"]),
    ("versions import", &["../other.git"]),
    ("versions list", &["checkout"]),
    ("versions list", &["checkout", "--no-live", "--limit", "1"]),
    ("versions view", &["checkout", "spring-sale", "--files"]),
    ("versions view", &["checkout", "v7"]),
    ("deployments list", &["checkout"]),
    ("deployments status", &["checkout"]),
    (
        "versions delete",
        &[
            "checkout",
            "spring-sale",
            "--dry-run",
            "-m",
            "It loses orders",
        ],
    ),
    ("versions delete", &["checkout", "spring-sale", "--yes"]),
    ("versions delete", &["checkout", "spring-sale", "--yes"]),
    ("versions view", &["checkout", "spring-sale"]),
    ("versions view", &["checkout", "v7"]),
    ("versions delete", &["checkout", "v1", "--dry-run"]),
    ("versions delete", &["checkout", "v1", "--yes"]),
    ("versions view", &["checkout", "v1"]),
    ("versions publish", &["checkout", "--label", "next"]),
    ("versions publish", &["checkout", "--ref", "HEAD~1"]),
    ("deploy", &["checkout", "v10", "--dry-run"]),
    ("deploy", &["checkout", "v9=90", "v10"]),
    ("deploy", &["checkout", "v9=90", "v10=10"]),
    ("deploy", &["checkout", "v10", "--branch", "ship"]),
    ("rollback", &["checkout", "-m", "It loses orders"]),
    (
        "alias set",
        &["checkout", "staging", "v9", "--canary", "v10=10"],
    ),
    ("alias list", &["checkout"]),
    ("alias view", &["checkout", "staging"]),
    ("alias delete", &["checkout", "staging"]),
    ("plan", &[]),
    ("plan", &["HEAD~3", "--head", "HEAD"]),
    ("deployments list", &["checkout"]),
    ("init", &["../begun", "--app", "hello"]),
    (
        "init",
        &["../begun", "--app", "hello", "--keep", "--dry-run"],
    ),
    ("crd", &[]),
    ("crd", &["--output", "../crds"]),
    ("schema app", &[]),
    ("schema release", &[]),
    ("schema settings", &[]),
    ("schema output", &[]),
    ("schema output", &["versions", "list"]),
    ("schema output", &["--write", "../schemas"]),
];

/// The schemas in `docs/schemas`, by the words of their commands.
pub(super) fn schemas() -> BTreeMap<String, Json> {
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(checkout().join("docs/schemas")).unwrap() {
        let path = entry.unwrap().path();
        let words = path
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .replace('-', " ");
        let schema = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        schemas.insert(words, schema);
    }
    schemas
}

/// Says where `value` is not what the schema of `words` says.
pub(super) fn wrong(schemas: &BTreeMap<String, Json>, words: &str, value: &Json) -> Vec<String> {
    let schema = schemas.get(words).unwrap_or_else(|| {
        panic!("`{words}` has no schema in docs/schemas; add it to outputs() and `make generate`")
    });
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{words}: {}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn what_each_command_prints_is_what_its_schema_says() {
    let shop = Shop::new();
    shop.publish(&[]);
    // What is deployed by its number later on.
    let staging = alias("staging", "9");
    let releases = format!("{}---\n{staging}", deployment(&[("9", "100")]));
    shop.commit("releases/checkout.yaml", releases);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    push(&shop, "main");
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/v7"],
    );
    // What is imported: a repository with another app.
    let other = Shop::new();
    let pay = app_with_image("1").replace("checkout}", "pay}");
    other.commit("apps/pay/app.yaml", pay);
    other.ok(&["versions", "publish", "pay", "--label", "first"]);
    let copied = other.remote();
    let args = [
        "clone",
        "-q",
        "--mirror",
        copied.to_str().unwrap(),
        "other.git",
    ];
    shop.git(shop.dir.path(), &args);
    let schemas = schemas();
    let mut seen = BTreeSet::new();
    for (words, args) in CASES {
        let mut line: Vec<&str> = words.split(' ').collect();
        line.extend_from_slice(args);
        line.push("--json");
        let printed = shop.ok(&line);
        let value: Json = serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}\n{printed}"));
        assert_eq!(wrong(&schemas, words, &value), [""; 0], "{printed}");
        seen.insert((*words).to_owned());
    }
    for (words, why_not) in cutwater::cli::commands() {
        if why_not.is_none() {
            assert!(seen.contains(&words), "`{words}` has no line in CASES");
        }
    }
}

#[test]
fn an_error_is_the_last_line_of_stderr_and_has_a_schema() {
    let shop = Shop::new();
    let schemas = schemas();
    let (gone, away) = ("/nowhere/shop.git", "ssh://nobody@127.0.0.1:1/shop.git");
    for (url, args, code, reason, said) in [
        (
            "",
            &["versions", "view", "checkout", "v9", "--json"][..],
            1,
            "VersionNotFound fix",
            "has no version",
        ),
        (
            "",
            &["versions", "publish", "nope", "--json"],
            1,
            "InvalidRequest fix",
            "nope",
        ),
        (
            "",
            &["versions", "list", "--json", "--limit", "x"],
            2,
            "Usage fix",
            "invalid value",
        ),
        (
            "",
            &["versions", "--json"],
            2,
            "Usage fix",
            "requires a subcommand",
        ),
        (
            "",
            &["completions", "bash", "--json"],
            2,
            "Usage fix",
            "prints no JSON",
        ),
        (
            "",
            &["-C", "/", "versions", "list", "--json", "-q"],
            1,
            "CloneUnusable fix",
            "repository",
        ),
        (
            gone,
            &["versions", "publish", "--json"],
            1,
            "NotARepository fix",
            gone,
        ),
        (
            away,
            &["versions", "publish", "--json"],
            1,
            "RepositoryUnreachable retry",
            "127.0.0.1",
        ),
    ] {
        if !url.is_empty() {
            let set = ["remote", "set-url", "origin", url];
            shop.git(&shop.clone_dir(), &set);
        }
        let output = shop.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        let stderr = text(&output.stderr);
        let last = stderr.lines().last().unwrap_or_default();
        let error: Json = serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {stderr}"));
        assert_eq!(wrong(&schemas, "error", &error), [""; 0], "{stderr}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{args:?}: {message}");
        assert_eq!(error["error"]["exitCode"], code, "{args:?}");
        let word = |field: &str| error["error"][field].as_str().unwrap().to_owned();
        let cause = format!("{} {}", word("reason"), word("class"));
        assert_eq!(cause, reason, "{args:?}: {message}");
    }
}

#[test]
fn the_schemas_in_docs_are_those_of_the_program() {
    let made: BTreeMap<String, Json> =
        serde_json::from_str(&Shop::new().ok(&["schema", "output"])).unwrap();
    let there = schemas();
    let names = |schemas: &BTreeMap<String, Json>| schemas.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&there),
        names(&made),
        "`make generate` writes docs/schemas"
    );
    for (words, schema) in &made {
        assert_eq!(
            &there[words], schema,
            "docs/schemas of `{words}` is stale; `make generate` writes it"
        );
    }
}
