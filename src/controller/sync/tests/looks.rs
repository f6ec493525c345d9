//! Whole looks, at an API server that is a table: what is tried, kept, written and removed, in which order, and what is said.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use jiff::SignedDuration;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::api::condition::{self, State};
use crate::api::{HeldObject, SYNC_MANAGER};
use crate::controller::acceptance::Acceptance;
use crate::controller::apply::Applier;
use crate::controller::mirrors::{Fetched, Unfetched};
use crate::controller::observe::Delays;
use crate::controller::report::Reports;
use crate::controller::repositories::Repositories;

/// What the API server refuses with which status, of `METHOD`, the last part of the path, and whether it is only tried.
type Refuses = fn(&Table, &str, &str, bool) -> Option<u16>;

/// What the API server has.
struct Table {
    objects: BTreeMap<String, Value>,
    repository: Value,
    /// Requests in the form `METHOD NAME`, with `try` before those that are only tried.
    log: Vec<String>,
    refuses: Refuses,
    version: u32,
}

impl Table {
    fn answer(&mut self, method: &str, path: &str, dry: bool, sent: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let name = parts.last().copied().unwrap_or_default();
        if path.contains("events.k8s.io") {
            return (201, sent.clone());
        }
        let tried = if dry { "try " } else { "" };
        self.log.push(format!("{tried}{method} {name}"));
        if let Some(code) = (self.refuses)(self, method, name, dry) {
            let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no", "reason": "Test", "code": code});
            return (code, body);
        }
        self.version += 1;
        let version = self.version.to_string();
        if name == "status" {
            self.repository["status"] = sent["status"].clone();
            self.repository["metadata"]["resourceVersion"] = json!(version);
            return (200, self.repository.clone());
        }
        let held = self.objects.get(name).cloned();
        match method {
            "PATCH" => {
                let mut object = sent.clone();
                object["apiVersion"] = json!("cutwater.dev/v1alpha1");
                object["kind"] = json!("Deployment");
                object["metadata"]["name"] = json!(name);
                object["metadata"]["uid"] = json!(format!("uid of {name}"));
                object["metadata"]["generation"] = json!(self.version);
                if !dry {
                    object["metadata"]["resourceVersion"] = json!(version);
                    self.objects.insert(name.to_owned(), object.clone());
                }
                (200, object)
            }
            "GET" => {
                let Some(held) = held else {
                    return (404, not_found());
                };
                let mut metadata = held["metadata"].clone();
                metadata["managedFields"] =
                    json!([{"manager": SYNC_MANAGER, "operation": "Apply"}]);
                let body = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
                (200, body)
            }
            _ => {
                if !dry {
                    self.objects.remove(name);
                }
                (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
                )
            }
        }
    }

    fn status(&self) -> RepositoryStatus {
        serde_json::from_value(self.repository["status"].clone()).unwrap_or_default()
    }
}

fn not_found() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "none", "reason": "NotFound", "code": 404})
}

/// A controller of one Repository.
struct Play {
    stage: Stage,
    table: Arc<Mutex<Table>>,
    context: Context,
}

impl Play {
    fn new() -> Self {
        let repository = json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository",
            "metadata": {"name": "main", "namespace": "prod", "uid": UID, "resourceVersion": "1"},
            "spec": {"url": "https://git.example/shop", "interval": "1h", "releases": PATH},
        });
        let table = Arc::new(Mutex::new(Table {
            objects: BTreeMap::new(),
            repository: repository.clone(),
            log: Vec::new(),
            refuses: |_, _, _, _| None,
            version: 1,
        }));
        let served = Arc::clone(&table);
        let client = Client::new(
            service_fn(move |request: Request<Body>| {
                let table = Arc::clone(&served);
                async move {
                    let method = request.method().to_string();
                    let path = request.uri().path().to_owned();
                    let query = request.uri().query().unwrap_or_default().to_owned();
                    let sent = request.into_body().collect_bytes().await.unwrap();
                    let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
                    let dry = query.contains("dryRun") || !sent["dryRun"].is_null();
                    let (status, body) = table.lock().answer(&method, &path, dry, &sent);
                    let body = Full::new(Bytes::from(body.to_string()));
                    Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                }
            }),
            "prod",
        );
        let cache = Arc::new(Cache::default());
        {
            let mut state = cache.lock();
            state
                .synced
                .extend(["Deployment.cutwater.dev", "Alias", "Repository"]);
            let repository = serde_json::from_value(repository).unwrap();
            state.repositories.insert(key(), Arc::new(repository));
        }
        let (apps, queue) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
        let (of_client, folder) = (client.clone(), std::path::PathBuf::new());
        let context = Context {
            repositories: Arc::new(Repositories::new(
                of_client,
                cache.clone(),
                apps.clone(),
                queue,
                folder,
                true,
            )),
            applier: Applier::new(client.clone(), cache.clone()),
            acceptance: Acceptance::default(),
            reports: Reports::new(client.clone()),
            sync: Sync::new(apps),
            delays: Delays {
                settle: SignedDuration::ZERO,
                drain: SignedDuration::ZERO,
            },
            client,
            cache,
        };
        Self {
            stage: Stage::new(),
            table,
            context,
        }
    }

    fn refuse(&self, refuses: Refuses) {
        let mut table = self.table.lock();
        table.refuses = refuses;
        table.log.clear();
    }

    /// What a fetch of all brings.
    fn fetched(&self) -> Fetch {
        let mirror = &self.stage.mirror;
        let timeout = Duration::from_secs(20);
        let fetched = mirror.fetch("main", &BTreeSet::new(), timeout).unwrap();
        let repository = self.repository();
        Fetch::came(
            &repository,
            Fetched {
                head: fetched.head,
                changed: BTreeSet::new(),
                mirror: mirror.clone(),
                is_part: false,
                kept: None,
            },
        )
    }

    fn repository(&self) -> Arc<Repository> {
        self.context.cache.repository("prod", "main").unwrap()
    }

    async fn look(&self) -> Told {
        self.look_at(&self.fetched()).await
    }

    async fn look_at(&self, fetch: &Fetch) -> Told {
        let (context, key) = (&self.context, key());
        let turn = context.sync.turn(&key).await.unwrap();
        let told = context.sync.look(context, &key, fetch, turn).await.unwrap();
        let reports = &context.reports;
        reports.repository(&context.cache, &key, fetch, &told).await;
        told
    }

    /// The requests since the last question.
    fn log(&self) -> Vec<String> {
        let log = std::mem::take(&mut self.table.lock().log);
        log.into_iter()
            .filter(|it| !it.ends_with(" status"))
            .collect()
    }

    fn applied(&self) -> Option<String> {
        self.table.lock().status().sync.unwrap().applied
    }
}

fn key() -> ObjectKey {
    ("prod".to_owned(), "main".to_owned())
}

fn said(told: &Told) -> (State, Reason, &str) {
    let say = told.say.as_ref().unwrap();
    (say.state, say.reason, say.message.as_str())
}

/// So many Deployments, all at this version, in a file each.
fn files(names: std::ops::Range<usize>, version: u32) -> Vec<(String, String)> {
    let file = |number| {
        let name = format!("a{number:02}");
        (format!("releases/{name}.yaml"), shop(&name, version))
    };
    names.map(file).collect()
}

fn commit(stage: &Stage, files: &[(String, String)]) -> CommitId {
    let files = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    stage.commit(&files.collect::<Vec<_>>())
}

#[tokio::test]
async fn an_api_server_that_goes_away_is_not_waited_for_once_per_object() {
    let play = Play::new();
    let first = commit(&play.stage, &files(0..40, 1));
    assert_eq!(said(&play.look().await).0, State::True);
    let tip = format!("{}, tip", first.short());
    assert_eq!(play.applied(), Some(tip));
    let second = commit(&play.stage, &files(0..40, 2));
    // It goes away once eight are written, and people see meanwhile what goes on.
    play.refuse(|table, method, name, dry| {
        let writes = table
            .log
            .iter()
            .filter(|it| it.starts_with("PATCH a"))
            .count();
        let is_write = method == "PATCH" && name != "status" && !dry;
        if is_write && writes == 1 {
            let status = table.status();
            let synced = condition::find(&status.conditions, Type::Synced).unwrap();
            assert_eq!((&*synced.status, &*synced.reason), ("False", "Progressing"));
            assert!(status.sync.unwrap().applied.unwrap().ends_with(", behind"));
        }
        (is_write && writes > 8).then_some(500)
    });
    let told = play.look().await;
    assert_eq!(said(&told).1, Reason::ApiServerError);
    assert!(told.again.is_some());
    let log = play.log();
    let writes = log.iter().filter(|it| it.starts_with("PATCH")).count();
    assert_eq!(writes, 16, "the others would wait as long: {log:?}");
    assert_eq!(told.sync.unwrap().objects, 8);
    assert_eq!(play.table.lock().status().head, Some(second.to_string()));
    let behind = format!("{}, behind", first.short());
    assert_eq!(play.applied(), Some(behind));

    // It takes nothing at all: what is applied of the commit is not denied.
    play.refuse(|_, _, name, _| (name != "status").then_some(500));
    let told = play.look().await;
    let message = said(&told).2.to_owned();
    assert!(
        message.contains("what of this commit is applied already stays"),
        "{message}"
    );
    commit(&play.stage, &files(0..40, 3));
    let told = play.look().await;
    let message = said(&told).2.to_owned();
    assert!(
        message.contains("nothing of this commit is applied"),
        "{message}"
    );
    assert_eq!(play.log().len(), AT_ONCE * 2, "each look tries a few");
}

#[tokio::test]
async fn a_removal_that_is_refused_is_known_before_anything_is_written() {
    let play = Play::new();
    commit(&play.stage, &files(0..2, 1));
    play.look().await;
    play.refuse(|_, method, _, _| (method == "DELETE").then_some(403));
    commit(&play.stage, &files(1..2, 2));
    let told = play.look().await;
    assert_eq!(said(&told).1, Reason::ApiServerRefused);
    let asked = ["try PATCH a01", "GET a00", "try DELETE a00"];
    assert_eq!(play.log(), asked);
    // It takes it at a trial, and not when it counts.
    play.refuse(|_, method, _, dry| (method == "DELETE" && !dry).then_some(403));
    let told = play.look().await;
    let held = told.sync.as_ref().unwrap().held.clone();
    assert_eq!((said(&told).1, held.len()), (Reason::ApiServerRefused, 1));
    let HeldObject { object, why } = &held[0];
    assert_eq!(object, "cwd/a00");
    assert!(why.contains("could not remove cwd/a00"), "{why}");
    play.refuse(|_, _, _, _| None);
    let told = play.look().await;
    assert_eq!(said(&told).0, State::True);
    assert!(!play.table.lock().objects.contains_key("a00"));
}

#[tokio::test]
async fn what_passes_is_looked_at_again_whatever_else_is_said() {
    let play = Play::new();
    commit(&play.stage, &files(0..2, 1));
    play.look().await;
    let mut slip = files(0..2, 1);
    slip[1].1 = slip[1].1.replace("percentage: 100", "percentage: many");
    commit(&play.stage, &slip);
    let told = play.look().await;
    assert_eq!((said(&told).1, told.again), (Reason::ReleasesInvalid, None));
    assert_eq!(told.sync.unwrap().objects, 1, "the other one is as before");
    // The first one is being deleted, and is to be made again.
    let mut leaving = play.table.lock().objects["a00"].clone();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    leaving["metadata"]["resourceVersion"] = json!("1000");
    let object: crate::api::Deployment = serde_json::from_value(leaving).unwrap();
    play.context.cache.put(object);
    let told = play.look().await;
    assert_eq!(said(&told).1, Reason::ReleasesInvalid);
    assert_eq!(told.again, Some(FIRST_RETRY));
}

#[tokio::test]
async fn a_merge_is_applied_whatever_becomes_of_the_versions() {
    let play = Play::new();
    commit(&play.stage, &files(0..1, 1));
    play.look().await;
    let head = commit(&play.stage, &files(0..1, 2));
    // The branch came, and the tags did not.
    let Fetch { branch, .. } = play.fetched();
    let away = (
        Reason::RepositoryUnreachable,
        "the tags of `ml` did not come".to_owned(),
    );
    let unfetched = Unfetched {
        branch: branch.map(Box::new),
        ..away.into()
    };
    let failed = Fetch::failed(&play.repository(), unfetched, None);
    let told = play.look_at(&failed).await;
    assert_eq!(said(&told).0, State::True);
    let status = play.table.lock().status();
    let ready = condition::find(&status.conditions, Type::Ready).unwrap();
    assert_eq!(
        (&*ready.status, &*ready.reason),
        ("False", "RepositoryUnreachable")
    );
    assert_eq!(status.synced, Some(head.to_string()));
    assert_eq!(status.head, Some(head.to_string()));
    assert_eq!(play.applied(), Some(format!("{}, tip", head.short())));

    // They take long: that it was away stands until they are there.
    commit(&play.stage, &files(0..1, 3));
    let mut part = play.fetched();
    part.filling = Some(play.stage.mirror.clone());
    assert_eq!(said(&play.look_at(&part).await).0, State::True);
    let status = play.table.lock().status();
    let ready = condition::find(&status.conditions, Type::Ready).unwrap();
    assert_eq!(ready.reason, "RepositoryUnreachable");

    // The branch is gone.
    let mut gone = play.fetched();
    (gone.head, gone.branch) = (Ok(None), None);
    let told = play.look_at(&gone).await;
    assert_eq!(said(&told).1, Reason::BranchNotFound);
    assert!(play.applied().unwrap().ends_with(", no branch"));
}

#[tokio::test(start_paused = true)]
async fn who_waited_long_for_its_turn_fetches_once_more_and_then_looks() {
    let sync = Sync::new(Arc::new(Queue::new()));
    for is_turn in [false, true, false] {
        let held = sync.turn(&("prod".to_owned(), "slow".to_owned())).await;
        let release = async {
            tokio::time::sleep(LONGEST_WAIT * 2).await;
            drop(held);
        };
        let key = key();
        let (turn, ()) = tokio::join!(sync.turn(&key), release);
        assert_eq!(turn.is_some(), is_turn);
    }
    assert!(
        sync.turn(&key()).await.is_some(),
        "one that did not wait looks"
    );
}
