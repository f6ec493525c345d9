//! The store: 100,000 versions of 1,000 apps in one repository, beside bare git in the same run.
//!
//! The two take turns, so that both meet the same machine. Remotes are paths, where git itself is quickest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cutwater::git::RemoteUrl;
use cutwater::store::Mirror;
use cutwater::words::AppName;
use tempfile::TempDir;

use crate::lab::cutwater;
use crate::lab::versions::{self, Recipe};
use crate::lab::wire::Wire;
use crate::say;
use crate::table::{Row, Samples, load_average};

const APPS: usize = 1000;
const VERSIONS: u32 = 100;
/// The most that anything may take, as a multiple of bare git.
const MOST: f64 = 1.5;
const PATIENCE: Duration = Duration::from_mins(10);
/// The app that is looked at, in the middle of the others.
const ONE: usize = 500;

pub fn measure() {
    let crowd = Crowd::new();
    crowd.lists();
    crowd.polls();
    crowd.resolves();
}

/// The repository with all versions, what is made from it, and its server.
struct Crowd {
    dir: TempDir,
    wire: Wire,
}

impl Crowd {
    fn new() -> Self {
        say("making 100,000 versions of 1,000 apps");
        let dir = tempfile::tempdir().unwrap();
        git(
            dir.path(),
            &["init", "-q", "--bare", "-b", "main", "remote.git"],
        );
        let remote = dir.path().join("remote.git");
        let apps: Vec<String> = (0..APPS).map(versions::app).collect();
        let numbers: Vec<u32> = (1..=VERSIONS).collect();
        versions::import(&remote, &apps, &numbers, &Recipe::default());
        let name = format!("refs/tags/{}/v1", versions::app(ONE));
        git(&remote, &["update-ref", "refs/heads/main", &name]);
        let wire = Wire::serve(dir.path());
        Self { dir, wire }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `versions list` in a clone that has all tags, as `git clone` leaves it, and in one that has none.
    fn lists(&self) {
        let app = versions::app(ONE);
        for (name, option) in [("all tags", "--tags"), ("no tags", "--no-tags")] {
            git(
                self.dir.path(),
                &["clone", "-q", option, "remote.git", name],
            );
            let clone = self.path(name);
            let list = || {
                let mut command = sealed(cutwater(), &clone);
                finish(command.args(["versions", "list", &app]));
            };
            let specs = refspecs(ONE..ONE + 1, "refs/bare");
            let mut args = vec!["fetch", "-q", "--no-tags", "origin"];
            args.extend(specs.iter().map(String::as_str));
            let bare = || git(&clone, &args);
            compare(
                &format!("list of one app of 1,000, clone with {name}"),
                11,
                || timed(list),
                || timed(bare),
            );
            // The address does not change what is fetched: the clone has seen all of it.
            git(
                &clone,
                &["remote", "set-url", "origin", &self.wire.url("remote.git")],
            );
            list();
            self.compare_bytes(&format!("its bytes, clone with {name}"), list, bare);
        }
    }

    /// Polls of mirrors that follow one app and all apps.
    fn polls(&self) {
        for (apps, rounds) in [(ONE..ONE + 1, 21), (0..APPS, 3)] {
            let count = apps.len();
            say(&format!("fetching {count} apps for the first time, twice"));
            let followed: BTreeSet<AppName> = apps
                .clone()
                .map(|app| versions::app(app).parse().unwrap())
                .collect();
            let bare = self.path(&format!("bare-{count}.git"));
            git(
                self.dir.path(),
                &["init", "-q", "--bare", bare.to_str().unwrap()],
            );
            let mut specs = refspecs(apps.clone(), "refs");
            specs.push("+refs/heads/main:refs/heads/main".to_owned());
            let fetch = |from: &str| {
                let mut command = sealed(Path::new("git"), &bare);
                let mut child = command
                    .args(["fetch", "-q", "--no-tags", "--stdin", from])
                    .stdin(Stdio::piped())
                    .spawn()
                    .unwrap();
                let stdin = child.stdin.take().unwrap();
                std::io::Write::write_all(&mut { stdin }, specs.join("\n").as_bytes()).unwrap();
                assert!(child.wait().unwrap().success());
            };
            let remote = self.path("remote.git").display().to_string();
            let web = self.wire.url("remote.git");
            for (place, url) in [("path", remote.as_str()), ("web", web.as_str())] {
                let url = RemoteUrl::parse(url, true).unwrap();
                let folder = self.path(&format!("mirror-{count}-{place}.git"));
                let mirror = Mirror::open(&folder, &url, None).unwrap();
                let poll = || mirror.fetch("main", &followed, PATIENCE).unwrap();
                let first = timed(|| drop(poll()));
                if place == "path" {
                    let bare_first = timed(|| fetch(&remote)).as_secs_f64();
                    let first = first.as_secs_f64();
                    let what = format!("first fetch of {count} of 1,000 apps");
                    Row::ratio(&what, first, bare_first, "s", "bare git", MOST).leave();
                    // Bare git leaves a file for each ref; packed, it is quicker at the next fetch.
                    git(&bare, &["pack-refs", "--all"]);
                    let what = format!("poll of {count} of 1,000 apps, nothing new");
                    compare(
                        &what,
                        rounds,
                        || timed(|| drop(poll())),
                        || timed(|| fetch(&remote)),
                    );
                } else {
                    let what = format!("bytes of a poll of {count} of 1,000 apps");
                    self.compare_bytes(&what, || drop(poll()), || fetch(&web));
                }
            }
        }
    }

    /// Words that become versions, in the mirror of all apps that [`Self::polls`] left.
    fn resolves(&self) {
        let remote = self.path("remote.git");
        let url = RemoteUrl::parse(remote.to_str().unwrap(), true).unwrap();
        let mirror = Mirror::open(&self.path("mirror-1000-path.git"), &url, None).unwrap();
        let followed = (0..APPS).map(|app| versions::app(app).parse().unwrap());
        mirror.fetch("main", &followed.collect(), PATIENCE).unwrap();
        let pinned = "v50".parse().unwrap();
        for (what, most) in [("cold", 1000.0), ("warm", 1000.0)] {
            let times: Vec<Duration> = (0..APPS)
                .map(|app| {
                    let app = versions::app(app).parse().unwrap();
                    let start = Instant::now();
                    mirror.resolve(&app, &pinned).unwrap();
                    start.elapsed()
                })
                .collect();
            let samples = Samples::new(&times);
            for (percentile, time) in [("median", samples.median()), ("p99", samples.p99())] {
                let what = format!("resolving a pinned version, {what}, {percentile}");
                Row::most(&what, time * 1e3, "µs", most).leave();
            }
        }
    }

    fn compare_bytes(&self, what: &str, ours: impl Fn(), bare: impl Fn()) {
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        let (ours, bare) = (self.wire.bytes_of(ours), self.wire.bytes_of(bare));
        Row::ratio(what, kib(ours), kib(bare), "KiB", "git fetch", MOST).leave();
    }
}

/// Both in turns, as they measure themselves; the medians beside each other.
pub fn compare(
    what: &str,
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut bare: impl FnMut() -> Duration,
) {
    // The first time fills caches.
    ours();
    bare();
    let (ours, bare): (Vec<Duration>, Vec<Duration>) =
        (0..rounds).map(|_| (ours(), bare())).unzip();
    let (ours, bare) = (Samples::new(&ours), Samples::new(&bare));
    let what = format!("{what} (load {:.1})", load_average());
    Row::ratio(&what, ours.median(), bare.median(), "ms", "bare git", MOST).leave();
}

/// How long some work takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The refspecs of all refs of these apps.
fn refspecs(apps: std::ops::Range<usize>, to: &str) -> Vec<String> {
    let places = ["tags", "cutwater"];
    apps.map(versions::app)
        .flat_map(|app| places.map(|place| format!("+refs/{place}/{app}/*:{to}/{place}/{app}/*")))
        .collect()
}

/// A command with nothing of the person who measures.
pub fn sealed(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "A Tester")
        .env("GIT_AUTHOR_EMAIL", "tester@example.com")
        .env("GIT_COMMITTER_NAME", "A Tester")
        .env("GIT_COMMITTER_EMAIL", "tester@example.com")
        .current_dir(dir)
        .stdout(Stdio::null());
    command
}

pub fn finish(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

pub fn git(dir: &Path, args: &[&str]) {
    finish(sealed(Path::new("git"), dir).args(args));
}
