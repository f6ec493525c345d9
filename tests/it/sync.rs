//! Releases by pull request: what is merged to the branch of a Repository is applied to its namespace, on a real API server.

use cutwater::api::{Alias, Deployment, Repository, RepositoryStatus, annotation};
use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::lab::faults::AWHILE;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::{User, wait_for};

/// What a person changes by hand.
mod drift;
/// What is never removed, and what stays until a person says otherwise.
mod held;
/// What the API server refuses.
mod refused;

/// A Repository that syncs `releases`, polled every five seconds.
async fn syncing(name: &str) -> Scope {
    let scope = Lab::shared().scope(name).await;
    scope.sync_with(json!({})).await;
    scope
}

impl Scope {
    /// Has the Repository sync, with further fields of its spec.
    async fn sync_with(&self, more: Value) {
        let mut spec =
            json!({"url": self.releases.url(), "interval": "5s", "releases": "releases"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let object = json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "main"}, "spec": spec,
        });
        self.apply(object).await;
    }

    /// Writes `releases/<app>.yaml`, in which a version serves all.
    fn release(&self, app: &str, version: u32) {
        let object = self.deployment(app, &[(version, 100.0)], json!({}));
        let text = serde_yaml::to_string(&object).unwrap();
        self.releases.write(&format!("releases/{app}.yaml"), &text);
    }

    /// Commits all of it; the id.
    fn merged(&self) -> String {
        self.releases.commit("Merge");
        self.releases.git(&["rev-parse", "HEAD"])
    }

    async fn repository_status(&self) -> RepositoryStatus {
        let object = self.api::<Repository>().get("main").await.unwrap();
        object.status.unwrap_or_default()
    }

    /// Waits until a commit is applied in full.
    async fn until_synced(&self, commit: &str) -> RepositoryStatus {
        wait_for(&format!("{commit} to be synced"), SOON, async || {
            let status = self.repository_status().await;
            let condition = status.conditions.iter().find(|it| it.type_ == "Synced");
            let is_true = condition.is_some_and(|it| it.status == "True");
            if status.synced.as_deref() == Some(commit) && is_true {
                Ok(status)
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await
    }

    /// Waits until `Synced` is not true for this reason; the message.
    async fn until_not_synced(&self, reason: &str) -> String {
        wait_for(&format!("Synced: {reason}"), SOON, async || {
            let status = self.repository_status().await;
            let condition = status.conditions.iter().find(|it| it.type_ == "Synced");
            match condition {
                Some(it) if it.status != "True" && it.reason == reason => Ok(it.message.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    async fn annotate_repository(&self, value: Option<&str>) {
        let body = json!({"metadata": {"annotations": {annotation::PRUNE: value}}});
        let api = self.api::<Repository>();
        let patched = api
            .patch("main", &PatchParams::default(), &Patch::Merge(&body))
            .await;
        patched.unwrap();
    }

    async fn deployment_is_there(&self, name: &str) -> bool {
        self.api::<Deployment>()
            .get_opt(name)
            .await
            .unwrap()
            .is_some()
    }

    /// The version that a Deployment names first.
    async fn names(&self, name: &str) -> Option<String> {
        let object = self.api::<Deployment>().get_opt(name).await.unwrap()?;
        let version = object.spec.versions[0].version.to_string();
        Some(version.trim_start_matches('v').to_owned())
    }

    async fn until_names(&self, name: &str, version: &str) {
        wait_for(
            &format!("{version} in cwd/{name}"),
            SOON,
            async || match self.names(name).await {
                Some(named) if named == version => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_moves_traffic() {
    let lab = Lab::shared();
    let scope = syncing("sync").await;
    scope.releases.publish("shop", "");
    scope.release("shop", 1);
    let alias = "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: stage}\nspec: {app: shop, repository: main, version: 1, rollbackWindow: 0s}\n";
    scope.releases.write("releases/more/stage.yaml", alias);
    let first = scope.merged();
    scope.until_weights("shop", &[(1, 10_000)]).await;
    let status = scope.until_synced(&first).await;
    let sync = status.sync.unwrap();
    assert_eq!((sync.objects, sync.counting), (2, vec![first.clone()]));
    let shown = lab
        .server
        .kubectl(&["get", "cwr", "main", "-n", &scope.namespace]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("{}, tip", &first[..12])), "{shown}");
    let object = scope.api::<Deployment>().get("shop").await.unwrap();
    let annotations = object.metadata.annotations.unwrap();
    assert_eq!(annotations[annotation::COMMIT], first);
    assert_eq!(annotations[annotation::FILE], "releases/shop.yaml");

    // What the command line commits is served.
    scope.releases.publish("shop", "");
    let output = scope.releases.cutwater(&["deploy", "shop", "v2"]);
    assert!(output.status.success(), "{output:?}");
    scope.until_weights("shop", &[(2, 10_000)]).await;
    let second = scope.releases.git(&["ls-remote", "origin", "main"])[..40].to_owned();
    scope.until_synced(&second).await;
    scope.until_event("main", "Succeeded").await;

    // Where nothing is new, nothing is written.
    scope.until_ready("shop").await;
    let since = Timestamp::now();
    tokio::time::sleep(AWHILE * 2).await;
    let ours = (lab.server.audit_requests(User::Cutwater, since).into_iter())
        .filter(|entry| entry.namespace == scope.namespace && entry.is_write())
        .map(|entry| format!("{} {}", entry.verb, entry.uri))
        .filter(|it| it.contains("cutwater-sync") || it.contains("/repositories/"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);

    // What a commit deletes goes.
    scope
        .releases
        .git(&["pull", "--quiet", "--ff-only", "origin", "main"]);
    scope.releases.git(&["rm", "--quiet", "releases/shop.yaml"]);
    let third = scope.merged();
    scope.until_gone("shop", SOON).await;
    let status = scope.until_synced(&third).await;
    let pruned = status.sync.unwrap().pruned;
    assert_eq!(pruned, [format!("cwd/shop by {}", &third[..12])]);
    assert!(
        scope
            .api::<Alias>()
            .get_opt("stage")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_path_a_suspended_one_or_the_repository_nothing_happens() {
    let scope = Lab::shared().scope("sync-not").await;
    scope.release("shop", 1);
    scope.merged();
    scope.until_repository_is("main", "True", "Succeeded").await;
    stays("no Deployment", AWHILE, false, async || {
        scope.deployment_is_there("shop").await
    })
    .await;
    let status = scope.repository_status().await;
    assert!(status.sync.is_none() && status.synced.is_none());

    scope.sync_with(json!({"suspend": true})).await;
    stays("no Deployment", AWHILE, false, async || {
        scope.deployment_is_there("shop").await
    })
    .await;
    scope.sync_with(json!({})).await;
    scope.until_names("shop", "1").await;

    // The path is taken away: what is there stays, and is nobody's any more.
    let object = json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "main"},
        "spec": {"url": scope.releases.url(), "interval": "5s"},
    });
    scope.apply(object).await;
    wait_for("nothing said of sync", SOON, async || {
        let status = scope.repository_status().await;
        let said = status.conditions.iter().any(|it| it.type_ == "Synced");
        if said || status.sync.is_some() || status.synced.is_some() {
            Err(format!("{status:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    scope.release("shop", 2);
    scope.merged();
    stays("as before", AWHILE, Some("1".to_owned()), async || {
        scope.names("shop").await
    })
    .await;

    // The Repository is deleted: traffic stays.
    scope.sync_with(json!({})).await;
    scope.until_names("shop", "2").await;
    let api = scope.api::<Repository>();
    api.delete("main", &DeleteParams::default()).await.unwrap();
    stays("as before", AWHILE, Some("2".to_owned()), async || {
        scope.names("shop").await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_branch_is_another_story() {
    let scope = syncing("sync-branch").await;
    scope.release("shop", 1);
    let first = scope.merged();
    scope.until_synced(&first).await;
    // It has nothing in common with the first.
    scope
        .releases
        .git(&["checkout", "--quiet", "--orphan", "other"]);
    scope.release("shop", 2);
    scope.releases.git(&["add", "--all"]);
    scope.releases.git(&["commit", "--quiet", "-m", "Other"]);
    scope.releases.git(&["push", "--quiet", "origin", "other"]);
    let other = scope.releases.git(&["rev-parse", "HEAD"]);
    scope.sync_with(json!({"branch": "other"})).await;
    let message = scope.until_not_synced("HistoryRewritten").await;
    assert!(
        message.contains(&format!("cutwater.dev/prune={other}")),
        "{message}"
    );
    let status = scope.repository_status().await;
    assert_eq!(
        (status.synced, scope.names("shop").await),
        (None, Some("1".to_owned()))
    );
    scope.annotate_repository(Some(&other)).await;
    scope.until_synced(&other).await;
    scope.until_names("shop", "2").await;
}
