//! The fields of `app.yaml`. Where Kubernetes has the field, name and shape are Kubernetes'.
//!
//! Only what is listed here reaches a pod: a snapshot cannot ask for the host, for privileges or for a service account.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{AppName, FunctionName};

/// An app: the functions that run together and are versioned together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// Always `cutwater.dev/v1alpha1`.
    #[schemars(extend("const" = "cutwater.dev/v1alpha1"))]
    pub api_version: String,
    /// Always `App`.
    #[schemars(extend("const" = "App"))]
    pub kind: String,
    /// The app's name.
    pub metadata: AppMetadata,
    /// What the app is made of.
    pub spec: AppSpec,
}

/// Metadata of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppMetadata {
    /// One DNS label of at most 30 characters; the same as the name of the app's directory.
    #[schemars(with = "String", extend("format" = "app-name"))]
    pub name: AppName,
}

/// What an app is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    /// The runnable parts of the app, 1 to 8. A version snapshots all of them together.
    #[schemars(length(min = 1, max = 8))]
    pub functions: Vec<Function>,
}

/// One runnable part of an app, with its own port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// One DNS label of at most 15 characters, unique in the app.
    #[schemars(with = "String", extend("format" = "function-name"))]
    pub name: FunctionName,
    /// Container image, pinned by digest (`name@sha256:...`). May be absent in the branch and given at publish with `--image`,
    /// and absent in a version that runs without a cluster (`local`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Entry point; the image's own where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments of the entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Port on which the function serves HTTP, 1 to 65535. It is given to the program as `PORT`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Environment variables. Names that begin with `CUTWATER_`, and `PORT`, are set by the system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Files of the snapshot that are mounted into the container, read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// `ConfigMap` and Secret volumes, by name. They are bound, not captured: a change in them makes no version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// When the function is ready for traffic. Without it, a pod is ready once its container runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// When the container is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Holds back the other probes until the program has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Compute resources of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How many pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Longest time between the request to end and the end of a pod, 1 to 3600 seconds; 30 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub termination_grace_period_seconds: Option<u32>,
    /// What standalone mode runs in place of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Local>,
}

impl Function {
    /// Fewest pods of this function.
    #[must_use]
    pub fn min(&self) -> u32 {
        self.scale.as_ref().and_then(|scale| scale.min).unwrap_or(1)
    }

    /// Most pods of this function; the same as the fewest where no autoscaler is asked for.
    #[must_use]
    pub fn max(&self) -> u32 {
        let max = self.scale.as_ref().and_then(|scale| scale.max);
        max.unwrap_or(1).max(self.min())
    }

    /// Names of the Secrets that it is bound to, in its variables and mounts.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let sources = self.env.iter().filter_map(|env| env.value_from.as_ref());
        let keys = sources.filter_map(|source| source.secret_key_ref.as_ref());
        let mounts = self
            .mounts
            .iter()
            .filter_map(|mount| mount.secret.as_deref());
        keys.map(|key| key.name.as_str()).chain(mounts)
    }

    /// Names of the ConfigMaps that it is bound to, in its variables and mounts.
    pub fn config_maps(&self) -> impl Iterator<Item = &str> {
        let sources = self.env.iter().filter_map(|env| env.value_from.as_ref());
        let keys = sources.filter_map(|source| source.config_map_key_ref.as_ref());
        let mounts = self.mounts.iter();
        let mounts = mounts.filter_map(|mount| mount.config_map.as_deref());
        keys.map(|key| key.name.as_str()).chain(mounts)
    }

    /// True where an autoscaler is asked for.
    #[must_use]
    pub fn autoscaled(&self) -> bool {
        self.scale.as_ref().is_some_and(|scale| scale.cpu.is_some()) && self.max() > self.min()
    }
}

/// An environment variable: a plain value, or a key of a bound Secret or `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Name of the variable.
    pub name: String,
    /// Plain value; part of the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Where the value of a variable comes from. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVarSource {
    /// Key of a Secret in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySelector>,
    /// Key of a `ConfigMap` in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySelector>,
}

/// A key of a Secret or `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySelector {
    /// Name of the object.
    pub name: String,
    /// Key in the object.
    pub key: String,
    /// True where the container may start without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Files of the snapshot that a container sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Files {
    /// Absolute path in the container below which the files appear with their paths in the app's directory.
    pub mount_path: String,
    /// Patterns of paths in the app's directory, such as `public/**` (`*` and `?` within one folder, `**` across folders).
    #[schemars(length(min = 1))]
    pub include: Vec<String>,
}

/// A bound Secret or `ConfigMap` as a read-only folder. Exactly one of `secret` and `configMap`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Absolute path in the container.
    pub mount_path: String,
    /// Name of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Name of a `ConfigMap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<String>,
    /// True where the container may start without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A probe, as in Kubernetes. Exactly one of `httpGet`, `tcpSocket` and `exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// An HTTP request that must answer with 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetAction>,
    /// A TCP connection that must open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketAction>,
    /// A command in the container that must end with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecAction>,
    /// Seconds before the first probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay_seconds: Option<u32>,
    /// Seconds between probes, at least 1; 10 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub period_seconds: Option<u32>,
    /// Seconds until a probe counts as failed, at least 1; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<u32>,
    /// Successes in a row that make it succeed, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub success_threshold: Option<u32>,
    /// Failures in a row that make it fail, at least 1; 3 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub failure_threshold: Option<u32>,
}

/// An HTTP request of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGetAction {
    /// Path, such as `/ready`.
    pub path: String,
    /// Port, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// A TCP connection of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpSocketAction {
    /// Port, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// A command of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecAction {
    /// Command and arguments; not run by a shell.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
}

/// Compute resources, as Kubernetes quantities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What the container is given at least, such as `{cpu: 100m, memory: 64Mi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, String>,
    /// What the container may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, String>,
}

/// Resources by name; a number may stand without quotes, as in Kubernetes.
fn quantities(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number"], "format": "quantity"}
    })
}

/// How many pods a function has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// Fewest pods, 1 to 1000; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min: Option<u32>,
    /// Most pods, `min` to 1000. More than `min` needs `cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// Average CPU use in percent of the request that an autoscaler holds, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub cpu: Option<u32>,
    /// Most pods that may be away at once while nodes are drained, 1 or more; makes a disruption budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_unavailable: Option<u32>,
}

/// What standalone mode runs in a checkout of the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Local {
    /// Program and arguments; not run by a shell.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
}
