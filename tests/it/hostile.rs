//! Repositories that mean harm, made by hand with git's plumbing: what is wrong is said with its ref, and the rest goes on.
//!
//! Each test reads them as a person does (`versions list`, `versions view`) and as the controller does (`Mirror`), and has
//! a deadline.

/// Commits that are none of ours, or say what is not so.
mod commits;
/// Fetching from a remote that is not well.
mod fetches;
/// Objects that are missing or damaged on disk.
mod objects;
/// Labels, hints and names of refs.
mod refs;
/// Trees, links, sizes and app.yaml.
mod snapshots;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cutwater::git::RemoteUrl;
use cutwater::record::VersionRecord;
use cutwater::store::{Mirror, ResolveError};
use cutwater::words::AppName;
use serde_json::Value as Json;

use super::shop::{Shop, app_with_image, text};

/// Longest time for one test, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs a test to its end or its deadline.
pub(super) fn bounded(test: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        test();
        sender.send(()).unwrap();
    });
    receiver
        .recv_timeout(PATIENCE)
        .expect("the test ends in time");
}

fn checkout() -> AppName {
    "checkout".parse().unwrap()
}

/// An app.yaml whose function gets every file.
fn app_with_files() -> String {
    format!(
        "{}    files: {{mountPath: /app, include: ['**']}}\n",
        app_with_image("1")
    )
}

/// What the message of version `number` ends with.
fn trailers(app: &str, number: u32) -> String {
    format!("Cutwater-App: {app}\nCutwater-Version: {number}\nCutwater-Source: cli\n")
}

/// A commit as git stores it.
fn commit_text(tree: &str, message: &str) -> String {
    let who = "Eve <eve@example.com> 1700000000 +0000";
    format!("tree {tree}\nauthor {who}\ncommitter {who}\n\n{message}")
}

/// A remote with one good version, `v1`, that is also called `first`, and whatever is added.
struct Hostile {
    shop: Shop,
}

/// What `versions list` says.
struct Listed {
    json: Json,
    /// Standard error of the list that is no JSON.
    warnings: String,
}

impl Listed {
    /// The state of a version, such as `foreign`.
    fn state(&self, number: u32) -> &str {
        let versions = self.json["versions"].as_array().unwrap();
        let found = versions.iter().find(|version| version["number"] == number);
        found.map_or("absent", |version| version["state"].as_str().unwrap())
    }

    /// What is said about a ref; empty where nothing is.
    fn problem(&self, name: &str) -> &str {
        let problems = self.json["problems"].as_array().unwrap();
        let found = problems.iter().find(|problem| problem["ref"] == name);
        found.map_or("", |problem| problem["problem"].as_str().unwrap())
    }

    /// Names of the refs that are not as they should be.
    fn refs(&self) -> Vec<&str> {
        let problems = self.json["problems"].as_array().unwrap();
        problems
            .iter()
            .map(|problem| problem["ref"].as_str().unwrap())
            .collect()
    }
}

impl Hostile {
    fn new() -> Self {
        let shop = Shop::new();
        shop.publish(&["--label", "first"]);
        shop.git(
            &shop.clone_dir(),
            &["push", "-q", "origin", "HEAD:refs/heads/main"],
        );
        Self { shop }
    }

    fn remote(&self) -> PathBuf {
        self.shop.remote()
    }

    fn mirror_dir(&self) -> PathBuf {
        self.shop.dir.path().join("mirror.git")
    }

    /// Writes an object as it is, whatever git thinks of it.
    fn object_in(&self, dir: &Path, kind: &str, content: &[u8]) -> String {
        let mut child = self
            .shop
            .sealed("git", dir)
            .args(["hash-object", "-t", kind, "-w", "--literally", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        text(&output.stdout).trim().to_owned()
    }

    fn object(&self, kind: &str, content: impl AsRef<[u8]>) -> String {
        self.object_in(&self.remote(), kind, content.as_ref())
    }

    fn blob(&self, content: impl AsRef<[u8]>) -> String {
        self.object("blob", content)
    }

    /// A tree with these entries in this order: mode, name, id.
    fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        self.object("tree", tree_text(entries))
    }

    /// The snapshot of an app with these entries beside its app.yaml.
    fn snapshot(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let app = self.blob(app_with_files());
        let mut all = entries.to_vec();
        all.push(("100644", b"app.yaml", &app));
        all.sort_by_key(|entry| entry.1);
        self.tree(&all)
    }

    /// A commit that says it is version `number` of the app.
    fn commit(&self, number: u32, tree: &str) -> String {
        let message = format!("checkout v{number}\n\n{}", trailers("checkout", number));
        self.object("commit", commit_text(tree, &message))
    }

    /// Sets a ref of the remote as a file: git has no say.
    fn set(&self, name: &str, content: &str) {
        let path = self.remote().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{content}\n")).unwrap();
    }

    fn tag(&self, name: &str, oid: &str) {
        self.set(&format!("refs/tags/checkout/{name}"), oid);
    }

    /// A version that everything but its content is right about.
    fn version(&self, number: u32, tree: &str) {
        let commit = self.commit(number, tree);
        self.tag(&format!("v{number}"), &commit);
        self.set("refs/cutwater/checkout/last", &commit);
    }

    /// Lists the versions as a person does; it goes well, and prints nothing that rules a terminal.
    fn list(&self) -> Listed {
        let plain = self.run(&["versions", "list", "checkout", "--limit", "0"]);
        let json = self.run(&["versions", "list", "checkout", "--limit", "0", "--json"]);
        Listed {
            json: serde_json::from_str(&json.0).unwrap(),
            warnings: plain.1,
        }
    }

    /// Shows a version as a person does: what it printed, or why not.
    fn view(&self, word: &str) -> Result<String, String> {
        let output = self.shop.run(&["versions", "view", "checkout", word]);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        printable(&stdout);
        printable(&stderr);
        match output.status.code() {
            Some(0) => Ok(stdout),
            Some(1) => Err(stderr),
            other => panic!("{other:?}: {stderr}"),
        }
    }

    fn run(&self, args: &[&str]) -> (String, String) {
        let output = self.shop.run(args);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {stderr}");
        printable(&stdout);
        printable(&stderr);
        (stdout, stderr)
    }

    /// The controller's mirror as it is, without a fetch.
    fn open(&self) -> Mirror {
        let url = RemoteUrl::parse(self.remote().to_str().unwrap(), true).unwrap();
        Mirror::open(&self.mirror_dir(), &url, None).unwrap()
    }

    /// The controller's mirror with all that the remote has.
    fn mirror(&self) -> Mirror {
        let mirror = self.open();
        fetch(&mirror).unwrap();
        mirror
    }

    /// The good version is there for a person and for the controller, and nothing was written elsewhere.
    fn goes_on(&self, mirror: &Mirror) {
        let good = resolve(mirror, "first").unwrap();
        assert_eq!(good.number.get(), 1);
        assert_eq!(self.list().state(1), "living");
        self.view("v1").unwrap();
        let known = ["clone", "mirror.git", "remote.git"];
        for entry in std::fs::read_dir(self.shop.dir.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&name.as_str()), "{name} is new");
        }
    }
}

fn tree_text(entries: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (mode, name, oid) in entries {
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(git2::Oid::from_str(oid).unwrap().as_bytes());
    }
    content
}

fn fetch(mirror: &Mirror) -> Result<(), String> {
    let apps = BTreeSet::from([checkout()]);
    let fetched = mirror.fetch("main", &apps, Duration::from_mins(1));
    fetched.map(drop).map_err(|error| {
        printable(&error.to_string());
        error.to_string()
    })
}

fn resolve(mirror: &Mirror, word: &str) -> Result<VersionRecord, ResolveError> {
    let resolved = mirror.resolve(&checkout(), &word.parse().unwrap());
    if let Err(error) = &resolved {
        printable(&error.to_string());
        assert!(error.to_string().contains("checkout"), "{error}");
    }
    resolved
}

/// The version does not resolve, for that reason, and the error holds all of `said`.
fn refused(mirror: &Mirror, word: &str, reason: &str, said: &[&str]) {
    let error = resolve(mirror, word).unwrap_err();
    assert_eq!(error.reason().as_str(), reason, "{word}: {error}");
    for part in said {
        assert!(error.to_string().contains(part), "{word}: {part}: {error}");
    }
}

/// Nothing that rules a terminal, and no flood.
fn printable(text: &str) {
    assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    let bad = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "{text:?}");
}
