//! Branches that do not go on from where they were, and what is remembered of them.

use super::*;

#[test]
fn a_branch_that_was_rewritten_or_went_back_changes_nothing() {
    let mut stage = Stage::new();
    let (one, two, three) = (shop("a", 1), shop("a", 2), shop("a", 3));
    let first = stage.commit(&[("releases/a.yaml", &one)]);
    let second = stage.commit(&[("releases/a.yaml", &two)]);
    stage.look().unwrap();
    stage.go_to(&first);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        assert_eq!(stage.look(), Err(Stands::WentBack(second.clone())));
    }
    let other = stage.commit_on(Some(&first), &[("releases/a.yaml", &three)]);
    assert_eq!(stage.look(), Err(Stands::Rewritten(second.clone())));
    assert_eq!(stage.version("a"), "2");
    // A person says so: once.
    stage.word = Some(other.to_string());
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    assert_eq!(stage.version("a"), "3");
    let fourth = stage.commit_on(Some(&other), &[("releases/a.yaml", &shop("a", 4))]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    stage.go_to(&other);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        assert_eq!(
            stage.look(),
            Err(Stands::WentBack(fourth.clone())),
            "the annotation stands"
        );
    }
    // Said again, it counts again.
    stage.word = None;
    stage.look().unwrap_err();
    stage.word = Some(other.as_str()[..12].to_owned());
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    assert_eq!(stage.version("a"), "3");
}

#[test]
fn a_copy_that_lacks_the_commit_that_counts_says_nothing_about_history() {
    let mut stage = Stage::new();
    let first = stage.commit(&[("releases/a.yaml", &shop("a", 1))]);
    let second = stage.commit(&[("releases/a.yaml", &shop("a", 2))]);
    stage.look().unwrap();
    stage.go_to(&first);
    // A mirror that is made anew asks for the branch alone.
    stage.lose_mirror("fresh.git");
    stage.restart();
    assert_eq!(stage.look(), Err(Stands::Unknown(second)));
    assert_eq!(stage.version("a"), "2");
}

#[test]
fn a_controller_that_was_killed_between_two_writes_never_goes_back() {
    let mut stage = Stage::new();
    let files = |version: u32| [shop("a", version), shop("b", version)];
    let [a, b] = files(1);
    let first = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    let [a, b] = files(2);
    let second = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    assert_eq!(stage.look_until(1).unwrap(), did(&["a", "b"], &[]));
    stage.restart();
    assert_eq!(
        stage.memory.synced,
        Some(first.clone()),
        "that one was whole"
    );
    // A copy that lags behind.
    stage.go_to(&first);
    assert_eq!(stage.look(), Err(Stands::WentBack(second.clone())));
    // Also where the status is lost.
    stage.status = RepositoryStatus::default();
    stage.restart();
    let looked = stage.look().unwrap();
    assert_eq!(
        looked.held,
        [("cwd/a".to_owned(), Why::Newer(second.clone()))]
    );
    assert_eq!(stage.version("a"), "2");
    stage.go_to(&second);
    assert_eq!(stage.look().unwrap(), did(&["b"], &[]));
    assert_eq!(stage.version("b"), "2");
}

#[test]
fn what_is_remembered_is_of_this_repository_and_path_alone() {
    let mut stage = Stage::new();
    stage.commit(&[
        ("releases/a.yaml", &shop("a", 1)),
        ("other/b.yaml", &shop("b", 1)),
    ]);
    stage.look().unwrap();
    let status = stage.status.clone();
    for other in [of("uid-2", PATH), of(UID, "other")] {
        let memory = Memory::kept(other, Some(&status));
        assert!(memory.counted.is_empty() && memory.synced.is_none());
    }
    // Another path: nobody deleted what stood at the one before.
    stage.memory = Memory::kept(of(UID, "other"), Some(&status));
    stage.commit(&[
        ("releases/a.yaml", &shop("a", 1)),
        ("other/b.yaml", &shop("b", 2)),
    ]);
    let looked = stage.look().unwrap();
    assert_eq!(looked.applied, ["cwd/b"]);
    let file = "releases/a.yaml".to_owned();
    assert_eq!(looked.held, [("cwd/a".to_owned(), Why::Elsewhere(file))]);
    // Another branch, which does not follow: what is there is not overwritten.
    stage.memory = Memory::kept(
        Of {
            branch: "main".to_owned(),
            ..of(UID, PATH)
        },
        None,
    );
    stage.commit_on(None, &[("releases/a.yaml", &shop("a", 9))]);
    let looked = stage.look().unwrap();
    assert!(looked.applied.is_empty(), "{looked:?}");
    assert!(matches!(looked.held[0].1, Why::Rewritten(_)), "{looked:?}");
    assert_eq!(stage.memory.synced, None);
}

/// The path is empty and a person has said so, but the controller is killed before it removes anything.
#[test]
fn a_persons_word_is_carried_out_after_a_restart_too() {
    let mut stage = Stage::new();
    let a = shop("a", 1);
    stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    let head = stage.commit(&[("README.md", "gone")]);
    stage.look().unwrap();
    stage.word = Some(head.to_string());
    let before = stage.cluster.clone();
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
    stage.cluster = before;
    stage.status.synced = None;
    stage.restart();
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
    assert_eq!(stage.memory.synced, Some(head));
}

#[test]
fn a_commit_that_a_person_went_over_stands_against_no_later_one() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    let first = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    let a = shop("a", 2);
    let both: &[(&str, &str)] = &[("releases/a.yaml", &a), ("releases/b.yaml", &b)];
    stage.commit(both);
    stage.look().unwrap();
    // The same in other words.
    let other = [both, &[("README.md", "x")]].concat();
    let other = stage.commit_on(Some(&first), &other);
    stage.word = Some(other.to_string());
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]), "b is of the first");
    assert_eq!(stage.look().unwrap(), did(&[], &[]));
    stage.word = None;
    stage.commit(&[("releases/a.yaml", &shop("a", 3)), ("releases/b.yaml", &b)]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    stage.commit(&[("releases/b.yaml", &b)]);
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
}

#[test]
fn what_moved_with_its_path_goes_where_a_commit_deletes_it_there() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    stage.commit(&[("live/a.yaml", &a), ("live/b.yaml", &b)]);
    stage.memory = Memory::kept(of(UID, "live"), Some(&stage.status));
    assert_eq!(stage.look().unwrap(), did(&["a", "b"], &[]));
    assert_eq!(stage.look().unwrap(), did(&[], &[]));
    stage.commit(&[("live/a.yaml", &a)]);
    assert_eq!(stage.look().unwrap(), did(&[], &["b"]));
}

#[test]
fn a_commit_that_changes_all_objects_walks_its_history_a_few_times_alone() {
    const OBJECTS: usize = 12;
    let mut stage = Stage::new();
    let name = |number: usize| format!("a{number:02}");
    let mut files: Vec<(String, String)> = Vec::new();
    // Each object is as of a commit of its own.
    for number in 0..OBJECTS {
        files.push((
            format!("releases/{}.yaml", name(number)),
            shop(&name(number), 1),
        ));
        let all: Vec<(&str, &str)> = files.iter().map(|it| (&*it.0, &*it.1)).collect();
        stage.commit(&all);
        assert_eq!(stage.look().unwrap().applied.len(), 1);
    }
    // One is as of a commit that is no more, and which is another one than the last that counted.
    let lost = CommitId::from_bytes(&[7; 20]).to_string();
    let annotations = &mut stage.live("a11").annotations;
    annotations.insert(annotation::COMMIT.to_owned(), lost);
    for (_, text) in &mut files {
        *text = text.replace("version: 1", "version: 2");
    }
    let all: Vec<(&str, &str)> = files.iter().map(|it| (&*it.0, &*it.1)).collect();
    stage.commit(&all);
    let looked = stage.look().unwrap();
    assert_eq!(looked.applied.len(), OBJECTS - 1);
    assert!(
        matches!(&looked.held[..], [(it, Why::Unknown(_) | Why::Rewritten(_))] if it == "cwd/a11"),
        "{looked:?}"
    );
}

#[test]
fn a_copy_that_lags_behind_what_was_synced_of_another_address_brings_nothing_back() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    let first = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    let second = stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    // The address of a copy that has not heard of the removal, before and after a restart.
    let copy = Of {
        url: "https://copy.example/shop".to_owned(),
        ..of(UID, PATH)
    };
    stage.go_to(&first);
    stage.memory = Memory::after(Some(stage.memory.clone()), copy.clone(), None);
    for restarts in [false, true] {
        if restarts {
            stage.status.sync = Some(told::status(&stage.memory, SyncStatus::default()));
            stage.restart();
        }
        assert_eq!(stage.look(), Err(Stands::WentBack(second.clone())));
    }
    // One of another history makes nothing that is not there, before a person says so.
    let files: &[(&str, &str)] = &[
        ("releases/a.yaml", &a),
        ("releases/b.yaml", &b),
        ("README.md", "x"),
    ];
    let other = stage.commit_on(None, files);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        let looked = stage.look().unwrap();
        assert_eq!(looked.applied, [""; 0], "{looked:?}");
        let absent = ("cwd/b".to_owned(), Why::Absent(second.clone()));
        assert!(looked.held.contains(&absent), "{looked:?}");
    }
    stage.word = Some(other.to_string());
    assert!(stage.look().unwrap().applied.contains(&"cwd/b".to_owned()));
    assert_eq!(stage.memory.before, None);
}
