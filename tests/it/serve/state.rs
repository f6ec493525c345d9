//! A state folder that is not as `serve` left it, or not of this repository.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::super::shop::{Shop, text};
use super::{Standalone, push, until};

const PATIENCE: Duration = Duration::from_secs(20);

impl Standalone {
    fn stop(&mut self) {
        self.serving.take().unwrap().stop(PATIENCE);
    }

    /// The checkouts.
    fn snapshots(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("snapshots")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// What `serve` says that does not start.
    fn refused(&self) -> Output {
        let output = (self.shop)
            .sealed("timeout", self.shop.dir.path())
            .args(["90", env!("CARGO_BIN_EXE_cutwater")])
            .args(self.arguments())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        output
    }
}

fn remove(folder: &Path) {
    let modes = ["-R", "u+w", folder.to_str().unwrap()];
    assert!(
        Command::new("chmod")
            .args(modes)
            .status()
            .unwrap()
            .success()
    );
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_place_of_a_checkout_is_removed_and_nothing_behind_a_link() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.stop();
    let others = standalone.shop.dir.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("precious"), "x").unwrap();
    fs::write(others.join("server.py"), "x").unwrap();
    for is_link in [true, false] {
        let [snapshot] = &standalone.snapshots()[..] else {
            panic!("{:?}", standalone.snapshots());
        };
        remove(snapshot);
        if is_link {
            symlink(&others, snapshot).unwrap();
        } else {
            fs::write(snapshot, "a file").unwrap();
        }
        fs::remove_dir_all(standalone.state().join("logs")).unwrap();
        standalone.start().await;
        standalone.serves(&[(1, "100")]).await;
        assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()));
        let log = standalone.log();
        assert!(log.contains("was no folder"), "{log}");
        standalone.stop();
    }
    assert_eq!(fs::read_to_string(others.join("precious")).unwrap(), "x");
    assert_eq!(fs::read_to_string(others.join("server.py")).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_holds_up_nothing() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.serving.take().unwrap().kill();
    let state = standalone.state();
    let mirror = state.join("mirror.git");
    for lock in ["packed-refs.lock", "refs/heads/main.lock"] {
        fs::create_dir_all(mirror.join(lock).parent().unwrap()).unwrap();
        fs::write(mirror.join(lock), "").unwrap();
    }
    let halves = [".cutwater-AbCdEf.new", "apps/.cutwater-GhIjKl.new"];
    for half in halves.iter().chain(&[".tmpAbCdEf"]) {
        fs::write(state.join(half), "{").unwrap();
    }
    fs::write(state.join("counted"), b"\xff\xfe\0").unwrap();
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let log = standalone.log();
    assert!(log.contains("removed the lock"), "{log}");
    assert!(log.contains("which commits counted is lost"), "{log}");
    assert!(halves.iter().all(|half| !state.join(half).exists()));
    // It is somebody else's.
    assert!(state.join(".tmpAbCdEf").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_of_another_repository_is_refused_and_one_that_moved_is_not() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.stop();
    // Another repository, with the same version of the same app.
    let other = Shop::new();
    other.commit("other", "x");
    other.publish(&[]);
    push(&other);
    standalone.source = Some(other.remote().display().to_string());
    let said = text(&standalone.refused().stderr);
    let own = standalone.shop.remote().display().to_string();
    for words in ["no commit in common", &own, "--state"] {
        assert!(said.contains(words), "{said}");
    }
    // One that does not answer may be the same, and keeps nothing from being served.
    let moved = standalone.shop.dir.path().join("moved.git");
    standalone.source = Some(moved.display().to_string());
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let log = standalone.log();
    assert!(log.contains("is not known yet"), "{log}");
    standalone.stop();
    // It has moved.
    fs::rename(standalone.shop.remote(), &moved).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    assert!(standalone.log().contains("is at"), "{}", standalone.log());
    // From now on that is its address, also where it is away.
    standalone.stop();
    fs::remove_dir_all(&moved).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
}

/// Processes of git that work for this repository and have this word in their arguments.
fn git(of: &Standalone, word: &str) -> Vec<String> {
    let state = of.state().join("mirror.git");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let here = fs::read_link(entry.path().join("cwd"));
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains(word) && here.is_ok_and(|here| here.starts_with(&state)) {
            found.push(line.replace('\0', " "));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn git_ends_with_the_server_however_that_ends() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.stop();
    // It takes connections, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/x.git", silent.local_addr().unwrap());
    standalone.source = Some(address.clone());
    // As if it had been served from there before.
    let file = standalone.state().join("repository");
    fs::write(file, format!("{address}\n")).unwrap();
    for is_killed in [false, true] {
        standalone.start().await;
        until("git waits for the remote", async || {
            (!git(&standalone, &address).is_empty()).then_some(())
        })
        .await;
        if is_killed {
            standalone.serving.take().unwrap().kill();
        } else {
            standalone.stop();
        }
        until("git has ended", async || {
            git(&standalone, &address).is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_from_the_state_folder_is_made_again_while_it_runs() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let state = standalone.state();
    for folder in ["snapshots", "apps", "logs"] {
        remove(&state.join(folder));
    }
    // A version whose files were never written out.
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
    for file in ["apps/checkout.json", "apps/checkout.copy", "logs"] {
        until(file, async || state.join(file).exists().then_some(())).await;
    }
    remove(&state.join("apps"));
    // Nothing changes any more.
    for file in ["apps/checkout.json", "apps/checkout.copy"] {
        until(file, async || state.join(file).exists().then_some(())).await;
    }
    // The copy of the repository is gone.
    fs::remove_dir_all(state.join("mirror.git")).unwrap();
    standalone.deploy(&[(1, "100")]);
    standalone.serves(&[(1, "100")]).await;
    // A link that leads nowhere is named.
    standalone.stop();
    remove(&state.join("logs"));
    symlink("/nowhere", state.join("logs")).unwrap();
    let said = text(&standalone.refused().stderr);
    assert!(said.contains("is a link to /nowhere"), "{said}");
}
