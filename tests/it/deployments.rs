//! `cutwater deployments`: what was deployed and what is served, from releases and from ledgers.

use serde_json::{Value as Json, json};

use super::delete::{alias, commit_record, deployment, push, record, record_of, shop_with};
use super::shop::{Shop, text};

fn list(shop: &Shop, args: &[&str]) -> Vec<Json> {
    let printed = shop.ok(&[&["deployments", "list", "checkout", "--json"], args].concat());
    let printed: Json = serde_json::from_str(&printed).unwrap();
    printed["deployments"].as_array().unwrap().clone()
}

/// Who is asked for how much, in one line each.
fn shares(list: &[Json]) -> Vec<String> {
    let share = |share: &Json| format!("{} {}", share["version"], share["percentage"]);
    list.iter()
        .map(|entry| {
            let shares = entry["versions"].as_array().unwrap().iter();
            shares.map(share).collect::<Vec<_>>().join(", ")
        })
        .collect()
}

#[test]
fn the_commits_that_changed_releases_are_what_was_deployed() {
    let shop = shop_with(2);
    let nothing = shop.run(&["deployments", "list"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty());
    let said = text(&nothing.stderr);
    assert!(
        said.contains("nothing of `checkout` was deployed: not by a ledger"),
        "{said}"
    );
    assert!(
        text(&shop.run(&["deployments", "status"]).stderr).contains("neither wanted nor served")
    );

    shop.commit("releases/checkout.yaml", deployment(&[("1", "100")]));
    shop.commit("releases/README.md", "not a release");
    shop.commit(
        "releases/pay.yaml",
        deployment(&[("1", "100")]).replace("checkout", "pay"),
    );
    // A branch that is merged is one change.
    shop.git(&shop.clone_dir(), &["checkout", "-q", "-b", "canary"]);
    shop.commit(
        "releases/checkout.yaml",
        deployment(&[("1", "99"), ("2", "1")]),
    );
    shop.commit(
        "releases/checkout.yaml",
        deployment(&[("1", "90"), ("2", "10")]),
    );
    shop.git(&shop.clone_dir(), &["checkout", "-q", "-"]);
    shop.git(
        &shop.clone_dir(),
        &["merge", "-q", "--no-ff", "-m", "Try the new cart", "canary"],
    );
    // What cannot be read for a while changed nothing.
    shop.commit("releases/checkout.yaml", "app: checkout\n- x");
    shop.commit(
        "releases/checkout.yaml",
        deployment(&[("1", "90"), ("2", "10")]),
    );
    shop.commit("releases/prod.yaml", alias("prod", "v2"));
    std::fs::remove_file(shop.clone_dir().join("releases/prod.yaml")).unwrap();
    shop.commit_all();
    push(&shop, "main");

    let all = list(&shop, &[]);
    assert_eq!(shares(&all), ["", "2 100", "1 90, 2 10", "1 100"]);
    assert_eq!(all[2]["message"], "Try the new cart");
    assert_eq!(all[2]["author"], "Ada Lovelace");
    assert_eq!(
        all[2]["commit"],
        shop.rev(&shop.clone_dir(), ":/Try the new")
    );
    assert_eq!(all[1]["name"], "prod");
    assert_eq!(
        shares(&list(&shop, &["--environment", "shop"])),
        ["", "2 100"]
    );
    let output = shop.run(&["deployments", "list", "--limit", "1"]);
    assert!(
        text(&output.stdout).contains("alias shop/prod")
            && text(&output.stdout).contains("removed")
    );
    assert!(text(&output.stderr).contains("more than 1"));
    let status = shop.ok(&["deployments", "status"]);
    assert!(
        status.contains("releases/checkout.yaml:1 of main") && status.contains("v1 90%, v2 10%"),
        "{status}"
    );
}

#[test]
fn a_ledger_goes_before_the_branch_and_is_read_as_far_as_it_is_one() {
    let shop = shop_with(2);
    shop.commit("releases/checkout.yaml", deployment(&[("1", "100")]));
    push(&shop, "main");
    commit_record(&shop, "prod", "no: record\n");
    record(&shop, "prod", 1, &[("v1", "100")]);
    record(&shop, "prod", 2, &[("v1", "87.5"), ("v2", "12.5")]);
    record(&shop, "test", 1, &[("v2", "100")]);
    let output = shop.run(&["deployments", "list", "checkout"]);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        error.contains("the ledger of prod cannot be read from commit"),
        "{error}"
    );
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let newest = "prod v1 87.5%, v2 12.5% Grace Change 2";
    assert!(
        out.lines().any(|line| words(line).ends_with(newest)),
        "{out}"
    );
    let all = list(&shop, &["--environment", "prod"]);
    assert_eq!(shares(&all), ["1 87.5, 2 12.5", "1 100"]);
    assert_eq!(all[0]["source"], "ledger");
    assert_eq!(all[0]["sequence"], 2);
    // At the limit nothing further is read.
    let output = shop.run(&["deployments", "list", "checkout", "--limit", "1"]);
    assert!(!text(&output.stderr).contains("cannot be read"));
    let status: Json =
        serde_json::from_str(&shop.ok(&["deployments", "status", "--json"])).unwrap();
    assert_eq!(status["ledgers"][0]["environment"], "prod");
    assert_eq!(
        status["ledgers"][0]["versions"][1]["percentage"],
        json!(12.5)
    );
    assert_eq!(
        status["releases"][0]["versions"],
        json!([{"version": 1, "number": 1, "percentage": 100}])
    );
    // A record that lies about its place, or about its order, is where reading stops.
    let lie = "apiVersion: cutwater.dev/v1alpha1\nkind: Served\napp: checkout\nenvironment: other\nsequence: 9\nat: 2026-11-21T06:00:00Z\nversions: []\n";
    commit_record(&shop, "test", lie);
    let output = shop.run(&["deployments", "list", "checkout", "--environment", "test"]);
    assert!(output.status.success());
    assert!(
        text(&output.stderr).contains("the ledger of test cannot be read"),
        "{}",
        text(&output.stderr)
    );
}

/// The outcome, or what remembers it, and the shares of each.
fn marked(list: &[Json]) -> Vec<String> {
    let mark = |entry: &Json| {
        let name = entry["name"].as_str().or(entry["environment"].as_str());
        let outcome = entry["outcome"].as_str().unwrap_or("-");
        format!("{} {outcome}", name.unwrap())
    };
    (list.iter().zip(shares(list)))
        .map(|(entry, shares)| format!("{} {shares}", mark(entry)))
        .collect()
}

#[test]
fn a_limit_cuts_what_is_printed_and_not_what_it_is_told_from() {
    let shop = shop_with(2);
    let clone = shop.clone_dir();
    let served = |sequence: u64, version: &str| {
        let commit = shop.rev(&clone, "HEAD");
        record_of(&shop, "prod", sequence, &[(version, "100")], &commit);
    };
    for sequence in 1..=8 {
        let version = if sequence % 2 == 1 { "1" } else { "2" };
        let file = deployment(&[(version, "100")]);
        shop.commit("releases/checkout.yaml", file);
        served(sequence, &format!("v{version}"));
    }
    push(&shop, "main");
    // The branch goes back, and what it asks for then is served.
    shop.git(&clone, &["fetch", "-q"]);
    shop.git(&clone, &["reset", "-q", "--hard", "HEAD~2"]);
    shop.git(&clone, &["push", "-q", "-f", "origin", "HEAD:main"]);
    served(9, "v2");
    let all = list(&shop, &["--limit", "0"]);
    assert_eq!(all.len(), 9, "{all:?}");
    assert!(
        all.iter().all(|entry| entry["outcome"].is_null()),
        "{all:?}"
    );
    for limit in 1..9 {
        let some = list(&shop, &["--limit", &limit.to_string()]);
        assert_eq!(marked(&some), marked(&all[..limit]), "{limit}");
    }
}

#[test]
fn what_is_gone_is_told_once_with_what_became_of_it() {
    let shop = shop_with(3);
    let file = "releases/checkout.yaml";
    let serve = |sequence: u64, version: &str| {
        shop.commit(file, deployment(&[(version, "100")]));
        let commit = shop.rev(&shop.clone_dir(), "HEAD");
        let shares = format!("v{version}");
        record_of(&shop, "local", sequence, &[(&shares, "100")], &commit);
    };
    shop.commit("releases/prod.yaml", alias("prod", "v2"));
    serve(1, "1");
    serve(2, "2");
    let copy = deployment(&[("2", "100")]).replace("name: checkout", "name: copy");
    shop.commit("releases/copy.yaml", copy);
    shop.commit(file, deployment(&[("3", "100")]));
    for gone in ["releases/copy.yaml", file] {
        std::fs::remove_file(shop.clone_dir().join(gone)).unwrap();
        shop.commit_all();
    }
    push(&shop, "main");
    let all = marked(&list(&shop, &[]));
    let expected = [
        "checkout notRecorded ",
        "checkout notRecorded 3 100",
        "copy - ",
        "copy - 2 100",
        "local - 2 100",
        "local - 1 100",
        "prod - 2 100",
    ];
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    };
    let lines: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(sorted(&lines), sorted(&expected), "{all:?}");
    // A later record says nothing of a removal, which has none of its own.
    serve(3, "1");
    push(&shop, "main");
    let all = marked(&list(&shop, &[]));
    assert!(all.contains(&"checkout notRecorded ".to_owned()), "{all:?}");
    assert!(
        all.contains(&"checkout neverServed 3 100".to_owned()),
        "{all:?}"
    );
}
