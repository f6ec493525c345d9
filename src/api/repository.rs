//! `repositories.cutwater.dev` (short name `cwr`): the release repository that holds versions and releases.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printed column has attributes of its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::sync::SyncStatus;
use crate::words::{EnvironmentName, Period};

/// Where the release repository is, and how often it is read.
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cutwater.dev",
    version = "v1alpha1",
    kind = "Repository",
    plural = "repositories",
    singular = "repository",
    shortname = "cwr",
    category = "cutwater",
    namespaced,
    status = "RepositoryStatus",
    derive = "PartialEq",
    doc = "A release repository: the git repository that holds apps, their versions and, if wanted, the releases that are synced into this namespace. It is only ever read. Its short name is cwr.",
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.url",
        description = "Where the repository is"
    ),
    printcolumn(
        name = "Branch",
        type_ = "string",
        json_path = ".spec.branch",
        description = "The tracked branch"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "True while the repository can be read"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "Applied",
        type_ = "string",
        json_path = ".status.sync.applied",
        description = "The commit whose releases were last applied in full, and whether it is the tip of the branch"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Head",
        type_ = "string",
        json_path = ".status.head",
        description = "The commit of the tracked branch",
        priority = "1"
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
pub struct RepositorySpec {
    /// Where the repository is: `https://host/path`, `ssh://user@host/path` or `user@host:path`. An `http://` or `file://`
    /// address or an absolute path works only where the controller runs with `--allow-local-repositories`. Passwords and tokens do not
    /// belong here, see `secretRef`.
    #[schemars(schema_with = "rules::url")]
    pub url: String,
    /// The tracked branch. The default is `main`.
    #[serde(default = "main_branch")]
    #[schemars(schema_with = "rules::branch", default = "main_branch")]
    pub branch: String,
    /// Secret in the same namespace with what it takes to read the repository: `username` and `password`, or `bearerToken`,
    /// and `ca.crt` for `https://`; `ssh-privatekey` and `known_hosts` for ssh. A public repository needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
    /// How often the repository is asked for news: `5s` to `24h`. The default is `60s`; a webhook makes it instant, see
    /// `webhookSecretRef`.
    #[serde(default = "one_minute")]
    #[schemars(schema_with = "rules::interval", default = "one_minute")]
    pub interval: Period,
    /// Secret in the same namespace whose key `secret` holds what a forge signs its webhooks with. With it, a call of
    /// `/hook/<namespace>/<name>` where the controller takes webhooks makes it fetch at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret_ref: Option<SecretName>,
    /// Path in the repository whose Deployments and Aliases are synced into this namespace, such as `releases/prod`: what is merged
    /// to the branch is applied, and what is removed there is removed here. Without it nothing is synced: apply them yourself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::releases")]
    pub releases: Option<String>,
    /// Name of the environment that this namespace is, for the ledger and in lists: at most 63 lower-case letters, digits
    /// and dashes. The default is the name of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Repository to which every change of what is served is written, one commit each. Without it nothing is ever pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// True stops reading and syncing. What is served stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Where the ledger is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Where the ledger's repository is, as in `spec.url`. Best one of its own: a credential that writes it can then not
    /// change versions.
    #[schemars(schema_with = "rules::url")]
    pub url: String,
    /// Secret in the same namespace with what it takes to push to it, as in `spec.secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
}

/// A Secret of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// Name of the Secret.
    #[schemars(schema_with = "rules::object_name")]
    pub name: String,
}

/// What is true of a release repository. Nothing in it changes while the repository does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true now: `Ready`, `Reconciling` and `Stalled`, and `Synced` where releases are synced; each with a reason and
    /// a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "rules::conditions")]
    pub conditions: Vec<Condition>,
    /// The commit of the tracked branch when it was last read: 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The commit whose releases were last synced in full: 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced: Option<String>,
    /// The releases that are synced, where `spec.releases` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
}

fn main_branch() -> String {
    "main".to_owned()
}

fn one_minute() -> Period {
    Period::from_secs(60)
}
