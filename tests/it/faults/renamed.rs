//! Routes of one owner that take over the hostnames of others: those go only once the gateways had time to learn of the new ones.

use std::time::{Duration, Instant};

use cutwater::api::gateway::HttpRoute;
use serde_json::{Value, json};

use crate::lab::controller::SETTLE;
use crate::lab::gateway::Answer;
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

fn route(name: &str, hostname: &str) -> Value {
    json!({"name": name, "hostnames": [hostname], "gateway": {"name": "web", "namespace": "default"}})
}

async fn found(scope: &Scope, name: &str) -> Option<HttpRoute> {
    scope.api::<HttpRoute>().get_opt(name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_renamed_goes_after_the_settle_delay() {
    let lab = Lab::shared();
    let scope = lab.scope("renamed").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    lab.accepter.set(&scope.namespace, Answer::Silence);
    let renamed = json!({"routes": [route("other", &scope.hostname("shop"))]});
    scope.deploy_with("shop", &[(1, 100.0)], renamed).await;
    wait_for("the new route", SOON, async || {
        found(&scope, "shop.other").await
    })
    .await;
    // It has been there for longer than the settle delay when it is accepted.
    let longer = Duration::from_secs(SETTLE * 2);
    stays("the old route", longer, true, async || {
        found(&scope, "shop.main").await.is_some()
    })
    .await;
    lab.accepter.set(&scope.namespace, Answer::Accept);
    let accepted = async || {
        let said = found(&scope, "shop.other").await?.status?.parents;
        let mut said = said.iter().flat_map(|parent| &parent.conditions);
        said.any(|it| it.type_ == "Accepted" && it.status == "True")
            .then(Instant::now)
    };
    // Looked at before it is accepted: what is measured is no longer than what passed.
    let mut before = Instant::now();
    while accepted().await.is_none() {
        before = Instant::now();
    }
    wait_for("the old route to go", SOON, async || {
        match found(&scope, "shop.main").await {
            None => Ok(()),
            Some(_) => Err("there"),
        }
    })
    .await;
    let settle = Duration::from_secs(SETTLE);
    assert!(before.elapsed() >= settle, "{:?}", before.elapsed());
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_was_taken_out_goes_back_with_the_others() {
    let lab = Lab::shared();
    let scope = lab.scope("taken-out").await;
    scope.releases.publish("shop", "");
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    // What takes over can never be accepted, and the release is a bad one.
    let hostname = scope.hostname("shop");
    let gateway = json!({"name": "missing", "namespace": "default"});
    let nowhere =
        json!({"routes": [{"name": "other", "hostnames": [hostname], "gateway": gateway}]});
    for version in [2, 1] {
        scope
            .deploy_with("shop", &[(version, 100.0)], nowhere.clone())
            .await;
        scope.until_weights("shop", &[(version, 10_000)]).await;
        let message = scope
            .until_fault("shop", "RoutesAccepted", "GatewayNotFound")
            .await;
        assert!(
            message.contains("HTTPRoute shop.main is not in the spec any more and stays"),
            "{message}"
        );
    }
}
