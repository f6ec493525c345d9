use super::*;

async fn patch(scope: &Scope, body: Value) {
    let api = scope.api::<Deployment>();
    let params = PatchParams::default();
    api.patch("shop", &params, &Patch::Merge(&body))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_by_hand_is_put_back_and_what_is_paused_is_not() {
    let scope = Lab::shared().scope("sync-drift").await;
    scope.release("shop", 1);
    let first = scope.merged();
    // No fetch is due meanwhile.
    scope.sync_with(json!({"interval": "24h"})).await;
    scope.until_synced(&first).await;
    // A field that the file has, and one that it has not.
    let versions = json!([{"version": 7, "percentage": 100}]);
    let by_hand =
        json!({"spec": {"versions": versions, "message": "by hand", "rollbackWindow": "1m"}});
    patch(&scope, by_hand.clone()).await;
    wait_for("what the file says", SOON, async || {
        let spec = scope.api::<Deployment>().get("shop").await.unwrap().spec;
        let is_back = spec.versions[0].version.to_string() == "v1"
            && spec.message.is_none()
            && spec.rollback_window.as_secs() == 0;
        if is_back {
            Ok(())
        } else {
            Err(format!("{spec:?}"))
        }
    })
    .await;
    scope.until_event("shop", "PutBack").await;

    // Deleted by hand, it is made again.
    scope.delete("shop", &DeleteParams::background()).await;
    wait_for("another shop", SOON, async || {
        let object = scope.api::<Deployment>().get_opt("shop").await.unwrap();
        let there = object.filter(|it| it.metadata.deletion_timestamp.is_none());
        there.map(|it| it.spec.versions[0].version.to_string())
    })
    .await;
    scope.until_synced(&first).await;
    scope.sync_with(json!({})).await;

    let paused = json!({"metadata": {"annotations": {annotation::SYNC: annotation::PAUSED}}});
    patch(&scope, paused).await;
    patch(&scope, by_hand).await;
    scope.release("shop", 2);
    let second = scope.merged();
    let status = scope.until_synced(&second).await;
    let held = status.sync.unwrap().held;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].object, "cwd/shop");
    assert!(held[0].why.starts_with("paused"), "{held:?}");
    assert_eq!(scope.names("shop").await.as_deref(), Some("7"));
    patch(
        &scope,
        json!({"metadata": {"annotations": {annotation::SYNC: null}}}),
    )
    .await;
    scope.until_names("shop", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_by_hand_before_is_taken_over() {
    let scope = Lab::shared().scope("sync-over").await;
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.deploy("mine", &[(1, 100.0)]).await;
    scope.sync_with(json!({})).await;
    scope.release("shop", 2);
    let head = scope.merged();
    scope.until_synced(&head).await;
    scope.until_names("shop", "2").await;
    // What is in no file was not written by sync, and is none of its business.
    scope.releases.write(
        "releases/other.yaml",
        &serde_yaml::to_string(&scope.deployment("other", &[(1, 100.0)], json!({}))).unwrap(),
    );
    scope.releases.git(&["rm", "--quiet", "releases/shop.yaml"]);
    let head = scope.merged();
    scope.until_synced(&head).await;
    scope.until_gone("shop", SOON).await;
    assert!(scope.deployment_is_there("mine").await);
}
