use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use super::{Standalone, until};
use crate::it::json::{schemas, wrong};

/// A command that watches, with what it prints in a file.
struct Watching {
    child: Child,
    out: PathBuf,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watching {
    fn start(standalone: &Standalone, program: &str, args: &[&str]) -> Self {
        let shop = &standalone.shop;
        let out = shop.dir.path().join(format!("out-{}", fastrand::u32(..)));
        let mut command = shop.sealed(program, &shop.clone_dir());
        let child = command
            .args(args)
            .env("TERM", "xterm")
            .env("CUTWATER_ADMIN", standalone.admin.to_string())
            .stdin(Stdio::piped())
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error} (script is in util-linux)"));
        Self { child, out }
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.out).unwrap();
        // The last one may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// Waits until a line is as wanted.
    async fn line(&self, what: &str, is: impl Fn(&str) -> bool) {
        until(what, async || {
            self.lines().iter().any(|line| is(line)).then_some(())
        })
        .await;
    }

    /// Ctrl-C; true where it ends as it should.
    async fn interrupted(&mut self, by: impl FnOnce(&mut Child)) -> bool {
        by(&mut self.child);
        let ended = until("it ends", async || self.child.try_wait().unwrap()).await;
        ended.success()
    }
}

fn interrupt(child: &mut Child) {
    let pid = i32::try_from(child.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_watched_tells_of_each_change() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let program = env!("CARGO_BIN_EXE_cutwater");
    let status = ["deployments", "status", "checkout", "--watch"];
    let mut text = Watching::start(&standalone, program, &status);
    let mut documents = Watching::start(&standalone, program, &[&status[..], &["--json"]].concat());
    let server = format!("serve {}", standalone.admin);
    text.line("what is served", |line| {
        line.contains(&server) && line.contains("  v1 100%  True")
    })
    .await;
    let line = format!("stty cols 200; exec {program} deployments status checkout --watch");
    let script = ["--quiet", "--return", "--command", &line, "/dev/null"];
    let mut terminal = Watching::start(&standalone, "script", &script);
    terminal
        .line("the terminal shows it", |line| line.contains(&server))
        .await;
    standalone.shop.ok(&["deploy", "checkout", "v2"]);
    text.line("what is wanted", |line| {
        line.contains("releases/checkout.yaml:1 of main") && line.contains("v2 100%")
    })
    .await;
    text.line("what is served then", |line| {
        line.contains(&server) && line.contains("  v2 100%  True")
    })
    .await;
    text.line("the ledger", |line| {
        line.contains("  local  ledger, ") && line.contains("v2 100%")
    })
    .await;
    let shares = json!([{"version": 2, "percentage": 100}]);
    documents
        .line("the document", |line| {
            let value: Json = serde_json::from_str(line).unwrap();
            let split = &value["server"]["splits"]["cwd/checkout"];
            split["versions"] == shares && value["releases"][0]["versions"][0]["number"] == 2
        })
        .await;
    let schemas = schemas();
    for line in documents.lines() {
        let value: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(
            wrong(&schemas, "deployments status", &value),
            [""; 0],
            "{line}"
        );
    }
    terminal
        .line("the terminal shows it anew", |line| {
            line.contains(&server) && line.contains("v2 100%")
        })
        .await;
    let screens = fs::read_to_string(&terminal.out).unwrap();
    assert!(
        screens.matches("\u{1b}[H\u{1b}[2J").count() >= 2,
        "{screens:?}"
    );
    // A server that ends is told, and does not end it.
    standalone.serving.take().unwrap().kill();
    text.line("it is gone", |line| {
        line.ends_with(&format!("checkout  {server}  gone"))
    })
    .await;
    assert!(text.interrupted(interrupt).await);
    assert!(documents.interrupted(interrupt).await);
    let typed = |child: &mut Child| child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert!(terminal.interrupted(typed).await);
}
