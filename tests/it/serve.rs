//! `cutwater serve`: real repositories, real programs, real requests.

/// What the admin address tells.
mod admin;
/// A new repository, served as its README says.
mod begun;
/// Clients that go on until they are told to stop.
mod clients;
/// Versions that a server uses are not deleted.
mod deleting;
/// Repositories from which large versions come slowly.
mod distant;
/// Repositories elsewhere: credentials and webhooks.
mod elsewhere;
/// How programs end, and `serve` with them.
mod ending;
/// A repository in place of another one.
mod exchanged;
/// Faults of the machine and of the repository.
mod faults;
/// More clients than there is room for, and slow ones.
mod floods;
/// What was served is written to the repository.
mod ledger;
/// Changes of the split under load.
mod load;
/// Hostnames that move from one app to another.
mod moving;
/// Users and requests that meet a certain version.
mod picked;
/// Programs that do what programs do.
mod programs;
/// Commits that are served, and those that are not.
mod releases;
/// What is removed, and made again.
mod removed;
/// Routes that change together with versions.
mod rerouted;
/// A restart while what is wanted cannot run.
mod restart;
/// Two apps, and slips of one of them.
mod several;
/// What somebody did to the state folder.
mod state;
/// A server that answers many at once.
mod upstream;
/// Commands that wait until something is served.
mod waiting;
/// A status that is watched.
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::shop::Shop;
use crate::support::http;
use crate::support::process::Process;

/// Long enough for anything that is to happen, on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(90);

/// A web server in Python: the port is told to it, and it answers with its version.
const SERVER: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ("v" + os.environ["CUTWATER_VERSION"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A repository, and `serve` beside it.
struct Standalone {
    shop: Shop,
    serving: Option<Process>,
    gateway: SocketAddr,
    admin: SocketAddr,
    /// What is served: the remote by its path by default, that of the clone if empty.
    source: Option<String>,
    /// More flags.
    more: Vec<String>,
    /// How long open requests of a version that leaves are waited for.
    drain: &'static str,
    /// Variables of `serve`.
    environment: Vec<(&'static str, &'static str)>,
    /// How many files `serve` may have open; as many as the tests where absent.
    files: Option<u32>,
}

impl Standalone {
    /// A shop with `versions` versions of a web server, of which nothing is released yet.
    fn of(versions: u32) -> Self {
        Self::with(&app("[python3, server.py]"), versions)
    }

    /// The same, with an `app.yaml` of its own.
    fn with(app: &str, versions: u32) -> Self {
        let shop = Shop::new();
        shop.write("apps/checkout/server.py", SERVER);
        shop.write("apps/checkout/app.yaml", app);
        for number in 1..=versions {
            shop.commit("apps/checkout/number", number.to_string());
            shop.publish(&[]);
        }
        push(&shop);
        Self::over(shop)
    }

    /// A shop as it is.
    fn over(shop: Shop) -> Self {
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        Self {
            shop,
            serving: None,
            gateway: nowhere,
            admin: nowhere,
            source: None,
            more: Vec::new(),
            drain: "2s",
            environment: Vec::new(),
            files: None,
        }
    }

    fn state(&self) -> PathBuf {
        self.shop.dir.path().join("state")
    }

    fn arguments(&self) -> Vec<String> {
        let remote = self.shop.remote().display().to_string();
        let state = self.state();
        let arguments = [
            "serve",
            self.source.as_deref().unwrap_or(&remote),
            "--state",
            state.to_str().unwrap(),
        ];
        let ports = [
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--drain-delay",
            self.drain,
        ];
        arguments
            .into_iter()
            .filter(|word| !word.is_empty())
            .chain(ports)
            .map(str::to_owned)
            .chain(self.more.clone())
            .collect()
    }

    /// Starts `serve`, and waits until it says where.
    async fn start(&mut self) {
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_cutwater"));
        let mut arguments = self.arguments();
        if let Some(files) = self.files {
            let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
            let shell = ["-c".to_owned(), limited, program.display().to_string()];
            arguments.splice(0..0, shell);
            program = PathBuf::from("/bin/sh");
        }
        let name = format!("serve-{}", fastrand::u32(..));
        let serving = Process::start_with(
            &name,
            &program,
            &arguments,
            self.shop.dir.path(),
            &self.environment,
        );
        self.started(serving).await;
    }

    /// Waits until what was started says where it is.
    async fn started(&mut self, serving: Process) {
        let line = until("serve says where it is", async || {
            let log = serving.log();
            let line = log.lines().find(|line| line.contains("telling of it on"))?;
            Some(line.to_owned())
        })
        .await;
        let mut addresses = line.split(" on http://").skip(1).map(|rest| {
            let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse().unwrap()
        });
        self.gateway = addresses.next().unwrap();
        self.admin = addresses.next().unwrap();
        self.serving = Some(serving);
    }

    fn log(&self) -> String {
        self.serving.as_ref().unwrap().log()
    }

    /// Commits a Deployment of these versions with their percentages, and pushes it.
    fn deploy(&self, versions: &[(u32, &str)]) {
        self.shop
            .commit("releases/checkout.yaml", deployment(versions));
        push(&self.shop);
    }

    /// What one request is answered with: status and body.
    async fn get(&self, headers: &[(&str, &str)]) -> (u16, String) {
        let answer = http::get(&self.gateway.to_string(), "shop.localhost", "/", headers).await;
        let answer = answer.unwrap();
        (answer.status, answer.body)
    }

    /// How many of `count` requests each version answered; all of them are.
    async fn counts(&self, count: u32) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for _ in 0..count {
            let (status, body) = self.get(&[]).await;
            assert_eq!(status, 200, "{body}");
            *counts.entry(body).or_default() += 1;
        }
        counts
    }

    async fn status(&self) -> Json {
        let answer = http::get(&self.admin.to_string(), "localhost", "/status", &[]).await;
        serde_json::from_str(&answer.unwrap().body).unwrap()
    }

    /// Waits until exactly this is served, all of it complete.
    async fn serves(&self, versions: &[(u32, &str)]) {
        let wanted: Vec<Json> = (versions.iter())
            .filter(|(_, share)| *share != "0")
            .map(|(number, share)| {
                serde_json::json!({"version": number, "percentage": share.parse::<u32>().unwrap()})
            })
            .collect();
        until(&format!("{versions:?} are served"), async || {
            let status = self.status().await;
            let split = &status["apps"]["checkout"]["splits"]["cwd/checkout"];
            (split["complete"] == true && split["versions"] == Json::Array(wanted.clone()))
                .then_some(())
        })
        .await;
    }

    async fn metrics(&self) -> String {
        let answer = http::get(&self.admin.to_string(), "localhost", "/metrics", &[]).await;
        answer.unwrap().body
    }

    /// Waits until this commit is what is served, all of it complete.
    async fn served(&self, commit: git2::Oid) {
        until(&format!("{commit} is served"), async || {
            let status = self.status().await;
            let split = &status["apps"]["checkout"]["splits"]["cwd/checkout"];
            (status["commit"] == commit.to_string() && split["complete"] == true).then_some(())
        })
        .await;
    }

    /// Everything that keeps something from being as it is wanted.
    async fn problems(&self) -> String {
        let status = self.status().await;
        format!(
            "{}\n{}",
            status["problems"], status["apps"]["checkout"]["problems"]
        )
    }

    /// Waits until a problem is told in these words.
    async fn says(&self, words: &str) {
        until(&format!("`{words}` is said"), async || {
            self.problems().await.contains(words).then_some(())
        })
        .await;
    }

    /// Processes of the programs of this repository, by their command lines. git works beside them, elsewhere.
    fn programs(&self) -> Vec<String> {
        let state = self.state().join("snapshots");
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let here = std::fs::read_link(entry.path().join("cwd"));
            if here.is_ok_and(|here| here.starts_with(&state)) {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
        found
    }
}

fn push(shop: &Shop) {
    let push = ["push", "-q", "origin", "HEAD:refs/heads/main"];
    shop.git(&shop.clone_dir(), &push);
}

fn app(command: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {{name: checkout}}\nspec:\n  functions:\n  - name: web\n    image: {}\n    port: 8080\n    readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 2}}\n    terminationGracePeriodSeconds: 1\n    local: {{command: {command}}}\n",
        super::shop::digest("1")
    )
}

fn deployment(versions: &[(u32, &str)]) -> String {
    let entries = (versions.iter())
        .map(|(number, share)| format!("  - {{version: {number}, percentage: {share}}}\n"));
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  rollbackWindow: 0s\n  versions:\n{}  routes:\n  - hostnames: [shop.localhost]\n    gateway: {{name: any}}\n",
        entries.collect::<String>()
    )
}

/// Asks until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
