//! Gateways that are not there, refuse or keep silent, and hostnames that others have.

use std::time::{Duration, Instant};

use cutwater::api::gateway::{Gateway, HttpRoute};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::lab::faults::stays_at_rest;
use crate::lab::gateway::Answer;
use crate::lab::{Lab, SOON, Scope};
use crate::support::{Options, wait_for};

async fn serving(name: &str) -> Scope {
    let scope = Lab::shared().scope(name).await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_ready("shop").await;
    scope
}

fn on(hostname: &str, gateway: &Value) -> Value {
    json!({"routes": [{"hostnames": [hostname], "gateway": gateway}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_gateway_api_pods_run_and_routes_follow() {
    let lab = Lab::own_with(Options {
        gateway_api: false,
        ..Options::all()
    });
    let scope = lab.scope("no-gateway-api").await;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(1, 100.0)]).await;
    let message = scope
        .until_fault("shop", "RoutesAccepted", "GatewayApiMissing")
        .await;
    assert!(message.contains("install its CRDs"), "{message}");
    scope
        .until_condition("shop", "WorkloadsReady", "True", "Succeeded")
        .await;
    assert_eq!(scope.workloads("shop").await, ["shop-v1-web"]);
    stays_at_rest("what is said", async || {
        (scope.conditions("shop").await, scope.events("shop").await)
    })
    .await;
    let said = scope
        .api::<cutwater::api::Deployment>()
        .get("shop")
        .await
        .unwrap();
    let said = said.status.unwrap().versions;
    assert_eq!(said, None, "nothing serves: there is no route");

    lab.server.install_gateway_api();
    let accepter = crate::lab::Accepter::start(&lab.server.kubeconfig(crate::support::User::Admin));
    // The API server is asked again every half a minute at most.
    wait_for("a route", SOON * 2, async || {
        let weights = scope.weights("shop").await;
        if weights == [(1, 10_000)].into() {
            Ok(())
        } else {
            Err(scope.conditions("shop").await)
        }
    })
    .await;
    scope.until_ready("shop").await;
    drop(accepter);
}

/// Where the route of `shop` is: namespace, name and listener of its gateway, and its first hostname.
async fn place(scope: &Scope) -> (String, String, Option<String>, String) {
    let route = scope.api::<HttpRoute>().get("shop.main").await.unwrap();
    let parent = route.spec.parent_refs[0].clone();
    let namespace = parent.namespace.unwrap();
    let hostname = route.spec.hostnames[0].clone();
    (namespace, parent.name, parent.section_name, hostname)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_route_stays_where_it_is_while_the_place_that_is_asked_for_is_missing() {
    let scope = serving("no-gateway").await;
    let served = place(&scope).await;
    let route = on("elsewhere.test", &json!({"name": "web"}));
    scope
        .deploy_with("shop", &[(1, 100.0)], route.clone())
        .await;
    let message = scope
        .until_fault("shop", "RoutesAccepted", "GatewayNotFound")
        .await;
    assert!(message.contains("no Gateway `web`"), "{message}");
    assert!(message.contains(&scope.namespace), "{message}");
    scope
        .until_condition("shop", "Stalled", "True", "GatewayNotFound")
        .await;
    scope.stays_put("shop").await;
    assert_eq!(place(&scope).await, served);
    assert_eq!(scope.events("shop").await["GatewayNotFound"], 1);
    // What serves goes on: shares move, and a version that nobody sends to any more goes.
    scope.releases.publish("shop", "");
    scope
        .deploy_with("shop", &[(2, 100.0)], route.clone())
        .await;
    scope.until_weights("shop", &[(2, 10_000)]).await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    assert_eq!(place(&scope).await, served);

    // A listener that the gateway does not have is the same.
    let web =
        |section: &str| json!({"name": "web", "namespace": "default", "sectionName": section});
    let typo = on(&scope.hostname("shop"), &web("htpp"));
    scope.deploy_with("shop", &[(2, 100.0)], typo).await;
    let message = scope
        .until_fault("shop", "RoutesAccepted", "ListenerNotFound")
        .await;
    assert!(
        message.contains("no listener `htpp` (it has http)"),
        "{message}"
    );
    assert_eq!(place(&scope).await, served);
    let listener = on(&scope.hostname("shop"), &web("http"));
    scope.deploy_with("shop", &[(2, 100.0)], listener).await;
    scope.until_ready("shop").await;
    assert_eq!(place(&scope).await.2.as_deref(), Some("http"));
    // What is taken out of the spec is taken out of the route.
    scope.deploy("shop", &[(2, 100.0)]).await;
    scope.until_ready("shop").await;
    assert_eq!(place(&scope).await, served);

    // It moves once the gateway is there.
    scope.deploy_with("shop", &[(2, 100.0)], route).await;
    let mut gateway = Api::<Gateway>::namespaced(scope.client.clone(), "default")
        .get("web")
        .await
        .unwrap();
    gateway.metadata = kube::core::ObjectMeta {
        name: Some("web".to_owned()),
        ..Default::default()
    };
    scope
        .api::<Gateway>()
        .create(&PostParams::default(), &gateway)
        .await
        .unwrap();
    scope.until_ready("shop").await;
    let moved = (
        scope.namespace.clone(),
        "web".to_owned(),
        None,
        "elsewhere.test".to_owned(),
    );
    assert_eq!(place(&scope).await, moved);
}

/// From v1 to v2 while the gateway answers otherwise than with yes: no share moves and no pod goes before it does.
async fn unaccepted(name: &str, answer: Answer, reason: &str, words: &str) {
    let scope = serving(name).await;
    let accepter = &Lab::shared().accepter;
    accepter.set(&scope.namespace, answer);
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(2, 100.0)]).await;
    scope.until_named("shop", 2).await;
    let message = scope
        .until_condition("shop", "RoutesAccepted", "False", reason)
        .await;
    scope
        .until_condition("shop", "Ready", "False", reason)
        .await;
    assert!(message.contains(words), "{message}");
    if answer == Answer::Refuse {
        // To wait for the gateway is a step of any release: that is no event.
        scope.until_event("shop", reason).await;
    }
    scope.stays_put("shop").await;
    assert_eq!(scope.pods("shop", 1).await.len(), 1);
    accepter.set(&scope.namespace, Answer::Accept);
    scope.until_ready("shop").await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_refuses_is_quoted_and_no_pod_goes() {
    let words = "NotAllowedByListeners: as the test wants it";
    unaccepted("refused-route", Answer::Refuse, "RouteRefused", words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_keeps_silent_lets_no_pod_go() {
    unaccepted(
        "silence",
        Answer::Silence,
        "WaitingForGateway",
        "has not accepted HTTPRoute `shop.main`",
    )
    .await;
}

/// From v2 back to v1, whose pods and name are long gone, while nobody is there who could accept the route.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_waits_for_a_silent_gateway_no_longer_than_the_deadline() {
    let scope = serving("silent-back").await;
    let accepter = &Lab::shared().accepter;
    scope.releases.publish("shop", "");
    scope.deploy("shop", &[(2, 100.0)]).await;
    scope.until_ready("shop").await;
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    accepter.set(&scope.namespace, Answer::Silence);
    let more = json!({"progressDeadline": "10s"});
    let begun = Instant::now();
    scope.deploy_with("shop", &[(1, 100.0)], more).await;
    scope.until_named("shop", 1).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    // The deadline counts from when the controller saw the wish, which was later.
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(9), "{waited:?}");
    // Other words for the same reason may come a while later.
    wait_for("what goes on without a word", SOON * 2, async || {
        let message = scope
            .until_condition("shop", "Ready", "False", "WaitingForGateway")
            .await;
        if message.contains("nothing was said for 10s") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    // It does not go away by waiting.
    let message = scope
        .until_condition("shop", "Stalled", "True", "WaitingForGateway")
        .await;
    assert!(message.contains("no answer for 10s"), "{message}");
    scope.stays_put("shop").await;
    assert_eq!(scope.pods("shop", 2).await.len(), 1);
    accepter.set(&scope.namespace, Answer::Accept);
    scope.until_ready("shop").await;
    scope.until_workloads("shop", &["shop-v1-web"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_of_two_apps_keeps_a_hostname() {
    let scope = serving("claims").await;
    scope.releases.publish("stall", "");
    let route = on(
        &scope.hostname("shop"),
        &json!({"name": "web", "namespace": "default"}),
    );
    scope.deploy_with("stall", &[(1, 100.0)], route).await;
    let message = scope
        .until_fault("stall", "RoutesAccepted", "RouteClaimed")
        .await;
    assert!(message.contains("cwd/shop"), "{message}");
    assert!(message.contains(&scope.hostname("shop")), "{message}");
    scope
        .until_condition("stall", "Stalled", "True", "RouteClaimed")
        .await;
    scope.stays_put("stall").await;
    assert!(scope.weights("stall").await.is_empty());
    assert_eq!(scope.weights("shop").await, [(1, 10_000)].into());
    scope.until_ready("shop").await;
    assert_eq!(scope.events("stall").await["RouteClaimed"], 1);
    scope.delete("shop", &DeleteParams::background()).await;
    scope.until_weights("stall", &[(1, 10_000)]).await;
    scope.until_ready("stall").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_somebody_elses_that_is_older_keeps_a_hostname() {
    let scope = Lab::shared().scope("foreign-claim").await;
    scope.releases.publish("shop", "");
    scope
        .apply(json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "theirs"},
            "spec": {
                "hostnames": [scope.hostname("shop")],
                "parentRefs": [{"name": "web", "namespace": "default"}],
                "rules": [{"backendRefs": [{"name": "theirs", "port": 80}]}],
            },
        }))
        .await;
    let routes = scope.api::<HttpRoute>();
    wait_for("the gateway to accept it", SOON, async || {
        let status = routes.get("theirs").await.unwrap().status;
        status
            .filter(|said| !said.parents.is_empty())
            .ok_or("it says nothing")
    })
    .await;
    scope.deploy("shop", &[(1, 100.0)]).await;
    let message = scope
        .until_fault("shop", "RoutesAccepted", "RouteClaimed")
        .await;
    assert!(message.contains("httproute/theirs"), "{message}");
    scope.stays_put("shop").await;
    assert!(scope.weights("shop").await.is_empty());
    routes
        .delete("theirs", &DeleteParams::default())
        .await
        .unwrap();
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_ready("shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_deleted_leaves_its_place_to_no_older_claim() {
    let scope = Lab::shared().scope("kept-place").await;
    for app in ["old", "shop"] {
        scope.releases.publish(app, "");
        scope.deploy(app, &[(1, 100.0)]).await;
        scope.until_ready(app).await;
    }
    let web = json!({"name": "web", "namespace": "default"});
    let same = on(&scope.hostname("shop"), &web);
    scope.deploy_with("old", &[(1, 100.0)], same).await;
    scope
        .until_fault("old", "RoutesAccepted", "RouteClaimed")
        .await;
    let routes = scope.api::<HttpRoute>();
    for _ in 0..5 {
        let before = routes.get("shop.main").await.unwrap().metadata.uid;
        let gone = DeleteParams::default();
        routes.delete("shop.main", &gone).await.unwrap();
        wait_for("the route again", SOON, async || {
            let route = routes.get_opt("shop.main").await.unwrap();
            let is_new = route.is_some_and(|route| route.metadata.uid != before);
            if is_new {
                Ok(())
            } else {
                Err(scope.conditions("shop").await)
            }
        })
        .await;
        scope.until_ready("shop").await;
        let old = routes.get_opt("old.main").await.unwrap();
        assert!(old.is_none_or(|it| it.spec.hostnames == [scope.hostname("old")]));
    }
}
