//! The workloads of one version: an apps/v1 Deployment and a Service per function, and what goes with them.
//!
//! A pod template depends on the record of the version alone, so that nothing but the version ever restarts its pods.

use serde_json::{Map, Value, json};

use super::names;
use super::object::{Kind, Object};
use crate::app::{EnvVar, Function, Probe};
use crate::plan::Scale;
use crate::record::{FileSet, VersionRecord};

/// Seconds that a pod goes on serving after it was told to end, so that gateways that have not heard of it yet meet an
/// open port. Three seconds were enough for no request lost in a rolling update of plain pods; this is on the safe side.
const LINGER_SECONDS: u32 = 5;
const GRACE_SECONDS: u32 = 30;
const FILES_VOLUME: &str = "cutwater-files";

/// Labels of everything that belongs to a function of a version.
pub(super) fn labels(record: &VersionRecord, function: &Function) -> Value {
    json!({
        names::MANAGED_BY: names::FIELD_MANAGER,
        "app.kubernetes.io/name": record.app,
        names::APP: record.app,
        names::VERSION: record.number.get().to_string(),
        names::FUNCTION: function.name,
    })
}

fn selector(record: &VersionRecord, function: &Function) -> Value {
    json!({
        names::APP: record.app,
        names::VERSION: record.number.get().to_string(),
        names::FUNCTION: function.name,
    })
}

/// The objects of one function, but for the `ConfigMap` of its files.
pub(super) fn objects(record: &VersionRecord, function: &Function, scale: Scale) -> Vec<Object> {
    let name = names::workload(&record.app, record.number, &function.name);
    let metadata = |annotations: Value| {
        json!({
            "name": name,
            "labels": labels(record, function),
            "annotations": annotations,
        })
    };
    let object = |kind: Kind, annotations: Value, spec: Value| {
        let (api_version, api_kind, _) = kind.api();
        Object {
            kind,
            name: name.clone(),
            body: json!({
                "apiVersion": api_version,
                "kind": api_kind,
                "metadata": metadata(annotations),
                "spec": spec,
            }),
        }
    };
    let record_text = serde_json::to_string(record).unwrap_or_default();
    let mut objects = vec![
        // With a record of its own, for a workload that somebody deletes while git is away.
        object(
            Kind::Service,
            json!({names::RECORD: record_text}),
            json!({
                "selector": selector(record, function),
                "ports": [{"name": "http", "port": names::SERVICE_PORT, "targetPort": function.port, "protocol": "TCP"}],
            }),
        ),
        object(
            Kind::Workload,
            json!({names::RECORD: record_text}),
            deployment_spec(record, function, scale),
        ),
    ];
    if let Scale::Auto { min, max } = scale {
        let cpu = function.scale.as_ref().and_then(|scale| scale.cpu);
        objects.push(object(
            Kind::Autoscaler,
            json!({}),
            json!({
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": min,
                "maxReplicas": max,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": cpu}}}],
            }),
        ));
    }
    if let Some(away) = function
        .scale
        .as_ref()
        .and_then(|scale| scale.max_unavailable)
    {
        objects.push(object(
            Kind::DisruptionBudget,
            json!({}),
            json!({"selector": {"matchLabels": selector(record, function)}, "maxUnavailable": away}),
        ));
    }
    objects
}

fn deployment_spec(record: &VersionRecord, function: &Function, scale: Scale) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": selector(record, function)},
        "revisionHistoryLimit": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": {
            "metadata": {"labels": labels(record, function)},
            "spec": pod_spec(record, function),
        },
    });
    // Where an autoscaler decides, a number here would fight it.
    if let Scale::Fixed(pods) = scale {
        spec["replicas"] = json!(pods);
    }
    spec
}

fn pod_spec(record: &VersionRecord, function: &Function) -> Value {
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    if let (Some(files), Some(set)) = (&function.files, record.files.get(&function.name)) {
        volumes.push(files_volume(record, set));
        mounts.push(json!({"name": FILES_VOLUME, "mountPath": files.mount_path, "readOnly": true}));
    }
    for (index, mount) in function.mounts.iter().enumerate() {
        let name = format!("mount-{index}");
        let optional = mount.optional.unwrap_or(false);
        volumes.push(match (&mount.secret, &mount.config_map) {
            (Some(secret), _) => {
                json!({"name": name, "secret": {"secretName": secret, "optional": optional}})
            }
            (None, map) => json!({"name": name, "configMap": {"name": map, "optional": optional}}),
        });
        mounts.push(json!({"name": name, "mountPath": mount.mount_path, "readOnly": true}));
    }
    let grace = function
        .termination_grace_period_seconds
        .unwrap_or(GRACE_SECONDS);
    let mut pod = Map::new();
    pod.insert("automountServiceAccountToken".to_owned(), json!(false));
    pod.insert("enableServiceLinks".to_owned(), json!(false));
    pod.insert(
        "terminationGracePeriodSeconds".to_owned(),
        json!(grace + LINGER_SECONDS),
    );
    // The `restricted` Pod Security Standard, whatever the namespace enforces.
    pod.insert(
        "securityContext".to_owned(),
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}),
    );
    pod.insert(
        "containers".to_owned(),
        json!([container(record, function, mounts)]),
    );
    if !volumes.is_empty() {
        pod.insert("volumes".to_owned(), Value::Array(volumes));
    }
    Value::Object(pod)
}

fn files_volume(record: &VersionRecord, set: &FileSet) -> Value {
    let items: Vec<Value> = (set.items.iter())
        .map(|item| {
            let mode = if item.executable { 0o555 } else { 0o444 };
            json!({"key": item.key, "path": item.path, "mode": mode})
        })
        .collect();
    json!({
        "name": FILES_VOLUME,
        "configMap": {"name": names::files(&record.app, &set.digest), "items": items},
    })
}

fn container(record: &VersionRecord, function: &Function, mounts: Vec<Value>) -> Value {
    let mut container = Map::new();
    let mut set = |key: &str, value: Value| container.insert(key.to_owned(), value);
    set("name", json!(function.name));
    set("image", json!(function.image));
    if !function.command.is_empty() {
        set("command", json!(function.command));
    }
    if !function.args.is_empty() {
        set("args", json!(function.args));
    }
    set(
        "ports",
        json!([{"name": "http", "containerPort": function.port, "protocol": "TCP"}]),
    );
    set("env", environment(record, function));
    set(
        "lifecycle",
        json!({"preStop": {"sleep": {"seconds": LINGER_SECONDS}}}),
    );
    set(
        "securityContext",
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}),
    );
    let probes = [
        ("readinessProbe", &function.readiness_probe),
        ("livenessProbe", &function.liveness_probe),
        ("startupProbe", &function.startup_probe),
    ];
    for (key, probe) in probes {
        if let Some(probe) = probe {
            set(key, json_of_probe(probe));
        }
    }
    if let Some(resources) = &function.resources {
        set("resources", json!(resources));
    }
    if !mounts.is_empty() {
        set("volumeMounts", Value::Array(mounts));
    }
    Value::Object(container)
}

/// Field names and shapes of a probe in app.yaml are Kubernetes' own.
fn json_of_probe(probe: &Probe) -> Value {
    json!(probe)
}

/// What a container knows about itself, then what the app gives it.
fn environment(record: &VersionRecord, function: &Function) -> Value {
    let labels: Vec<&str> = record
        .labels
        .iter()
        .map(crate::words::Label::as_str)
        .collect();
    let known = [
        ("CUTWATER_APP", record.app.to_string()),
        ("CUTWATER_VERSION", record.number.get().to_string()),
        ("CUTWATER_SNAPSHOT", record.tree.to_string()),
        ("CUTWATER_LABELS", labels.join(",")),
        ("CUTWATER_PUBLISHED_AT", record.published_at.to_string()),
        ("PORT", function.port.to_string()),
    ];
    let known = known
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}));
    let own = function.env.iter().map(|variable: &EnvVar| json!(variable));
    Value::Array(known.chain(own).collect())
}
