//! A whole release from v7 to v8 at 100 % with real pods behind real Envoy, beside a plain rolling update of the same pods.
//!
//! Runs inside the cluster that `tests/bench/run.sh` starts. The two take turns, each under the same load.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cutwater::api::Deployment;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::bulk;
use crate::controller::Controller;
use crate::lab::Releases;
use crate::lab::versions::{self, Recipe};
use crate::load::{Answer, Load};
use crate::say;
use crate::seen::Seen;
use crate::stage::PATIENCE;
use crate::support::audit;
use crate::support::e2e::Cluster;
use crate::table::{Row, Samples, load_average};

const APP: &str = "shop";
const RUNS: usize = 8;
const NAMESPACE: &str = "release";

/// What an object says of itself: whether it is done with what it is now.
type Done = bool;

struct Stage {
    cluster: Cluster,
    client: Client,
    owners: Seen<Done>,
    workloads: Seen<Done>,
    _controller: Controller,
}

/// One release.
struct Run {
    /// From the answer to the apply, to the last answer of the old version.
    last_old: Duration,
    /// From the answer to the apply, to the end as the object's status tells it.
    done: Duration,
    lost: Vec<String>,
    asked: usize,
    slowest: Duration,
    requests: usize,
}

pub async fn measure() {
    let stage = Stage::start().await;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for number in 0..RUNS {
        let (old, new) = if number % 2 == 0 { (7, 8) } else { (8, 7) };
        plain.push(stage.plain(old, new).await);
        ours.push(stage.release(old, new).await);
        for (what, run) in [("plain", plain.last()), ("ours", ours.last())] {
            let run = run.unwrap();
            say(&format!(
                "release {number}, {what}: last old answer {:.2?}, done {:.2?}, lost {} of {}, requests {}",
                run.last_old,
                run.done,
                run.lost.len(),
                run.asked,
                run.requests
            ));
        }
    }
    report(&ours, &plain);
}

fn report(ours: &[Run], plain: &[Run]) {
    let median = |runs: &[Run], of: fn(&Run) -> Duration| {
        Samples::new(&runs.iter().map(of).collect::<Vec<_>>()).median() / 1e3
    };
    let other = format!("rolling update (load {:.1})", load_average());
    for (what, of) in [
        (
            "release v7 to v8, to the last old answer",
            (|run| run.last_old) as fn(&Run) -> Duration,
        ),
        ("release v7 to v8, to Converged", |run| run.done),
    ] {
        Row::ratio(what, median(ours, of), median(plain, of), "s", &other, 1.5).leave();
    }
    let lost = |runs: &[Run]| runs.iter().map(|run| run.lost.len()).sum::<usize>();
    let asked = |runs: &[Run]| runs.iter().map(|run| run.asked).sum::<usize>();
    let slowest = |runs: &[Run]| runs.iter().map(|run| run.slowest).max().unwrap();
    let text = |runs: &[Run]| {
        format!(
            "{} of {}, slowest answer {:.0?}",
            lost(runs),
            asked(runs),
            slowest(runs)
        )
    };
    for error in ours.iter().flat_map(|run| &run.lost) {
        say(&format!("lost: {error}"));
    }
    let mut row = Row::most("release: requests lost", lost(ours) as f64, "requests", 0.0);
    row.figure = text(ours);
    row.beside = format!("rolling update: {}", text(plain));
    row.leave();
    let mut requests: Vec<usize> = ours.iter().map(|run| run.requests).collect();
    requests.sort_unstable();
    let (fewest, most) = (requests[0], requests[requests.len() - 1]);
    let mut row = Row::most(
        "release: API requests of the controller, teardown of the old version included",
        requests[requests.len() / 2] as f64,
        "requests",
        40.0,
    );
    row.beside = format!("{fewest} to {most} in {} releases", ours.len());
    row.leave();
}

impl Stage {
    async fn start() -> Self {
        let cluster = Cluster::from_environment();
        let client = cluster.client().await;
        let directory: PathBuf = cluster.logs.join("bench");
        std::fs::create_dir_all(&directory).unwrap();
        let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).unwrap();
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        let releases = Releases::new(&directory.join("git"));
        let recipe = Recipe {
            image: &cluster.image,
            fields: "scale: {min: 3}\n    readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}",
        };
        versions::import(&releases.remote(), &[APP.to_owned()], &[7, 8], &recipe);
        let controller = Controller::start(
            &cluster.kubeconfig_controller,
            &directory,
            &["--drain-delay=5s"],
        );
        let stage = Self {
            owners: Seen::start::<Deployment>(&client, converged),
            workloads: Seen::start::<Workload>(&client, rolled_out),
            cluster,
            client,
            _controller: controller,
        };
        bulk::apply(
            &stage.client,
            NAMESPACE,
            vec![bulk::repository(&releases.url())],
        )
        .await;
        stage.apply_ours(7).await;
        stage
            .owners
            .until("the first version", NAMESPACE, APP, PATIENCE, |done| *done)
            .await;
        stage.make_plain().await;
        stage
    }

    async fn apply_ours(&self, version: u32) {
        let mut object = bulk::single(APP, version);
        object["spec"]["rollbackWindow"] = json!("0s");
        bulk::apply(&self.client, NAMESPACE, vec![object]).await;
    }

    /// The same pods as the controller makes, in a plain Deployment with a Service and an HTTPRoute.
    async fn make_plain(&self) {
        bulk::apply(&self.client, NAMESPACE, vec![
            self.plain_workload(7).await,
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "plain"},
                "spec": {"selector": {"app": "plain"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
            }),
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "plain"},
                "spec": {
                    "parentRefs": [{"name": "web", "namespace": "default"}],
                    "hostnames": ["plain.test"],
                    "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": "plain", "port": 80}]}],
                },
            }),
        ])
        .await;
        self.workloads
            .until("the plain pods", NAMESPACE, "plain", PATIENCE, |done| *done)
            .await;
        // Envoy hears of the new hosts.
        for host in ["plain.test", "shop.test"] {
            crate::support::wait_for(
                "an answer by the gateway",
                Duration::from_secs(30),
                async || {
                    let answer =
                        crate::support::http::get(&self.cluster.gateway, host, "/", &[]).await?;
                    if answer.status == 200 {
                        Ok(())
                    } else {
                        Err(format!("{}", answer.status))
                    }
                },
            )
            .await;
        }
    }

    async fn plain_workload(&self, version: u32) -> Value {
        let api = Api::<Workload>::namespaced(self.client.clone(), NAMESPACE);
        let names = [format!("{APP}-v7-web"), format!("{APP}-v8-web")];
        let mut ours = None;
        for name in &names {
            ours = ours.or(api.get_opt(name).await.unwrap());
        }
        let mut pod = serde_json::to_value(ours.unwrap().spec.template.spec).unwrap();
        for variable in pod["containers"][0]["env"].as_array_mut().unwrap() {
            if variable["name"] == "CUTWATER_VERSION" {
                variable["value"] = json!(version.to_string());
            } else if variable["name"] != "PORT" {
                variable["value"] = json!("plain");
            }
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "plain"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "plain"}},
                "template": {"metadata": {"labels": {"app": "plain"}}, "spec": pod},
            },
        })
    }

    async fn plain(&self, old: u32, new: u32) -> Run {
        let object = self.plain_workload(new).await;
        let load = Load::start(&self.cluster.gateway, "plain.test");
        tokio::time::sleep(Duration::from_secs(1)).await;
        bulk::apply(&self.client, NAMESPACE, vec![object]).await;
        let applied = Instant::now();
        self.workloads
            .until(
                "the rolling update to begin",
                NAMESPACE,
                "plain",
                PATIENCE,
                |done| !done,
            )
            .await;
        let done = self
            .workloads
            .until("the rolling update", NAMESPACE, "plain", PATIENCE, |done| {
                *done
            })
            .await;
        let run = run(load, old, applied, done).await;
        // Pods that end go on for their linger time.
        tokio::time::sleep(Duration::from_secs(6)).await;
        run
    }

    async fn release(&self, old: u32, new: u32) -> Run {
        let load = Load::start(&self.cluster.gateway, "shop.test");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let since = Timestamp::now();
        self.apply_ours(new).await;
        let applied = Instant::now();
        self.owners
            .until("the release to begin", NAMESPACE, APP, PATIENCE, |done| {
                !done
            })
            .await;
        let done = self
            .owners
            .until("the release", NAMESPACE, APP, PATIENCE, |done| *done)
            .await;
        let mut run = run(load, old, applied, done).await;
        let gone = format!("{APP}-v{old}-web");
        let api = Api::<Workload>::namespaced(self.client.clone(), NAMESPACE);
        crate::support::wait_for("the end of the old version", PATIENCE, async || {
            match api.get_opt(&gone).await.unwrap() {
                None => Ok(()),
                Some(_) => Err(format!("{gone} is there")),
            }
        })
        .await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let requests = audit::read(&self.cluster.audit_log, "cutwater", since);
        for request in &requests {
            if std::env::var("CUTWATER_BENCH_REQUESTS").is_ok() {
                say(&format!(
                    "{} {} {} {}",
                    request.time, request.verb, request.resource, request.name
                ));
            }
        }
        run.requests = requests
            .iter()
            .filter(|request| request.verb != "watch")
            .count();
        run
    }
}

async fn run(load: Load, old: u32, applied: Instant, done: Instant) -> Run {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answers = load.end().await;
    let of_old = |answer: &&Answer| answer.version.as_ref() == Ok(&old.to_string());
    let last = answers
        .iter()
        .filter(of_old)
        .map(|answer| answer.answered)
        .max();
    Run {
        last_old: last.unwrap_or(applied).saturating_duration_since(applied),
        done: done.saturating_duration_since(applied),
        lost: (answers.iter())
            .filter_map(|answer| {
                let why = answer.version.as_ref().err()?;
                let when = answer.sent.saturating_duration_since(applied);
                Some(format!("sent {when:.3?} after the apply: {why}"))
            })
            .collect(),
        asked: answers.len(),
        slowest: answers
            .iter()
            .map(|answer| answer.answered - answer.sent)
            .max()
            .unwrap(),
        requests: 0,
    }
}

fn converged(object: &Deployment) -> Done {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut found = conditions.filter(|condition| condition.type_ == "Converged");
    found.any(|condition| {
        condition.status == "True" && condition.observed_generation == object.metadata.generation
    })
}

/// What `kubectl rollout status` waits for.
fn rolled_out(object: &Workload) -> Done {
    let wanted = object.spec.replicas;
    object.status.as_ref().is_some_and(|status| {
        status.observed_generation == object.metadata.generation
            && status.updated_replicas == wanted
            && status.replicas == wanted
            && status.available_replicas == wanted
    })
}
