//! What a fault has to show: a condition, an event that is not repeated, and nothing that changes by it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use cutwater::api::{Deployment, Repository};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

/// Long enough for a mistake to show: polls, settle and drain delays of the tests are all shorter.
pub const AWHILE: Duration = Duration::from_secs(3);

/// Longer than mere words of a status wait.
const REST: Duration = Duration::from_millis(1500);

/// Nothing changes by waiting. It may take a moment to come to rest, for numbers and words in a status are not written at
/// once.
pub async fn stays_at_rest<T, F>(what: &str, probe: impl Fn() -> F)
where
    T: PartialEq + Debug,
    F: Future<Output = T>,
{
    let settled = wait_for(&format!("{what} to come to rest"), SOON, async || {
        let before = probe().await;
        tokio::time::sleep(REST).await;
        let now = probe().await;
        if before == now {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    stays(what, AWHILE, settled, probe).await;
}

/// A rule of the API server by which the controller cannot write a Deployment, and so not its finalizer; for `kubectl`.
pub fn no_finalizers() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "no-finalizers"},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["cutwater.dev"], "apiVersions": ["*"],
                    "operations": ["UPDATE"], "resources": ["deployments"],
                }]},
                "validations": [{"expression": "request.userInfo.username != 'cutwater'", "message": "not now"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "no-finalizers"},
            "spec": {"policyName": "no-finalizers", "validationActions": ["Deny"]},
        },
    ]})
}

/// Waits until that rule acts on what the user of `theirs` writes.
pub async fn until_no_finalizers(theirs: &Api<Deployment>, name: &str) {
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let note = json!({"metadata": {"annotations": {"note": "dry"}}});
    wait_for("the policy to act", SOON, async || {
        match theirs.patch(name, &dry, &Patch::Merge(&note)).await {
            Err(_) => Ok(()),
            Ok(_) => Err("the write is let through"),
        }
    })
    .await;
}

impl Scope {
    /// How often each reason was said in an event about a custom resource called so.
    pub async fn events(&self, name: &str) -> BTreeMap<String, i32> {
        let mut said = BTreeMap::new();
        for event in self
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .unwrap()
        {
            let Some(about) = &event.regarding else {
                continue;
            };
            let ours = about.api_version.as_deref() == Some("cutwater.dev/v1alpha1");
            if ours && about.name.as_deref() == Some(name) {
                let times = event.series.as_ref().map_or(1, |series| series.count);
                *said.entry(event.reason.unwrap_or_default()).or_default() += times;
            }
        }
        said
    }

    pub async fn until_event(&self, name: &str, reason: &str) {
        wait_for(
            &format!("event {reason} about {name}"),
            SOON,
            async || match self.events(name).await {
                said if said.contains_key(reason) => Ok(()),
                said => Err(format!("{said:?}")),
            },
        )
        .await;
    }

    /// Waits until a Deployment says a fault: in a condition, in Ready, and in an event. The message of the condition.
    pub async fn until_fault(&self, name: &str, type_: &str, reason: &str) -> String {
        let message = self.until_condition(name, type_, "False", reason).await;
        self.until_condition(name, "Ready", "False", reason).await;
        self.until_event(name, reason).await;
        message
    }

    /// Nothing changes by waiting: not the split, not what is said, and nothing is said again.
    pub async fn stays_put(&self, app: &str) {
        stays_at_rest(&format!("{app} with its fault"), async || {
            self.picture(app).await
        })
        .await;
    }

    /// Weights, workloads, conditions and events of a Deployment that is called like its app.
    pub async fn picture(&self, app: &str) -> Picture {
        Picture {
            weights: self.weights(app).await,
            workloads: self.workloads(app).await,
            conditions: self.conditions(app).await,
            events: self.events(app).await,
        }
    }

    /// A condition of a Deployment.
    pub async fn condition(&self, name: &str, type_: &str) -> Option<Condition> {
        let object = self.api::<Deployment>().get_opt(name).await.unwrap()?;
        let conditions = object.status?.conditions;
        conditions
            .into_iter()
            .find(|condition| condition.type_ == type_)
    }

    /// Waits until a Repository is ready, or not ready for that reason; the message.
    pub async fn until_repository_is(&self, name: &str, status: &str, reason: &str) -> String {
        let what = format!("Ready={status} ({reason}) of cwr/{name}");
        wait_for(&what, SOON, async || {
            let object = self.api::<Repository>().get_opt(name).await.unwrap();
            let status_of = object.and_then(|object| object.status).unwrap_or_default();
            let ready = status_of
                .conditions
                .into_iter()
                .find(|condition| condition.type_ == "Ready");
            match ready {
                Some(ready) if ready.status == status && ready.reason == reason => {
                    Ok(ready.message)
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// What a Repository says of itself now.
    pub async fn repository_says(&self, name: &str) -> String {
        let object = self.api::<Repository>().get_opt(name).await.unwrap();
        let status = object.and_then(|object| object.status).unwrap_or_default();
        let ready = (status.conditions.into_iter()).find(|condition| condition.type_ == "Ready");
        ready.map(|ready| ready.message).unwrap_or_default()
    }

    /// The same, and an event says it too.
    pub async fn until_repository(&self, name: &str, status: &str, reason: &str) -> String {
        let message = self.until_repository_is(name, status, reason).await;
        self.until_event(name, reason).await;
        message
    }

    /// Names of the pods of a version.
    pub async fn pods(&self, app: &str, version: u32) -> Vec<String> {
        let labels = format!("cutwater.dev/app={app},cutwater.dev/version={version}");
        let pods = self
            .api::<Pod>()
            .list(&ListParams::default().labels(&labels))
            .await;
        let alive = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
        let pods = pods.unwrap();
        pods.iter()
            .filter(|pod| alive(pod))
            .map(ResourceExt::name_any)
            .collect()
    }

    /// Marks the pods of a version, as `support/pods.yaml` understands it: `ready`, `stay-unready`, `crash`.
    pub async fn mark_pods(&self, app: &str, version: u32, mark: &str) {
        let label = json!({"metadata": {"labels": {"cutwater.test/pod": mark}}});
        for name in self.pods(app, version).await {
            self.api::<Pod>()
                .patch(&name, &PatchParams::default(), &Patch::Merge(&label))
                .await
                .unwrap();
        }
    }
}

/// What must not change while a fault lasts.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    pub weights: BTreeMap<u32, u32>,
    pub workloads: Vec<String>,
    pub conditions: String,
    pub events: BTreeMap<String, i32>,
}
