//! Versions that are not there, are gone, moved, or cannot be read. The tags are made with git, as no publisher would.

use std::io::Write;
use std::process::{Command, Stdio};

use cutwater::api::Repository;
use serde_json::json;

use crate::lab::{Lab, Releases, SOON, Scope};
use crate::support::wait_for;

/// The tree without entries.
const EMPTY: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

fn tag(number: u32) -> String {
    format!("refs/tags/shop/v{number}")
}

fn remote_git(releases: &Releases, arguments: &[&str]) -> String {
    releases.git_in(&releases.remote(), arguments)
}

/// The commit of a version.
fn commit_of(releases: &Releases, number: u32) -> String {
    remote_git(releases, &["rev-parse", &tag(number)])
}

fn set_tag(releases: &Releases, number: u32, commit: &str) {
    remote_git(releases, &["update-ref", &tag(number), commit]);
}

/// A commit as a publisher would make it, of this tree.
fn snapshot(releases: &Releases, number: u32, tree: &str, more: &str) -> String {
    let message = format!(
        "shop v{number}: crafted\n\nCutwater-App: shop\nCutwater-Version: {number}\nCutwater-Source: test\n{more}"
    );
    // The empty tree has to be there before it can be used.
    remote_git(releases, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    remote_git(releases, &["commit-tree", tree, "-m", &message])
}

/// A tree with nothing but this app.yaml.
fn tree(releases: &Releases, app_yaml: &str) -> String {
    let path = releases.work().join("../crafted.yaml");
    std::fs::write(&path, app_yaml).unwrap();
    let blob = remote_git(
        releases,
        &[
            "hash-object",
            "-w",
            &path.canonicalize().unwrap().to_string_lossy(),
        ],
    );
    let mut child = Command::new("git")
        .current_dir(releases.remote())
        .arg("mktree")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("100644 blob {blob}\tapp.yaml\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// v1 serves all traffic of `shop`, and half of it is wanted for v2, which stands at `commit`.
async fn wanted_at(scope: &Scope, commit: &str) {
    set_tag(&scope.releases, 2, commit);
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
}

async fn serving(name: &str) -> Scope {
    let scope = Lab::shared().scope(name).await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    scope
}

/// The fault is said, nothing moves, and the good commit in its place is taken up.
async fn said_until_repaired(scope: &Scope, reason: &str, words: &[&str], good: &str) {
    let message = scope.until_fault("shop", "VersionsResolved", reason).await;
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    scope
        .until_condition("shop", "Stalled", "True", reason)
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    assert_eq!(scope.workloads("shop").await, ["shop-v1-web"]);
    assert_eq!(scope.events("shop").await[reason], 1);
    set_tag(&scope.releases, 2, good);
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_exist_yet_is_taken_up_when_it_does() {
    let scope = serving("absent").await;
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionNotFound")
        .await;
    assert!(message.contains("no version `v2`"), "{message}");
    assert!(message.contains("there are: v1"), "{message}");
    scope
        .until_condition("shop", "Stalled", "True", "VersionNotFound")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    assert_eq!(scope.events("shop").await["VersionNotFound"], 1);
    assert_eq!(scope.releases.publish("shop", ""), 2);
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_version_is_said_with_who_and_why() {
    let scope = serving("tombstone").await;
    scope.releases.publish("shop", "");
    let good = commit_of(&scope.releases, 2);
    let tombstone = snapshot(&scope.releases, 2, EMPTY, "Cutwater-Deleted: true\n");
    wanted_at(&scope, &tombstone).await;
    let words = ["v2", "was deleted by A Tester", "crafted"];
    said_until_repaired(&scope, "VersionDeleted", &words, &good).await;
    // Deleted under traffic: it goes on.
    set_tag(&scope.releases, 2, &tombstone);
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionDeleted")
        .await;
    assert!(message.contains("what runs goes on"), "{message}");
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 5_000), (2, 5_000)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_yaml_that_cannot_be_read_is_said_with_its_place() {
    let scope = serving("app-yaml").await;
    scope.releases.publish("shop", "");
    let good = commit_of(&scope.releases, 2);
    let text = "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: shop}\nspec:\n  functions:\n  - name: web\n    wings: 2\n";
    let tree = tree(&scope.releases, text);
    let bad = snapshot(&scope.releases, 2, &tree, "");
    wanted_at(&scope, &bad).await;
    said_until_repaired(&scope, "SnapshotUnreadable", &["v2", "wings"], &good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_without_an_image_is_said_with_what_to_do() {
    let scope = serving("no-image").await;
    scope.releases.publish("shop", "");
    let good = commit_of(&scope.releases, 2);
    let text = "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: shop}\nspec:\n  functions:\n  - name: web\n    port: 8080\n    local: {command: [sleep, infinity]}\n";
    let tree = tree(&scope.releases, text);
    wanted_at(&scope, &snapshot(&scope.releases, 2, &tree, "")).await;
    let words = ["`web` of v2 has no image", "--image web=REF@sha256:"];
    said_until_repaired(&scope, "SnapshotUnreadable", &words, &good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_nobody_published_is_said() {
    let scope = serving("foreign").await;
    scope.releases.publish("shop", "");
    let good = commit_of(&scope.releases, 2);
    let branch = remote_git(&scope.releases, &["rev-parse", "refs/heads/main"]);
    wanted_at(&scope, &branch).await;
    let words = ["shop/v2", "is not a version that Cutwater published"];
    said_until_repaired(&scope, "VersionForeign", &words, &good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_moves_changes_no_traffic() {
    let scope = serving("moved").await;
    let good = commit_of(&scope.releases, 1);
    scope.releases.publish("shop", "");
    let tree = remote_git(
        &scope.releases,
        &["rev-parse", &format!("{}^{{tree}}", tag(2))],
    );
    let pods = scope.pods("shop", 1).await;
    set_tag(&scope.releases, 1, &snapshot(&scope.releases, 1, &tree, ""));
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionMoved")
        .await;
    assert!(message.contains(&good[..12]), "{message}");
    assert!(message.contains("what was pinned goes on"), "{message}");
    scope.stays_put("shop").await;
    assert_eq!(scope.pods("shop", 1).await, pods);
    assert_eq!(scope.events("shop").await["VersionMoved"], 1);
    // A share may still move among what was pinned and what is good.
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    assert_eq!(scope.pods("shop", 1).await, pods);
    set_tag(&scope.releases, 1, &good);
    scope.until_ready("shop").await;
}

/// v3 serves all traffic, v1 and v2 keep their pods for their rollback window, and the controller knows that the tag of v1 moved.
/// The commit of v1, and the pods of v1.
async fn left_and_moved(name: &str, window: &str) -> (Scope, String, Vec<String>) {
    let scope = Lab::shared().scope(name).await;
    let window = json!({"rollbackWindow": window});
    for number in 1..=3 {
        scope.releases.publish("shop", "");
        scope
            .deploy_with("shop", &[(number, 100.0)], window.clone())
            .await;
        scope.until_ready("shop").await;
    }
    let good = commit_of(&scope.releases, 1);
    let pods = scope.pods("shop", 1).await;
    assert!(!pods.is_empty());
    let tree = remote_git(
        &scope.releases,
        &["rev-parse", &format!("{}^{{tree}}", tag(2))],
    );
    set_tag(&scope.releases, 1, &snapshot(&scope.releases, 1, &tree, ""));
    scope.releases.commit("After the tag");
    let head = remote_git(&scope.releases, &["rev-parse", "refs/heads/main"]);
    wait_for("the controller to know", SOON, async || {
        let api = scope.api::<Repository>();
        let status = api.get("main").await.unwrap().status.unwrap_or_default();
        match status.head {
            Some(seen) if seen == head => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    assert_eq!(scope.pods("shop", 1).await, pods);
    (scope, good, pods)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_does_not_wait_where_the_tag_moved() {
    let (scope, good, pods) = left_and_moved("moved-back", "1h").await;
    let window = json!({"rollbackWindow": "4s"});
    scope.deploy_with("shop", &[(1, 100.0)], window).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionMoved")
        .await;
    assert!(message.contains(&good[..12]), "{message}");
    // The window of those that were left ends, and nothing else changes.
    scope.until_workloads("shop", &["shop-v1-web"]).await;
    scope.stays_put("shop").await;
    assert_eq!(scope.pods("shop", 1).await, pods);
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    set_tag(&scope.releases, 1, &good);
    scope.until_ready("shop").await;
    assert_eq!(scope.pods("shop", 1).await, pods);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_spec_names_keeps_its_pods_where_not_all_of_it_can_be() {
    let (scope, good, pods) = left_and_moved("moved-held", "1h").await;
    let window = json!({"rollbackWindow": "4s"});
    let versions = [(1, 50.0), (9, 50.0)];
    scope.deploy_with("shop", &versions, window.clone()).await;
    scope
        .until_condition("shop", "VersionsResolved", "False", "VersionNotFound")
        .await;
    // What nobody names goes at the end of its window, which was that of v1 as well.
    scope
        .until_workloads("shop", &["shop-v1-web", "shop-v3-web"])
        .await;
    wait_for("the other one to be looked for in vain", SOON, async || {
        let said = scope.conditions("shop").await;
        let known = said.contains("has no version `v9`");
        if known { Ok(()) } else { Err(said) }
    })
    .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(3, 10_000)].into());
    assert_eq!(scope.pods("shop", 1).await, pods);
    scope.deploy_with("shop", &[(1, 100.0)], window).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    assert_eq!(scope.pods("shop", 1).await, pods);
    set_tag(&scope.releases, 1, &good);
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_vanishes_changes_no_traffic() {
    let scope = serving("vanished").await;
    let good = commit_of(&scope.releases, 1);
    remote_git(&scope.releases, &["update-ref", "-d", &tag(1)]);
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionNotFound")
        .await;
    assert!(message.contains("what runs goes on"), "{message}");
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    assert_eq!(scope.events("shop").await["VersionNotFound"], 1);
    set_tag(&scope.releases, 1, &good);
    scope.until_ready("shop").await;
}
