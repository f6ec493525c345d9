//! What Tab offers: asked of the program as the scripts of the shells ask it, and once through a real bash.

use std::path::Path;
use std::process::Command;

use super::shop::{Shop, app_with_image, text};
use crate::lab;

/// Two apps; `checkout` has v1 (spring-sale) and v2, `pay` has v1.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.commit(
        "apps/pay/app.yaml",
        app_with_image("1").replace("checkout}", "pay}"),
    );
    shop.publish(&["--label", "spring-sale"]);
    shop.ok(&["versions", "publish", "pay"]);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    shop.publish(&[]);
    // What is offered is what was fetched.
    for app in ["checkout", "pay"] {
        shop.ok(&["versions", "list", app]);
    }
    shop
}

/// What is offered for the last of the words behind `cutwater`.
fn offered(shop: &Shop, dir: &Path, words: &[&str]) -> Vec<String> {
    let output = shop
        .command_in(dir, &["--", "cutwater"])
        .args(words)
        .env("CUTWATER_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}");
    assert_eq!(text(&output.stderr), "", "{words:?}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn versions_and_labels_of_the_app_that_is_meant_are_offered_newest_first() {
    let shop = shop();
    let clone = shop.clone_dir();
    // Nobody asks the remote: it is gone.
    std::fs::remove_dir_all(shop.remote()).unwrap();
    let view = |dir: &Path, words: &[&str]| {
        let mut words = words.to_vec();
        words.splice(0..0, ["versions", "view"]);
        let found = offered(&shop, dir, &words);
        let is_word = |word: &String| !word.starts_with('-');
        found.into_iter().filter(is_word).collect::<Vec<String>>()
    };
    assert_eq!(view(&clone, &[""]), ["checkout", "pay"]);
    assert_eq!(view(&clone, &["p"]), ["pay"]);
    assert_eq!(view(&clone, &["pay", ""]), ["v1"]);
    assert_eq!(view(&clone, &["checkout", ""]), ["v2", "v1", "spring-sale"]);
    assert_eq!(view(&clone, &["checkout", "sp"]), ["spring-sale"]);
    assert_eq!(
        view(&clone.join("apps/checkout"), &["v"]),
        ["v2", "v1"],
        "in the app's directory it need not be named"
    );
    let elsewhere = shop.dir.path();
    let words = ["-C", clone.to_str().unwrap(), "versions", "view", "pay", ""];
    assert!(offered(&shop, elsewhere, &words).contains(&"v1".to_owned()));
}

#[test]
fn each_place_is_offered_what_may_stand_there() {
    let shop = shop();
    let clone = shop.clone_dir();
    let at = |words: &[&str]| {
        let found = offered(&shop, &clone, &[&["versions"], words].concat());
        let is_word = |word: &String| !word.starts_with('-');
        found.into_iter().filter(is_word).collect::<Vec<String>>()
    };
    assert_eq!(
        at(&["diff", "checkout", ""]),
        ["v2", "v1", "spring-sale", "LATEST"]
    );
    assert_eq!(at(&["diff", "checkout", "v1", "L"]), ["LATEST"]);
    assert_eq!(at(&["delete", "checkout", "v1", "v"]), ["v2", "v1"]);
    // A new label, and a path in a version, are not known here.
    assert_eq!(at(&["label", "checkout", "v"]), ["v2", "v1"]);
    assert_eq!(at(&["label", "checkout", "v1", ""]), [""; 0]);
    assert_eq!(at(&["files", "checkout", "v1", ""]), [""; 0]);
    let words = ["label", "--remote", "origin", "--dry-run", "checkout", "v"];
    assert_eq!(at(&words), ["v2", "v1"]);
    // A folder of this machine.
    std::fs::create_dir(clone.join("views")).unwrap();
    assert_eq!(at(&["export", "checkout", "v"]), ["v2", "v1"]);
    assert_eq!(at(&["export", "checkout", "v1", "v"]), ["views/"]);

    // A tombstone, and a tag at a version's place that is none; a label of it is none either.
    shop.ok(&["versions", "delete", "checkout", "v2", "--yes"]);
    shop.git(
        &clone,
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/v7"],
    );
    shop.git(
        &clone,
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/theirs"],
    );
    shop.ok(&["versions", "list", "checkout"]);
    assert_eq!(at(&["view", "checkout", ""]), ["v1", "spring-sale"]);
}

#[test]
fn the_plural_of_a_noun_is_offered_and_the_singular_is_understood() {
    let shop = Shop::new();
    for (typed, noun, singular) in [
        ("v", "versions", "version"),
        ("d", "deployments", "deployment"),
    ] {
        assert_eq!(offered(&shop, &shop.clone_dir(), &[typed]), [noun]);
        shop.ok(&[singular, "list", "checkout"]);
    }
}

#[test]
fn apps_of_the_work_tree_are_offered_before_they_have_versions() {
    let shop = shop();
    shop.write("apps/new/app.yaml", "not read for this");
    shop.write("apps/notes/README.md", "no app");
    let found = offered(&shop, &shop.clone_dir(), &["versions", "publish", ""]);
    for app in ["checkout", "new", "pay"] {
        assert!(found.contains(&app.to_owned()), "{app}: {found:?}");
    }
    assert!(!found.contains(&"notes".to_owned()), "{found:?}");
}

#[test]
fn what_cannot_be_known_is_not_offered_and_nothing_is_said() {
    let shop = shop();
    let words = ["versions", "view", "checkout", "v"];
    assert!(
        offered(&shop, shop.dir.path(), &words).is_empty(),
        "no clone"
    );
    shop.write("cutwater.yaml", "kind: Nonsense");
    assert!(
        offered(&shop, &shop.clone_dir(), &words).is_empty(),
        "settings that cannot be read"
    );
    let output = shop
        .command_in(&shop.clone_dir(), &["--", "cutwater", "x"])
        .env("CUTWATER_COMPLETE", "no-shell")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        Default::default()
    );
}

#[test]
fn a_real_bash_completes_with_the_script_that_is_printed() {
    let shop = shop();
    let script = "
        source <(cutwater completions bash)
        ask() {
          COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
          handler=$(complete -p cutwater); handler=${handler#*-F }; handler=${handler%% *}
          $handler cutwater \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"
          echo \"${COMPREPLY[*]}\"
        }
        ask cutwater v
        ask cutwater versions vi
        ask cutwater versions view checkout v
        ask cutwater versions view checkout spring";
    let program = lab::cutwater();
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut bash: Command = shop.sealed("bash", &shop.clone_dir());
    let output = bash
        .args(["--noprofile", "--norc", "-eu", "-c", script])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "versions\nview\nv2 v1\nspring-sale\n");
}

#[test]
fn each_shell_has_a_script_that_asks_this_program() {
    let shop = Shop::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shop.ok(&["completions", shell]);
        for word in ["CUTWATER_COMPLETE", "cutwater"] {
            assert!(script.contains(word), "{shell}: {script}");
        }
    }
    let output = shop.run(&["completions", "csh"]);
    assert_eq!(output.status.code(), Some(2));
}
