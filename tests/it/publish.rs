//! `cutwater versions publish`, `list` and `view`: the real program, real clones, real bare repositories, no network.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::shop::{APP, Shop, app_with_image, digest, text};

#[test]
fn a_version_is_a_tag_on_a_commit_without_parents_with_the_very_tree_of_the_directory() {
    let shop = Shop::new();
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let head = shop.rev(&shop.clone_dir(), "HEAD");
    assert_eq!(
        shop.publish(&[]),
        format!("published checkout v1 (g{})\n", &tree[..12])
    );
    assert_eq!(
        shop.refs(),
        [
            format!("refs/cutwater/checkout/ids/{tree}"),
            "refs/cutwater/checkout/last".to_owned(),
            "refs/tags/checkout/v1".to_owned()
        ]
    );
    let remote = shop.remote();
    assert_eq!(shop.rev(&remote, "checkout/v1^{tree}"), tree);
    assert_eq!(
        shop.git(&remote, &["log", "--format=%P|%an|%ae", "checkout/v1"]),
        "|Ada Lovelace|ada@example.com\n"
    );
    let message = shop.git(&remote, &["log", "-1", "--format=%B", "checkout/v1"]);
    let (message, nonce) = message.trim().rsplit_once('\n').unwrap();
    assert!(nonce.starts_with("Cutwater-Nonce: "), "{nonce}");
    assert_eq!(
        message,
        format!(
            "checkout v1: Change the shop\n\nCutwater-App: checkout\nCutwater-Version: 1\nCutwater-Source: cli\nCutwater-Source-Commit: {head}"
        )
    );
    // The person's own tags and branches are not touched.
    assert_eq!(shop.git(&shop.clone_dir(), &["tag"]), "");
    shop.git(&remote, &["fsck", "--full", "--strict"]);
}

#[test]
fn the_same_content_is_unchanged_and_new_content_takes_the_next_number() {
    let shop = Shop::new();
    shop.publish(&[]);
    let again = shop.publish(&[]);
    assert!(again.starts_with("unchanged checkout v1 (g"), "{again}");
    shop.commit("README.md", "not part of the app");
    assert!(shop.publish(&[]).starts_with("unchanged checkout v1"));
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    assert!(
        shop.publish(&["--dry-run"])
            .starts_with("would publish checkout v2")
    );
    assert!(shop.publish(&[]).starts_with("published checkout v2"));
    assert!(
        shop.publish(&["--ref", "HEAD~1"])
            .starts_with("unchanged checkout v1")
    );
    let list: Json = serde_json::from_str(&shop.ok(&["versions", "list", "--json"])).unwrap();
    let numbers: Vec<_> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["number"].clone())
        .collect();
    assert_eq!(numbers, [2, 1]);
}

#[test]
fn a_label_is_added_to_new_and_old_versions_and_never_moves() {
    let shop = Shop::new();
    shop.publish(&["--label", "v1.0.0"]);
    let again = shop.publish(&["--label", "spring-sale"]);
    assert!(
        again.ends_with("labelled checkout v1 spring-sale\n"),
        "{again}"
    );
    assert!(
        shop.publish(&["--label", "v1.0.0"])
            .starts_with("unchanged checkout v1")
    );
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    let error = shop.refused(&["versions", "publish", "--label", "v1.0.0"]);
    assert!(
        error.contains("label `v1.0.0` of `checkout` names v1 already"),
        "{error}"
    );
    assert!(!shop.refs().contains(&"refs/tags/checkout/v2".to_owned()));
    let view: Json =
        serde_json::from_str(&shop.ok(&["versions", "view", "spring-sale", "--json"])).unwrap();
    assert_eq!(view["number"], 1);
    assert_eq!(view["labels"], serde_json::json!(["spring-sale", "v1.0.0"]));
}

#[test]
fn an_image_goes_into_the_version_and_not_into_the_branch() {
    let shop = Shop::new();
    shop.commit("apps/checkout/app.yaml", APP);
    shop.commit("apps/checkout/public/index.html", "<h1>hi</h1>");
    let head = shop.rev(&shop.clone_dir(), "HEAD");
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("apps/checkout/app.yaml:7:5: spec.functions[0].image: is missing"),
        "{error}"
    );
    let image = format!("web={}", digest("3"));
    shop.publish(&["--image", &image]);
    let file = shop.git(&shop.remote(), &["show", "checkout/v1:app.yaml"]);
    let expected = APP.replace(
        "# takes the orders\n",
        &format!("# takes the orders\n    image: {}\n", digest("3")),
    );
    assert_eq!(file, expected);
    assert_eq!(shop.rev(&shop.clone_dir(), "HEAD"), head);
    assert_eq!(shop.git(&shop.clone_dir(), &["status", "--porcelain"]), "");
    assert_eq!(
        shop.rev(&shop.remote(), "checkout/v1:public"),
        shop.rev(&shop.clone_dir(), "HEAD:apps/checkout/public")
    );
    assert!(
        shop.publish(&["--image", &image])
            .starts_with("unchanged checkout v1")
    );
    let error = shop.refused(&[
        "versions",
        "publish",
        "--image",
        &image.replace("web", "wep"),
    ]);
    assert!(error.contains("wep") && error.contains("web"), "{error}");
    let output = shop.run(&["versions", "publish", "--image", "web=r/x:latest"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_version_without_images_is_for_one_machine_and_says_so() {
    let shop = Shop::new();
    let local = format!("{APP}    local: {{command: [python3, server.py]}}\n");
    shop.commit("apps/checkout/app.yaml", &local);
    let main = ["push", "-q", "origin", "HEAD:main"];
    shop.git(&shop.clone_dir(), &main);
    let output = shop.run(&["versions", "publish"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stderr).trim(),
        "Hint: v1 has no image for `web`: it runs with `cutwater serve`, and in no cluster (--image gives one)"
    );
    // With an image it is another version, of which nothing is to be said.
    let output = shop.run(&[
        "versions",
        "publish",
        "--image",
        &format!("web={}", digest("3")),
    ]);
    assert!(text(&output.stdout).starts_with("published checkout v2"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_tag_deleted_by_hand_does_not_free_its_number() {
    let shop = Shop::new();
    shop.publish(&[]);
    shop.git(
        &shop.remote(),
        &["update-ref", "-d", "refs/tags/checkout/v1"],
    );
    assert!(shop.publish(&[]).starts_with("published checkout v2"));
    // Hints that lie are ignored and healed.
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let hint = format!("refs/cutwater/checkout/ids/{tree}");
    shop.git(
        &shop.remote(),
        &["update-ref", &hint, "refs/tags/checkout/v2"],
    );
    assert!(shop.publish(&[]).starts_with("published checkout v3"));
    assert_eq!(
        shop.rev(&shop.remote(), &hint),
        shop.rev(&shop.remote(), "checkout/v3")
    );
    shop.git(
        &shop.remote(),
        &["update-ref", &hint, "refs/tags/checkout/v2"],
    );
    assert!(shop.publish(&[]).starts_with("unchanged checkout v3"));
    assert_eq!(
        shop.rev(&shop.remote(), &hint),
        shop.rev(&shop.remote(), "checkout/v3")
    );
}

#[test]
fn a_foreign_tag_spends_its_number_and_is_listed() {
    let shop = Shop::new();
    shop.git(
        &shop.clone_dir(),
        &[
            "push",
            "-q",
            "origin",
            "HEAD:refs/tags/checkout/v7",
            "HEAD:refs/tags/checkout/v20240101",
        ],
    );
    shop.git(&shop.clone_dir(), &["tag", "-a", "-m", "x", "checkout/v8"]);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "refs/tags/checkout/v8"],
    );
    assert!(shop.publish(&[]).starts_with("published checkout v9"));
    let list = shop.ok(&["versions", "list"]);
    assert!(
        list.contains("v8       foreign") && list.contains("v7       foreign"),
        "{list}"
    );
}

#[test]
fn a_server_without_atomic_pushes_gets_the_tag_first() {
    let shop = Shop::new();
    shop.git(
        &shop.remote(),
        &["config", "receive.advertiseAtomic", "false"],
    );
    assert!(
        shop.publish(&["--label", "first"])
            .starts_with("published checkout v1")
    );
    assert_eq!(shop.refs().len(), 4, "{:?}", shop.refs());
    assert!(shop.publish(&[]).starts_with("unchanged checkout v1"));
}

#[test]
fn a_lock_that_a_dead_process_left_at_a_path_remote_is_named() {
    let shop = Shop::new();
    let lock = shop.remote().join("refs/tags/checkout/v1.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    let error = shop.refused(&["versions", "publish"]);
    assert!(error.contains("refs/tags/checkout/v1.lock"), "{error}");
    assert!(lock.exists(), "it is never removed in silence");
    fs::remove_file(&lock).unwrap();
    assert!(shop.publish(&[]).starts_with("published checkout v1"));
}

#[test]
fn a_refusal_of_the_server_is_told_in_its_own_words() {
    let shop = Shop::new();
    shop.hook(
        "pre-receive",
        "echo 'tags are closed on fridays' >&2; exit 1",
    );
    let error = shop.refused(&["versions", "publish"]);
    assert!(error.contains("tags are closed on fridays"), "{error}");
}

type Make = Box<dyn Fn(&Path)>;

#[test]
fn what_may_not_be_in_a_snapshot_is_refused_with_its_path() {
    let link =
        |target: &'static str| move |path: &Path| std::os::unix::fs::symlink(target, path).unwrap();
    let file = |content: &'static str| move |path: &Path| fs::write(path, content).unwrap();
    let cases: Vec<(&str, Make, &str)> = vec![
        ("out", Box::new(link("../../secret")), "leads out"),
        (
            "abs",
            Box::new(link("/etc/passwd")),
            "is a link to `/etc/passwd`",
        ),
        ("loop", Box::new(link("loop")), "circle"),
        (".gitlab-ci.yml", Box::new(file("x")), "pipeline definition"),
        (
            ".gitattributes",
            Box::new(file("*.txt text\n*.sh eol=crlf\n")),
            "line 2 sets `eol=crlf`",
        ),
        (
            "big.bin",
            Box::new(file(
                "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            )),
            "Git LFS pointer",
        ),
        ("README", Box::new(file("x")), "differ only in case"),
        ("a\\b", Box::new(file("x")), "backslash"),
    ];
    for (name, make, expected) in cases {
        let shop = Shop::new();
        shop.write("apps/checkout/readme", "x");
        make(&shop.clone_dir().join("apps/checkout").join(name));
        shop.commit_all();
        let error = shop.refused(&["versions", "publish"]);
        assert!(error.contains(expected), "{name}: {error}");
        assert!(shop.refs().is_empty(), "{name}");
    }
}

#[test]
fn files_past_what_kubernetes_holds_are_refused_and_the_image_is_named() {
    let shop = Shop::new();
    let yaml = format!(
        "{}    files: {{mountPath: /app, include: [public/**]}}\n",
        app_with_image("1")
    );
    shop.commit("apps/checkout/app.yaml", yaml);
    let error = shop.refused(&["versions", "publish"]);
    assert!(error.contains("match no file"), "{error}");
    shop.commit("apps/checkout/public/a", vec![1_u8; 600 * 1024]);
    std::os::unix::fs::symlink("a", shop.clone_dir().join("apps/checkout/public/same")).unwrap();
    shop.commit_all();
    assert!(shop.publish(&[]).starts_with("published checkout v1"));
    shop.commit("apps/checkout/public/b", vec![2_u8; 600 * 1024]);
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("past 1048576 bytes") && error.contains("into the image"),
        "{error}"
    );
}

#[test]
fn the_same_content_has_the_same_id_whatever_the_environment() {
    let shop = Shop::new();
    shop.commit("apps/checkout/run.sh", "#!/bin/sh\r\necho hi\r\n");
    let id = shop.publish(&[]).split('g').next_back().unwrap().to_owned();
    let config = "[core]\n\tautocrlf = true\n\teol = crlf\n\tfileMode = false\n[push]\n\tfollowTags = true\n[fetch]\n\tprune = true\n[remote \"origin\"]\n\ttagOpt = --tags\n[url \"x\"]\n\tinsteadOf = y\n";
    fs::write(shop.dir.path().join("gitconfig"), config).unwrap();
    shop.git(shop.dir.path(), &["clone", "-q", "clone", "other"]);
    let other = shop.dir.path().join("other");
    shop.git(&other, &["remote", "set-url", "origin", "../remote.git"]);
    let script = format!(
        "umask 077; exec {} versions publish",
        env!("CARGO_BIN_EXE_cutwater")
    );
    let mut command = shop.sealed("sh", &other);
    command.args(["-c", &script]);
    let output = command
        .env("LC_ALL", "de_DE.UTF-8")
        .env("TZ", "Asia/Tokyo")
        .env("GIT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let line = text(&output.stdout);
    assert!(
        line.starts_with("unchanged checkout v1") && line.ends_with(&id),
        "{line}{}",
        text(&output.stderr)
    );
}

#[test]
fn the_app_is_found_from_the_directory_and_names_that_cannot_be_are_refused() {
    let shop = Shop::new();
    shop.commit(
        "apps/pay/app.yaml",
        app_with_image("1").replace("checkout}", "pay}"),
    );
    let output = shop.run(&["versions", "publish"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("name one of: checkout, pay"));
    let inside = shop.clone_dir().join("apps/pay");
    let output = shop
        .command_in(&inside, &["versions", "publish"])
        .output()
        .unwrap();
    assert!(
        text(&output.stdout).starts_with("published pay v1"),
        "{}",
        text(&output.stderr)
    );
    for bad in ["../x", "-x", "a-v1", "Checkout", "a/b", "refs", ""] {
        let output = shop.run(&["versions", "publish", "--", bad]);
        assert!(!output.status.success(), "{bad}");
    }
    for args in [
        ["--ref", "--upload-pack=touch x"],
        ["--remote", "ext::sh -c id"],
        ["--remote", "--exec=x"],
    ] {
        let output = shop.run(&[&["versions", "publish", "checkout"][..], &args].concat());
        assert!(!output.status.success(), "{args:?}");
    }
    let error = shop.refused(&["versions", "publish", "nope"]);
    assert!(error.contains("there are: checkout, pay"), "{error}");
}

#[test]
fn a_remote_that_is_away_or_no_repository_is_said_so() {
    let shop = Shop::new();
    shop.git(
        &shop.clone_dir(),
        &["remote", "set-url", "origin", "../gone.git"],
    );
    let error = shop.refused(&["versions", "list"]);
    assert!(
        error.contains("does not appear to be a git repository"),
        "{error}"
    );
    shop.git(&shop.clone_dir(), &["remote", "remove", "origin"]);
    let error = shop.refused(&["versions", "list"]);
    assert!(error.contains("git remote add origin"), "{error}");
}

#[test]
fn the_program_works_as_a_kubectl_plugin_and_prints_the_schema_of_app_yaml() {
    let shop = Shop::new();
    let plugin = shop.dir.path().join("kubectl-cutwater");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cutwater"), &plugin).unwrap();
    let help = shop
        .sealed(plugin.to_str().unwrap(), &shop.clone_dir())
        .args(["versions", "--help"])
        .output()
        .unwrap();
    assert!(
        text(&help.stdout).contains("Usage: kubectl cutwater versions"),
        "{}",
        text(&help.stdout)
    );
    let schema: Json = serde_json::from_str(&shop.ok(&["schema", "app"])).unwrap();
    assert_eq!(
        schema["required"],
        serde_json::json!(["apiVersion", "kind", "metadata", "spec"])
    );
}
