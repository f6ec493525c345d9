//! What a plan is as objects, whole: a wrong key would be seen by an API server alone, and a wrong label by nobody.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::render;
use super::route::{Keeps, Reached, RouteSpec};
use crate::app::App;
use crate::plan::{Owner, OwnerKind, Plan, RoutePlan, Scale, SplitPlan};
use crate::record::{FileItem, FileSet, VersionRecord};
use crate::words::{FunctionName, Share, Shares, VersionNumber};

const APP: &str = "\
apiVersion: cutwater.dev/v1alpha1
kind: App
metadata: {name: checkout}
spec:
  functions:
  - name: web
    image: ghcr.io/acme/checkout@sha256:1111111111111111111111111111111111111111111111111111111111111111
    command: [/bin/checkout]
    args: [--fast]
    port: 8080
    env:
    - {name: LOG_LEVEL, value: info}
    - {name: DB_URL, valueFrom: {secretKeyRef: {name: checkout-db, key: url}}}
    files: {mountPath: /app, include: [public/**]}
    mounts:
    - {mountPath: /etc/keys, secret: keys}
    readinessProbe: {httpGet: {path: /ready, port: 8080}}
    resources: {requests: {cpu: 100m, memory: 64Mi}}
    scale: {min: 2, max: 10, cpu: 70}
    terminationGracePeriodSeconds: 30
  - name: api
    image: ghcr.io/acme/api@sha256:2222222222222222222222222222222222222222222222222222222222222222
    port: 9090
";

fn version(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn function(name: &str) -> FunctionName {
    name.parse().unwrap()
}

fn record(number: u32) -> VersionRecord {
    let app = App::from_snapshot(APP.as_bytes()).unwrap();
    let files = FileSet {
        digest: "ab".repeat(16),
        items: vec![FileItem {
            key: "cd".repeat(16),
            path: "public/index.html".to_owned(),
            executable: false,
        }],
    };
    VersionRecord {
        app: app.metadata.name,
        number: version(number),
        tree: format!("{number:040x}").parse().unwrap(),
        commit: format!("{:040x}", number + 0x100).parse().unwrap(),
        published_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        repository: Some("main".to_owned()),
        labels: Vec::new(),
        functions: app.spec.functions,
        files: BTreeMap::from([(function("web"), files)]),
    }
}

fn shares(parts: &[(u32, u32)]) -> Shares {
    (parts.iter())
        .map(|(number, percent)| (version(*number), Share::from_basis_points(percent * 100)))
        .collect()
}

fn route(name: &str) -> RouteSpec {
    RouteSpec {
        name: name.to_owned(),
        hostnames: vec!["shop.example.com".to_owned()],
        path: "/checkout".to_owned(),
        function: function("web"),
        others: BTreeMap::new(),
        gateway_namespace: "infra".to_owned(),
        gateway: "web".to_owned(),
        section: None,
        overrides: true,
        keeps: None,
    }
}

#[test]
fn a_plan_is_these_objects() {
    let owner = Owner {
        kind: OwnerKind::Deployment,
        name: "checkout".to_owned(),
    };
    let auto = Scale::Auto { min: 2, max: 10 };
    let plan = Plan {
        run: BTreeMap::from([(
            version(8),
            BTreeMap::from([(function("web"), auto), (function("api"), Scale::Fixed(1))]),
        )]),
        splits: vec![SplitPlan::settled(
            owner.clone(),
            RoutePlan::Serve {
                shares: shares(&[(7, 90), (8, 10)]),
                idle: vec![version(6)],
                overrides: vec![version(7), version(8)],
            },
        )],
        ..Plan::default()
    };
    let changing = RouteSpec {
        section: Some("https".to_owned()),
        overrides: false,
        others: BTreeMap::from([(
            version(7),
            Reached {
                function: function("api"),
                beside: Some(function("web")),
            },
        )]),
        ..route("changing")
    };
    let keeping = RouteSpec {
        keeps: Some(Keeps {
            shares: shares(&[(7, 100)]),
            held: [version(7)].into(),
        }),
        ..route("keeping")
    };
    let routes = BTreeMap::from([(owner, vec![route("main"), changing, keeping])]);
    let records = BTreeMap::from([(version(8), record(8))]);
    let rendered = render::render(&"checkout".parse().unwrap(), &plan, &records, &routes);
    let mut report = String::new();
    for object in &rendered.objects {
        let body = serde_json::to_string_pretty(&object.body).unwrap();
        writeln!(report, "{} {}\n{body}", object.kind.api().1, object.name).unwrap();
    }
    writeln!(report, "{}", render::inventory(&rendered)).unwrap();
    insta::assert_snapshot!(report);
}
