//! Where a test is: a namespace that holds pods to the `restricted` standard, a release repository whose functions are the
//! test application, and the one controller that serves all tests.

use std::ops::Deref;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::load::Load;
use crate::lab::{Controller, Releases, SOON, Scope};
use crate::support::e2e::Cluster;
use crate::support::http::{self, Response};
use crate::support::wait_for;

/// What every function of these tests has.
const FUNCTION: &str =
    "command: [/bin/app]\nreadinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}";

/// An app whose name makes the controller panic whenever it works on it.
pub const PANICS: &str = "panics";

/// The controller. Whoever kills it starts it again.
fn controller() -> MutexGuard<'static, Controller> {
    static CONTROLLER: LazyLock<Mutex<Controller>> = LazyLock::new(|| {
        let cluster = Cluster::from_environment();
        Mutex::new(Controller::start_with(
            &cluster.kubeconfig_controller,
            &cluster.logs,
            vec![format!("CUTWATER_TEST_PANIC={PANICS}")],
        ))
    });
    CONTROLLER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the controller without a warning.
pub fn kill_controller() {
    controller().kill();
}

/// Removes all that the killed controller kept on disk.
pub fn forget_mirrors() {
    controller().forget();
}

/// Starts the controller, if it does not run.
pub fn start_controller() {
    let mut controller = controller();
    if !controller.runs() {
        controller.again();
    }
}

/// A namespace with a release repository, and the gateway in front of it.
pub struct Place {
    pub cluster: Cluster,
    scope: Scope,
}

impl Deref for Place {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl Place {
    pub async fn new(name: &str) -> Self {
        let cluster = Cluster::from_environment();
        start_controller();
        // A cluster that was kept serves several runs.
        let namespace = format!("{name}-{}", std::process::id());
        let client = cluster.client().await;
        let labels = [("pod-security.kubernetes.io/enforce", "restricted")];
        let object: Namespace = serde_json::from_value(json!({
            "metadata": {"name": namespace, "labels": std::collections::BTreeMap::from(labels)},
        }))
        .unwrap();
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let releases = Releases::of_image(
            &cluster.logs.join(format!("git-{namespace}")),
            &cluster.image,
            FUNCTION,
        );
        let scope = Scope {
            client,
            namespace,
            releases,
        };
        scope.repository("main").await;
        Self { cluster, scope }
    }

    /// The same, with clients that come in by Contour.
    pub async fn behind_contour(name: &str) -> Self {
        let mut place = Self::new(name).await;
        place.cluster.gateway.clone_from(&place.cluster.contour);
        place
    }

    /// Deletes all of it, without waiting: the next test needs the node for itself. One that failed leaves it to be seen.
    pub async fn end(self) {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await
            .unwrap();
    }

    /// Requests to an app, in a steady stream until they are stopped.
    pub fn load(&self, app: &str) -> Load {
        Load::start(&self.cluster.gateway, &self.hostname(app))
    }

    /// One complete answer of status 200.
    pub async fn get(&self, app: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        self.get_at(&self.hostname(app), path, headers).await
    }

    pub async fn get_at(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let response = http::get(&self.cluster.gateway, host, path, headers)
            .await
            .unwrap();
        assert_eq!(response.status, 200, "{host}{path}: {response:?}");
        response
    }

    /// The versions that answer to an override header, `times` times.
    pub async fn versions_with(&self, host: &str, header: (&str, &str), times: u32) -> Vec<u32> {
        let mut versions = Vec::new();
        for _ in 0..times {
            let response = self.get_at(host, "/", &[header]).await;
            versions.push(response.header("x-version").unwrap().parse().unwrap());
        }
        versions
    }

    /// Waits until the gateway honours an override header. Envoy Gateway takes the cluster of a rule away before the rule
    /// itself: for a moment, the header of a version that is being taken out of the list is answered with 503. Only that is
    /// waited out; requests without the header are watched by [`Load`], which forgives nothing.
    pub async fn until_reached(&self, host: &str, header: (&str, &str), version: u32) {
        let what = format!("v{version} at {host} by {header:?}");
        wait_for(&what, SOON, async || {
            let response = http::get(&self.cluster.gateway, host, "/", &[header]).await?;
            let seen = response.header("x-version").map(str::to_owned);
            match response.status {
                200 if seen == Some(version.to_string()) => Ok(()),
                200 | 503 => Err(format!("{} of {seen:?}", response.status)),
                status => panic!("{host} by {header:?} is answered with {status}"),
            }
        })
        .await;
    }

    /// Publishes a first version, deploys it at 100 % and waits until clients are served.
    pub async fn begin(&self, app: &str, fields: &str, more: serde_json::Value) {
        assert_eq!(self.releases.publish(app, fields), 1);
        self.deploy_with(app, &[(1, 100.0)], more).await;
        self.until_weights(app, &[(1, 10_000)]).await;
        self.until_ready(app).await;
        self.until_served(&self.hostname(app)).await;
    }

    /// Waits until the gateway answers for a host: it takes up a route some milliseconds after it has accepted it.
    pub async fn until_served(&self, host: &str) {
        wait_for(&format!("an answer for {host}"), SOON, async || {
            let response = http::get(&self.cluster.gateway, host, "/", &[]).await?;
            match response.status {
                200 => Ok(()),
                status => Err(format!("status {status}")),
            }
        })
        .await;
    }

    /// Pods of a version, those that are ending included.
    pub async fn pods(&self, app: &str, version: u32) -> Vec<Pod> {
        let labels = format!("cutwater.dev/app={app},cutwater.dev/version={version}");
        let params = ListParams::default().labels(&labels);
        self.api::<Pod>().list(&params).await.unwrap().items
    }

    /// Names of the pods of a version that are not ending.
    pub async fn living_pods(&self, app: &str, version: u32) -> Vec<String> {
        let pods = self.pods(app, version).await;
        let living = pods
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        living.map(ResourceExt::name_any).collect()
    }

    /// Waits until that many pods of a version are ready, and no others are there.
    pub async fn until_pods(&self, app: &str, version: u32, count: usize) {
        let what = format!("{count} ready pods of v{version}");
        wait_for(&what, SOON, async || {
            let pods = self.pods(app, version).await;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            if ready == count && pods.len() == count {
                Ok(())
            } else {
                Err(format!("{ready} of {} ready", pods.len()))
            }
        })
        .await;
    }

    /// Waits until no pod of a version is left that is not ending.
    pub async fn until_pods_leave(&self, app: &str, version: u32) {
        wait_for(
            &format!("the pods of v{version} to leave"),
            SOON,
            async || {
                let living = self.living_pods(app, version).await;
                if living.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{living:?}; {}", self.conditions(app).await))
                }
            },
        )
        .await;
    }

    /// Moves the remote of the release repository aside, or back.
    pub fn git_away(&self, away: bool) {
        let here = self.releases.remote();
        let aside = here.with_extension("aside");
        let (from, to) = if away { (here, aside) } else { (aside, here) };
        std::fs::rename(from, to).unwrap();
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    (conditions.into_iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

/// A duration for people.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
