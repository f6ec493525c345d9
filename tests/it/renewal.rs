//! A mirror that is damaged while it is followed, and the new one in its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cutwater::git::RemoteUrl;
use cutwater::record::VersionRecord;
use cutwater::store::{Mirror, ResolveError};
use cutwater::words::AppName;

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
    let damages: [&dyn Fn(); 8] = [
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
    let before = shop.rev(&shop.remote(), "main");
    shop.publish(&[]);
    shop.commit("notes", "one");
    push(&shop);
    let between = shop.rev(&shop.remote(), "main");
    shop.commit("notes", "two");
    push(&shop);
    let head = shop.rev(&shop.remote(), "main");
    let version = shop.rev(&shop.remote(), "checkout/v1");
    let copy = shop.dir.path().join("mirror.git");
    let lose = |oid: &str, text: Option<&str>| {
        let (folder, name) = oid.split_at(2);
        let path = copy.join("objects").join(folder).join(name);
        fs::remove_file(&path).unwrap();
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
    };
    for text in [None, Some("")] {
        drop(fs::remove_dir_all(&copy));
        open(&shop).fetch("main", &apps(), PATIENCE).unwrap();
        lose(&version, text);
        lose(&between, text);
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
    let head = shop.rev(&shop.remote(), "main");
    assert!(!mirror.follows(&head, &"1".repeat(40)));
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
