//! `aliases.cutwater.dev` (short name `cwa`): a name for a version, with an optional canary.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printed column has attributes of its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deployment::{one_hour, ten_minutes};
use super::route::Route;
use super::rules;
use super::specs;
use super::status::{HistoryEntry, ResolvedVersion, RouteState, ServingVersion};
use super::traffic::{Affinity, OnLoss, Override};
use super::version_rule::{self, VersionRule};
use crate::words::{AliasName, AppName, Period, Share, VersionWord};

/// What is wanted for one alias of an app.
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cutwater.dev",
    version = "v1alpha1",
    kind = "Alias",
    plural = "aliases",
    singular = "alias",
    shortname = "cwa",
    category = "cutwater",
    namespaced,
    status = "AliasStatus",
    derive = "PartialEq",
    doc = "A name for a version of an app, such as prod or staging, with an optional canary version. An alias never points to an alias. Its short name is cwa.",
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
#[schemars(extend("x-kubernetes-validations" = specs::alias()))]
pub struct AliasSpec {
    /// Name of the app in the release repository: at most 30 lower-case letters, digits and dashes. It never changes; make a
    /// new object for another app.
    pub app: AppName,
    /// Name of the Repository, in the same namespace, that holds the app's versions. It never changes.
    #[schemars(schema_with = "rules::object_name")]
    pub repository: String,
    /// The alias's name, unique in the app; the object's own name where it is left out. A letter or `_`, then at most 127
    /// letters, digits, `_` and `-`. Not `LATEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AliasName>,
    /// Which version the alias stands for: its number (`8` or `v8`), its id (`g` and 7 to 40 hex digits), or one of its
    /// labels (`v1.4.0`). Put quotes around ids and labels.
    pub version: VersionWord,
    /// A second version that gets a part of the alias's traffic. The main version gets the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// What the alias is for, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::message")]
    pub description: Option<String>,
    /// Where the alias is reached, up to 16 routes. Without routes its versions run but nothing is sent to them.
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
    /// What happens to the share of a version that loses its last ready pod. `shift`: the ready version takes it over until
    /// it is back. `hold`: it stays, and those requests fail. The default is `shift`.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// How long a version that the alias left keeps its pods, so that going back is instant: `0s` to `8760h`, such as `30m`.
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
}

/// The second version of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Which version: a number, an id or a label, as for the main version, and another one than that.
    pub version: VersionWord,
    /// Share of the alias's requests in percent, 0 to 100 with at most two decimals, such as `5`. At 0 it runs and can be
    /// reached with the override header, but gets no share.
    pub percentage: Share,
}

/// What is true of one alias.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AliasStatus {
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
    /// The main version, then the canary, and what they resolved to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<ResolvedVersion>,
    /// The versions that have pods now, with the share that the routes give them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serving: Vec<ServingVersion>,
    /// The ten newest changes of the alias, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// What the gateways say about each route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteState>,
}
