//! Others who change `releases/` at the same time.

use std::fs;
use std::process::Stdio;

use super::{FILE, ONE, at_remote, commits, file, message, shop};
use crate::it::shop::{Shop, text};

/// A second clone of the shop's remote.
fn second_clone(shop: &Shop) -> std::path::PathBuf {
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "-b", "main", "remote.git", "second"],
    );
    shop.dir.path().join("second")
}

#[test]
fn of_two_who_deploy_at_once_nothing_is_lost_and_each_is_told() {
    for atomic in ["true", "false"] {
        let shop = shop(3);
        shop.git(
            &shop.remote(),
            &["config", "receive.advertiseAtomic", atomic],
        );
        let second = second_clone(&shop);
        let before: u32 = commits(&shop).trim().parse().unwrap();
        let start = |dir: &std::path::Path, version: &str| {
            let mut command = shop.command_in(dir, &["deploy", "checkout", version]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let racers = [start(&shop.clone_dir(), "v2"), start(&second, "v3")];
        let outputs = racers.map(|racer| racer.wait_with_output().unwrap());
        let won = outputs
            .iter()
            .filter(|output| output.status.success())
            .count();
        let added = commits(&shop).trim().parse::<u32>().unwrap() - before;
        // Each deployment that was confirmed is a commit, and the newest is what stands there.
        assert_eq!(usize::try_from(added).unwrap(), won);
        assert!(won >= 1);
        for output in &outputs {
            let error = text(&output.stderr);
            assert!(
                output.status.success()
                    || error.contains("was changed at the same time by Ada Lovelace"),
                "{error}"
            );
        }
        let now = at_remote(&shop, "main", FILE);
        let subject = message(&shop, "main");
        let version = if subject.contains("v2 100%") {
            "v2"
        } else {
            "v3"
        };
        assert!(now.contains(&format!("version: {version}\n")), "{now}");
    }
}

/// Lets `change` happen between the look of a deployer and their push: a hook of the remote makes it, once.
fn meanwhile(shop: &Shop, path: &str, content: &str) {
    let second = second_clone(shop);
    fs::write(second.join(path), content).unwrap();
    shop.git(&second, &["commit", "-q", "-a", "-m", "Meanwhile"]);
    let commit = shop.rev(&second, "HEAD");
    shop.git(&second, &["push", "-q", "origin", "HEAD:refs/heads/theirs"]);
    shop.git(&shop.remote(), &["branch", "-m", "theirs", "set-aside"]);
    shop.hook(
        "pre-receive",
        &format!(
            "test -e moved && exit 0\ntouch moved\nenv -u GIT_QUARANTINE_PATH git update-ref refs/heads/main {commit}"
        ),
    );
}

#[test]
fn a_change_of_something_else_meanwhile_is_kept_beside_ours() {
    let shop = shop(2);
    let theirs = file(ONE).replace("# Who serves", "# Theirs: who serves");
    meanwhile(&shop, FILE, &theirs);
    assert_eq!(
        shop.ok(&["deploy", "checkout", "v2"]),
        "deployed checkout: v2 100%\n"
    );
    let now = at_remote(&shop, "main", FILE);
    assert!(
        now.starts_with("# Theirs:") && now.contains("version: v2\n"),
        "{now}"
    );
    assert_eq!(
        shop.git(&shop.remote(), &["log", "-2", "--format=%s", "main"]),
        "Deploy checkout: v2 100%\nMeanwhile\n"
    );
}

#[test]
fn a_change_of_the_same_deployment_meanwhile_is_an_error_that_says_who() {
    let shop = shop(2);
    let theirs = file(&(ONE.replace("100", "50") + "    - {version: 2, percentage: 50}\n"));
    meanwhile(&shop, FILE, &theirs);
    let error = shop.refused(&["deploy", "checkout", "v2"]);
    assert!(
        error.contains("was changed at the same time by Ada Lovelace")
            && error.contains("Meanwhile) to v1 50%, v2 50%"),
        "{error}"
    );
    assert_eq!(at_remote(&shop, "main", FILE), theirs);
    // Who wanted the very same has it.
    let same = shop.ok(&["deploy", "checkout", "v1=50", "v2"]);
    assert_eq!(same, "unchanged checkout: v1 50%, v2 50%\n");
}
