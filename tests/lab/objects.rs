//! Custom resources in few words, and what their status and the cluster say.

use std::collections::BTreeMap;
use std::time::Duration;

use cutwater::api::gateway::HttpRoute;
use cutwater::api::{Alias, Deployment};
use k8s_openapi::api::apps::v1::Deployment as Workload;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{Releases, SOON};
use crate::support::wait_for;

/// A namespace and its release repository.
pub struct Scope {
    pub client: Client,
    pub namespace: String,
    pub releases: Releases,
}

impl Scope {
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A Repository that leads to the release repository.
    pub async fn repository(&self, name: &str) {
        let url = self.releases.url();
        self.apply(json!({
            "apiVersion": "cutwater.dev/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": name},
            "spec": {"url": url, "interval": "5s"},
        }))
        .await;
    }

    /// Applies any object, as the test.
    pub async fn apply(&self, object: Value) {
        self.try_apply(object).await.unwrap();
    }

    pub async fn try_apply(&self, object: Value) -> Result<(), kube::Error> {
        let object: kube::core::DynamicObject = serde_json::from_value(object).unwrap();
        let types = object.types.clone().unwrap();
        let gvk = kube::core::GroupVersionKind::try_from(&types).unwrap();
        let plural = match gvk.kind.as_str() {
            "Repository" => "repositories".to_owned(),
            "Alias" => "aliases".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let resource = kube::core::ApiResource::from_gvk_with_plural(&gvk, &plural);
        let api = Api::<kube::core::DynamicObject>::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &resource,
        );
        let params = PatchParams::apply("test").force();
        api.patch(&object.name_any(), &params, &Patch::Apply(&object))
            .await
            .map(|_| ())
    }

    /// Applies a Deployment called like its app, reached at `<app>.<namespace>.test`.
    pub async fn deploy(&self, app: &str, versions: &[(u32, f64)]) {
        self.deploy_with(app, versions, json!({})).await;
    }

    /// As [`Self::deploy`], with further fields of the spec.
    pub async fn deploy_with(&self, app: &str, versions: &[(u32, f64)], more: Value) {
        self.apply(self.deployment(app, versions, more)).await;
    }

    pub fn deployment(&self, app: &str, versions: &[(u32, f64)], more: Value) -> Value {
        let versions: Vec<Value> = (versions.iter())
            .map(|(version, percentage)| json!({"version": version, "percentage": percentage}))
            .collect();
        let mut spec = json!({
            "app": app,
            "repository": "main",
            "versions": versions,
            "rollbackWindow": "0s",
            "routes": [{"hostnames": [self.hostname(app)], "gateway": {"name": "web", "namespace": "default"}}],
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        json!({
            "apiVersion": "cutwater.dev/v1alpha1",
            "kind": "Deployment",
            "metadata": {"name": app},
            "spec": spec,
        })
    }

    pub fn hostname(&self, app: &str) -> String {
        format!("{app}.{}.test", self.namespace)
    }

    /// Weights in the first route of an app's Deployment, by version number.
    pub async fn weights(&self, app: &str) -> BTreeMap<u32, u32> {
        self.weights_of(app, &format!("{app}.main")).await
    }

    /// Weights in an HTTPRoute, by version number; empty where there is none.
    pub async fn weights_of(&self, app: &str, route: &str) -> BTreeMap<u32, u32> {
        let Some(route) = self.api::<HttpRoute>().get_opt(route).await.unwrap() else {
            return BTreeMap::new();
        };
        weights_in(app, &route)
    }

    /// Waits until the first route of an app's Deployment has these weights.
    pub async fn until_weights(&self, app: &str, wanted: &[(u32, u32)]) {
        let wanted: BTreeMap<u32, u32> = wanted.iter().copied().collect();
        wait_for(&format!("weights {wanted:?} of {app}"), SOON, async || {
            let seen = self.weights(app).await;
            if seen == wanted {
                return Ok(());
            }
            Err(format!("{seen:?}; {}", self.conditions(app).await))
        })
        .await;
    }

    /// Waits until the first route of an app's Deployment names a version as a backend, with a share or without.
    pub async fn until_named(&self, app: &str, version: u32) {
        let prefix = format!("{app}-v{version}-");
        wait_for(
            &format!("v{version} in a route of {app}"),
            SOON,
            async || {
                let route = self
                    .api::<HttpRoute>()
                    .get_opt(&format!("{app}.main"))
                    .await;
                let rules = route.unwrap().map(|route| route.spec.rules);
                let mut backends = (rules.iter().flatten()).flat_map(|rule| &rule.backend_refs);
                if backends.any(|backend| backend.name.starts_with(&prefix)) {
                    return Ok(());
                }
                Err(self.conditions(app).await)
            },
        )
        .await;
    }

    /// Waits until a condition of a Deployment has this status and reason; its message.
    pub async fn until_condition(
        &self,
        name: &str,
        type_: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let what = format!("{type_}={status} ({reason}) of cwd/{name}");
        wait_for(&what, SOON, async || {
            let object = self.api::<Deployment>().get_opt(name).await.unwrap();
            let conditions = object
                .and_then(|object| object.status)
                .map(|s| s.conditions);
            let conditions = conditions.unwrap_or_default();
            let found = conditions.iter().find(|condition| {
                condition.type_ == type_ && condition.status == status && condition.reason == reason
            });
            match found {
                Some(condition) => Ok(condition.message.clone()),
                None => Err(text(&conditions)),
            }
        })
        .await
    }

    /// Waits until a Deployment is ready as it is now: what its status says of an older generation does not count.
    pub async fn until_ready(&self, name: &str) {
        wait_for(&format!("cwd/{name} ready as it is"), SOON, async || {
            let object = self.api::<Deployment>().get_opt(name).await.unwrap();
            let generation = object
                .as_ref()
                .and_then(|object| object.metadata.generation);
            let status = object.and_then(|object| object.status).unwrap_or_default();
            let ready = status.conditions.iter().any(|condition| {
                condition.type_ == "Ready"
                    && condition.status == "True"
                    && condition.observed_generation == generation
            });
            if ready {
                Ok(())
            } else {
                Err(text(&status.conditions))
            }
        })
        .await;
    }

    pub async fn conditions(&self, name: &str) -> String {
        let object = self.api::<Deployment>().get_opt(name).await.unwrap();
        let status = object.and_then(|object| object.status).unwrap_or_default();
        text(&status.conditions)
    }

    pub async fn until_alias_ready(&self, name: &str) {
        wait_for(&format!("cwa/{name} ready"), SOON, async || {
            let object = self.api::<Alias>().get_opt(name).await.unwrap();
            let conditions = object
                .and_then(|object| object.status)
                .map(|s| s.conditions);
            let conditions = conditions.unwrap_or_default();
            let ready = conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True");
            if ready {
                Ok(())
            } else {
                Err(text(&conditions))
            }
        })
        .await;
    }

    /// Names of the workloads of an app.
    pub async fn workloads(&self, app: &str) -> Vec<String> {
        let params = ListParams::default().labels(&format!("cutwater.dev/app={app}"));
        let list = self.api::<Workload>().list(&params).await.unwrap();
        list.iter().map(ResourceExt::name_any).collect()
    }

    pub async fn until_workloads(&self, app: &str, wanted: &[&str]) {
        wait_for(&format!("workloads {wanted:?}"), SOON, async || {
            let seen = self.workloads(app).await;
            if seen == wanted {
                Ok(())
            } else {
                Err(format!("{seen:?}; {}", self.conditions(app).await))
            }
        })
        .await;
    }

    /// Deletes a Deployment and returns at once.
    pub async fn delete(&self, name: &str, params: &DeleteParams) {
        self.api::<Deployment>().delete(name, params).await.unwrap();
    }

    /// Waits until a Deployment is gone.
    pub async fn until_gone(&self, name: &str, deadline: Duration) {
        wait_for(&format!("cwd/{name} gone"), deadline, async || {
            match self.api::<Deployment>().get_opt(name).await.unwrap() {
                None => Ok(()),
                Some(object) => Err(text(&object.status.unwrap_or_default().conditions)),
            }
        })
        .await;
    }
}

/// Weights of the rule that any request meets, by version number, of versions that have one.
pub fn weights_in(app: &str, route: &HttpRoute) -> BTreeMap<u32, u32> {
    let rule = route.spec.rules.iter().find(|rule| {
        rule.matches
            .iter()
            .all(|matched| matched.headers.is_empty())
    });
    (rule.unwrap().backend_refs.iter())
        .map(|backend| {
            let rest = backend.name.strip_prefix(&format!("{app}-v")).unwrap();
            let number = rest.split('-').next().unwrap().parse().unwrap();
            (number, backend.weight.unwrap())
        })
        .filter(|(_, weight)| *weight > 0)
        .collect()
}

fn text(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> String {
    let lines: Vec<String> = (conditions.iter())
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect();
    lines.join(" | ")
}
