//! A server that is far away: what goes on is waited for, and what stands still is not. Nothing waits for what is large.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cutwater::git::{Credentials, RemoteUrl};
use cutwater::store::{Coming, Mirror, Part};
use cutwater::words::{AppName, CommitId};

use super::web;
use crate::it::shop::Shop;
use crate::support::far::far;
use crate::support::web::Web;

/// Longest time for a fetch that is soon done.
const SOON: Duration = Duration::from_secs(2);

/// A shop behind a web server.
struct Distant {
    shop: Shop,
    web: Web,
}

impl Distant {
    fn new() -> Self {
        let shop = Shop::new();
        let web = web(&shop);
        Self { shop, web }
    }

    /// A new mirror, to which each connection brings so many bytes.
    fn mirror(&self, most: usize) -> Mirror {
        let url = far(&self.web.http("/open/remote.git"), most);
        let url = RemoteUrl::parse(&url, true).unwrap();
        drop(fs::remove_dir_all(self.copy()));
        Mirror::open(&self.copy(), &url, Some(Credentials::default())).unwrap()
    }

    fn copy(&self) -> PathBuf {
        self.shop.dir.path().join("mirror.git")
    }

    /// Commits so many kilobytes of which nothing is to be made smaller.
    fn commit(&self, kilobytes: usize) {
        let mut random = vec![0; kilobytes * 1024];
        let mut source = fs::File::open("/dev/urandom").unwrap();
        source.read_exact(&mut random).unwrap();
        self.shop.commit("apps/checkout/public/large.bin", random);
    }

    /// A mirror that has had version 1, which takes long, and lost a file of it.
    fn damaged(&self) -> Mirror {
        self.push();
        self.commit(600);
        self.shop.publish(&[]);
        let mirror = self.mirror(usize::MAX);
        mirror.fetch("main", &apps(), SOON).unwrap();
        until("version 1 comes", || mirror.has_arrived());
        mirror.fetch("main", &apps(), SOON).unwrap();
        let known = mirror.resolve(&"checkout".parse().unwrap(), &"v1".parse().unwrap());
        assert!(known.is_ok() && mirror.coming().is_empty());
        self.damage();
        let url = far(&self.web.http("/open/remote.git"), usize::MAX);
        let url = RemoteUrl::parse(&url, true).unwrap();
        Mirror::open(&self.copy(), &url, None).unwrap()
    }

    /// Takes a file of version 1 from the mirror.
    fn damage(&self) {
        // A file each, so that one can be lost.
        let (packs, aside) = (
            self.copy().join("objects/pack"),
            self.shop.dir.path().join("aside"),
        );
        fs::rename(&packs, &aside).unwrap();
        let packs = fs::read_dir(&aside).unwrap();
        let packs = packs.map(|entry| entry.unwrap().path());
        for pack in packs.filter(|path| path.extension().is_some_and(|it| it == "pack")) {
            let mut unpack = self.shop.sealed("git", &self.copy());
            unpack
                .args(["unpack-objects", "-q"])
                .stdin(fs::File::open(pack).unwrap());
            assert!(unpack.status().unwrap().success());
        }
        let file = self.shop.rev(&self.shop.remote(), "checkout/v1:app.yaml");
        let (folder, name) = file.split_at(2);
        fs::remove_file(self.copy().join("objects").join(folder).join(name)).unwrap();
    }

    fn push(&self) {
        let clone = self.shop.clone_dir();
        let args = ["push", "-q", "origin", "HEAD:refs/heads/main"];
        self.shop.git(&clone, &args);
    }

    /// Moves the branch at the remote, with nothing new in it.
    fn move_branch(&self) -> CommitId {
        let git = |args: &[&str]| self.shop.git(&self.shop.remote(), args);
        let args = ["commit-tree", "-p", "main", "-m", "Go back", "main^{tree}"];
        let commit = git(&args).trim().to_owned();
        git(&["update-ref", "refs/heads/main", &commit]);
        commit.parse().unwrap()
    }
}

fn apps() -> BTreeSet<AppName> {
    ["checkout".parse().unwrap()].into()
}

/// What git left in the mirror that is no part of it.
fn halves(mirror: &Path) -> Vec<String> {
    let packs = fs::read_dir(mirror.join("objects/pack")).unwrap();
    let names = packs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("tmp_")).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn parts(coming: Vec<Coming>) -> Vec<Part> {
    coming.into_iter().map(|coming| coming.what).collect()
}

#[test]
fn a_transfer_that_goes_on_is_waited_for_and_one_that_stands_still_is_not() {
    let distant = Distant::new();
    distant.commit(400);
    distant.push();
    distant.shop.publish(&[]);
    for (most, arrives) in [(usize::MAX, true), (200 * 1024, false)] {
        let mirror = distant.mirror(most);
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        // What is large is in the branch too, and all else follows from that.
        assert_eq!(parts(mirror.coming()), [Part::Branch]);
        assert!(fetched.head.is_none() && fetched.changed.is_empty());
        let again = mirror.fetch("main", &apps(), SOON).unwrap();
        assert!(again.head.is_none() && mirror.awaits_versions_of(&"checkout".parse().unwrap()));
        until("it has an end", || mirror.has_arrived());
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        if arrives {
            assert!(fetched.failed.is_none() && mirror.coming().is_empty());
            assert!(fetched.head.is_some() && fetched.changed == apps());
            assert!(mirror.fetched_at().is_some());
        } else {
            let failed = fetched.failed.unwrap().to_string();
            assert!(failed.contains("no answer within 2 s"), "{failed}");
            // It is told before it is begun anew.
            assert!(mirror.coming().is_empty() && mirror.fetched_at().is_none());
        }
        assert_eq!(halves(&distant.copy()), [""; 0]);
    }
}

#[test]
fn the_branch_is_read_while_a_large_version_comes() {
    let distant = Distant::new();
    distant.push();
    distant.shop.publish(&[]);
    let mirror = distant.mirror(usize::MAX);
    let resolve = |word: &str| mirror.resolve(&"checkout".parse().unwrap(), &word.parse().unwrap());
    mirror.fetch("main", &apps(), SOON).unwrap();
    assert!(mirror.coming().is_empty() && resolve("v1").is_ok());
    // Version 2 takes ten seconds, and its commit is in no branch.
    distant.commit(800);
    distant.shop.publish(&[]);
    let head = mirror.head("main");
    let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
    assert_eq!(parts(mirror.coming()), [Part::Versions(apps())]);
    assert!(fetched.head == head && fetched.changed.is_empty());
    assert!(mirror.awaits_versions_of(&"checkout".parse().unwrap()));
    for _ in 0..3 {
        let moved = distant.move_branch();
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        assert!(fetched.head == Some(moved) && fetched.head_changed);
        assert!(resolve("v1").is_ok() && resolve("v2").is_err());
        assert!(!mirror.has_arrived(), "it is as slow as that");
    }
    // Another app that is followed from now on waits for nothing either.
    let other: AppName = "other".parse().unwrap();
    let commit = distant.shop.rev(&distant.shop.remote(), "checkout/v1");
    let refs = ["update-ref", "refs/tags/other/v1", &commit];
    distant.shop.git(&distant.shop.remote(), &refs);
    let both = apps().into_iter().chain([other.clone()]).collect();
    let fetched = mirror.fetch("main", &both, SOON).unwrap();
    assert_eq!(fetched.changed, [other].into());
    assert!(!mirror.has_arrived());
    until("it comes", || mirror.has_arrived());
    let fetched = mirror.fetch("main", &both, SOON).unwrap();
    assert!(fetched.changed == apps() && fetched.failed.is_none());
    assert!(mirror.coming().is_empty() && resolve("v2").is_ok());
    assert_eq!(halves(&distant.copy()), [""; 0]);
}

#[test]
fn a_version_that_does_not_come_is_said_and_begun_anew_beside_the_branch() {
    let distant = Distant::new();
    distant.push();
    distant.commit(400);
    distant.shop.publish(&[]);
    let mirror = distant.mirror(200 * 1024);
    for _ in 0..2 {
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        assert!(fetched.head.is_some() && fetched.failed.is_none());
        assert_eq!(parts(mirror.coming()), [Part::Versions(apps())]);
        until("it has an end", || mirror.has_arrived());
        let moved = distant.move_branch();
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        let failed = fetched.failed.unwrap().to_string();
        assert!(failed.contains("no answer within 2 s"), "{failed}");
        assert!(fetched.head == Some(moved) && mirror.coming().is_empty());
        assert_eq!(halves(&distant.copy()), [""; 0]);
    }
}

#[test]
fn the_branch_is_read_while_a_new_copy_comes_in_place_of_a_damaged_one() {
    let distant = Distant::new();
    let mirror = distant.damaged();
    let resolve = || mirror.resolve(&"checkout".parse().unwrap(), &"v1".parse().unwrap());
    assert!(resolve().is_err());
    let fetched = mirror.fetch("main", &apps(), SOON);
    assert_eq!(parts(mirror.coming()), [Part::Copy], "{fetched:?}");
    let moved = distant.move_branch();
    let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
    assert!(fetched.head.as_ref() == Some(&moved) && !fetched.renewed);
    until("the copy comes", || mirror.has_arrived());
    let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
    assert!(fetched.renewed && mirror.coming().is_empty() && resolve().is_ok());
    // The copy was begun before the branch moved, and nobody goes back.
    assert_eq!(fetched.head, Some(moved));
    assert_eq!(halves(&distant.copy()), [""; 0]);
}

#[test]
fn a_new_copy_is_brought_to_where_the_branch_is_however_much_that_is() {
    let distant = Distant::new();
    let mirror = distant.damaged();
    let resolve = |word: &str| mirror.resolve(&"checkout".parse().unwrap(), &word.parse().unwrap());
    assert!(resolve("v1").is_err());
    mirror.fetch("main", &apps(), SOON).unwrap();
    assert_eq!(parts(mirror.coming()), [Part::Copy]);
    let since = mirror.coming()[0].since;
    // Enough files for a pack, which git leaves half where a call is ended.
    let public = distant.shop.clone_dir().join("apps/checkout/public");
    for number in 0..150 {
        let mut random = vec![0; 4096];
        let mut source = fs::File::open("/dev/urandom").unwrap();
        source.read_exact(&mut random).unwrap();
        fs::write(public.join(format!("{number}.bin")), random).unwrap();
    }
    distant.commit(4);
    distant.push();
    let fresh = distant.copy().with_extension("new");
    let begun = Instant::now();
    loop {
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "{:?}",
            mirror.coming()
        );
        until("something comes", || mirror.has_arrived());
        let fetched = mirror.fetch("main", &apps(), SOON).unwrap();
        if fetched.renewed {
            let head = distant.shop.rev(&distant.shop.remote(), "main");
            assert_eq!(fetched.head, Some(head.parse().unwrap()));
            break;
        }
        let copy = mirror.coming().into_iter().find(|it| it.what == Part::Copy);
        assert_eq!(copy.map(|copy| copy.since), Some(since));
        if fresh.join("objects/pack").is_dir() {
            assert!(halves(&fresh).len() <= 1, "{:?}", halves(&fresh));
        }
    }
    assert!(resolve("v1").is_ok() && mirror.coming().is_empty());
    assert_eq!(halves(&distant.copy()), [""; 0]);
    // What is large comes as before.
    distant.commit(400);
    distant.shop.publish(&[]);
    mirror.fetch("main", &apps(), SOON).unwrap();
    assert_eq!(parts(mirror.coming()), [Part::Versions(apps())]);
    until("version 2 comes", || mirror.has_arrived());
    mirror.fetch("main", &apps(), SOON).unwrap();
    assert!(resolve("v2").is_ok());
}
