//! `--sign`, with a real ssh key and a real OpenPGP key.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::shop::{Shop, text};

/// The version's commit as the person's git checks it.
fn verified(shop: &Shop, name: &str) -> String {
    let remote = shop.remote();
    let mut verify = shop.sealed("git", &remote);
    let output = with_gpg(shop, &mut verify)
        .args(["verify-commit", name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr) + &text(&output.stdout)
}

fn with_gpg<'a>(shop: &Shop, command: &'a mut Command) -> &'a mut Command {
    command.env("GNUPGHOME", shop.dir.path().join("gpg"))
}

fn configure(shop: &Shop, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        shop.git(shop.dir.path(), &["config", "--global", name, value]);
    }
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .expect("install openssh-client and gnupg: apt-get install openssh-client gnupg");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn changes_of_releases_and_tombstones_are_signed_where_git_signs_commits() {
    let shop = Shop::new();
    shop.publish(&[]);
    shop.commit("apps/checkout/index.html", "two");
    shop.publish(&[]);
    let release = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: checkout}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n  - {version: 1, percentage: 100}\n";
    shop.commit("releases/checkout.yaml", release);
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", "HEAD:main"]);
    let key = shop.dir.path().join("key");
    let path = key.to_str().unwrap();
    run(shop
        .sealed("ssh-keygen", shop.dir.path())
        .args(["-q", "-t", "ed25519", "-N", "", "-f", path]));
    configure(&shop, &[("gpg.format", "ssh"), ("user.signingKey", path)]);
    let signed = |name: &str| {
        let commit = shop.git(&shop.remote(), &["cat-file", "-p", name]);
        commit.contains("\ngpgsig ")
    };
    shop.ok(&["deploy", "checkout", "v1=50", "v2"]);
    assert!(!signed("main"));
    shop.ok(&["deploy", "checkout", "v2", "--sign"]);
    assert!(signed("main"));
    // As a rule of a forge asks for it.
    shop.hook(
        "update",
        "case $1 in refs/heads/*) git cat-file -p $3 | grep -q ^gpgsig || { echo unsigned >&2; exit 1; };; esac",
    );
    configure(&shop, &[("commit.gpgSign", "true")]);
    shop.ok(&["rollback", "checkout", "v1"]);
    shop.ok(&["deploy", "checkout", "v1=90", "v2", "--branch", "ship"]);
    assert!(signed("main") && signed("ship"));
    let parent = shop.git(&shop.remote(), &["rev-list", "--count", "main"]);
    assert_eq!(parent.trim(), "6");
    shop.commit("apps/checkout/index.html", "three");
    shop.publish(&[]);
    let delete = [
        "versions",
        "delete",
        "checkout",
        "v3",
        "--yes",
        "-m",
        "bad",
        "--no-cluster",
    ];
    shop.ok(&delete);
    assert!(signed("checkout/v3") && !signed("checkout/v1"));
    // Whoever has no key at hand is told how to go on without one.
    configure(&shop, &[("user.signingKey", "/nowhere/key")]);
    let error = shop.refused(&["deploy", "checkout", "v2"]);
    assert!(error.contains("git config commit.gpgSign false"), "{error}");
}

#[test]
fn a_version_is_signed_with_the_ssh_key_that_git_is_set_up_for() {
    let shop = Shop::new();
    let error = shop.refused(&["versions", "publish", "--sign"]);
    assert!(
        error.contains("could not be signed") && error.contains("user.signingKey"),
        "{error}"
    );
    assert!(shop.refs().is_empty());
    // A dry run asks for no key.
    shop.publish(&["--sign", "--dry-run"]);
    let key = shop.dir.path().join("key");
    let path = key.to_str().unwrap();
    run(shop
        .sealed("ssh-keygen", shop.dir.path())
        .args(["-q", "-t", "ed25519", "-N", "", "-f", path]));
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let allowed = shop.dir.path().join("allowed");
    fs::write(&allowed, format!("ada@example.com {public}")).unwrap();
    configure(
        &shop,
        &[
            ("gpg.format", "ssh"),
            ("user.signingKey", path),
            ("gpg.ssh.allowedSignersFile", allowed.to_str().unwrap()),
        ],
    );
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let line = shop.publish(&["--sign", "--label", "signed", "-m", "Grüße\n\nvon hier"]);
    let id = &tree[..12];
    assert_eq!(
        line,
        format!("published checkout v1 (g{id})\nlabelled checkout v1 signed\n")
    );
    let said = verified(&shop, "checkout/v1");
    assert!(
        said.contains("Good \"git\" signature for ada@example.com"),
        "{said}"
    );
    let remote = shop.remote();
    assert_eq!(
        shop.git(
            &remote,
            &[
                "log",
                "--format=%P|%an|%ae|%cn|%s|%(trailers:key=Cutwater-Version,valueonly)",
                "checkout/v1"
            ]
        ),
        "|Ada Lovelace|ada@example.com|Ada Lovelace|checkout v1: Grüße|1\n\n"
    );
    shop.git(&remote, &["fsck", "--full", "--strict"]);
    // A view says what git says.
    let view = |word| shop.ok(&["versions", "view", "checkout", word, "--no-live"]);
    let shown = view("v1");
    assert!(
        shown.contains("\nSignature:  good; ada@example.com, SHA256:"),
        "{shown}"
    );
    // Also where git shows signatures by itself, in words of its own.
    configure(&shop, &[("log.showSignature", "true")]);
    assert_eq!(view("v1"), shown);
    fs::write(&allowed, "").unwrap();
    let shown = view("signed");
    assert!(
        shown.contains("made by that key, which nothing here trusts; SHA256:"),
        "{shown}"
    );
    let unset = [
        "config",
        "--global",
        "--unset",
        "gpg.ssh.allowedSignersFile",
    ];
    shop.git(shop.dir.path(), &unset);
    assert!(view("v1").contains("\nSignature:  cannot be checked here"));
    // The signature is no content: published without one it is unchanged, and one that has none gets none.
    assert!(shop.publish(&[]).starts_with("unchanged checkout v1"));
    let output = shop.run(&["versions", "publish", "--sign"]);
    assert_eq!(text(&output.stderr), "");
    shop.commit("apps/checkout/unsigned", "x");
    shop.publish(&[]);
    let output = shop.run(&["versions", "publish", "--sign"]);
    let said = text(&output.stderr);
    assert!(
        output.status.success()
            && said.contains("v2 holds this content already, without a signature"),
        "{said}"
    );
    // A key that nobody can unlock is an error at once, and asks nobody.
    run(shop.sealed("ssh-keygen", shop.dir.path()).args([
        "-q",
        "-p",
        "-P",
        "",
        "-N",
        "a passphrase",
        "-f",
        path,
    ]));
    shop.commit("apps/checkout/new", "x");
    let error = shop.refused(&["versions", "publish", "--sign"]);
    assert!(error.contains("held by an agent"), "{error}");
}

#[test]
fn a_version_is_signed_with_an_openpgp_key() {
    let shop = Shop::new();
    // The agent's socket must have a short path.
    let home = shop.dir.path().join("gpg");
    fs::create_dir(&home).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&home, mode).unwrap();
    let gpg = |args: &[&str], dir: &Path| {
        let mut command = shop.sealed("gpg", dir);
        run(with_gpg(&shop, &mut command).arg("--batch").args(args))
    };
    let who = "Ada Lovelace <ada@example.com>";
    gpg(
        &[
            "--passphrase",
            "",
            "--quick-generate-key",
            who,
            "ed25519",
            "sign",
            "never",
        ],
        &home,
    );
    configure(&shop, &[("user.signingKey", "ada@example.com")]);
    let mut publish = shop.command_in(&shop.clone_dir(), &["versions", "publish", "--sign"]);
    let line = run(with_gpg(&shop, &mut publish));
    assert!(line.starts_with("published checkout v1"), "{line}");
    let said = verified(&shop, "checkout/v1");
    assert!(
        said.contains("Good signature from \"Ada Lovelace"),
        "{said}"
    );
    let mut agents = shop.sealed("gpgconf", &home);
    run(with_gpg(&shop, &mut agents).args(["--kill", "all"]));
}
