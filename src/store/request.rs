//! What publishing is asked for, and what it answers.

use std::collections::BTreeMap;

use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::history::{Person, Version};
use super::workspace::SourceCommit;
use crate::words::{AppName, FunctionName, Label};

/// What is to be published.
#[derive(Debug, Clone)]
pub struct Request {
    /// The app.
    pub app: AppName,
    /// The commit of the branch.
    pub source: SourceCommit,
    /// Images by function, laid over the app.yaml of the snapshot.
    pub images: BTreeMap<FunctionName, String>,
    /// What the publisher says; the subject of the source commit where absent.
    pub message: Option<String>,
    /// A label for the version, new or not.
    pub label: Option<Label>,
    /// Who publishes.
    pub author: Person,
    /// When.
    pub time: Zoned,
    /// What publishes, such as `cli`.
    pub publisher: String,
    /// Say what would happen, and push nothing.
    pub dry_run: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A new version.
    Published,
    /// A living version has this content already.
    Unchanged,
    /// A dry run: it would be published.
    WouldPublish,
}

/// The version that holds the content now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// New or not.
    pub outcome: Outcome,
    /// The version.
    pub version: Version,
    /// A label that the version had not had.
    pub added_label: Option<Label>,
}
