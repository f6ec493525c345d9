//! The custom resources on a real API server: what it takes, what it refuses and in which words, and what other tools make of
//! the kinds.

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{GroupVersionKind, Status};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::support::{ApiServer, User};

/// What is fine, though it may look wrong.
mod accepted;
/// The Gateway API's types, as far as they are ours too.
mod gateway_api;
/// Good and bad fields of Alias and Repository.
mod refused_elsewhere;
/// Good and bad fields of Deployment.
mod refused_in_deployment;
/// kubectl, kustomize and helm, which take a kind called Deployment for another one.
mod tools;

/// A Deployment that is fine; the tests change one thing in it.
fn deployment() -> Value {
    json!({
        "kind": "Deployment",
        "metadata": {"name": "checkout"},
        "spec": {
            "app": "checkout",
            "repository": "shop",
            "versions": [{"version": 7, "percentage": 90}, {"version": "v8", "percentage": 10}],
            "routes": [route(json!({}))],
        },
    })
}

/// An Alias that is fine.
fn alias() -> Value {
    json!({
        "kind": "Alias",
        "metadata": {"name": "staging"},
        "spec": {
            "app": "checkout",
            "repository": "shop",
            "version": 7,
            "canary": {"version": 8, "percentage": 12.5},
            "routes": [route(json!({}))],
        },
    })
}

/// A Repository that is fine.
fn repository() -> Value {
    json!({
        "kind": "Repository",
        "metadata": {"name": "shop"},
        "spec": {"url": "https://git.example.com/acme/shop.git"},
    })
}

/// A route that is fine, with changes.
fn route(change: Value) -> Value {
    let mut route = json!({"hostnames": ["shop.example.com"], "gateway": {"name": "web"}});
    merge(&mut route, change);
    route
}

/// One version at 100 %.
fn all_to(version: &Value) -> Value {
    json!({"versions": [{"version": version, "percentage": 100}]})
}

/// Versions 1, 2, 3 and so on at these percentages.
fn shares(percentages: &[Value]) -> Value {
    let entry = |(index, percentage)| json!({"version": index + 1, "percentage": percentage});
    json!({"versions": percentages.iter().enumerate().map(entry).collect::<Vec<_>>()})
}

/// A JSON merge patch: null removes, lists are replaced.
fn merge(target: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *target = change;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in change {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&key);
        } else {
            merge(&mut target[&key], value);
        }
    }
}

/// An object whose spec is changed.
fn with(mut object: Value, spec: Value) -> Value {
    merge(&mut object["spec"], spec);
    object
}

/// An object under another name.
fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

/// Where objects of that kind are asked for.
fn api_of(client: &kube::Client, namespace: &str, object: &mut Value) -> Api<DynamicObject> {
    let kind = object["kind"].as_str().unwrap().to_owned();
    object["apiVersion"] = json!("cutwater.dev/v1alpha1");
    let plural = match kind.as_str() {
        "Deployment" => "deployments",
        "Alias" => "aliases",
        _ => "repositories",
    };
    let gvk = GroupVersionKind::gvk("cutwater.dev", "v1alpha1", &kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Asks the API server whether it would take an object, and returns what it would keep.
pub(super) async fn would_create(
    client: &kube::Client,
    namespace: &str,
    mut object: Value,
) -> Result<DynamicObject, Box<Status>> {
    let api = api_of(client, namespace, &mut object);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api
        .create(&dry, &serde_json::from_value(object).unwrap())
        .await
    {
        Ok(kept) => Ok(kept),
        Err(kube::Error::Api(refusal)) => Err(refusal),
        Err(other) => panic!("{other}"),
    }
}

/// The reasons of a refusal as `field: text`, without the value that stands before the text.
fn reasons(refusal: &Status) -> Vec<(String, String)> {
    let causes = refusal.details.iter().flat_map(|details| &details.causes);
    causes
        .map(|cause| (cause.field.clone(), cause.message.clone()))
        // The API server checks types first, and says so here when it stops there.
        .filter(|(_, text)| !text.contains("some validation rules were not checked"))
        .collect()
}

/// Checks that the API server refuses each object for that one reason: its field, and the end of its text.
async fn all_refused(cases: Vec<(Value, &str, &str)>) {
    let server = ApiServer::shared();
    let client = server.client(User::Admin).await;
    let namespace = server.namespace("refused");
    let mut wrong = Vec::new();
    for (object, field, text) in cases {
        let shown = object.to_string();
        match would_create(&client, &namespace, object).await {
            Ok(_) => wrong.push(format!("taken: {shown}")),
            Err(refusal) => match &reasons(&refusal)[..] {
                [(at, said)] if at == field && said.ends_with(text) => {}
                other => wrong.push(format!(
                    "{shown}\n  should say at {field}: {text}\n  says {other:#?} {}",
                    refusal.message
                )),
            },
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
