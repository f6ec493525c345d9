//! What a person's word does once, and what is held until it is said: also where address, branch or path change.

use super::*;

impl Stage {
    /// The spec of the Repository is another one now.
    fn becomes(&mut self, of: Of, is_restarted: bool) {
        let before = (!is_restarted).then(|| self.memory.clone());
        self.memory = Memory::after(before, of, Some(&self.status));
    }
}

fn elsewhere() -> Of {
    Of {
        url: "https://git.example/moved".to_owned(),
        ..of(UID, PATH)
    }
}

#[test]
fn a_word_that_stands_releases_nothing_of_another_path() {
    for is_restarted in [false, true] {
        let mut stage = Stage::new();
        let head = stage.commit(&[("releases/a.yaml", &shop("a", 1))]);
        stage.word = Some(head.to_string());
        assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
        // Also where nothing was synced in between.
        for path in ["", "typo"] {
            stage.becomes(of(UID, path), is_restarted);
            stage.status.sync = told::nothing(&stage.memory);
            assert!(stage.status.sync.is_some());
        }
        for restarts in [false, false, true, true] {
            if restarts {
                stage.restart();
            }
            let looked = stage.look().unwrap();
            assert!(looked.deleted.is_empty() && stage.has("a"), "{looked:?}");
        }
        // Taken off and said again, it is.
        stage.word = None;
        stage.look().unwrap();
        stage.word = Some(head.to_string());
        assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
    }
}

#[test]
fn what_was_held_for_an_emptied_file_or_folder_is_held_at_another_address_too() {
    let (a, b) = (shop("a", 1), shop("b", 1));
    let both: &[(&str, &str)] = &[("releases/a.yaml", &a), ("releases/b.yaml", &b)];
    let emptied: &[(&str, &str)] = &[("releases/a.yaml", ""), ("releases/b.yaml", &b)];
    let none: &[(&str, &str)] = &[("README.md", "gone")];
    let one: &[(&str, &str)] = &[("releases/b.yaml", &b)];
    for slips in [&[emptied][..], &[none, one][..]] {
        for is_restarted in [false, true] {
            let mut stage = Stage::new();
            stage.commit(both);
            stage.look().unwrap();
            for files in slips {
                stage.commit(files);
                assert_eq!(stage.look().unwrap().deleted, [""; 0]);
            }
            stage.becomes(elsewhere(), is_restarted);
            for (restarts, version) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
                if restarts {
                    stage.restart();
                }
                stage.commit(&[("releases/b.yaml", &shop("b", version))]);
                let looked = stage.look().unwrap();
                assert!(looked.deleted.is_empty() && stage.has("a"), "{looked:?}");
                assert!(stage.problems[0].contains("is not known"), "{looked:?}");
                assert_eq!(looked.held, [("cwd/a".to_owned(), Why::Recalled)]);
            }
            // It is in git again, and somebody deletes it; what was in git at once goes as ever.
            stage.commit(both);
            stage.look().unwrap();
            stage.commit(&[("releases/b.yaml", &b)]);
            assert_eq!(stage.look().unwrap().deleted, ["cwd/a"]);
            stage.commit(&[("releases/c.yaml", &shop("c", 1))]);
            assert_eq!(stage.look().unwrap(), did(&["c"], &["b"]));
        }
    }
}

#[test]
fn what_the_first_commit_of_another_address_does_not_have_goes_by_a_persons_word() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    stage.becomes(elsewhere(), true);
    let head = stage.commit(&[("releases/b.yaml", &b)]);
    assert_eq!(stage.look().unwrap().deleted, [""; 0]);
    assert_eq!(stage.memory.synced, None);
    stage.word = Some(head.to_string());
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
    assert_eq!(stage.memory.synced, Some(head));
}

#[test]
fn what_is_held_as_missing_and_deleted_by_a_person_is_not_made_again() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    stage.commit(&[("README.md", "gone")]);
    assert_eq!(stage.look().unwrap(), did(&[], &[]));
    stage.cluster.objects.remove(&owner("b"));
    for restarts in [false, true] {
        if restarts {
            stage.restart();
        }
        let looked = stage.look().unwrap();
        assert!(looked.applied.is_empty(), "{looked:?}");
    }
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    assert_eq!(stage.look().unwrap(), did(&["b"], &[]));
}

#[test]
fn what_a_repository_that_is_gone_left_is_named_and_goes_by_a_persons_word() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    let files: &[(&str, &str)] = &[
        ("releases/a.yaml", &a),
        ("releases/b.yaml", &b),
        ("old/c.yaml", &shop("c", 1)),
    ];
    stage.memory = Memory::kept(of(UID, "old"), None);
    stage.commit(files);
    stage.look().unwrap();
    stage.memory = Memory::kept(of(UID, PATH), None);
    assert_eq!(stage.look().unwrap().applied, ["cwd/a", "cwd/b"]);
    stage.memory = Memory::kept(of("uid-2", PATH), None);
    let head = stage.commit(&[("releases/a.yaml", &shop("a", 2))]);
    // It is there still, and syncs nothing: what it left is nobody's.
    stage.cluster.repositories.insert(UID.to_owned());
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    stage.cluster.repositories.clear();
    let looked = stage.look().unwrap();
    let orphan = |name: &str, is_below| (format!("cwd/{name}"), Why::Orphan { is_below });
    assert_eq!(looked.held, [orphan("b", true), orphan("c", false)]);
    assert_eq!(
        stage.memory.synced,
        Some(head.clone()),
        "that is no fault of the commit"
    );
    stage.word = Some(head.to_string());
    let looked = stage.look().unwrap();
    assert_eq!(looked.deleted, ["cwd/b"], "the other was at another path");
    assert_eq!(looked.held, [orphan("c", false)]);
}
