use std::time::Duration;

use super::{Standalone, app, push, until};
use crate::support::http;
use crate::support::wait::stays;

impl Standalone {
    /// Publishes a version with this program in the place of the server; a number of its own in the file makes it new.
    pub(super) fn publish_program(&self, program: &str) {
        self.publish_program_as(program, &app("[python3, other.py]"));
    }

    /// The same, with this `app.yaml`.
    pub(super) fn publish_program_as(&self, program: &str, app: &str) {
        self.shop.write("apps/checkout/app.yaml", app);
        self.shop.commit("apps/checkout/other.py", program);
        self.shop.publish(&[]);
        push(&self.shop);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_gets_no_traffic_and_says_why() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    for (program, said) in [
        (
            "raise SystemExit('no database')",
            "ended with code 1; its last line: no database",
        ),
        ("import time; time.sleep(600)", "Connection refused"),
        (
            "import os\nif os.fork(): raise SystemExit(0)\nos.setsid()\nimport time; time.sleep(600)",
            "ended by itself; it must stay in the foreground",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "was ended by signal 11",
        ),
    ] {
        standalone.publish_program(program);
        let list = standalone
            .shop
            .ok(&["versions", "list", "--json", "--no-live", "--limit", "1"]);
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let number = u32::try_from(list["versions"][0]["number"].as_u64().unwrap()).unwrap();
        standalone.deploy(&[(1, "50"), (number, "50")]);
        standalone.says(said).await;
        assert_eq!(
            standalone.counts(20).await.len(),
            1,
            "version 1 answers all"
        );
    }
    // Of what failed and is not wanted any more nothing is left: not what forked away either.
    standalone.deploy(&[(1, "100")]);
    standalone.serves(&[(1, "100")]).await;
    until("only version 1 runs", async || {
        (standalone.programs().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_which_one_function_cannot_run_starts_none() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let second = format!(
        "{}  - name: api\n    image: {}\n    port: 8081\n",
        app("[python3, server.py]"),
        crate::it::shop::digest("1")
    );
    standalone.shop.commit("apps/checkout/app.yaml", second);
    standalone.shop.publish(&[]);
    push(&standalone.shop);
    let split = [(1, "50"), (2, "50")];
    let routed = super::deployment(&split).replace("gateway:", "function: web\n    gateway:");
    standalone.shop.commit("releases/checkout.yaml", routed);
    push(&standalone.shop);
    standalone
        .says("function `api` of checkout v2 does not say what runs it")
        .await;
    let before = standalone.programs();
    assert_eq!(before.len(), 2, "version 1 and its guard: {before:?}");
    assert_eq!(standalone.counts(20).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_will_not_end_is_ended_and_one_that_dies_is_started_again() {
    let mut standalone = Standalone::of(1);
    let server = super::SERVER.replace(
        "import http.server, os",
        "import http.server, os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('x' * 999, flush=True)",
    );
    standalone.publish_program(&server);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let pid = |standalone: &Standalone| {
        let mut found = None;
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let here = std::fs::read_link(entry.path().join("cwd"));
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if here.is_ok_and(|here| here.starts_with(standalone.state()))
                && !line.contains("guard")
            {
                found = entry.file_name().to_str().unwrap().parse::<i32>().ok();
            }
        }
        found
    };
    let first = pid(&standalone).unwrap();
    let first = rustix::process::Pid::from_raw(first).unwrap();
    rustix::process::kill_process(first, rustix::process::Signal::KILL).unwrap();
    until("it runs again", async || {
        let again = pid(&standalone)?;
        (again != first.as_raw_nonzero().get() && standalone.get(&[]).await.0 == 200).then_some(())
    })
    .await;
    standalone.deploy(&[(1, "100")]);
    standalone.serves(&[(1, "100")]).await;
    until("what ignores SIGTERM is gone", async || {
        (standalone.programs().len() == 2).then_some(())
    })
    .await;
    assert!(standalone.log().contains("commit"), "{}", standalone.log());
}

/// A server that is not ready while there is a file `unready`, and answers `/slow` once there is a file `finish`.
const MOODY: &str = r#"
import http.server, os, time
there = lambda name: os.path.exists(os.path.join("DIR", name))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(503 if there("unready") else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"be")
        if self.path == "/slow":
            open(os.path.join("DIR", "began"), "w").close()
            while not there("finish"):
                time.sleep(0.01)
        self.wfile.write(b"gun")
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_flapped_has_its_open_requests_waited_for() {
    let mut standalone = Standalone::of(1);
    standalone.drain = "60s";
    let dir = standalone.shop.dir.path().to_owned();
    standalone.publish_program(&MOODY.replace("DIR", dir.to_str().unwrap()));
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let address = standalone.gateway.to_string();
    let slow =
        tokio::spawn(async move { http::get(&address, "shop.localhost", "/slow", &[]).await });
    until("the request is open", async || {
        dir.join("began").exists().then_some(())
    })
    .await;
    std::fs::write(dir.join("unready"), "").unwrap();
    standalone.says("answers 503").await;
    std::fs::remove_file(dir.join("unready")).unwrap();
    standalone.serves(&[(2, "100")]).await;
    standalone.deploy(&[(1, "100")]);
    standalone.serves(&[(1, "100")]).await;
    until("version 2 leaves", async || {
        standalone.status().await["apps"]["checkout"]["versions"]["2"]
            .is_null()
            .then_some(())
    })
    .await;
    let time = Duration::from_millis(500);
    stays("whether it ended", time, false, async || slow.is_finished()).await;
    std::fs::write(dir.join("finish"), "").unwrap();
    assert_eq!(slow.await.unwrap().unwrap().body, "begun");
    until("version 2 has ended", async || {
        (standalone.programs().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_a_command_are_told_to_nobody_but_its_program() {
    const SECRET: &str = "open-sesame";
    let mut standalone = Standalone::of(1);
    standalone.environment = vec![("CUTWATER_SECRET_DB_URL", SECRET)];
    let with = |command: &str, probe: &str| {
        app(command)
            .replace("httpGet: {path: /, port: 8080}", probe)
            .replace(
                "    local:",
                "    env: [{name: DB, valueFrom: {secretKeyRef: {name: db, key: url}}}]\n    local:",
            )
    };
    let http = "httpGet: {path: /, port: 8080}";
    let first = "[python3, server.py, '--db=$(DB)', '$$(DB)']";
    for (command, probe) in [
        (first, http),
        ("['$(DB)/nothere']", http),
        ("[python3, server.py]", "exec: {command: ['$(DB)x', a]}"),
    ] {
        standalone.publish_program_as("", &with(command, probe));
    }
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let mut programs = standalone.programs();
    programs.retain(|line| line.contains("server.py"));
    let (guards, own): (Vec<_>, Vec<_>) =
        (programs.into_iter()).partition(|line| line.contains(" guard "));
    assert!(
        !guards.is_empty() && !guards.concat().contains(SECRET),
        "{guards:?}"
    );
    let given = format!("--db={SECRET} $(DB)");
    assert!(own.concat().contains(&given), "{own:?}");
    for (number, said) in [
        (3, "cannot start `$(DB)/nothere`"),
        (4, "`$(DB)x` ended with"),
    ] {
        standalone.deploy(&[(number, "100")]);
        standalone.says(said).await;
    }
    let told = standalone.status().await.to_string() + &standalone.log();
    assert!(!told.contains(SECRET), "{told}");
}
