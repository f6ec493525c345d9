//! `cutwater versions import`: the same commits with the same numbers in another repository, or nothing of an app.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::shop::{APP, Shop, app_with_image, digest, text};

/// Two versions of `checkout`, the second with a label, and one of `cart`.
fn old_shop() -> Shop {
    let shop = Shop::new();
    shop.publish(&[]);
    shop.commit("apps/checkout/a", "2");
    shop.publish(&["--label", "spring"]);
    let cart = APP.replace("name: checkout", "name: cart");
    let cart = format!("{cart}    image: {}\n", digest("5"));
    shop.commit("apps/cart/app.yaml", cart);
    shop.ok(&["versions", "publish", "cart"]);
    shop
}

fn path(shop: &Shop) -> String {
    shop.remote().to_str().unwrap().to_owned()
}

/// Names and commits of all refs of versions.
fn refs(shop: &Shop) -> String {
    let format = "--format=%(refname) %(objectname)";
    let below = ["refs/tags", "refs/cutwater"];
    shop.git(
        &shop.remote(),
        &["for-each-ref", format, below[0], below[1]],
    )
}

/// A tombstone at the place of a version, as a deletion leaves it.
fn delete(shop: &Shop, number: u32) {
    let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let message = format!(
        "checkout v{number}: too old\n\nCutwater-App: checkout\nCutwater-Version: {number}\nCutwater-Source: cli\nCutwater-Deleted: true"
    );
    let remote = shop.remote();
    let mut mktree = shop.sealed("git", &remote);
    mktree.arg("mktree").stdin(Stdio::null());
    assert!(mktree.output().unwrap().status.success());
    let commit = shop.git(&remote, &["commit-tree", empty, "-m", &message]);
    let name = format!("refs/tags/checkout/v{number}");
    shop.git(&remote, &["update-ref", &name, commit.trim()]);
}

#[test]
fn all_versions_come_with_their_numbers_labels_authors_and_times() {
    let (old, new) = (old_shop(), Shop::new());
    let from = path(&old);
    let dry = new.ok(&["versions", "import", &from, "--dry-run"]);
    assert_eq!(
        dry,
        "would import cart: v1\nwould import checkout: v1 to v2; labels spring\n"
    );
    assert_eq!(refs(&new), "");
    let (output, calls) = new.exchanges(&["versions", "import", &from]);
    assert_eq!(
        text(&output.stdout),
        dry.replace("would import", "imported")
    );
    // Once for all apps: the list of tags, their refs, ours, `last` of each, and the rest.
    assert_eq!(calls, ["ls-remote", "fetch", "fetch", "push", "push"]);
    // The same refs and the same commits: numbers, `last` and hints among them.
    assert_eq!(refs(&new), refs(&old));
    new.git(&new.remote(), &["fsck", "--full", "--strict"]);
    let view = ["versions", "view", "checkout", "spring", "--json"];
    assert_eq!(new.ok(&view), old.ok(&view));
    // The next number is the one after the imported ones, and what was imported is unchanged.
    new.commit("apps/checkout/a", "3");
    assert!(new.publish(&[]).starts_with("published checkout v3 "));
    new.commit("apps/checkout/a", "2");
    assert!(new.publish(&[]).starts_with("unchanged checkout v2 "));
    // Once more changes nothing.
    let before = refs(&new);
    assert_eq!(
        new.ok(&["versions", "import", &from]),
        "unchanged cart: 1 are here already\nunchanged checkout: 2 are here already\n"
    );
    assert_eq!(refs(&new), before);
    // What came later there comes too, as far as its numbers are free.
    old.ok(&[
        "versions",
        "publish",
        "cart",
        "--image",
        &format!("web={}", digest("6")),
    ]);
    let json = new.ok(&["versions", "import", &from, "cart", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json,
        json!({"from": from, "dryRun": false, "apps": [{
            "app": "cart", "versions": [2], "deleted": [], "labels": [], "present": 1,
            "foreign": [], "takenLabels": [], "conflicts": [],
        }]})
    );
}

#[test]
fn a_source_is_a_remote_a_folder_or_an_address() {
    let old = old_shop();
    let relative = format!(
        "../../{}/remote.git",
        old.dir.path().file_name().unwrap().to_str().unwrap()
    );
    let address = format!("file://{}", path(&old));
    for from in ["old", relative.as_str(), address.as_str()] {
        let new = Shop::new();
        new.git(&new.clone_dir(), &["remote", "add", "old", &path(&old)]);
        let said = new.ok(&["versions", "import", from, "cart"]);
        assert_eq!(said, "imported cart: v1\n", "{from}");
    }
    let new = Shop::new();
    for (from, why) in [
        (
            "nowhere",
            "no folder and no remote of this clone is called `nowhere`, and it is not the address",
        ),
        ("--upload-pack=touch x", "unexpected argument"),
        (
            "ext::sh -c 'touch evil'",
            "is not the address of a git repository",
        ),
        (
            "https://me:hunter2@git.example/x",
            "`https://***@git.example/x` holds a password",
        ),
        ("ssh://-oProxyCommand=x/y", "is not the address"),
        (new.dir.path().to_str().unwrap(), "cannot list the tags of "),
        (&path(&new), "has no versions"),
        (
            new.clone_dir().to_str().unwrap(),
            &format!(
                "its remote `origin` may have them: import from {}",
                path(&new)
            ),
        ),
    ] {
        let output = new.run(&["versions", "import", from]);
        let error = text(&output.stderr);
        assert!(
            !output.status.success() && error.contains(why),
            "{from}: {error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    // A remote by a path from that clone is named as it is reached from here.
    let clone = new.clone_dir();
    new.git(&clone, &["remote", "set-url", "origin", "../remote.git"]);
    let error = new.refused(&["versions", "import", clone.to_str().unwrap()]);
    assert!(
        error.contains(&format!("may have them: import from {}", path(&new))),
        "{error}"
    );
    let error = new.refused(&["versions", "import", &path(&old), "cart", "orders"]);
    assert!(error.contains("has no versions of `orders`"), "{error}");
    assert_eq!(refs(&new), "");
}

#[test]
fn where_a_number_is_taken_nothing_of_that_app_comes() {
    let (old, new) = (old_shop(), Shop::new());
    new.commit("apps/checkout/mine", "1");
    new.publish(&[]);
    let before = refs(&new);
    let output = new.run(&["versions", "import", &path(&old)]);
    assert_eq!(output.status.code(), Some(1));
    // Other apps come all the same.
    assert_eq!(text(&output.stdout), "imported cart: v1\n");
    let tree = new.rev(&new.clone_dir(), "HEAD:apps/checkout");
    let error = text(&output.stderr);
    assert!(
        error.contains(&format!(
            "nothing of `checkout` is imported, because numbers of it are taken: v1 is another version here, g{}",
            &tree[..12]
        )),
        "{error}"
    );
    let checkout = |refs: String| -> Vec<String> {
        let lines = refs.lines().filter(|line| line.contains("/checkout/"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(checkout(refs(&new)), checkout(before));
    let json = new.run(&["versions", "import", &path(&old), "checkout", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let json: Json = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["apps"][0]["conflicts"][0]["number"], 1);
    assert_eq!(json["apps"][0]["versions"], json!([]));
    // A number whose tag somebody took away by hand is as taken.
    new.git(
        &new.remote(),
        &["update-ref", "-d", "refs/tags/checkout/v1"],
    );
    let error = new.refused(&["versions", "import", &path(&old), "checkout"]);
    assert!(
        error.contains("v1 was given here to a version whose tag is gone"),
        "{error}"
    );
    // And so is one that was deleted.
    let here = Shop::new();
    here.commit("apps/checkout/mine", "1");
    here.publish(&[]);
    delete(&here, 1);
    let error = here.refused(&["versions", "import", &path(&old), "checkout"]);
    assert!(error.contains("v1 was deleted here"), "{error}");
}

#[test]
fn deleted_numbers_stay_spent_and_foreign_tags_stay_where_they_are() {
    let (old, new) = (old_shop(), Shop::new());
    old.commit("apps/checkout/a", "3");
    old.publish(&["--label", "gone"]);
    let remote = old.remote();
    delete(&old, 1);
    // A tag of somebody's, a label to no version, and a number that only `last` remembers.
    let head = old.rev(&old.clone_dir(), "HEAD");
    old.git(
        &old.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/v9"],
    );
    old.git(&remote, &["update-ref", "refs/tags/checkout/wild", &head]);
    old.git(&remote, &["update-ref", "-d", "refs/tags/checkout/v3"]);
    new.commit("apps/checkout/b", "x");
    new.ok(&["versions", "import", &path(&old), "cart"]);
    let output = new.run(&["versions", "import", &path(&old), "checkout"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "imported checkout: v2; deleted v1; labels spring\n"
    );
    let error = text(&output.stderr);
    assert!(
        error.contains(
            "checkout v9 is not imported: Cutwater did not publish it (its commit has parents)"
        ),
        "{error}"
    );
    let names = new.refs();
    assert!(
        !names.iter().any(|name| name.ends_with("/v9")
            || name.ends_with("/wild")
            || name.ends_with("/gone"))
    );
    let error = new.run(&["versions", "view", "checkout", "v1"]);
    assert!(
        text(&error.stdout).contains("Deleted:"),
        "{}",
        text(&error.stdout)
    );
    // Number 3 is spent, though nobody has its tag.
    assert!(new.publish(&[]).starts_with("published checkout v4 "));
    // Deleted on both sides is no conflict.
    let (a, b) = (old_shop(), Shop::new());
    b.ok(&["versions", "import", &path(&a), "checkout"]);
    delete(&a, 1);
    delete(&b, 1);
    let said = b.ok(&["versions", "import", &path(&a), "checkout"]);
    assert_eq!(said, "unchanged checkout: 2 are here already\n");
    // A label that is taken here stays there.
    let c = Shop::new();
    c.git(
        &c.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/spring"],
    );
    let output = c.run(&["versions", "import", &path(&a), "checkout"]);
    assert_eq!(text(&output.stdout), "imported checkout: v2; deleted v1\n");
    let error = text(&output.stderr);
    assert!(
        error.contains("label spring of checkout is not imported"),
        "{error}"
    );
}

/// A repository with as many versions as are asked for, each with its own content.
fn many(shop: &Shop, count: u32) {
    let mut stream = String::new();
    let app = app_with_image("1");
    for number in 1..=count {
        let message = format!(
            "checkout v{number}\n\nCutwater-App: checkout\nCutwater-Version: {number}\nCutwater-Source: cli\n"
        );
        stream.push_str(&format!(
            "reset refs/tags/checkout/v{number}\ncommit refs/tags/checkout/v{number}\ncommitter Ada <ada@example.com> {} +0000\ndata {}\n{message}\nM 644 inline app.yaml\ndata {}\n{app}\nM 644 inline n\ndata {}\n{number}\n\n",
            1_700_000_000 + number,
            message.len(),
            app.len(),
            number.to_string().len()
        ));
    }
    let mut command = shop.sealed("git", &shop.remote());
    command
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_import_that_was_interrupted_goes_on_where_it_ended() {
    let (old, new) = (Shop::new(), Shop::new());
    // Two thousand refs are two thousand waits for the disk.
    fs::write(new.dir.path().join("gitconfig"), "[core]\n\tfsync = none\n").unwrap();
    many(&old, 1100);
    // The server takes two pushes, `last` and the first thousand, and then no more.
    let counter = new.dir.path().join("count");
    let script = format!(
        "#!/bin/sh\necho x >> '{0}'\ntest \"$(wc -l < '{0}')\" -le 2\n",
        counter.display()
    );
    let hook = new.remote().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let error = new.refused(&["versions", "import", &path(&old)]);
    assert!(
        error.contains("did not take versions of checkout"),
        "{error}"
    );
    let tags = |shop: &Shop| {
        let refs = shop.refs();
        refs.into_iter()
            .filter(|name| name.starts_with("refs/tags/"))
            .count()
    };
    assert_eq!(tags(&new), 1000);
    // Numbers that are still to come are spent already.
    new.commit("apps/checkout/x", "x");
    fs::remove_file(hook).unwrap();
    let error = new.refused(&["versions", "publish", "checkout"]);
    assert!(error.contains("says that v1100 was given"), "{error}");
    let line = new.publish(&["--trust-last"]);
    assert!(line.starts_with("published checkout v1101 "), "{line}");
    let said = new.ok(&["versions", "import", &path(&old)]);
    assert_eq!(said, "imported checkout: v1001 to v1100\n");
    assert_eq!(tags(&new), 1101);
    let ids = |shop: &Shop| {
        let versions = ["checkout/v1", "checkout/v1001", "checkout/v1100"];
        shop.git(&shop.remote(), &[&["rev-parse"], &versions[..]].concat())
    };
    assert_eq!(ids(&new), ids(&old));
}

#[test]
fn an_app_that_is_not_there_is_said_with_how_to_look() {
    let (old, new) = (old_shop(), Shop::new());
    let error = new.refused(&["versions", "import", &path(&old), "nosuch"]);
    assert!(error.contains("has no versions of `nosuch`"), "{error}");
}
