//! What goes on, and what is said, where the repository is not as it was.

use std::fs;
use std::path::Path;

use super::super::tip;
use super::*;
use crate::git::{Caller, RemoteUrl};
use crate::releases;

/// What follows a repository at `url`, where `counted` stands in the state folder and a shop is remembered.
fn source(dir: &Path, url: &Path, counted: &[u8]) -> Source {
    let file = dir.join("counted");
    fs::write(&file, counted).unwrap();
    let url = RemoteUrl::parse(&url.display().to_string(), true).unwrap();
    let mirror = Mirror::open_for(Caller::Server, &dir.join("mirror.git"), &url, None).unwrap();
    let text = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: shop}\nspec: {app: shop, repository: shop, versions: [{version: 1, percentage: 100}]}\n";
    let shop = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
    let shop = &shop.releases[0];
    let whose = (shop.app().clone(), shop.wanted.repository.clone());
    let folder = Some("releases/prod".to_owned());
    Source::new(
        mirror,
        "main".to_owned(),
        folder.clone(),
        (
            Counted::read(file, "main", folder.as_deref()),
            [(tip::owner(shop), whose)].into(),
        ),
        Arc::default(),
    )
}

/// A repository whose one commit has nothing in it.
fn bare(url: &Path) {
    let repo = git2::Repository::init_bare(url).unwrap();
    let tree = repo.find_tree(repo.treebuilder(None).unwrap().write().unwrap());
    let who = git2::Signature::now("a", "a@example.com").unwrap();
    let name = Some("refs/heads/main");
    repo.commit(name, &who, &who, "empty", &tree.unwrap(), &[])
        .unwrap();
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
        bare(&url);
        source.look();
        let owner = source.known.keys().next().unwrap();
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
fn a_folder_that_holds_objects_of_others_is_not_called_empty() {
    assert_eq!(empty("releases", 0), "`releases` is absent or empty");
    for others in [1, 3] {
        let said = empty("releases", others);
        assert!(
            said.contains(&others.to_string()) && !said.contains("absent"),
            "{said}"
        );
    }
}
