use super::{refused, set_url, ssh, web};
use crate::it::delete::{deployment, push, shop_with};
use crate::it::shop::{Shop, app_with_image, text};

#[test]
fn a_shallow_clone_publishes_over_each_kind_of_remote() {
    let shop = Shop::new();
    shop.commit("README.md", "a second commit");
    let web = web(&shop);
    let path = shop.remote().display().to_string();
    let sshd = ssh(&shop);
    let urls = [path, web.http("/open/remote.git"), sshd.url(&shop.remote())];
    for (n, url) in urls.iter().enumerate() {
        let shallow = shop.dir.path().join(format!("shallow{n}"));
        let from = format!("file://{}", shop.clone_dir().display());
        shop.git(
            shop.dir.path(),
            &["clone", "-q", "--depth=1", &from, shallow.to_str().unwrap()],
        );
        shop.git(&shallow, &["remote", "set-url", "origin", url]);
        assert!(shallow.join(".git/shallow").exists());
        let image = format!("web={}", crate::it::shop::digest(&n.to_string()));
        let output = shop
            .command_in(&shallow, &["versions", "publish", "--image", &image])
            .output()
            .unwrap();
        let line = text(&output.stdout);
        assert!(
            line.starts_with(&format!("published checkout v{}", n + 1)),
            "{url}: {line}{}",
            text(&output.stderr)
        );
    }
    // The remote has not become shallow by it.
    assert!(!shop.remote().join("shallow").exists());
    shop.git(&shop.remote(), &["fsck", "--full", "--strict"]);
}

#[test]
fn what_a_clone_lacks_of_the_past_comes_over_http() {
    let shop = shop_with(2);
    shop.commit("releases/checkout.yaml", deployment(&[("1", "100")]));
    push(&shop, "main");
    shop.ok(&["deploy", "checkout", "v2"]);
    shop.commit("note", "nothing");
    push(&shop, "main");
    shop.git(
        &shop.remote(),
        &["config", "uploadpack.allowFilter", "true"],
    );
    let web = web(&shop);
    let url = web.http("/open/remote.git");
    for how in ["--depth=1", "--filter=blob:none", "--filter=tree:0"] {
        let args = [
            "clone",
            "-q",
            "-b",
            "main",
            how,
            &url,
            how.trim_start_matches('-'),
        ];
        shop.git(shop.dir.path(), &args);
        let dir = shop.dir.path().join(args[6]);
        let mut command = shop.command_in(&dir, &["rollback", "checkout", "--dry-run"]);
        let output = command.output().unwrap();
        let first = "would roll back checkout: v1 100% (back from v2)\n";
        let error = text(&output.stderr);
        assert!(text(&output.stdout).starts_with(first), "{how}: {error}");
    }
}

#[test]
fn a_bare_clone_and_a_linked_worktree_publish() {
    let shop = Shop::new();
    let dir = shop.dir.path();
    shop.git(dir, &["clone", "-q", "--bare", "clone", "bare.git"]);
    let bare = dir.join("bare.git");
    let url = shop.remote().display().to_string();
    shop.git(&bare, &["remote", "set-url", "origin", &url]);
    let publish = |dir: &std::path::Path| {
        let output = shop
            .command_in(dir, &["versions", "publish", "checkout"])
            .output()
            .unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let said = publish(&bare);
    assert!(said.starts_with("published checkout v1"), "{said}");

    shop.git(
        &shop.clone_dir(),
        &["worktree", "add", "-q", "-b", "topic", "../linked"],
    );
    let linked = dir.join("linked");
    let said = publish(&linked);
    assert!(said.starts_with("unchanged checkout v1"), "{said}");
    std::fs::write(linked.join("apps/checkout/app.yaml"), app_with_image("2")).unwrap();
    shop.git(&linked, &["commit", "-q", "-a", "-m", "In the worktree"]);
    // From inside the app's directory, which is found from there.
    let said = publish(&linked.join("apps/checkout"));
    assert!(said.starts_with("published checkout v2"), "{said}");
    // Both worktrees share what was seen at the remote.
    assert!(publish(&shop.clone_dir()).starts_with("unchanged checkout v1"));
    shop.git(&shop.clone_dir(), &["fsck", "--full"]);
}

#[test]
fn a_repository_with_sha_256_is_said_to_be_one() {
    let shop = Shop::new();
    let dir = shop.dir.path();
    // The remote: over each kind of connection.
    let sha256 = ["init", "-q", "--bare", "--object-format=sha256", "new.git"];
    shop.git(dir, &sha256);
    let remote = dir.join("new.git");
    shop.git(&remote, &["config", "http.receivepack", "true"]);
    let web = web(&shop);
    let sshd = ssh(&shop);
    let path = remote.display().to_string();
    for url in [path, web.http("/open/new.git"), sshd.url(&remote)] {
        set_url(&shop, &url);
        let error = refused(&shop);
        assert!(
            error.contains("algorithm") && error.contains("--object-format=sha1"),
            "{url}: {error}"
        );
    }
    // The person's own clone.
    shop.git(dir, &["init", "-q", "--object-format=sha256", "own"]);
    let own = dir.join("own");
    shop.git(&own, &["remote", "add", "origin", "../new.git"]);
    let output = shop
        .command_in(&own, &["versions", "list"])
        .output()
        .unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("--object-format=sha1"), "{error}");
}

#[test]
fn a_clone_of_another_user_is_used_where_git_trusts_it() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a folder away.
        return;
    }
    let shop = shop_with(2);
    shop.commit("releases/checkout.yaml", deployment(&[("v1", "100")]));
    push(&shop, "main");
    let clone = shop.clone_dir();
    let chown = shop
        .sealed("chown", &clone)
        .args(["-R", "12345:12345", "."])
        .status();
    assert!(chown.unwrap().success());
    let list = ["versions", "list", "checkout", "--no-live"].as_slice();
    let error = shop.refused(list);
    let advice = format!(
        "git config --global --add safe.directory {}",
        clone.canonicalize().unwrap().display()
    );
    assert!(error.contains(&advice), "{error}");
    let trusting = |words: &[&str]| {
        let mut command = shop.command_in(&clone, words);
        let trusting = command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*");
        let output = trusting.output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let (out, err) = trusting(list);
    assert!(out.contains("v1 "), "{err}");
    // What is fetched on the way is seen there as well.
    let (out, err) = trusting(&["deploy", "checkout", "v2"]);
    assert!(out.contains("deployed checkout: v2"), "{err}");
    let (out, err) = trusting(&["rollback", "checkout"]);
    assert_eq!(
        out, "rolled back checkout: v1 100% (back from v2)\n",
        "{err}"
    );
}

#[test]
fn a_remote_that_promised_nothing_is_not_set_up_as_if_it_had() {
    let shop = shop_with(2);
    shop.commit("releases/checkout.yaml", deployment(&[("v1", "100")]));
    push(&shop, "main");
    let filter = ["config", "uploadpack.allowFilter", "true"];
    shop.git(&shop.remote(), &filter);
    let dir = shop.dir.path();
    let from = format!("file://{}", shop.remote().display());
    for how in ["--filter=blob:none", "--filter=tree:0"] {
        let name = &how[9..13];
        let clone = [
            "clone",
            "-q",
            "--no-checkout",
            "-b",
            "main",
            how,
            &from,
            name,
        ];
        shop.git(dir, &clone);
        let clone = dir.join(name);
        shop.git(&clone, &["remote", "add", "upstream", &from]);
        let before = std::fs::read_to_string(clone.join(".git/config")).unwrap();
        for words in [
            &["rollback", "checkout", "v2", "--dry-run"][..],
            &["versions", "view", "checkout", "v1"],
            &["versions", "diff", "checkout", "v1", "v2"],
        ] {
            let words = [words, &["--remote", "upstream"]].concat();
            let output = shop.command_in(&clone, &words).output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        let after = std::fs::read_to_string(clone.join(".git/config")).unwrap();
        assert_eq!(after, before, "{how}");
        shop.git(&clone, &["fsck", "--connectivity-only"]);
    }
}

#[test]
fn another_command_in_the_clone_is_waited_for_as_long_as_an_exchange() {
    let shop = Shop::new();
    shop.publish(&[]);
    let lock = std::fs::File::open(shop.clone_dir().join(".git/cutwater.lock")).unwrap();
    lock.lock().unwrap();
    let error = shop.refused(&[
        "versions",
        "list",
        "checkout",
        "--no-live",
        "--timeout",
        "1s",
    ]);
    assert!(
        error.contains("another cutwater command has held it for 1 s"),
        "{error}"
    );
    drop(lock);
    shop.ok(&[
        "versions",
        "list",
        "checkout",
        "--no-live",
        "--timeout",
        "90",
    ]);
    for bad in ["0", "2h", "soon"] {
        let output = shop.run(&["versions", "list", "checkout", "--timeout", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
}
