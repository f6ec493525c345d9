//! The resolved record of a version: all that is needed to run it, once git has been asked.
//!
//! Every workload carries its record, so that scaling, draining and rollback go on while git is away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Function;
use crate::words::{AppName, CommitId, FunctionName, Label, TreeId, VersionNumber, VersionWord};

/// Everything that running a version takes, except the contents of its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionRecord {
    /// The app.
    pub app: AppName,
    /// The version's number.
    pub number: VersionNumber,
    /// The snapshot id. A workload carries it where people may edit it, so what is no id there hides nothing else of the record.
    #[serde(deserialize_with = "TreeId::kept")]
    pub tree: TreeId,
    /// The snapshot commit.
    #[serde(deserialize_with = "CommitId::kept")]
    pub commit: CommitId,
    /// When it was published.
    pub published_at: Timestamp,
    /// The Repository object that it was read from; nothing where none was. Number 3 of one repository is not number 3 of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Labels at the time of resolution, sorted. Later ones do not reach pods that run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The functions, in the order of app.yaml.
    pub functions: Vec<Function>,
    /// For each function with files: where they come from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<FunctionName, FileSet>,
}

/// The files of one function: one `ConfigMap`, and where each of its keys is mounted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSet {
    /// First 32 hex digits of the SHA-256 over the sorted keys: the content name, shared by versions with the same files.
    pub digest: String,
    /// One entry per file, sorted by path.
    pub items: Vec<FileItem>,
}

/// One file of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileItem {
    /// Key in the `ConfigMap`: the first 32 hex digits of the SHA-256 of the content.
    pub key: String,
    /// Path below the mount path, as in the app's directory.
    pub path: String,
    /// True for an executable (mode 0555), else 0444.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Of the records that are there, the one that a word names whatever git says now: the one of that number, or the only one of
/// that id. A label may have been given to another version since, which only git knows.
#[must_use]
pub fn named<'a>(
    records: &'a BTreeMap<VersionNumber, VersionRecord>,
    word: &VersionWord,
) -> Option<&'a VersionRecord> {
    match word {
        VersionWord::Number(number) => records.get(number),
        VersionWord::Id(_) => {
            let mut found = records.values().filter(|record| record.may_be(word));
            found.next().filter(|_| found.next().is_none())
        }
        VersionWord::Label(_) => None,
    }
}

impl VersionRecord {
    /// A word names this version, as far as the record tells.
    #[must_use]
    pub fn may_be(&self, word: &VersionWord) -> bool {
        match word {
            VersionWord::Number(number) => self.number == *number,
            VersionWord::Id(hex) => self.tree.begins(hex) || self.commit.begins(hex),
            VersionWord::Label(label) => self.labels.contains(label),
        }
    }

    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &FunctionName) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| function.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_somebody_edited_hides_nothing_else_of_a_record() {
        let commit = "2".repeat(40);
        let record: VersionRecord = serde_json::from_value(serde_json::json!({
            "app": "shop", "number": 3, "tree": "edited", "commit": commit,
            "publishedAt": "2026-01-01T00:00:00Z", "functions": [],
        }))
        .unwrap();
        assert!(record.tree.is_zero());
        assert_eq!(record.commit.as_str(), commit);
    }
}
