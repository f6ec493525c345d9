//! Other tools and our kinds: kubectl prints and explains them well, and what takes every Deployment for one of `apps` does
//! no harm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cutwater::api::schema;
use serde_json::json;

use super::*;
use crate::support::apiserver::succeed;
use crate::support::tools::{checkout, tool};

/// The resources of the example.
const EXAMPLES: [&str; 3] = [
    "releases/checkout.yaml",
    "releases/staging.yaml",
    "cluster/repository.yaml",
];

fn example(name: &str) -> PathBuf {
    checkout().join("examples/checkout").join(name)
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The API server, once kubectl knows our kinds: it keeps what it learned before they were installed, and the server lists a
/// new kind a moment after it serves it.
fn server() -> &'static ApiServer {
    let server = ApiServer::shared();
    let start = Instant::now();
    loop {
        let arguments = ["api-resources", "--api-group=cutwater.dev", "-o", "name"];
        let listed = server.kubectl(&arguments);
        if listed.stdout.split(|byte| *byte == b'\n').count() == 4 {
            return server;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{listed:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_files_under_crds_are_what_the_types_say() {
    let directory = checkout().join("crds");
    let mut there: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut names = Vec::new();
    for (name, yaml) in schema::files().unwrap() {
        let found = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(
            found == yaml,
            "crds/{name} is stale: run `make generate` and commit the result"
        );
        names.push(name);
    }
    names.sort();
    assert_eq!(
        there, names,
        "crds/ holds one file per kind and nothing else"
    );
}

#[test]
fn kubectl_explain_speaks_to_operators() {
    let server = server();
    let explain = |what: &str| {
        let arguments = ["explain", "--api-version=cutwater.dev/v1alpha1", what];
        succeed(server.kubectl(&arguments))
    };
    let versions = succeed(server.kubectl(&["explain", "cwd.spec.versions"]));
    let flat = versions.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Which versions get how much, 1 to 10. The percentages total exactly 100.",
        "Share of the requests in percent, 0 to 100 with at most two decimals, such as `12.5`.",
        "Which version: its number (`8` or `v8`), its id (`g` and 7 to 40 hex digits",
    ] {
        assert!(flat.contains(words), "{words:?} is not in\n{versions}");
    }
    for kind in ["deployments", "aliases", "repositories"] {
        let text = succeed(server.kubectl(&[
            "explain",
            "--recursive",
            "--api-version=cutwater.dev/v1alpha1",
            kind,
        ]));
        assert!(text.contains("GROUP:      cutwater.dev"), "{text}");
        for field in ["spec", "status"] {
            let text = explain(&format!("{kind}.{field}"));
            assert!(!text.contains("<empty>"), "{text}");
        }
    }
}

/// Words that mean something to whoever wrote the program only.
const INSIDE: [&str; 14] = [
    "Auto-generated",
    "Option<",
    "Vec<",
    "String`",
    "struct",
    "serde",
    "schemars",
    "derive",
    "`None`",
    "Some(",
    "u32",
    "i64",
    "::",
    "Spec`",
];

#[test]
fn every_field_is_described_in_the_words_of_its_user() {
    fn visit(path: &str, schema: &Value, wrong: &mut Vec<String>) {
        let text = schema["description"].as_str().unwrap_or_default();
        if text.is_empty() && !path.ends_with("[]") {
            wrong.push(format!("{path} has no description"));
        }
        // Conditions are Kubernetes' own, in its own words.
        for word in INSIDE.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!("{path} says {word}: {text}"));
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            visit(&format!("{path}.{name}"), inner, wrong);
        }
        if schema["items"].is_object() {
            visit(&format!("{path}[]"), &schema["items"], wrong);
        }
    }
    let mut wrong = Vec::new();
    for crd in schema::all().unwrap() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        visit(kind, root, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn kubectl_get_shows_what_matters() {
    let server = server();
    let client = server.client(User::Admin).await;
    let namespace = server.namespace("shown");
    for mut object in [deployment(), alias(), repository()] {
        let api = api_of(&client, &namespace, &mut object);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let made = serde_json::from_value(object.clone()).unwrap();
        api.create(&PostParams::default(), &made).await.unwrap();
        let condition = json!({"type": "Ready", "status": "False", "reason": "WaitingForPods", "message": "v8: 0 of 2 pods are ready",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
        let mut status = json!({"status": {"conditions": [condition], "observedGeneration": 1}});
        if object["kind"] != "Repository" {
            status["status"]["versions"] = json!("v7 90%, v8 10%");
        }
        let patch = kube::api::Patch::Merge(status);
        api.patch_status(&name, &kube::api::PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let get = |arguments: &[&str]| {
        let all = [&["-n", &namespace, "get"][..], arguments].concat();
        let text = succeed(server.kubectl(&all));
        let columns = |line: &str| {
            let columns = line
                .split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty());
            // The age is a matter of the clock.
            columns
                .take_while(|word| !word.ends_with('s') || word.len() > 4)
                .map(String::from)
                .collect()
        };
        text.lines().map(columns).collect::<Vec<Vec<String>>>()
    };
    assert_eq!(
        get(&["cwd"]),
        [
            vec!["NAME", "APP", "VERSIONS", "READY", "REASON", "AGE"],
            vec![
                "checkout",
                "checkout",
                "v7 90%, v8 10%",
                "False",
                "WaitingForPods"
            ],
        ]
    );
    assert_eq!(
        get(&["cwa"])[0],
        ["NAME", "APP", "VERSIONS", "READY", "REASON", "AGE"]
    );
    assert_eq!(
        get(&["cwr"]),
        [
            vec!["NAME", "URL", "BRANCH", "READY", "REASON", "APPLIED", "AGE"],
            vec![
                "shop",
                "https://git.example.com/acme/shop.git",
                "main",
                "False",
                "WaitingForPods"
            ],
        ]
    );
    let all: Vec<String> = get(&["cutwater", "-o", "name"]).concat();
    assert_eq!(
        all,
        [
            "alias.cutwater.dev/staging",
            "deployment.cutwater.dev/checkout",
            "repository.cutwater.dev/shop",
        ]
    );
    let selected = get(&["cwd", "--field-selector", "spec.app=checkout", "-o", "name"]);
    assert_eq!(selected, [["deployment.cutwater.dev/checkout"]]);
    let wide = get(&["cwd", "-o", "wide", "--no-headers"])
        .concat()
        .join(" ");
    assert!(wide.starts_with("checkout checkout v7 90%"), "{wide}");
}

/// What kustomize is told, and which fields of `apps` that puts into a Deployment.
const TRANSFORMS: [(&str, &[&str]); 4] = [
    ("commonAnnotations: {team: shop}", &["template"]),
    ("replicas: [{name: checkout, count: 3}]", &["replicas"]),
    (
        "labels: [{includeSelectors: true, pairs: {team: shop}}]",
        &["selector", "template"],
    ),
    ("nameSuffix: \"\"", &[]),
];

#[test]
fn examples_are_taken_as_they_are_and_after_kustomize() {
    let server = server();
    let scratch = tempfile::tempdir().unwrap();
    for name in EXAMPLES {
        let namespace = server.namespace("examples");
        let strict = |path: &Path| {
            let path = path.to_string_lossy();
            let apply = ["-n", &namespace, "apply", "--validate=strict", "-f", &path];
            let output = server.kubectl(&apply);
            assert!(output.stderr.is_empty(), "{output:?}");
            succeed(output)
        };
        let applied = strict(&example(name));
        assert!(applied.contains(".cutwater.dev/"), "{applied}");

        let base = scratch.path().join(&namespace);
        let resource = std::fs::read_to_string(example(name)).unwrap();
        write(&base.join("resource.yaml"), &resource);
        for (transform, adds) in TRANSFORMS {
            let is_deployment = name.ends_with("checkout.yaml");
            if transform.starts_with("replicas") && !is_deployment {
                // Kustomize itself knows that the other kinds have none.
                continue;
            }
            let text = format!("resources: [resource.yaml]\n{transform}\n");
            write(&base.join("kustomization.yaml"), &text);
            let made = base.join("made.yaml");
            let kustomize = ["kustomize", &base.to_string_lossy()];
            write(&made, &succeed(server.kubectl(&kustomize)));
            strict(&made);
            if is_deployment {
                let get = ["-n", &namespace, "get", "cwd", "checkout", "-o", "json"];
                let object = succeed(server.kubectl(&get));
                let deployment: cutwater::api::Deployment = serde_json::from_str(&object).unwrap();
                assert_eq!(deployment.spec.ignored_fields(), adds, "{transform}");
                deployment.spec.wanted().unwrap();
            }
        }
    }
}

#[test]
fn kustomize_renames_what_the_resources_refer_to() {
    let scratch = tempfile::tempdir().unwrap();
    let base = scratch.path();
    let objects = "
apiVersion: cutwater.dev/v1alpha1
kind: Deployment
metadata: {name: shop}
spec:
  repository: releases
  override: {mode: key, header: X-Key, secretRef: {name: preview, key: token}}
  routes: [{hostnames: [shop.example.com], gateway: {name: web}}]
---
apiVersion: cutwater.dev/v1alpha1
kind: Repository
metadata: {name: releases}
spec: {secretRef: {name: git}, webhookSecretRef: {name: hook}, ledger: {secretRef: {name: git}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
";
    write(&base.join("objects.yaml"), objects);
    write(&base.join("cutwater.yaml"), cutwater::api::KUSTOMIZE);
    let kustomization = "namePrefix: eu-\nresources: [objects.yaml]\nconfigurations: [cutwater.yaml]\nsecretGenerator:\n- {name: git, literals: [token=x]}\n- {name: preview, literals: [token=x]}\n- {name: hook, literals: [secret=x]}\n";
    write(&base.join("kustomization.yaml"), kustomization);
    let output = Command::new(tool("kubectl"))
        .args(["kustomize", &base.to_string_lossy()])
        .output()
        .unwrap();
    let made = succeed(output);
    assert!(made.contains("repository: eu-releases"), "{made}");
    assert_eq!(made.matches("name: eu-web").count(), 2, "{made}");
    // Each Secret, and what refers to it.
    assert_eq!(made.matches("name: eu-git-").count(), 3, "{made}");
    assert_eq!(made.matches("name: eu-preview-").count(), 2, "{made}");
    assert_eq!(made.matches("name: eu-hook-").count(), 2, "{made}");
}

#[test]
fn helm_lint_passes_on_a_chart_that_holds_the_examples() {
    let scratch = tempfile::tempdir().unwrap();
    let chart = scratch.path().join("shop");
    write(
        &chart.join("Chart.yaml"),
        "apiVersion: v2\nname: shop\nversion: 0.1.0\nicon: https://example.com/icon.png\n",
    );
    write(&chart.join("values.yaml"), "{}\n");
    for name in EXAMPLES {
        let text = std::fs::read_to_string(example(name)).unwrap();
        let file = Path::new(name).file_name().unwrap();
        write(&chart.join("templates").join(file), &text);
    }
    let lint = || {
        Command::new(tool("helm"))
            .env("HOME", scratch.path())
            .args(["lint", "--strict"])
            .arg(&chart)
            .output()
            .unwrap()
    };
    succeed(lint());

    // The comment is what helps: without it helm takes the kind for that of `apps`.
    let template = chart.join("templates/checkout.yaml");
    let text = std::fs::read_to_string(&template).unwrap();
    write(
        &template,
        &text.replace("# matchLabels: not used by cutwater.dev\n", ""),
    );
    assert!(!lint().status.success());
}
