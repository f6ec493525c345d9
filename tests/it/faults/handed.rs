//! Hostnames that move from one app to another: they are answered all the while.

use std::time::Duration;

use cutwater::api::gateway::HttpRoute;
use serde_json::{Value, json};

use crate::lab::controller::SETTLE;
use crate::lab::gateway::Answer;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

/// A route with these hostnames in the namespace.
fn at(scope: &Scope, names: &[&str]) -> Value {
    let hostnames: Vec<String> = names.iter().map(|name| scope.hostname(name)).collect();
    let gateway = json!({"name": "web", "namespace": "default"});
    json!({"routes": [{"name": "main", "hostnames": hostnames, "gateway": gateway}]})
}

/// The hostnames of an app's route, without the namespace.
async fn hostnames(scope: &Scope, app: &str) -> Vec<String> {
    let route = scope.api::<HttpRoute>().get(&format!("{app}.main")).await;
    let hostnames = route.unwrap().spec.hostnames.into_iter();
    let short = hostnames.map(|name| name.split('.').next().unwrap_or_default().to_owned());
    short.collect()
}

async fn until_at(scope: &Scope, app: &str, expected: &[&str]) {
    wait_for(&format!("{app} at {expected:?}"), SOON, async || {
        let now = hostnames(scope, app).await;
        if now == expected {
            return Ok(());
        }
        Err(format!("{now:?}; {}", scope.conditions(app).await))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostname_that_moves_to_another_app_stays_until_that_one_answers_there() {
    let lab = Lab::shared();
    let scope = lab.scope("handed").await;
    let deploy = async |app: &str, names: &[&str]| {
        let more = at(&scope, names);
        scope.deploy_with(app, &[(1, 100.0)], more).await;
    };
    for (app, names) in [("giver", &["a", "b"][..]), ("taker", &["c"])] {
        scope.releases.publish(app, "");
        deploy(app, names).await;
        scope.until_ready(app).await;
    }
    lab.accepter.set(&scope.namespace, Answer::Silence);
    deploy("giver", &["a"]).await;
    deploy("taker", &["c", "b"]).await;
    until_at(&scope, "taker", &["c", "b"]).await;
    let longer = Duration::from_secs(SETTLE * 2);
    stays(
        "what is given up",
        longer,
        vec!["a".to_owned(), "b".to_owned()],
        async || hostnames(&scope, "giver").await,
    )
    .await;
    lab.accepter.set(&scope.namespace, Answer::Accept);
    until_at(&scope, "giver", &["a"]).await;
    scope.until_ready("giver").await;
    scope.until_ready("taker").await;
    // Both want what the other one has.
    deploy("giver", &["c"]).await;
    deploy("taker", &["a", "b"]).await;
    until_at(&scope, "giver", &["c"]).await;
    until_at(&scope, "taker", &["a", "b"]).await;
    scope.until_ready("giver").await;
    scope.until_ready("taker").await;
}
