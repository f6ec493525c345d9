//! Which `cutwater.yaml` counts for a clone.
//!
//! A clone without files, or with some of them alone, has the file in its HEAD all the same: with the defaults in its place, what is
//! written would go to another branch, and what is in use would be looked for in another folder.

use std::path::Path;
use std::time::Duration;

use git2::{Oid, Repository};

use super::error::StoreError;
use super::objects;
use super::read_error::ReadError;
use crate::git::Git;
use crate::settings::{SETTINGS_FILE, Settings};

/// Largest `cutwater.yaml` that is read.
const SETTINGS_MAX: usize = 256 * 1024;

/// What the repository's `cutwater.yaml` says: the file of the work tree, or of HEAD where there is none. `remote` is the one that is
/// named for the command.
pub(crate) fn read(
    repo: &Repository,
    remote: Option<&str>,
    ssh_is_set: bool,
    timeout: Duration,
) -> Result<Settings, StoreError> {
    let fail = |problem: ReadError| StoreError::local(SETTINGS_FILE, &problem);
    let mut bytes = None;
    if let Some(root) = repo.workdir() {
        bytes = of_work_tree(root).map_err(fail)?;
    }
    if bytes.is_none() {
        let bring = |oid: Oid| bring(repo, remote, ssh_is_set, timeout, oid);
        let head = repo.head().ok().and_then(|head| head.target());
        let found = head.map(|head| of_commit(repo, head, &bring)).transpose();
        bytes = found.map_err(fail)?.flatten();
    }
    bytes.map_or_else(
        || Ok(Settings::default()),
        |bytes| Settings::read(&bytes).map_err(StoreError::Settings),
    )
}

/// The file of a work tree; nothing where it is not there.
fn of_work_tree(root: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    let path = root.join(SETTINGS_FILE);
    let say = |error: std::io::Error| ReadError::File(error.to_string());
    // Whoever wrote the repository may have put a link or a pipe there.
    match path.symlink_metadata() {
        Ok(file) if !file.is_file() => Err(ReadError::NoFile),
        Ok(file) if file.len() > SETTINGS_MAX as u64 => Err(ReadError::TooLarge {
            size: file.len(),
            max: SETTINGS_MAX,
        }),
        Ok(_) => std::fs::read(path).map(Some).map_err(say),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(say(error)),
    }
}

/// The file of a commit; nothing where the commit has none. What is not here is brought.
pub(crate) fn of_commit(
    repo: &Repository,
    commit: Oid,
    bring: &dyn Fn(Oid) -> Result<(), ReadError>,
) -> Result<Option<Vec<u8>>, ReadError> {
    let tree = objects::commit(repo, commit)?.tree_id();
    bring(tree)?;
    let root = objects::tree(repo, tree)?;
    let Some(entry) = root.get_name(SETTINGS_FILE) else {
        return Ok(None);
    };
    bring(entry.id())?;
    objects::blob(repo, entry.id(), SETTINGS_MAX).map(Some)
}

/// Fetches an object that a partial clone lacks, from the remote that is named, or one that has promised it.
fn bring(
    repo: &Repository,
    remote: Option<&str>,
    ssh_is_set: bool,
    timeout: Duration,
    oid: Oid,
) -> Result<(), ReadError> {
    let odb = repo.odb()?;
    if odb.exists(oid) {
        return Ok(());
    }
    let names = repo.remotes()?;
    let config = repo.config()?;
    let has_promised = |name: &&str| {
        let promised = config.get_bool(&format!("remote.{name}.promisor"));
        remote == Some(*name) || promised.unwrap_or(false)
    };
    let mut names = names.iter().flatten().flatten();
    // Without any, what is missing is damage, and is told where it is read.
    let Some(name) = names.find(has_promised) else {
        return Ok(());
    };
    let url = repo.find_remote(name)?;
    let url = String::from_utf8_lossy(url.url_bytes()).into_owned();
    let home = repo.workdir().unwrap_or_else(|| repo.path());
    let git = Git::of_person(home, name, &url, ssh_is_set);
    git.fetch_objects(&[oid], false, timeout)
        .map_err(ReadError::NoSettings)?;
    Ok(odb.refresh()?)
}
