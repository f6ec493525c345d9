//! What the API server takes, what it fills in, and that the program reads the same.

use cutwater::api::condition::{self, Say};
use cutwater::api::{
    Alias, Deployment, DeploymentStatus, Override, OverrideMode, OverrideRule, Reason, Repository,
    STATUS_MANAGER, Type,
};
use kube::api::{Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

use super::*;

async fn all_taken(objects: Vec<Value>) -> Vec<DynamicObject> {
    let server = ApiServer::shared();
    let client = server.client(User::Admin).await;
    let namespace = server.namespace("taken");
    let mut kept = Vec::new();
    for object in objects {
        let shown = object.to_string();
        match would_create(&client, &namespace, object).await {
            Ok(object) => kept.push(object),
            Err(refusal) => panic!("{shown}\n{}", refusal.message),
        }
    }
    kept
}

fn typed<T: serde::de::DeserializeOwned>(object: &DynamicObject) -> T {
    serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
}

#[tokio::test]
async fn sums_that_binary_fractions_get_wrong_are_taken() {
    let mut sevenths = vec![json!(14.29); 6];
    sevenths.push(json!(14.26));
    let mut elevenths = vec![json!(9.09); 9];
    elevenths.push(json!(18.19));
    let mut cases = vec![
        sevenths,
        elevenths,
        vec![json!(1.15), json!(98.85)],
        vec![json!(33.33), json!(66.67)],
        vec![json!(0.01), json!(99.99)],
        vec![json!(0), json!(100), json!(0)],
        vec![json!(10); 10],
    ];
    // Every share of two decimals, ten to an object.
    for start in (1_u32..=990).step_by(9) {
        let mut points: Vec<u32> = (start..start + 9).collect();
        points.push(10_000 - points.iter().sum::<u32>());
        let percent = |points: u32| json!(f64::from(points) / 100.0);
        cases.push(points.into_iter().map(percent).collect());
    }
    let objects = cases.iter().map(|case| with(deployment(), shares(case)));
    for object in all_taken(objects.collect()).await {
        let deployment: Deployment = typed(&object);
        deployment.spec.wanted().unwrap();
    }
}

#[tokio::test]
async fn every_way_to_name_a_version_is_taken_and_read() {
    let longest = format!("x{}", "1".repeat(62));
    let words = [
        json!(1),
        json!(9_999_999),
        json!("8"),
        json!("v8"),
        json!("g1234567"),
        json!("gABCDEF0"),
        json!(format!("g{}", "a".repeat(40))),
        json!("v1.4.0"),
        json!("spring-sale"),
        json!("latest"),
        json!("green"),
        json!("v1-rc"),
        json!(longest),
    ];
    let objects = words.map(|word| with(deployment(), all_to(&word)));
    for object in all_taken(objects.to_vec()).await {
        let deployment: Deployment = typed(&object);
        assert_eq!(deployment.spec.wanted().unwrap().versions.len(), 1);
    }
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let mut bare = deployment();
    merge(&mut bare["spec"], json!({"override": {}}));
    let kept = all_taken(vec![bare, alias(), repository()]).await;
    let deployment: Deployment = typed(&kept[0]);
    let spec = &kept[0].data["spec"];
    assert_eq!(spec["onLoss"], "shift");
    assert_eq!(spec["rollbackWindow"], "1h");
    assert_eq!(spec["routes"][0]["path"], "/");
    assert_eq!(spec["override"], json!({"mode": "header"}));
    let wanted = deployment.spec.wanted().unwrap();
    assert_eq!(wanted.routes[0].name.as_str(), "main");
    assert_eq!(wanted.override_rule, OverrideRule::Header);
    assert_eq!(wanted.rollback_window.as_secs(), 3600);

    let alias: Alias = typed(&kept[1]);
    let wanted = alias.spec.wanted().unwrap();
    let shares: Vec<String> = (wanted.versions.iter())
        .map(|entry| format!("{}={}", entry.version, entry.percentage))
        .collect();
    assert_eq!(shares, ["v7=87.5", "v8=12.5"]);

    let repository: Repository = typed(&kept[2]);
    assert_eq!(repository.spec.branch, "main");
    assert_eq!(repository.spec.interval.as_secs(), 60);
    assert!(!repository.spec.suspend);
}

#[tokio::test]
async fn routes_overrides_and_affinity_come_in_every_form() {
    let routes = json!([
        route(
            json!({"name": "web", "hostnames": ["*.example.com", "example.com", "localhost"], "path": "/a/b.c~d%20e"})
        ),
        route(
            json!({"name": "api", "path": "/api/", "function": "api", "gateway": {"namespace": "edge", "sectionName": "https"}})
        ),
    ]);
    let key = json!({"mode": "key", "header": "X-Preview-Key", "secretRef": {"name": "preview", "key": "key"}});
    let objects = vec![
        with(
            deployment(),
            json!({"routes": routes, "override": key, "affinity": {"cookie": "session"}, "drainDelay": "0s"}),
        ),
        with(
            deployment(),
            json!({"override": {"mode": "none"}, "affinity": {"header": "X-User-Id"}, "onLoss": "hold"}),
        ),
        with(
            deployment(),
            json!({
                "versions": [{"version": 8, "percentage": 100}, {"version": "gABCDEF1", "percentage": 0}, {"version": "spring", "percentage": 0}],
                "rules": [
                    {"version": "v8", "header": {"name": "X-Beta", "value": "yes please"}},
                    {"version": "gabcdef1", "cookie": {"name": "beta", "value": "1=a"}},
                    {"version": "spring", "query": {"name": "beta ä", "value": ""}},
                ],
            }),
        ),
        with(deployment(), json!({"routes": null, "message": ""})),
    ];
    let kept = all_taken(objects).await;
    let first: Deployment = typed(&kept[0]);
    let wanted = first.spec.wanted().unwrap();
    assert_eq!(wanted.routes.len(), 2);
    assert!(matches!(wanted.override_rule, OverrideRule::Key { .. }));
    let second: Deployment = typed(&kept[1]);
    let none = Override {
        mode: OverrideMode::None,
        ..Override::default()
    };
    assert_eq!(second.spec.override_, Some(none));
}

#[tokio::test]
async fn addresses_of_every_allowed_kind_are_taken() {
    let urls = [
        "https://git.example.com/acme/shop.git",
        "https://git.example.com:8443/acme/shop",
        "ssh://git@git.example.com/acme/shop.git",
        "ssh://git@git.example.com:2222/acme/shop.git",
        "git@git.example.com:acme/shop.git",
        "http://git.example.com/shop.git",
        "file:///srv/git/shop.git",
        "/srv/git/shop.git",
    ];
    let mut objects: Vec<Value> = urls
        .iter()
        .map(|url| with(repository(), json!({"url": url})))
        .collect();
    for branch in ["main", "release/2026", "a.b", "feature-x_1", "a@b"] {
        objects.push(with(repository(), json!({"branch": branch})));
    }
    for releases in ["releases", "releases/prod", ".releases", "a.b/c"] {
        objects.push(with(repository(), json!({"releases": releases})));
    }
    objects.push(with(
        repository(),
        json!({"interval": "5s", "environment": "prod-eu", "suspend": true, "secretRef": {"name": "git"},
               "webhookSecretRef": {"name": "hook"},
               "ledger": {"url": "git@git.example.com:acme/ledger.git", "secretRef": {"name": "ledger"}}}),
    ));
    all_taken(objects).await;
}

#[tokio::test]
async fn a_status_is_kept_as_it_is_written() {
    let server = ApiServer::shared();
    let client = server.client(User::Cutwater).await;
    let namespace = server.namespace("status");
    let mut object = deployment();
    let api = api_of(&client, &namespace, &mut object);
    let made = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &made).await.unwrap();

    let word = json!({"version": "v1.4.0"});
    let pods = json!({"readyReplicas": 2, "wantedReplicas": 3});
    let resolved = |number: u32, percentage: f64, more: &Value| {
        let id = format!("g{}", "a".repeat(40));
        let mut entry =
            json!({"number": number, "id": id, "commit": "b".repeat(40), "percentage": percentage});
        merge(&mut entry, more.clone());
        entry
    };
    let mut status: DeploymentStatus = serde_json::from_value(json!({
        "observedGeneration": 1,
        "versions": "v7 87.5%, v8 12.5%",
        "wanted": [resolved(7, 87.5, &word), resolved(8, 12.5, &word)],
        "serving": [resolved(7, 87.5, &pods), resolved(8, 12.5, &pods)],
        "history": [
            {"sequence": 2, "time": "2026-01-02T03:04:05Z", "author": "mika", "source": "c0ffee", "message": "back again",
             "versions": [{"number": 7, "percentage": 100}], "stable": true, "rolledBackFrom": 8},
        ],
        "routes": [{"name": "main", "accepted": true, "url": "http://shop.example.com/"}],
    }))
    .unwrap();
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    for type_ in Type::ALL {
        let say = Say::new(*type_, true, Reason::Succeeded, "");
        condition::set(&mut status.conditions, &say, Some(1), now);
    }
    let apply =
        json!({"apiVersion": "cutwater.dev/v1alpha1", "kind": "Deployment", "status": status});
    let mut strict = PatchParams::apply(STATUS_MANAGER).force();
    strict.field_validation = Some(ValidationDirective::Strict);
    let api: Api<Deployment> = Api::namespaced(client, &namespace);
    let kept = api
        .patch_status("checkout", &strict, &Patch::Apply(&apply))
        .await
        .unwrap();
    let again = api
        .patch_status("checkout", &strict, &Patch::Apply(&apply))
        .await
        .unwrap();
    assert_eq!(
        kept.metadata.resource_version, again.metadata.resource_version,
        "no write without a change"
    );
    let kept = kept.status.unwrap();
    assert_eq!(kept.history, status.history);
    assert_eq!(kept.wanted, status.wanted);
    assert_eq!(kept.serving, status.serving);
    assert_eq!(kept.routes, status.routes);
    assert_eq!(
        kept, status,
        "the status that is read back equals the one that was written"
    );
}
