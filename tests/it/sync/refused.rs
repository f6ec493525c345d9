use super::*;

/// An admission policy by which a Deployment of this name cannot be written in the namespace.
async fn frozen(scope: &Scope, name: &str) {
    let policy = format!("frozen-{}", scope.namespace);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": policy},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["cutwater.dev"], "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
                }]},
                "validations": [{"expression": format!("object.metadata.name != '{name}'"), "message": "it is frozen"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": policy},
            "spec": {
                "policyName": policy, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scope.namespace}}},
            },
        },
    ]});
    let server = &Lab::shared().server;
    let file = server.directory().join(format!("{policy}.json"));
    std::fs::write(&file, list.to_string()).unwrap();
    let file = file.to_string_lossy();
    crate::support::apiserver::succeed(server.kubectl(&["apply", "-f", &file]));
    let api = scope.api::<Deployment>();
    let dry = PatchParams::apply("test").force().dry_run();
    let object = scope.deployment(name, &[(1, 100.0)], json!({}));
    wait_for("the policy to act", SOON, async || {
        match api.patch(name, &dry, &Patch::Apply(&object)).await {
            Err(_) => Ok(()),
            Ok(_) => Err("the write is let through"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_commit_is_applied_of_which_one_object_is_refused() {
    let scope = Lab::shared().scope("sync-refused").await;
    frozen(&scope, "zoo").await;
    scope.sync_with(json!({})).await;
    scope.release("shop", 1);
    let first = scope.merged();
    scope.until_synced(&first).await;
    scope.release("shop", 2);
    scope.release("zoo", 1);
    scope.merged();
    let message = scope.until_not_synced("ApiServerRefused").await;
    assert!(
        message.starts_with("releases/zoo.yaml:1:1: could not apply cwd/zoo:"),
        "{message}"
    );
    assert!(message.contains("it is frozen"), "{message}");
    scope
        .until_repository("main", "False", "ApiServerRefused")
        .await;
    stays("as before", AWHILE, Some("1".to_owned()), async || {
        scope.names("shop").await
    })
    .await;
    assert_eq!(
        scope.repository_status().await.synced.as_deref(),
        Some(first.as_str())
    );
    scope
        .releases
        .git(&["rm", "--quiet", "-f", "releases/zoo.yaml"]);
    let head = scope.merged();
    scope.until_synced(&head).await;
    scope.until_names("shop", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_said() {
    let lab = Lab::lent();
    lab.grant(|rule| !rule.contains("[create, delete]"));
    let scope = lab.scope("sync-rights").await;
    scope.sync_with(json!({})).await;
    scope.release("shop", 1);
    let head = scope.merged();
    let message = scope.until_not_synced("ApiServerRefused").await;
    assert!(message.contains("cwd/shop"), "{message}");
    lab.grant(|_| true);
    scope.until_synced(&head).await;
}
