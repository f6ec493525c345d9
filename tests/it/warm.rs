//! Publishing from refs that were seen some time ago: how many programs it takes, and what a stale view may never do.

use std::fs;
use std::path::{Path, PathBuf};

use super::shop::{Shop, app_with_image, text};

/// Puts a `git` on the path that notes its first words and runs the real one.
fn counted(shop: &Shop) -> PathBuf {
    let dir = shop.dir.path().join("bin");
    fs::create_dir_all(&dir).unwrap();
    let real = shop
        .sealed("sh", &dir)
        .args(["-c", "command -v git"])
        .output();
    let real = text(&real.unwrap().stdout);
    let script = format!(
        "#!/bin/sh\necho \"$1\" >> '{}'\nexec {} \"$@\"\n",
        dir.join("calls").display(),
        real.trim()
    );
    fs::write(dir.join("git"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(dir.join("git"), mode).unwrap();
    dir
}

/// The output of a publish, and the calls of `git` that it made itself.
fn publish(shop: &Shop, bin: &Path, args: &[&str]) -> (String, Vec<String>) {
    drop(fs::remove_file(bin.join("calls")));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = shop
        .command_in(
            &shop.clone_dir(),
            &[&["versions", "publish", "checkout"], args].concat(),
        )
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    // What git itself starts on the other side is not ours.
    let calls = fs::read_to_string(bin.join("calls")).unwrap();
    let calls = calls.lines().filter(|call| !call.contains('-'));
    // The look for changes that are not committed runs beside the rest.
    let calls = calls.filter(|call| *call != "status");
    (text(&output.stdout), calls.map(str::to_owned).collect())
}

fn new_content(shop: &Shop, digit: &str) {
    shop.commit("apps/checkout/app.yaml", app_with_image(digit));
}

#[test]
fn a_warm_publish_is_one_push_and_everything_else_asks_first() {
    let shop = Shop::new();
    let bin = counted(&shop);
    let (line, calls) = publish(&shop, &bin, &[]);
    assert!(line.starts_with("published checkout v1"), "{line}");
    let first = ["var", "config", "fetch", "push", "fetch"];
    assert_eq!(calls, first, "that `last` is kept is looked at once");
    for (digit, number) in [("2", "v2"), ("3", "v3")] {
        new_content(&shop, digit);
        let (line, calls) = publish(&shop, &bin, &["--label", &format!("release-{digit}")]);
        assert!(line.starts_with(&format!("published checkout {number}")));
        assert_eq!(calls, ["var", "config", "push"], "what was pushed was seen");
    }
    let (line, calls) = publish(&shop, &bin, &["--label", "release-3"]);
    assert!(line.starts_with("unchanged checkout v3"), "{line}");
    assert_eq!(
        calls,
        ["var", "config", "fetch"],
        "`unchanged` is never said unseen"
    );
    let (_, calls) = publish(&shop, &bin, &["--dry-run"]);
    assert_eq!(calls, ["var", "config", "fetch"]);
    // What is seen is what is there.
    let refs = |dir: &Path, prefix: &str| {
        let format = "--format=%(objectname) %(refname)";
        let refs = shop.git(dir, &["for-each-ref", format, prefix]);
        let last = |line: &str| {
            let (oid, name) = line.split_once(' ').unwrap();
            format!("{oid} {}", name.rsplit('/').next().unwrap())
        };
        // What a clone has seen of numbers is its own.
        let refs = refs.lines().filter(|line| !line.contains("/spent/"));
        let mut refs: Vec<String> = refs.map(last).collect();
        refs.sort();
        refs
    };
    let there = [
        refs(&shop.remote(), "refs/tags"),
        refs(&shop.remote(), "refs/cutwater"),
    ];
    let mut there = there.concat();
    there.sort();
    assert_eq!(refs(&shop.clone_dir(), "refs/cutwater-remote"), there);
    // Without `last` nothing tells old from new.
    shop.git(
        &shop.remote(),
        &["update-ref", "-d", "refs/cutwater/checkout/last"],
    );
    shop.ok(&["versions", "list"]);
    new_content(&shop, "4");
    let (line, calls) = publish(&shop, &bin, &[]);
    assert!(line.starts_with("published checkout v4"), "{line}");
    assert_eq!(calls, first);
}

/// A second clone, which has seen what the first one has until now.
fn second(shop: &Shop) -> PathBuf {
    shop.git(shop.dir.path(), &["clone", "-q", "clone", "second"]);
    let second = shop.dir.path().join("second");
    shop.git(&second, &["remote", "set-url", "origin", "../remote.git"]);
    let output = shop.command_in(&second, &["versions", "list"]).output();
    assert!(output.unwrap().status.success());
    second
}

fn publish_in(shop: &Shop, clone: &Path, args: &[&str]) -> String {
    let args = [&["versions", "publish", "checkout"], args].concat();
    let output = shop.command_in(clone, &args).output().unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_stale_clone_gives_no_number_twice_and_no_content_a_second_version() {
    let shop = Shop::new();
    shop.publish(&[]);
    let stale = second(&shop);
    let image = |digit: &str| format!("web={}", super::shop::digest(digit));
    // Others publish 2 and 3; then somebody deletes both tags by hand.
    shop.publish(&["--image", &image("2"), "--label", "two"]);
    shop.publish(&["--image", &image("3")]);
    for tag in ["v2", "v3"] {
        let tag = format!("refs/tags/checkout/{tag}");
        shop.git(&shop.remote(), &["update-ref", "-d", &tag]);
    }
    let line = publish_in(&shop, &stale, &["--image", &image("4")]);
    assert!(line.contains("--trust-last"), "{line}");
    let line = publish_in(&shop, &stale, &["--image", &image("4"), "--trust-last"]);
    assert!(line.starts_with("published checkout v4"), "{line}");
    // The first clone saw nothing of 4: content that is there is unchanged, a label that is taken is said.
    let line = shop.publish(&["--image", &image("4")]);
    assert!(line.starts_with("unchanged checkout v4"), "{line}");
    publish_in(&shop, &stale, &["--image", &image("5"), "--label", "five"]);
    let error = shop.refused(&[
        "versions",
        "publish",
        "--image",
        &image("6"),
        "--label",
        "five",
    ]);
    assert!(error.contains("names v5 already"), "{error}");
    // A label that another clone took away is free, though it was seen as taken.
    shop.ok(&["versions", "label", "v5", "five", "--remove"]);
    let line = publish_in(&shop, &stale, &["--image", &image("7"), "--label", "five"]);
    assert!(line.starts_with("published checkout v6"), "{line}");
    shop.git(&shop.remote(), &["fsck", "--full", "--strict"]);
}

#[test]
fn a_stale_clone_gives_no_number_twice_where_pushes_are_not_atomic() {
    let shop = Shop::new();
    let config = ["config", "receive.advertiseAtomic", "false"];
    shop.git(&shop.remote(), &config);
    shop.publish(&[]);
    let stale = second(&shop);
    let image = |digit: &str| format!("web={}", super::shop::digest(digit));
    shop.publish(&["--image", &image("2")]);
    shop.git(
        &shop.remote(),
        &["update-ref", "-d", "refs/tags/checkout/v2"],
    );
    let line = publish_in(&shop, &stale, &["--image", &image("3")]);
    assert!(line.starts_with("published checkout v3"), "{line}");
    // The tag was made, and the publisher died before `last` and the hint followed.
    let before = shop.rev(&shop.remote(), "refs/cutwater/checkout/last");
    shop.publish(&["--image", &image("4")]);
    let tree = shop.rev(&shop.remote(), "checkout/v4^{tree}");
    let remote = shop.remote();
    shop.git(
        &remote,
        &["update-ref", "refs/cutwater/checkout/last", &before],
    );
    let hint = format!("refs/cutwater/checkout/ids/{tree}");
    shop.git(&remote, &["update-ref", "-d", &hint]);
    let line = publish_in(&shop, &stale, &["--image", &image("4")]);
    assert!(line.starts_with("unchanged checkout v4"), "{line}");
    let line = publish_in(&shop, &stale, &["--image", &image("5")]);
    assert!(line.starts_with("published checkout v5"), "{line}");
}

#[test]
fn refs_that_were_seen_in_part_are_not_believed() {
    let shop = Shop::new();
    shop.publish(&[]);
    let stale = second(&shop);
    let image = |digit: &str| format!("web={}", super::shop::digest(digit));
    shop.publish(&["--image", &image("2")]);
    // A server that lost the hint does not help.
    let tree = shop.rev(&shop.remote(), "checkout/v2^{tree}");
    let hint = format!("refs/cutwater/checkout/ids/{tree}");
    shop.git(&shop.remote(), &["update-ref", "-d", &hint]);
    // As a fetch leaves it that was killed between two refs: `last` is new, the tag and the hint are not there.
    let commit = shop.rev(&shop.remote(), "checkout/v2");
    shop.git(&stale, &["fetch", "-q", "origin", "refs/tags/checkout/v2"]);
    let last = shop.git(
        &stale,
        &[
            "for-each-ref",
            "--format=%(refname)",
            "refs/cutwater-remote/*/own/checkout/last",
        ],
    );
    shop.git(&stale, &["update-ref", last.trim(), &commit]);
    let line = publish_in(&shop, &stale, &["--image", &image("2")]);
    assert!(line.starts_with("unchanged checkout v2"), "{line}");
    let line = publish_in(&shop, &stale, &["--image", &image("3")]);
    assert!(line.starts_with("published checkout v3"), "{line}");
}

#[test]
fn a_message_that_could_not_be_read_again_is_refused_before_it_is_pushed() {
    let shop = Shop::new();
    let error = shop.refused(&["versions", "publish", "-m", &"x".repeat(70_000)]);
    assert!(error.contains("shorten its message"), "{error}");
    assert!(shop.refs().is_empty());
}
