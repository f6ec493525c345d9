//! `cutwater versions delete`: tombstones, users who hold a version back, and others at work at the same time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value as Json;

use super::shop::{Shop, app_with_image, digest, text};

/// A Deployment of the shop's app.
pub(super) fn deployment(versions: &[(&str, &str)]) -> String {
    let list: Vec<String> = (versions.iter())
        .map(|(version, share)| format!("  - {{version: {version}, percentage: {share}}}\n"))
        .collect();
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n{}",
        list.concat()
    )
}

/// An Alias of the shop's app.
pub(super) fn alias(name: &str, version: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{app: checkout, repository: shop, version: {version}}}\n"
    )
}

/// A shop with `count` versions, v1 the first.
pub(super) fn shop_with(count: usize) -> Shop {
    let shop = Shop::new();
    for n in 1..=count {
        let image = format!("web={}", digest(&format!("{n:x}")));
        shop.publish(&["--image", &image, "--message", &format!("Number {n}")]);
    }
    shop
}

/// Pushes what is committed to a branch of the remote.
pub(super) fn push(shop: &Shop, branch: &str) {
    let target = format!("HEAD:refs/heads/{branch}");
    shop.git(&shop.clone_dir(), &["push", "-q", "-f", "origin", &target]);
}

/// One more record in the ledger of an environment, as somebody else would write it.
pub(super) fn record(shop: &Shop, environment: &str, sequence: u64, shares: &[(&str, &str)]) {
    record_of(shop, environment, sequence, shares, "");
}

/// The same, of a commit that asked for it, where one is named.
pub(super) fn record_of(
    shop: &Shop,
    environment: &str,
    sequence: u64,
    shares: &[(&str, &str)],
    commit: &str,
) {
    let release = match commit {
        "" => String::new(),
        commit => format!("releaseCommit: {commit}\n"),
    };
    let remote = shop.remote();
    let versions: Vec<String> = (shares.iter())
        .map(|(version, share)| {
            let tag = format!("checkout/{version}");
            let number = version.trim_start_matches('v');
            let commit = shop.rev(&remote, &tag);
            let tree = shop.rev(&remote, &format!("{tag}^{{tree}}"));
            format!(
                "- {{version: {number}, percentage: {share}, commit: {commit}, tree: {tree}}}\n"
            )
        })
        .collect();
    let yaml = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Served\napp: checkout\nenvironment: {environment}\nsequence: {sequence}\nat: 2026-11-2{sequence}T06:00:00Z\nauthor: Grace\nmessage: Change {sequence}\n{release}versions:\n{}",
        versions.concat()
    );
    commit_record(shop, environment, &yaml);
}

/// A commit in a ledger with this file.
pub(super) fn commit_record(shop: &Shop, environment: &str, yaml: &str) {
    let remote = shop.remote();
    let file = shop.dir.path().join("record.yaml");
    fs::write(&file, yaml).unwrap();
    let blob = shop.git(&remote, &["hash-object", "-w", file.to_str().unwrap()]);
    let listing = format!("100644 blob {}\tdeployment.yaml\n", blob.trim());
    fs::write(&file, listing).unwrap();
    let mut mktree = shop.sealed("git", &remote);
    mktree.arg("mktree").stdin(fs::File::open(&file).unwrap());
    let tree = text(&mktree.output().unwrap().stdout);
    let name = format!("refs/cutwater/checkout/deployments/{environment}");
    let mut args = vec!["commit-tree", "-m", "Served", tree.trim()];
    if shop.refs().contains(&name) {
        args.extend(["-p", &name]);
    }
    let commit = shop.git(&remote, &args);
    shop.git(&remote, &["update-ref", &name, commit.trim()]);
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_deleted_version_is_a_tombstone_and_its_number_never_comes_back() {
    let shop = shop_with(2);
    let remote = shop.remote();
    shop.git(&remote, &["tag", "checkout/first", "checkout/v1"]);
    let delete = [
        "versions",
        "delete",
        "checkout",
        "v1",
        "-m",
        "It loses orders",
    ];
    let said = shop.ok(&[&delete[..], &["--dry-run"]].concat());
    assert!(
        said.starts_with("would delete checkout v1 (g") && said.ends_with("Number 1\n"),
        "{said}"
    );
    assert!(shop.ok(&["versions", "list"]).contains("Number 1"));

    let said = shop.ok(&[&delete[..], &["--yes"]].concat());
    assert!(said.starts_with("deleted checkout v1 (g"), "{said}");
    assert_eq!(shop.git(&remote, &["ls-tree", "-r", "checkout/v1"]), "");
    let log = shop.git(&remote, &["log", "--format=%P|%an|%B", "checkout/v1"]);
    assert!(
        log.starts_with("|Ada Lovelace|checkout v1: It loses orders\n"),
        "{log}"
    );
    assert!(log.contains("\nCutwater-Deleted: true"), "{log}");
    let ids = shop
        .refs()
        .into_iter()
        .filter(|name| name.contains("/ids/"));
    assert_eq!(ids.count(), 1, "the hint is gone");

    let list = shop.ok(&["versions", "list"]);
    assert!(
        list.contains("v1       deleted") && list.contains("It loses orders"),
        "{list}"
    );
    // The label says why, and so does a second try.
    for word in ["v1", "first"] {
        let said = shop.ok(&["versions", "delete", "checkout", word, "--yes"]);
        assert!(
            said.starts_with("checkout v1 was deleted before, by Ada Lovelace at")
                && said.ends_with(": It loses orders\n"),
            "{said}"
        );
        assert!(
            shop.ok(&["versions", "view", "checkout", word])
                .contains("It loses orders")
        );
    }
    let image = format!("web={}", digest("1"));
    // And it is free for another version.
    assert_eq!(
        shop.publish(&["--image", &image, "--label", "first"])
            .lines()
            .nth(1),
        Some("moved checkout v3 first (from v1)")
    );
    shop.git(&remote, &["fsck", "--full", "--strict"]);
}

#[test]
fn a_version_in_releases_of_any_branch_stays_and_every_user_is_named() {
    let shop = shop_with(5);
    shop.git(&shop.remote(), &["tag", "checkout/spring", "checkout/v3"]);
    let v4 = shop.rev(&shop.remote(), "checkout/v4^{tree}");
    shop.commit(
        "releases/checkout.yaml",
        deployment(&[("v1", "90"), ("2", "10")]),
    );
    push(&shop, "main");
    shop.commit("releases/eu/alias.yml", alias("prod", "spring"));
    shop.commit(
        "releases/eu/test.yaml",
        alias("test", &format!("g{}", &v4[..9])),
    );
    push(&shop, "feature/eu");
    let users = |word: &str| {
        let output = shop.run(&["versions", "delete", "checkout", word, "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{word}");
        text(&output.stderr)
    };
    for word in ["1", "2"] {
        let error = users(word);
        for branch in ["main", "feature/eu"] {
            let user =
                format!("Deployment checkout in releases/checkout.yaml:1 of branch {branch}");
            assert!(error.contains(&user), "{word}: {error}");
        }
    }
    let error = users("v3");
    assert!(
        error.contains("Alias prod in releases/eu/alias.yml:1 of branch feature/eu (100%)"),
        "{error}"
    );
    assert!(error.lines().count() == 2, "{error}");
    assert!(users("v4").contains("Alias test"));
    // Several at once: each is told, and what can go goes.
    let output = shop.run(&[
        "versions", "delete", "checkout", "5", "1", "v5", "nope", "--yes",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("deleted checkout v5 (g"));
    let error = text(&output.stderr);
    assert!(
        error.contains("checkout v1 is in use") && error.contains("has no version `nope`"),
        "{error}"
    );
    let output = shop.run(&[
        "versions", "delete", "checkout", "5", "1", "--yes", "--json",
    ]);
    let printed = json(&text(&output.stdout));
    assert_eq!(printed["results"][0]["outcome"], "alreadyDeleted");
    assert_eq!(printed["results"][1]["outcome"], "inUse");
    assert_eq!(
        printed["results"][1]["users"][0]["file"],
        "releases/checkout.yaml"
    );
    // The branch is gone at the remote: so are its users.
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", ":feature/eu"]);
    assert!(
        shop.ok(&["versions", "delete", "checkout", "spring", "--yes"])
            .starts_with("deleted checkout v3")
    );
}

#[test]
fn releases_that_cannot_be_read_hold_every_version_of_the_app_back() {
    let shop = shop_with(1);
    shop.commit("releases/pay.yaml", "app: pay\n: : :\n");
    push(&shop, "main");
    let group = "kustomize.config.k8s.io/v1beta1";
    let foreign = format!("apiVersion: {group}\nkind: Kustomization\nresources: [checkout.yaml]\n");
    shop.commit("releases/kustomization.yaml", foreign);
    push(&shop, "main");
    let output = shop.run(&["versions", "delete", "checkout", "1", "--dry-run"]);
    assert!(text(&output.stdout).starts_with("would delete"));
    let said = text(&output.stderr);
    assert!(!said.contains("Warning:"), "others are no concern: {said}");
    let status = shop.run(&["deployments", "status", "checkout"]);
    let word = format!("releases/kustomization.yaml:1: `Kustomization` of `{group}`");
    assert!(
        text(&status.stderr).contains(&word),
        "{}",
        text(&status.stderr)
    );
    // kubectl takes JSON, so its users count.
    let user = r#"{"apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias", "metadata": {"name": "prod"},
	"spec": {"app": "checkout", "repository": "shop", "version": 1}}"#;
    shop.commit("releases/prod.json", user);
    push(&shop, "json");
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(
        error.contains("Alias prod in releases/prod.json:1 of branch json"),
        "{error}"
    );
    shop.git(&shop.clone_dir(), &["rm", "-q", "releases/prod.json"]);
    shop.commit("releases/broken.yaml", deployment(&[("1", "50")]));
    push(&shop, "old");
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(
        error.contains("releases/broken.yaml:8:5: spec.versions: the percentages total 50"),
        "{error}"
    );
    assert!(
        error.contains("(branch old)") && !error.contains("pay.yaml"),
        "{error}"
    );
    fs::remove_file(shop.clone_dir().join("releases/broken.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", shop.clone_dir().join("releases/link.yaml")).unwrap();
    shop.commit_all();
    push(&shop, "old");
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(error.contains("releases/link.yaml: is a link"), "{error}");
    assert!(shop.ok(&["versions", "list"]).contains("Number 1"));
}

#[test]
fn what_an_environment_served_last_stays() {
    let shop = shop_with(2);
    record(&shop, "prod", 1, &[("v1", "100")]);
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(
        error.contains("environment prod, by its ledger (1) (100%)"),
        "{error}"
    );
    record(&shop, "prod", 2, &[("v2", "100")]);
    shop.ok(&["versions", "delete", "checkout", "1", "--yes"]);
    commit_record(&shop, "prod", "kind: Nonsense\n");
    let error = shop.refused(&["versions", "delete", "checkout", "2", "--yes"]);
    assert!(
        error.contains("the ledger of prod cannot be read"),
        "{error}"
    );
}

#[test]
fn nothing_is_deleted_where_nobody_can_say_yes() {
    let shop = shop_with(1);
    let output = shop.run(&["versions", "delete", "checkout", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--yes"));
    let remote = shop.remote();
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/tags/checkout/v7"],
    );
    let before = shop.rev(&remote, "checkout/v7");
    let error = shop.refused(&["versions", "delete", "checkout", "7", "--yes"]);
    assert!(
        error.contains("tag `checkout/v7` is not a version that Cutwater published"),
        "{error}"
    );
    assert_eq!(shop.rev(&remote, "checkout/v7"), before);
    let hook = remote.join("hooks/pre-receive");
    fs::write(&hook, "#!/bin/sh\necho 'tags are protected' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(
        error.contains("refused to move its tag") && error.contains("tags are protected"),
        "{error}"
    );
}

#[test]
fn a_user_who_comes_while_it_is_deleted_gets_it_back() {
    let shop = shop_with(2);
    let remote = shop.remote();
    shop.commit("releases/checkout.yaml", deployment(&[("2", "100")]));
    push(&shop, "waiting");
    // The moment the tag moves, somebody merges what uses it.
    let hook = remote.join("hooks/post-receive");
    let script = "#!/bin/sh\ngrep -q refs/tags/checkout/v2 || exit 0\n[ -e merged ] && exit 0\n\
        touch merged\ngit update-ref refs/heads/main kept\n";
    let kept = shop.rev(&remote, "refs/heads/waiting");
    shop.git(&remote, &["update-ref", "refs/kept", &kept]);
    shop.git(&remote, &["update-ref", "-d", "refs/heads/waiting"]);
    fs::write(&hook, script.replace("kept", &kept)).unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let before = shop.rev(&remote, "checkout/v2");
    let error = shop.refused(&["versions", "delete", "checkout", "2", "--yes"]);
    assert!(
        error.contains("somebody began to use it while it was being deleted, and it is back"),
        "{error}"
    );
    assert!(
        error.contains("releases/checkout.yaml:1 of branch main"),
        "{error}"
    );
    assert!(remote.join("merged").exists(), "the hook ran");
    assert_eq!(shop.rev(&remote, "checkout/v2"), before);
    let tree = shop.rev(&remote, "checkout/v2^{tree}");
    assert_eq!(
        shop.rev(&remote, &format!("refs/cutwater/checkout/ids/{tree}")),
        before
    );
}

#[test]
fn racing_deleters_and_publishers_agree() {
    let shop = shop_with(4);
    let remote = shop.remote();
    for atomic in ["true", "false"] {
        shop.git(&remote, &["config", "receive.advertiseAtomic", atomic]);
        let word = if atomic == "true" {
            ["1", "2"]
        } else {
            ["3", "4"]
        };
        let clone = |n: usize| {
            let dir = shop.dir.path().join(format!("{atomic}{n}"));
            let target = dir.to_str().unwrap().to_owned();
            shop.git(shop.dir.path(), &["clone", "-q", "clone", &target]);
            shop.git(&dir, &["remote", "set-url", "origin", "../remote.git"]);
            dir
        };
        let clones: Vec<_> = (0..8).map(clone).collect();
        let racers: Vec<_> = (clones.iter().enumerate())
            .map(|(n, dir)| {
                let image = format!("web={}", digest(&format!("{n:x}")).replace("acme", atomic));
                let args: Vec<&str> = if n < 4 {
                    vec!["versions", "delete", "checkout", word[0], word[1], "--yes"]
                } else {
                    vec!["versions", "publish", "checkout", "--image", &image]
                };
                let mut command = shop.command_in(dir, &args);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let mut deleted = 0;
        for (n, racer) in racers.into_iter().enumerate() {
            let output = racer.wait_with_output().unwrap();
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{n}: {out}{err}");
            deleted += out.matches("deleted checkout v").count();
            if n < 4 {
                assert_eq!(out.lines().count(), 2, "{out}");
            }
        }
        assert_eq!(deleted, 2, "each version is deleted by one of them");
    }
    let list = json(&shop.ok(&["versions", "list", "--json", "--limit", "0"]));
    let states: Vec<(u64, &str)> = (list["versions"].as_array().unwrap().iter())
        .map(|v| (v["number"].as_u64().unwrap(), v["state"].as_str().unwrap()))
        .collect();
    let expected: Vec<(u64, &str)> = (1..=12)
        .rev()
        .map(|n| (n, if n <= 4 { "deleted" } else { "living" }))
        .collect();
    assert_eq!(states, expected);
    let ids = shop
        .refs()
        .into_iter()
        .filter(|name| name.contains("/ids/"));
    assert_eq!(ids.count(), 8);
    shop.git(&remote, &["fsck", "--full", "--strict"]);
    // What is published after all of it takes the next number.
    shop.commit("apps/checkout/app.yaml", app_with_image("0"));
    assert!(shop.publish(&[]).starts_with("published checkout v13"));
}

#[test]
fn without_a_terminal_the_words_are_looked_at_before_a_flag_is_asked_for() {
    let shop = shop_with(1);
    for (words, said) in [
        (["checkut", "1"], "there is no app `checkut`"),
        (["checkout", "5"], "has no version"),
    ] {
        let error = shop.refused(&[&["versions", "delete"], &words[..]].concat());
        assert!(error.contains(said) && !error.contains("--yes"), "{error}");
    }
    let output = shop.run(&["versions", "delete", "checkout", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("then delete with --yes"));
}

#[test]
fn no_answer_at_a_terminal_deletes_nothing_and_ends_the_line() {
    let shop = shop_with(1);
    let line = format!(
        "{} versions delete checkout v1",
        env!("CARGO_BIN_EXE_cutwater")
    );
    let output = shop
        .sealed("script", &shop.clone_dir())
        .env("NO_COLOR", "1")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script is there (apt-get install util-linux)");
    assert_eq!(output.status.code(), Some(1));
    let seen = text(&output.stdout);
    assert!(
        seen.contains("Delete 1 version of checkout? [y/N] "),
        "{seen:?}"
    );
    assert!(seen.contains("\nError: nothing was deleted"), "{seen:?}");
    assert!(shop.ok(&["versions", "list"]).contains("Number 1"));
}

#[test]
fn a_hook_that_refuses_is_heard_with_what_to_do() {
    let shop = shop_with(1);
    shop.hook("update", "echo 'tags are closed on fridays' >&2; exit 1");
    let error = shop.refused(&["versions", "delete", "checkout", "1", "--yes"]);
    assert!(
        error.contains("tags are closed on fridays") && error.contains("(a rule of the server: "),
        "{error}"
    );
}
