//! The controller's mirror: what it resolves, what it refuses, and what it says when the remote is not as it should be.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

use cutwater::git::{Credentials, RemoteUrl};
use cutwater::store::{Mirror, ResolveError, StoreError};
use cutwater::words::AppName;

use super::shop::{Shop, app_with_image};

const PATIENCE: Duration = Duration::from_secs(20);

fn checkout() -> AppName {
    "checkout".parse().unwrap()
}

fn apps() -> BTreeSet<AppName> {
    [checkout()].into()
}

fn mirror_of(shop: &Shop, url: &str) -> Mirror {
    let url = RemoteUrl::parse(url, true).unwrap();
    Mirror::open(&shop.dir.path().join("mirror.git"), &url, None).unwrap()
}

fn mirror(shop: &Shop) -> Mirror {
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    let mirror = mirror_of(shop, shop.remote().to_str().unwrap());
    mirror.fetch("main", &apps(), PATIENCE).unwrap();
    mirror
}

fn resolve(mirror: &Mirror, word: &str) -> Result<cutwater::record::VersionRecord, ResolveError> {
    mirror.resolve(&checkout(), &word.parse().unwrap())
}

/// A commit without parents at the remote, with this tree and this message.
fn forge(shop: &Shop, tree: &str, message: &str) -> String {
    let remote = shop.remote();
    shop.git(&remote, &["commit-tree", tree, "-m", message])
        .trim()
        .to_owned()
}

#[test]
fn a_version_is_found_by_number_id_and_label_with_its_files() {
    let shop = Shop::new();
    let files = "    files: {mountPath: /app, include: [public/**, run.sh]}\n";
    shop.write("apps/checkout/app.yaml", app_with_image("1") + files);
    shop.write("apps/checkout/public/css/a.css", "body{}");
    shop.write("apps/checkout/public/copy.css", "body{}");
    shop.write("apps/checkout/run.sh", "#!/bin/sh\n");
    shop.git(&shop.clone_dir(), &["add", "-A"]);
    shop.git(
        &shop.clone_dir(),
        &["update-index", "--chmod=+x", "apps/checkout/run.sh"],
    );
    std::os::unix::fs::symlink("public/css", shop.clone_dir().join("apps/checkout/styles"))
        .unwrap();
    std::os::unix::fs::symlink(
        "../styles/a.css",
        shop.clone_dir().join("apps/checkout/public/link.css"),
    )
    .unwrap();
    shop.git(
        &shop.clone_dir(),
        &[
            "add",
            "apps/checkout/styles",
            "apps/checkout/public/link.css",
        ],
    );
    shop.git(&shop.clone_dir(), &["commit", "-q", "-m", "Files"]);
    shop.publish(&["--label", "spring-sale"]);
    let mirror = mirror(&shop);
    let record = resolve(&mirror, "v1").unwrap();
    assert_eq!(record.labels[0].as_str(), "spring-sale");
    assert_eq!(
        record.tree.as_str(),
        shop.rev(&shop.clone_dir(), "HEAD:apps/checkout")
    );
    for word in [
        "1",
        "spring-sale",
        &format!("g{}", &record.tree.as_str()[..7]),
        &format!("g{}", record.commit),
    ] {
        assert_eq!(resolve(&mirror, word).unwrap(), record, "{word}");
    }
    let web = "web".parse().unwrap();
    let items: Vec<_> = record.files[&web]
        .items
        .iter()
        .map(|item| (item.path.as_str(), item.executable))
        .collect();
    assert_eq!(
        items,
        [
            ("public/copy.css", false),
            ("public/css/a.css", false),
            ("public/link.css", false),
            ("run.sh", true)
        ]
    );
    let contents = mirror.file_contents(&record, &web).unwrap();
    assert_eq!(contents.len(), 2, "equal contents have one key");
    for item in &record.files[&web].items {
        assert!(contents.contains_key(&item.key), "{}", item.path);
    }
    let start = Instant::now();
    for _ in 0..100 {
        resolve(&mirror, "v1").unwrap();
    }
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_fetch_says_what_changed_and_follows_deletions() {
    let shop = Shop::new();
    let mirror = mirror(&shop);
    let quiet = mirror.fetch("main", &apps(), PATIENCE).unwrap();
    assert!(quiet.changed.is_empty() && !quiet.head_changed);
    assert_eq!(quiet.head, mirror.head("main"));
    let error = resolve(&mirror, "v1").unwrap_err();
    assert_eq!(error.reason().as_str(), "VersionNotFound");
    shop.publish(&[]);
    shop.git(
        &shop.clone_dir(),
        &[
            "push",
            "-q",
            "origin",
            "HEAD:refs/tags/other/v1",
            "HEAD:refs/tags/x",
        ],
    );
    assert_eq!(
        mirror.fetch("main", &apps(), PATIENCE).unwrap().changed,
        apps()
    );
    assert!(resolve(&mirror, "v1").is_ok());
    shop.git(
        &shop.remote(),
        &["update-ref", "-d", "refs/tags/checkout/v1"],
    );
    assert_eq!(
        mirror.fetch("main", &apps(), PATIENCE).unwrap().changed,
        apps()
    );
    assert_eq!(
        resolve(&mirror, "v1").unwrap_err().reason().as_str(),
        "VersionNotFound"
    );
    let refs = shop.git(
        &shop.dir.path().join("mirror.git"),
        &["for-each-ref", "--format=%(refname)"],
    );
    assert!(
        !refs.contains("other") && !refs.contains("tags/x"),
        "{refs}"
    );
    // Another process opens what this one left.
    let again = mirror_of(&shop, shop.remote().to_str().unwrap());
    assert_eq!(again.head("main"), mirror.head("main"));
}

#[test]
fn what_a_killed_fetch_left_is_removed_once_it_is_old() {
    let shop = Shop::new();
    let mirror = mirror(&shop);
    shop.publish(&[]);
    let lock = shop
        .dir
        .path()
        .join("mirror.git/refs/tags/checkout/v1.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = fs::File::create(&lock).unwrap();
    // A lock of this minute may be somebody's.
    let error = mirror.fetch("main", &apps(), PATIENCE).unwrap_err();
    assert!(error.to_string().contains("v1.lock"), "{error}");
    assert!(lock.exists());
    let old = SystemTime::now() - Duration::from_secs(61);
    file.set_modified(old).unwrap();
    let fetched = mirror.fetch("main", &apps(), PATIENCE).unwrap();
    assert_eq!(fetched.removed, [lock]);
    assert!(resolve(&mirror, "v1").is_ok());
}

#[test]
fn a_tag_whose_commit_says_something_else_is_foreign_and_a_tombstone_is_deleted() {
    let shop = Shop::new();
    shop.publish(&["--label", "first"]);
    let remote = shop.remote();
    let tree = shop.rev(&remote, "checkout/v1^{tree}");
    let empty = shop
        .git(&remote, &["hash-object", "-t", "tree", "-w", "/dev/null"])
        .trim()
        .to_owned();
    let lie = forge(
        &shop,
        &tree,
        "checkout v9\n\nCutwater-App: checkout\nCutwater-Version: 9\nCutwater-Source: cli",
    );
    let other = forge(
        &shop,
        &tree,
        "pay v3\n\nCutwater-App: pay\nCutwater-Version: 3\nCutwater-Source: cli",
    );
    let dead = forge(
        &shop,
        &empty,
        "checkout v4: it leaked a key\n\nCutwater-App: checkout\nCutwater-Version: 4\nCutwater-Source: cli\nCutwater-Deleted: true",
    );
    let blob = shop.rev(&remote, "checkout/v1:app.yaml");
    let set = |name: &str, oid: &str| drop(shop.git(&remote, &["update-ref", name, oid]));
    set("refs/tags/checkout/v2", &lie);
    set("refs/tags/checkout/v3", &other);
    set("refs/tags/checkout/v4", &dead);
    set("refs/tags/checkout/v5", &blob);
    set("refs/tags/checkout/v6", &tree);
    set("refs/tags/checkout/odd", &lie);
    shop.git(
        &remote,
        &["tag", "-a", "-m", "x", "checkout/v7", "checkout/v1"],
    );
    let mirror = mirror(&shop);
    for word in ["v2", "v3", "v5", "v6", "v7", "odd"] {
        let error = resolve(&mirror, word).unwrap_err();
        assert_eq!(error.reason().as_str(), "VersionForeign", "{word}: {error}");
    }
    let error = resolve(&mirror, "v4").unwrap_err();
    assert_eq!(error.reason().as_str(), "VersionDeleted");
    assert!(
        error.to_string().contains("deleted by Ada Lovelace at")
            && error.to_string().contains("it leaked a key"),
        "{error}"
    );
    assert!(resolve(&mirror, "first").is_ok());
    let near = resolve(&mirror, "frist").unwrap_err().to_string();
    assert!(near.contains("there are: first"), "{near}");
    let history = mirror.history(&checkout()).unwrap();
    assert_eq!((history.living().count(), history.entries.len()), (1, 7));
}

#[test]
fn a_snapshot_that_this_program_cannot_run_is_said_with_the_place() {
    let shop = Shop::new();
    shop.publish(&[]);
    let remote = shop.remote();
    let trailers = |n: u8| {
        format!(
            "checkout v{n}\n\nCutwater-App: checkout\nCutwater-Version: {n}\nCutwater-Source: cli"
        )
    };
    let tree_with = |entries: &str| {
        let dir = shop.dir.path();
        std::fs::write(dir.join("entries"), entries).unwrap();
        let mut command = shop.sealed("git", &remote);
        let output = command
            .args(["mktree", "--missing"])
            .stdin(std::fs::File::open(dir.join("entries")).unwrap())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let blob = |content: &str| {
        std::fs::write(shop.dir.path().join("blob"), content).unwrap();
        shop.git(&remote, &["hash-object", "-w", "../blob"])
            .trim()
            .to_owned()
    };
    let future = blob(
        "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: checkout}\nspec: {functions: [], queues: []}\n",
    );
    let good = format!(
        "{}    files: {{mountPath: /app, include: ['*']}}\n",
        app_with_image("1")
    );
    let good = blob(&good);
    let evil = blob("/etc/passwd");
    let trees = [
        (
            2,
            tree_with(&format!("100644 blob {future}\tapp.yaml\n")),
            "SnapshotUnreadable",
            "app.yaml:4:",
        ),
        (
            3,
            tree_with(&format!("100644 blob {good}\treadme\n")),
            "SnapshotUnreadable",
            "`app.yaml` is missing",
        ),
        (
            4,
            tree_with(&format!("120000 blob {evil}\tapp.yaml\n")),
            "SnapshotUnreadable",
            "not a regular file",
        ),
        (
            5,
            tree_with(&format!(
                "100644 blob {good}\tapp.yaml\n120000 blob {evil}\tx\n"
            )),
            "SnapshotUnreadable",
            "/etc/passwd",
        ),
        (
            6,
            tree_with(&format!(
                "160000 commit {}\tsub\n100644 blob {good}\tapp.yaml\n",
                "1".repeat(40)
            )),
            "SnapshotUnreadable",
            "submodule",
        ),
    ];
    for (number, tree, _, _) in &trees {
        let commit = forge(&shop, tree, &trailers(*number));
        shop.git(
            &remote,
            &[
                "update-ref",
                &format!("refs/tags/checkout/v{number}"),
                &commit,
            ],
        );
    }
    let mirror = mirror(&shop);
    for (number, _, reason, expected) in trees {
        let error = resolve(&mirror, &format!("v{number}")).unwrap_err();
        assert_eq!(error.reason().as_str(), reason, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(
        resolve(&mirror, "v1").is_ok(),
        "one bad version hides no other"
    );
}

#[test]
fn each_fault_of_a_remote_has_its_reason_and_what_was_fetched_stays() {
    let shop = Shop::new();
    shop.publish(&[]);
    let mirror = mirror(&shop);
    let error = mirror.fetch("nope", &apps(), PATIENCE).unwrap_err();
    assert_eq!(error.reason().as_str(), "BranchNotFound", "{error}");
    std::fs::rename(shop.remote(), shop.dir.path().join("away")).unwrap();
    let error = mirror.fetch("main", &apps(), PATIENCE).unwrap_err();
    assert_eq!(error.reason().as_str(), "NotARepository", "{error}");
    assert!(resolve(&mirror, "v1").is_ok());
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = mirror_of(&shop, &format!("http://{closed}/x.git"));
    assert_eq!(
        away.fetch("main", &apps(), PATIENCE)
            .unwrap_err()
            .reason()
            .as_str(),
        "RepositoryUnreachable"
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = mirror_of(
        &shop,
        &format!("http://{}/x.git", silent.local_addr().unwrap()),
    );
    let start = Instant::now();
    let error = slow
        .fetch("main", &apps(), Duration::from_millis(500))
        .unwrap_err();
    assert_eq!(error.reason().as_str(), "RepositoryUnreachable");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn credentials_reach_the_server_and_no_message() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            let _sent = sender.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
            let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"hunter2\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let shop = Shop::new();
    let url = RemoteUrl::parse(&format!("http://{address}/x.git"), true).unwrap();
    let credentials = Credentials {
        username: Some("me".to_owned()),
        password: Some("hunter2".to_owned()),
        ..Credentials::default()
    };
    let mirror = Mirror::open(&shop.dir.path().join("m"), &url, Some(credentials)).unwrap();
    let error: StoreError = mirror.fetch("main", &apps(), PATIENCE).unwrap_err();
    assert!(
        receiver
            .recv()
            .unwrap()
            .contains("Authorization: Basic bWU6aHVudGVyMg==")
    );
    assert_eq!(error.reason().as_str(), "CredentialsRefused", "{error}");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

#[test]
fn a_repository_of_another_hash_is_refused_in_words() {
    let shop = Shop::new();
    shop.git(
        shop.dir.path(),
        &["init", "-q", "--bare", "--object-format=sha256", "big.git"],
    );
    let mirror = mirror_of(&shop, shop.dir.path().join("big.git").to_str().unwrap());
    let error = mirror.fetch("main", &apps(), PATIENCE).unwrap_err();
    assert!(
        error.to_string().contains("object format") || error.reason().as_str() == "BranchNotFound",
        "{error}"
    );
}

#[test]
fn a_copy_that_cannot_be_opened_is_put_aside_and_made_anew() {
    let shop = Shop::new();
    shop.publish(&[]);
    drop(mirror(&shop));
    let copy = shop.dir.path().join("mirror.git");
    let file = |name: &str, text: &str| fs::write(copy.join(name), text).unwrap();
    let remove = |name: &str| fs::remove_dir_all(copy.join(name)).unwrap();
    let damages: [&dyn Fn(); 5] = [
        // As somebody leaves it who is killed while making it.
        &|| {
            fs::remove_file(copy.join("HEAD")).unwrap();
            fs::remove_file(copy.join("config")).unwrap();
            file("config.lock", "");
        },
        &|| remove("refs"),
        &|| remove("objects"),
        &|| file("config", "[core\nwhat"),
        &|| {
            fs::remove_dir_all(&copy).unwrap();
            fs::write(&copy, "a file").unwrap();
        },
    ];
    for (index, damage) in damages.iter().enumerate() {
        damage();
        let mirror = mirror_of(&shop, shop.remote().to_str().unwrap());
        mirror.fetch("main", &apps(), PATIENCE).unwrap();
        assert!(resolve(&mirror, "1").is_ok(), "damage {index}");
    }
    assert!(shop.dir.path().join("mirror.damaged").is_file());
}
