//! `cutwater versions label`, and labels given at publish.

use std::process::Stdio;

use serde_json::Value as Json;

use super::shop::{Shop, app_with_image, text};

/// A shop with `count` versions.
fn shop(count: usize) -> Shop {
    let shop = Shop::new();
    for digit in 1..=count {
        if digit > 1 {
            shop.commit("apps/checkout/app.yaml", app_with_image(&digit.to_string()));
        }
        shop.publish(&[]);
    }
    shop
}

#[test]
fn a_label_that_an_app_is_called_by_too_moves_where_the_app_is_named() {
    let shop = shop(2);
    shop.ok(&["versions", "label", "checkout", "v1", "stable"]);
    let other = app_with_image("1").replace("name: checkout", "name: stable");
    shop.commit("apps/stable/app.yaml", other);
    let label = ["versions", "label", "checkout", "v2", "stable", "--move"];
    let said = shop.ok(&label);
    assert_eq!(said, "moved checkout v2 stable (from v1)\n");
    let error = text(&shop.run(&["versions", "label", "v2", "stable"]).stderr);
    assert!(error.contains("`stable` is an app"), "{error}");
}

#[test]
fn a_label_is_given_moved_and_removed() {
    let shop = shop(2);
    let label = |args: &[&str]| shop.ok(&[&["versions", "label"], args].concat());
    let at = |name: &str| shop.rev(&shop.remote(), &format!("refs/tags/checkout/{name}"));
    let would = label(&["checkout", "v1", "sale", "--dry-run"]);
    assert_eq!(would, "would label checkout v1 sale\n");
    assert_eq!(
        label(&["checkout", "v1", "sale"]),
        "labelled checkout v1 sale\n"
    );
    assert_eq!(at("sale"), at("v1"));
    assert_eq!(label(&["1", "sale"]), "unchanged checkout v1 sale\n");
    let error = shop.refused(&["versions", "label", "v2", "sale"]);
    assert!(
        error.ends_with("names v1 already; choose another label\nHint: --move moves the label\n"),
        "{error}"
    );
    let error = shop.refused(&["versions", "publish", "--label", "sale"]);
    assert!(
        error.ends_with(
            "names v1 already; choose another label\nHint: --move-label moves the label\n"
        ),
        "{error}"
    );
    let would = label(&["v2", "sale", "--move", "--dry-run"]);
    assert_eq!(would, "would move checkout v2 sale (from v1)\n");
    assert_eq!(at("sale"), at("v1"));
    let json: Json = serde_json::from_str(&label(&["v2", "sale", "--move", "--json"])).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "outcome": "moved", "app": "checkout", "label": "sale", "version": 2, "movedFrom": 1
        })
    );
    assert_eq!(at("sale"), at("v2"));
    // A label names a version here too, and what has it is not taken from another.
    assert_eq!(label(&["sale", "second"]), "labelled checkout v2 second\n");
    let error = shop.refused(&["versions", "label", "v1", "sale", "--remove"]);
    assert!(
        error.ends_with(
            "label `sale` of `checkout` names v2, and stays there; to remove it, name v2\n"
        ),
        "{error}"
    );
    let would = label(&["v2", "sale", "--remove", "--dry-run"]);
    assert_eq!(would, "would remove checkout v2 sale\n");
    assert_eq!(
        label(&["v2", "sale", "--remove"]),
        "removed checkout v2 sale\n"
    );
    assert_eq!(
        label(&["v2", "sale", "--remove"]),
        "unchanged checkout v2 sale\n"
    );
    assert!(!shop.refs().contains(&"refs/tags/checkout/sale".to_owned()));
}

#[test]
fn a_label_never_names_what_is_no_living_version() {
    let shop = shop(2);
    let (clone, remote) = (shop.clone_dir(), shop.remote());
    shop.git(
        &clone,
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/v7"],
    );
    let error = shop.refused(&["versions", "label", "v7", "sale"]);
    assert!(
        error.contains("not a version that Cutwater published"),
        "{error}"
    );
    let error = shop.refused(&["versions", "label", "v9", "sale"]);
    assert!(error.contains("has no version `v9`"), "{error}");
    // A tombstone, as deleting leaves it.
    let message =
        "checkout v1: bad\n\nCutwater-App: checkout\nCutwater-Version: 1\nCutwater-Deleted: true";
    let empty = shop.git(&remote, &["hash-object", "-w", "-t", "tree", "/dev/null"]);
    let tombstone = shop.git(&remote, &["commit-tree", "-m", message, empty.trim()]);
    shop.git(
        &remote,
        &["update-ref", "refs/tags/checkout/v1", tombstone.trim()],
    );
    let error = shop.refused(&["versions", "label", "v1", "sale"]);
    assert!(error.contains("was deleted by Ada Lovelace"), "{error}");
    // A tag of somebody else's is not overwritten, not even with --move.
    shop.git(&clone, &["tag", "-a", "-m", "x", "checkout/theirs"]);
    shop.git(
        &clone,
        &["push", "-q", "origin", "refs/tags/checkout/theirs"],
    );
    for args in [
        &["versions", "label", "v2", "theirs", "--move"][..],
        &["versions", "label", "v2", "theirs", "--remove"],
        &["versions", "publish", "--label", "theirs", "--move-label"],
    ] {
        let error = shop.refused(args);
        assert!(error.contains("delete that tag with git"), "{error}");
    }
    for (args, code) in [
        (&["v2", "v3"][..], 2),
        (&["v2", "LATEST"], 2),
        (&["v2", "a", "--move", "--remove"], 2),
        (&["v2"], 2),
        (&["--", "v2", "-x"], 2),
    ] {
        let output = shop.run(&[&["versions", "label"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn a_label_moves_at_publish_only_where_that_is_asked_for() {
    let shop = shop(1);
    shop.publish(&["--label", "live"]);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    shop.refused(&["versions", "publish", "--label", "live"]);
    let output = shop.run(&["versions", "publish", "--move-label"]);
    assert_eq!(output.status.code(), Some(2), "--move-label needs --label");
    let would = shop.publish(&["--label", "live", "--move-label", "--dry-run"]);
    assert!(
        would.ends_with("would move checkout v2 live (from v1)\n"),
        "{would}"
    );
    let line = shop.publish(&["--label", "live", "--move-label"]);
    assert!(line.starts_with("published checkout v2"), "{line}");
    assert!(
        line.ends_with("\nmoved checkout v2 live (from v1)\n"),
        "{line}"
    );
    // Back to the version that is there already.
    let line = shop.publish(&[
        "--ref",
        "HEAD~1",
        "--label",
        "live",
        "--move-label",
        "--json",
    ]);
    let json: Json = serde_json::from_str(&line).unwrap();
    assert_eq!(json["outcome"], "unchanged");
    assert_eq!(
        (&json["labelMovedFrom"], &json["addedLabel"]),
        (&2.into(), &"live".into())
    );
    let remote = shop.remote();
    assert_eq!(
        shop.rev(&remote, "checkout/live"),
        shop.rev(&remote, "checkout/v1")
    );
}

#[test]
fn of_two_who_give_one_label_at_once_one_wins_and_the_other_is_told() {
    for atomic in ["true", "false"] {
        let shop = shop(4);
        let config = ["config", "receive.advertiseAtomic", atomic];
        shop.git(&shop.remote(), &config);
        let racers: Vec<_> = (1..=4)
            .map(|number| {
                let number = number.to_string();
                shop.command_in(&shop.clone_dir(), &["versions", "label", &number, "live"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let outputs: Vec<_> = racers
            .into_iter()
            .map(|racer| racer.wait_with_output().unwrap())
            .collect();
        let won: Vec<String> = outputs
            .iter()
            .filter(|output| output.status.success())
            .map(|output| text(&output.stdout))
            .collect();
        let [line] = won.as_slice() else {
            panic!("one wins: {won:?}");
        };
        let winner = line.split(' ').nth(2).unwrap();
        for output in outputs.iter().filter(|output| !output.status.success()) {
            let error = text(&output.stderr);
            assert!(
                error.contains(&format!("names {winner} already")),
                "{error}"
            );
        }
        let remote = shop.remote();
        assert_eq!(
            shop.rev(&remote, "checkout/live"),
            shop.rev(&remote, &format!("checkout/{winner}"))
        );
    }
}

#[test]
fn a_forgotten_word_is_named() {
    let shop = shop(1);
    for (args, said) in [
        (
            &["label", "checkout", "v5"][..],
            "LABEL is missing: cutwater versions label checkout v5 LABEL",
        ),
        (
            &["label", "v5"],
            "LABEL is missing: cutwater versions label v5 LABEL",
        ),
        (
            &["label", "checkout"],
            "VERSION and LABEL are missing: cutwater versions label checkout VERSION LABEL",
        ),
        (
            &["files", "checkout"],
            "VERSION is missing: cutwater versions files checkout VERSION",
        ),
        (
            &["export", "checkout", "v7"],
            "DIR is missing: cutwater versions export checkout v7 DIR",
        ),
        (
            &["export", "v7"],
            "DIR is missing: cutwater versions export v7 DIR",
        ),
        (
            &["diff", "checkout"],
            "FROM is missing: cutwater versions diff checkout FROM",
        ),
        (
            &["view", "checkout"],
            "VERSION is missing: cutwater versions view checkout VERSION",
        ),
        (
            &["delete", "checkout"],
            "VERSION is missing: cutwater versions delete checkout VERSION",
        ),
        (
            &["delete", "checkout", "--yes"],
            "VERSION is missing: cutwater versions delete checkout VERSION",
        ),
    ] {
        let output = shop.run(&[&["versions"], args].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(
            error.starts_with(&format!("Error: {said}\n")),
            "{args:?}: {error}"
        );
    }
    assert_eq!(shop.refs().len(), 3, "nothing was done: {:?}", shop.refs());
}

#[test]
fn a_label_that_reads_as_something_else_is_not_given_and_goes_where_it_is() {
    let shop = Shop::new();
    shop.publish(&["--label", "sale"]);
    for (label, said) in [
        ("V2", "reads as a version number"),
        ("latest", "means the tracked branch"),
        ("HEAD", "means the commit that is checked out"),
        ("Sale", "differs from `sale` in capital letters alone"),
    ] {
        let error = shop.refused(&["versions", "label", "checkout", "v1", label]);
        assert!(error.contains(said), "{label}: {error}");
        let error = shop.refused(&["versions", "publish", "--label", label]);
        assert!(error.contains(said), "{label}: {error}");
    }
    let tag = [
        "update-ref",
        "refs/tags/checkout/latest",
        "refs/tags/checkout/v1",
    ];
    shop.git(&shop.remote(), &tag);
    let view = shop.ok(&[
        "versions",
        "view",
        "checkout",
        "latest",
        "--json",
        "--no-live",
    ]);
    assert!(
        view.contains("\"number\":1") || view.contains("\"number\": 1"),
        "{view}"
    );
    shop.ok(&["versions", "label", "checkout", "v1", "latest", "--remove"]);
    // Clones that have a label that moves are told of.
    shop.commit("apps/checkout/index.html", "two");
    shop.publish(&[]);
    let output = shop.run(&["versions", "label", "checkout", "v2", "sale", "--move"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("git fetch origin '+refs/tags/checkout/sale:refs/tags/checkout/sale'"),
        "{said}"
    );
    let error = shop.run(&["deploy", "checkout", "checkout/v2"]);
    assert!(
        text(&error.stderr).contains("write `v2`"),
        "{}",
        text(&error.stderr)
    );
}

#[test]
fn an_annotated_tag_is_a_label_too() {
    let shop = shop(2);
    let remote = shop.remote();
    let tag = [
        "tag",
        "-a",
        "-m",
        "a release",
        "checkout/rel1",
        "refs/tags/checkout/v1",
    ];
    shop.git(&remote, &tag);
    let output = shop.run(&["versions", "list", "checkout", "--no-live", "--json"]);
    let list: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        list["versions"][1]["labels"],
        serde_json::json!(["rel1"]),
        "{list}"
    );
    assert_eq!(text(&output.stderr), "");
    shop.ok(&["versions", "label", "checkout", "v2", "rel1", "--move"]);
    let at = |name: &str| shop.rev(&remote, &format!("refs/tags/checkout/{name}"));
    assert_eq!(at("rel1"), at("v2"));
    shop.git(
        &remote,
        &[
            "tag",
            "-f",
            "-a",
            "-m",
            "again",
            "checkout/rel1",
            "refs/tags/checkout/v2",
        ],
    );
    shop.ok(&["versions", "label", "checkout", "v2", "rel1", "--remove"]);
    assert!(!shop.refs().contains(&"refs/tags/checkout/rel1".to_owned()));
}
