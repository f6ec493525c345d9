//! What counts of commits, one after the other.

use std::sync::Arc;

use super::*;
use crate::plan::Owner;
use crate::releases::{self, Release};
use crate::settings::Settings;
use crate::words::CommitId;

/// The id of a commit that is called so here.
fn id(name: &str) -> CommitId {
    let mut bytes = [0; 20];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    CommitId::from_bytes(&bytes)
}

fn object(kind: &str, name: &str, app: &str, version: u32) -> Release {
    let versions = match kind {
        "Alias" => format!("version: {version}"),
        _ => format!("versions: [{{version: {version}, percentage: 100}}]"),
    };
    let text = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{app: {app}, repository: shop, {versions}}}\n"
    );
    let file = format!("releases/{name}.yaml");
    releases::read(&file, text.as_bytes())
        .unwrap()
        .releases
        .remove(0)
}

/// What each object serves, as of which commit.
fn all(tip: &Tip) -> Vec<(String, u32, CommitId)> {
    let one = |release: &Arc<Release>| {
        let owner = owner(release);
        let version = release.wanted.versions[0].version.to_string();
        let version = version.trim_start_matches('v').parse().unwrap();
        (
            format!("{}/{owner}", release.app()),
            version,
            tip.commit_of(&owner).unwrap().clone(),
        )
    };
    tip.releases.iter().map(one).collect()
}

fn next(
    before: &Tip,
    name: &str,
    releases: &[Release],
    unreadable: &[&str],
) -> (Tip, Vec<Problem>) {
    before.next(Commit {
        unreadable: unreadable.iter().map(|file| (*file, "is wrong")).collect(),
        ..commit(&id(name), releases)
    })
}

/// What an object is said to have changed: the field, before and now.
fn changes(problem: &Problem) -> String {
    match problem {
        Problem::Changed {
            field, before, now, ..
        } => format!("{field} {before} {now}"),
        other => panic!("{other:?}"),
    }
}

fn file_of(problem: &Problem) -> &str {
    match problem {
        Problem::Changed { file, .. }
        | Problem::Astray { file, .. }
        | Problem::Second { file, .. }
        | Problem::Emptied { file, .. } => file,
        Problem::Unreadable(_)
        | Problem::Refused { .. }
        | Problem::Nothing { .. }
        | Problem::Kept { .. }
        | Problem::AsBefore { .. } => "",
    }
}

fn kept(why: Why, owner: &Owner, commit: &str) -> Problem {
    Problem::Kept {
        why,
        owners: [owner.clone()].into(),
        commit: id(commit),
    }
}

/// True where an object is said to go on though a commit does not have it.
fn keeps(problem: &Problem, owner: &Owner) -> bool {
    match problem {
        Problem::Kept { owners, .. } => owners.contains(owner),
        Problem::AsBefore { owners, .. } => owners.contains(owner),
        _ => false,
    }
}

fn commit<'a>(id: &'a CommitId, releases: &'a [Release]) -> Commit<'a> {
    const NOTHING: &Known = &Known::new();
    Commit {
        id,
        settings: Settings::default(),
        releases,
        unreadable: Vec::new(),
        bare: &[],
        empty: None,
        follows: &|_| true,
        known: NOTHING,
        lost: &[],
        namespace: None,
        may_stay: None,
    }
}

/// Of an object `shop`, as the state folder remembers it.
fn known(app: &str) -> Known {
    let release = object("Deployment", "shop", app, 1);
    let whose = (release.app().clone(), release.wanted.repository.clone());
    [(owner(&release), whose)].into()
}

fn entry(who: &str, version: u32, commit: &str) -> (String, u32, CommitId) {
    (who.to_owned(), version, id(commit))
}

#[test]
fn a_file_that_cannot_be_read_holds_its_own_app_alone() {
    let first = [
        object("Deployment", "shop", "shop", 1),
        object("Deployment", "blog", "blog", 1),
        object("Alias", "gone", "wiki", 1),
    ];
    let (tip, said) = next(&Tip::default(), "one", &first, &[]);
    assert!(said.is_empty() && tip.whole, "{said:?}");
    // Another app moves on, and what is missing may stand in the file.
    let blog = [object("Deployment", "blog", "blog", 2)];
    let (tip, said) = next(&tip, "two", &blog, &["releases/shop.yaml"]);
    assert_eq!(
        all(&tip),
        [
            entry("blog/cwd/blog", 2, "two"),
            entry("shop/cwd/shop", 1, "one"),
            entry("wiki/cwa/gone", 1, "one"),
        ]
    );
    assert!(!tip.whole);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(
        said[1],
        Problem::AsBefore {
            owners: [&first[0], &first[2]].map(owner).to_vec(),
            commit: id("two"),
        }
    );
    assert_eq!(tip.commits(&[id("one")]), ["one", "two"].map(id));
    // Mended, it counts as a whole.
    let (tip, said) = next(&tip, "three", &first[..2], &[]);
    assert_eq!(
        all(&tip),
        [
            entry("shop/cwd/shop", 1, "three"),
            entry("blog/cwd/blog", 1, "three"),
        ]
    );
    assert!(said.is_empty() && tip.whole, "{said:?}");
    assert_eq!(tip.commits(&["one", "two"].map(id)), [id("three")]);
    // Where nothing was known before, what can be read counts.
    let (tip, said) = next(&Tip::default(), "two", &blog, &["releases/shop.yaml"]);
    assert_eq!(all(&tip), [entry("blog/cwd/blog", 2, "two")]);
    assert_eq!((said.len(), tip.whole), (1, false));
}

/// One object of a file of several slipped: it stays, and so does what else is missing, whatever the file has beside it.
#[test]
fn an_object_for_another_namespace_is_an_error_and_stays() {
    let in_file = |object: &Release| {
        let mut object = object.clone();
        object.file = "releases/all.yaml".to_owned();
        object
    };
    let first = [
        in_file(&object("Deployment", "shop", "shop", 1)),
        in_file(&object("Deployment", "blog", "blog", 1)),
        in_file(&object("Alias", "gone", "wiki", 1)),
    ];
    let here = |name: &str, before: &Tip, releases: &[Release]| {
        before.next(Commit {
            namespace: Some("prod"),
            ..commit(&id(name), releases)
        })
    };
    let (tip, said) = here("one", &Tip::default(), &first);
    assert!(said.is_empty() && tip.whole, "{said:?}");
    let mut stray = in_file(&object("Deployment", "shop", "shop", 2));
    let releases::Object::Deployment(inner) = &mut stray.object else {
        panic!("it is a Deployment");
    };
    inner.metadata.namespace = Some("stage".to_owned());
    let mut named = in_file(&object("Deployment", "blog", "blog", 2));
    let releases::Object::Deployment(inner) = &mut named.object else {
        panic!("it is a Deployment");
    };
    inner.metadata.namespace = Some("prod".to_owned());
    let (next, said) = here("two", &tip, &[stray, named]);
    assert_eq!(
        all(&next),
        [
            entry("blog/cwd/blog", 2, "two"),
            entry("shop/cwd/shop", 1, "one"),
            entry("wiki/cwa/gone", 1, "one"),
        ]
    );
    assert!(!next.whole);
    let Problem::Astray { named, here, .. } = &said[0] else {
        panic!("{said:?}");
    };
    assert_eq!((named.as_str(), here.as_str()), ("stage", "prod"));
    // Where nothing counted before, it does not count either, and nobody may take away what is there.
    let mut stray = object("Deployment", "shop", "shop", 2);
    let releases::Object::Deployment(inner) = &mut stray.object else {
        panic!("it is a Deployment");
    };
    inner.metadata.namespace = Some("stage".to_owned());
    let owner = owner(&stray);
    let (next, _) = Tip::default().next(Commit {
        namespace: Some("prod"),
        ..commit(&id("two"), &[stray])
    });
    assert!(next.releases.is_empty() && next.recalls(&owner));
}

#[test]
fn an_object_of_another_app_or_repository_is_an_error_and_stays() {
    let shop = object("Deployment", "shop", "shop", 1);
    let blog = object("Deployment", "blog", "blog", 1);
    let (tip, _) = next(&Tip::default(), "one", &[shop.clone(), blog.clone()], &[]);
    // Also of an app that is there: that one goes on.
    for (other, word) in [("shp", "app shop shp"), ("blog", "app shop blog")] {
        let wrong = object("Deployment", "shop", other, 1);
        let newer = object("Deployment", "blog", "blog", 2);
        let (next, said) = next(&tip, "two", &[newer, wrong], &[]);
        assert_eq!(
            all(&next),
            [
                entry("blog/cwd/blog", 2, "two"),
                entry("shop/cwd/shop", 1, "one"),
            ]
        );
        assert_eq!(changes(&said[0]), word);
        assert!(!next.whole);
    }
    let mut elsewhere = shop.clone();
    elsewhere.wanted.repository = "other".to_owned();
    let (next, said) = next(&tip, "two", &[elsewhere, blog], &[]);
    assert_eq!(all(&next)[1], entry("shop/cwd/shop", 1, "one"));
    assert_eq!(changes(&said[0]), "repository shop other");
}

#[test]
fn a_copy_that_kept_the_name_is_refused_alone() {
    let shop = object("Deployment", "shop", "shop", 1);
    let wiki = object("Deployment", "wiki", "wiki", 1);
    let (tip, _) = next(&Tip::default(), "one", &[shop, wiki], &[]);
    let mut copy = object("Deployment", "shop", "blog", 1);
    copy.file = "releases/blog.yaml".to_owned();
    let newer = object("Deployment", "shop", "shop", 2);
    // The file that is read second is said to stand against the first one.
    let (next_tip, said) = next(
        &tip,
        "two",
        &[copy.clone(), newer.clone()],
        &["releases/shop.yaml"],
    );
    let wiki = entry("wiki/cwd/wiki", 1, "one");
    assert_eq!(all(&next_tip), [entry("shop/cwd/shop", 2, "two"), wiki]);
    assert!(
        !next_tip.whole && said.iter().any(|it| file_of(it) == "releases/blog.yaml"),
        "{said:?}"
    );
    // Where nothing was known before, neither counts.
    let both = [copy, newer];
    let (tip, said) = next(&Tip::default(), "two", &both, &[]);
    assert!(all(&tip).is_empty() && !tip.whole, "{said:?}");
    // After a restart the state folder knows.
    let two = id("two");
    let commit = Commit {
        known: &known("shop"),
        ..commit(&two, &both)
    };
    let (tip, said) = Tip::default().next(commit);
    assert_eq!(all(&tip), [entry("shop/cwd/shop", 2, "two")]);
    assert!(!tip.whole);
    assert_eq!(changes(&said[0]), "app shop blog");
}

#[test]
fn what_is_remembered_stays_where_the_commit_before_cannot_be_read() {
    let blog = [object("Deployment", "blog", "blog", 1)];
    let lost = [id("one")];
    let rewritten = |tip: &Tip, name: &str, lost: &[CommitId]| {
        tip.next(Commit {
            follows: &|before| *before != id("one"),
            known: &known("shop"),
            lost,
            ..commit(&id(name), &blog)
        })
    };
    let (tip, said) = rewritten(&Tip::default(), "two", &lost);
    let shop = owner(&object("Deployment", "shop", "shop", 1));
    let before = id("one");
    assert_eq!(said, [kept(Why::Unknown { before }, &shop, "two")]);
    assert!(tip.recalls(&shop));
    assert_eq!(tip.commits(&lost), ["one", "two"].map(id));
    // So it is after each start, and with each commit, until one has it.
    let (again, _) = rewritten(&Tip::default(), "two", &lost);
    let (tip, said) = rewritten(&again, "three", &[]);
    assert!(tip.recalls(&shop) && said.len() == 1, "{said:?}");
    let before = [&lost[..], &[id("two")]].concat();
    assert_eq!(tip.commits(&before), ["one", "two", "three"].map(id));
    let both = [blog[0].clone(), object("Deployment", "shop", "shop", 1)];
    let (tip, said) = tip.next(commit(&id("four"), &both));
    assert!(said.is_empty() && tip.has(&shop), "{said:?}");
    assert_eq!(tip.commits(&before), [id("four")]);
    let (tip, said) = rewritten(&tip, "five", &[]);
    assert!(said.is_empty() && !tip.recalls(&shop), "{said:?}");
    assert!(!tip.has(&shop));
}

#[test]
fn two_deployments_of_one_app_hold_that_app_alone() {
    let first = [
        object("Deployment", "shop", "shop", 1),
        object("Deployment", "blog", "blog", 1),
    ];
    let (tip, _) = next(&Tip::default(), "one", &first, &[]);
    let second = [
        object("Deployment", "shop", "shop", 2),
        object("Deployment", "shop-eu", "shop", 3),
        object("Deployment", "blog", "blog", 2),
    ];
    let (tip, said) = next(&tip, "two", &second, &[]);
    assert_eq!(
        all(&tip),
        [
            entry("blog/cwd/blog", 2, "two"),
            entry("shop/cwd/shop", 1, "one"),
        ]
    );
    let Problem::Second { name, app, .. } = &said[0] else {
        panic!("{said:?}");
    };
    assert_eq!((name.as_str(), app.as_str()), ("shop-eu", "shop"));
}

#[test]
fn what_may_not_be_removed_stays_and_the_rest_counts() {
    let first = [
        object("Deployment", "shop", "shop", 1),
        object("Deployment", "blog", "blog", 1),
    ];
    let (tip, _) = next(&Tip::default(), "one", &first, &[]);
    let rewritten = |releases: &[Release]| {
        tip.next(Commit {
            follows: &|_| false,
            ..commit(&id("two"), releases)
        })
    };
    let (tip, said) = rewritten(&[object("Deployment", "blog", "blog", 2)]);
    assert_eq!(
        all(&tip),
        [
            entry("blog/cwd/blog", 2, "two"),
            entry("shop/cwd/shop", 1, "one"),
        ]
    );
    let before = id("one");
    let shop = owner(&first[0]);
    assert_eq!(said, [kept(Why::Rewritten { before }, &shop, "two")]);
    let (tip, said) = rewritten(&first);
    assert!(said.is_empty() && tip.held.is_empty(), "{said:?}");
}

/// What happens to an object `shop` that the first commit, `one`, has beside `blog`.
#[test]
fn what_was_kept_stays_until_a_commit_that_had_it_is_followed_by_one_without_it() {
    /// A commit: its name, those that it follows, and whether it has both, `blog` alone, or nothing.
    type Step = (&'static str, &'static [&'static str], char);
    let shop = object("Deployment", "shop", "shop", 1);
    let blog = object("Deployment", "blog", "blog", 1);
    let who = owner(&shop);
    let one: Step = ("one", &[], '2');
    let (empty, rewritten): (Step, Step) = (("two", &["one"], '0'), ("two", &[], '1'));
    for (steps, stays) in [
        (vec![("two", &["one"][..], '1')], false),
        (vec![empty], true),
        (vec![rewritten], true),
        // The commits after it, of the same line, of which one takes the blog away.
        (vec![empty, ("3", &["one", "two"], '1')], true),
        (
            vec![
                empty,
                ("3", &["one", "two"], '1'),
                ("4", &["one", "two", "3"], '0'),
            ],
            true,
        ),
        (vec![rewritten, ("3", &["two"], '1')], true),
        (
            vec![rewritten, ("3", &["two"], '1'), ("4", &["two", "3"], '1')],
            true,
        ),
        // Once more another history.
        (vec![rewritten, ("3", &[], '1'), ("4", &["3"], '1')], true),
        // One has it again, and the next one does not.
        (
            vec![
                empty,
                ("3", &["one", "two"], '2'),
                ("4", &["one", "two", "3"], '1'),
            ],
            false,
        ),
        (
            vec![rewritten, ("3", &["two"], '2'), ("4", &["two", "3"], '1')],
            false,
        ),
        // History is again the one that had it, in which it was removed.
        (vec![empty, ("3", &["one"], '1')], false),
        (vec![rewritten, ("3", &["one"], '1')], false),
    ] {
        let read = |tip: &Tip, (name, behind, has): &Step| {
            let releases = match has {
                '2' => vec![shop.clone(), blog.clone()],
                '1' => vec![blog.clone()],
                _ => Vec::new(),
            };
            tip.next(Commit {
                bare: &[],
                empty: releases.is_empty().then_some("releases"),
                follows: &|before| {
                    *before == id(name) || behind.iter().any(|name| *before == id(name))
                },
                ..commit(&id(name), &releases)
            })
        };
        let all: Vec<Step> = [one].into_iter().chain(steps).collect();
        let (mut tip, mut said, mut counted) = (Tip::default(), Vec::new(), Vec::new());
        for step in &all {
            (tip, said) = read(&tip, step);
            counted = tip.commits(&counted);
        }
        assert_eq!(tip.has(&who), stays, "{all:?}");
        assert_eq!(
            said.iter().any(|it| keeps(it, &who)),
            stays,
            "{all:?}: {said:?}"
        );
        // So it is after a start, which reads again what counted.
        let mut again = Tip::default();
        for commit in &counted {
            let step = all.iter().find(|(name, ..)| id(name) == *commit).unwrap();
            (again, said) = read(&again, step);
        }
        assert_eq!(again.has(&who), stays, "{counted:?} of {all:?}");
        assert_eq!(again.commits(&counted), counted, "{all:?}");
        assert_eq!(
            said.iter().any(|it| keeps(it, &who)),
            stays,
            "{all:?}: {said:?}"
        );
    }
}

#[test]
fn a_file_that_was_emptied_takes_nothing_away_and_one_that_was_removed_does() {
    let both = ["shop", "blog"].map(|name| object("Deployment", name, name, 1));
    let (before, _) = next(&Tip::default(), "a", &both, &[]);
    let follows = |_: &CommitId| true;
    let with = |bare: &[String]| {
        before.next(Commit {
            bare,
            follows: &follows,
            ..commit(&id("b"), &both[1..])
        })
    };
    let (tip, problems) = with(&[both[0].file.clone()]);
    assert_eq!(tip.releases.len(), 2);
    let emptied = Problem::Emptied {
        file: both[0].file.clone(),
        owner: owner(&both[0]),
    };
    assert!(problems.contains(&emptied), "{problems:?}");
    let (tip, problems) = with(&[]);
    assert_eq!((tip.releases.len(), problems.len()), (1, 0));
}
