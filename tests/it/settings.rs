//! `cutwater.yaml`: where it is read, what goes before it, and what is said about a wrong one.

use super::delete::{deployment, push, shop_with};
use super::shop::{Shop, app_with_image, text};

const HEAD: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\n";

fn shop(settings: &str) -> Shop {
    let shop = Shop::new();
    shop.commit("cutwater.yaml", format!("{HEAD}{settings}"));
    shop
}

#[test]
fn apps_are_where_the_settings_say() {
    let shop = shop("apps: services/live\n");
    let error = shop.refused(&["versions", "publish", "checkout"]);
    assert!(
        error.contains("there is no services/live/checkout/app.yaml"),
        "{error}"
    );
    shop.commit("services/live/checkout/app.yaml", app_with_image("2"));
    shop.ok(&["versions", "publish"]);
    assert_eq!(
        shop.rev(&shop.remote(), "checkout/v1^{tree}"),
        shop.rev(&shop.clone_dir(), "HEAD:services/live/checkout")
    );
    let inside = shop.clone_dir().join("services/live/checkout");
    let output = shop
        .command_in(&inside, &["versions", "view", "v1"])
        .output();
    assert!(
        output.unwrap().status.success(),
        "the app is found from its folder"
    );
}

#[test]
fn the_flag_goes_before_the_variable_and_that_before_the_settings() {
    let shop = shop("remote: upstream\n");
    let list = ["versions", "list", "checkout"];
    let error = shop.refused(&list);
    assert!(
        error.contains("remote `upstream`: is not there; there are: origin"),
        "{error}"
    );
    let mut command = shop.command_in(&shop.clone_dir(), &list);
    let output = command.env("CUTWATER_REMOTE", "origin").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut command = shop.command_in(
        &shop.clone_dir(),
        &[&list[..], &["--remote", "origin"]].concat(),
    );
    let output = command.env("CUTWATER_REMOTE", "nowhere").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_wrong_setting_is_said_with_its_place_and_nothing_is_done() {
    let shop = shop("limits: {files: 1Mi}\n");
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("cutwater.yaml:3:10: limits.files: unknown field; did you mean `file`?"),
        "{error}"
    );
    assert_eq!(shop.refs(), Vec::<String>::new());
}

#[test]
fn limits_of_sizes_are_kept() {
    let shop = shop("limits: {file: 1Ki, snapshot: 2Ki}\n");
    shop.commit("apps/checkout/big", "x".repeat(1025));
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("`big` has 1025 bytes; at most 1024"),
        "{error}"
    );
    shop.commit("apps/checkout/big", "x".repeat(1000));
    shop.commit("apps/checkout/more", "y".repeat(1000));
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("past 2048 bytes (limits.snapshot"),
        "{error}"
    );
}

#[test]
fn a_bare_repository_has_the_settings_of_its_head() {
    let shop = shop("apps: services\n");
    shop.commit("services/checkout/app.yaml", app_with_image("3"));
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "--bare", "clone", "bare.git"],
    );
    let bare = shop.dir.path().join("bare.git");
    let remote = shop.remote().display().to_string();
    shop.git(&bare, &["remote", "set-url", "origin", &remote]);
    let output = shop
        .command_in(&bare, &["versions", "publish", "checkout"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(shop.refs().contains(&"refs/tags/checkout/v1".to_owned()));
}

/// A shop with two versions that is released in another branch and another folder than usual, and in the usual ones too.
fn released_elsewhere() -> Shop {
    let shop = shop_with(2);
    for folder in ["releases", "deploy"] {
        let file = format!("{folder}/checkout.yaml");
        shop.commit(&file, deployment(&[("v1", "100")]));
    }
    let filter = ["config", "uploadpack.allowFilter", "true"];
    shop.git(&shop.remote(), &filter);
    let settings = format!("{HEAD}branch: production\nreleases: deploy\n");
    shop.commit("cutwater.yaml", settings);
    for branch in ["main", "production"] {
        push(&shop, branch);
    }
    shop
}

#[test]
fn a_clone_without_the_file_has_the_settings_of_its_head() {
    let shop = released_elsewhere();
    let remote = shop.remote();
    let main = shop.rev(&remote, "main");
    let from = format!("file://{}", remote.display());
    let clones = [
        ("bare", &["--no-checkout"][..]),
        ("blobless", &["--no-checkout", "--filter=blob:none"]),
        ("treeless", &["--no-checkout", "--filter=tree:0"]),
        ("sparse", &["--sparse", "--filter=blob:none"]),
        ("deleted", &[]),
    ];
    for (count, (name, how)) in clones.into_iter().enumerate() {
        let clone = [&["clone", "-q", "-b", "main"], how, &[&from, name]].concat();
        shop.git(shop.dir.path(), &clone);
        let clone = shop.dir.path().join(name);
        if name == "sparse" {
            shop.git(&clone, &["sparse-checkout", "set", "--no-cone", "/apps/"]);
        }
        if name == "deleted" {
            std::fs::remove_file(clone.join("cutwater.yaml")).unwrap();
        }
        assert!(!clone.join("cutwater.yaml").exists(), "{name}");
        let run = |words: &[&str]| {
            let output = shop.command_in(&clone, words).output().unwrap();
            (text(&output.stdout), text(&output.stderr))
        };
        let before = shop.rev(&remote, "production");
        let share = format!("v2={}", count + 1);
        let (out, error) = run(&["deploy", "checkout", "v1", &share]);
        assert!(out.starts_with("deployed checkout"), "{name}: {error}");
        assert_eq!(shop.rev(&remote, "main"), main, "{name}");
        assert_eq!(shop.rev(&remote, "production^"), before, "{name}");
        let changed = ["diff", "--name-only", "production^", "production"];
        assert_eq!(shop.git(&remote, &changed), "deploy/checkout.yaml\n");
        let (_, error) = run(&["versions", "delete", "checkout", "v1", "--yes"]);
        assert!(error.contains("is in use"), "{name}: {error}");
    }
}

#[test]
fn a_clone_that_is_behind_the_settings_changes_nothing() {
    let shop = released_elsewhere();
    shop.git(&shop.clone_dir(), &["reset", "-q", "--hard", "HEAD~1"]);
    let before = shop.git(&shop.remote(), &["for-each-ref"]);
    for words in [
        &["deploy", "checkout", "v2"][..],
        &["rollback", "checkout", "v2"],
        &["versions", "delete", "checkout", "v2", "--yes"],
    ] {
        let error = shop.refused(words);
        assert!(
            error.contains(
                "cutwater.yaml of branch `main` at remote `origin` says `branch: production`, and for this clone it is `main`; pull, or correct one of the two"
            ),
            "{words:?}: {error}"
        );
    }
    assert_eq!(shop.git(&shop.remote(), &["for-each-ref"]), before);
}

#[test]
fn a_directory_that_is_not_there_and_a_clone_without_a_commit_are_said_to_be_so() {
    let shop = shop("");
    let error = shop.refused(&["-C", "/nonexist", "versions", "list"]);
    assert!(
        error.contains("directory /nonexist: does not exist"),
        "{error}"
    );
    let (dir, remote) = (shop.dir.path(), shop.remote());
    shop.git(dir, &["init", "-q", "fresh"]);
    let fresh = dir.join("fresh");
    shop.git(
        &fresh,
        &["remote", "add", "origin", remote.to_str().unwrap()],
    );
    let said = |args: &[&str]| {
        let output = shop.command_in(&fresh, args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let error = said(&["versions", "list"]);
    assert!(
        error.contains("nothing in it; commit first") && !error.contains("--ref"),
        "{error}"
    );
    let error = said(&["versions", "publish"]);
    assert!(
        error.contains("--ref COMMIT names another commit"),
        "{error}"
    );
}
