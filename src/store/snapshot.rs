//! What may be in a snapshot, and how one is made from a commit and overlays.
//!
//! The same rules hold when a snapshot is made and when it is read. No filter of git is ever applied: the bytes of the
//! blobs are the bytes that are published.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Display;

use git2::{Oid, Repository, Tree};

use super::error::SnapshotError;
use super::loose_objects;
use super::objects::{self, Item, Kind};
use crate::app::{self, APP_FILE, App, EditError, Problems};
use crate::settings::Limits;
use crate::words::{AppName, FunctionName};

/// Longest target of a link.
const LINK_MAX: usize = 4096;
/// Most links that are followed for one path.
const HOPS_MAX: usize = 32;

/// How a Git LFS pointer starts, and the size that it stays below: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const LFS_POINTER_BELOW: usize = 1024;

/// Names at the root that a forge would run as a pipeline, in the name of the tag that points at the snapshot.
const PIPELINES: [&str; 23] = [
    ".tekton",
    ".semaphore",
    ".appveyor.yml",
    "appveyor.yml",
    "jenkinsfile",
    ".codefresh",
    "codefresh.yml",
    ".github",
    ".gitlab-ci.yml",
    ".gitea",
    ".forgejo",
    ".circleci",
    ".woodpecker",
    ".woodpecker.yml",
    ".woodpecker.yaml",
    ".drone.yml",
    ".travis.yml",
    ".buildkite",
    ".builds",
    ".build.yml",
    ".cirrus.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
];

/// The content of a version.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) tree: Oid,
    pub(super) app: App,
}

/// Why no snapshot was made.
pub(super) enum TakeError {
    Snapshot(SnapshotError),
    App(Problems),
    Request(String),
}

impl From<SnapshotError> for TakeError {
    fn from(error: SnapshotError) -> Self {
        Self::Snapshot(error)
    }
}

/// The snapshot of the directory `dir` at `root`, with images laid over it. Without overlays its tree is the directory's.
/// `before` is the tree of an older version, whose files are not read again.
pub(super) fn take(
    repo: &Repository,
    app_name: &AppName,
    dir: &str,
    directory: Oid,
    images: &BTreeMap<FunctionName, String>,
    limits: &Limits,
    before: Option<Oid>,
) -> Result<Snapshot, TakeError> {
    let file = format!("{dir}/{APP_FILE}");
    let mut bytes = app_file(repo, directory)?;
    for (function, image) in images {
        // A name that is not there explains more than the problems that follow from it.
        if let Err(error @ EditError::NoFunction { .. }) = app::set_image(&bytes, function, image) {
            return Err(TakeError::Request(format!(
                "the image of function `{function}`: {error}"
            )));
        }
    }
    let given: BTreeSet<FunctionName> = images.keys().cloned().collect();
    let mut app = App::to_publish(&file, &bytes, &given).map_err(TakeError::App)?;
    if app.metadata.name != *app_name {
        return Err(TakeError::Request(format!(
            "{file}: metadata.name is `{}`, but the directory is called `{app_name}`; make them the same",
            app.metadata.name
        )));
    }
    let mut tree = directory;
    if !images.is_empty() {
        for (function, image) in images {
            app::check_image(image).map_err(|error| {
                TakeError::Request(format!("the image of function `{function}`: {error}"))
            })?;
            bytes = app::set_image(&bytes, function, image)
                .map_err(|error| TakeError::Request(format!("{file}: {error}")))?;
        }
        app = App::to_publish(&file, &bytes, &BTreeSet::new()).map_err(TakeError::App)?;
        tree = with_app_file(repo, directory, &bytes)
            .map_err(|error| SnapshotError::new(APP_FILE, error.message()))?;
    }
    check_pipelines(repo, tree)?;
    check(repo, tree, limits, before)?;
    Ok(Snapshot { tree, app })
}

/// Refuses what a forge would run when the tag arrives. A version that is there has its tag, and is read with what it holds.
fn check_pipelines(repo: &Repository, tree: Oid) -> Result<(), SnapshotError> {
    let root =
        objects::tree(repo, tree).map_err(|problem| SnapshotError::new("", problem.to_string()))?;
    let is_pipeline = |name: &&str| PIPELINES.contains(&name.to_lowercase().as_str());
    let names: Vec<String> = root
        .iter()
        .filter_map(|entry| entry.name().ok().map(str::to_owned))
        .collect();
    let found = names.iter().map(String::as_str).filter(is_pipeline);
    let problem = "is a pipeline definition, which a forge would run for the version's tag; keep it at the repository's root";
    let found = found
        .map(|name| SnapshotError::new(name, problem))
        .collect();
    SnapshotError::all(found).map_or(Ok(()), Err)
}

/// The bytes of `app.yaml`, which is a regular file at the root.
pub(super) fn app_file(repo: &Repository, directory: Oid) -> Result<Vec<u8>, SnapshotError> {
    let fail = |problem: &dyn Display| SnapshotError::new(APP_FILE, problem.to_string());
    let tree = objects::tree(repo, directory).map_err(|error| fail(&error))?;
    let entry = tree.get_name(APP_FILE).ok_or_else(|| {
        let other = misnamed(&tree);
        let other = other.map_or_else(String::new, |file| format!(": rename {file}"));
        fail(&format!("is missing; it makes a directory an app{other}"))
    })?;
    if entry.filemode_raw() & 0o170_000 != 0o100_000 {
        return Err(fail(&"is not a regular file"));
    }
    objects::blob(repo, entry.id(), 1024 * 1024).map_err(|error| fail(&error))
}

/// A file of the directory that was meant as `app.yaml`.
pub(super) fn misnamed(directory: &Tree<'_>) -> Option<String> {
    directory.iter().find_map(|file| {
        let file = file.name().ok()?.to_owned();
        let low = file.to_ascii_lowercase();
        ["app.yaml", "app.yml", "app.json"]
            .contains(&low.as_str())
            .then_some(file)
    })
}

fn with_app_file(repo: &Repository, directory: Oid, bytes: &[u8]) -> Result<Oid, git2::Error> {
    let tree = repo.find_tree(directory)?;
    let mode = tree
        .get_name(APP_FILE)
        .map_or(0o100_644, |entry| entry.filemode());
    let blob = repo.blob(bytes)?;
    let mut builder = repo.treebuilder(Some(&tree))?;
    builder.insert(APP_FILE, blob, mode)?;
    builder.write()
}

/// Applies all rules to a snapshot.
///
/// Files that are in `before` too, the tree of an older version, were looked at when that one was published. Of thousands
/// of files few are new, and reading the others would take longer than everything else.
pub(super) fn check(
    repo: &Repository,
    tree: Oid,
    limits: &Limits,
    before: Option<Oid>,
) -> Result<(), SnapshotError> {
    let listing = Listing::new(objects::walk(repo, tree)?);
    let before = before.and_then(|before| objects::walk(repo, before).ok());
    let before = before.unwrap_or_default();
    // Of files that are the same, one is looked at.
    let mut looked: HashSet<Oid> = before.into_iter().map(|item| item.oid).collect();
    let mut sizes = objects::Sizes::new(repo);
    let mut names = loose_objects::Names::new(repo);
    let mut total = 0_usize;
    let (file_max, total_max) = (limits.file_bytes(), limits.snapshot_bytes());
    for item in listing.items.values() {
        let path = &item.path;
        let fail = |problem: String| Err(SnapshotError::new(path, problem));
        let low = path.to_lowercase();
        if item.kind == Kind::Directory {
            continue;
        }
        let size = sizes
            .of(item.oid)
            .map_err(|error| SnapshotError::new(path, error.to_string()))?;
        total = total.saturating_add(size);
        if size > file_max {
            return fail(format!(
                "has {size} bytes; at most {file_max} are allowed in one file (limits.file in cutwater.yaml); put it into the image"
            ));
        }
        if total > total_max {
            return fail(format!(
                "brings the snapshot past {total_max} bytes (limits.snapshot in cutwater.yaml); put large files into the image"
            ));
        }
        if item.kind == Kind::Link {
            if let Target::Outside(problem) = listing.follow(repo, path)? {
                return fail(problem);
            }
            continue;
        }
        if size < LFS_POINTER_BELOW
            && looked.insert(item.oid)
            && objects::starts_with(repo, &mut names, (item.oid, size), LFS_POINTER)
        {
            return fail("is a Git LFS pointer, not the file itself; put the file into the image, or take it out of LFS".to_owned());
        }
        if low == ".gitattributes" || low.ends_with("/.gitattributes") {
            let bytes = objects::blob(repo, item.oid, 256 * 1024);
            let bytes = bytes.map_err(|error| SnapshotError::new(path, error.to_string()))?;
            if let Some((line, attribute)) = changing_attribute(&bytes) {
                return fail(format!(
                    "line {line} sets `{attribute}`, with which a checkout differs from what was published; remove it"
                ));
            }
        }
    }
    Ok(())
}

/// The first attribute that makes files of a checkout differ from their blobs, with its line.
fn changing_attribute(bytes: &[u8]) -> Option<(usize, String)> {
    let text = String::from_utf8_lossy(bytes);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in line.split_whitespace().skip(1) {
            let name = word.split('=').next().unwrap_or(word);
            // A checkout with these has the line feeds that the blob has.
            let harmless = ["eol=lf", "crlf=input"].contains(&word);
            let valued = ["filter", "eol", "working-tree-encoding", "crlf"].contains(&name)
                && word.contains('=')
                && !harmless;
            if valued || word == "ident" || word == "crlf" {
                return Some((index + 1, word.to_owned()));
            }
        }
    }
    None
}

/// Where a link leads.
pub(super) enum Target {
    /// To this path, which is a file or a folder; empty for the root.
    Inside(String),
    /// To a path inside that is not there.
    Nowhere,
    /// Out of the snapshot, or in a circle.
    Outside(String),
}

/// The entries of a snapshot by path.
pub(super) struct Listing {
    pub(super) items: BTreeMap<String, Item>,
}

impl Listing {
    pub(super) fn new(items: Vec<Item>) -> Self {
        let items = items.into_iter().map(|item| (item.path.clone(), item));
        Self {
            items: items.collect(),
        }
    }

    /// Follows links on the way to `path` and at its end, never out of the snapshot.
    pub(super) fn follow(&self, repo: &Repository, path: &str) -> Result<Target, SnapshotError> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                ".." if done.pop().is_none() => {
                    return Ok(Target::Outside(
                        "is a link that leads out of the app's directory; copy what it points to"
                            .to_owned(),
                    ));
                }
                "" | "." | ".." => continue,
                _ => done.push(part),
            }
            let here = done.join("/");
            let Some(item) = self.items.get(&here) else {
                return Ok(missing(&done, &todo));
            };
            if item.kind != Kind::Link {
                continue;
            }
            hops += 1;
            if hops > HOPS_MAX {
                return Ok(Target::Outside(
                    "is a link that leads in a circle; remove it".to_owned(),
                ));
            }
            let target = objects::blob(repo, item.oid, LINK_MAX);
            let target = target.map_err(|error| SnapshotError::new(path, error.to_string()))?;
            let Ok(target) = String::from_utf8(target) else {
                return Ok(Target::Outside(
                    "is a link to a name that is not UTF-8; remove it".to_owned(),
                ));
            };
            if target.starts_with('/') || target.is_empty() || target.contains(['\0', '\\']) {
                return Ok(Target::Outside(format!(
                    "is a link to `{}`, which is not a relative path; copy what it points to",
                    target.escape_default()
                )));
            }
            done.pop();
            todo.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(Target::Inside(done.join("/")))
    }
}

/// A path that is not there: it may still lead out, which a later file could turn into a way.
fn missing(done: &[String], todo: &[String]) -> Target {
    let mut depth = done.len();
    for part in todo.iter().rev() {
        match part.as_str() {
            "" | "." => {}
            ".." if depth == 0 => {
                return Target::Outside(
                    "is a link that leads out of the app's directory; copy what it points to"
                        .to_owned(),
                );
            }
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    Target::Nowhere
}
