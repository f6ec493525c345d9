//! What publishing is asked for, and what it answers.

use std::collections::BTreeMap;

use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::overlay::Addition;
use super::version::{Person, Version};
use super::workspace::SourceCommit;
use crate::ci::Provenance;
use crate::words::{AppName, FunctionName, Label, VersionNumber};

/// What is to be published.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that can be asked for, beside the others"
)]
pub struct Request {
    /// The app.
    pub app: AppName,
    /// The commit of the branch.
    pub source: SourceCommit,
    /// Take the files of the work tree in the place of those of the commit.
    pub working_tree: bool,
    /// Folders laid over the files, in this order.
    pub additions: Vec<Addition>,
    /// Images by function, laid over the app.yaml of the snapshot.
    pub images: BTreeMap<FunctionName, String>,
    /// What the publisher says; the subject of the source commit where absent.
    pub message: Option<String>,
    /// A label for the version, new or not.
    pub label: Option<Label>,
    /// The label may be taken from another version.
    pub move_label: bool,
    /// Sign the version's commit as the person's git is set up to.
    pub sign: bool,
    /// Who publishes.
    pub author: Person,
    /// When.
    pub time: Zoned,
    /// What publishes.
    pub provenance: Provenance,
    /// Believe `last` also where no tag says that numbers up to it were given.
    pub trust_last: bool,
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
    /// The version that had the label before, where it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_moved_from: Option<VersionNumber>,
    /// What the publisher has to know beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Something that is done, and yet not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// What kind of thing it is, for programs.
    pub reason: WarningReason,
    /// What it is and what to do, for people.
    pub message: String,
}

/// What kind of thing a publisher is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WarningReason {
    /// The remote does not take, show or keep the ref by which numbers stay spent.
    NumbersNotKept,
    /// No branch of the remote is known to hold the commit that it was made from.
    SourceNotPushed,
    /// A version that is there has its own message, and what was said now is nowhere.
    MessageNotRecorded,
}
