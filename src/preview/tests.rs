//! What a merge does, by tables: objects before and after, in short forms, and what is said of them.

/// What is wrong.
mod faults;

use serde_json::json;

use super::*;
use crate::api::Reason;
use crate::releases::{self, Release};
use crate::words::Share;
use crate::yaml::Problems;

/// Objects of short lines: `checkout.yaml Deployment checkout: v7=90 v8=10 @shop.test/ @shop.test/api web`.
fn objects(lines: &[&str]) -> Vec<Release> {
    lines.iter().flat_map(|line| object(line)).collect()
}

fn object(line: &str) -> Vec<Release> {
    let (head, wanted) = line.split_once(": ").unwrap();
    let [file, kind, name] = head.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{head}");
    };
    let (name, app) = name
        .split_once('/')
        .map_or((name, "shop"), |(name, app)| (name, app));
    let (mut versions, mut routes, mut more) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for word in wanted.split(' ') {
        if let Some(place) = word.strip_prefix('@') {
            let (place, function) = place.split_once('#').unwrap_or((place, ""));
            let (hostname, path) = place.split_at(place.find('/').unwrap());
            let mut route = json!({
                "name": format!("r{}", routes.len()), "hostnames": [hostname], "path": path, "gateway": {"name": "public"},
            });
            if !function.is_empty() {
                route["function"] = json!(function);
            }
            routes.push(route);
        } else if let Some((field, value)) = word.split_once(':') {
            more.insert(field.to_owned(), json!(value));
        } else {
            let (version, share) = word.split_once('=').unwrap_or((word, "100"));
            let share: serde_json::Number = share.parse().unwrap();
            versions.push(json!({"version": version, "percentage": share}));
        }
    }
    let mut spec = json!({"app": app, "repository": "own", "routes": routes});
    if kind == "Alias" {
        spec["version"] = versions[0]["version"].clone();
    } else {
        spec["versions"] = json!(versions);
    }
    spec.as_object_mut().unwrap().extend(more);
    let document = json!({
        "apiVersion": "cutwater.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    let bytes = serde_json::to_vec(&document).unwrap();
    let read = releases::read(&format!("releases/{file}"), &bytes);
    read.unwrap_or_else(|problems| panic!("{line}: {problems}"))
        .releases
}

/// v1 to v20 with the function `web`, v20 with `api` in its place; v30 is deleted, and `stable` is v7.
fn known() -> Known {
    let record = |number: u32| -> VersionRecord {
        let function = if number == 20 { "api" } else { "web" };
        serde_json::from_value(json!({
            "app": "shop", "number": number, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z",
            "functions": [{"name": function, "image": "shop@sha256:1", "port": 8080, "scale": {"min": 2}}],
        }))
        .unwrap()
    };
    let mut words: BTreeMap<VersionWord, Result<VersionRecord, Trouble>> = (1..=20)
        .map(|number| (format!("v{number}").parse().unwrap(), Ok(record(number))))
        .collect();
    words.insert("stable".parse().unwrap(), Ok(record(7)));
    let deleted = Trouble::new(Reason::VersionDeleted, "version v30 was deleted by Ada");
    words.insert("v30".parse().unwrap(), Err(deleted));
    let unknown = Trouble::new(
        Reason::VersionNotFound,
        "has no version `v99`; there are: v20",
    );
    words.insert("v99".parse().unwrap(), Err(unknown));
    ["shop", "blog"]
        .map(|app| (app.parse().unwrap(), words.clone()))
        .into()
}

fn side<'a>(releases: &'a [Release], unread: &'a [Unread<'a>]) -> Side<'a> {
    Side {
        folder: "releases",
        releases,
        unread,
        bare: &[],
    }
}

fn merge(before: &[&str], after: &[&str]) -> Preview {
    let (before, after) = (objects(before), objects(after));
    preview(&side(&before, &[]), &side(&after, &[]), &known(), &[])
}

/// All of it in short lines.
fn said(preview: &Preview) -> Vec<String> {
    let share = |share: Option<Share>| share.map_or("-".to_owned(), |share| share.to_string());
    let mut lines = Vec::new();
    for change in &preview.changes {
        let mut parts = vec![format!("{:?} {}", change.action, change.name)];
        for step in &change.versions {
            let (before, after) = (share(step.before), share(step.after));
            parts.push(format!("{} {before}->{after}", step.version));
        }
        for route in &change.routes {
            let side = |is_there: bool, sign| if is_there { sign } else { "" };
            let signs =
                side(route.before.is_some(), "-").to_owned() + side(route.after.is_some(), "+");
            parts.push(format!("{signs}{}", route.name));
        }
        parts.extend(change.fields.iter().map(|field| format!("~{field}")));
        lines.push(parts.join(" "));
    }
    for pods in &preview.pods {
        for start in &pods.starts {
            let functions = start.functions.iter();
            let functions: Vec<String> = functions
                .map(|it| format!("{} {}", it.function, it.pods))
                .collect();
            lines.push(format!(
                "+{} {} {}",
                pods.app,
                start.version,
                functions.join(" ")
            ));
        }
        for stop in &pods.stops {
            let window = stop
                .window
                .map_or_else(|| "now".to_owned(), |it| it.to_string());
            lines.push(format!("-{} {} {window}", pods.app, stop.version));
        }
    }
    for fault in &preview.faults {
        let reason = fault.reason.unwrap_or("-");
        lines.push(format!("{:?} {reason} {}", fault.standing, fault.place()));
    }
    lines
}

#[test]
fn each_step_of_a_release_is_told_with_its_pods() {
    const V7: &str = "a.yaml Deployment shop: v7 @shop.test/";
    for (before, after, expected) in [
        (&[V7][..], &[V7][..], &[][..]),
        // A canary, its promotion, and the way back.
        (
            &[V7],
            &["a.yaml Deployment shop: v7=90 v8=10 @shop.test/"],
            &["Changed shop v7 100->90 v8 -->10", "+shop v8 web 2"],
        ),
        (
            &["a.yaml Deployment shop: v7=90 v8=10 @shop.test/"],
            &["a.yaml Deployment shop: v8 @shop.test/"],
            &["Changed shop v8 10->100 v7 90->-", "-shop v7 1h"],
        ),
        (
            &["a.yaml Deployment shop: v7=90 v8=10 @shop.test/"],
            &["a.yaml Deployment shop: v7 @shop.test/ rollbackWindow:30m"],
            &[
                "Changed shop v7 90->100 v8 10->- ~rollbackWindow",
                "-shop v8 30m",
            ],
        ),
        // A version that an Alias lists too neither begins nor ends.
        (
            &[V7, "b.yaml Alias next: v8 @next.test/"],
            &[
                "a.yaml Deployment shop: v8 @shop.test/",
                "b.yaml Alias next: v8 @next.test/",
            ],
            &["Changed shop v8 -->100 v7 100->-", "-shop v7 1h"],
        ),
        (
            &[V7],
            &[V7, "b.yaml Alias next: v8 @next.test/"],
            &["Added next v8 -->100 +r0", "+shop v8 web 2"],
        ),
        (
            &[V7, "b.yaml Alias next: v8 @next.test/"],
            &[V7],
            &["Removed next v8 100->- -r0", "-shop v8 now"],
        ),
        // The same version by another word is no step.
        (
            &[V7],
            &["a.yaml Deployment shop: stable @shop.test/"],
            &["Changed shop stable 100->100 ~versions"],
        ),
        // Routes.
        (
            &["a.yaml Deployment shop: v7 @shop.test/ @shop.test/old"],
            &["a.yaml Deployment shop: v7 @shop.test/new"],
            &["Changed shop v7 100->100 -+r0 -r1"],
        ),
        (
            &[V7],
            &["a.yaml Deployment shop: v7"],
            &[
                "Changed shop v7 100->100 -r0",
                "Warning NoRoutes releases/a.yaml:1",
            ],
        ),
        // Another folder may be another namespace.
        (
            &[V7],
            &["deep/a.yaml Deployment shop: v7 @shop.test/"],
            &[
                "Changed shop v7 100->100 ~file",
                "-shop v7 1h",
                "+shop v7 web 2",
            ],
        ),
    ] {
        assert_eq!(
            said(&merge(before, after)),
            expected,
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn the_one_that_loses_most_gives_way_to_the_one_that_gains_most() {
    for (before, after, expected) in [
        ("v7", "v7=90 v8=10", Some((7, 8))),
        ("v7=90 v8=10", "v8", Some((7, 8))),
        ("v7=90 v8=10", "v7", Some((8, 7))),
        ("v8", "v7", Some((8, 7))),
        ("v7=50 v8=50", "v9=34 v7=33 v8=33", Some((7, 9))),
        ("v7", "v7=100 v8=0", None),
        ("v7", "v99", None),
    ] {
        let line = |versions: &str| format!("a.yaml Deployment shop: {versions} @shop.test/");
        let preview = merge(&[&line(before)], &[&line(after)]);
        let found = preview.changes[0].exchange;
        let found = found.map(|found| (found.from.get(), found.to.get()));
        assert_eq!(found, expected, "{before} {after}");
    }
    let new = merge(&[], &["a.yaml Deployment shop: v7 @shop.test/"]);
    assert_eq!(new.changes[0].exchange, None);
}
