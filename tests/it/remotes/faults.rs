use std::fs;
use std::net::TcpListener;

use super::{refused, set_url, ssh, web};
use crate::it::shop::{Shop, app_with_image};

/// What is said over each kind of connection, where the remote itself is at fault.
fn over_each(shop: &Shop, check: impl Fn(&str, &str)) {
    let web = web(shop);
    let path = shop.remote().display().to_string();
    let sshd = ssh(shop);
    let urls = [path, web.http("/open/remote.git"), sshd.url(&shop.remote())];
    for url in urls {
        set_url(shop, &url);
        check(&url, &refused(shop));
    }
    assert!(shop.refs().iter().all(|name| !name.ends_with("/v1")));
}

#[test]
fn a_hook_that_refuses_is_heard_in_its_own_words() {
    let shop = Shop::new();
    shop.hook("update", "echo \"tags are closed on fridays\" >&2; exit 1");
    over_each(&shop, |url, error| {
        assert!(
            error.contains("tags are closed on fridays") && error.contains("a rule of the server"),
            "{url}: {error}"
        );
    });
}

#[test]
fn a_protected_tag_is_said_to_be_one() {
    let shop = Shop::new();
    // What GitLab's own hook prints.
    shop.hook(
        "pre-receive",
        "echo 'GitLab: You are not allowed to create this tag as it is protected.' >&2; exit 1",
    );
    over_each(&shop, |url, error| {
        assert!(
            error.contains("not allowed to create this tag")
                && error.contains("must be allowed to create tags"),
            "{url}: {error}"
        );
    });
}

#[test]
fn a_limit_on_what_is_pushed_is_said() {
    let shop = Shop::new();
    shop.git(&shop.remote(), &["config", "receive.maxInputSize", "100"]);
    over_each(&shop, |url, error| {
        assert!(
            error.contains("pack exceeds maximum allowed size") && error.contains("make room"),
            "{url}: {error}"
        );
    });
}

#[test]
fn a_lock_that_a_dead_process_left_is_named_over_each_kind_of_connection() {
    let shop = Shop::new();
    let lock = shop.remote().join("refs/tags/checkout/v1.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    over_each(&shop, |url, error| {
        assert!(
            error.contains("refs/tags/checkout/v1.lock")
                && error.contains("remove the file that is named"),
            "{url}: {error}"
        );
    });
    assert!(lock.exists(), "it is never removed in silence");
}

#[test]
fn what_a_killed_fetch_left_in_the_clone_is_named() {
    let shop = Shop::new();
    shop.publish(&[]);
    let clone = shop.clone_dir();
    shop.git(&clone, &["pack-refs", "--all"]);
    // To drop a ref that is gone, git writes the packed ones anew, beside the old.
    let gone = shop.rev(&clone, "HEAD:apps/checkout");
    let gone = format!(":refs/cutwater/checkout/ids/{gone}");
    shop.git(&clone, &["push", "-q", "origin", &gone]);
    let left = clone.join(".git/packed-refs.new");
    fs::write(&left, "").unwrap();
    shop.commit("apps/checkout/new", "x");
    let error = shop.refused(&["versions", "label", "checkout", "v1", "first"]);
    assert!(
        error.contains(left.to_str().unwrap()) && error.contains("remove the file that is named"),
        "{error}"
    );
    fs::remove_file(left).unwrap();
    shop.ok(&["versions", "label", "checkout", "v1", "first"]);
}

#[test]
fn a_tag_with_the_name_of_the_app_is_said_to_be_in_the_way() {
    let shop = Shop::new();
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/tags/checkout"],
    );
    over_each(&shop, |url, error| {
        assert!(
            error.contains("'refs/tags/checkout' exists") && error.contains("is in the way"),
            "{url}: {error}"
        );
    });
}

#[test]
fn a_remote_that_has_lost_an_object_takes_what_is_whole_in_itself() {
    let shop = Shop::new();
    shop.publish(&[]);
    let tree = shop.rev(&shop.remote(), "checkout/v1^{tree}");
    let object = shop
        .remote()
        .join("objects")
        .join(&tree[..2])
        .join(&tree[2..]);
    fs::remove_file(&object).unwrap();
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    let fsck = shop
        .sealed("git", &shop.remote())
        .args(["fsck", "--full"])
        .output()
        .unwrap();
    assert!(!fsck.status.success());
    // What is pushed is whole in itself, and does not need what is lost.
    assert!(shop.publish(&[]).starts_with("published checkout v2"));
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let shop = Shop::new();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for scheme in ["http", "https", "ssh"] {
        set_url(&shop, &format!("{scheme}://127.0.0.1:{port}/remote.git"));
        let start = std::time::Instant::now();
        let error = shop.refused(&["versions", "list", "--timeout", "1"]);
        assert!(
            error.contains("no answer within 1 s") && error.contains("--timeout"),
            "{error}"
        );
        assert!(start.elapsed().as_secs() < 10);
    }
}

#[test]
fn what_takes_too_long_may_remove_its_locks() {
    let shop = Shop::new();
    let slow = shop.dir.path().join("upload-pack");
    let script = "#!/bin/sh\ntrap 'touch asked; exit 1' TERM\nsleep 60 &\nwait\n";
    fs::write(&slow, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&slow, mode).unwrap();
    let config = ["config", "remote.origin.uploadpack", slow.to_str().unwrap()];
    shop.git(&shop.clone_dir(), &config);
    let error = shop.refused(&["versions", "list", "--timeout", "1"]);
    assert!(error.contains("no answer within 1 s"), "{error}");
    assert!(shop.clone_dir().join("asked").exists(), "{error}");
}

#[test]
fn a_connection_that_breaks_off_is_said() {
    let shop = Shop::new();
    let dead = shop.dir.path().join("upload-pack");
    fs::write(&dead, "#!/bin/sh\nkill -KILL $$\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&dead, mode).unwrap();
    let config = ["config", "remote.origin.uploadpack", dead.to_str().unwrap()];
    shop.git(&shop.clone_dir(), &config);
    let error = refused(&shop);
    assert!(
        error.contains("Could not read from remote repository"),
        "{error}"
    );
}

#[test]
fn a_host_that_is_away_or_unknown_is_said() {
    let shop = Shop::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for scheme in ["http", "https", "ssh"] {
        set_url(&shop, &format!("{scheme}://127.0.0.1:{port}/remote.git"));
        let error = refused(&shop);
        assert!(
            error.contains(&format!("port {port}")) && error.contains("(nothing answers there: "),
            "{error}"
        );
        set_url(
            &shop,
            &format!("{scheme}://no-such-host.invalid/remote.git"),
        );
        let error = refused(&shop);
        assert!(error.contains("check the name in the address"), "{error}");
    }
}

#[test]
fn a_web_server_that_forbids_breaks_or_sends_elsewhere_is_said() {
    let shop = Shop::new();
    let web = web(&shop);
    for (path, wanted) in [
        ("/broken/remote.git", "a problem of its own"),
        ("/open/none.git", "check the address"),
        ("/nowhere/remote.git", "check the address"),
    ] {
        set_url(&shop, &web.http(path));
        let error = refused(&shop);
        assert!(error.contains(wanted), "{path}: {error}");
    }
    // A person's git follows a server that has moved.
    set_url(&shop, &web.http("/moved/remote.git"));
    assert!(shop.publish(&[]).starts_with("published checkout v1"));
    // Everybody may read, and nobody push.
    shop.git(&shop.remote(), &["config", "http.receivepack", "false"]);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    set_url(&shop, &web.http("/open/remote.git"));
    let error = refused(&shop);
    assert!(
        error.contains("403") && error.contains("the right to push"),
        "{error}"
    );
}

#[test]
fn nothing_is_pushed_to_another_repository_than_is_read() {
    let shop = Shop::new();
    shop.publish(&["--label", "first"]);
    let fork = shop.dir.path().join("fork.git");
    let clone = shop.clone_dir();
    let [from, to] = [shop.remote(), fork.clone()].map(|path| path.display().to_string());
    shop.git(shop.dir.path(), &["clone", "-q", "--bare", &from, &to]);
    shop.git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    let refs = || (shop.refs(), shop.git(&fork, &["for-each-ref"]));
    let before = refs();
    shop.commit("apps/checkout/new", "x");
    let unset = || shop.git(&clone, &["config", "--unset", "remote.origin.pushurl"]);
    let rule = format!("url.{to}.pushInsteadOf");
    for by_rule in [false, true] {
        if by_rule {
            unset();
            let url = shop.git(&clone, &["remote", "get-url", "origin"]);
            shop.config(&rule, url.trim());
        } else {
            shop.git(&clone, &["remote", "set-url", "--push", "origin", &to]);
        }
        for args in [
            &["versions", "publish"][..],
            &["versions", "publish", "--dry-run"],
            &["versions", "publish", "--changed", "HEAD~1"],
            &["versions", "label", "checkout", "v1", "good"],
            &["versions", "label", "checkout", "v1", "first", "--remove"],
            &["versions", "delete", "checkout", "v1", "--yes"],
            &["versions", "import", "../fork.git"],
            &["deploy", "checkout", "v1"],
            &["rollback", "checkout"],
            &["alias", "set", "checkout", "prod", "v1"],
        ] {
            let error = shop.refused(args);
            let told = format!("pushes go to {to}, which is another repository than ");
            assert!(error.contains(&told), "{args:?}: {error}");
            assert!(
                error.contains("git remote set-url --push origin "),
                "{error}"
            );
            assert_eq!(refs(), before, "{args:?}");
        }
        shop.ok(&["versions", "list"]);
    }
    shop.git(&clone, &["config", "--global", "--unset", &rule]);
    // Further addresses are for copies.
    shop.git(
        &clone,
        &["remote", "set-url", "--add", "--push", "origin", &from],
    );
    shop.git(
        &clone,
        &["remote", "set-url", "--add", "--push", "origin", &to],
    );
    let line = shop.publish(&[]);
    assert!(line.starts_with("published checkout v2 "), "{line}");
}
