//! What a person or a pipeline stops while it is pushed: it does not land afterwards, or it is said.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::delete::{push, shop_with};
use super::shop::{Shop, text};
use crate::support::wait_for;

/// A shop whose server waits in the hook `name` until it is ended; the file that says so has the hook's process id.
fn slow(name: &str) -> (Shop, PathBuf) {
    let shop = Shop::new();
    let started = shop.dir.path().join("started");
    shop.hook(
        name,
        &format!(
            "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60",
            started.display()
        ),
    );
    (shop, started)
}

/// A publish that the server keeps waiting, and the process id of the server's hook.
async fn publishing(shop: &Shop, started: &Path) -> (Child, String) {
    begun(shop, &["versions", "publish", "checkout"], started).await
}

/// A command that is kept waiting, and the process id of who does that.
async fn begun(shop: &Shop, args: &[&str], started: &Path) -> (Child, String) {
    let mut command = shop.command_in(&shop.clone_dir(), args);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hook = wait_for("the hook", Duration::from_secs(20), async || {
        std::fs::read_to_string(started)
    })
    .await;
    (child, hook.trim().to_owned())
}

fn kill(signal: &str, child: &Child) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

async fn ended(hook: &str) {
    wait_for(
        "the end of the server's hook",
        Duration::from_secs(20),
        async || {
            let stat = std::fs::read_to_string(format!("/proc/{hook}/stat"));
            let runs = stat.is_ok_and(|stat| !stat.contains(") Z "));
            (!runs).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_stopped_does_not_land_and_what_has_landed_is_said() {
    for signal in ["-INT", "-TERM"] {
        let (shop, started) = slow("pre-receive");
        let (child, hook) = publishing(&shop, &started).await;
        kill(signal, &child);
        let output = child.wait_with_output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{error}");
        assert!(
            error.contains("Error: stopped, and not pushed: the remote holds nothing of it"),
            "{error}"
        );
        ended(&hook).await;
        assert_eq!(shop.refs(), [""; 0]);
    }
    // The refs are there before this hook runs.
    let (shop, started) = slow("post-receive");
    let (child, _) = publishing(&shop, &started).await;
    kill("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("published checkout v1 "));
    assert!(shop.refs().contains(&"refs/tags/checkout/v1".to_owned()));
}

#[tokio::test]
async fn what_is_killed_does_not_land() {
    let (shop, started) = slow("pre-receive");
    let (mut child, hook) = publishing(&shop, &started).await;
    kill("-KILL", &child);
    child.wait().unwrap();
    ended(&hook).await;
    assert_eq!(shop.refs(), [""; 0]);
}

/// A shop where version 2 is deployed after version 1; what keeps a command waiting writes its process id to the file.
fn released() -> (Shop, PathBuf) {
    let shop = shop_with(2);
    let deployment = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: checkout}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n  - {version: 1, percentage: 100}\n";
    shop.commit("releases/checkout.yaml", deployment);
    push(&shop, "main");
    shop.ok(&["deploy", "checkout", "v2"]);
    let started = shop.dir.path().join("started");
    (shop, started)
}

/// Lets a hook of the remote wait until it is ended, once, after this.
fn wait_in(shop: &Shop, hook: &str, before: &str, started: &Path) {
    let started = started.display();
    shop.hook(
        hook,
        &format!(
            "test -e {started} && exit 0\n{before}\necho $$ > {started}.new; mv {started}.new {started}; exec sleep 60"
        ),
    );
}

/// What a rollback says that is stopped while the remote is looked at after a push without an answer.
async fn stopped_between_tries(shop: &Shop, started: &Path) -> Output {
    // Each look takes a while from then on.
    let slow = shop.dir.path().join("upload-pack");
    let looking = shop.dir.path().join("looking");
    let script = format!(
        "#!/bin/sh\ntest -e {} && touch {} && sleep 2\nexec git upload-pack \"$@\"\n",
        started.display(),
        looking.display()
    );
    std::fs::write(&slow, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&slow, mode).unwrap();
    let config = ["config", "remote.origin.uploadpack", slow.to_str().unwrap()];
    shop.git(&shop.clone_dir(), &config);
    let rollback = ["rollback", "checkout", "--timeout", "5"];
    let (child, hook) = begun(shop, &rollback, started).await;
    ended(&hook).await;
    // The push has ended, and the look behind it has not.
    wait_for("the look", Duration::from_mins(1), async || {
        looking.exists().then_some(())
    })
    .await;
    kill("-INT", &child);
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn a_commit_that_arrived_and_is_below_that_of_somebody_else_is_said() {
    let (shop, started) = released();
    let newer = "grep -q refs/heads/main || exit 0\nnewer=$(git commit-tree -p main -m Newer 'main^{tree}')\ngit update-ref refs/heads/main \"$newer\"";
    wait_in(&shop, "post-receive", newer, &started);
    let (child, _) = begun(&shop, &["rollback", "checkout"], &started).await;
    kill("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert_eq!(said, "rolled back checkout: v1 100% (back from v2)\n");
}

#[tokio::test]
async fn what_is_stopped_between_two_tries_is_said_to_have_arrived_or_named() {
    let (shop, started) = released();
    wait_in(&shop, "post-receive", "", &started);
    let output = stopped_between_tries(&shop, &started).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert_eq!(said, "rolled back checkout: v1 100% (back from v2)\n");
    // One that did not arrive, and may yet.
    let (shop, started) = released();
    let before = shop.rev(&shop.remote(), "main");
    wait_in(&shop, "pre-receive", "", &started);
    let output = stopped_between_tries(&shop, &started).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    for part in [
        "no answer within 5 s; commit ",
        " is not in branch `main`, and the remote may take it yet; stopped",
        "another rollback would go further back",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(shop.rev(&shop.remote(), "main"), before);
}

#[tokio::test]
async fn who_stops_a_command_while_the_clone_follows_is_told_that_it_arrived() {
    for times in [1, 2] {
        let (shop, started) = released();
        let clone = shop.clone_dir();
        let smudge = format!(
            "echo $$ > {0}.new; mv {0}.new {0}; sleep 3; cat",
            started.display()
        );
        shop.git(&clone, &["config", "filter.slow.smudge", &smudge]);
        let attributes = clone.join(".git/info/attributes");
        std::fs::write(attributes, "releases/** filter=slow\n").unwrap();
        let (child, _) = begun(&shop, &["rollback", "checkout"], &started).await;
        for _ in 0..times {
            kill("-INT", &child);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        // A second signal ends it at once.
        assert_eq!(output.status.success(), times == 1, "{said}");
        if times == 1 {
            assert!(said.starts_with("rolled back checkout: v1 100%"), "{said}");
            let file = std::fs::read_to_string(clone.join("releases/checkout.yaml"));
            assert!(file.unwrap().contains("version: 1"));
            assert_eq!(shop.git(&clone, &["status", "--porcelain"]), "");
        } else {
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(output.status.signal(), Some(2), "{said}");
        }
    }
}

#[tokio::test]
async fn a_version_that_came_into_use_is_put_back_also_where_the_delete_was_stopped() {
    let shop = shop_with(2);
    let remote = shop.remote();
    let before = shop.rev(&remote, "checkout/v1");
    shop.commit("README.md", "Nothing is released.\n");
    push(&shop, "main");
    let deployment = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: checkout}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n  - {version: 1, percentage: 100}\n";
    shop.commit("releases/checkout.yaml", deployment);
    let later = ["push", "-q", "origin", "HEAD:refs/later/main"];
    shop.git(&shop.clone_dir(), &later);
    let started = shop.dir.path().join("started");
    let merged = "git update-ref refs/heads/main refs/later/main";
    wait_in(&shop, "post-receive", merged, &started);
    let delete = ["versions", "delete", "checkout", "v1", "v2", "--yes"];
    let (child, _) = begun(&shop, &delete, &started).await;
    kill("-INT", &child);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(shop.rev(&remote, "checkout/v1"), before, "{said}");
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("in use") || said.contains("used by"),
        "{said}"
    );
    // The other one was not begun.
    assert!(
        said.contains("checkout v2 stays: stopped, and not pushed"),
        "{said}"
    );
}
