use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_path_and_a_rewritten_branch_wait_for_a_person() {
    let mut lab = Lab::lent();
    let scope = lab.scope("sync-held").await;
    scope.sync_with(json!({})).await;
    scope.release("shop", 1);
    let first = scope.merged();
    scope.until_synced(&first).await;
    scope.releases.git(&["rm", "--quiet", "-r", "releases"]);
    let empty = scope.merged();
    let message = scope.until_not_synced("PruneHeld").await;
    assert!(
        message.contains("`releases` is absent or empty"),
        "{message}"
    );
    assert!(message.contains("cwd/shop"), "{message}");
    scope.until_repository("main", "False", "PruneHeld").await;
    // The controller starts again, and has lost its disk.
    lab.controller.kill();
    lab.controller.forget();
    lab.controller.again();
    let is_there = async || scope.deployment_is_there("shop").await;
    stays("the shop", AWHILE * 2, true, is_there).await;
    let status = scope.repository_status().await;
    assert_eq!(status.synced.as_deref(), Some(first.as_str()));
    let sync = status.sync.unwrap();
    assert_eq!(sync.applied.unwrap(), format!("{}, behind", &first[..12]));
    assert_eq!(sync.held[0].object, "cwd/shop");

    // History is rewritten.
    scope.releases.git(&["reset", "--quiet", "--hard", &first]);
    scope.release("shop", 3);
    scope.releases.git(&["add", "--all"]);
    scope
        .releases
        .git(&["commit", "--quiet", "-m", "Rewritten"]);
    scope
        .releases
        .git(&["push", "--quiet", "--force", "origin", "main"]);
    let rewritten = scope.releases.git(&["rev-parse", "HEAD"]);
    let message = scope.until_not_synced("HistoryRewritten").await;
    assert!(
        message.contains(&empty[..12]) && message.contains(&rewritten),
        "{message}"
    );
    let names = async || scope.names("shop").await;
    stays("the shop", AWHILE, Some("1".to_owned()), names).await;
    scope.annotate_repository(Some(&rewritten)).await;
    scope.until_synced(&rewritten).await;
    scope.until_names("shop", "3").await;

    // Emptied again, and released.
    scope.releases.git(&["rm", "--quiet", "-r", "releases"]);
    let empty = scope.merged();
    scope.until_not_synced("PruneHeld").await;
    scope.annotate_repository(Some(&empty)).await;
    scope.until_gone("shop", SOON).await;
    scope.until_synced(&empty).await;

    // The branch vanishes.
    let remote = scope.releases.remote();
    let delete = ["update-ref", "-d", "refs/heads/main"];
    scope.releases.git_in(&remote, &delete);
    scope.until_not_synced("BranchNotFound").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slip_in_one_document_of_a_file_is_said_with_its_place_and_holds_it() {
    let scope = syncing("sync-slip").await;
    let text = |name: &str, version: u32, namespace: Option<&str>| {
        let mut object = scope.deployment(name, &[(version, 100.0)], json!({}));
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        serde_yaml::to_string(&object).unwrap()
    };
    let both = |a: String, b: String| {
        scope
            .releases
            .write("releases/all.yaml", &format!("{a}---\n{b}"));
    };
    both(text("shop", 1, None), text("blog", 1, None));
    let first = scope.merged();
    scope.until_synced(&first).await;
    both(
        text("shop", 2, Some("elsewhere")),
        text("blog", 2, Some(&scope.namespace)),
    );
    scope.merged();
    let message = scope.until_not_synced("ReleasesInvalid").await;
    assert!(
        message.contains(
            "releases/all.yaml:1:1: metadata.namespace: cwd/shop names namespace `elsewhere`"
        ),
        "{message}"
    );
    scope.until_names("blog", "2").await;
    assert_eq!(scope.names("shop").await.as_deref(), Some("1"));
    let status = scope.repository_status().await;
    assert_eq!(status.synced.as_deref(), Some(first.as_str()));
    assert!(status.sync.unwrap().problems[0].starts_with("releases/all.yaml:1:1:"));
    // One that nobody can read removes nothing either.
    both(
        text("shop", 2, None),
        text("blog", 3, None).replace("percentage", "percent"),
    );
    scope.merged();
    wait_for("the line", SOON, async || {
        let message = scope.until_not_synced("ReleasesInvalid").await;
        if message.contains("percent") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    assert!(scope.deployment_is_there("shop").await && scope.deployment_is_there("blog").await);
    both(text("shop", 2, None), text("blog", 3, None));
    let head = scope.merged();
    scope.until_synced(&head).await;
    scope.until_names("shop", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_two_repositories_keeps_an_object_and_copied_annotations_remove_nothing() {
    let scope = syncing("sync-two").await;
    scope.release("shop", 1);
    let head = scope.merged();
    scope.until_synced(&head).await;
    let object = json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "second"},
        "spec": {"url": scope.releases.url(), "interval": "5s", "releases": "releases"},
    });
    scope.apply(object).await;
    let message = scope.until_repository("second", "False", "NameTaken").await;
    assert!(message.contains("cwd/shop: Repository `main`"), "{message}");
    scope
        .api::<Repository>()
        .delete("second", &DeleteParams::default())
        .await
        .unwrap();

    // Somebody exports the object and applies it under another name.
    let shop = scope.api::<Deployment>().get("shop").await.unwrap();
    let mut copy = scope.deployment("copy", &[(1, 100.0)], json!({}));
    copy["metadata"]["annotations"] = json!(shop.metadata.annotations);
    scope.apply(copy).await;
    scope.release("shop", 2);
    scope.merged();
    scope.until_not_synced("PruneHeld").await;
    scope.until_names("shop", "2").await;
    assert!(scope.deployment_is_there("copy").await);
}
