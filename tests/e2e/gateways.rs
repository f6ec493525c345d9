//! Releases and shifts under a steady load, behind each of the two gateways: Envoy Gateway, which sends Envoy all of a change in one
//! stream, and Contour, which sends routes and clusters apart. No request may be lost. How long a release takes beside what
//! people know, a rolling update of `apps/v1` on the same node, is printed: a time is a measurement and no test. The application
//! takes a second to start, as hardly one does not.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment as Workload;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::load::Seen;
use super::place::{Place, seconds};
use crate::lab::SOON;
use crate::support::wait_for;

const APP: &str = "checkout";
const FIELDS: &str = "scale: {min: 3}\nenv: [{name: START_DELAY, value: 1s}]";
const RELEASES: u32 = 8;
const SHIFTS: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_envoy_gateway_no_change_loses_a_request() {
    let outcome = changes(Place::new("envoy").await, "web").await;
    println!("{}", outcome.line);
    outcome.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_contour_no_change_loses_a_request() {
    let outcome = changes(Place::behind_contour("contour").await, "contour").await;
    println!("{}", outcome.line);
    outcome.check().await;
}

/// What a run showed.
struct Outcome {
    place: Place,
    seen: Seen,
    line: String,
}

impl Outcome {
    async fn check(self) {
        self.seen.assert_none_lost();
        self.place.end().await;
    }
}

async fn changes(place: Place, gateway: &str) -> Outcome {
    let spec = |window: &str| {
        let gateway = json!({"name": gateway, "namespace": "default"});
        json!({
            "routes": [{"hostnames": [place.hostname(APP)], "gateway": gateway}],
            "drainDelay": "1s",
            "rollbackWindow": window,
        })
    };
    place.begin(APP, FIELDS, spec("0s")).await;
    let load = place.load(APP);
    let rolling = rolling_updates(&place, 2).await;

    let mut times = Vec::new();
    for version in 2..=RELEASES + 1 {
        assert_eq!(place.releases.publish(APP, FIELDS), version);
        // The last one keeps its predecessor, for the shifts.
        let window = if version > RELEASES { "1h" } else { "0s" };
        let begin = Instant::now();
        place
            .deploy_with(APP, &[(version, 100.0)], spec(window))
            .await;
        place.until_ready(APP).await;
        times.push(begin.elapsed());
    }
    let lost_in_releases = load.seen().faults.len();
    let release = median(times);

    let (old, new) = (RELEASES, RELEASES + 1);
    let begin = Instant::now();
    let mut random = Random(7);
    for _ in 0..SHIFTS {
        let part = f64::from(random.below(101));
        let versions = match random.below(4) {
            0 => vec![(old, 100.0)],
            1 => vec![(new, 100.0)],
            _ => vec![(old, part), (new, 100.0 - part)],
        };
        place.deploy_with(APP, &versions, spec("1h")).await;
        place.until_ready(APP).await;
    }
    let shift = begin.elapsed() / SHIFTS;
    let seen = load.stop().await;
    let line = format!(
        "{gateway}: {} answers, {lost_in_releases} lost in {RELEASES} releases, {} in all; a release took {}, a rolling update {} (ratio {:.2}), a shift {}",
        seen.total(),
        seen.faults.len(),
        seconds(release),
        seconds(rolling),
        release.div_duration_f64(rolling),
        seconds(shift),
    );
    Outcome { place, seen, line }
}

/// How long a rolling update takes of as many pods of the same application; the median of some.
async fn rolling_updates(place: &Place, times: u32) -> Duration {
    let workloads = place.api::<Workload>();
    let mut taken = Vec::new();
    for version in 0..=times {
        let begin = Instant::now();
        let workload = Patch::Apply(rolled(place, version));
        workloads
            .patch("rolled", &PatchParams::apply("test"), &workload)
            .await
            .unwrap();
        wait_for("the rolling update", SOON, async || {
            let workload = workloads.get("rolled").await.unwrap();
            let status = workload.status.clone().unwrap_or_default();
            let all = Some(3);
            let done = status.observed_generation == workload.metadata.generation
                && status.updated_replicas == all
                && status.available_replicas == all
                && status.replicas == all;
            if done {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await;
        // The first is no update.
        if version > 0 {
            taken.push(begin.elapsed());
        }
    }
    workloads
        .delete("rolled", &DeleteParams::background())
        .await
        .unwrap();
    median(taken)
}

fn rolled(place: &Place, version: u32) -> Value {
    let labels = json!({"app": "rolled"});
    let container = json!({
        "name": "web",
        "image": place.cluster.image,
        "command": ["/bin/app"],
        "env": [
            {"name": "PORT", "value": "8080"},
            {"name": "START_DELAY", "value": "1s"},
            {"name": "CUTWATER_VERSION", "value": version.to_string()},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rolled"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                },
            },
        },
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}
