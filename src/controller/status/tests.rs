//! What a status tells of shares.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::api::gateway::HttpRoute;
use crate::api::{Deployment, ResolvedVersion};
use crate::controller::cache::Cache;
use crate::controller::wish;
use crate::plan::Memory;

fn v(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

/// A Deployment of version 3 with routes `a` and `b`, which give everything to a version each.
fn objects(key: &AppKey, gives: [u32; 2]) -> AppObjects {
    let cache = Cache::default();
    let routes = ["a", "b"].map(
        |name| json!({"name": name, "hostnames": [format!("{name}.test")], "gateway": {"name": "web"}}),
    );
    let deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": "1"},
        "spec": {
            "app": "shop", "repository": "main", "versions": [{"version": 3, "percentage": 100}], "routes": routes,
        },
    }))
    .unwrap();
    cache.put(deployment);
    for (name, version) in ["a", "b"].into_iter().zip(gives) {
        let route = json!({
            "metadata": {
                "name": format!("shop.{name}"), "namespace": "prod", "resourceVersion": "1",
                "labels": {names::APP: "shop"}, "managedFields": [{"manager": names::FIELD_MANAGER}],
            },
            "spec": {"rules": [{"backendRefs": [{"name": format!("shop-v{version}-web"), "weight": 10_000}]}]},
        });
        cache.put::<HttpRoute>(serde_json::from_value(route).unwrap());
    }
    cache.app(key)
}

/// The line of versions, and the share of each that serves.
fn told(gives: [u32; 2], unwritable: &str) -> (String, BTreeMap<u32, u32>) {
    let key = AppKey {
        namespace: "prod".to_owned(),
        app: "shop".parse().unwrap(),
    };
    let objects = objects(&key, gives);
    let wishes = wish::wishes(&objects, &BTreeMap::new());
    let pinned: ResolvedVersion = serde_json::from_value(json!({
        "version": 3, "percentage": 100, "number": 3, "id": "g1", "commit": "2",
    }))
    .unwrap();
    let resolution = Resolution {
        shares: Some([(v(3), Share::ALL)].into()),
        pinned: vec![pinned],
        ..Resolution::default()
    };
    let record = |version: u32| -> (VersionNumber, Value) {
        let record = json!({
            "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z",
            "functions": [{"name": "web", "image": "shop@sha256:1", "port": 8080}],
        });
        (v(version), record)
    };
    let records = [1, 3].map(record).into_iter();
    let records = records
        .map(|(version, record)| (version, serde_json::from_value(record).unwrap()))
        .collect();
    let decided: Shares = [(v(3), Share::ALL)].into();
    let owner = wishes[0].owner.clone();
    let route = RoutePlan::Serve {
        shares: decided.clone(),
        idle: Vec::new(),
        overrides: Vec::new(),
    };
    let plan = Plan {
        run: [1, 3].map(|version| (v(version), BTreeMap::new())).into(),
        splits: vec![SplitPlan::settled(owner.clone(), route)],
        memory: Memory {
            shares: [(owner, decided)].into(),
            ..Memory::default()
        },
        ..Plan::default()
    };
    let status = status(&Facts {
        key: &key,
        wish: &wishes[0],
        resolution: &resolution,
        records: &records,
        objects: &objects,
        plan: Some(&plan),
        failures: &[],
        obstacles: &[],
        gateways: &Gateways::new(),
        unwritable: &unwritable.chars().map(|it| format!("shop.{it}")).collect(),
        standing: &std::collections::BTreeMap::new(),
        now: Timestamp::UNIX_EPOCH,
    });
    let serving =
        (status.serving.iter()).map(|entry| (entry.number.get(), entry.percentage.basis_points()));
    (status.versions.unwrap_or_default(), serving.collect())
}

#[test]
fn while_routes_differ_the_shares_are_those_that_the_plan_goes_by() {
    let three = ("v3 100%".to_owned(), [(1, 0), (3, 10_000)].into());
    let one = ("v1 100%".to_owned(), [(1, 10_000), (3, 0)].into());
    for (gives, unwritable, wanted) in [
        ([1, 3], "", &three),
        ([3, 1], "", &three),
        ([1, 3], "a", &three),
        ([3, 1], "b", &three),
        ([1, 3], "b", &three),
        ([1, 3], "ab", &three),
        // It has not arrived yet.
        ([1, 1], "", &one),
    ] {
        assert_eq!(told(gives, unwritable), *wanted, "{gives:?} {unwritable}");
    }
}
