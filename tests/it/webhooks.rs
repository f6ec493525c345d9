//! Webhooks at the controller, as forges send them: a push is fetched at once, and what strangers send tells them nothing and holds up
//! nobody.

use std::time::Duration;

use cutwater::api::Repository;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::lab::{Lab, SOON, Scope};
use crate::support::http::{Response, get, post};
use crate::support::{User, wait_for};

/// What a forge says of a push; nobody reads it.
const BODY: &str = r#"{"ref": "refs/heads/main"}"#;
/// The name by which a forge knows the controller.
const HOST: &str = "hooks.example.com";

/// The code of the body with a secret, as forges make it.
fn code(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(BODY.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The header of a call of GitHub's.
fn github(secret: &str) -> (&'static str, String) {
    ("X-Hub-Signature-256", format!("sha256={}", code(secret)))
}

impl Scope {
    /// The Secret of webhooks.
    async fn hook_secret(&self, data: Value) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": data,
        }))
        .await;
    }

    /// The Repository `hooked` is fetched once a day, and takes webhooks. It has been read.
    async fn hooked(&self, more: Value) {
        let mut spec = json!({
            "url": self.releases.url(), "interval": "24h", "webhookSecretRef": {"name": "hook"},
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository",
            "metadata": {"name": "hooked"}, "spec": spec,
        }))
        .await;
        self.until_repository_is("hooked", "True", "Succeeded")
            .await;
    }

    async fn head(&self) -> Option<String> {
        let repository = self.api::<Repository>().get("hooked").await.unwrap();
        repository.status.and_then(|status| status.head)
    }

    /// A new commit of the branch.
    fn commit(&self) -> String {
        self.releases.commit("Go on");
        self.releases.git(&["rev-parse", "HEAD"])
    }

    async fn until_head(&self, commit: &str) {
        wait_for(&format!("the commit {commit}"), SOON, async || {
            let head = self.head().await;
            if head.as_deref() == Some(commit) {
                Ok(())
            } else {
                Err(format!("{head:?}"))
            }
        })
        .await;
    }

    /// Calls with this header, until the controller knows of the Repository and its Secret.
    async fn until_accepted(&self, lab: &Lab, (name, value): (&str, String)) {
        let path = format!("/hook/{}/hooked", self.namespace);
        wait_for("a webhook to be accepted", SOON, async || {
            let answer = call(lab, &path, (name, &value)).await;
            if answer.status == 202 {
                Ok(())
            } else {
                Err(answer.body)
            }
        })
        .await;
    }
}

/// A call with this header.
async fn call(lab: &Lab, path: &str, header: (&str, &str)) -> Response {
    let address = lab.controller.webhooks().await;
    post(&address, HOST, path, &[header], BODY).await.unwrap()
}

/// An answer without its date.
fn undated(answer: &Response) -> Response {
    let mut answer = answer.clone();
    answer.headers.remove("date");
    answer
}

/// The value of a metric of webhooks.
async fn counted(lab: &Lab, result: &str) -> u64 {
    let address = lab.controller.health().await;
    let metrics = get(&address, "localhost", "/metrics", &[]).await.unwrap();
    let line = format!("cutwater_webhooks_total{{result=\"{result}\"}} ");
    let value = (metrics.body.lines()).find_map(|text| text.strip_prefix(&line));
    value.map_or(0, |value| value.parse().unwrap())
}

/// How often the controller read a Secret of a namespace since then.
fn reads(lab: &Lab, scope: &Scope, secret: &str, since: Timestamp) -> usize {
    let asked = lab.server.audit_requests(User::Cutwater, since);
    let of = |resource: &str, namespace: &str, name: &str| {
        resource == "secrets" && namespace == scope.namespace && name == secret
    };
    asked
        .iter()
        .filter(|entry| of(&entry.resource, &entry.namespace, &entry.name))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_fetched_at_once() {
    let lab = Lab::shared();
    let scope = lab.scope("hook-push").await;
    scope.hook_secret(json!({"secret": "of both\n"})).await;
    scope.hooked(json!({})).await;
    let code = code("of both");
    for header in [
        github("of both"),
        ("X-Hub-Signature", format!("sha256={code}")),
        ("X-Gitlab-Token", "of both".to_owned()),
        ("X-Gitea-Signature", code.clone()),
        ("X-Forgejo-Signature", code.clone()),
    ] {
        let commit = scope.commit();
        assert_ne!(scope.head().await.as_deref(), Some(commit.as_str()));
        scope.until_accepted(lab, header).await;
        scope.until_head(&commit).await;
    }
    let log = lab.controller.whole_log();
    assert!(!log.contains("of both") && !log.contains(&code), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_answered_alike_and_changes_nothing() {
    let lab = Lab::shared();
    let scope = lab.scope("hook-refused").await;
    scope.repository("plain").await;
    scope.hook_secret(json!({"token": "of both"})).await;
    scope.hooked(json!({})).await;
    let namespace = &scope.namespace;
    let path = format!("/hook/{namespace}/hooked");
    let others = [
        format!("/hook/{namespace}/plain"),
        format!("/hook/{namespace}/nothing"),
        format!("/hook/{}/hooked", "nowhere"),
        format!("/hook/{}/hooked", "n".repeat(300)),
    ];
    let good = github("of both");
    let before = counted(lab, "no_secret").await;
    // The Secret has nothing at the key, and is said to have that in the log alone.
    let refused = call(lab, &path, (good.0, &good.1)).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(counted(lab, "no_secret").await > before);
    let log = lab.controller.whole_log();
    assert!(log.contains("has no text at the key `secret`"), "{log}");
    scope.hook_secret(json!({"secret": "of both"})).await;
    let commit = scope.commit();
    scope.until_accepted(lab, github("of both")).await;
    scope.until_head(&commit).await;

    let commit = scope.commit();
    let mut forged = vec![
        github("another"),
        ("X-Gitlab-Token", "another".to_owned()),
        ("X-Gitlab-Token", String::new()),
        ("X-Gitea-Signature", "00".to_owned()),
        ("X-Hub-Signature-256", "sha256=".to_owned()),
    ];
    let before = counted(lab, "refused").await;
    let alike = async |path: &str, header: &(&str, String)| {
        let came = tokio::time::Instant::now();
        let answer = call(lab, path, (header.0, &header.1)).await;
        // Nor does the time tell whether a Secret was read.
        let took = came.elapsed();
        assert!(took >= Duration::from_millis(250), "{took:?}");
        assert_eq!(undated(&answer), undated(&refused));
    };
    let mut calls = 0;
    for header in &forged {
        alike(&path, header).await;
        calls += 1;
    }
    forged.push(good);
    for path in &others {
        for header in &forged {
            alike(path, header).await;
            calls += 1;
        }
    }
    assert!(counted(lab, "refused").await >= before + calls);
    // Nor does anything else tell a name from another.
    for path in [&path, &others[1]] {
        let unsigned = call(lab, path, ("X-Else", "x")).await;
        assert_eq!(unsigned.status, 401);
        assert!(unsigned.body.contains("there is no signature"));
        let address = lab.controller.webhooks().await;
        assert_eq!(get(&address, HOST, path, &[]).await.unwrap().status, 405);
        let health = lab.controller.health().await;
        let there = post(&health, "localhost", path, &[], BODY).await.unwrap();
        assert_eq!(there.status, 404, "the probes have a port of their own");
        let live = get(&address, HOST, "/live", &[]).await.unwrap();
        assert_eq!(live.status, 404, "and so have webhooks");
    }
    assert_ne!(scope.head().await, Some(commit.clone()));
    scope.until_accepted(lab, github("of both")).await;
    scope.until_head(&commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_probes_and_other_namespaces_alone() {
    let lab = Lab::lent();
    let scope = lab.scope("hook-flood").await;
    let other = lab.scope("hook-beside").await;
    for scope in [&scope, &other] {
        scope.hook_secret(json!({"secret": "of both"})).await;
        let git = json!({"username": "a", "password": "b"});
        scope
            .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": git}))
            .await;
        scope.hooked(json!({"secretRef": {"name": "git"}})).await;
    }
    scope.until_accepted(&lab, github("of both")).await;
    let (webhooks, health) = (
        lab.controller.webhooks().await,
        lab.controller.health().await,
    );
    let live = async || {
        for path in ["/live", "/ready", "/metrics"] {
            let asked = get(&health, "localhost", path, &[]);
            let answer = tokio::time::timeout(Duration::from_secs(5), asked).await;
            assert_eq!(answer.unwrap().unwrap().status, 200, "{path}");
        }
    };

    // Calls that have begun and never end, of one namespace: they take a part of the room.
    let header = github("of both");
    let begun = format!(
        "POST /hook/{}/hooked HTTP/1.1\r\nHost: {HOST}\r\n{}: {}\r\nContent-Length: 1000\r\n\r\n{{",
        scope.namespace, header.0, header.1
    );
    let mut flood = Vec::new();
    for _ in 0..60 {
        let mut client = TcpStream::connect(&webhooks).await.unwrap();
        client.write_all(begun.as_bytes()).await.unwrap();
        flood.push(client);
    }
    let path = format!("/hook/{}/hooked", scope.namespace);
    wait_for("the others to be sent away", SOON, async || {
        let answer = call(&lab, &path, (header.0, &header.1)).await;
        if answer.status == 429 {
            Ok(())
        } else {
            Err(answer.body)
        }
    })
    .await;
    let commit = other.commit();
    other.until_accepted(&lab, github("of both")).await;
    other.until_head(&commit).await;
    live().await;

    // Clients that say nothing, more than there is room for.
    for _ in 0..400 {
        flood.push(TcpStream::connect(&webhooks).await.unwrap());
    }
    for _ in 0..10 {
        live().await;
    }
    drop(flood);

    // Many right calls are few fetches, and the Secret is read few times. The credentials are read for each fetch.
    let commit = scope.commit();
    scope.until_accepted(&lab, github("of both")).await;
    let since = Timestamp::now();
    let start = tokio::time::Instant::now();
    let mut accepted = 0;
    while start.elapsed() < Duration::from_secs(6) {
        let answer = call(&lab, &path, (header.0, &header.1)).await;
        accepted += usize::from(answer.status == 202);
    }
    scope.until_head(&commit).await;
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let fetches = reads(&lab, &scope, "git", since);
    let secrets = reads(&lab, &scope, "hook", since);
    assert!(accepted > 3 * seconds, "{accepted} calls");
    assert!(
        (1..=seconds + 2).contains(&fetches),
        "{fetches} fetches in {seconds} s"
    );
    assert!(
        (1..=seconds / 3 + 2).contains(&secrets),
        "{secrets} reads in {seconds} s"
    );
    live().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_changed_counts_soon() {
    let lab = Lab::shared();
    let scope = lab.scope("hook-rotated").await;
    scope.hook_secret(json!({"secret": "old"})).await;
    scope.hooked(json!({})).await;
    scope.until_accepted(lab, github("old")).await;
    scope.hook_secret(json!({"secret": "new"})).await;
    let changed = tokio::time::Instant::now();
    scope.until_accepted(lab, github("new")).await;
    assert!(
        changed.elapsed() < Duration::from_secs(10),
        "{:?}",
        changed.elapsed()
    );
    let old = github("old");
    let path = format!("/hook/{}/hooked", scope.namespace);
    assert_eq!(call(lab, &path, (old.0, &old.1)).await.status, 401);
    let commit = scope.commit();
    scope.until_accepted(lab, github("new")).await;
    scope.until_head(&commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_suspended_or_deleted_is_not_fetched() {
    let lab = Lab::shared();
    let scope = lab.scope("hook-suspended").await;
    scope.hook_secret(json!({"secret": "of both"})).await;
    scope.hooked(json!({})).await;
    scope.until_accepted(lab, github("of both")).await;
    let head = scope.head().await;
    scope.hooked(json!({"suspend": true})).await;
    let path = format!("/hook/{}/hooked", scope.namespace);
    let header = github("of both");
    wait_for("the controller to know", SOON, async || {
        let answer = call(lab, &path, (header.0, &header.1)).await;
        if answer.status == 202 && answer.body.contains("is suspended") {
            Ok(())
        } else {
            Err(answer.body)
        }
    })
    .await;
    let commit = scope.commit();
    assert_eq!(call(lab, &path, (header.0, &header.1)).await.status, 202);
    assert!(counted(lab, "suspended").await > 0);
    assert_eq!(scope.head().await, head);
    scope.hooked(json!({})).await;
    scope.until_head(&commit).await;

    let repositories = scope.api::<Repository>();
    repositories
        .delete("hooked", &DeleteParams::default())
        .await
        .unwrap();
    wait_for("it to be unknown", SOON, async || {
        let answer = call(lab, &path, (header.0, &header.1)).await;
        if answer.status == 401 {
            Ok(())
        } else {
            Err(answer.body)
        }
    })
    .await;
    // Made again, it is listened to again.
    scope.hooked(json!({})).await;
    let commit = scope.commit();
    scope.until_accepted(lab, github("of both")).await;
    scope.until_head(&commit).await;
}
