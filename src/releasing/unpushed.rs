//! An object that the branch at the remote does not have, and the clone does: in a commit that was not pushed, or in a file that was
//! not committed. To write it a second time would make two of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use git2::Oid;

use super::error::ReleaseError;
use super::{ReleaseRequest, target};
use crate::releases;
use crate::store::release_files::{Branch, Reader};
use crate::store::workspace::Workspace;

/// Most files on the disk that are read.
const FILES_MAX: usize = 10_000;
/// Largest of them.
const FILE_MAX: u64 = 1024 * 1024;

/// Where the object stands.
enum Place {
    /// In this file of HEAD.
    Head(String),
    /// In this file on the disk, and in no commit.
    Disk(String),
}

/// The error that an object is not in the branch, or where it stands in the clone.
pub(super) fn or(
    error: ReleaseError,
    workspace: &Workspace,
    request: &ReleaseRequest,
    branch: &Branch,
) -> ReleaseError {
    let is_absent = matches!(
        error,
        ReleaseError::NotThere { .. } | ReleaseError::NewAlias(_) | ReleaseError::Gone { .. }
    );
    let place = is_absent.then(|| find(workspace, request, branch));
    let Some(place) = place.flatten() else {
        return error;
    };
    let (file, is_committed) = match place {
        Place::Head(file) => (file, true),
        Place::Disk(file) => (file, false),
    };
    ReleaseError::Unpushed {
        what: target::what(request),
        file,
        is_committed,
        branch: branch.name.clone(),
        remote: workspace.remote().to_owned(),
    }
}

/// Where the clone has the object, if it was written there: where the commit that clone and branch have in common has it too, the
/// branch gave it up since.
fn find(workspace: &Workspace, request: &ReleaseRequest, branch: &Branch) -> Option<Place> {
    let repo = &workspace.repo;
    let tip = Oid::try_from(&branch.commit).ok()?;
    let head = repo.head().ok().and_then(|head| head.target());
    let base = head.and_then(|head| repo.merge_base(head, tip).ok());
    let commits: Vec<Oid> = head.into_iter().chain(base).collect();
    workspace.bring_releases(repo, &commits).ok()?;
    let folder = &workspace.settings().releases;
    let mut reader = Reader::new(repo, folder, Some(&request.app));
    let mut of_commit = |commit: Option<Oid>| {
        let read = reader.commit(commit?);
        let mut all = read.releases.iter();
        let found = all.find(|release| target::is_meant(request, release));
        found.map(|release| release.file.clone())
    };
    if of_commit(base).is_some() {
        return None;
    }
    let head = of_commit(head).map(Place::Head);
    head.or_else(|| on_disk(workspace.repo.workdir()?, folder, request).map(Place::Disk))
}

/// The first file below the folder, by name, that says the object. Links are not followed.
fn on_disk(root: &Path, folder: &str, request: &ReleaseRequest) -> Option<String> {
    let mut folders = vec![folder.to_owned()];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                continue;
            };
            let path = format!("{folder}/{name}");
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && releases::is_read(&path) && files.len() < FILES_MAX {
                files.insert(path);
            }
        }
    }
    let says_it = |file: &String| {
        let path = root.join(file);
        let is_small = fs::metadata(&path).is_ok_and(|about| about.len() <= FILE_MAX);
        let bytes = is_small.then(|| fs::read(&path).ok()).flatten();
        let read = bytes.and_then(|bytes| releases::read(file, &bytes).ok());
        read.is_some_and(|read| {
            let mut all = read.releases.iter();
            all.any(|release| target::is_meant(request, release))
        })
    };
    files.into_iter().find(says_it)
}
