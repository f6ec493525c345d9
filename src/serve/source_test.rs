//! What goes on, and what is said, where the repository is not as it was.

use std::fs;
use std::path::Path;

use super::*;
use crate::branch;
use crate::git::{Caller, RemoteUrl};
use crate::plan::Owner;
use crate::releases;

#[path = "slips_test.rs"]
mod slips;

const SHOP: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: shop}\nspec: {app: shop, repository: shop, versions: [{version: 1, percentage: 100}]}\n";

/// What follows a repository at `url`, where `counted` stands in the state folder and a shop is remembered.
fn source(dir: &Path, url: &Path, counted: &[u8]) -> Source {
    let file = dir.join("counted");
    fs::write(&file, counted).unwrap();
    let url = RemoteUrl::parse(&url.display().to_string(), true).unwrap();
    let mirror = Mirror::open_for(Caller::Server, &dir.join("mirror.git"), &url, None).unwrap();
    let shop = releases::read("releases/shop.yaml", SHOP.as_bytes()).unwrap();
    let shop = &shop.releases[0];
    let whose = (shop.app().clone(), shop.wanted.repository.clone());
    let folder = Some("releases/prod".to_owned());
    Source::new(
        mirror,
        "main".to_owned(),
        folder.clone(),
        (
            Counted::read(file, "main", folder.as_deref()),
            [(branch::owner(shop), whose)].into(),
        ),
        Arc::default(),
    )
}

/// A commit of nothing but this text in `releases/prod/shop.yaml`, if there is one, on top of what the repository has; the id of the file.
fn commit(url: &Path, text: Option<&str>) -> Option<git2::Oid> {
    let repo = git2::Repository::init_bare(url).unwrap();
    let blob = text.map(|text| repo.blob(text.as_bytes()).unwrap());
    let folder = |name: &str, of: git2::Oid, mode: i32| {
        let mut tree = repo.treebuilder(None).unwrap();
        tree.insert(name, of, mode).unwrap();
        tree.write().unwrap()
    };
    let root = blob.map(|blob| {
        let files = folder("shop.yaml", blob, 0o100_644);
        folder("releases", folder("prod", files, 0o040_000), 0o040_000)
    });
    let root = root.unwrap_or_else(|| repo.treebuilder(None).unwrap().write().unwrap());
    let who = git2::Signature::now("a", "a@example.com").unwrap();
    let name = "refs/heads/main";
    let before = (repo.refname_to_id(name).ok()).map(|id| repo.find_commit(id).unwrap());
    let before: Vec<&git2::Commit<'_>> = before.iter().collect();
    let tree = repo.find_tree(root).unwrap();
    repo.commit(Some(name), &who, &who, "a commit", &tree, &before)
        .unwrap();
    blob
}

#[test]
fn what_is_remembered_goes_on_where_it_is_not_known_which_commits_counted() {
    for counted in [&b"main:\n\xff\xfe"[..], b"trunk:\n", b""] {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().join("shop.git");
        let mut source = source(dir.path(), &url, counted);
        source.recall();
        assert!(source.found.is_known());
        // The repository is away.
        source.look();
        let said = source.found.problems.join("\n");
        assert!(said.ends_with("what was read before goes on"), "{said}");
        // It is back, and the folder is not in it.
        commit(&url, None);
        source.look();
        let owner = source.followed.known.keys().next().unwrap();
        assert!(source.found.tip.recalls(owner));
        let said = source.found.problems.join("\n");
        assert!(
            said.contains("`releases/prod` is absent or empty"),
            "{said}"
        );
        assert!(said.contains("--releases"), "{said}");
    }
}

#[test]
fn a_branch_that_is_not_there_is_said_with_the_flag_that_names_it() {
    let (branch, url) = ("mian".to_owned(), "/srv/shop.git".to_owned());
    let error = StoreError::BranchNotFound { branch, url };
    let said = goes_on(&error, false);
    assert!(
        said.contains("`mian`") && said.contains("--branch"),
        "{said}"
    );
    assert!(!said.contains("spec."), "{said}");
    assert!(said.ends_with("what was read before goes on"), "{said}");
    // Nothing goes on where there was nothing before.
    let said = goes_on(&error, true);
    assert!(
        said.contains("`mian`") && said.ends_with("so nothing is served"),
        "{said}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_said_at_the_first_start_with_those_that_are() {
    for (folder, text, parts) in [
        (
            "release",
            Some(SHOP),
            [
                "there is no folder `release`",
                "stand in `releases/prod`: name",
            ],
        ),
        (
            "releases/prod",
            Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
            ["`releases/prod` holds no Deployment", "cutwater deploy"],
        ),
        (
            "release",
            None,
            ["there is no folder `release`", "cutwater deploy"],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().join("shop.git");
        let mut source = source(dir.path(), &url, b"");
        source.followed.known.clear();
        source.folder = Some(folder.to_owned());
        commit(&url, text);
        source.recall();
        source.look();
        let said = source.found.problems.join("\n");
        assert!(
            parts.iter().all(|part| said.contains(part)) && said.contains("nothing is served"),
            "{said}"
        );
        // It is no reason not to begin with what comes.
        assert!(source.found.is_known() && source.found.tip.whole);
        source.folder = Some("releases/prod".to_owned());
        commit(&url, Some(SHOP));
        source.look();
        assert_eq!(source.found.problems, [""; 0]);
    }
}

#[test]
fn what_could_not_be_read_for_a_moment_is_read_again_at_the_next_look() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    let mut source = source(dir.path(), &url, b"");
    source.recall();
    let file = commit(&url, Some(SHOP)).unwrap();
    (source.mirror)
        .fetch("main", &BTreeSet::new(), TIMEOUT)
        .unwrap();
    let (folder, name) = (&file.to_string()[..2], &file.to_string()[2..]);
    let object = dir
        .path()
        .join("mirror.git/objects")
        .join(folder)
        .join(name);
    let aside = dir.path().join("aside");
    fs::rename(&object, &aside).unwrap();
    source.look();
    assert!(source.found.tip.releases.is_empty() && !source.found.tip.whole);
    assert!(!source.found.problems.is_empty());
    // The same commit, and the file can be read.
    fs::rename(&aside, &object).unwrap();
    source.look();
    assert_eq!(source.found.tip.releases.len(), 1);
    assert!(source.found.problems.is_empty() && source.found.tip.whole);
    // What is wrong with a file itself is not read again and again.
    commit(&url, Some("kind: ["));
    source.look();
    assert!(!source.found.problems.is_empty() && !source.followed.unread);
}

/// Has a tag say that the newest commit is version 1 of the shop; the id of the commit.
fn tag(url: &Path) -> CommitId {
    let repo = git2::Repository::open(url).unwrap();
    let head = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/tags/shop/v1", head, true, "a version")
        .unwrap();
    head.into()
}

#[test]
fn a_repository_is_known_to_be_another_one_also_where_the_list_of_commits_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    let used = tag(&url);
    let mut before = source(dir.path(), &url, b"");
    before.recall();
    assert!(!before.found.own);
    before.look();
    assert!(before.found.own && !before.found.foreign);
    let own = dir.path().join("own.git");
    fs::rename(&url, &own).unwrap();
    commit(&url, None);
    for counted in [&b"main:\n\xff"[..], b"", b"main:rel"] {
        let after = || {
            let after = source(dir.path(), &url, counted);
            after.used.store(Arc::new([used.clone()].into()));
            after
        };
        let goes_on = |source: &Source| {
            source
                .found
                .tip
                .recalls(source.followed.known.keys().next().unwrap())
        };
        // The second start has the other one in its mirror.
        for start in 0..2 {
            let mut after = after();
            after.recall();
            assert_eq!(after.found.foreign, start > 0);
            after.look();
            assert!(after.found.foreign && !after.found.own && goes_on(&after));
        }
        // The right one is back.
        fs::rename(&url, dir.path().join("other.git")).unwrap();
        fs::rename(&own, &url).unwrap();
        let mut after = after();
        after.recall();
        after.look();
        assert!(after.found.own && after.found.tip.releases.len() == 1);
        fs::rename(&url, &own).unwrap();
        fs::rename(dir.path().join("other.git"), &url).unwrap();
    }
}

/// A commit without a file of the shop, but with one of another app.
const BLOG: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: blog}\nspec: {app: blog, repository: shop, versions: [{version: 1, percentage: 100}]}\n";

#[test]
fn what_a_commit_does_not_have_goes_on_and_is_said_where_it_is_not_known_what_counted() {
    for counted in [
        &b"main:releases/prod\n\xff"[..],
        b"",
        b"main:rel",
        b"main:releases/prod\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().join("shop.git");
        commit(&url, Some(BLOG));
        let mut source = source(dir.path(), &url, counted);
        let shop = source.followed.known.keys().next().unwrap().clone();
        for _ in 0..2 {
            source.recall();
            source.look();
            assert!(source.found.tip.recalls(&shop) && source.found.tip.releases.len() == 1);
            let said = source.found.problems.join("\n");
            let words = "it is not known which commit counted before";
            assert!(said.contains(words) && said.contains("cwd/shop"), "{said}");
        }
    }
    // The list is of another branch: what was served there ends.
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(BLOG));
    let mut source = source(dir.path(), &url, b"trunk:\nc1\n");
    source.recall();
    source.look();
    assert!(source.found.problems.is_empty() && source.found.tip.stays().is_empty());
}

#[test]
fn what_counted_is_read_again_once_it_is_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    let mut before = source(dir.path(), &url, b"");
    before.look();
    let counted = fs::read(dir.path().join("counted")).unwrap();
    // The copy of the repository is lost, and somebody removes the shop.
    fs::remove_dir_all(dir.path().join("mirror.git")).unwrap();
    commit(&url, Some(BLOG));
    let mut after = source(dir.path(), &url, &counted);
    after.recall();
    assert!(after.found.lost);
    after.look();
    assert!(
        after.found.problems.is_empty(),
        "{:?}",
        after.found.problems
    );
    assert!(after.found.tip.releases.len() == 1 && after.found.tip.stays().is_empty());
}

#[test]
fn what_was_judged_on_a_damaged_copy_is_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    let id = || {
        let repo = git2::Repository::open(&url).unwrap();
        repo.refname_to_id("refs/heads/main").unwrap().to_string()
    };
    commit(&url, Some(SHOP));
    let mut source = source(dir.path(), &url, b"");
    source.look();
    commit(&url, Some(SHOP));
    let between = id();
    source
        .mirror
        .fetch("main", &source.apps(), TIMEOUT)
        .unwrap();
    let (folder, name) = between.split_at(2);
    let object = dir
        .path()
        .join("mirror.git/objects")
        .join(folder)
        .join(name);
    fs::remove_file(&object).unwrap();
    fs::write(&object, "").unwrap();
    // It has another object in the place of the shop.
    commit(&url, Some(BLOG));
    source.look();
    let named = |source: &Source| {
        let names = source
            .found
            .tip
            .releases
            .iter()
            .map(|it| it.name().to_owned());
        names.collect::<Vec<_>>()
    };
    // git may find the damage itself, at once, or the look does.
    source.look();
    assert_eq!(named(&source), ["blog"]);
    assert!(
        source.found.problems.is_empty(),
        "{:?}",
        source.found.problems
    );
}

#[test]
fn what_a_commit_took_away_does_not_come_back_by_a_restart_though_something_else_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    let file = |text: &str| commit(&url, Some(text));
    let pay = BLOG.replace("blog", "pay");
    let (all, both) = (
        format!("{SHOP}---\n{BLOG}---\n{pay}"),
        format!("{BLOG}---\n{pay}"),
    );
    let mut source = source(dir.path(), &url, b"");
    let mut step = |text: Option<&str>| {
        match text {
            Some(text) => drop(file(text)),
            None => drop(commit(&url, None)),
        }
        source.look();
        source.found.tip.stays().len() + source.found.tip.releases.len()
    };
    step(Some(&all));
    step(None);
    step(Some(&both));
    let left = step(Some(BLOG));
    let counted = fs::read(dir.path().join("counted")).unwrap();
    let mut again = self::source(dir.path(), &url, &counted);
    again.recall();
    let tip = &again.found.tip;
    assert_eq!(tip.stays().len() + tip.releases.len(), left);
    let pay = "cwd/pay".to_owned().try_into().unwrap();
    assert!(!tip.has(&pay) && !tip.recalls(&pay));
    let shop = "cwd/shop".to_owned().try_into().unwrap();
    assert!(tip.has(&shop) || tip.recalls(&shop));
    // So it is where a commit in between cannot be read any more.
    let objects = dir.path().join("mirror.git/objects");
    let empty = String::from_utf8(counted.clone()).unwrap();
    let empty = empty.lines().nth(2).unwrap();
    fs::remove_file(objects.join(&empty[..2]).join(&empty[2..])).unwrap();
    let mut again = self::source(dir.path(), &url, &counted);
    again.recall();
    let tip = &again.found.tip;
    assert!(!tip.has(&pay) && !tip.recalls(&pay));
    assert!(tip.has(&shop) || tip.recalls(&shop));
}

#[test]
fn where_the_last_commit_cannot_be_read_those_before_it_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(&format!("{SHOP}---\n{BLOG}")));
    let mut before = source(dir.path(), &url, b"");
    before.look();
    let first = before.found.tip.commit.clone().unwrap();
    // The commit after it had a slip in the file of the shop, took the blog away and brought pay; it cannot be read now.
    let lost = "1".repeat(40);
    let counted = format!("main:releases/prod\n{first}\n{lost}\nheld: cwd/shop\n");
    let mut after = source(dir.path(), &url, counted.as_bytes());
    let pay: Owner = "cwd/pay".to_owned().try_into().unwrap();
    let whose = ("pay".parse().unwrap(), "shop".to_owned());
    after.followed.known.insert(pay.clone(), whose);
    after.recall();
    assert!(after.found.is_known() && after.found.tip.recalls(&pay));
    assert!(after.followed.known.contains_key(&pay) && after.found.tip.releases.is_empty());
    // The branch was put back to that one: it counts, and what it lacks goes on.
    after.look();
    assert!(after.found.tip.commit == Some(first) && after.found.tip.recalls(&pay));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_a_look_that_has_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    // git does not open it before somebody writes to it.
    let refs = url.join("packed-refs");
    let made = std::process::Command::new("mkfifo").arg(&refs).status();
    assert!(made.unwrap().success());
    let (tell, mut told) = watch::channel(Found::default());
    let (_missing, missing) = watch::channel(false);
    let rhythm = Rhythm {
        interval: Duration::from_hours(1),
        committed: Arc::default(),
        missing_interval: Duration::from_hours(1),
        late: Duration::from_millis(50),
        missing,
        changed: Arc::default(),
        looked: Arc::new(Last::new()),
    };
    let looks = follow(source(dir.path(), &url, b""), rhythm, tell);
    let looks = tokio::spawn(looks);
    let says = |found: &Found| {
        let begun = "looking at branch `main` and at the versions began at ";
        (found.problems.iter()).any(|problem| problem.starts_with(begun))
    };
    let deadline = Duration::from_mins(1);
    let said = tokio::time::timeout(deadline, told.wait_for(says)).await;
    drop(said.unwrap().unwrap());
    let file = fs::OpenOptions::new().write(true).open(&refs).unwrap();
    fs::remove_file(&refs).unwrap();
    drop(file);
    let unsaid = tokio::time::timeout(deadline, told.wait_for(|found| !says(found))).await;
    drop(unsaid.unwrap().unwrap());
    looks.abort();
}
