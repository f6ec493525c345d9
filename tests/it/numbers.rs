//! Numbers come once, also on hosts that keep no other refs than branches and tags, and where tags are deleted by hand.

use std::fs;

use serde_json::Value as Json;

use super::shop::{Shop, text};

/// New content, published: what was printed, and what was said.
fn publish(shop: &Shop, content: &str, args: &[&str]) -> (String, String) {
    shop.commit("apps/checkout/index.html", content);
    let output = shop.run(&[&["versions", "publish", "checkout"], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

fn drop_tag(shop: &Shop, number: u32) {
    let name = format!("refs/tags/checkout/v{number}");
    shop.git(&shop.remote(), &["update-ref", "-d", &name]);
}

/// Another clone, which has seen nothing yet.
fn fresh(shop: &Shop) -> std::path::PathBuf {
    let dir = shop.dir.path().join("fresh");
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", "HEAD:main"]);
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "-b", "main", "remote.git", "fresh"],
    );
    dir
}

#[test]
fn a_server_that_does_not_keep_what_keeps_numbers_is_said_at_each_publish() {
    let refuse = "case $1 in refs/heads/*|refs/tags/*) ;; *) echo 'illegal ref: only branches and tags' >&2; exit 1;; esac";
    let forget = "for r in $(git for-each-ref --format='%(refname)' refs/cutwater); do git update-ref -d $r; done";
    for (name, hook, said) in [
        ("refused", Some(("update", refuse)), "illegal ref"),
        ("hidden", None, "refs/cutwater/checkout/last"),
        (
            "forgotten",
            Some(("post-receive", forget)),
            "it was pushed, and is not there",
        ),
    ] {
        let shop = Shop::new();
        if let Some((hook, script)) = hook {
            shop.hook(hook, script);
        } else {
            let hide = ["config", "transfer.hideRefs", "refs/cutwater"];
            shop.git(&shop.remote(), &hide);
        }
        for number in [1, 2] {
            let (line, warning) = publish(&shop, &format!("content {number}"), &[]);
            assert!(
                line.starts_with(&format!("published checkout v{number} ")),
                "{line}"
            );
            let is_said =
                warning.contains("numbers of `checkout` are not safe") && warning.contains(said);
            assert!(is_said, "{name}: {warning}");
        }
        // Also where nothing is new.
        let unchanged = shop.run(&["versions", "publish", "checkout", "--json"]);
        let unchanged: Json = serde_json::from_slice(&unchanged.stdout).unwrap();
        assert_eq!(unchanged["outcome"], "unchanged");
        assert_eq!(
            unchanged["warnings"][0]["reason"], "numbersNotKept",
            "{name}"
        );
        // A clone that saw v2 never gives it again.
        drop_tag(&shop, 2);
        let (line, _) = publish(&shop, "content 3", &[]);
        assert!(line.starts_with("published checkout v3 "), "{name}: {line}");
    }
}

#[test]
fn a_ref_that_could_not_be_written_is_named() {
    let shop = Shop::new();
    publish(&shop, "one", &[]);
    let lock = shop.remote().join("refs/cutwater/checkout/last.lock");
    fs::write(&lock, "").unwrap();
    let (line, warning) = publish(&shop, "two", &[]);
    assert!(line.starts_with("published checkout v2 "), "{line}");
    assert!(warning.contains("last.lock"), "{warning}");
    fs::remove_file(&lock).unwrap();
    let (line, warning) = publish(&shop, "three", &[]);
    assert!(line.starts_with("published checkout v3 "), "{line}");
    assert!(!warning.contains("are not safe"), "{warning}");
}

#[test]
fn numbers_that_only_last_knows_are_believed_with_a_word_of_the_publisher() {
    let shop = Shop::new();
    for content in ["one", "two", "three"] {
        publish(&shop, content, &[]);
    }
    // One above the tags is what a tag that was deleted by hand leaves.
    drop_tag(&shop, 3);
    shop.commit("apps/checkout/index.html", "four");
    let dir = fresh(&shop);
    let run = |args: &[&str]| {
        let args = [&["versions", "publish", "checkout"], args].concat();
        shop.command_in(&dir, &args).output().unwrap()
    };
    let dry = text(&run(&["--dry-run"]).stdout);
    assert!(dry.starts_with("would publish checkout v4 "), "{dry}");
    drop_tag(&shop, 2);
    let dir = fresh(&shop);
    let run = |args: &[&str]| {
        let args = [&["versions", "publish", "checkout"], args].concat();
        shop.command_in(&dir, &args).output().unwrap()
    };
    let refused = run(&[]);
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        error.contains("refs/cutwater/checkout/last at remote `origin` says that v3 was given")
            && error.contains("no tag says more than v1")
            && error.contains("--trust-last goes on above v3")
            && error.contains("git push origin :refs/cutwater/checkout/last"),
        "{error}"
    );
    let list = shop
        .command_in(&dir, &["versions", "list", "checkout"])
        .output()
        .unwrap();
    assert!(
        text(&list.stderr).contains("says that v3 was given"),
        "{}",
        text(&list.stderr)
    );
    let line = text(&run(&["--trust-last"]).stdout);
    assert!(line.starts_with("published checkout v4 "), "{line}");
    assert!(text(&run(&[]).stdout).starts_with("unchanged checkout v4 "));
    // Whoever saw the tags needs no word.
    let shop = Shop::new();
    for content in ["one", "two", "three"] {
        publish(&shop, content, &[]);
    }
    drop_tag(&shop, 3);
    drop_tag(&shop, 2);
    let (line, _) = publish(&shop, "four", &[]);
    assert!(line.starts_with("published checkout v4 "), "{line}");
}

#[test]
fn a_tag_that_spent_all_numbers_and_is_gone_stops_nobody() {
    let shop = Shop::new();
    publish(&shop, "one", &[]);
    let highest = "refs/tags/checkout/v9999999";
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", &format!("HEAD:{highest}")],
    );
    shop.ok(&["versions", "list", "checkout"]);
    shop.commit("apps/checkout/index.html", "two");
    let error = shop.refused(&["versions", "publish", "checkout"]);
    assert!(
        error.contains("all version numbers of `checkout` are spent"),
        "{error}"
    );
    shop.git(&shop.remote(), &["update-ref", "-d", highest]);
    let line = shop.publish(&[]);
    assert!(line.starts_with("published checkout v2 "), "{line}");
}
