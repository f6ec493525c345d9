//! What is wrong in files, and what stays because of it.

use super::*;

const SETTINGS: &str = "cutwater.yaml";

#[test]
fn a_file_that_cannot_be_read_removes_nothing_and_is_said_with_its_place() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    let first = stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    let bad = shop("a", 2).replace("percentage: 100", "percentage: many");
    let files: &[(&str, &str)] = &[
        ("releases/a.yaml", &bad),
        ("releases/c.yaml", &shop("c", 1)),
    ];
    stage.commit(files);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        let looked = stage.look().unwrap();
        assert!(looked.deleted.is_empty(), "{looked:?}");
        assert!(
            stage.problems[0].starts_with("releases/a.yaml:4:"),
            "{:?}",
            stage.problems
        );
        assert_eq!(
            (stage.version("a"), stage.has("b"), stage.has("c")),
            ("1".to_owned(), true, true)
        );
        assert_eq!(stage.memory.synced, Some(first.clone()));
    }
    // A person's word for the commit does not make up for what cannot be read.
    stage.word = Some(stage.mirror_head().unwrap().to_string());
    let looked = stage.look().unwrap();
    assert!(looked.deleted.is_empty(), "{looked:?}");
    let head = stage.commit(&[
        ("releases/a.yaml", &shop("a", 2)),
        ("releases/c.yaml", &shop("c", 1)),
    ]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &["b"]));
    assert_eq!(stage.memory.synced, Some(head));
}

#[test]
fn an_object_that_names_another_namespace_among_others_of_its_file_stays() {
    let mut stage = Stage::new();
    let file = |a: &str, b: &str| format!("{a}---\n{b}");
    let good = file(&shop("a", 1), &shop("b", 1));
    stage.commit(&[("releases/all.yaml", &good)]);
    stage.look().unwrap();
    let stray = shop("a", 2).replace("{name: a}", "{name: a, namespace: stage}");
    let named = shop("b", 2).replace("{name: b}", "{name: b, namespace: prod}");
    stage.commit(&[("releases/all.yaml", &file(&stray, &named))]);
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        let looked = stage.look().unwrap();
        assert!(looked.deleted.is_empty(), "{looked:?}");
        assert_eq!(
            (stage.version("a"), stage.version("b")),
            ("1".to_owned(), "2".to_owned())
        );
        let said = &stage.problems[0];
        assert!(
            said.starts_with(
                "releases/all.yaml:1:1: metadata.namespace: cwd/a names namespace `stage`"
            ),
            "{said}"
        );
    }
    // Memory and status are lost: the object is there, and nobody deleted it.
    stage.status = RepositoryStatus::default();
    stage.restart();
    assert!(stage.look().unwrap().deleted.is_empty());
}

#[test]
fn a_commit_that_cannot_be_read_changes_nothing_of_what_is_remembered() {
    let mut stage = Stage::new();
    let a = shop("a", 1);
    stage.commit(&[("releases/a.yaml", &a)]);
    stage.look().unwrap();
    let before = stage.memory.clone();
    stage.commit(&[("releases/a.yaml", &shop("a", 2)), (SETTINGS, "apps: [")]);
    for word in [None, stage.mirror_head().map(|head| head.to_string())] {
        stage.word = word;
        let Err(Stands::Unreadable(said)) = stage.look() else {
            panic!("it cannot be read");
        };
        assert!(said[0].contains(SETTINGS), "{said:?}");
        assert_eq!(stage.memory.counted, before.counted);
        assert_eq!(stage.memory.released, before.released);
        assert_eq!(stage.memory.followed.tip.commit, before.followed.tip.commit);
    }
    stage.commit(&[("releases/a.yaml", &shop("a", 3))]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
}

#[test]
fn annotations_of_this_program_in_a_file_are_left_out_and_said() {
    let mut stage = Stage::new();
    let marks = "{name: a, annotations: {cutwater.dev/commit: one, cutwater.dev/applied: two, cutwater.dev/file: three, cutwater.dev/synced-by: four, cutwater.dev/sync: paused, team: shop}}";
    let a = shop("a", 1).replace("{name: a}", marks);
    let head = stage.commit(&[("releases/a.yaml", &a)]);
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    let live = stage.live("a");
    assert_eq!((live.commit(), live.synced_by()), (Some(head), Some(UID)));
    assert!(!live.is_paused());
    assert_eq!(live.annotations["team"], "shop");
    assert_eq!(stage.look().unwrap(), did(&[], &[]), "no drift for ever");
    let said = stage.problems.join("\n");
    assert!(
        said.starts_with("releases/a.yaml:1:1: cutwater.dev/applied, cutwater.dev/commit"),
        "{said}"
    );
}

#[test]
fn objects_of_others_are_left_aside_with_a_word() {
    let mut stage = Stage::new();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let files: &[(&str, &str)] = &[
        ("releases/a.yaml", &shop("a", 1)),
        ("releases/map.yaml", map),
    ];
    stage.commit(files);
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    let said = &stage.problems[0];
    assert!(
        said.starts_with("releases/map.yaml:1: `ConfigMap` of `v1`")
            && said.ends_with("is left aside"),
        "{said}"
    );
}
