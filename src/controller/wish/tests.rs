//! Tables of who counts: of two that want one place, and of the Repository that an app has.

use serde_json::{Value, json};

use super::*;
use crate::controller::cache::Cache;
use crate::controller::key::AppKey;

/// The age of an object in days, and whether it is being deleted.
type About = (u8, bool);

fn metadata(name: &str, (age, leaving): About) -> Value {
    let deleted = leaving.then_some("2026-03-01T00:00:00Z");
    json!({
        "name": name, "namespace": "prod", "resourceVersion": "1", "generation": 1,
        "creationTimestamp": format!("2026-02-{:02}T00:00:00Z", 28 - age), "deletionTimestamp": deleted,
        "finalizers": [FINALIZER],
    })
}

fn spec(repository: &str) -> Value {
    json!({"app": "shop", "repository": repository, "versions": [{"version": 1, "percentage": 100}]})
}

fn deployment(name: &str, about: About, repository: &str) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
        "metadata": metadata(name, about), "spec": spec(repository),
    }))
    .unwrap()
}

fn alias(object: &str, name: &str, about: About) -> Alias {
    let mut spec = json!({"app": "shop", "repository": "main", "version": 1});
    spec["name"] = json!(name);
    serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias",
        "metadata": metadata(object, about), "spec": spec,
    }))
    .unwrap()
}

fn objects(deployments: Vec<Deployment>, aliases: Vec<Alias>) -> AppObjects {
    let cache = Cache::default();
    for object in deployments {
        cache.put(object);
    }
    for object in aliases {
        cache.put(object);
    }
    let key = AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    };
    AppObjects::clone(&cache.app(&key))
}

fn owner(text: &str) -> Owner {
    let (kind, name) = text.split_once('/').unwrap();
    Owner {
        kind: if kind == "cwd" {
            OwnerKind::Deployment
        } else {
            OwnerKind::Alias
        },
        name: name.to_owned(),
    }
}

/// Who counts and who waits for whom, in the order of the wishes.
fn told(objects: &AppObjects, unread: &[(&str, bool)]) -> Vec<String> {
    let unread = unread.iter().map(|(name, leaving)| (owner(name), *leaving));
    let wishes = wishes(objects, &unread.collect());
    wishes
        .iter()
        .map(|wish| match &wish.taken_by {
            Some(first) => format!("{} behind {first}", wish.owner),
            None => wish.owner.to_string(),
        })
        .collect()
}

#[test]
fn of_two_that_want_one_place_the_older_one_that_stays_counts() {
    let main = |name, about| deployment(name, about, "main");
    for (deployments, aliases, unread, expected) in [
        (vec![], vec![], &[][..], &[][..]),
        (vec![main("shop", (3, false))], vec![], &[], &["cwd/shop"]),
        (
            vec![main("shop", (3, false)), main("store", (2, false))],
            vec![],
            &[],
            &["cwd/shop", "cwd/store behind cwd/shop"],
        ),
        // One that is being deleted leaves its place to one that stands by.
        (
            vec![main("shop", (3, true)), main("store", (2, false))],
            vec![],
            &[],
            &["cwd/store", "cwd/shop behind cwd/store"],
        ),
        // Of one age, the name decides, so that a restart changes nothing.
        (
            vec![main("b", (3, false)), main("a", (3, false))],
            vec![],
            &[],
            &["cwd/a", "cwd/b behind cwd/a"],
        ),
        // One that cannot be read has routes: nobody takes its place while it stays.
        (
            vec![main("store", (9, false))],
            vec![],
            &[("cwd/shop", false)],
            &["cwd/store behind cwd/shop"],
        ),
        (
            vec![main("store", (9, false))],
            vec![],
            &[("cwd/shop", true)],
            &["cwd/store"],
        ),
        (
            vec![main("shop", (3, false)), main("store", (2, false))],
            vec![
                alias("one", "prod", (1, false)),
                alias("two", "prod", (5, false)),
                alias("three", "beta", (1, false)),
            ],
            &[],
            &[
                "cwd/shop",
                "cwa/two",
                "cwa/one behind cwa/two",
                "cwa/three",
                "cwd/store behind cwd/shop",
            ],
        ),
    ] {
        let told = told(&objects(deployments, aliases), unread);
        let mut sorted = told.clone();
        let mut wanted: Vec<&str> = expected.to_vec();
        // Aliases of one age stand in the order of their names.
        sorted.sort();
        wanted.sort_unstable();
        assert_eq!(sorted, wanted);
        assert_eq!(told.first().map(String::as_str), expected.first().copied());
        assert_eq!(told.last().map(String::as_str), expected.last().copied());
    }
}

#[test]
fn an_app_has_the_repository_of_its_oldest_owner_that_counts() {
    for (deployments, expected, waits) in [
        (vec![deployment("shop", (3, false), "main")], "main", vec![]),
        // An Alias names `main`, and is two days old.
        (
            vec![deployment("shop", (3, false), "other")],
            "other",
            vec!["cwa/prod"],
        ),
        (
            vec![deployment("shop", (1, false), "other")],
            "main",
            vec!["cwd/shop"],
        ),
        // Who stands by decides nothing.
        (
            vec![
                deployment("shop", (1, false), "main"),
                deployment("late", (0, false), "other"),
            ],
            "main",
            vec!["cwd/late"],
        ),
    ] {
        let objects = objects(deployments, vec![alias("prod", "prod", (2, false))]);
        let wishes = wishes(&objects, &BTreeMap::new());
        let home = repository(&wishes);
        assert_eq!(home.map(|(_, name)| name), Some(expected));
        let waiting: Vec<String> = (wishes.iter())
            .filter(|wish| conflict(wish, home).is_some())
            .map(|wish| wish.owner.to_string())
            .collect();
        assert_eq!(waiting, waits);
    }
}

#[test]
fn an_owner_is_outdated_by_another_spec_and_by_its_deletion_alone() {
    let object = |generation: i64, version: u32, leaving: bool| {
        let mut object = deployment("shop", (3, leaving), "main");
        object.metadata.generation = Some(generation);
        object.metadata.resource_version = Some(version.to_string());
        object
    };
    let wish = of_deployment(&object(3, 7, false));
    for (now, outdated) in [
        (object(3, 9, false), false),
        (object(4, 9, false), true),
        (object(3, 9, true), true),
    ] {
        assert_eq!(wish.is_outdated(&now.metadata), outdated, "{now:?}");
    }
}
