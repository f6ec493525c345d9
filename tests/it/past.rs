//! Where a rollback goes, and what `deployments list` shows, for histories of every kind: never a silent guess.

mod cases;
mod place;

use std::fs;

use self::cases::{CASES, Case, USUAL};
use self::place::{Place, commit, deployment, inline};

#[test]
fn no_history_leads_to_a_silent_guess() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    for case in CASES {
        place.make(case);
        place.check(&clone, case);
    }
    // Who made what cannot be read is named, and how it ended is told.
    place.make(
        CASES
            .iter()
            .find(|case| case.name.starts_with("over a commit"))
            .unwrap(),
    );
    let (_, said) = place.run(&clone, &["deployments", "list", "checkout"]);
    assert!(
        said.contains(
            "deployed (Step broken, by Ada Lovelace) is not known: releases/checkout.yaml:8:5"
        ),
        "{said}"
    );
    place.make(
        CASES
            .iter()
            .find(|case| case.name == "never converged")
            .unwrap(),
    );
    let (listed, _) = place.run(&clone, &["deployments", "list", "checkout"]);
    assert!(listed.contains("v4 100%, never served"), "{listed}");
}

#[test]
fn what_another_repository_deployed_was_not_deployed_here() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    let case = Case {
        name: "a merge of what a fork was made from",
        branch: &["1", "fork", "2", "3", "upstream"],
        rollback: &["v1 100% (back from v3)"],
        list: "3, 1",
        ..USUAL
    };
    place.make(&case);
    let add = ["remote", "add", "upstream", "https://example.com/first"];
    place.shop.git(&clone, &add);
    place.check(&clone, &case);
}

/// The case of this name.
fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap()
}

#[test]
fn a_label_says_what_it_meant_when_it_was_deployed() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    let status = |name: &str| {
        place.make(case(name));
        place.run(&clone, &["deployments", "status", "checkout"]).0
    };
    let known = status("a label that moved, and what it meant");
    assert!(known.contains("stable (v3) 100%"), "{known}");
    // What it means now is not what serves: to go there is a change, also by name.
    let (out, error) = place.run(&clone, &["rollback", "checkout", "v2", "--dry-run"]);
    let first = "would roll back checkout: v2 100% (back from v3)\n";
    assert!(out.starts_with(first), "{out}{error}");
    let (out, error) = place.run(&clone, &["deploy", "checkout", "v2", "--dry-run"]);
    assert!(
        out.starts_with("would deploy checkout: v2 100%\n"),
        "{out}{error}"
    );
    let unknown = status("a label that may have moved while it was served");
    assert!(unknown.contains(" stable 100%"), "{unknown}");
    // Nobody can say what was left.
    let (out, error) = place.run(&clone, &["rollback", "checkout", "v1", "--dry-run"]);
    assert!(
        out.starts_with("would roll back checkout: v1 100%\n"),
        "{out}{error}"
    );
}

#[test]
fn a_shallow_clone_is_deepened_for_what_a_label_meant_when_a_version_is_named_too() {
    let place = Place::new();
    place.make(&Case {
        branch: &["1", "2", "stable", "note", "note"],
        ledger: &[(0, "1"), (1, "2"), (2, "3")],
        ..USUAL
    });
    let shallow = place.clone("shallow", &["--depth=1"]);
    let (out, error) = place.run(&shallow, &["rollback", "checkout", "v1"]);
    assert_eq!(
        out, "rolled back checkout: v1 100% (back from v3)\n",
        "{error}"
    );
}

#[test]
fn a_copied_file_that_kept_the_name_is_refused_and_both_files_are_named() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    place.make(&Case {
        branch: &["1", "2", "copy4"],
        ..USUAL
    });
    for args in [
        &["rollback", "checkout"][..],
        &["rollback", "checkout", "--name", "releases/checkout.yaml"],
        &["rollback", "checkout", "v1", "--name", "releases/copy.yaml"],
        &["deploy", "checkout", "v1", "--name", "checkout"],
    ] {
        let (out, error) = place.run(&clone, args);
        assert_eq!(out, "", "{args:?}");
        let said = "Deployment `checkout` is in releases/checkout.yaml:1 and in releases/copy.yaml:1, so no change of it is served; give the copy another `metadata.name`";
        assert!(error.contains(said), "{args:?}: {error}");
    }
    // Under another name it is an object of its own, and the command that is printed names the one that was meant.
    let copied = deployment("4").replace("name: checkout", "name: other");
    let mut stream = String::new();
    let change = format!(
        "from refs/heads/main^0\n{}",
        inline("releases/copy.yaml", &copied)
    );
    commit(
        &mut stream,
        "refs/heads/main",
        1_790_000_900,
        "Name it\n",
        &change,
    );
    place.import(&stream);
    let own = [
        "rollback",
        "checkout",
        "--dry-run",
        "--name",
        "releases/checkout.yaml",
    ];
    let (out, error) = place.run(&clone, &own);
    assert!(
        out.starts_with("would roll back checkout: v1 100% (back from v2)\n"),
        "{error}"
    );
    let (_, error) = place.run(&clone, &["rollback", "checkout", "--name", "other"]);
    assert!(
        error.contains("all the same: cutwater rollback checkout VERSION --name other\n"),
        "{error}"
    );
}

#[test]
fn a_file_that_was_copied_for_another_app_and_kept_the_name_is_refused_alone() {
    let place = Place::new();
    let clone = place.shop.clone_dir();
    place.make(&Case {
        branch: &["1", "2"],
        ..USUAL
    });
    let copied = deployment("1").replace("app: checkout", "app: pay");
    let mut stream = String::new();
    let change = format!(
        "from refs/heads/main^0\n{}",
        inline("releases/pay.yaml", &copied)
    );
    let main = "refs/heads/main";
    commit(&mut stream, main, 1_790_000_900, "Copy it\n", &change);
    place.import(&stream);
    for args in [&["deploy", "pay", "v2"][..], &["rollback", "pay", "v2"]] {
        let (out, error) = place.run(&clone, args);
        assert_eq!(out, "", "{args:?}");
        let said = "Deployment `checkout` is in releases/checkout.yaml:1 and in releases/pay.yaml:1, so no change of it is served";
        assert!(error.contains(said), "{args:?}: {error}");
    }
    // The one that has its app's name is there as it was.
    let (out, error) = place.run(&clone, &["rollback", "checkout"]);
    assert_eq!(out, "rolled back checkout: v1 100% (back from v2)\n");
    let said = "releases/pay.yaml:1 says Deployment `checkout` too, for app `pay`";
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_clone_that_does_not_hold_everything_knows_all_the_same() {
    let place = Place::new();
    let history = Case {
        branch: &["1", "+other", "2", "3", "note"],
        rollback: &["v2 100% (back from v3)"],
        list: "3, 2, 1",
        ..USUAL
    };
    // One that was made before the newest two releases.
    place.make(&Case {
        branch: &["1", "+other"],
        ..USUAL
    });
    let runner = place.clone("runner", &["--filter=blob:none"]);
    place.make(&history);
    place.shop.git(&runner, &["fetch", "-q"]);
    place
        .shop
        .git(&runner, &["reset", "-q", "--hard", "origin/main"]);
    place.check(
        &runner,
        &Case {
            name: "blobless, and older",
            ..history
        },
    );
    for (name, args) in [
        ("shallow", &["--depth=1"][..]),
        ("blobless", &["--filter=blob:none"]),
        ("treeless", &["--filter=tree:0", "--no-checkout"]),
        ("sparse", &["--filter=blob:none", "--sparse"]),
        ("bothwise", &["--filter=blob:none", "--depth=1"]),
    ] {
        let dir = place.clone(name, args);
        place.check(&dir, &Case { name, ..history });
        // What is in versions is fetched too.
        let (out, error) = place.run(&dir, &["versions", "files", "checkout", "v1"]);
        assert!(out.contains("app.yaml"), "{name}: {error}");
        let (out, error) = place.run(&dir, &["versions", "diff", "checkout", "v1", "v2"]);
        assert!(out.contains("-    image:"), "{name}: {out}{error}");
        let (out, error) = place.run(&dir, &["versions", "publish", "checkout", "--dry-run"]);
        assert!(out.contains("checkout"), "{name}: {out}{error}");
        let (out, error) = place.run(&dir, &["rollback", "checkout", "v1"]);
        assert_eq!(
            out, "rolled back checkout: v1 100% (back from v3)\n",
            "{name}: {error}"
        );
        place.make(&history);
    }
    // Older commits are fetched only where they may decide.
    let dir = place.clone("near", &["--depth=4"]);
    let border = fs::read_to_string(dir.join(".git/shallow")).unwrap();
    let (out, error) = place.run(&dir, &["rollback", "checkout", "--dry-run"]);
    let first = "would roll back checkout: v2 100% (back from v3)\n";
    assert!(out.starts_with(first), "{error}");
    assert_eq!(
        fs::read_to_string(dir.join(".git/shallow")).unwrap(),
        border
    );
    // Commits between what is here and what the ledger has are not passed over.
    place.make(case("a ledger that is behind"));
    let dir = place.clone("behind", &["--depth=2"]);
    place.check(&dir, case("a ledger that is behind"));
    let dir = place.clone("behind it", &["--depth=2"]);
    fs::write(dir.join(".git/shallow.lock"), "").unwrap();
    let (out, error) = place.run(&dir, &["rollback", "checkout", "--dry-run"]);
    assert_eq!(out, "");
    assert!(
        error.contains("not known what was deployed before: this clone is shallow"),
        "{error}"
    );
    place.make(&history);
    // Where it cannot be fetched, that is said.
    let dir = place.clone("cut", &["--depth=1"]);
    fs::write(dir.join(".git/shallow.lock"), "").unwrap();
    let (out, error) = place.run(&dir, &["rollback", "checkout", "--dry-run"]);
    assert_eq!(out, "");
    assert!(
        error.contains(
            "what was deployed before: this clone is shallow, and older commits cannot be fetched"
        ),
        "{error}"
    );
    assert!(
        error.contains(
            "`git fetch --unshallow` brings them; never had all of it, as far as is known: v2, v1, v4; to go to one"
        ),
        "{error}"
    );
    let (listed, error) = place.run(&dir, &["deployments", "list", "checkout"]);
    assert!(
        !listed.contains("note") && error.contains("is shallow"),
        "{listed}{error}"
    );
}
