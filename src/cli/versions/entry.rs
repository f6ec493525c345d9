//! What stands at a number, for a table and as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::moment;
use crate::store::{Entry, Tombstone, Version};
use crate::words::{AppName, Label, TreeId, VersionNumber};

/// The columns of a list: number, id, time, author, labels, message.
pub(super) fn row(number: VersionNumber, entry: &Entry) -> Vec<String> {
    match entry {
        Entry::Living(version) => vec![
            number.to_string(),
            short(&version.tree),
            moment::shown(version.published_at),
            version.author.name.clone(),
            labels(version),
            version
                .message
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ],
        Entry::Deleted(tombstone) => vec![
            number.to_string(),
            "deleted".to_owned(),
            moment::shown(tombstone.deleted_at),
            tombstone.author.name.clone(),
            String::new(),
            tombstone
                .reason
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ],
        Entry::Foreign(why) => vec![
            number.to_string(),
            "foreign".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            format!("not published by Cutwater: {why}"),
        ],
    }
}

/// Labels in one cell.
pub(super) fn labels(version: &Version) -> String {
    let labels: Vec<&str> = version.labels.iter().map(Label::as_str).collect();
    labels.join(", ")
}

/// An id as it is printed: enough to be found again.
pub(super) fn short(tree: &TreeId) -> String {
    format!("g{}", tree.short())
}

/// What stands at a number.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(in crate::cli) enum EntryJson {
    /// A version.
    Living(Box<Version>),
    /// A version that was deleted; its number stays spent.
    Deleted {
        /// The app.
        app: AppName,
        /// The number.
        number: VersionNumber,
        /// Who, when, why.
        #[serde(flatten)]
        tombstone: Tombstone,
    },
    /// A tag that Cutwater did not make; its number is spent.
    Foreign {
        /// The app.
        app: AppName,
        /// The number.
        number: VersionNumber,
        /// What does not agree.
        problem: String,
    },
}

impl EntryJson {
    pub(super) fn new(app: &AppName, number: VersionNumber, entry: &Entry) -> Self {
        let app = app.clone();
        match entry {
            Entry::Living(version) => Self::Living(version.clone()),
            Entry::Deleted(tombstone) => Self::Deleted {
                app,
                number,
                tombstone: tombstone.clone(),
            },
            Entry::Foreign(problem) => Self::Foreign {
                app,
                number,
                problem: problem.clone(),
            },
        }
    }
}
