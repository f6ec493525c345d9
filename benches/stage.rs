//! The control plane that figures of the controller are measured on, and what watches it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cutwater::api::Deployment;
use cutwater::api::gateway::HttpRoute;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use kube::Client;

use crate::bulk::{self, Counts};
use crate::controller::Controller;
use crate::lab::versions::{self, Recipe};
use crate::lab::{Accepter, Releases};
use crate::say;
use crate::seen::Seen;
use crate::support::{ApiServer, Options, User};
use crate::table::Row;
use crate::weights::{self, Weights};

/// Deployments that become ready beside as many of apps/v1.
pub const HUNDREDS: usize = 500;
/// Most Deployments.
pub const THOUSAND: usize = 1000;
/// Longest time for anything that many objects do.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// The control plane and what watches it.
pub struct Stage {
    pub server: ApiServer,
    pub client: Client,
    pub routes: Seen<Weights>,
    /// True where a Deployment says Ready of what it is now.
    pub owners: Seen<bool>,
    /// True where all pods of an apps/v1 Deployment are available.
    pub workloads: Seen<bool>,
    /// Accepts routes as a gateway does.
    _accepter: Accepter,
    releases: Releases,
    controller: Option<Controller>,
}

impl Stage {
    pub async fn start() -> Self {
        say("starting etcd, Kubernetes and KWOK");
        let server = ApiServer::start(Options::all());
        let client = server.client(User::Admin).await;
        let accepter = Accepter::start(&server.kubeconfig(User::Admin));
        let releases = Releases::new(&server.directory().join("git"));
        let apps: Vec<String> = (0..=THOUSAND).map(versions::app).collect();
        versions::import(&releases.remote(), &apps, &[1, 2], &Recipe::default());
        Self {
            routes: Seen::start::<HttpRoute>(&client, weights::weights),
            owners: Seen::start::<Deployment>(&client, owner_is_ready),
            workloads: Seen::start::<Workload>(&client, workload_is_ready),
            _accepter: accepter,
            releases,
            controller: None,
            server,
            client,
        }
    }

    pub fn controller(&mut self) -> &Controller {
        let (kubeconfig, directory) = (
            self.server.kubeconfig(User::Cutwater),
            PathBuf::from(self.server.directory()),
        );
        self.controller.get_or_insert_with(|| {
            Controller::start(&kubeconfig, &directory, &["--drain-delay=2s"])
        })
    }

    pub fn stop_controller(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.stop();
        }
    }

    /// A namespace with a Repository that leads to the versions.
    pub async fn namespace(&self, name: &str) -> String {
        let namespace = self.server.namespace(name);
        bulk::apply(
            &self.client,
            &namespace,
            vec![bulk::repository(&self.releases.url())],
        )
        .await;
        namespace
    }

    pub fn writes(&self, since: Timestamp) -> Counts {
        bulk::writes(&self.server.audit_requests(User::Cutwater, since))
    }

    /// Waits until the controller has written nothing for some seconds.
    pub async fn rest(&self) {
        let start = Instant::now();
        loop {
            let since = Timestamp::now();
            tokio::time::sleep(Duration::from_secs(4)).await;
            let writes = self.writes(since);
            if writes.is_empty() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "never at rest: {writes:?}");
        }
    }
}

fn owner_is_ready(object: &Deployment) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready.any(|condition| {
        condition.status == "True" && condition.observed_generation == object.metadata.generation
    })
}

fn workload_is_ready(object: &Workload) -> bool {
    let wanted = object.spec.replicas;
    let status = object.status.as_ref();
    let available = status.and_then(|status| status.available_replicas);
    status.and_then(|status| status.observed_generation) == object.metadata.generation
        && available == wanted
}

pub async fn memory(stage: &mut Stage, count: usize, namespace: &str, app: &str) {
    // As it is after all that work, and as it is for one that was just started.
    let (after, peak) = (stage.controller().resident(), stage.controller().peak());
    stage.stop_controller();
    stage.controller();
    poke(stage, namespace, app).await;
    stage.rest().await;
    let fresh = stage.controller().resident();
    let what = format!("resident memory, {count} Deployments");
    let beside = format!("peak {peak:.1} MiB; after a restart {fresh:.1} MiB");
    let mut row = Row::plain(&what, format!("{after:.1} MiB"), beside);
    if count == HUNDREDS {
        "below 60 MiB".clone_into(&mut row.target);
        row.met = Some(after < 60.0);
    }
    row.leave();
}

/// Changes one Deployment, and waits for the controller to act on it: then it has started.
pub async fn poke(stage: &Stage, namespace: &str, app: &str) {
    for second in [40, 50] {
        bulk::apply(
            &stage.client,
            namespace,
            vec![weights::deployment(app, second)],
        )
        .await;
        let wanted = vec![(100 - second) * 100, second * 100];
        let route = format!("{app}.main");
        stage
            .routes
            .until(
                "the controller to act",
                namespace,
                &route,
                PATIENCE,
                |held| held.0 == wanted,
            )
            .await;
    }
}
