//! Release repositories that cannot be read, or may not.

use serde_json::{Value, json};

use crate::lab::{Lab, SOON, Scope};
use crate::support::wait_for;

fn repository(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": name}, "spec": spec})
}

/// An app with v1 serving all of its traffic.
async fn serving(scope: &Scope) {
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_is_away_is_said_and_comes_back() {
    let scope = Lab::shared().scope("away").await;
    serving(&scope).await;
    let away = scope.releases.remote().with_extension("away");
    std::fs::rename(scope.releases.remote(), &away).unwrap();
    let message = scope
        .until_repository("main", "False", "NotARepository")
        .await;
    assert!(message.contains("check the address"), "{message}");

    // What runs is known without git, and goes on.
    scope.stays_put("shop").await;
    scope.until_ready("shop").await;
    assert_eq!(scope.events("main").await["NotARepository"], 1);

    // What only git knows is unknown, not absent.
    scope.deploy("shop", &[(2, 100.0)]).await;
    let message = scope
        .until_fault("shop", "VersionsResolved", "NotARepository")
        .await;
    assert!(message.contains("check the address"), "{message}");
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());

    std::fs::rename(&away, scope.releases.remote()).unwrap();
    scope.until_repository("main", "True", "Succeeded").await;
    let message = scope
        .until_fault("shop", "VersionsResolved", "VersionNotFound")
        .await;
    assert!(message.contains("there are: v1"), "{message}");
    scope.releases.publish("shop", "");
    scope.until_weights("shop", &[(2, 10_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_no_repository_is_said() {
    let scope = Lab::shared().scope("folder").await;
    scope.releases.publish("shop", "");
    let plain = scope.releases.work().with_file_name("plain");
    std::fs::create_dir_all(&plain).unwrap();
    let spec = |url: &std::path::Path| json!({"url": url.display().to_string(), "interval": "5s"});
    scope.apply(repository("main", spec(&plain))).await;
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope
        .until_repository("main", "False", "NotARepository")
        .await;
    scope
        .until_fault("shop", "VersionsResolved", "NotARepository")
        .await;
    scope.stays_put("shop").await;
    assert!(scope.workloads("shop").await.is_empty());

    scope
        .apply(repository("main", spec(&scope.releases.remote())))
        .await;
    scope.until_repository("main", "True", "Succeeded").await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_is_not_there_is_said() {
    let scope = Lab::shared().scope("branch").await;
    serving(&scope).await;
    let spec =
        |branch: &str| json!({"url": scope.releases.url(), "interval": "5s", "branch": branch});
    scope.apply(repository("main", spec("nowhere"))).await;
    let message = scope
        .until_repository("main", "False", "BranchNotFound")
        .await;
    assert!(message.contains("`nowhere`"), "{message}");
    scope.stays_put("shop").await;
    scope.apply(repository("main", spec("main"))).await;
    scope.until_repository("main", "True", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_object_that_is_missing_is_said() {
    let scope = Lab::shared().scope("missing").await;
    serving(&scope).await;
    scope.releases.publish("later", "");
    scope
        .deploy_with("later", &[(1, 100.0)], json!({"repository": "other"}))
        .await;
    let message = scope
        .until_fault("later", "VersionsResolved", "RepositoryNotFound")
        .await;
    assert!(message.contains("`other`"), "{message}");
    scope
        .until_condition("later", "Stalled", "True", "RepositoryNotFound")
        .await;
    scope.stays_put("later").await;
    scope.repository("other").await;
    scope.until_ready("later").await;

    // Taken away under what runs: it goes on, and scales by its record.
    let api = scope.api::<cutwater::api::Repository>();
    api.delete("main", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope
        .until_fault("shop", "VersionsResolved", "RepositoryNotFound")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    scope.releases.publish("shop", "");
    scope.repository("main").await;
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_or_empty_is_said() {
    let scope = Lab::shared().scope("secret").await;
    serving(&scope).await;
    let url = scope.releases.url();
    let spec = json!({"url": url, "interval": "5s", "secretRef": {"name": "git"}});
    scope.apply(repository("main", spec)).await;
    let message = scope
        .until_repository("main", "False", "CredentialsRefused")
        .await;
    assert!(message.contains("no Secret `git`"), "{message}");
    scope.stays_put("shop").await;
    scope.until_ready("shop").await;

    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": data});
    scope.apply(secret(json!({"token": "x"}))).await;
    wait_for("the keys to be named", SOON, async || {
        let message = scope
            .until_repository("main", "False", "CredentialsRefused")
            .await;
        let named = message.contains("none of username, password");
        if named { Ok(()) } else { Err(message) }
    })
    .await;
    assert_eq!(scope.events("main").await["CredentialsRefused"], 1);
    scope
        .apply(secret(json!({"username": "a", "password": "b"})))
        .await;
    scope.until_repository("main", "True", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_of_this_machine_needs_to_be_allowed() {
    let mut lab = Lab::lent();
    let scope = lab.scope("allowed").await;
    serving(&scope).await;
    lab.controller.stop();
    lab.controller.allow_local = false;
    lab.controller.again();
    let message = scope
        .until_repository("main", "False", "RepositoryNotAllowed")
        .await;
    assert!(message.contains("--allow-local-repositories"), "{message}");
    scope.until_ready("shop").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 50.0), (2, 50.0)]).await;
    scope
        .until_fault("shop", "VersionsResolved", "RepositoryNotAllowed")
        .await;
    scope
        .until_condition("shop", "Stalled", "True", "RepositoryNotAllowed")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    lab.controller.stop();
    lab.controller.allow_local = true;
    lab.controller.again();
    scope.until_weights("shop", &[(1, 5_000), (2, 5_000)]).await;
}
