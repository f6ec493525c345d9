//! Objects that somebody changes, with a cache, and what the commit of a Repository has.

use serde_json::{Value, json};

use super::super::Sync;
use super::super::decide::{Settled, tests::release};
use super::*;
use crate::api::{Deployment, Repository, annotation};
use crate::branch::{Commit, Known, Tip};
use crate::following::Followed;
use crate::settings::Settings;
use crate::words::CommitId;

const UID: &str = "uid-1";

fn commit() -> CommitId {
    CommitId::from_bytes(&[1; 20])
}

fn repository(suspend: bool) -> Repository {
    serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository",
        "metadata": {"name": "main", "namespace": "prod", "uid": UID},
        "spec": {"url": "https://git.example/shop", "releases": "releases", "suspend": suspend},
    }))
    .unwrap()
}

struct Stage {
    sync: Sync,
    cache: Cache,
    /// The object `a0` as sync wrote it.
    written: Value,
    version: u32,
}

impl Stage {
    fn new() -> Self {
        let (head, release) = (commit(), release(0, 1, true));
        let (tip, _) = Tip::default().next(Commit {
            id: &head,
            settings: Settings::default(),
            releases: std::slice::from_ref(&release),
            unreadable: Vec::new(),
            bare: &[],
            empty: None,
            follows: &|_| true,
            known: &Known::new(),
            lost: &[],
            namespace: Some("prod"),
            may_stay: None,
        });
        let memory = Memory {
            of: Of::new(&repository(false)),
            followed: Followed {
                tip: Arc::new(tip),
                ..Followed::default()
            },
            settled: Settled::new(),
            ..Memory::default()
        };
        let sync = Sync::new(Arc::new(Queue::new()));
        sync.memories.lock().insert(key(), memory);
        let mut written = Desired::of(&release, &head).body("prod", UID, None);
        written["metadata"]["uid"] = json!("object");
        let stage = Self {
            sync,
            cache: Cache::default(),
            written,
            version: 1,
        };
        stage.is(repository(false));
        stage
    }

    fn is(&self, repository: Repository) {
        (self.cache.lock().repositories).insert(key(), Arc::new(repository));
    }

    /// The object is so, and whether it has to be written.
    fn is_otherwise(&mut self, change: impl FnOnce(&mut Value)) -> bool {
        let mut object = self.written.clone();
        change(&mut object);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object: Deployment = serde_json::from_value(object).unwrap();
        self.cache.put(object);
        self.has_to_write()
    }

    fn has_to_write(&self) -> bool {
        let found = self.sync.otherwise(&self.cache, "prod", &owner());
        assert!(found.iter().all(|it| *it == key()));
        !found.is_empty()
    }
}

fn key() -> ObjectKey {
    ("prod".to_owned(), "main".to_owned())
}

fn owner() -> Owner {
    Owner::try_from("cwd/a0".to_owned()).unwrap()
}

#[test]
fn what_a_commit_has_otherwise_is_put_back_at_once() {
    let mut stage = Stage::new();
    assert!(stage.has_to_write(), "it was removed");
    assert!(!stage.is_otherwise(|_| {}));
    let annotation = |key: &'static str, value: Value| {
        move |object: &mut Value| object["metadata"]["annotations"][key] = value
    };
    assert!(stage.is_otherwise(|it| it["spec"]["message"] = json!("by hand")));
    assert!(stage.is_otherwise(|it| it["metadata"]["labels"] = json!({})));
    assert!(stage.is_otherwise(|it| it["metadata"]["annotations"] = json!({})));
    assert!(stage.is_otherwise(annotation(annotation::APPLIED, json!("other"))));
    // What means nothing is no difference, and neither is what other tools note.
    assert!(!stage.is_otherwise(|it| it["spec"]["replicas"] = json!(3)));
    assert!(!stage.is_otherwise(annotation("example.com/seen", json!("yes"))));
    // A look that writes a newer commit has not ended.
    let newer = CommitId::from_bytes(&[2; 20]);
    assert!(!stage.is_otherwise(|it| {
        annotation(annotation::APPLIED, json!("other"))(it);
        annotation(annotation::COMMIT, json!(newer.to_string()))(it);
    }));
    // It is as a person or another Repository wishes, or goes.
    assert!(!stage.is_otherwise(|it| {
        annotation(annotation::SYNC, json!(annotation::PAUSED))(it);
        it["spec"]["message"] = json!("by hand");
    }));
    assert!(!stage.is_otherwise(annotation(annotation::SYNCED_BY, json!("uid-2"))));
    assert!(!stage.is_otherwise(|it| {
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }));
    // Nobody syncs a suspended one.
    assert!(stage.is_otherwise(|it| it["spec"]["message"] = json!("by hand")));
    stage.is(repository(true));
    assert!(!stage.has_to_write());
}

#[test]
fn two_tools_that_fight_over_an_object_slow_down_and_one_that_was_let_alone_is_put_back_at_once() {
    let secs = Duration::from_secs;
    let mut fights = Fights::default();
    let place = ("prod".to_owned(), owner());
    let begin = Instant::now();
    let (mut now, mut waits) = (begin, Vec::new());
    for _ in 0..12 {
        let due = fights.begin(&place, now).err().unwrap_or(now);
        waits.push((due - now).as_secs());
        assert!(due == now || fights.begin(&place, due).is_ok());
        now = due;
    }
    assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let other = ("test".to_owned(), owner());
    assert!(fights.begin(&other, now).is_ok(), "each by itself");
    now += AGAIN.longest + QUIET;
    assert!(fights.begin(&place, now).is_ok());
    assert_eq!(fights.objects.len(), 1, "the other one is forgotten");
    assert_eq!(fights.begin(&place, now), Err(now + secs(1)));
}
