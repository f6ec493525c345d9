//! A mirror that is damaged while it is followed, and the new one in its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cutwater::git::RemoteUrl;
use cutwater::record::VersionRecord;
use cutwater::settings::Settings;
use cutwater::store::{Mirror, ResolveError};
use cutwater::words::{AppName, CommitId};

use super::hostile::bounded;
use super::shop::Shop;

const PATIENCE: Duration = Duration::from_secs(20);

fn apps() -> BTreeSet<AppName> {
    ["checkout".parse().unwrap()].into()
}

fn open(shop: &Shop) -> Mirror {
    let url = RemoteUrl::parse(shop.remote().to_str().unwrap(), true).unwrap();
    Mirror::open(&shop.dir.path().join("mirror.git"), &url, None).unwrap()
}

fn push(shop: &Shop) {
    let clone = shop.clone_dir();
    shop.git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
}

fn resolve(mirror: &Mirror, word: &str) -> Result<VersionRecord, ResolveError> {
    mirror.resolve(&"checkout".parse().unwrap(), &word.parse().unwrap())
}

/// Where a loose object of the mirror is.
fn place(shop: &Shop, oid: &str) -> PathBuf {
    let (folder, name) = oid.split_at(2);
    (shop.dir.path().join("mirror.git/objects"))
        .join(folder)
        .join(name)
}

/// The commit that a ref of the remote names.
fn commit(shop: &Shop, name: &str) -> CommitId {
    shop.rev(&shop.remote(), name).parse().unwrap()
}

/// Takes an object away, or leaves this text of it.
fn lose(shop: &Shop, oid: &str, text: Option<&str>) {
    let path = place(shop, oid);
    fs::remove_file(&path).unwrap();
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
    }
}

/// Damages what is below a folder: each file is cut off.
fn cut_off(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cut_off(&path);
        } else {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "").unwrap();
        }
    }
}

#[test]
fn a_copy_that_is_damaged_while_it_is_followed_is_made_anew() {
    let shop = Shop::new();
    push(&shop);
    shop.publish(&[]);
    let copy = shop.dir.path().join("mirror.git");
    let remove = |name: &str| fs::remove_dir_all(copy.join(name)).unwrap();
    let write = |name: &str, text: &str| fs::write(copy.join(name), text).unwrap();
    let damages: [&dyn Fn(); 10] = [
        &|| fs::remove_dir_all(&copy).unwrap(),
        &|| {
            fs::remove_dir_all(&copy).unwrap();
            fs::write(&copy, "a file").unwrap();
        },
        &|| write("HEAD", ""),
        &|| write("config", "[core]\nrepositoryformatversion = 99\n"),
        &|| write("config", "[core]\nbare = perhaps\n"),
        &|| cut_off(&copy.join("refs")),
        &|| remove("refs"),
        &|| cut_off(&copy.join("objects")),
        &|| remove("objects"),
        &|| write("packed-refs", "what"),
    ];
    for (index, damage) in damages.iter().enumerate() {
        for restarts in [false, true] {
            let mut mirror = open(&shop);
            mirror.fetch("main", &apps(), PATIENCE).unwrap();
            shop.commit("apps/checkout/public/a.js", format!("{index} {restarts}"));
            push(&shop);
            shop.publish(&[]);
            damage();
            if restarts {
                mirror = open(&shop);
            }
            let fetched = mirror.fetch("main", &apps(), PATIENCE);
            assert!(fetched.is_ok(), "damage {index}, {restarts}: {fetched:?}");
            assert!(
                fetched.unwrap().head_changed,
                "what was read before may be wrong"
            );
            let newest = (2 * index + usize::from(restarts) + 2).to_string();
            for version in ["1", &newest] {
                let found = resolve(&mirror, version);
                assert!(found.is_ok(), "damage {index}, {restarts}: {found:?}");
            }
        }
    }
}

#[test]
fn a_copy_that_lacks_an_object_is_made_anew_and_the_remote_is_not_blamed() {
    let shop = Shop::new();
    push(&shop);
    let main = || commit(&shop, "main");
    let before = main();
    shop.publish(&[]);
    shop.commit("notes", "one");
    push(&shop);
    let between = main();
    shop.commit("notes", "two");
    push(&shop);
    let head = main();
    let version = commit(&shop, "checkout/v1");
    let copy = shop.dir.path().join("mirror.git");
    for text in [None, Some("")] {
        drop(fs::remove_dir_all(&copy));
        open(&shop).fetch("main", &apps(), PATIENCE).unwrap();
        lose(&shop, version.as_str(), text);
        lose(&shop, between.as_str(), text);
        let mirror = open(&shop);
        assert!(resolve(&mirror, "1").is_err());
        assert!(!mirror.follows(&head, &before));
        mirror.fetch("main", &apps(), PATIENCE).unwrap();
        assert!(resolve(&mirror, "1").is_ok());
        assert!(mirror.follows(&head, &before));
    }
}

#[test]
fn a_copy_is_not_made_anew_for_what_the_remote_lacks() {
    let shop = Shop::new();
    push(&shop);
    shop.publish(&[]);
    let mirror = open(&shop);
    mirror.fetch("main", &apps(), PATIENCE).unwrap();
    let head = commit(&shop, "main");
    assert!(!mirror.follows(&head, &"1".repeat(40).parse().unwrap()));
    mirror.fetch("main", &apps(), PATIENCE).unwrap();
    let away = shop.dir.path().join("away");
    fs::rename(shop.remote(), &away).unwrap();
    assert!(mirror.fetch("main", &apps(), PATIENCE).is_err());
    fs::rename(&away, shop.remote()).unwrap();
    mirror.fetch("main", &apps(), PATIENCE).unwrap();
    for name in ["mirror.damaged", "mirror.new"] {
        assert!(!shop.dir.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_commit_that_was_cut_off_is_no_reason_to_wait_for_ever() {
    bounded(|| {
        let shop = Shop::new();
        push(&shop);
        let heads: Vec<CommitId> = (0..3)
            .map(|number| {
                shop.commit("notes", number.to_string());
                push(&shop);
                commit(&shop, "main")
            })
            .collect();
        for cut in 1..3 {
            drop(fs::remove_dir_all(shop.dir.path().join("mirror.git")));
            open(&shop).fetch("main", &apps(), PATIENCE).unwrap();
            lose(&shop, heads[cut].as_str(), Some(""));
            let mirror = open(&shop);
            let shares = |mirror: &Mirror| mirror.shares(&heads[2], &heads[..1]);
            assert_eq!(shares(&mirror), None);
            assert!(!mirror.went_back(&heads[2], &heads[0]));
            // The remote is away for a moment: what could not be read is not forgotten.
            let away = shop.dir.path().join("away");
            fs::rename(shop.remote(), &away).unwrap();
            assert!(mirror.fetch("main", &apps(), PATIENCE).is_err());
            fs::rename(&away, shop.remote()).unwrap();
            assert!(mirror.fetch("main", &apps(), PATIENCE).unwrap().renewed);
            assert_eq!(shares(&mirror), Some(true));
            assert!(mirror.went_back(&heads[2], &heads[0]));
            assert!(!mirror.went_back(&heads[0], &heads[2]));
        }
    });
}

#[test]
fn a_file_of_a_version_that_was_cut_off_comes_back_whatever_its_size() {
    let shop = Shop::new();
    for (version, size) in [(1, 2_000), (2, 2_000_000)] {
        let noise: Vec<u8> = (0..size / 4)
            .flat_map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        shop.commit("apps/checkout/bundle.js", &noise);
        push(&shop);
        shop.publish(&[]);
        let blob = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout/bundle.js");
        let mirror = open(&shop);
        mirror.fetch("main", &apps(), PATIENCE).unwrap();
        let record = resolve(&mirror, &version.to_string()).unwrap();
        let half = fs::read(place(&shop, &blob)).unwrap();
        fs::remove_file(place(&shop, &blob)).unwrap();
        fs::write(place(&shop, &blob), &half[..half.len() / 2]).unwrap();
        let folder = shop.dir.path().join(format!("out{version}"));
        let checkout = || mirror.checkout(&record, &Settings::default(), &folder);
        let error = checkout().unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
        let fetched = mirror.fetch("main", &apps(), PATIENCE).unwrap();
        assert!(fetched.renewed);
        checkout().unwrap();
        assert_eq!(fs::read(folder.join("bundle.js")).unwrap(), noise);
    }
}

#[test]
fn what_came_with_a_fetch_that_failed_is_told_with_the_next_one() {
    let shop = Shop::new();
    push(&shop);
    shop.publish(&[]);
    let mirror = open(&shop);
    mirror.fetch("main", &apps(), PATIENCE).unwrap();
    shop.ok(&["versions", "label", "checkout", "1", "stable"]);
    // A ref that cannot be written here fails the fetch; the tags come all the same.
    let head = shop.dir.path().join("mirror.git/refs/heads");
    shop.commit("notes", "one");
    push(&shop);
    fs::remove_file(head.join("main")).unwrap();
    fs::create_dir_all(head.join("main/in")).unwrap();
    fs::write(head.join("main/in/the-way.lock"), "").unwrap();
    assert!(mirror.fetch("main", &apps(), PATIENCE).is_err());
    fs::remove_dir_all(head.join("main")).unwrap();
    let fetched = mirror.fetch("main", &apps(), PATIENCE).unwrap();
    assert_eq!(fetched.changed, apps());
}
