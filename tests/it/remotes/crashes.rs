//! Publishers, deleters and servers that are killed at random moments, on a path remote.
//!
//! `CUTWATER_CRASHES` is the number of moments (40), half of them the client's and half the server's; `make soak` has 1,000.
//! `CUTWATER_CRASH_SEED` repeats a run, as far as a scheduler can be repeated.

#![expect(
    clippy::print_stdout,
    reason = "a run is repeated by its seed, and `make soak` shows what happened"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::it::shop::{Shop, digest, text};

/// Moments in one repository: histories stay short.
const PER_SHOP: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the server in a session of its own, so that it outlives a client that is killed.
const APART: &str = "exec setsid git receive-pack \"$@\"";
/// The same, and says how long it took.
const TIMED: &str = "start=$(date +%s%N); setsid --wait git receive-pack \"$@\"; echo $(($(date +%s%N) - start)) > \"$TIME_FILE\"";
/// Kills the server and all that it has started after a delay: each one of a publish, or only the first. What is put in the
/// background reads from nowhere, unless it is told otherwise.
const DYING: &str =
    "[ $ONCE = true ] && [ -e \"$MARK_FILE\" ] && exec setsid git receive-pack \"$@\"
: > \"$MARK_FILE\"
exec 3<&0
setsid git receive-pack \"$@\" <&3 3<&- &
server=$!
exec 3<&-
sleep \"$DELAY\"
kill -s KILL -- \"-$server\" 2>/dev/null && echo killed > \"$MARK_FILE\"
wait \"$server\"";

#[test]
fn a_client_may_be_killed_at_any_moment() {
    crash("client", |store, random| {
        let mut moments = Moments::within(store.time_of_publish(), random);
        move |store: &Store, act: Act, _| {
            let delay = moments.next();
            let client = store.start(act, APART, "");
            sleep(delay);
            let finished = Store::kill_session(client);
            moments.learn(!finished);
            (finished, !finished)
        }
    });
}

#[test]
fn a_server_may_be_killed_at_any_moment() {
    crash("server", |store, random| {
        let mut moments = Moments::within(store.time_of_server(), random);
        move |store: &Store, act: Act, once: bool| {
            let delay = moments.next();
            // It recovers before the client tries again, or dies each time.
            let once = once.to_string();
            let script = DYING.replace("$ONCE", &once);
            let client = store.start(act, &script, &delay.as_secs_f64().to_string());
            let finished = client.wait_with_output().unwrap().status.success();
            let killed = store.mark() == "killed\n";
            moments.learn(killed);
            (finished, killed)
        }
    });
}

/// Moments from the start of something to a little after its end. How long it takes was measured once, and is another time on a
/// machine that is busy at another time, so they move until a third of them come too late.
struct Moments {
    longest: Duration,
    random: fastrand::Rng,
}

impl Moments {
    fn within(time: Duration, random: fastrand::Rng) -> Self {
        let longest = time.mul_f64(1.3);
        Self { longest, random }
    }

    fn next(&mut self) -> Duration {
        self.longest.mul_f64(self.random.f64())
    }

    fn learn(&mut self, was_in_time: bool) {
        let factor = if was_in_time { 1.1 } else { 0.82 };
        self.longest = self.longest.mul_f64(factor);
    }
}

/// What is done when something is killed.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Content by its number.
    Publish(usize),
    /// A version by its number.
    Delete(u64),
}

/// What happened in all moments together.
#[derive(Debug, Default)]
struct Tally {
    /// Something was at work, and was killed.
    killed: usize,
    /// The client had its answer before the end.
    finished: usize,
    /// It had none, and the version was there or deleted all the same.
    arrived: usize,
    /// Nothing had happened.
    nothing: usize,
    /// Locks that had to be removed, by the last part of their path.
    locks: BTreeMap<String, usize>,
    /// Numbers that no version has: the server died when `last` had moved, and the tag was not yet made.
    passed: usize,
}

/// Kills one side at as many moments as are asked for, and looks after each whether all is well.
fn crash<K>(side: &str, prepare: impl Fn(&Store, fastrand::Rng) -> K)
where
    K: FnMut(&Store, Act, bool) -> (bool, bool),
{
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let moments = usize::try_from(number("CUTWATER_CRASHES").unwrap_or(40)).unwrap() / 2;
    let seed = number("CUTWATER_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{side}: {moments} moments, CUTWATER_CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut done = 0;
    while done < moments {
        let mut store = Store::new();
        let mut kill = prepare(&store, random.fork());
        for n in 0..PER_SHOP.min(moments - done) {
            let before = store.versions();
            // Two are published for each that is deleted again.
            let act = match before.last_key_value() {
                Some((number, _)) if n % 3 == 2 => Act::Delete(*number),
                _ => Act::Publish(n),
            };
            let (finished, killed) = kill(&store, act, random.bool());
            tally.killed += usize::from(killed);
            store.until_quiet();
            store.check(act, &before, finished, &mut tally);
            done += 1;
        }
    }
    println!("{side}: {:.0} s, {tally:?}", start.elapsed().as_secs_f64());
    // The moments were those of a publish, and not all before or after it.
    assert!(tally.killed > moments / 4, "{tally:?}");
    assert!(tally.finished + tally.arrived > 0, "{tally:?}");
}

/// A release repository whose remote is a path.
struct Store {
    shop: Shop,
    /// The highest number that was seen, or spent.
    highest: u64,
    /// What was deleted.
    deleted: BTreeSet<u64>,
}

impl Store {
    fn new() -> Self {
        let shop = Shop::new();
        let wrapper = shop.dir.path().join("receive-pack");
        let config = ["config", "remote.origin.receivepack"];
        shop.git(
            &shop.clone_dir(),
            &[&config[..], &[wrapper.to_str().unwrap()]].concat(),
        );
        Self {
            shop,
            highest: 0,
            deleted: BTreeSet::new(),
        }
    }

    /// What the server that was to be killed has left.
    fn mark(&self) -> String {
        fs::read_to_string(self.shop.dir.path().join("mark")).unwrap_or_default()
    }

    /// Starts what is to be done, with a server that runs as `wrapper` says.
    fn start(&self, act: Act, wrapper: &str, delay: &str) -> Child {
        let file = self.shop.dir.path().join("receive-pack");
        // The next first server is to be killed again.
        let mark = self.shop.dir.path().join("mark");
        if mark.exists() {
            fs::remove_file(&mark).unwrap();
        }
        // A new file each time: one that a process still reads is left alone.
        let new = file.with_extension("new");
        fs::write(&new, format!("#!/bin/sh\n{wrapper}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &file).unwrap();
        let args = match act {
            Act::Publish(n) => format!("publish checkout --image web={}", image(n)),
            Act::Delete(number) => format!("delete checkout v{number} --yes --no-cluster"),
        };
        // Leader of a session: all that it starts can be found by that.
        self.shop
            .sealed("setsid", &self.shop.clone_dir())
            .arg(env!("CARGO_BIN_EXE_cutwater"))
            .args(["versions", "--json"])
            .args(args.split(' '))
            .env("DELAY", delay)
            .env("MARK_FILE", mark)
            .env("TIME_FILE", self.shop.dir.path().join("time"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// How long a publish takes now: the middle of three.
    fn time_of_publish(&self) -> Duration {
        let mut times = [0, 1, 2].map(|n| {
            let start = Instant::now();
            let output = self
                .start(Act::Publish(900 + n), APART, "")
                .wait_with_output()
                .unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            start.elapsed()
        });
        times.sort();
        times[1]
    }

    /// How long the server takes for one: the middle of three.
    fn time_of_server(&self) -> Duration {
        let mut times = [0, 1, 2].map(|n| {
            let output = self
                .start(Act::Publish(900 + n), TIMED, "")
                .wait_with_output()
                .unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            let time = fs::read_to_string(self.shop.dir.path().join("time")).unwrap();
            Duration::from_nanos(time.trim().parse().unwrap())
        });
        times.sort();
        times[1]
    }

    /// Kills a publisher and all that it started; true where it had ended well before.
    fn kill_session(mut publisher: Child) -> bool {
        let session = publisher.id();
        let start = Instant::now();
        loop {
            let members = processes()
                .filter(|process| process.session == session && process.state != "Z")
                .collect::<Vec<_>>();
            if members.is_empty() {
                break;
            }
            for process in members {
                // An error means that it has ended just now.
                let _ended = kill_process(Pid::from_raw(process.id).unwrap(), Signal::KILL);
            }
            assert!(start.elapsed() < PATIENCE, "a process cannot be killed");
        }
        publisher.wait().unwrap().success()
    }

    /// Waits until nobody works in the repositories any more.
    fn until_quiet(&self) {
        let start = Instant::now();
        let root = self.shop.dir.path();
        let busy = || {
            processes().any(|process| {
                let at = fs::read_link(format!("/proc/{}/cwd", process.id));
                process.state != "Z" && at.is_ok_and(|at| at.starts_with(root))
            })
        };
        while busy() {
            assert!(start.elapsed() < PATIENCE, "a process does not end");
            sleep(Duration::from_millis(2));
        }
    }

    /// Commits by numbers, from the tags alone.
    fn versions(&self) -> BTreeMap<u64, String> {
        let format = "--format=%(refname:lstrip=3) %(objectname)";
        let tags = self.shop.git(
            &self.shop.remote(),
            &["for-each-ref", format, "refs/tags/checkout/"],
        );
        let tag = |line: &str| {
            let (name, commit) = line.split_once(' ').unwrap();
            let number = name.strip_prefix('v').unwrap().parse().unwrap();
            (number, commit.to_owned())
        };
        tags.lines().map(tag).collect()
    }

    /// After a crash in the middle of it.
    fn check(
        &mut self,
        act: Act,
        before: &BTreeMap<u64, String>,
        finished: bool,
        tally: &mut Tally,
    ) {
        self.highest = self.highest.max(before.keys().last().copied().unwrap_or(0));
        self.sound();
        // Nothing lost, nothing moved but what is deleted, at most one more.
        let mut after = self.versions();
        let mut arrived = false;
        for (number, commit) in before {
            let now = after.remove(number).expect("a version is lost");
            let moved = now != *commit;
            assert!(
                !moved || matches!(act, Act::Delete(deleted) if deleted == *number),
                "v{number} has moved"
            );
            arrived |= moved;
        }
        assert!(after.len() <= 1, "{after:?}");
        arrived |= !after.is_empty();
        match (finished, arrived) {
            (true, false) => panic!("what was told is not so: {act:?}"),
            (true, true) => tally.finished += 1,
            (false, true) => tally.arrived += 1,
            (false, false) => tally.nothing += 1,
        }
        // The same just works now, or names what is in its way.
        let told = self.again(act, tally);
        match act {
            Act::Publish(_) => self.check_published(&told, after.keys().next().copied(), tally),
            Act::Delete(number) => {
                assert!(after.is_empty(), "{after:?}");
                self.deleted.insert(number);
            }
        }
        self.check_list();
        self.sound();
    }

    /// What the next publish was told fits what had arrived of the one before it.
    fn check_published(&mut self, told: &Json, arrived: Option<u64>, tally: &mut Tally) {
        let (outcome, number) = (told["outcome"].as_str(), told["version"]["number"].as_u64());
        let number = number.unwrap();
        match arrived {
            Some(arrived) => {
                assert_eq!((outcome, number), (Some("unchanged"), arrived), "{told}");
            }
            None => assert_eq!(outcome, Some("published"), "{told}"),
        }
        // A number is passed over only where the server died while it made the tag, after `last`: its lock is there.
        for passed in self.highest + 1..number {
            let lock = format!("refs/tags/checkout/v{passed}.lock");
            assert!(self.shop.remote().join(lock).exists(), "v{passed} is lost");
            tally.passed += 1;
        }
        self.highest = number;
    }

    /// A list shows each version once, and what was deleted as deleted.
    fn check_list(&self) {
        let list = self
            .shop
            .ok(&["versions", "list", "--json", "--limit", "0"]);
        let list: Json = serde_json::from_str(&list).unwrap();
        let list = list["versions"].as_array().unwrap();
        let number = |version: &Json| version["number"].as_u64().unwrap();
        let numbers: Vec<u64> = list.iter().map(number).collect();
        let tags: Vec<u64> = self.versions().into_keys().rev().collect();
        assert_eq!(numbers, tags);
        let mut trees = BTreeSet::new();
        for version in list {
            if self.deleted.contains(&number(version)) {
                assert_eq!(version["state"], "deleted", "{version}");
            } else {
                assert_eq!(version["state"], "living", "{version}");
                let new = trees.insert(version["tree"].to_string());
                assert!(new, "one content has two numbers: {version}");
            }
        }
    }

    /// Nothing is broken on either side.
    fn sound(&self) {
        for dir in [self.shop.remote(), self.shop.clone_dir()] {
            self.shop.git(&dir, &["fsck", "--full", "--no-dangling"]);
        }
    }

    /// Does it with a server that is well. Where a lock that is left is named by its path, exactly that is removed.
    fn again(&self, act: Act, tally: &mut Tally) -> Json {
        for _ in 0..10 {
            let output = self.start(act, APART, "").wait_with_output().unwrap();
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).unwrap();
            }
            let said = text(&output.stderr) + &text(&output.stdout);
            let lock = lock_in(&said).unwrap_or_else(|| panic!("{said}"));
            fs::remove_file(&lock).unwrap_or_else(|error| panic!("{said}: {error}"));
            let name = lock.file_name().unwrap().to_string_lossy().into_owned();
            let kind = match name.trim_end_matches(".lock") {
                name if name.len() == 40 => "ids/<tree>.lock".to_owned(),
                name if name.starts_with('v') => "v<number>.lock".to_owned(),
                _ => name,
            };
            *tally.locks.entry(kind).or_default() += 1;
        }
        panic!("ten locks in the way");
    }
}

/// The path of the lock that a message names, or of the file that git writes under one.
fn lock_in(said: &str) -> Option<PathBuf> {
    let lock = || {
        let (path, _) = said.split_once("Unable to create '")?.1.split_once('\'')?;
        let is_lock = Path::new(path).extension().is_some_and(|it| it == "lock");
        is_lock.then_some(path)
    };
    let packed = || {
        let (path, _) =
            (said.split_once("unable to create file ")?.1).split_once(": File exists")?;
        path.ends_with("/packed-refs.new").then_some(path)
    };
    let path = Path::new(lock().or_else(packed)?);
    path.is_absolute().then(|| path.to_owned())
}

/// An image of its own for each content.
fn image(n: usize) -> String {
    let image = digest("c");
    format!("{}{n:04x}", &image[..image.len() - 4])
}

struct Running {
    id: i32,
    state: String,
    session: u32,
}

/// All processes of this machine.
fn processes() -> impl Iterator<Item = Running> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name of the program, which may hold anything: state, parent, group, session.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        Some(Running {
            id,
            state: fields.next()?.to_owned(),
            session: fields.nth(2)?.parse().ok()?,
        })
    })
}
