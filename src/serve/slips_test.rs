//! Slips of whoever commits releases, and what goes on all the same: a file's ending, the folder of releases, a branch that goes back.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository};

use super::{BLOG, SHOP, commit, source};

/// A commit on top of what the branch has, with these files; `removed` is none of them any more.
fn change(url: &Path, removed: Option<&str>, files: &[(&str, &str)]) {
    let repo = Repository::open(url).unwrap();
    let head = repo.find_reference("refs/heads/main").unwrap();
    let head = head.peel_to_commit().unwrap();
    let mut update = TreeUpdateBuilder::new();
    removed.map(|path| update.remove(path));
    for (path, text) in files {
        let blob = repo.blob(text.as_bytes()).unwrap();
        update.upsert(*path, blob, FileMode::Blob);
    }
    let tree = update.create_updated(&repo, &head.tree().unwrap()).unwrap();
    let (who, tree) = (head.author(), repo.find_tree(tree).unwrap());
    let name = Some("refs/heads/main");
    repo.commit(name, &who, &who, "change", &tree, &[&head])
        .unwrap();
}

/// The commit of the branch.
fn head(url: &Path) -> Oid {
    let repo = Repository::open(url).unwrap();
    repo.refname_to_id("refs/heads/main").unwrap()
}

#[test]
fn a_file_whose_ending_is_one_letter_off_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    let mut source = source(dir.path(), &url, b"");
    source.look();
    assert_eq!(source.found.tip.releases.len(), 1);
    let misnamed = [("releases/prod/shop.yamll", SHOP)];
    change(&url, Some("releases/prod/shop.yaml"), &misnamed);
    source.look();
    assert_eq!(source.found.tip.releases.len(), 1);
    let said = source.found.problems.join("\n");
    assert!(
        said.contains("shop.yamll") && said.contains("rename it"),
        "{said}"
    );
}

#[test]
fn another_folder_of_releases_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    let mut source = source(dir.path(), &url, b"");
    source.folder = None;
    for folder in ["releases/prod", "release"] {
        let settings =
            format!("apiVersion: cutwater.dev/v1alpha1\nkind: Settings\nreleases: {folder}\n");
        let file = format!("{folder}/blog.yaml");
        change(&url, None, &[("cutwater.yaml", &settings), (&file, BLOG)]);
        source.look();
        let said = source.found.problems.join("\n");
        assert_eq!(source.found.tip.releases.len(), 2, "{said}");
        assert_eq!(
            said.contains("names the folder `release` now in place of"),
            folder == "release",
            "{said}"
        );
    }
}

#[test]
fn a_branch_that_goes_back_is_said_until_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("shop.git");
    commit(&url, Some(SHOP));
    let first = head(&url);
    let mut source = source(dir.path(), &url, b"");
    source.look();
    commit(&url, Some(BLOG));
    let second = head(&url);
    source.look();
    assert!(source.found.problems.is_empty());
    for (to, is_said) in [(first, true), (second, false)] {
        let repo = Repository::open(&url).unwrap();
        repo.reference("refs/heads/main", to, true, "").unwrap();
        source.look();
        let said = source.found.problems.join("\n");
        assert_eq!(
            said.contains("the branch went back from"),
            is_said,
            "{said}"
        );
        assert_eq!(source.found.tip.commit, Some(to.into()));
    }
}
