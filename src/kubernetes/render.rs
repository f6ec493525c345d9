//! A plan as the list of objects that it takes.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::names;
use super::object::{Kind, Object};
use super::route::{self, RouteSpec};
use super::workload;
use crate::plan::{Memory, Owner, Plan, RoutePlan};
use crate::record::VersionRecord;
use crate::words::{AppName, VersionNumber};

/// The objects that a plan takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Workloads and routes, in the order in which they are applied. Not the files and not the anchor.
    pub objects: Vec<Object>,
    /// `ConfigMaps` of files that the workloads mount: name, and a version that has the content.
    pub files: BTreeMap<String, VersionNumber>,
}

/// Builds the objects of a plan. Versions without a record are left as they are.
#[must_use]
pub fn render(
    app: &AppName,
    plan: &Plan,
    records: &BTreeMap<VersionNumber, VersionRecord>,
    routes: &BTreeMap<Owner, Vec<RouteSpec>>,
) -> Rendered {
    let mut rendered = Rendered {
        objects: Vec::new(),
        files: BTreeMap::new(),
    };
    for (version, scales) in &plan.run {
        let Some(record) = records.get(version) else {
            continue;
        };
        for function in &record.functions {
            if let Some(scale) = scales.get(&function.name) {
                let objects = workload::objects(record, function, *scale);
                rendered.objects.extend(objects);
            }
        }
        for set in record.files.values() {
            rendered
                .files
                .insert(names::files(app, &set.digest), *version);
        }
    }
    for split in &plan.splits {
        let RoutePlan::Serve {
            shares,
            idle,
            overrides,
        } = &split.route
        else {
            continue;
        };
        for spec in routes.get(&split.owner).into_iter().flatten() {
            let object = route::object(app, &split.owner, spec, shares, idle, overrides);
            rendered.objects.push(object);
        }
    }
    rendered
        .objects
        .sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    rendered
}

/// The anchor: the inventory of an app, and what the next plan has to know. It owns nothing: who deletes all `ConfigMaps` of a
/// namespace would delete all pods with it.
#[must_use]
pub fn anchor(app: &AppName, memory: &Memory, inventory: &str) -> Object {
    let name = names::anchor(app);
    let memory = serde_json::to_string(memory).unwrap_or_default();
    let (api_version, kind, _) = Kind::ConfigMap.api();
    Object {
        kind: Kind::ConfigMap,
        body: json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "labels": app_labels(app)},
            "data": {"inventory": inventory, "memory": memory},
        }),
        name,
    }
}

/// The immutable `ConfigMap` of a function's files. Keys are hashes of contents, so the name says it all.
#[must_use]
pub fn files(app: &AppName, name: &str, data: &BTreeMap<String, Vec<u8>>) -> Object {
    let (api_version, kind, _) = Kind::ConfigMap.api();
    Object {
        kind: Kind::ConfigMap,
        name: name.to_owned(),
        body: json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "labels": app_labels(app)},
            "immutable": true,
            "binaryData": (data.iter())
                .map(|(key, bytes)| (key, ByteString(bytes.clone())))
                .collect::<BTreeMap<_, _>>(),
        }),
    }
}

/// Labels of what belongs to an app and to no one version.
fn app_labels(app: &AppName) -> Value {
    json!({
        names::MANAGED_BY: names::FIELD_MANAGER,
        "app.kubernetes.io/name": app,
        names::APP: app,
    })
}

/// The inventory as text: one line per object, sorted.
#[must_use]
pub fn inventory(rendered: &Rendered) -> String {
    let mut lines: Vec<String> = (rendered.objects.iter())
        .map(|object| format!("{} {}", object.kind.api().1, object.name))
        .chain(
            rendered
                .files
                .keys()
                .map(|name| format!("ConfigMap {name}")),
        )
        .collect();
    lines.sort();
    lines.join("\n")
}
