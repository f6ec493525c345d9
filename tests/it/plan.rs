//! `cutwater plan`: what a merge does, between real commits of a real clone.

use std::fs;

use serde_json::Value as Json;

use super::delete::push;
use super::json::{schemas, wrong};
use super::shop::{Shop, app_with_image, text};

const FILE: &str = "releases/checkout.yaml";

/// A Deployment of the shop's app: versions with shares, and more fields of its spec.
fn deployment(versions: &[(&str, &str)], more: &str) -> String {
    let list: Vec<String> = (versions.iter())
        .map(|(version, share)| format!("  - {{version: {version}, percentage: {share}}}\n"))
        .collect();
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n{}{more}",
        list.concat()
    )
}

fn at(hostname: &str) -> String {
    format!("  routes: [{{hostnames: [{hostname}], gateway: {{name: public}}}}]\n")
}

fn alias(name: &str, version: &str, hostname: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {{name: {name}}}\nspec:\n  app: checkout\n  repository: shop\n  version: {version}\n{}",
        at(hostname)
    )
}

/// A shop with versions, each of a commit of its own, of which v1 is deployed.
fn shop() -> Shop {
    let shop = Shop::new();
    for (number, subject) in [
        ("1", "Begin"),
        ("2", "Speed up the cart (#12)"),
        ("3", "Merge pull request #13 from acme/tax"),
    ] {
        shop.write("apps/checkout/app.yaml", app_with_image(number));
        let message = ["commit", "-q", "--allow-empty", "-am", subject];
        shop.git(&shop.clone_dir(), &message);
        push(&shop, "main");
        shop.publish(&[]);
    }
    shop.ok(&["versions", "label", "checkout", "v2", "stable"]);
    shop.commit(FILE, deployment(&[("v1", "100")], &at("shop.test")));
    push(&shop, "main");
    shop
}

/// What `plan` prints with these arguments, which ends with 0.
fn plan(shop: &Shop, args: &[&str]) -> String {
    shop.ok(&[&["plan"], args].concat())
}

fn code(shop: &Shop, args: &[&str]) -> Option<i32> {
    shop.run(&[&["plan"], args].concat()).status.code()
}

/// The document, which is as its schema says.
fn json(shop: &Shop, args: &[&str]) -> Json {
    let output = shop.run(&[&["plan", "--json"], args].concat());
    let printed = text(&output.stdout);
    let value = serde_json::from_str(&printed);
    let value = value.unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_eq!(wrong(&schemas(), "plan", &value), [""; 0], "{printed}");
    value
}

#[test]
fn a_canary_is_planned_from_the_work_tree_a_commit_and_a_branch_alike() {
    let shop = shop();
    let clone = shop.clone_dir();
    assert_eq!(
        plan(&shop, &[]),
        "nothing changes from origin/main to the files of this clone\n"
    );
    assert_eq!(code(&shop, &["--exit-code"]), Some(0));
    let canary = deployment(&[("v1", "90"), ("stable", "10")], &at("shop.test"));
    shop.write(FILE, &canary);
    let expected = format!(
        "~ checkout: v1 100% -> 90%, v2 (stable) 0% -> 10%  ({FILE}:1)\n    goes out, from v1 to v2: 1 commit\n      {} Speed up the cart (#12)\npods of checkout (releases)\n  + v2: web 1\n",
        &shop.rev(&clone, "main~2")[..12]
    );
    assert_eq!(plan(&shop, &[]), expected);
    assert_eq!(code(&shop, &["--exit-code"]), Some(3));
    assert_eq!(code(&shop, &[]), Some(0));
    // Nothing of it is committed, and the clone is as it was.
    assert!(plan(&shop, &["--head", "HEAD"]).starts_with("nothing changes"));
    assert_eq!(shop.git(&clone, &["diff", "--cached", "--name-only"]), "");
    // As a branch, and with no branch checked out, as in a pipeline.
    shop.git(&clone, &["checkout", "-q", "-b", "canary"]);
    shop.commit_all();
    assert_eq!(plan(&shop, &["--head", "canary"]), expected);
    shop.git(&clone, &["checkout", "-q", "--detach"]);
    assert_eq!(plan(&shop, &[]), expected);
    assert_eq!(plan(&shop, &["main", "--head", "HEAD"]), expected);
    // The branch goes on, and what it got is none of the proposal.
    shop.git(&clone, &["checkout", "-q", "main"]);
    shop.commit("releases/other.yaml", alias("other", "v3", "other.test"));
    push(&shop, "main");
    let output = shop.run(&["plan", "--head", "canary"]);
    assert_eq!(text(&output.stdout), expected);
    let said = text(&output.stderr);
    assert!(
        said.contains("origin/main has newer commits that change releases"),
        "{said}"
    );
    let document = json(&shop, &["--head", "canary"]);
    assert_eq!(document["behind"], true);
    assert_eq!(document["goesOut"][0]["commits"][0]["pullRequest"], 12);
    assert_eq!(document["changes"][0]["versions"][1]["number"], 2);
}

#[test]
fn objects_and_routes_that_come_go_and_change_are_told() {
    let shop = shop();
    shop.commit("releases/next.yaml", alias("next", "v2", "next.test"));
    push(&shop, "main");
    fs::remove_file(shop.clone_dir().join("releases/next.yaml")).unwrap();
    shop.write("releases/own/new.yaml", alias("new", "v3", "new.test"));
    let more = at("shop.test, www.shop.test") + "  rollbackWindow: 2h\n";
    shop.write(FILE, deployment(&[("v1", "100")], &more));
    assert_eq!(
        plan(&shop, &[]),
        format!(
            "~ checkout: v1 100%  ({FILE}:1)\n    route main: shop.test/ on gateway public -> shop.test/, www.shop.test/ on gateway public\n    also changes: rollbackWindow\n\
             + checkout alias new: v3 0% -> 100%  (releases/own/new.yaml:1)\n    route main is new: new.test/ on gateway public\n\
             - checkout alias next: v2 100% -> 0%, removed  (releases/next.yaml:1)\n    route main goes: next.test/ on gateway public\n\
             pods of checkout (releases)\n  - v2, once its last requests are answered\n\
             pods of checkout (releases/own)\n  + v3: web 1\n"
        )
    );
    // All files are gone: nothing is taken away by that.
    fs::remove_dir_all(shop.clone_dir().join("releases")).unwrap();
    let printed = plan(&shop, &[]);
    assert!(
        printed.contains("= checkout: v1 100%, goes on as before")
            && printed.contains("`releases` holds no Deployment and no Alias any more"),
        "{printed}"
    );
    assert_eq!(code(&shop, &["--exit-code"]), Some(0));
    // So it is where the folder holds nothing that git would take.
    shop.write(".gitignore", "*.own\n");
    shop.write("releases/notes.own", "mine");
    assert_eq!(plan(&shop, &[]), printed);
}

#[test]
fn what_can_never_work_fails_with_file_and_line_and_what_to_do() {
    let shop = shop();
    shop.publish(&["--image", &format!("web={}", super::shop::digest("4"))]);
    shop.ok(&[
        "versions",
        "delete",
        "checkout",
        "v4",
        "--yes",
        "-m",
        "It loses orders",
    ]);
    let one = |version: &str| deployment(&[(version, "100")], &at("shop.test"));
    let api = at("shop.test").replace("gateway:", "function: api, gateway:");
    for (path, content, said) in [
        (
            FILE,
            one("v99"),
            vec![
                ":1: app `checkout` has no version `v99`",
                "there are: v3, v2, v1 (VersionNotFound)",
            ],
        ),
        (FILE, one("stabel"), vec!["did you mean stable?"]),
        (
            FILE,
            one("v4"),
            vec![
                "version v4 of `checkout` was deleted by Ada Lovelace",
                "(It loses orders)",
                "(VersionDeleted)",
            ],
        ),
        (
            FILE,
            deployment(&[("v2", "50"), ("stable", "50")], ""),
            vec!["`v2` and `stable` are both v2", "(VersionTwice)"],
        ),
        (
            FILE,
            deployment(&[("v1", "100")], &api),
            vec!["wants function `api`, which v1 does not have; it has web"],
        ),
        (
            FILE,
            one("v1").replace("percentage: 100", "percentage: 90"),
            vec![
                ":8:5: spec.versions:",
                "total 90 and must total exactly 100",
            ],
        ),
        (
            FILE,
            one("v1") + "  bad: [\n",
            vec!["releases/checkout.yaml:", "(MalformedObject)"],
        ),
        (
            "releases/next.yaml",
            alias("next", "v2", "shop.test"),
            vec![
                "next.yaml:1: shop.test/ on gateway public belongs to checkout of app `checkout` (releases/checkout.yaml:1)",
            ],
        ),
        (
            "releases/copy.yaml",
            one("v2"),
            vec!["copy.yaml:1", "Deployment `checkout` is in", "keep one"],
        ),
    ] {
        shop.write(path, &content);
        let output = shop.run(&["plan"]);
        let (printed, error) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{content}: {printed}{error}");
        assert!(
            printed.contains("can never work:\n  releases/"),
            "{printed}"
        );
        assert!(
            error.contains("a merge would bring what can never work"),
            "{error}"
        );
        for said in said {
            assert!(printed.contains(said), "{said}: {printed}");
        }
        let document = json(&shop, &[]);
        let faults = document["faults"].as_array().unwrap();
        assert!(
            faults.iter().any(|fault| fault["standing"] == "never"),
            "{document}"
        );
        shop.git(&shop.clone_dir(), &["clean", "-qfd"]);
        shop.git(&shop.clone_dir(), &["checkout", "-q", "."]);
    }
    let output = shop.run(&["plan", "--json", "nowhere"]);
    let error: Json = serde_json::from_str(text(&output.stderr).trim()).unwrap();
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`nowhere`"),
        "{error}"
    );
    let said = shop.refused(&["plan", "checkout"]);
    assert!(
        said.contains("a plan is of all apps; BASE is a commit or a branch"),
        "{said}"
    );
    // What is broken in the branch, and is not touched, holds nobody up.
    shop.commit("releases/broken.yaml", "kind: [\n");
    push(&shop, "main");
    shop.write(FILE, one("v2"));
    let printed = plan(&shop, &[]);
    assert!(
        printed.contains("was so before:\n  releases/broken.yaml:"),
        "{printed}"
    );
}

#[test]
fn a_way_back_tells_what_is_taken_back() {
    let shop = shop();
    shop.commit(FILE, deployment(&[("v3", "100")], &at("shop.test")));
    push(&shop, "main");
    shop.write(FILE, deployment(&[("v1", "100")], &at("shop.test")));
    let printed = plan(&shop, &[]);
    assert!(
        printed.contains("is taken back, from v3 to v1: 2 commits\n")
            && printed.contains("Merge pull request #13")
            && printed.contains("- v3, 1h after its last share"),
        "{printed}"
    );
}

#[test]
fn commits_of_releases_and_of_other_apps_alone_do_not_go_out() {
    let shop = shop();
    shop.write("apps/blog/app.yaml", app_with_image("9"));
    shop.git(&shop.clone_dir(), &["add", "-A"]);
    for (file, subject) in [
        ("apps/blog/notes.txt", "Only the blog"),
        ("releases/note.txt", "Only releases"),
        ("apps/checkout/notes.txt", "The app"),
        ("lib/shared.txt", "What anything may use"),
    ] {
        shop.write(file, subject);
        shop.git(&shop.clone_dir(), &["add", file]);
        shop.git(&shop.clone_dir(), &["commit", "-qm", subject]);
    }
    push(&shop, "main");
    shop.write("apps/checkout/app.yaml", app_with_image("4"));
    shop.git(&shop.clone_dir(), &["commit", "-qam", "The image"]);
    push(&shop, "main");
    shop.publish(&["checkout"]);
    shop.write(FILE, deployment(&[("v4", "100")], &at("shop.test")));
    let document = json(&shop, &[]);
    let commits = document["goesOut"][0]["commits"].as_array().unwrap();
    let subjects: Vec<&str> = (commits.iter())
        .map(|commit| commit["subject"].as_str().unwrap())
        .collect();
    assert_eq!(
        subjects,
        [
            "The image",
            "What anything may use",
            "The app",
            "Merge pull request #13 from acme/tax",
            "Speed up the cart (#12)",
        ]
    );
}

#[test]
fn a_comment_is_made_in_which_nothing_of_others_is_markdown() {
    let shop = shop();
    shop.write(
        FILE,
        deployment(&[("v1", "90"), ("v2", "10")], &at("shop.test")),
    );
    let id = shop.rev(&shop.clone_dir(), "main~2");
    assert_eq!(
        plan(&shop, &["--markdown"]),
        format!(
            "### What this merge does\n\n**`checkout`** (changed, `{FILE}:1`)\n\n| version | before | after |\n|---|--:|--:|\n| `v1` | 100% | 90% |\n| `v2` | 0% | 10% |\n\n\
             Goes out, from v1 to v2: 1 commit\n\n- {} `Speed up the cart (#12)` #12\n\n**Pods of `checkout (releases)`**\n\n- starts v2: web 1\n",
            &id[..12]
        )
    );
}

#[test]
fn a_shallow_clone_brings_what_it_lacks_and_the_work_tree_of_a_sparse_one_counts_as_git_has_it() {
    let shop = shop();
    let clone = shop.clone_dir();
    shop.git(&clone, &["checkout", "-q", "-b", "canary"]);
    shop.commit(
        FILE,
        deployment(&[("v1", "90"), ("v2", "10")], &at("shop.test")),
    );
    push(&shop, "canary");
    shop.git(&clone, &["checkout", "-q", "main"]);
    shop.commit("notes", "The branch goes on.");
    push(&shop, "main");
    let remote = format!("file://{}", shop.remote().display());
    let args = [
        "clone",
        "-q",
        "--depth=1",
        "--branch=canary",
        &remote,
        "shallow",
    ];
    shop.git(shop.dir.path(), &args);
    let shallow = shop.dir.path().join("shallow");
    let output = shop.command_in(&shallow, &["plan"]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(
        printed.starts_with("~ checkout: v1 100% -> 90%, v2 0% -> 10%")
            && printed.contains("(#12)"),
        "{printed}{}",
        text(&output.stderr)
    );
    // A clone without the files of releases on its disk does not ask for their removal.
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "--sparse", &remote, "sparse"],
    );
    let sparse = shop.dir.path().join("sparse");
    assert!(!sparse.join("releases").exists());
    let output = shop.command_in(&sparse, &["plan"]).output().unwrap();
    assert!(
        text(&output.stdout).starts_with("nothing changes"),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn versions_of_all_apps_are_read_in_one_exchange() {
    let shop = shop();
    shop.write(
        FILE,
        deployment(&[("v1", "90"), ("v2", "10")], &at("shop.test")),
    );
    let pay = alias("pay", "v1", "pay.test").replace("app: checkout", "app: pay");
    shop.write("releases/pay.yaml", pay);
    let (output, calls) = shop.exchanges(&["plan"]);
    assert!(text(&output.stdout).contains("app `pay` has no version `v1`"));
    assert_eq!(calls, ["fetch", "fetch"], "the branch, and the versions");
}

#[test]
fn a_repository_without_its_branch_or_commit_says_what_to_do() {
    let shop = Shop::new();
    let said = shop.refused(&["plan"]);
    assert!(
        said.contains("branch `main` is not at remote `origin`"),
        "{said}"
    );
    // Two histories, and a repository without files.
    push(&shop, "main");
    let other = Shop::new();
    push(&other, "main");
    let address = other.remote().display().to_string();
    shop.git(&shop.clone_dir(), &["fetch", "-q", &address, "main:other"]);
    let said = shop.refused(&["plan", "other"]);
    assert!(
        said.contains("`other` and `HEAD`: have no commit in common") && said.contains("--head"),
        "{said}"
    );
    shop.git(&shop.remote(), &["remote", "add", "origin", "."]);
    let output = shop.command_in(&shop.remote(), &["plan"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("--head COMMIT takes a commit"), "{said}");
    shop.git(shop.dir.path(), &["init", "-q", "empty"]);
    let empty = shop.dir.path().join("empty");
    shop.git(&empty, &["remote", "add", "origin", "../remote.git"]);
    let output = shop.command_in(&empty, &["plan"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("names no commit here"), "{said}");
}
