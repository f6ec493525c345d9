//! A repository that nobody can trust: the input is a small program that writes objects and refs of any kind, and all that
//! reads versions is run over what it made.
//!
//! Nothing panics or leaves its bounds; what is refused is said with the version; and what resolves is what its tag holds.

#[path = "repository/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cutwater::git::RemoteUrl;
use cutwater::record::VersionRecord;
use cutwater::store::{Entry, FILES_MAX, Mirror, RECORD_MAX, ResolveError, Workspace};
use cutwater::words::{AppName, VersionNumber, VersionWord};
use git2::{ObjectType, Repository};
use tempfile::TempDir;

use program::{APPS, Program};

const REVISIONS: [&str; 5] = ["main", "HEAD", "checkout/v1", "checkout/v1^{tree}", "last"];
/// Longest message about one version.
const MESSAGE_MAX: usize = 64 * 1024;

pub fn check(data: &[u8]) {
    thread_local! {
        static HOME: Home = Home::new();
    }
    HOME.with(|home| {
        home.empty();
        let dir = home.path();
        let url = RemoteUrl::parse(dir.to_str().unwrap(), true).unwrap();
        let mirror = Mirror::open(&dir, &url, None).unwrap();
        let mut program = Program::new(Repository::open_bare(&dir).unwrap(), data);
        program.run();
        read_mirror(&mirror, &program.repo, &program.numbers);
        read_clone(&dir, &mirror);
    });
}

/// A bare repository that is used again and again.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let repo = Repository::init_bare(home.path()).unwrap();
        repo.set_head("refs/heads/main").unwrap();
        // A remote that is a folder: no program is asked how it is reached.
        let path = home.path();
        repo.remote("origin", path.to_str().unwrap()).unwrap();
        repo.config()
            .unwrap()
            .set_i32("core.looseCompression", 0)
            .unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("repository.git")
    }

    /// Nothing of the input before is left.
    fn empty(&self) {
        for part in ["objects", "refs"] {
            let part = self.path().join(part);
            fs::remove_dir_all(&part).unwrap();
            fs::create_dir(&part).unwrap();
        }
    }
}

/// Everything that a controller reads.
fn read_mirror(mirror: &Mirror, repo: &Repository, numbers: &BTreeSet<VersionNumber>) {
    for app in APPS {
        let app: AppName = app.parse().unwrap();
        let history = match mirror.history(&app) {
            Ok(history) => history,
            Err(error) => {
                shown(&app, None, &error);
                continue;
            }
        };
        for version in history.living() {
            assert_eq!(
                history.entries.keys().max().max(Some(&version.number)),
                history.entries.keys().max()
            );
            for label in &version.labels {
                let word = VersionWord::Label(label.clone());
                if let Ok(record) = mirror.resolve(&app, &word) {
                    assert_eq!(
                        (record.number, &record.commit),
                        (version.number, &version.commit)
                    );
                }
            }
            for hex in [version.tree.as_str(), &version.commit.as_str()[..7]] {
                if let Err(error) = mirror.resolve(&app, &VersionWord::Id(hex.to_owned())) {
                    shown(&app, None, &error);
                }
            }
        }
        for problem in &history.problems {
            assert!(problem.name.starts_with("refs/"), "{problem:?}");
            printable(&format!("{} {}", problem.name, problem.problem));
        }
        for (number, entry) in &history.entries {
            let name = format!("refs/tags/{app}/{number}");
            let said = history.problems.iter().any(|problem| problem.name == name);
            assert_eq!(said, matches!(entry, Entry::Foreign(_)), "{name}");
        }
        assert!(history.highest >= history.entries.keys().max().copied());
        for number in numbers {
            let found = mirror.resolve(&app, &VersionWord::Number(*number));
            match (history.entries.get(number), &found) {
                (Some(Entry::Living(version)), Ok(record)) => {
                    assert_eq!(
                        (&version.tree, &version.commit),
                        (&record.tree, &record.commit)
                    );
                    record_holds(mirror, repo, &app, *number, record);
                }
                (
                    Some(Entry::Living(_)),
                    Err(
                        ResolveError::BadApp { .. }
                        | ResolveError::BadSnapshot { .. }
                        | ResolveError::Unreadable { .. },
                    ),
                )
                | (Some(Entry::Deleted(_)), Err(ResolveError::Deleted { .. }))
                | (
                    Some(Entry::Foreign(_)),
                    Err(ResolveError::Foreign { .. } | ResolveError::Unreadable { .. }),
                )
                | (None, Err(ResolveError::UnknownVersion { .. })) => {}
                other => panic!("the list and the version say the same: {other:?}"),
            }
            if let Err(error) = &found {
                shown(&app, Some(*number), error);
            }
            match mirror.labels(&app, *number) {
                Ok(labels) => assert!(labels.is_sorted()),
                Err(error) => shown(&app, Some(*number), &error),
            }
        }
        for word in ["spring", "v1.1", "summer", "g0000000"] {
            if let Err(error) = mirror.resolve(&app, &word.parse().unwrap()) {
                shown(&app, None, &error);
            }
        }
    }
}

/// What resolves is what the tag holds, and stays within its bounds.
fn record_holds(
    mirror: &Mirror,
    repo: &Repository,
    app: &AppName,
    number: VersionNumber,
    record: &VersionRecord,
) {
    assert_eq!((&record.app, record.number), (app, number));
    let tag = repo
        .refname_to_id(&format!("refs/tags/{app}/{number}"))
        .unwrap();
    assert_eq!(record.commit.as_str(), tag.to_string());
    let odb = repo.odb().unwrap();
    let commit = odb.read(tag).unwrap();
    assert_eq!(commit.kind(), ObjectType::Commit);
    assert!(
        commit
            .data()
            .starts_with(format!("tree {}\n", record.tree).as_bytes())
    );
    assert!(
        serde_json::to_vec(record).unwrap().len() <= RECORD_MAX + 64 * 100,
        "labels come on top"
    );
    for function in &record.functions {
        let contents = match mirror.file_contents(record, &function.name) {
            Ok(contents) => contents,
            Err(error) => panic!("what resolves can be read: {error}"),
        };
        let items = record
            .files
            .get(&function.name)
            .map_or(&[][..], |files| &files.items);
        let keys: BTreeSet<&String> = items.iter().map(|item| &item.key).collect();
        assert_eq!(keys, contents.keys().collect());
        assert!(contents.values().map(Vec::len).sum::<usize>() <= FILES_MAX);
        let mut paths = BTreeSet::new();
        for item in items {
            assert!(paths.insert(&item.path), "{} is there twice", item.path);
            let plain = |part: &str| {
                let low = part.to_lowercase();
                !["", ".", "..", ".git", "git~1"].contains(&low.as_str())
            };
            assert!(item.path.split('/').all(plain), "{:?}", item.path);
            assert!(
                !item.path.contains(|c: char| c.is_control() || c == '\\'),
                "{:?}",
                item.path
            );
        }
    }
}

/// Everything that a person's clone reads without its remote.
fn read_clone(dir: &Path, mirror: &Mirror) {
    let clone = match Workspace::open(dir, Some("origin"), true, Duration::from_secs(1)) {
        Ok(clone) => clone,
        Err(error) => {
            // Its own settings may be in the way.
            assert!(printable(&error).contains("cutwater.yaml"), "{error}");
            return;
        }
    };
    for revision in REVISIONS {
        if let Ok(source) = clone.source(Some(revision))
            && let Err(error) = clone.apps(&source)
        {
            printable(&error);
        }
    }
    for app in APPS {
        let Ok(history) = mirror.history(&app.parse().unwrap()) else {
            continue;
        };
        for version in history.living() {
            if let Err(error) = clone.functions(version) {
                printable(&error);
            }
        }
    }
}

/// A refusal says which version of which app, in a text that can be shown anywhere.
fn shown(app: &AppName, number: Option<VersionNumber>, error: &ResolveError) {
    let text = printable(error);
    assert!(text.contains(app.as_str()), "{text}");
    if let Some(number) = number {
        assert!(text.contains(&number.to_string()), "{text}");
    }
}

fn printable(error: &dyn Display) -> String {
    let text = error.to_string();
    assert!(text.len() <= MESSAGE_MAX, "{}", text.len());
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    text
}
