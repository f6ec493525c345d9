//! What a person or a pipeline stops while it is pushed: it does not land afterwards, or it is said.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
    let mut command = shop.command_in(&shop.clone_dir(), &["versions", "publish", "checkout"]);
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
