//! The files of a snapshot: a list of them, and the bytes of one.
//!
//! Applies the rules for reading; no link is followed, and nothing larger than the settings allow is read.

use git2::ObjectType;
use schemars::JsonSchema;
use serde::Serialize;

use super::content::{Content, ContentError};
use super::error::SnapshotError;
use super::objects::{self, Item, Kind};
use super::read_error::ReadError;
use super::workspace::Workspace;

/// Longest target of a link that is read.
const LINK_MAX: usize = 4096;

/// A file or a link of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// Its path in the app's directory.
    pub path: String,
    /// Its mode in git: `100644` for a file, `100755` for an executable one, `120000` for a link.
    pub mode: String,
    /// Bytes; of a link, those of its target's name.
    pub size: usize,
    /// Where a link leads, as it is written; absent for files.
    pub target: Option<String>,
}

/// What stands at a path of a snapshot.
#[derive(Debug)]
pub enum Found {
    /// A folder: all files below it, in git's order.
    Folder(Vec<Listed>),
    /// A file, and its bytes.
    File(Listed, Vec<u8>),
    /// A link.
    Link(Listed),
}

/// What stands at `path`; the whole snapshot where that is empty or `.`.
///
/// # Errors
/// When nothing is there (says what looks like it), or when the snapshot holds what may not be there.
pub fn look(workspace: &Workspace, content: &Content, path: &str) -> Result<Found, ContentError> {
    let repo = &workspace.repo;
    let bad = |error: SnapshotError| content.bad(error);
    workspace.complete(&[content.tree])?;
    let items = objects::walk(repo, content.tree).map_err(bad)?;
    let wanted: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let wanted = wanted.join("/");
    let item = items.iter().find(|item| item.path == wanted);
    let prefix = match item {
        None if wanted.is_empty() => String::new(),
        None => return Err(no_path(content, path, &wanted, &items)),
        Some(item) if item.kind == Kind::Directory => format!("{wanted}/"),
        Some(item) => {
            let listed = listed(workspace, item).map_err(bad)?;
            if item.kind == Kind::Link {
                return Ok(Found::Link(listed));
            }
            let max = workspace.settings().limits.file_bytes();
            let bytes = objects::blob(repo, item.oid, max).map_err(|problem| {
                bad(SnapshotError::new(
                    &item.path,
                    format!("{problem} (limits.file in cutwater.yaml)"),
                ))
            })?;
            return Ok(Found::File(listed, bytes));
        }
    };
    let below = |item: &&Item| item.kind != Kind::Directory && item.path.starts_with(&prefix);
    let files = items.iter().filter(below);
    let files: Result<Vec<Listed>, SnapshotError> =
        files.map(|item| listed(workspace, item)).collect();
    files.map(Found::Folder).map_err(bad)
}

fn listed(workspace: &Workspace, item: &Item) -> Result<Listed, SnapshotError> {
    let fail = |problem: ReadError| SnapshotError::new(&item.path, problem.to_string());
    let repo = &workspace.repo;
    let target = if item.kind == Kind::Link {
        let target = objects::blob(repo, item.oid, LINK_MAX).map_err(fail)?;
        Some(String::from_utf8_lossy(&target).into_owned())
    } else {
        None
    };
    Ok(Listed {
        path: item.path.clone(),
        mode: match item.kind {
            Kind::Link => "120000",
            Kind::File { executable: true } => "100755",
            _ => "100644",
        }
        .to_owned(),
        size: objects::size(repo, item.oid, ObjectType::Blob).map_err(fail)?,
        target,
    })
}

fn no_path(content: &Content, path: &str, wanted: &str, items: &[Item]) -> ContentError {
    let far = wanted.len() / 2;
    let mut near: Vec<(usize, &str)> = items
        .iter()
        // Longer ones are far away at any rate.
        .filter(|item| item.path.len().abs_diff(wanted.len()) <= far)
        .map(|item| (strsim::damerau_levenshtein(&item.path, wanted), item.path.as_str()))
        .filter(|(distance, _)| *distance <= far)
        .collect();
    near.sort_unstable();
    ContentError::NoPath {
        app: content.app.clone(),
        name: content.name.clone(),
        path: path.to_owned(),
        near: near
            .iter()
            .take(3)
            .map(|(_, path)| (*path).to_owned())
            .collect(),
    }
}
