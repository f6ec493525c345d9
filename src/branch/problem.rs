//! What stands against a commit, as facts: whoever follows the branch says them in words.

use std::collections::BTreeSet;

use super::kept::Why;
use crate::plan::Owner;
use crate::releases::Kind;
use crate::words::{AppName, CommitId};

/// What stands against a commit, or against one of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A file cannot be read; with its place and why, in words of the reader.
    Unreadable(String),
    /// The folder of releases cannot be read, so that nothing of the commit counts.
    Refused {
        /// Why, with the folder, in words of the reader.
        problem: String,
        /// The commit.
        commit: CommitId,
    },
    /// Nothing in the folder of releases is ours, and nothing went before.
    Nothing {
        /// The commit.
        commit: CommitId,
        /// The folder.
        folder: String,
        /// It exists.
        is_there: bool,
        /// Other folders of the commit that hold releases.
        others: BTreeSet<String>,
    },
    /// An object names a namespace to which the releases of this folder do not go.
    Astray {
        /// The file, from the root of the repository.
        file: String,
        /// Where the object begins: line and column.
        place: (u64, u64),
        /// The object.
        owner: Owner,
        /// The namespace that it names.
        named: String,
        /// The namespace to which the releases go.
        here: String,
    },
    /// An object is of another app or repository than before.
    Changed {
        /// The file, from the root of the repository.
        file: String,
        /// The line at which the object begins.
        line: u64,
        /// `app` or `repository`.
        field: &'static str,
        /// What it was.
        before: String,
        /// What it is now.
        now: String,
    },
    /// An app has a second Deployment, or a name means a second object.
    Second {
        /// The file of the second one.
        file: String,
        /// Its line.
        line: u64,
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its app.
        app: AppName,
        /// Where the first one is: file and line.
        first: (String, u64),
    },
    /// A file that held an object holds nothing any more.
    Emptied {
        /// The file.
        file: String,
        /// The object.
        owner: Owner,
    },
    /// Objects go on though this commit, and maybe others before it, do not have them.
    Kept {
        /// Why they do.
        why: Why,
        /// The objects.
        owners: BTreeSet<Owner>,
        /// The commit that does not have them.
        commit: CommitId,
    },
    /// Objects go on as before until what is wrong in this commit is mended; all else of it counts.
    AsBefore {
        /// The objects.
        owners: Vec<Owner>,
        /// The commit.
        commit: CommitId,
    },
}

impl Problem {
    /// What is said of a slip in a file and of what it holds, in the same words for whoever follows the branch; nothing for what each says in
    /// words of its own.
    #[must_use]
    pub fn slip(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(problem) => problem.clone(),
            Self::Astray {
                file,
                place: (line, column),
                owner,
                named,
                here,
            } => format!(
                "{file}:{line}:{column}: metadata.namespace: {owner} names namespace `{named}`, and what stands in this folder goes to `{here}`; leave the field out, or move the object to the folder of `{named}`"
            ),
            Self::Changed {
                file,
                line,
                field,
                before,
                now,
            } => format!(
                "{file}:{line}: spec.{field}: is `{now}` and was `{before}`; {field} never changes: write `{before}` again, or give the object another name"
            ),
            Self::Emptied { file, owner } => format!(
                "{file}: holds nothing any more, so that {owner} is missing; write it there again, or remove the file to take it away"
            ),
            Self::AsBefore { owners, commit } => {
                let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
                format!(
                    "{}: as before until that is mended; all else of commit {} counts",
                    owners.join(", "),
                    commit.short()
                )
            }
            Self::Refused { .. }
            | Self::Nothing { .. }
            | Self::Second { .. }
            | Self::Kept { .. } => return None,
        })
    }
}
