//! What differs between two snapshots of an app: for a running app, and in the code.
//!
//! Reads objects of this machine only; nothing is fetched or written.

use std::collections::BTreeSet;
use std::time::Duration;

use git2::{ObjectType, Oid};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::content::{Content, ContentError};
use super::error::StoreError;
use super::files;
use super::objects::{self, Item, Kind};
use super::workspace::Workspace;
use crate::app::{self, App, Change, Function};
use crate::git::{ChangedFile, Form, Trees};

/// Files of more bytes are not compared line by line.
const TEXT_MAX: usize = 16 * 1024 * 1024;
/// Where a file that differs has more bytes, no file is looked into to find out that it was renamed.
const SIMILAR_MAX: usize = 64 * 1024 * 1024;

/// Two snapshots that were checked, and may be compared.
pub struct Comparison<'a> {
    workspace: &'a Workspace,
    from: &'a Content,
    to: &'a Content,
    similar: bool,
    /// Files that differ and are too large to be compared line by line, each with its bytes.
    pub large: Vec<(String, usize)>,
    timeout: Duration,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its path in the app's directory; the old one where it is gone.
    pub path: String,
    /// Its path before, where it was renamed.
    pub old_path: Option<String>,
    /// What happened to it.
    pub status: FileStatus,
    /// Its mode before, such as `100644`; absent where it was not there.
    pub old_mode: Option<String>,
    /// Its mode now; absent where it is gone.
    pub mode: Option<String>,
    /// Lines that were added; absent for binary files.
    pub added: Option<u64>,
    /// Lines that were removed; absent for binary files.
    pub removed: Option<u64>,
    /// True where it is not compared line by line: a binary file, or a very large one.
    pub binary: bool,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its content or its mode changed.
    Modified,
    /// It has another path, and perhaps another content.
    Renamed,
    /// A file became a link, or a link a file.
    TypeChanged,
}

impl<'a> Comparison<'a> {
    /// Checks both snapshots as every reader does. `timeout` is for each look at the code.
    ///
    /// # Errors
    /// When one of them holds what no snapshot may hold.
    pub fn new(
        workspace: &'a Workspace,
        from: &'a Content,
        to: &'a Content,
        timeout: Duration,
    ) -> Result<Self, ContentError> {
        workspace.complete(&[from.tree, to.tree])?;
        let walk = |content: &Content| {
            objects::walk(&workspace.repo, content.tree).map_err(|error| content.bad(error))
        };
        let (old, new) = (walk(from)?, walk(to)?);
        let differing = differing(&old, &new);
        let mut large = Vec::new();
        let mut similar = true;
        for item in differing {
            // One that is not here, as in a partial clone, is not taken for a small one.
            let size = objects::size(&workspace.repo, item.oid, ObjectType::Blob).ok();
            similar &= size.is_some_and(|size| size <= SIMILAR_MAX);
            if let Some(size) = size.filter(|size| *size > TEXT_MAX) {
                large.push((item.path.clone(), size));
            }
        }
        large.dedup_by(|a, b| a.0 == b.0);
        Ok(Self {
            workspace,
            from,
            to,
            similar,
            large,
            timeout,
        })
    }

    /// True where both hold the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from.tree == self.to.tree
    }

    /// What changes for a running app, the files that it mounts among it.
    ///
    /// # Errors
    /// Which `app.yaml` cannot be read, and why.
    pub fn app(&self) -> Result<Vec<Change>, ContentError> {
        let from = self.from.app(self.workspace)?;
        let to = self.to.app(self.workspace)?;
        let mut changes = app::changes(&from, &to);
        for function in &to.spec.functions {
            let old = mounted(self.workspace, self.from, &from, function);
            let new = mounted(self.workspace, self.to, &to, function);
            // A new function is told with all it has; of one that is gone its name is enough.
            if old != new {
                changes.push(Change {
                    function: function.name.clone(),
                    field: "files.content".to_owned(),
                    from: old,
                    to: new,
                });
            }
        }
        Ok(changes)
    }

    /// The files that differ, in git's order.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn files(&self) -> Result<Vec<FileChange>, ContentError> {
        let files = self.trees().files().map_err(|error| self.failed(error))?;
        let files = files.ok_or_else(|| self.too_large("the list of files"))?;
        Ok(files.into_iter().map(file_change).collect())
    }

    /// The difference of the code, as git shows it.
    ///
    /// # Errors
    /// When git cannot tell, or when there is too much of it.
    pub fn show(&self, form: Form) -> Result<Vec<u8>, ContentError> {
        let text = self.trees().show(form);
        let text = text.map_err(|error| self.failed(error))?;
        text.ok_or_else(|| self.too_large("the difference of the code"))
    }

    fn trees(&self) -> Trees<'_> {
        let repo = &self.workspace.repo;
        Trees {
            dir: repo.workdir().unwrap_or_else(|| repo.path()),
            from: self.from.tree,
            to: self.to.tree,
            text_max: TEXT_MAX,
            similar: self.similar,
            timeout: self.timeout,
        }
    }

    fn failed(&self, source: crate::git::GitError) -> ContentError {
        StoreError::Git {
            what: format!("cannot compare {} with {}", self.from.name, self.to.name),
            source,
        }
        .into()
    }

    fn too_large(&self, what: &'static str) -> ContentError {
        ContentError::TooLarge(what, self.from.tree(), self.to.tree())
    }
}

/// The files that are in one of the lists and not in the other.
fn differing<'a>(old: &'a [Item], new: &'a [Item]) -> Vec<&'a Item> {
    let keys = |items: &'a [Item]| -> BTreeSet<(&'a str, Oid)> {
        items
            .iter()
            .map(|item| (item.path.as_str(), item.oid))
            .collect()
    };
    let (before, after) = (keys(old), keys(new));
    let only = |items: &'a [Item], others: BTreeSet<(&'a str, Oid)>| {
        let is_other = move |item: &&Item| !others.contains(&(item.path.as_str(), item.oid));
        items.iter().filter(is_other)
    };
    let mut items: Vec<&Item> = only(old, after).chain(only(new, before)).collect();
    items.retain(|item| item.kind != Kind::Directory);
    items.sort_by(|a, b| a.path.cmp(&b.path));
    items
}

/// How many files a function mounts, and a word that tells their content apart.
fn mounted(
    workspace: &Workspace,
    content: &Content,
    app: &App,
    function: &Function,
) -> Option<String> {
    let mut functions = app.spec.functions.iter();
    let function = functions.find(|other| other.name == function.name)?;
    let wanted = function.files.as_ref()?;
    let set = files::file_set_of(&workspace.repo, content.tree, wanted, &function.name);
    Some(match set {
        // The digest of a set is that of its contents: which path has which, and who may run it, counts here as well.
        Ok(set) => {
            let mut hash = Sha256::new();
            for item in &set.items {
                hash.update(format!(
                    "{}\0{}\0{}\n",
                    item.path, item.key, item.executable
                ));
            }
            let hash = hex::encode(hash.finalize());
            format!("{} files, {}", set.items.len(), &hash[..12])
        }
        Err(error) => error.to_string(),
    })
}

fn file_change(file: ChangedFile) -> FileChange {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let mode = |mode: String| (mode != "000000").then_some(mode);
    FileChange {
        path: text(file.path),
        old_path: file.old_path.map(text),
        status: match file.status {
            b'A' => FileStatus::Added,
            b'D' => FileStatus::Deleted,
            b'R' => FileStatus::Renamed,
            b'T' => FileStatus::TypeChanged,
            _ => FileStatus::Modified,
        },
        old_mode: mode(file.old_mode),
        mode: mode(file.mode),
        added: file.lines.map(|(added, _)| added),
        removed: file.lines.map(|(_, removed)| removed),
        binary: file.lines.is_none(),
    }
}
