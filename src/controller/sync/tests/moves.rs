//! Objects in whose place others come, and objects that move to another Repository.

use super::*;

const FILE: &str = "releases/shop.yaml";

/// A Deployment of the app `shop`.
fn named(name: &str) -> String {
    shop("shop", 1).replace("{name: shop}", &format!("{{name: {name}}}"))
}

#[test]
fn what_serves_an_app_stays_while_what_takes_its_place_is_not_there() {
    let mut stage = Stage::new();
    stage.commit(&[(FILE, &named("shop"))]);
    stage.look().unwrap();
    let before = stage.live("shop").clone();
    stage.commit(&[(FILE, &named("shop2"))]);
    assert_eq!(stage.look().unwrap(), did(&["shop2"], &["shop"]));
    // It drains, and the other name comes back.
    let leaving = Live {
        leaving: true,
        ..before
    };
    stage.cluster.objects.insert(owner("shop"), leaving);
    let back = stage.commit(&[(FILE, &named("shop"))]);
    let held = [
        ("cwd/shop".to_owned(), Why::Leaving),
        ("cwd/shop2".to_owned(), Why::Before(owner("shop"))),
    ];
    assert_eq!(stage.look().unwrap().held, held);
    stage.word = Some(back.to_string());
    let looked = stage.look().unwrap();
    assert!(
        looked.deleted.is_empty(),
        "nor by a person's word: {looked:?}"
    );
    stage.cluster.objects.remove(&owner("shop"));
    assert_eq!(stage.look().unwrap(), did(&["shop"], &["shop2"]));
}

#[test]
fn what_serves_an_app_stays_while_what_takes_its_place_is_held() {
    let mut stage = Stage::new();
    let other = shop("other", 1);
    stage.commit(&[(FILE, &named("shop")), ("releases/other.yaml", &other)]);
    stage.look().unwrap();
    stage.commit(&[(FILE, &named("shop2"))]);
    let mut taken = Live::default();
    let paused = (annotation::SYNC.to_owned(), annotation::PAUSED.to_owned());
    let others = (annotation::SYNCED_BY.to_owned(), "uid-2".to_owned());
    for (mark, why) in [(paused, Why::Paused), (others, Why::Taken(None))] {
        taken.annotations = [mark].into();
        stage.cluster.objects.insert(owner("shop2"), taken.clone());
        stage.cluster.unread_others = true;
        let (_, judged) = stage.judge();
        let decision = judged.unwrap().decision;
        let before = Why::Before(owner("shop2"));
        assert_eq!(
            decision.held,
            [(owner("shop2"), why), (owner("shop"), before)]
        );
        let deleted: Vec<String> = (decision.deletes.iter())
            .map(|it| it.owner.to_string())
            .collect();
        assert_eq!(deleted, ["cwd/other"], "another app is not in question");
    }
    stage.cluster.objects.remove(&owner("shop2"));
    let looked = stage.look().unwrap();
    assert_eq!(looked.applied, ["cwd/shop2"]);
}

#[test]
fn an_object_that_moves_to_another_repository_is_never_gone() {
    let mut stage = Stage::new();
    let a = shop("a", 1);
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &shop("b", 1))]);
    stage.look().unwrap();
    let second = of("uid-2", "other");
    let of_second = || [("uid-2".to_owned(), "second".to_owned())].into();
    let of_first = || [(UID.to_owned(), "first".to_owned())].into();
    let mut first_memory = stage.memory.clone();
    let before = Arc::clone(&first_memory.followed.tip);
    stage.commit(&[("other/a.yaml", &a), ("releases/b.yaml", &shop("b", 1))]);

    // The other one was not read yet.
    stage.cluster.others = of_second();
    let held = |why| [("cwd/a".to_owned(), why)];
    let looked = stage.look().unwrap();
    assert_eq!(
        looked.held,
        held(Why::Unread(
            "second".to_owned(),
            "which was not read yet as it is now".to_owned()
        ))
    );
    std::mem::swap(&mut first_memory, &mut stage.memory);

    // The other one looks while the first has it still, and afterwards.
    stage.cluster.others = of_first();
    stage.cluster.tips = [(UID.to_owned(), before)].into();
    stage.memory = Memory::kept(second, None);
    let looked = stage.look().unwrap();
    assert_eq!(looked.held, held(Why::Taken(Some("first".to_owned()))));
    let mut second_memory = stage.memory.clone();
    let tip = |memory: &Memory| Arc::clone(&memory.followed.tip);

    // The first looks once more, and has not given it up in vain.
    std::mem::swap(&mut first_memory, &mut stage.memory);
    stage.cluster.others = of_second();
    stage.cluster.tips = [("uid-2".to_owned(), tip(&second_memory))].into();
    let looked = stage.look().unwrap();
    assert_eq!(looked.held, held(Why::Moves("second".to_owned())));
    first_memory = stage.memory.clone();

    std::mem::swap(&mut second_memory, &mut stage.memory);
    stage.cluster.others = of_first();
    stage.cluster.tips = [(UID.to_owned(), tip(&first_memory))].into();
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    assert_eq!(stage.live("a").synced_by(), Some("uid-2"));

    stage.memory = first_memory;
    stage.cluster.others = of_second();
    assert_eq!(stage.look().unwrap(), did(&[], &[]));
}

#[test]
fn what_another_repository_has_in_the_same_commit_is_known_before_it_looks() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    let paths = |uid: &str, path: &str| [(uid.to_owned(), path.to_owned())].into();
    let others = |uid: &str, name: &str| [(uid.to_owned(), name.to_owned())].into();
    stage.cluster.others = others("uid-2", "second");
    stage.cluster.paths = paths("uid-2", "other");
    let held = |why| [("cwd/a".to_owned(), why)];
    // A file of the other one cannot be read, so it may have what is missing.
    stage.commit(&[
        ("releases/b.yaml", &b),
        ("other/a.yaml", "kind: Deployment"),
    ]);
    let looked = stage.look().unwrap();
    let slip = "of which a file cannot be read in this commit".to_owned();
    assert_eq!(looked.held, held(Why::Unread("second".to_owned(), slip)));
    // It moves.
    stage.commit(&[("releases/b.yaml", &b), ("other/a.yaml", &a)]);
    let looked = stage.look().unwrap();
    assert_eq!(looked.held, held(Why::Moves("second".to_owned())));
    stage.cluster.suspended = ["uid-2".to_owned()].into();
    let looked = stage.look().unwrap();
    assert_eq!(looked.held, held(Why::Suspended("second".to_owned())));
    // The other one need not wait until the first has looked.
    let first = stage.memory.clone();
    stage.memory = Memory::kept(of("uid-2", "other"), None);
    stage.cluster.others = others(UID, "first");
    stage.cluster.paths = paths(UID, PATH);
    stage.cluster.suspended.clear();
    assert_eq!(stage.look().unwrap(), did(&["a"], &[]));
    // Where the first still has it, it is not taken.
    stage.commit(&[
        ("releases/b.yaml", &b),
        ("other/a.yaml", &a),
        ("other/b.yaml", &b),
    ]);
    let looked = stage.look().unwrap();
    let taken = ("cwd/b".to_owned(), Why::Taken(Some("first".to_owned())));
    assert_eq!(looked.held, [taken]);
    // Removed by both, it goes at once, whether or not the other one looks.
    stage.memory = first;
    stage.cluster.others = others("uid-2", "second");
    stage.cluster.paths = paths("uid-2", "other");
    stage.commit(&[("releases/c.yaml", &shop("c", 1))]);
    assert_eq!(stage.look().unwrap(), did(&["c"], &["b"]));
}

#[test]
fn nobody_waits_for_a_suspended_repository_of_which_nothing_is_known() {
    let mut stage = Stage::new();
    let (a, b) = (shop("a", 1), shop("b", 1));
    stage.commit(&[("releases/a.yaml", &a), ("releases/b.yaml", &b)]);
    stage.look().unwrap();
    stage.commit(&[("releases/b.yaml", &b)]);
    stage.cluster.others = [("uid-2".to_owned(), "second".to_owned())].into();
    stage.cluster.unreachable = [("uid-2".to_owned(), "CredentialsRefused".to_owned())].into();
    let looked = stage.look().unwrap();
    let why = "which cannot be read (CredentialsRefused)".to_owned();
    let held = ("cwd/a".to_owned(), Why::Unread("second".to_owned(), why));
    assert_eq!(looked.held, [held]);
    stage.cluster.suspended = ["uid-2".to_owned()].into();
    assert_eq!(stage.look().unwrap(), did(&[], &["a"]));
}

#[test]
fn what_is_remembered_of_another_repository_may_be_of_another_path() {
    let mut stage = Stage::new();
    stage.commit(&[("releases/a.yaml", &shop("a", 1))]);
    let now = of(UID, PATH);
    assert!(!stage.memory.is_read(&now));
    stage.look().unwrap();
    assert!(stage.memory.is_read(&now));
    assert!(!stage.memory.is_read(&of(UID, "other")));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_asked_for_no_more_than_a_few_at_once() {
    let all: Vec<usize> = (0..AT_ONCE * 3).collect();
    let work = |one: &usize| std::future::ready(*one);
    let done = each(&all, work, |_| false, || true).await.unwrap();
    assert_eq!(done.len(), AT_ONCE * 3);
    let done = each(&all, work, |one| *one == 3, || true).await.unwrap();
    assert_eq!(done.len(), AT_ONCE);
    assert!(each(&all, work, |_| false, || false).await.is_none());
}
