//! What is held after news of all kinds, in whatever order they come.

use std::slice;

use k8s_openapi::api::core::v1::Service;
use serde_json::json;

use super::*;
use crate::api::Deployment;
use crate::controller::ownership;

fn service(version: u32) -> Service {
    let service = json!({"metadata": {
        "name": "shop-v1-web",
        "namespace": "prod",
        "resourceVersion": version.to_string(),
        "managedFields": [{"manager": "cutwater", "operation": "Apply"}],
    }});
    serde_json::from_value(service).unwrap()
}

fn deployment(app: &str, version: u32) -> Deployment {
    let deployment = json!({
        "apiVersion": "cutwater.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": version.to_string()},
        "spec": {"app": app, "repository": "main", "versions": [{"version": 1, "percentage": 100}]},
    });
    serde_json::from_value(deployment).unwrap()
}

#[test]
fn a_late_answer_does_not_bring_back_what_is_gone() {
    let cache = Cache::default();
    let key = cache.put(service(5)).remove(0);
    assert_eq!(cache.remove(&service(7)), Some(key.clone()));
    assert!(cache.put(service(6)).is_empty());
    assert!(cache.put(service(7)).is_empty());
    assert!(cache.app(&key).services.is_empty());
    assert!(!cache.put(service(8)).is_empty(), "made again");
}

#[test]
fn the_end_of_one_that_was_made_anew_meanwhile_is_not_the_end_of_the_other() {
    let cache = Cache::default();
    let key = cache.put(service(7)).remove(0);
    let name = "shop-v1-web";
    assert_eq!(cache.forget::<Service>(&key, name, 6), None);
    assert!(cache.holds::<Service>(&key, name));
    assert_eq!(cache.forget::<Service>(&key, name, 8), Some(key.clone()));
    assert!(!cache.holds::<Service>(&key, name));
}

/// The API server went back to a backup: its resource versions are lower than those that were seen before.
#[test]
fn a_list_is_newer_than_all_that_was_seen_before_it_began() {
    let cache = Cache::default();
    let key = cache.put(service(50)).remove(0);
    let began = Some(Instant::now());
    assert!(!cache.put_listed(service(20), began).is_empty());
    assert!(cache.put(service(10)).is_empty(), "no list, and older");
    cache.remove(&service(20));
    let began = Some(Instant::now());
    assert!(!cache.put_listed(service(15), began).is_empty());
    // What was written while the list was read is newer than the list.
    cache.put(service(70));
    assert!(cache.put_listed(service(60), began).is_empty());
    assert!(!cache.app(&key).services.is_empty());
}

/// `ours` has our name on it; `digest` is what we leave on each object beside.
fn made(uid: &str, version: u32, manager: Option<&str>, digest: bool) -> Service {
    let mut made = service(version);
    made.metadata.uid = Some(uid.to_owned());
    for entry in made.metadata.managed_fields.iter_mut().flatten() {
        entry.manager = manager.map(str::to_owned);
    }
    if manager.is_none() {
        made.metadata.managed_fields = None;
    }
    if digest {
        let digest = (names::APPLIED.to_owned(), "1".to_owned());
        made.metadata.annotations = Some([digest].into());
    }
    made
}

#[test]
fn what_somebody_else_made_anew_under_a_name_is_theirs() {
    for theirs in [
        made("b", 7, Some("kubectl"), false),
        made("b", 7, Some("kubectl"), true),
    ] {
        let cache = Cache::default();
        let key = cache.put(made("a", 5, Some("cutwater"), true)).remove(0);
        let mut older = theirs.clone();
        older.metadata.resource_version = Some("4".to_owned());
        assert!(cache.put(older).is_empty(), "it was there before ours");
        assert!(cache.holds::<Service>(&key, "shop-v1-web"));
        assert_eq!(cache.put(theirs.clone()), slice::from_ref(&key));
        assert!(cache.app(&key).services.is_empty());
        assert!(cache.put(theirs).is_empty());
        // The answer to a write of ours before that.
        assert!(cache.put(made("a", 6, Some("cutwater"), true)).is_empty());
        assert!(cache.app(&key).services.is_empty());
    }
}

#[test]
fn what_we_made_stays_ours_without_our_name_on_it() {
    for digest in [false, true] {
        for manager in [None, Some("kubectl")] {
            let cache = Cache::default();
            let key = cache.put(made("a", 5, Some("cutwater"), true)).remove(0);
            let nameless = |cache: &Cache| {
                let held = cache.app(&key).services.get("shop-v1-web").cloned();
                ownership::is_nameless(held.unwrap().meta())
            };
            assert!(!nameless(&cache));
            let wiped = made("a", 6, manager, digest);
            assert_eq!(cache.put(wiped.clone()), slice::from_ref(&key));
            assert!(nameless(&cache), "it has to be written again");
            assert_eq!(cache.home(&wiped), Some(key.clone()));
            cache.put(made("a", 7, Some("cutwater"), true));
            assert!(!nameless(&cache));
            // Nor does it stay behind where it goes like that.
            assert_eq!(
                cache.remove(&made("a", 8, manager, digest)),
                Some(key.clone())
            );
            assert!(cache.app(&key).services.is_empty());
        }
    }
}

#[test]
fn a_deployment_that_is_made_anew_for_another_app_leaves_the_first() {
    let cache = Cache::default();
    let first = cache.put(deployment("shop", 1)).remove(0);
    let touched = cache.put(deployment("other", 2));
    assert_eq!(touched.len(), 2, "both apps are looked at");
    assert!(cache.app(&first).deployments.is_empty());
    assert!(!cache.app(&touched[1]).deployments.is_empty());
}

#[test]
fn what_is_read_of_the_metadata_alone_joins_what_is_known() {
    let cache = Cache::default();
    let key = cache.put(deployment("shop", 1)).remove(0);
    let metadata = ObjectMeta {
        name: Some("shop".to_owned()),
        namespace: Some("prod".to_owned()),
        resource_version: Some("2".to_owned()),
        finalizers: Some(vec!["a/b".to_owned()]),
        ..ObjectMeta::default()
    };
    let object = ("prod".to_owned(), "shop".to_owned());
    assert_eq!(cache.renew::<Deployment>(&object, metadata).len(), 1);
    let objects = cache.app(&key);
    let held = objects.deployments.get("shop").unwrap();
    assert_eq!(held.metadata.finalizers, Some(vec!["a/b".to_owned()]));
    assert_eq!(held.spec.app, key.app);
}
