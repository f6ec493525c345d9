//! Our own types of the Gateway API against its real definitions.

use cutwater::api::gateway::{
    BackendRef, Filter, Gateway, GatewayClass, Header, HeaderModifier, HttpRoute, HttpRouteSpec,
    Match, ParentRef, PathMatch, PathModifier, RequestRedirect, Rule, ValueMatch,
};
use kube::api::{Api, Patch, PatchParams, ValidationDirective};
use serde_json::json;

use crate::support::{ApiServer, User};

fn strict() -> PatchParams {
    let mut params = PatchParams::apply("cutwater");
    params.field_validation = Some(ValidationDirective::Strict);
    params
}

/// A route with everything that the types can say.
fn full() -> HttpRoute {
    let backend = |name: &str, weight| BackendRef {
        name: name.to_owned(),
        port: Some(80),
        weight: Some(weight),
        ..BackendRef::default()
    };
    let prefix = |headers| Match {
        path: Some(PathMatch::prefix("/shop")),
        headers,
        ..Match::default()
    };
    let exact = |path: &str| Match {
        path: Some(PathMatch::exact(path)),
        ..Match::default()
    };
    let header = |name: &str| Header {
        name: name.to_owned(),
        value: "1".to_owned(),
    };
    let spec = HttpRouteSpec {
        parent_refs: vec![ParentRef {
            name: "web".to_owned(),
            section_name: Some("http".to_owned()),
            ..ParentRef::default()
        }],
        hostnames: vec!["shop.example.com".to_owned(), "*.example.org".to_owned()],
        rules: vec![
            Rule {
                matches: vec![exact("/.well-known/cutwater/token")],
                filters: vec![Filter::redirect(RequestRedirect {
                    path: Some(PathModifier::ReplaceFullPath {
                        value: "/token".to_owned(),
                    }),
                    status_code: Some(302),
                    ..RequestRedirect::default()
                })],
                ..Rule::default()
            },
            Rule {
                matches: vec![exact("/.well-known/cutwater/v8/web")],
                filters: vec![Filter::rewrite(PathModifier::ReplaceFullPath {
                    value: "/ready".to_owned(),
                })],
                backend_refs: vec![backend("checkout-v8-web", 1)],
                ..Rule::default()
            },
            Rule {
                matches: vec![prefix(vec![ValueMatch::exact(
                    "Cutwater-Version-checkout",
                    "8",
                )])],
                filters: vec![Filter::request_headers(HeaderModifier {
                    set: vec![header("X-Set")],
                    add: vec![header("X-Add")],
                    remove: vec!["X-Gone".to_owned()],
                })],
                backend_refs: vec![backend("checkout-v8-web", 1)],
                ..Rule::default()
            },
            Rule {
                matches: vec![prefix(Vec::new())],
                backend_refs: vec![
                    backend("checkout-v7-web", 9000),
                    backend("checkout-v8-web", 1000),
                    backend("checkout-v9-web", 0),
                ],
                ..Rule::default()
            },
        ],
    };
    HttpRoute::new("checkout.main", spec)
}

#[tokio::test]
async fn a_route_is_written_and_read_back_as_it_is() {
    let server = ApiServer::shared();
    let namespace = server.namespace("gateway");
    let client = server.client(User::Cutwater).await;
    let routes: Api<HttpRoute> = Api::namespaced(client, &namespace);
    let route = full();
    let applied = routes
        .patch("checkout.main", &strict(), &Patch::Apply(&route))
        .await
        .unwrap();
    let weights: Vec<_> = (applied.spec.rules[3].backend_refs.iter())
        .map(|backend| backend.weight)
        .collect();
    assert_eq!(weights, [Some(9000), Some(1000), Some(0)]);
    assert_eq!(applied.spec.rules[0].filters, route.spec.rules[0].filters);
    assert_eq!(applied.spec.rules[1].filters, route.spec.rules[1].filters);
    assert_eq!(applied.spec.rules[2].matches, route.spec.rules[2].matches);
    let parent = &applied.spec.parent_refs[0];
    assert!(parent.is_gateway(&namespace, &namespace, "web"));
    assert!(!parent.is_gateway(&namespace, "elsewhere", "web"));

    let again = routes
        .patch("checkout.main", &strict(), &Patch::Apply(&route))
        .await
        .unwrap();
    assert_eq!(
        again.metadata.resource_version,
        applied.metadata.resource_version
    );

    let status = json!({"status": {"parents": [{
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"},
        "controllerName": "example.com/gateway",
        "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }]}});
    let told = routes
        .patch_status(
            "checkout.main",
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await
        .unwrap();
    let parents = told.status.unwrap().parents;
    assert_eq!(parents[0].conditions[0].observed_generation, Some(1));
    assert!(
        parents[0]
            .parent_ref
            .is_gateway(&namespace, &namespace, "web")
    );
}

#[tokio::test]
async fn gateways_and_their_classes_are_read() {
    let server = ApiServer::shared();
    let namespace = server.namespace("gateway");
    let client = server.client(User::Admin).await;
    let classes: Api<GatewayClass> = Api::all(client.clone());
    let class = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": namespace},
        "spec": {"controllerName": "example.com/gateway"}});
    let class = classes
        .patch(&namespace, &strict(), &Patch::Apply(&class))
        .await
        .unwrap();
    assert_eq!(class.spec.controller_name, "example.com/gateway");
    let gateways: Api<Gateway> = Api::namespaced(client, &namespace);
    let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "web"},
        "spec": {"gatewayClassName": namespace, "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP"},
            {"name": "wild", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}]}});
    let gateway = gateways
        .patch("web", &strict(), &Patch::Apply(&gateway))
        .await
        .unwrap();
    assert_eq!(
        gateway.spec.listeners[1].hostname.as_deref(),
        Some("*.example.com")
    );
    classes
        .delete(&namespace, &kube::api::DeleteParams::default())
        .await
        .unwrap();
}
