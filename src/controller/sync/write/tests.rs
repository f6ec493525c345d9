//! Writes to an API server that is a function, where somebody else writes the same object.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;
use tower::service_fn;

use super::*;
use crate::controller::sync::desired::Desired;
use crate::releases;
use crate::words::CommitId;

/// Requests in the form `METHOD dry=BOOL version=TEXT`.
type Log = Arc<Mutex<Vec<String>>>;

/// An API server that holds one Deployment as of version 7, and this generation.
fn server(generation: i64, log: &Log) -> Client {
    let log = Arc::clone(log);
    let answer = move |request: Request<Body>| {
        let log = Arc::clone(&log);
        async move {
            let method = request.method().to_string();
            let dry_run = request.uri().query().unwrap_or_default().contains("dryRun");
            let sent = request.into_body().collect_bytes().await.unwrap();
            let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
            let version = sent["metadata"]["resourceVersion"].as_str();
            let shown = version.unwrap_or("none");
            log.lock()
                .push(format!("{method} dry={dry_run} version={shown}"));
            let is_conflict = method == "PATCH" && version.is_some_and(|it| it != "7");
            let (status, body) = if is_conflict {
                let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "the object has been modified", "reason": "Conflict", "code": 409});
                (409, body)
            } else {
                let body = json!({
                    "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
                    "metadata": {"name": "a", "namespace": "prod", "uid": "u", "resourceVersion": "7", "generation": generation},
                    "spec": {"app": "a", "repository": "main", "versions": [{"version": 1, "percentage": 100}]},
                });
                (200, body)
            };
            let body = Full::new(Bytes::from(body.to_string()));
            let response = Response::builder().status(status).body(body);
            Ok::<_, Infallible>(response.unwrap())
        }
    };
    Client::new(service_fn(answer), "prod")
}

/// A write of a Deployment that was seen as of version 5 and generation 1.
fn write() -> Apply {
    let text = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: a}\nspec: {app: a, repository: main, versions: [{version: 1, percentage: 100}]}\n";
    let read = releases::read("releases/a.yaml", text.as_bytes()).unwrap();
    let live = Live {
        uid: Some("u".to_owned()),
        resource_version: Some("5".to_owned()),
        generation: Some(1),
        labels: BTreeMap::new(),
        ..Live::default()
    };
    Apply {
        desired: Desired::of(&read.releases[0], &CommitId::from_bytes(&[1; 20])),
        live: Some(live),
        drift: Vec::new(),
        is_new: true,
    }
}

#[tokio::test]
async fn a_status_that_was_written_meanwhile_is_in_nobodys_way() {
    let (cache, apps) = (Cache::default(), Queue::new());
    for (generation, is_written) in [(1, true), (2, false)] {
        let log = Log::default();
        let client = server(generation, &log);
        let writer = Writer {
            client: &client,
            cache: &cache,
            apps: &apps,
            namespace: "prod",
            repository: "uid",
        };
        let apply = write();
        writer.try_out(&apply).await.unwrap();
        let written = writer.apply(&apply).await;
        let mut asked = vec![
            "PATCH dry=true version=none",
            "PATCH dry=false version=5",
            "GET dry=false version=none",
        ];
        if is_written {
            written.unwrap();
            asked.push("PATCH dry=false version=7");
        } else {
            // Its spec is another one: that is decided on anew.
            assert_eq!(written.unwrap_err().reason, Reason::Progressing);
        }
        assert_eq!(*log.lock(), asked);
    }
}
