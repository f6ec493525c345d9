//! `cutwater rollback`, and what is left in the commit.

use serde_json::{Value as Json, json};

use super::{FILE, HEAD, alias_file, at_remote, message, shop};
use crate::it::delete::{push, record, record_of};
use crate::it::shop::{Shop, text};

#[test]
fn a_rollback_goes_to_the_newest_version_that_was_stable_and_not_left() {
    let shop = shop(4);
    let error = shop.refused(&["rollback", "checkout"]);
    assert!(
        error.contains("branch main knows no earlier version")
            && error.contains(
                "never had all of it, as far as is known: v4, v3, v2; to go to one of them all the same: cutwater rollback checkout VERSION\n"
            ),
        "{error}"
    );
    for version in ["v2", "v3"] {
        shop.ok(&["deploy", "checkout", version]);
    }
    shop.ok(&["deploy", "checkout", "v3", "v4=10"]);
    // A canary is left for the version that was stable before it.
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v3 100% (back from v4)\n");
    assert!(message(&shop, "main").contains("Cutwater-Rolled-Back-From: v4\n"));
    let list = shop.ok(&["deployments", "list", "checkout"]);
    assert!(list.contains("v3 100% (back from v4)"), "{list}");
    // Then further back, and never to what was left.
    let line = shop.ok(&["rollback", "checkout", "-m", "v3 loses orders"]);
    assert_eq!(line, "rolled back checkout: v2 100% (back from v3)\n");
    assert!(at_remote(&shop, "main", FILE).contains("message: \"v3 loses orders\" # why"));
    let list = shop.ok(&["deployments", "list", "checkout"]);
    assert!(
        list.lines().nth(1).unwrap().ends_with("v3 loses orders"),
        "{list}"
    );
    let json = shop.ok(&["rollback", "checkout", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["versions"], json!([{"version": 1, "percentage": 100}]));
    assert_eq!(json["rolledBackFrom"], json!([2]));
    let error = shop.refused(&["rollback", "checkout"]);
    let said = "had all of the traffic, and were left for another: v2, v3; never had all of it, as far as is known: v4; to go to one of them all the same: cutwater rollback checkout VERSION\n";
    assert!(
        error.contains("nothing was changed, `checkout` stays at v1 100%: "),
        "{error}"
    );
    assert!(error.contains(said), "{error}");
    // A version that is named is taken as it is.
    let line = shop.ok(&["rollback", "checkout", "v3"]);
    assert_eq!(line, "rolled back checkout: v3 100% (back from v1)\n");
    assert_eq!(
        shop.ok(&["rollback", "checkout", "3"]),
        "unchanged checkout: v3 100%\n"
    );
    shop.refused(&["rollback", "checkout", "v9"]);
    // A bare number may have been meant as a share, and one with its `v` may not.
    for (word, is_said) in [("v4", false), ("4", true)] {
        let output = shop.run(&["rollback", "checkout", word, "--dry-run"]);
        let said = text(&output.stderr);
        assert_eq!(
            said.contains("v4 is newer than what it replaces"),
            is_said,
            "{said}"
        );
    }
    // All that had a share is left, and what had none is not.
    shop.ok(&["deploy", "checkout", "v3=70", "v1=10", "v2=20", "v4=0"]);
    let line = shop.ok(&["rollback", "checkout", "v3"]);
    assert_eq!(line, "rolled back checkout: v3 100% (back from v2, v1)\n");
    let list = shop.ok(&["deployments", "list", "checkout"]);
    assert!(list.contains("v3 100% (back from v2, v1)"), "{list}");
    let json = shop.ok(&["deployments", "list", "checkout", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    let newest = &json["deployments"][0];
    assert_eq!(newest["rolledBackFrom"], 2);
    assert_eq!(newest["alsoRolledBackFrom"], json!([1]));
}

#[test]
fn of_several_ledgers_none_is_left_aside_in_silence() {
    let shop = shop(3);
    shop.ok(&["deploy", "checkout", "v2"]);
    record(&shop, "eu", 1, &[("v1", "100")]);
    let output = shop.run(&["rollback", "checkout", "--dry-run"]);
    assert!(!text(&output.stderr).contains("left aside"));
    record(&shop, "us", 1, &[("v1", "100")]);
    let output = shop.run(&["rollback", "checkout", "--dry-run"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("the ledgers of eu, us were left aside")
            && said.contains("metadata.namespace"),
        "{said}"
    );
}

#[test]
fn a_rollback_keeps_what_a_rule_needs_and_is_not_held_up_by_it() {
    let shop = shop(3);
    shop.ok(&["deploy", "checkout", "v2"]);
    let rules = "  rules:\n    - {version: v3, query: {name: preview, value: \"1\"}}\n";
    let both = "    - {version: v2, percentage: 60}\n    - {version: v3, percentage: 40}\n";
    shop.commit(FILE, format!("{HEAD}{both}{rules}"));
    push(&shop, "main");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(
        line,
        "rolled back checkout: v2 100%, v3 0% (back from v3)\n"
    );
    let after = both.replace("60", "100").replace("40", "0");
    assert!(at_remote(&shop, "main", FILE).contains(&format!("{after}{rules}")));
    assert_eq!(
        shop.ok(&["rollback", "checkout", "v2"]),
        "unchanged checkout: v2 100%, v3 0%\n"
    );
}

#[test]
fn a_rule_for_a_label_holds_up_neither_the_way_back_nor_a_deploy() {
    let shop = shop(3);
    shop.ok(&["versions", "label", "checkout", "v3", "beta"]);
    shop.ok(&["deploy", "checkout", "v2"]);
    let both = "    - {version: v2, percentage: 100}\n    - {version: beta, percentage: 0}\n";
    let rules = "  rules:\n    - {version: beta, query: {name: preview, value: \"1\"}}\n";
    let after = |main: &str| {
        let versions = both.replace("v2", main).replace("beta", "v3");
        format!("{versions}{}", rules.replace("beta", "v3"))
    };
    shop.commit(FILE, format!("{HEAD}{both}{rules}"));
    push(&shop, "main");
    let line = shop.ok(&["rollback", "checkout", "v1"]);
    assert_eq!(
        line,
        "rolled back checkout: v3 0%, v1 100% (back from v2)\n"
    );
    let file = at_remote(&shop, "main", FILE);
    assert!(
        file.ends_with(&format!(
            "    - {{version: v3, percentage: 0}}\n    - {{version: v1, percentage: 100}}\n{}",
            rules.replace("beta", "v3")
        )),
        "{file}"
    );
    shop.commit(FILE, format!("{HEAD}{both}{rules}"));
    push(&shop, "main");
    shop.ok(&["deploy", "checkout", "v2=90", "beta=10"]);
    let file = at_remote(&shop, "main", FILE);
    let after = after("v2").replace("100", "90").replace(": 0", ": 10");
    assert!(file.ends_with(&after), "{file}");
}

#[test]
fn a_rule_for_a_label_that_had_a_share_holds_up_no_way_back() {
    let rule = |word: &str| {
        format!("    - {{version: {word}, query: {{name: preview, value: \"{word}\"}}}}\n")
    };
    let split = |parts: &[(&str, &str)]| -> String {
        let line = |(version, share): &(&str, &str)| {
            format!("    - {{version: {version}, percentage: {share}}}\n")
        };
        parts.iter().map(line).collect::<Vec<_>>().concat()
    };
    let labelled = || {
        let shop = shop(4);
        shop.ok(&["versions", "label", "checkout", "v3", "beta"]);
        shop.ok(&["versions", "label", "checkout", "v4", "alpha"]);
        shop.ok(&["deploy", "checkout", "v2"]);
        shop
    };
    let deploy = |shop: &Shop, parts: &[(&str, &str)], rules: &str| {
        let text = format!("{HEAD}{}  rules:\n{rules}", split(parts));
        shop.commit(FILE, text);
        push(shop, "main");
    };
    let back = |shop: &Shop, said: &str, warnings: &[&str], after: &str| {
        let output = shop.run(&["rollback", "checkout", "v2"]);
        let error = text(&output.stderr);
        assert_eq!(text(&output.stdout), said, "{error}");
        for warning in warnings {
            assert!(error.contains(warning), "{error}");
        }
        let file = at_remote(shop, "main", FILE);
        assert!(file.ends_with(after), "{file}");
    };
    // No ledger, and one whose newest record is older.
    for recorded in [false, true] {
        let shop = labelled();
        if recorded {
            let main = shop.rev(&shop.remote(), "main");
            record_of(&shop, "prod", 1, &[("v2", "100")], &main);
        }
        deploy(&shop, &[("v2", "90"), ("beta", "10")], &rule("beta"));
        let error = shop.refused(&["rollback", "checkout"]);
        assert!(error.contains("cutwater rollback checkout v2"), "{error}");
        let after = split(&[("v2", "100"), ("v3", "0")]) + "  rules:\n" + &rule("v3");
        back(
            &shop,
            "rolled back checkout: v2 100%, v3 0%\n",
            &["`beta`, for which a rule is, may have meant another version"],
            &after.replace("value: \"v3\"", "value: \"beta\""),
        );
    }
    // Two labels with one share, so that the record does not tell which of them was which.
    let shop = labelled();
    let parts = [("v2", "80"), ("beta", "10"), ("alpha", "10")];
    deploy(&shop, &parts, &rule("alpha"));
    let main = shop.rev(&shop.remote(), "main");
    let served = [("v2", "80"), ("v3", "10"), ("v4", "10")];
    record_of(&shop, "prod", 1, &served, &main);
    let after = split(&[("v2", "100"), ("v4", "0")]) + "  rules:\n" + &rule("v4");
    back(
        &shop,
        "rolled back checkout: v2 100%, v4 0%\n",
        &["`alpha`, for which a rule is, may have meant another version"],
        &after.replace("value: \"v4\"", "value: \"alpha\""),
    );
    // A label and a version that are gone.
    let shop = labelled();
    let parts = [("v2", "90"), ("beta", "10"), ("v4", "0")];
    deploy(&shop, &parts, &(rule("beta") + &rule("v2") + &rule("v4")));
    shop.ok(&["versions", "label", "checkout", "v3", "beta", "--remove"]);
    shop.git(
        &shop.remote(),
        &["tag", "-d", "checkout/v4", "checkout/alpha"],
    );
    back(
        &shop,
        "rolled back checkout: v2 100%\n",
        &[
            "`beta`, for which a rule is, names no version that lives",
            "`v4`, for which a rule is, names no version that lives",
        ],
        &(split(&[("v2", "100")]) + "  rules:\n" + &rule("v2")),
    );
}

#[test]
fn a_merged_pull_request_is_remembered_as_the_rollback_that_it_is() {
    let shop = shop(3);
    shop.ok(&["deploy", "checkout", "v2"]);
    shop.ok(&["deploy", "checkout", "v3"]);
    shop.ok(&["rollback", "checkout", "--branch", "back"]);
    let clone = shop.clone_dir();
    shop.git(&clone, &["fetch", "-q"]);
    shop.git(
        &clone,
        &["merge", "-q", "--no-ff", "-m", "Merge it", "origin/back"],
    );
    push(&shop, "main");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v1 100% (back from v2)\n");
}

#[test]
fn a_merge_is_what_it_merges_also_with_other_commits_beside_it() {
    let shop = shop(3);
    for version in ["v2", "v3"] {
        shop.ok(&["deploy", "checkout", version]);
    }
    shop.ok(&["deploy", "checkout", "v2", "--branch", "ship"]);
    let clone = shop.clone_dir();
    shop.git(&clone, &["fetch", "-q"]);
    shop.git(&clone, &["checkout", "-q", "-b", "ship", "origin/ship"]);
    shop.commit("NOTES.md", "Why");
    shop.git(&clone, &["checkout", "-q", "main"]);
    shop.commit("README.md", "Meanwhile");
    shop.git(&clone, &["checkout", "-q", "ship"]);
    shop.git(&clone, &["merge", "-q", "-m", "Update it", "main"]);
    shop.git(&clone, &["checkout", "-q", "main"]);
    shop.git(
        &clone,
        &["merge", "-q", "--no-ff", "-m", "Merge it", "ship"],
    );
    push(&shop, "main");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v3 100% (back from v2)\n");
}

/// Commits files of a pull request, in these words.
fn propose(shop: &Shop, message: &str, files: &[(&str, &str)]) {
    for (path, content) in files {
        shop.write(path, content);
    }
    let clone = shop.clone_dir();
    shop.git(&clone, &["add", "-A"]);
    shop.git(&clone, &["commit", "-q", "-m", message]);
}

/// Checks a branch of the remote out, which is to be merged.
fn take(shop: &Shop, branch: &str) {
    let clone = shop.clone_dir();
    shop.git(&clone, &["fetch", "-q"]);
    let from = format!("origin/{branch}");
    shop.git(&clone, &["checkout", "-q", "-b", branch, &from]);
}

/// Merges a branch, and pushes that.
fn merge(shop: &Shop, branch: &str) {
    let clone = shop.clone_dir();
    shop.git(&clone, &["checkout", "-q", "main"]);
    let merge = ["merge", "-q", "--no-ff", "-m", "Merge it", branch];
    shop.git(&clone, &merge);
    push(shop, "main");
}

#[test]
fn of_a_merge_only_commits_count_that_changed_what_the_deployment_asks_for() {
    let shop = shop(3);
    for version in ["v2", "v3"] {
        shop.ok(&["deploy", "checkout", version]);
    }
    let args = [
        "rollback",
        "checkout",
        "v2",
        "--branch",
        "back",
        "-m",
        "It loses orders",
    ];
    shop.ok(&args);
    take(&shop, "back");
    // Another app, an alias of this one, and what else stands in the file.
    let other = at_remote(&shop, "back", FILE).replace("checkout", "pay");
    propose(&shop, "pay", &[("releases/pay.yaml", &other)]);
    let alias = alias_file("  version: v1\n");
    propose(&shop, "alias", &[("releases/staging.yaml", &alias)]);
    let longer = at_remote(&shop, "back", FILE).replace("2h", "3h");
    propose(&shop, "longer", &[(FILE, &longer)]);
    merge(&shop, "back");
    let list = shop.ok(&["deployments", "list", "checkout"]);
    assert!(
        list.contains("v2 100% (back from v3)") && list.contains("It loses orders"),
        "{list}"
    );
    let line = shop.ok(&["rollback", "checkout", "--dry-run"]);
    let first = "would roll back checkout: v1 100% (back from v2)\n";
    assert!(line.starts_with(first), "{line}");
    // A clone that ends among them fetches what it needs.
    let near = shop.dir.path().join("near");
    let from = format!("file://{}", shop.remote().display());
    let clone = ["clone", "-q", "--depth=2", &from, near.to_str().unwrap()];
    shop.git(shop.dir.path(), &clone);
    let args = ["rollback", "checkout", "--dry-run"];
    let output = shop.command_in(&near, &args).output().unwrap();
    assert!(text(&output.stdout).starts_with(first), "{output:?}");
}

#[test]
fn all_that_a_merge_left_on_its_way_is_left() {
    let shop = shop(4);
    for version in ["v2", "v3", "v4"] {
        shop.ok(&["deploy", "checkout", version]);
    }
    shop.ok(&["rollback", "checkout", "v3", "--branch", "back"]);
    take(&shop, "back");
    let further = at_remote(&shop, "back", FILE).replace("v3", "v2");
    let words =
        "Roll back\n\nCutwater-App: checkout\nCutwater-Source: cli\nCutwater-Rolled-Back-From: v3";
    propose(&shop, words, &[(FILE, &further)]);
    merge(&shop, "back");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v1 100% (back from v2)\n");
    // What is deployed again on the way is not left.
    let shop = self::shop(4);
    for version in ["v2", "v3"] {
        shop.ok(&["deploy", "checkout", version]);
    }
    shop.ok(&["rollback", "checkout", "v2", "--branch", "back"]);
    take(&shop, "back");
    let words = "Deploy\n\nCutwater-App: checkout\nCutwater-Source: cli";
    for version in ["v3", "v4"] {
        let now = at_remote(&shop, "back", FILE).replace("v2", version);
        propose(&shop, words, &[(FILE, &now)]);
    }
    merge(&shop, "back");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v3 100% (back from v4)\n");
}

#[test]
fn a_ledger_says_what_was_served_before() {
    let shop = shop(3);
    let main = || shop.rev(&shop.remote(), "main");
    record_of(&shop, "prod", 1, &[("v1", "100")], &main());
    shop.ok(&["deploy", "checkout", "v2"]);
    record_of(&shop, "prod", 2, &[("v2", "100")], &main());
    // What is asked for and not recorded yet is left for what was.
    shop.ok(&["deploy", "checkout", "v3"]);
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v2 100% (back from v3)\n");
    let line = shop.ok(&["rollback", "checkout"]);
    assert_eq!(line, "rolled back checkout: v1 100% (back from v2)\n");
    let error = shop.refused(&["rollback", "checkout", "--name", "other"]);
    assert!(error.contains("is not called `other`"), "{error}");
}
