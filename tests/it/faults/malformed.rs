//! Custom resources that were written past the schema, as an older or a looser one would let them.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Crd;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::lab::faults::{AWHILE, stays_at_rest};
use crate::lab::{Lab, SOON, Scope};
use crate::support::wait::stays;
use crate::support::wait_for;

const CRD: &str = "deployments.cutwater.dev";

/// Deployments as they are, readable or not.
fn raw(scope: &Scope) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("cutwater.dev", "v1alpha1", "Deployment");
    let resource = ApiResource::from_gvk(&gvk);
    Api::namespaced_with(scope.client.clone(), &scope.namespace, &resource)
}

/// Lets objects past the schema, writes them, and puts the schema back.
async fn past_the_schema(scope: &Scope, objects: &[Value]) {
    let api = Api::<Crd>::all(scope.client.clone());
    let good = serde_json::to_value(api.get(CRD).await.unwrap().spec.versions).unwrap();
    let mut loose = good.clone();
    loose[0]["schema"] = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    loose[0].as_object_mut().unwrap().remove("selectableFields");
    let set = async |versions: &Value| {
        let patch = json!({"spec": {"versions": versions}});
        api.patch(CRD, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    set(&loose).await;
    let params = PatchParams::apply("careless").force();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        // The API server takes a moment to act on the looser schema.
        wait_for(&format!("{name} to be taken"), SOON, async || {
            raw(scope).patch(name, &params, &Patch::Apply(object)).await
        })
        .await;
    }
    set(&good).await;
    // Each time another object: what stands already is allowed to stay as it is.
    let refused = scope.deployment("probe", &[(1, 50.0)], json!({}));
    let refused: DynamicObject = serde_json::from_value(refused).unwrap();
    wait_for("the schema to be back", SOON, async || {
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match raw(scope).create(&dry, &refused).await {
            Err(_) => Ok(()),
            Ok(_) => Err("a sum of 50 is taken"),
        }
    })
    .await;
}

/// The reason and the message of a condition, of an object that may be unreadable.
async fn said(scope: &Scope, name: &str, type_: &str) -> (String, String) {
    let object = raw(scope).get(name).await.unwrap();
    let conditions = object.data["status"]["conditions"].clone();
    let found = conditions.as_array().into_iter().flatten();
    let mut found = found.filter(|condition| condition["type"] == type_);
    let condition = found.next().cloned().unwrap_or_default();
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

async fn until_malformed(scope: &Scope, name: &str) -> String {
    wait_for(
        &format!("MalformedObject of {name}"),
        SOON,
        async || match said(scope, name, "Stalled").await {
            (reason, message) if reason == "MalformedObject" => Ok(message),
            other => Err(format!("{other:?}")),
        },
    )
    .await
}

fn unreadable(name: &str) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"app": name, "repository": "main", "versions": "many"},
    })
}

fn alias(scope: &Scope, app: &str, version: u32) -> Value {
    json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Alias",
        "metadata": {"name": format!("{app}-stage")},
        "spec": {
            "app": app,
            "repository": "main",
            "version": version,
            "routes": [{"hostnames": [scope.hostname("stage")], "gateway": {"name": "web", "namespace": "default"}}],
        },
    })
}

/// What is served of an app, by weights and workloads; it needs no readable owner.
async fn served(scope: &Scope, app: &str) -> (Vec<(u32, u32)>, Vec<String>) {
    let weights = scope.weights(app).await.into_iter().collect();
    (weights, scope.workloads(app).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_unreadable_object_harms_nothing_and_nobody() {
    let mut lab = Lab::own();
    let scope = lab.scope("malformed").await;
    for app in ["fine", "bad", "mixed"] {
        scope.releases.publish(app, "");
        scope.releases.publish(app, "");
        scope.deploy(app, &[(1, 50.0), (2, 50.0)]).await;
    }
    scope.apply(alias(&scope, "mixed", 1)).await;
    for app in ["fine", "bad", "mixed"] {
        scope.until_ready(app).await;
    }
    scope.until_alias_ready("mixed-stage").await;

    let objects = [unreadable("bad"), unreadable("mixed"), unreadable("fresh")];
    past_the_schema(&scope, &objects).await;
    for name in ["bad", "mixed", "fresh"] {
        let message = until_malformed(&scope, name).await;
        assert!(message.contains("cannot be read"), "{message}");
        scope.until_event(name, "MalformedObject").await;
    }

    // Others go on.
    scope.deploy("fine", &[(1, 10.0), (2, 90.0)]).await;
    scope.until_weights("fine", &[(1, 1_000), (2, 9_000)]).await;
    scope.until_ready("fine").await;

    // What it was goes on, and is put right.
    let half = (
        vec![(1, 5_000), (2, 5_000)],
        vec!["bad-v1-web".to_owned(), "bad-v2-web".to_owned()],
    );
    assert_eq!(served(&scope, "bad").await, half);
    let services = scope.api::<Service>();
    services
        .delete("bad-v1-web", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("its Service again", SOON, async || {
        services.get_opt("bad-v1-web").await.unwrap()
    })
    .await;
    wait_for("the whole split again", SOON, async || {
        let seen = served(&scope, "bad").await;
        if seen == half {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    until_malformed(&scope, "bad").await;
    until_calm(&scope, &["bad", "mixed", "fresh"]).await;

    // A controller that has never seen it readable leaves alone what may be its own.
    lab.controller.kill();
    lab.controller.again();
    scope.deploy("fine", &[(1, 20.0), (2, 80.0)]).await;
    scope.until_weights("fine", &[(1, 2_000), (2, 8_000)]).await;
    let mixed = served(&scope, "mixed").await;
    assert_eq!(mixed.0, half.0);
    assert_eq!(mixed.1, ["mixed-v1-web", "mixed-v2-web"]);
    stays(
        "what they serve",
        AWHILE,
        (half.clone(), mixed),
        async || (served(&scope, "bad").await, served(&scope, "mixed").await),
    )
    .await;
    let stage = scope.weights_of("mixed", "mixed.mixed-stage.main").await;
    assert_eq!(stage, [(1, 10_000)].into());

    // Repaired, it is taken up; deleted, it is gone.
    for app in ["bad", "mixed"] {
        // Server-side apply cannot: the API server itself does not understand the object.
        let good = scope.deployment(app, &[(2, 100.0)], json!({}));
        let patch = Patch::Merge(&good);
        raw(&scope)
            .patch(app, &PatchParams::default(), &patch)
            .await
            .unwrap();
        scope.until_weights(app, &[(2, 10_000)]).await;
        scope.until_ready(app).await;
    }
    scope.until_workloads("bad", &["bad-v2-web"]).await;
    raw(&scope)
        .delete("fresh", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("fresh gone", SOON, async || {
        match raw(&scope).get_opt("fresh").await.unwrap() {
            None => Ok(()),
            Some(object) => Err(format!("{:?}", object.metadata)),
        }
    })
    .await;
    scope.stays_put("bad").await;
    deleted_while_unreadable(&mut lab, &scope).await;
}

/// Deleted, they go like any other: routes first; and no namespace waits for them.
async fn deleted_while_unreadable(lab: &mut Lab, scope: &Scope) {
    let names = ["bad", "mixed", "fresh"];
    let mut objects = names.map(unreadable);
    objects[2]["metadata"]["finalizers"] = json!(["cutwater.dev/drain"]);
    past_the_schema(scope, &objects).await;
    for name in names {
        until_malformed(scope, name).await;
    }
    let mut gone = names.to_vec();
    // One that was read before, by this controller.
    raw(scope)
        .delete("bad", &DeleteParams::default())
        .await
        .unwrap();
    until_gone(scope, &gone[..1]).await;
    wait_for("nothing of it", SOON, async || {
        match served(scope, "bad").await {
            (weights, workloads) if weights.is_empty() && workloads.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // Others that this controller never saw readable, with and without routes, and all that is in the namespace.
    lab.controller.kill();
    lab.controller.again();
    gone.remove(0);
    let arguments = [
        "delete",
        "namespace",
        &scope.namespace,
        "--wait=true",
        "--timeout=60s",
    ];
    let deleted = lab.server.kubectl(&arguments);
    assert!(deleted.status.success(), "{deleted:?}");
    until_gone(scope, &gone).await;
}

async fn until_gone(scope: &Scope, names: &[&str]) {
    for name in names {
        wait_for(&format!("{name} gone"), SOON, async || {
            match raw(scope).get_opt(name).await.unwrap() {
                None => Ok(()),
                Some(object) => Err(format!("{:?}", object.metadata)),
            }
        })
        .await;
    }
}

/// Nothing is written about them again and again.
async fn until_calm(scope: &Scope, names: &[&str]) {
    let versions = async || {
        let mut versions = Vec::new();
        for name in names {
            let object = raw(scope).get(name).await.unwrap();
            versions.push((object.metadata.resource_version, scope.events(name).await));
        }
        versions
    };
    stays_at_rest("what is said of the unreadable", versions).await;
}
