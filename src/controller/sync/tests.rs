//! Stories of commits, one look after the other, with a real repository and a cluster that is a table.

use std::collections::BTreeSet;
use std::path::Path;

use super::carry_out::{AT_ONCE, each};
use super::decide::{Apply, Why};
use super::judged::{Counts, Stands};
use super::live::Live;
use super::told::Done;
use super::*;
use crate::api::RepositoryStatus;
use crate::git::RemoteUrl;
use crate::plan::Owner;

mod history;
mod looks;
mod moves;
mod slips;
mod words_once;

const PATH: &str = "releases";
const UID: &str = "uid-1";

/// A Deployment that is called as its app, of which a version serves.
pub(super) fn shop(name: &str, version: u32) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{app: {name}, repository: main, versions: [{{version: {version}, percentage: 100}}]}}\n"
    )
}

fn owner(name: &str) -> Owner {
    Owner::try_from(format!("cwd/{name}")).unwrap()
}

/// What a look did.
#[derive(Debug, PartialEq, Eq)]
struct Did {
    applied: Vec<String>,
    deleted: Vec<String>,
    held: Vec<(String, Why)>,
}

struct Stage {
    dir: tempfile::TempDir,
    mirror: Mirror,
    memory: Memory,
    /// As the API server has it.
    status: RepositoryStatus,
    cluster: Cluster,
    word: Option<String>,
    problems: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(dir.path().join("remote")).unwrap();
        let mirror = open(&dir.path().join("remote"), &dir.path().join("mirror.git"));
        Self {
            dir,
            mirror,
            memory: Memory::kept(of(UID, PATH), None),
            status: RepositoryStatus::default(),
            cluster: Cluster::default(),
            word: None,
            problems: Vec::new(),
        }
    }

    /// Moves the branch to a new commit with these files, on top of another one.
    fn commit_on(&self, before: Option<&CommitId>, files: &[(&str, &str)]) -> CommitId {
        let repo = git2::Repository::open_bare(self.dir.path().join("remote")).unwrap();
        let mut index = git2::Index::new().unwrap();
        for (path, text) in files {
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: 0o100_644,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: repo.blob(text.as_bytes()).unwrap(),
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry).unwrap();
        }
        let tree = repo.find_tree(index.write_tree_to(&repo).unwrap()).unwrap();
        let who = git2::Signature::now("a", "a@example.com").unwrap();
        let parent = before.map(|id| {
            let id = git2::Oid::from_str(id.as_str()).unwrap();
            repo.find_commit(id).unwrap()
        });
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let message = format!("{files:?} on {before:?}");
        let id = repo.commit(None, &who, &who, &message, &tree, &parents);
        let id = CommitId::from(id.unwrap());
        self.go_to(&id);
        id
    }

    /// Moves the branch.
    fn go_to(&self, commit: &CommitId) {
        let repo = git2::Repository::open_bare(self.dir.path().join("remote")).unwrap();
        let id = git2::Oid::from_str(commit.as_str()).unwrap();
        repo.reference("refs/heads/main", id, true, "moved")
            .unwrap();
    }

    fn commit(&self, files: &[(&str, &str)]) -> CommitId {
        let head = self.mirror_head();
        self.commit_on(head.as_ref(), files)
    }

    fn mirror_head(&self) -> Option<CommitId> {
        let repo = git2::Repository::open_bare(self.dir.path().join("remote")).unwrap();
        repo.refname_to_id("refs/heads/main")
            .ok()
            .map(CommitId::from)
    }

    /// The controller starts again: what it knows is in the status.
    fn restart(&mut self) {
        self.memory = Memory::kept(self.memory.of.clone(), Some(&self.status));
    }

    /// Its disk is lost too, and the copy at the remote has no more than the branch.
    fn lose_mirror(&mut self, name: &str) {
        self.mirror = open(&self.dir.path().join("remote"), &self.dir.path().join(name));
    }

    fn judge(&mut self) -> (CommitId, Result<Counts, Stands>) {
        let timeout = Duration::from_secs(20);
        let fetched = self.mirror.fetch("main", &BTreeSet::new(), timeout);
        let head = fetched.unwrap().head.unwrap();
        self.memory.hear(self.word.as_deref());
        let case = Case {
            memory: self.memory.clone(),
            mirror: self.mirror.clone(),
            namespace: "prod".to_owned(),
            head: head.clone(),
            word: self.word.clone(),
            cluster: self.cluster.clone(),
        };
        (head, case.judge())
    }

    fn look(&mut self) -> Result<Did, Stands> {
        self.look_until(usize::MAX)
    }

    /// A look that is cut off after so many writes.
    fn look_until(&mut self, writes: usize) -> Result<Did, Stands> {
        let (head, judged) = self.judge();
        let counts = judged?;
        let decision = &counts.decision;
        let name = |owner: &Owner| owner.to_string();
        let did = Did {
            applied: decision
                .applies
                .iter()
                .map(|it| name(&it.desired.owner))
                .collect(),
            deleted: decision.deletes.iter().map(|it| name(&it.owner)).collect(),
            held: (decision.held.iter())
                .map(|(owner, why)| (name(owner), why.clone()))
                .collect(),
        };
        self.problems = counts.memory.problems.iter().map(words::problem).collect();
        self.problems.extend(counts.notes.iter().cloned());
        // Before anything is written.
        self.status.sync = Some(told::status(&counts.memory, SyncStatus::default()));
        self.memory = counts.memory.clone();
        for apply in decision.applies.iter().take(writes) {
            self.write(apply);
        }
        if writes < decision.applies.len() {
            return Ok(did);
        }
        for delete in &decision.deletes {
            self.cluster.objects.remove(&delete.owner);
        }
        let done = Done::new(&counts, &head, "main");
        if done.lack().is_none() {
            self.memory.synced = Some(head);
        }
        self.status.synced = self.memory.synced.as_ref().map(ToString::to_string);
        Ok(did)
    }

    fn write(&mut self, apply: &Apply) {
        let desired = &apply.desired;
        let body = desired.body("prod", &self.memory.of.uid, apply.live.as_ref());
        let live = self
            .cluster
            .objects
            .entry(desired.owner.clone())
            .or_default();
        let metadata = &body["metadata"];
        // What was decided on is what is written.
        assert_eq!(metadata["uid"].as_str(), live.uid.as_deref());
        assert_eq!(
            metadata["resourceVersion"].as_str(),
            live.resource_version.as_deref()
        );
        let map = |key: &str| -> BTreeMap<String, String> {
            serde_json::from_value(metadata[key].clone()).unwrap()
        };
        live.annotations.extend(map("annotations"));
        live.labels.extend(map("labels"));
        live.spec = Some(body["spec"].clone());
        let app = desired.app().parse().unwrap();
        live.of = Some((app, "main".to_owned()));
        live.uid.get_or_insert_with(|| desired.owner.to_string());
        let generation = live.generation.unwrap_or(0) + 1;
        (live.generation, live.resource_version) = (Some(generation), Some(generation.to_string()));
    }

    fn live(&mut self, name: &str) -> &mut Live {
        self.cluster.objects.get_mut(&owner(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.cluster.objects.contains_key(&owner(name))
    }

    /// The version that an object names.
    fn version(&mut self, name: &str) -> String {
        let spec = self.live(name).spec.clone().unwrap();
        spec["versions"][0]["version"].to_string()
    }
}

fn open(remote: &Path, dir: &Path) -> Mirror {
    let url = RemoteUrl::parse(&remote.display().to_string(), true).unwrap();
    Mirror::open(dir, &url, None).unwrap()
}

fn of(uid: &str, path: &str) -> Of {
    Of {
        uid: uid.to_owned(),
        url: "https://git.example/shop".to_owned(),
        branch: "main".to_owned(),
        path: path.to_owned(),
    }
}

fn did(applied: &[&str], deleted: &[&str]) -> Did {
    let text = |names: &[&str]| names.iter().map(|name| format!("cwd/{name}")).collect();
    Did {
        applied: text(applied),
        deleted: text(deleted),
        held: Vec::new(),
    }
}

#[test]
fn a_commit_is_applied_and_what_the_next_one_deletes_goes() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    assert_eq!(stage.look().unwrap(), did(&["a", "b"], &[]));
    assert_eq!(
        stage.look().unwrap(),
        did(&[], &[]),
        "nothing is written twice"
    );
    let a = shop("a", 2);
    let second = stage.commit(&[("releases/a.yaml", &a)]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &["b"]));
    assert_eq!(stage.memory.synced, Some(second));
    stage.restart();
    assert_eq!(stage.look().unwrap(), did(&[], &[]));
}

#[test]
fn an_empty_or_absent_path_removes_nothing_before_a_person_says_so() {
    let mut stage = Stage::new();
    let a = shop("a", 1);
    let first = stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    for restarts in [false, true, true] {
        let head = stage.commit(&[("README.md", "gone")]);
        if restarts {
            stage.restart();
        }
        assert_eq!(stage.look().unwrap(), did(&[], &[]));
        assert_eq!(stage.memory.synced, Some(first.clone()));
        assert!(
            stage.problems[0].contains("`releases` is absent or empty"),
            "{:?}",
            stage.problems
        );
        // The name of another commit releases nothing.
        stage.word = Some(first.to_string());
        assert_eq!(stage.look().unwrap(), did(&[], &[]));
        assert_ne!(stage.memory.released, Some(head));
    }
    // The status is lost: what stands in the cluster is known.
    stage.status = RepositoryStatus::default();
    stage.restart();
    let looked = stage.look().unwrap();
    assert!(looked.deleted.is_empty() && stage.has("a"), "{looked:?}");
    let head = stage.mirror_head().unwrap();
    stage.word = Some(head.to_string());
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
    assert_eq!(stage.memory.synced, Some(head));
}

#[test]
fn two_repositories_never_fight_over_an_object() {
    let mut stage = Stage::new();
    let first = stage.commit(&[("releases/a.yaml", &shop("a", 1))]);
    stage.look().unwrap();
    let files: &[(&str, &str)] = &[("releases/a.yaml", &shop("a", 2))];
    stage.commit(files);
    stage.memory = Memory::kept(of("uid-2", PATH), None);
    stage.cluster.others = [(UID.to_owned(), "first".to_owned())].into();
    let held = ("cwd/a".to_owned(), Why::Taken(Some("first".to_owned())));
    assert_eq!(stage.look().unwrap().held, [held]);
    assert_eq!(stage.memory.synced, None);
    // The first one is gone: what it left is taken over, and never taken away.
    stage.cluster.others.clear();
    stage.cluster.unread_others = true;
    assert_eq!(stage.look().unwrap().held.len(), 1);
    stage.cluster.unread_others = false;
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    assert_ne!(stage.live("a").commit(), Some(first));
}

#[test]
fn what_is_changed_by_hand_is_put_back_and_what_is_paused_is_left() {
    let mut stage = Stage::new();
    let a = shop("a", 1);
    stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    let change = |live: &mut Live| {
        let spec = live.spec.as_mut().unwrap();
        spec["message"] = serde_json::json!("by hand");
        spec["replicas"] = serde_json::json!(3);
    };
    change(stage.live("a"));
    let (_, judged) = stage.judge();
    let apply = &judged.unwrap().decision.applies[0];
    assert_eq!(
        apply.drift,
        ["spec.message"],
        "what is ignored is no difference"
    );
    let patch = apply
        .desired
        .takes_out(apply.live.as_ref().unwrap().spec.as_ref().unwrap());
    assert!(patch.as_ref().unwrap()["message"].is_null());
    assert!(patch.unwrap().get("replicas").is_none());
    let paused = (annotation::SYNC.to_owned(), annotation::PAUSED.to_owned());
    stage.live("a").annotations.extend([paused]);
    let held = [("cwd/a".to_owned(), Why::Paused)];
    assert_eq!(stage.look().unwrap().held, held);
    let second = stage.commit(&[("releases/b.yaml", &shop("b", 1))]);
    let looked = stage.look().unwrap();
    assert_eq!((&looked.held[..], looked.applied.len()), (&held[..], 1));
    assert_eq!(stage.memory.synced, Some(second), "a person wishes it so");
    stage.live("a").annotations.remove(annotation::SYNC);
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
}

#[test]
fn an_object_that_cannot_be_read_is_there_and_one_that_is_deleted_is_waited_for() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    stage.live("a").spec = None;
    stage.live("b").leaving = true;
    let looked = stage.look().unwrap();
    assert_eq!(looked.applied, ["cwd/a"], "it is written as it is wanted");
    assert_eq!(looked.held, [("cwd/b".to_owned(), Why::Leaving)]);
    stage.live("a").spec = None;
    stage.cluster.failing = Some("Alias cannot be watched".to_owned());
    stage.commit(&[("releases/b.yaml", &b)]);
    let looked = stage.look().unwrap();
    assert!(matches!(looked.held[1].1, Why::Old(_)), "{looked:?}");
    stage.cluster.failing = None;
    // Never read by this program, it may have been held.
    let of = stage.live("a").of.take();
    let looked = stage.look().unwrap();
    assert_eq!(looked.held[1].1, Why::Obscure);
    stage.live("a").of = of;
    assert_eq!(stage.look().unwrap().deleted, ["cwd/a"]);
}

#[test]
fn what_the_api_server_keeps_otherwise_is_said_and_not_written_for_ever() {
    let mut stage = Stage::new();
    let a = shop("a", 1).replace("{name: a}", "{name: a, labels: {team: shop}}");
    stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    let digest = stage.live("a").digest().unwrap().to_owned();
    // A webhook has changed both.
    let live = stage.live("a");
    live.labels.insert("team".to_owned(), "other".to_owned());
    live.spec.as_mut().unwrap()["message"] = serde_json::json!("checked");
    let answer = live.clone();
    let settled = [(owner("a"), (digest, answer))];
    stage.memory.settled = settled.into();
    let fields = ["spec.message", "metadata.labels[team]"].map(ToOwned::to_owned);
    let held = [("cwd/a".to_owned(), Why::Otherwise(fields.to_vec()))];
    let looked = stage.look().unwrap();
    assert_eq!((looked.applied.len(), &looked.held[..]), (0, &held[..]));
    assert!(words::reason(&held[0].1).is_some());
    // A person changes something else.
    stage.live("a").spec.as_mut().unwrap()["message"] = serde_json::json!("by hand");
    let (_, judged) = stage.judge();
    let decision = judged.unwrap().decision;
    assert_eq!(decision.applies[0].drift, ["spec.message"]);
}

#[test]
fn a_change_by_hand_is_told_also_where_the_next_commit_changes_the_object() {
    let mut stage = Stage::new();
    stage.commit(&[("releases/a.yaml", &shop("a", 1))]);
    stage.look().unwrap();
    stage.live("a").spec.as_mut().unwrap()["message"] = serde_json::json!("by hand");
    stage.commit(&[("releases/a.yaml", &shop("a", 2))]);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        let (_, judged) = stage.judge();
        let decision = judged.unwrap().decision;
        let apply = &decision.applies[0];
        assert_eq!(
            (&*apply.drift, apply.is_new),
            (&["spec.message".to_owned()][..], true)
        );
        let note = words::put_back(&apply.drift, &apply.desired, apply.is_new);
        assert!(note.contains("of the new commit"), "{note}");
    }
    // One that nobody changed is new alone.
    stage.look().unwrap();
    stage.commit(&[("releases/a.yaml", &shop("a", 3))]);
    let (_, judged) = stage.judge();
    assert!(judged.unwrap().decision.applies[0].drift.is_empty());
}

#[test]
fn one_that_somebody_made_for_another_app_holds_its_name_alone() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    let commit = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    let made = Live {
        of: Some(("other".parse().unwrap(), "main".to_owned())),
        spec: Some(serde_json::json!({"app": "other", "repository": "main"})),
        ..Live::default()
    };
    stage.cluster.objects.insert(owner("a"), made);
    let why = Why::OfAnother("other".to_owned(), "main".to_owned());
    assert_eq!(words::reason(&why), Some(Reason::NameTaken));
    let held = [("cwd/a".to_owned(), why)];
    let looked = stage.look().unwrap();
    assert_eq!(
        (&looked.applied[..], &looked.held[..]),
        (&["cwd/b".to_owned()][..], &held[..])
    );
    // Nor does a person's word for the commit change of which app it is.
    stage.word = Some(commit.to_string());
    assert_eq!(stage.look().unwrap().held, held);
}
