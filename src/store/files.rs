//! The files of a version that its functions see, and the record that all of this makes.

use std::collections::{BTreeMap, HashMap};

use git2::{Oid, Repository};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};

use super::error::SnapshotError;
use super::objects::{self, Kind};
use super::snapshot::{Listing, Target};
use super::version::Version;
use crate::app::{App, Files};
use crate::record::{FileItem, FileSet, VersionRecord};
use crate::words::FunctionName;

/// Most bytes that the files of one function may have together: what fits into one `ConfigMap`.
pub const FILES_MAX: usize = 1024 * 1024;
/// Hex digits of a key.
const KEY_LEN: usize = 32;
/// Most bytes of a record as JSON: every workload carries it in an annotation.
pub const RECORD_MAX: usize = 200 * 1024;

/// The files of a function.
struct Selected {
    items: Vec<FileItem>,
    /// By the keys of the items: many files may be the same.
    contents: BTreeMap<String, Vec<u8>>,
}

/// The whole record of a version.
pub(super) fn record(
    repo: &Repository,
    version: &Version,
    app: App,
) -> Result<VersionRecord, SnapshotError> {
    let tree =
        Oid::try_from(&version.tree).map_err(|error| SnapshotError::new("", error.message()))?;
    let mut files = BTreeMap::new();
    for function in &app.spec.functions {
        if let Some(wanted) = &function.files {
            let selected = select(repo, tree, wanted, &function.name)?;
            files.insert(function.name.clone(), file_set(selected));
        }
    }
    let record = VersionRecord {
        app: version.app.clone(),
        number: version.number,
        tree: version.tree.clone(),
        commit: version.commit.clone(),
        published_at: version.published_at,
        repository: None,
        labels: version.labels.clone(),
        functions: app.spec.functions,
        files,
    };
    let size = serde_json::to_vec(&record).map_or(usize::MAX, |json| json.len());
    if size > RECORD_MAX {
        return Err(too_many(size));
    }
    Ok(record)
}

fn too_many(size: usize) -> SnapshotError {
    let problem = format!(
        "and the list of its files take {size} bytes or more as a record; at most {RECORD_MAX} fit on a workload; name fewer files, and put the rest into the image"
    );
    SnapshotError::new(crate::app::APP_FILE, problem)
}

/// The files that a function asks for.
pub(super) fn file_set_of(
    repo: &Repository,
    tree: Oid,
    wanted: &Files,
    function: &FunctionName,
) -> Result<FileSet, SnapshotError> {
    select(repo, tree, wanted, function).map(file_set)
}

/// The contents of a function's files by their keys.
pub(super) fn contents(
    repo: &Repository,
    tree: Oid,
    wanted: &Files,
    function: &FunctionName,
) -> Result<BTreeMap<String, Vec<u8>>, SnapshotError> {
    Ok(select(repo, tree, wanted, function)?.contents)
}

fn file_set(selected: Selected) -> FileSet {
    let mut hash = Sha256::new();
    for key in selected.contents.keys() {
        hash.update(key);
        hash.update("\n");
    }
    let mut digest = hex::encode(hash.finalize());
    digest.truncate(32);
    FileSet {
        digest,
        items: selected.items,
    }
}

fn key_of(content: &[u8]) -> String {
    let mut key = hex::encode(Sha256::digest(content));
    key.truncate(KEY_LEN);
    key
}

fn patterns(wanted: &Files) -> Result<GlobSet, SnapshotError> {
    let mut set = GlobSetBuilder::new();
    for pattern in &wanted.include {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|error| SnapshotError::new(pattern, error.to_string()))?);
    }
    set.build()
        .map_err(|error| SnapshotError::new("files.include", error.to_string()))
}

/// The files that a function asks for, sorted by path; links are replaced by what they point to.
fn select(
    repo: &Repository,
    tree: Oid,
    wanted: &Files,
    function: &FunctionName,
) -> Result<Selected, SnapshotError> {
    let listing = Listing::new(objects::walk(repo, tree)?);
    let patterns = patterns(wanted)?;
    let mut items: Vec<FileItem> = Vec::new();
    let mut contents = BTreeMap::new();
    // A repository may hold one large file under a hundred thousand names: it is read once, and names have a bound too.
    let mut keys: HashMap<Oid, String> = HashMap::new();
    let (mut total, mut listed) = (0_usize, 0_usize);
    for (path, oid, executable) in flat(repo, &listing)? {
        if !patterns.is_match(&path) {
            continue;
        }
        listed += path.len() + KEY_LEN;
        if listed > RECORD_MAX {
            return Err(too_many(listed));
        }
        if let Some(key) = keys.get(&oid) {
            items.push(FileItem {
                key: key.clone(),
                path,
                executable,
            });
            continue;
        }
        let room = FILES_MAX - total;
        let size = objects::size(repo, oid, git2::ObjectType::Blob);
        let size = size.map_err(|error| SnapshotError::new(&path, error.to_string()))?;
        let too_much = || {
            SnapshotError::new(
                &path,
                format!(
                    "brings the files of function `{function}` past {FILES_MAX} bytes, which is what Kubernetes holds; name fewer in files.include, and put the rest into the image"
                ),
            )
        };
        if size > FILES_MAX {
            return Err(too_much());
        }
        let content = objects::blob(repo, oid, FILES_MAX);
        let content = content.map_err(|error| SnapshotError::new(&path, error.to_string()))?;
        if size > room {
            return Err(too_much());
        }
        total += size;
        let key = key_of(&content);
        keys.insert(oid, key.clone());
        contents.insert(key.clone(), content);
        items.push(FileItem {
            key,
            path,
            executable,
        });
    }
    if items.is_empty() {
        let patterns = wanted.include.join("`, `");
        return Err(SnapshotError::new(
            patterns,
            format!(
                "in files.include of function `{function}` match no file of the app's directory; correct the pattern, or remove `files`"
            ),
        ));
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Selected { items, contents })
}

/// Every file with its path, also those that are reached through links.
fn flat(repo: &Repository, listing: &Listing) -> Result<Vec<(String, Oid, bool)>, SnapshotError> {
    // Bytes of all paths that links lead to.
    const FLAT_MAX: usize = 16 * 1024 * 1024;
    let mut files = Vec::new();
    let mut budget = FLAT_MAX;
    for item in listing.items.values() {
        match item.kind {
            Kind::Directory => {}
            Kind::File { executable } => files.push((item.path.clone(), item.oid, executable)),
            Kind::Link => expand(
                repo,
                listing,
                &item.path,
                &item.path,
                0,
                &mut budget,
                &mut files,
            )?,
        }
    }
    Ok(files)
}

/// What a link stands for, at the link's own path. Links inside a linked folder are followed a few times at most.
fn expand(
    repo: &Repository,
    listing: &Listing,
    link: &str,
    shown: &str,
    depth: usize,
    budget: &mut usize,
    files: &mut Vec<(String, Oid, bool)>,
) -> Result<(), SnapshotError> {
    let target = match listing.follow(repo, link)? {
        Target::Inside(target) => target,
        Target::Nowhere => return Ok(()),
        Target::Outside(problem) => return Err(SnapshotError::new(link, problem)),
    };
    let too_many = || {
        SnapshotError::new(
            shown,
            "is a link that stands for too many files; copy what is needed",
        )
    };
    if depth > 8 {
        return Err(too_many());
    }
    let Some(item) = listing.items.get(&target) else {
        return Err(SnapshotError::new(
            link,
            "is a link to the whole app's directory; name what is needed",
        ));
    };
    if let Kind::File { executable } = item.kind {
        *budget = budget.checked_sub(shown.len()).ok_or_else(too_many)?;
        files.push((shown.to_owned(), item.oid, executable));
        return Ok(());
    }
    let prefix = format!("{target}/");
    for (path, item) in listing.items.range(prefix.clone()..) {
        let Some(rest) = path.strip_prefix(&prefix) else {
            break;
        };
        let shown = format!("{shown}/{rest}");
        *budget = budget.checked_sub(shown.len()).ok_or_else(too_many)?;
        match item.kind {
            Kind::Directory => {}
            Kind::File { executable } => files.push((shown, item.oid, executable)),
            Kind::Link => expand(repo, listing, path, &shown, depth + 1, budget, files)?,
        }
    }
    Ok(())
}
