//! Many apps in one repository: what one of them costs on the wire, and how the mirror stays small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cutwater::git::RemoteUrl;
use cutwater::store::Mirror;
use cutwater::words::AppName;

use super::shop::{Shop, text};
use crate::lab::versions::{self, Recipe};
use crate::lab::wire::Wire;

const PATIENCE: Duration = Duration::from_mins(1);

/// A remote with that many apps, and its server.
struct Crowd {
    shop: Shop,
    wire: Wire,
}

impl Crowd {
    fn of(apps: usize, versions: u32) -> Self {
        let shop = Shop::new();
        shop.git(
            &shop.clone_dir(),
            &["push", "-q", "origin", "HEAD:refs/heads/main"],
        );
        let numbers: Vec<u32> = (1..=versions).collect();
        versions::import(&shop.remote(), &names(apps), &numbers, &Recipe::default());
        let wire = Wire::serve(shop.dir.path());
        Self { shop, wire }
    }

    fn url(&self) -> String {
        self.wire.url("remote.git")
    }

    fn publish(&self, app: usize, number: u32) {
        let apps = [versions::app(app)];
        versions::import(&self.shop.remote(), &apps, &[number], &Recipe::default());
    }

    /// A mirror in a folder of that name.
    fn mirror(&self, name: &str) -> Mirror {
        let url = RemoteUrl::parse(&self.url(), true).unwrap();
        Mirror::open(&self.shop.dir.path().join(name), &url, None).unwrap()
    }

    /// What a poll of that many apps costs.
    fn poll(&self, mirror: &Mirror, apps: usize) -> u64 {
        self.wire.bytes_of(|| drop(fetch(mirror, apps)))
    }

    /// A clone as people make it, with all tags.
    fn clone_of_all(&self) -> PathBuf {
        let dir = self.shop.dir.path().join("person");
        self.shop.git(
            self.shop.dir.path(),
            &["clone", "-q", &self.url(), "person"],
        );
        dir
    }

    fn list(&self, clone: &Path) -> u64 {
        let args = ["versions", "list", "app-0000"];
        self.wire.bytes_of(|| {
            let output = self.shop.command_in(clone, &args).output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert!(text(&output.stdout).contains("v20 "));
        })
    }

    /// What bare git transfers to fetch all refs of that many apps into a repository that holds them already.
    fn bare(&self, apps: usize) -> u64 {
        let dir = self.shop.dir.path().join(format!("bare-{apps}.git"));
        let path = dir.to_str().unwrap();
        self.shop
            .git(self.shop.dir.path(), &["init", "-q", "--bare", path]);
        let mut specs = vec!["+refs/heads/main:refs/heads/main".to_owned()];
        for app in names(apps) {
            for place in ["tags", "cutwater"] {
                specs.push(format!("+refs/{place}/{app}/*:refs/{place}/{app}/*"));
            }
        }
        let url = self.url();
        let mut args = vec!["fetch", "-q", "--no-tags", url.as_str()];
        args.extend(specs.iter().map(String::as_str));
        self.shop.git(&dir, &args);
        self.wire.bytes_of(|| drop(self.shop.git(&dir, &args)))
    }

    fn files(&self, folder: &str) -> usize {
        let dir = self.shop.dir.path().join(folder);
        let names = std::fs::read_dir(dir).unwrap();
        names
            .filter(|entry| {
                let path = entry.as_ref().unwrap().path();
                path.extension()
                    .is_some_and(|extension| extension == "pack")
            })
            .count()
    }
}

fn names(apps: usize) -> Vec<String> {
    (0..apps).map(versions::app).collect()
}

fn followed(apps: usize) -> BTreeSet<AppName> {
    names(apps).iter().map(|app| app.parse().unwrap()).collect()
}

fn fetch(mirror: &Mirror, apps: usize) -> BTreeSet<AppName> {
    let fetched = mirror.fetch("main", &followed(apps), PATIENCE).unwrap();
    assert_eq!(fetched.untidy, None);
    fetched.changed
}

#[test]
fn what_one_app_costs_does_not_grow_with_the_others() {
    let costs = |crowd: &Crowd| {
        let mirror = crowd.mirror("mirror.git");
        let clone = crowd.clone_of_all();
        let mut costs = vec![
            // How well objects are packed among others differs.
            ("first fetch", 40, crowd.poll(&mirror, 1)),
            ("poll, nothing new", 5, crowd.poll(&mirror, 1)),
            ("first list", 40, crowd.list(&clone)),
            ("list, nothing new", 5, crowd.list(&clone)),
        ];
        crowd.publish(0, 21);
        costs.push(("poll, a new version", 5, crowd.poll(&mirror, 1)));
        costs.push(("list, a new version", 5, crowd.list(&clone)));
        costs
    };
    let (alone, crowd) = (Crowd::of(1, 20), Crowd::of(200, 20));
    for ((what, percent, alone), (_, _, crowd)) in costs(&alone).into_iter().zip(costs(&crowd)) {
        assert!(alone > 1000, "{what}: {alone} bytes are counted");
        assert!(
            crowd <= alone + alone * percent / 100,
            "{what}: {alone} bytes alone, {crowd} among 200 apps"
        );
    }
}

#[test]
fn a_new_version_brings_only_the_files_that_are_new() {
    let crowd = Crowd::of(1, 1);
    let shop = &crowd.shop;
    // What no compression makes smaller.
    let large: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(1 << 20)
        .collect();
    let path = shop.clone_dir().join("apps/checkout/bundle");
    std::fs::write(path, large).unwrap();
    shop.commit("apps/checkout/small", "1");
    shop.publish(&[]);
    let mirror = crowd.mirror("mirror.git");
    let app = BTreeSet::from(["checkout".parse().unwrap()]);
    let poll = || {
        crowd.wire.bytes_of(|| {
            let fetched = mirror.fetch("main", &app, PATIENCE).unwrap();
            assert_eq!(fetched.changed, app);
        })
    };
    let first = poll();
    assert!(first > 1 << 20, "{first} bytes are counted");
    // As forges keep their repositories: with bitmaps a server knows which files the commits hold that it is told of.
    shop.git(&shop.remote(), &["repack", "-q", "-a", "-d", "-b"]);
    shop.commit("apps/checkout/small", "2");
    shop.publish(&[]);
    let second = poll();
    assert!(second < 1 << 16, "{second} bytes for a small file");
}

#[test]
fn polls_and_lists_transfer_no_more_than_bare_git() {
    let crowd = Crowd::of(200, 20);
    let mirror = crowd.mirror("mirror.git");
    let all = crowd.mirror("all.git");
    let clone = crowd.clone_of_all();
    crowd.poll(&mirror, 1);
    crowd.poll(&all, 200);
    crowd.list(&clone);
    let one = crowd.bare(1);
    for (what, ours, bare) in [
        ("poll of one app", crowd.poll(&mirror, 1), one),
        ("list of one app", crowd.list(&clone), one),
        ("poll of 200 apps", crowd.poll(&all, 200), crowd.bare(200)),
    ] {
        assert!(
            2 * ours <= 3 * bare,
            "{what}: {ours} bytes, and bare git {bare}"
        );
    }
}

#[test]
fn a_mirror_of_many_apps_sees_each_change_and_keeps_its_refs_in_one_file() {
    let crowd = Crowd::of(200, 2);
    let mirror = crowd.mirror("mirror.git");
    assert_eq!(fetch(&mirror, 200), followed(200));
    assert_eq!(fetch(&mirror, 200), BTreeSet::new());
    let dir = crowd.shop.dir.path().join("mirror.git");
    let packed = std::fs::read_to_string(dir.join("packed-refs")).unwrap();
    assert_eq!(packed.matches("refs/tags/").count(), 200 * 2);
    assert!(!dir.join("refs/tags/app-0000").exists(), "no file for each");
    crowd.publish(7, 3);
    crowd.shop.git(
        &crowd.shop.remote(),
        &["update-ref", "-d", "refs/tags/app-0009/v2"],
    );
    let expected: BTreeSet<AppName> = ["app-0007", "app-0009"]
        .map(|app| app.parse().unwrap())
        .into();
    assert_eq!(fetch(&mirror, 200), expected);
    let resolve = |mirror: &Mirror, app: &str, word: &str| {
        mirror.resolve(&app.parse().unwrap(), &word.parse().unwrap())
    };
    for mirror in [&mirror, &crowd.mirror("mirror.git")] {
        assert_eq!(resolve(mirror, "app-0007", "v3").unwrap().number.get(), 3);
        assert!(resolve(mirror, "app-0009", "v2").is_err());
        assert_eq!(resolve(mirror, "app-0199", "v2").unwrap().number.get(), 2);
    }
}

#[test]
fn a_mirror_of_many_among_many_more_does_not_go_on_fetching_all() {
    let crowd = Crowd::of(420, 2);
    let mirror = crowd.mirror("mirror.git");
    fetch(&mirror, 200);
    fetch(&mirror, 200);
    let (ours, bare) = (crowd.poll(&mirror, 200), crowd.bare(200));
    assert!(2 * ours <= 3 * bare, "{ours} bytes, and bare git {bare}");
    crowd.publish(3, 3);
    assert_eq!(fetch(&mirror, 200), ["app-0003".parse().unwrap()].into());
}

#[test]
fn a_mirror_packs_its_objects_anew_when_there_are_many_packs() {
    let crowd = Crowd::of(1, 2);
    let mirror = crowd.mirror("mirror.git");
    let dir = crowd.shop.dir.path().join("mirror.git");
    // What takes months is made to happen soon.
    for (name, value) in [("gc.autoPackLimit", "2"), ("fetch.unpackLimit", "1")] {
        crowd.shop.git(&dir, &["config", name, value]);
    }
    fetch(&mirror, 1);
    for number in 3..8 {
        crowd.publish(0, number);
        assert_eq!(fetch(&mirror, 1).len(), 1);
        let packs = crowd.files("mirror.git/objects/pack");
        assert!((1..=2).contains(&packs), "{packs} packs");
        let word = format!("v{number}").parse().unwrap();
        mirror.resolve(&"app-0000".parse().unwrap(), &word).unwrap();
    }
}
