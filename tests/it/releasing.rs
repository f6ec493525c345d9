//! `cutwater deploy`, `rollback` and `alias`: commits on `releases/`, byte for byte, and others at work at the same time.

mod back;
mod forge;
mod missing;
mod races;

use std::fs;

use serde_json::{Value as Json, json};

use super::delete::{push, shop_with};
use super::shop::{Shop, text};

const FILE: &str = "releases/checkout.yaml";
const ALIAS_FILE: &str = "releases/staging.yaml";

const HEAD: &str = "\
# Who serves the shop.
apiVersion: cutwater.dev/v1alpha1
kind: Deployment
metadata: {name: checkout} # ours
spec:
  app: checkout
  repository: shop
  message: The first one # why

  # All of it.
  versions:
";
const ONE: &str = "    - version: v1 # the old cart\n      percentage: 100\n";
const TAIL: &str = "\n  # Not of a version.\n  rollbackWindow: 2h\n";

fn file(versions: &str) -> String {
    format!("{HEAD}{versions}{TAIL}")
}

fn alias_file(versions: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {{name: staging}}\nspec:\n  app: checkout\n  repository: shop\n{versions}  description: For us # only\n"
    )
}

/// A shop with versions, of which v1 is deployed.
fn shop(count: usize) -> Shop {
    let shop = shop_with(count);
    shop.commit(FILE, file(ONE));
    push(&shop, "main");
    shop
}

/// A file of the remote's branch.
fn at_remote(shop: &Shop, branch: &str, path: &str) -> String {
    shop.git(&shop.remote(), &["show", &format!("{branch}:{path}")])
}

fn message(shop: &Shop, branch: &str) -> String {
    shop.git(&shop.remote(), &["log", "-1", "--format=%an%n%B", branch])
}

fn commits(shop: &Shop) -> String {
    shop.git(&shop.remote(), &["rev-list", "--count", "main"])
}

#[test]
fn a_deploy_changes_the_versions_in_one_commit_and_no_other_byte() {
    let shop = shop(3);
    let before = shop.rev(&shop.remote(), "main");
    let output = shop.run(&["deploy", "checkout", "v2=10", "v1"]);
    assert_eq!(text(&output.stdout), "deployed checkout: v1 90%, v2 10%\n");
    let split = ONE.replace("100", "90") + "    - version: v2\n      percentage: 10\n";
    // Why an earlier change was made is no reason for this one.
    let title = "\"Deploy checkout: v1 90%, v2 10%\"";
    let written = file(&split).replace("The first one", title);
    assert_eq!(at_remote(&shop, "main", FILE), written);
    assert_eq!(
        message(&shop, "main").trim_end(),
        "Ada Lovelace\nDeploy checkout: v1 90%, v2 10%\n\nCutwater-App: checkout\nCutwater-Source: cli"
    );
    assert_eq!(shop.rev(&shop.remote(), "main^"), before);
    let changed = ["diff", "--name-only", "main^", "main"];
    assert_eq!(shop.git(&shop.remote(), &changed), format!("{FILE}\n"));
    // The clone went along, as git would.
    let clone = shop.clone_dir();
    assert_eq!(shop.rev(&clone, "HEAD"), shop.rev(&shop.remote(), "main"));
    assert_eq!(fs::read_to_string(clone.join(FILE)).unwrap(), written);
    assert_eq!(shop.git(&clone, &["status", "--porcelain"]), "");

    // What stands there is unchanged, in any order, by any name.
    let count = commits(&shop);
    let line = shop.ok(&["deploy", "checkout", "2=10", "1=90", "-m", "Again"]);
    assert_eq!(line, "unchanged checkout: v1 90%, v2 10%\n");
    assert_eq!(commits(&shop), count);

    // A label names a version, and its number is written.
    shop.ok(&["versions", "label", "checkout", "v3", "spring-sale"]);
    let args = ["deploy", "checkout", "spring-sale", "-m", "Sale: all of it"];
    assert_eq!(shop.ok(&args), "deployed checkout: v3 100%\n");
    let new = "    - version: v3\n      percentage: 100\n";
    let expected = file(new).replace("The first one", "\"Sale: all of it\"");
    assert_eq!(at_remote(&shop, "main", FILE), expected);
    assert!(message(&shop, "main").contains("v3 100%\n\nSale: all of it\n\nCutwater-App"));
    let list: Json = serde_json::from_str(&shop.ok(&["deployments", "list", "--json"])).unwrap();
    assert_eq!(list["deployments"].as_array().unwrap().len(), 3);
}

#[test]
fn shares_that_are_not_given_are_shared_and_what_cannot_be_is_refused() {
    let shop = shop(3);
    let count = commits(&shop);
    for (args, code, said) in [
        (
            &["v1=90", "v2=9"][..],
            2,
            "total 99 and must total exactly 100",
        ),
        (&["v1=60", "v2=50", "v3"], 2, "total 110"),
        (&["v1=90"], 2, "total 90"),
        (&["v1=50", "1=50"], 1, "`v1` and `v1` are both v1"),
        (&["v9"], 1, "has no version `v9`"),
        (&["spring-sal"], 1, "has no version `spring-sal`"),
        (&["v1=99.999", "v2"], 2, "at most two decimals"),
        (&["v1=x"], 2, "is not a percentage"),
        (&["LATEST"], 2, "LATEST"),
        (&[], 2, "VERSION is missing"),
        (
            &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"],
            2,
            "11 versions are named",
        ),
    ] {
        let output = shop.run(&[&["deploy", "checkout"], args].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    shop.ok(&[
        "versions",
        "delete",
        "checkout",
        "v2",
        "--yes",
        "-m",
        "It loses orders",
    ]);
    let error = shop.refused(&["deploy", "checkout", "v1", "v2"]);
    assert!(error.contains("was deleted by Ada Lovelace"), "{error}");
    assert_eq!(commits(&shop), count);
    shop.ok(&["deploy", "checkout", "v1", "v3=33.33"]);
    let split = ONE.replace("100", "66.67") + "    - version: v3\n      percentage: 33.33\n";
    let title = "\"Deploy checkout: v1 66.67%, v3 33.33%\"";
    let written = file(&split).replace("The first one", title);
    assert_eq!(at_remote(&shop, "main", FILE), written);
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let shop = shop(2);
    let refs = shop.git(&shop.remote(), &["for-each-ref"]);
    let printed = shop.ok(&["deploy", "checkout", "v1", "v2=10", "--dry-run"]);
    let mut lines = printed.lines();
    assert_eq!(lines.next(), Some("would deploy checkout: v1 90%, v2 10%"));
    let changes: Vec<&str> = lines.filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(
        changes,
        [
            "--- a/releases/checkout.yaml",
            "+++ b/releases/checkout.yaml",
            "-  message: The first one # why",
            "+  message: \"Deploy checkout: v1 90%, v2 10%\" # why",
            "-      percentage: 100",
            "+      percentage: 90",
            "+    - version: v2",
            "+      percentage: 10",
        ]
    );
    assert_eq!(shop.git(&shop.remote(), &["for-each-ref"]), refs);
    assert_eq!(shop.git(&shop.clone_dir(), &["status", "--porcelain"]), "");
}

#[test]
fn a_new_branch_is_for_a_pull_request_and_takes_no_other_ones_place() {
    let shop = shop(2);
    let main = shop.rev(&shop.remote(), "main");
    let output = shop.run(&["deploy", "checkout", "v2", "--branch", "ship/v2"]);
    assert_eq!(text(&output.stdout), "proposed checkout: v2 100%\n");
    let hint = "open a pull request of branch ship/v2 into main";
    assert!(
        text(&output.stderr).contains(hint),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(shop.rev(&shop.remote(), "main"), main);
    assert_eq!(shop.rev(&shop.remote(), "ship/v2^"), main);
    assert!(at_remote(&shop, "ship/v2", FILE).contains("version: v2"));
    assert_eq!(shop.rev(&shop.clone_dir(), "HEAD"), main);
    let proposed = shop.rev(&shop.remote(), "ship/v2");
    let error = shop.refused(&["deploy", "checkout", "v1=1", "v2", "--branch", "ship/v2"]);
    assert!(
        error.contains("is at remote `origin` already; choose another"),
        "{error}"
    );
    assert_eq!(shop.rev(&shop.remote(), "ship/v2"), proposed);
    for (name, said) in [
        ("main", "whose releases count"),
        ("a..b", "git takes no branch of that name"),
        ("-x", "git takes no branch of that name"),
        ("@", "git takes no branch of that name"),
        ("refs/heads/x", "write the name alone: x"),
    ] {
        let branch = format!("--branch={name}");
        let error = shop.refused(&["deploy", "checkout", "v2", &branch]);
        assert!(error.contains(said), "{error}");
    }
    // A forge that takes changes of the branch by pull requests alone: a hook that says so.
    shop.hook(
        "update",
        "case $1 in refs/heads/main) echo 'protected branch' >&2; exit 1;; esac",
    );
    let error = shop.refused(&["deploy", "checkout", "v2"]);
    assert!(
        error.contains("the remote refused to take the commit on branch `main`")
            && error.contains("--branch NAME"),
        "{error}"
    );
    assert_eq!(shop.rev(&shop.remote(), "main"), main);
}

#[test]
fn files_have_the_time_that_they_take_and_are_not_said_to_stay_when_they_are_torn() {
    let shop = shop(2);
    let clone = shop.clone_dir();
    shop.commit(".gitattributes", "releases/** filter=own\n");
    push(&shop, "main");
    let smudge = |program: &str| {
        shop.git(&clone, &["config", "filter.own.smudge", program]);
        shop.git(&clone, &["config", "filter.own.required", "true"]);
        shop.git(&clone, &["config", "filter.own.clean", "cat"]);
    };
    smudge("sleep 6; cat");
    shop.ok(&["deploy", "checkout", "v1", "v2=10", "--timeout", "5s"]);
    assert_eq!(shop.rev(&clone, "HEAD"), shop.rev(&shop.remote(), "main"));
    assert_eq!(shop.git(&clone, &["status", "--porcelain"]), "");
    smudge("false");
    let output = shop.run(&["deploy", "checkout", "v1", "v2=20"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("some files of this clone may be written, and others not (")
            && said.contains("smudge filter own failed")
            && said.contains("its branch main is where it was")
            && !said.contains("stay as they are"),
        "{said}"
    );
    // What it says to do does it.
    smudge("cat");
    shop.git(&clone, &["stash", "-q", "--include-untracked"]);
    shop.git(&clone, &["pull", "-q", "--rebase", "origin", "main"]);
    assert_eq!(shop.rev(&clone, "HEAD"), shop.rev(&shop.remote(), "main"));
    let output = shop.run(&["deploy", "checkout", "v1", "--json"]);
    let json: Json = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(json["workTree"], json!({"state": "updated"}));
}

#[test]
fn files_that_were_changed_and_other_branches_are_left_alone() {
    let shop = shop(2);
    let clone = shop.clone_dir();
    let head = shop.rev(&clone, "HEAD");
    let mine = file(ONE) + "# mine\n";
    shop.write(FILE, &mine);
    let output = shop.run(&["deploy", "checkout", "v1", "v2=10"]);
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(
        said.contains("the files of this clone stay as they are")
            && said.contains("`git pull --rebase origin main` brings the change"),
        "{said}"
    );
    assert!(at_remote(&shop, "main", FILE).contains("percentage: 10"));
    assert_eq!(fs::read_to_string(clone.join(FILE)).unwrap(), mine);
    assert_eq!(shop.rev(&clone, "HEAD"), head);
    // Another file that was changed is in nobody's way.
    shop.write(FILE, file(ONE));
    shop.write("apps/checkout/notes", "mine");
    shop.ok(&["deploy", "checkout", "v1", "v2=20"]);
    assert_eq!(shop.rev(&clone, "HEAD"), shop.rev(&shop.remote(), "main"));
    assert_eq!(
        shop.git(&clone, &["status", "--porcelain"]),
        "?? apps/checkout/notes\n"
    );
    // On another branch, nothing of the clone changes.
    shop.git(&clone, &["checkout", "-q", "-b", "work"]);
    let head = shop.rev(&clone, "HEAD");
    let output = shop.run(&["deploy", "checkout", "v1", "v2=30", "--json"]);
    let json: Json = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(json["workTree"], json!({"state": "untouched"}));
    assert_eq!(json["before"][1], json!({"version": 2, "percentage": 20}));
    assert_eq!(json["commit"], shop.rev(&shop.remote(), "main"));
    assert_eq!(shop.rev(&clone, "HEAD"), head);
    // Commits that were not pushed stay, and are no part of the deployment.
    shop.git(&clone, &["checkout", "-q", "main"]);
    shop.commit("apps/checkout/own", "mine");
    let head = shop.rev(&clone, "HEAD");
    let output = shop.run(&["deploy", "checkout", "v1", "v2=40"]);
    let said = text(&output.stderr);
    // They are merged: a rebase would leave what versions were made from on no branch.
    assert!(
        said.contains("the files of this clone stay")
            && said.contains("`git pull --no-rebase origin main` merges the change"),
        "{said}"
    );
    assert_eq!(shop.rev(&clone, "HEAD"), head);
    let files = shop.git(&shop.remote(), &["ls-tree", "-r", "--name-only", "main"]);
    assert!(!files.contains("apps/checkout/own"), "{files}");
}

#[test]
fn an_alias_is_set_listed_viewed_and_deleted() {
    let shop = shop(3);
    let nothing = shop.run(&["alias", "list", "checkout"]);
    assert!(text(&nothing.stderr).contains("has no alias in `releases` of branch main"));
    shop.commit(ALIAS_FILE, alias_file("  version: 1 # main\n"));
    push(&shop, "main");
    let args = [
        "alias", "set", "checkout", "staging", "v2", "--canary", "v3=25",
    ];
    assert_eq!(shop.ok(&args), "set checkout staging: v2 75%, v3 25%\n");
    let with = "  version: 2 # main\n  canary:\n    version: 3\n    percentage: 25\n";
    assert_eq!(at_remote(&shop, "main", ALIAS_FILE), alias_file(with));
    assert!(message(&shop, "main").contains("Set alias staging of checkout: v2 75%, v3 25%"));
    assert_eq!(
        shop.ok(&args),
        "unchanged checkout staging: v2 75%, v3 25%\n"
    );
    let list = shop.ok(&["alias", "list"]);
    assert!(
        list.contains("staging") && list.contains("v2 75%, v3 25%") && list.contains("For us"),
        "{list}"
    );
    let view = shop.ok(&["alias", "view", "checkout", "staging"]);
    assert!(
        view.contains("File         releases/staging.yaml:1\n"),
        "{view}"
    );
    let error = shop.refused(&["alias", "view", "prod"]);
    assert!(error.contains("has no alias `prod`") && error.contains("there are: staging"));
    for (args, code, said) in [
        (&["v2", "--canary", "v2=10"][..], 1, "are both v2"),
        (&["v2", "--canary", "v3"], 2, "write --canary v3=10"),
        (&["v9"], 1, "has no version `v9`"),
    ] {
        let output = shop.run(&[&["alias", "set", "checkout", "staging"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
    // The canary becomes the main version, and there is none any more.
    assert_eq!(
        shop.ok(&["alias", "set", "staging", "v3"]),
        "set checkout staging: v3 100%\n"
    );
    assert_eq!(
        at_remote(&shop, "main", ALIAS_FILE),
        alias_file("  version: 3 # main\n")
    );
    let would = shop.ok(&["alias", "delete", "staging", "--dry-run"]);
    assert!(
        would.starts_with("would delete checkout staging\n"),
        "{would}"
    );
    let line = shop.ok(&["alias", "delete", "checkout", "staging"]);
    assert_eq!(line, "deleted checkout staging\n");
    let files = shop.git(&shop.remote(), &["ls-tree", "-r", "--name-only", "main"]);
    assert!(
        !files.contains(ALIAS_FILE) && files.contains(FILE),
        "{files}"
    );
    assert!(!shop.clone_dir().join(ALIAS_FILE).exists());
    let error = shop.refused(&["alias", "delete", "checkout", "staging"]);
    assert!(
        error.contains("app `checkout` has no alias `staging` on branch `main`"),
        "{error}"
    );
    // Beside others, it alone goes; a folder that held it alone goes as well.
    let both = format!("{}---\n{}", file(ONE), alias_file("  version: 1\n"));
    shop.commit(FILE, &both);
    push(&shop, "main");
    shop.ok(&["alias", "delete", "checkout", "staging"]);
    assert_eq!(at_remote(&shop, "main", FILE), file(ONE));
    shop.commit("releases/deep/staging.yaml", alias_file("  version: 1\n"));
    push(&shop, "main");
    shop.ok(&["alias", "delete", "checkout", "staging"]);
    let trees = shop.git(
        &shop.remote(),
        &["ls-tree", "-r", "-t", "--name-only", "main"],
    );
    assert!(!trees.contains("releases/deep"), "{trees}");
}
