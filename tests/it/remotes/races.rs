use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::{ssh, web};
use crate::it::shop::{Shop, digest, text};

/// Publishers that start at the same time, each with a clone of its own: over a path, and elsewhere. What they cost grows with the
/// square of their number.
const MANY: usize = 32;
const SOME: usize = 12;

/// A shop with a clone for each racer, whose remote is at `url`.
struct Race {
    shop: Shop,
    clones: Vec<PathBuf>,
}

/// What a publisher was told.
#[derive(Debug)]
struct Told {
    outcome: String,
    number: u64,
    tree: String,
}

impl Race {
    fn of(racers: usize, shop: Shop, url: &str) -> Self {
        let clones: Vec<PathBuf> = (0..racers)
            .map(|n| shop.dir.path().join(format!("racer{n}")))
            .collect();
        for clone in &clones {
            let clone = clone.to_str().unwrap();
            shop.git(
                shop.dir.path(),
                &["clone", "-q", "--shared", "clone", clone],
            );
            shop.git(clone.as_ref(), &["remote", "set-url", "origin", url]);
        }
        Self { shop, clones }
    }

    /// All publish at once, each with the image that `image` gives.
    fn start(&self, image: impl Fn(usize) -> String) -> Vec<Child> {
        let start = |(n, clone): (usize, &PathBuf)| {
            let image = format!("web={}", image(n));
            // Some of them begin when several tags are gone already, which they never saw.
            let args = [
                "versions",
                "publish",
                "--json",
                "--trust-last",
                "--image",
                &image,
            ];
            self.shop
                .command_in(clone, &args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        self.clones.iter().enumerate().map(start).collect()
    }

    fn end(racers: Vec<Child>) -> Vec<Told> {
        let end = |racer: Child| {
            let output = racer.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            let json: Json = serde_json::from_slice(&output.stdout).unwrap();
            Told {
                outcome: json["outcome"].as_str().unwrap().to_owned(),
                number: json["version"]["number"].as_u64().unwrap(),
                tree: json["version"]["tree"].as_str().unwrap().to_owned(),
            }
        };
        racers.into_iter().map(end).collect()
    }

    /// Each racer has content of its own: each gets a number of its own, with no gap behind `before`.
    fn different(&self, seed: &str, before: usize) {
        let image = |n: usize| image(seed, n);
        let told = Self::end(self.start(image));
        self.check(&told, seed, before);
        for told in &told {
            let tree = self.shop.rev(
                &self.shop.remote(),
                &format!("checkout/v{}^{{tree}}", told.number),
            );
            assert_eq!(tree, told.tree, "v{}", told.number);
        }
    }

    /// What each was told fits what is there; tags that somebody deleted are not looked at.
    fn check(&self, told: &[Told], seed: &str, before: usize) {
        let numbers: BTreeSet<u64> = told.iter().map(|told| told.number).collect();
        let wanted = (before + 1..=before + self.clones.len()).map(|number| number as u64);
        assert_eq!(numbers, wanted.collect(), "{told:?}");
        for (n, told) in told.iter().enumerate() {
            assert_eq!(told.outcome, "published", "{told:?}");
            let file = self.shop.git(
                &self.shop.remote(),
                &["show", &format!("{}:app.yaml", told.tree)],
            );
            assert!(file.contains(&image(seed, n)), "{told:?}: {file}");
        }
        self.whole(before + self.clones.len());
    }

    /// All have the same content: one version, and the others are told of it.
    fn same(&self, seed: &str, before: usize) {
        let told = Self::end(self.start(|_| image(seed, 0)));
        let number = (before + 1) as u64;
        assert!(told.iter().all(|told| told.number == number), "{told:?}");
        let published = told.iter().filter(|told| told.outcome == "published");
        assert_eq!(published.count(), 1, "{told:?}");
        let unchanged = told.iter().filter(|told| told.outcome == "unchanged");
        assert_eq!(unchanged.count(), self.clones.len() - 1, "{told:?}");
        self.whole(before + 1);
    }

    /// The same while others delete the first eight versions.
    fn with_deleters(&self, seed: &str, before: usize) {
        let racers = self.start(|n| image(seed, n));
        let delete = |number: usize| {
            let names = [number, number + 1].map(|number| format!("v{number}"));
            let [first, second] = names.each_ref().map(String::as_str);
            let args = [
                "versions",
                "delete",
                "checkout",
                first,
                second,
                "--yes",
                "--no-cluster",
            ];
            let mut command = self.shop.command_in(&self.shop.clone_dir(), &args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let deleters: Vec<Child> = [1, 3, 5, 7].map(delete).into();
        self.check(&Self::end(racers), seed, before);
        for deleter in deleters {
            let output = deleter.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        let list = ["versions", "list", "--json", "--limit", "0"];
        let list: Json = serde_json::from_str(&self.shop.ok(&list)).unwrap();
        let list = list["versions"].as_array().unwrap();
        assert_eq!(list.len(), before + self.clones.len());
        for version in list {
            let gone = version["number"].as_u64().unwrap() <= 8;
            let state = if gone { "deleted" } else { "living" };
            assert_eq!(version["state"], state, "{version}");
        }
    }

    /// The remote is sound, and `last` is the newest version.
    fn whole(&self, newest: usize) {
        let remote = self.shop.remote();
        self.shop.git(&remote, &["fsck", "--full", "--strict"]);
        let last = ["log", "-1", "--format=%s", "refs/cutwater/checkout/last"];
        let last = self.shop.git(&remote, &last);
        assert!(last.starts_with(&format!("checkout v{newest}:")), "{last}");
    }
}

/// An image of its own for each racer.
fn image(seed: &str, n: usize) -> String {
    let image = digest(&seed[..1]);
    format!("{}{n:02x}", &image[..image.len() - 2])
}

#[test]
fn over_a_path_each_gets_its_own_number() {
    let shop = Shop::new();
    let url = shop.remote().display().to_string();
    let race = Race::of(MANY, shop, &url);
    race.different("a", 0);
    race.same("b", MANY);
    race.with_deleters("c", MANY + 1);
}

#[test]
fn over_http_each_gets_its_own_number() {
    let shop = Shop::new();
    let web = web(&shop);
    let race = Race::of(SOME, shop, &web.http("/open/remote.git"));
    race.different("a", 0);
    race.same("b", SOME);
}

#[test]
fn over_ssh_each_gets_its_own_number() {
    let shop = Shop::new();
    let sshd = ssh(&shop);
    let url = sshd.url(&shop.remote());
    let race = Race::of(SOME, shop, &url);
    race.different("a", 0);
    race.same("b", SOME);
}

#[test]
fn without_atomic_pushes_each_gets_its_own_number() {
    let shop = Shop::new();
    let config = ["config", "receive.advertiseAtomic", "false"];
    shop.git(&shop.remote(), &config);
    let url = shop.remote().display().to_string();
    let race = Race::of(SOME, shop, &url);
    race.different("a", 0);
    race.same("b", SOME);
}

#[test]
fn no_number_comes_back_while_somebody_deletes_tags_by_hand() {
    let shop = Shop::new();
    let url = shop.remote().display().to_string();
    let race = Race::of(SOME, shop, &url);
    let racers = race.start(|n| image("a", n));
    // Each of the first ten as soon as it is there.
    let shop = &race.shop;
    let start = Instant::now();
    for number in 1..=10 {
        let tag = format!("refs/tags/checkout/v{number}");
        while !shop.refs().contains(&tag) {
            assert!(start.elapsed() < Duration::from_mins(2), "no v{number}");
        }
        delete(shop, &tag);
    }
    race.check(&Race::end(racers), "a", 0);
    // The newest, when nobody is at work.
    delete(shop, &format!("refs/tags/checkout/v{SOME}"));
    race.different("b", SOME);
}

/// Deletes a tag as a forge does it for somebody who clicks. A lock of a publisher may be in the way for a moment.
fn delete(shop: &Shop, tag: &str) {
    let start = Instant::now();
    loop {
        let mut git = shop.sealed("git", &shop.remote());
        let output = git.args(["update-ref", "-d", tag]).output().unwrap();
        if output.status.success() {
            return;
        }
        let said = text(&output.stderr);
        assert!(
            said.contains(".lock") && start.elapsed() < Duration::from_secs(20),
            "{said}"
        );
    }
}
