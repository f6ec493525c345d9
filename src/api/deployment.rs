//! `deployments.cutwater.dev` (short name `cwd`): which versions of an app get how much of its traffic.
//!
//! The kind is also one of `apps`, so everything that people read says `cwd`.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printed column has attributes of its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::route::Route;
use super::rules;
use super::specs;
use super::status::{HistoryEntry, ResolvedVersion, RouteState, ServingVersion};
use super::traffic::{Affinity, OnLoss, Override, WantedVersion};
use super::version_rule::{self, VersionRule};
use crate::words::{AppName, Period};

/// What is wanted for the traffic of one app.
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cutwater.dev",
    version = "v1alpha1",
    kind = "Deployment",
    plural = "deployments",
    singular = "deployment",
    shortname = "cwd",
    category = "cutwater",
    namespaced,
    status = "DeploymentStatus",
    derive = "PartialEq",
    doc = "Which immutable versions of an app get how much of its traffic. There is one for each app and namespace. Its short name is cwd; deployments.apps is another kind.",
    selectable = ".spec.app",
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The app"
    ),
    printcolumn(
        name = "Versions",
        type_ = "string",
        json_path = ".status.versions",
        description = "The versions that serve now, with their percentages"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "True once everything is as wanted"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is going on, in words",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = specs::deployment()))]
pub struct DeploymentSpec {
    /// Name of the app in the release repository: at most 30 lower-case letters, digits and dashes. It never changes; make a
    /// new object for another app.
    pub app: AppName,
    /// Name of the Repository, in the same namespace, that holds the app's versions. It never changes.
    #[schemars(schema_with = "rules::object_name")]
    pub repository: String,
    /// Which versions get how much, 1 to 10. The percentages total exactly 100. One or two versions is the usual case. The
    /// order is kept.
    #[schemars(schema_with = "specs::versions")]
    pub versions: Vec<WantedVersion>,
    /// Where the app is reached, up to 16 routes. Without routes the versions run but nothing is sent to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "specs::routes")]
    pub routes: Vec<Route>,
    /// How a request may ask for one of the versions, whatever its share: by default with the header
    /// `Cutwater-Version-<app>: <number>`. Set `mode` to `none` where the internet must not choose.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_: Option<Override>,
    /// Rules that pick a version by a header, a cookie or a query parameter, up to 16. The first that fits a request counts. They
    /// go before `affinity` and the percentages; the header of `override` goes before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "version_rule::list")]
    pub rules: Vec<VersionRule>,
    /// Keeps the requests of one user on one version. Without it, each request is drawn by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Why this is deployed, for the history: one to three sentences, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::message")]
    pub message: Option<String>,
    /// What happens to the share of a version that loses its last ready pod. `shift`: the ready versions take it over until
    /// it is back. `hold`: it stays, and those requests fail. The default is `shift`.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// How long a version that went to 0 % keeps its pods, so that going back is instant: `0s` to `8760h`, such as `30m`.
    /// The default is `1h`.
    #[serde(default = "one_hour")]
    #[schemars(default = "one_hour")]
    pub rollback_window: Period,
    /// How long a change may make no progress before it is said to be stalled (`Stalled=True`, with the reason), and how long going
    /// back to a version waits for pods that do not come and for a gateway that says nothing: `10s` to `8760h`, such as `5m`. The
    /// default is `10m`.
    #[serde(default = "ten_minutes")]
    #[schemars(schema_with = "rules::progress_deadline")]
    pub progress_deadline: Period,
    /// How long pods stay after the last gateway stopped sending to them, for requests that are still open: `0s` to `8760h`,
    /// such as `30s`. The default is the controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_delay: Option<Period>,
    /// Ignored. Tools that take every Deployment for one of `apps` write it; pods are described by the app's versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::ignored")]
    pub selector: Option<serde_json::Value>,
    /// Ignored. Tools that take every Deployment for one of `apps` write it; pods are described by the app's versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::ignored")]
    pub template: Option<serde_json::Value>,
    /// Ignored. Tools that take every Deployment for one of `apps` write it; the app's `scale` says how many pods there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::ignored")]
    pub replicas: Option<serde_json::Value>,
}

/// What is true of the traffic of one app.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true now: `Ready`, `Reconciling`, `Stalled`, `VersionsResolved`, `WorkloadsReady`, `RoutesAccepted` and
    /// `Converged`, each with a reason and a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "rules::conditions")]
    pub conditions: Vec<Condition>,
    /// The versions that serve now with their percentages, in one line, such as `v7 90%, v8 10%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    /// The versions of the spec and what they resolved to, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<ResolvedVersion>,
    /// The versions that have pods now, with the share that the routes give them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serving: Vec<ServingVersion>,
    /// The ten newest deployments, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// What the gateways say about each route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteState>,
}

/// How long a change may make no progress, unless told.
pub(super) fn ten_minutes() -> Period {
    Period::from_secs(600)
}

/// How long a version at 0 % keeps its pods, unless told.
pub(super) fn one_hour() -> Period {
    Period::from_secs(3600)
}
