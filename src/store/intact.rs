//! Whether a folder still holds a snapshot and nothing else, and making it so again.
//!
//! Programs run in such a folder, and those that may write to it can. Nothing of it is moved or removed that is as it should be:
//! somebody may be reading it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};

use super::content::ContentError;
use super::error::SnapshotError;
use super::objects::{self, Item, Kind};
use crate::settings::Limits;

/// Takes out of `folder` what is not in the snapshot `tree`, and puts into it what is missing or is not what it was. The paths
/// that were wrong. `bad` says whose snapshot cannot be read.
pub(super) fn restore(
    repo: &Repository,
    tree: Oid,
    limits: &Limits,
    folder: &Path,
    bad: impl Fn(SnapshotError) -> ContentError,
) -> Result<Vec<String>, ContentError> {
    let items = objects::walk(repo, tree).map_err(&bad)?;
    let mut look = Look {
        folder,
        expected: (items.iter().map(|item| (item.path.as_str(), item))).collect(),
        right: BTreeSet::new(),
        wrong: Vec::new(),
    };
    look.inside("")?;
    let Look {
        right, mut wrong, ..
    } = look;
    for item in &items {
        if right.contains(item.path.as_str()) {
            continue;
        }
        let content = match item.kind {
            Kind::Directory => Vec::new(),
            Kind::File { .. } | Kind::Link => objects::blob(repo, item.oid, limits.file_bytes())
                .map_err(|problem| bad(SnapshotError::new(&item.path, problem.to_string())))?,
        };
        put(folder, item, &content).map_err(|error| failed(&folder.join(&item.path), &error))?;
        wrong.push(item.path.clone());
    }
    wrong.sort();
    wrong.dedup();
    Ok(wrong)
}

/// A look at what is there.
struct Look<'a> {
    folder: &'a Path,
    expected: BTreeMap<&'a str, &'a Item>,
    /// Paths of what is as it should be.
    right: BTreeSet<&'a str>,
    wrong: Vec<String>,
}

impl Look<'_> {
    /// Looks at all in a folder, whose path in the snapshot is `prefix`, with a slash at its end. Removes what does not belong
    /// there.
    fn inside(&mut self, prefix: &str) -> Result<(), ContentError> {
        let here = self.folder.join(prefix);
        let fail = |error: io::Error| failed(&here, &error);
        let mut folders = Vec::new();
        for entry in fs::read_dir(&here).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let kind = entry.file_type().map_err(fail)?;
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            let expected = (name.to_str()).and_then(|_| self.expected.get_key_value(path.as_str()));
            let Some((known, item)) = expected else {
                remove(&here, &entry.path()).map_err(fail)?;
                self.wrong.push(path);
                continue;
            };
            match item.kind {
                Kind::Directory if kind.is_dir() => {
                    self.right.insert(known);
                    folders.push(format!("{path}/"));
                }
                Kind::File { executable } if kind.is_file() => {
                    let mode = entry.metadata().map_err(fail)?.permissions().mode();
                    let found = Oid::hash_file(ObjectType::Blob, entry.path());
                    if found == Ok(item.oid) && (mode & 0o100 != 0) == executable {
                        self.right.insert(known);
                    }
                }
                Kind::Link if kind.is_symlink() => {
                    let target = fs::read_link(entry.path()).map_err(fail)?;
                    let found = Oid::hash_object(ObjectType::Blob, target.as_os_str().as_bytes());
                    if found == Ok(item.oid) {
                        self.right.insert(known);
                    }
                }
                // A file takes the place of a file or a link; a folder has to go first, and what stands where one should be.
                _ if kind.is_dir() || item.kind == Kind::Directory => {
                    remove(&here, &entry.path()).map_err(fail)?;
                }
                _ => {}
            }
        }
        folders.iter().try_for_each(|folder| self.inside(folder))
    }
}

/// Removes a file, or a folder with all in it, from the folder `here`.
fn remove(here: &Path, path: &Path) -> io::Result<()> {
    writable(here, || {
        if fs::symlink_metadata(path)?.is_dir() {
            unlock(path)?;
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    })
}

/// Gives back the right to remove what is in a read-only folder, at any depth.
///
/// # Errors
/// When a folder cannot be read, or is somebody else's.
pub fn unlock(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}

/// Does something in a read-only folder that changes what is in it.
fn writable(folder: &Path, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let before = fs::metadata(folder)?.permissions();
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let done = act();
    fs::set_permissions(folder, before)?;
    done
}

/// Puts an entry into its place, whole at once, and read-only.
fn put(root: &Path, item: &Item, content: &[u8]) -> io::Result<()> {
    let path: PathBuf = root.join(&item.path);
    let parent = path.parent().unwrap_or(root).to_owned();
    writable(&parent, || match item.kind {
        Kind::Directory => {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o555))
        }
        Kind::File { executable } => {
            let mode = if executable { 0o555 } else { 0o444 };
            let mut file = tempfile::NamedTempFile::new_in(&parent)?;
            file.write_all(content)?;
            (file.as_file()).set_permissions(Permissions::from_mode(mode))?;
            file.persist(&path).map(drop).map_err(|error| error.error)
        }
        Kind::Link => {
            let target = String::from_utf8_lossy(content).into_owned();
            let stage = tempfile::Builder::new().tempdir_in(&parent)?;
            let link = stage.path().join("link");
            symlink(target, &link)?;
            fs::rename(link, &path)
        }
    })
}

fn failed(path: &Path, error: &io::Error) -> ContentError {
    ContentError::Write {
        path: path.display().to_string(),
        problem: format!("cannot be compared with the version: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::store::export;

    /// A repository with a snapshot, and a folder with that snapshot.
    fn snapshot(dir: &Path) -> (Repository, Oid, PathBuf) {
        let repo = Repository::init_bare(dir.join("repo")).unwrap();
        let build = |entries: &[(&str, Oid, i32)]| {
            let mut tree = repo.treebuilder(None).unwrap();
            for (name, oid, mode) in entries {
                tree.insert(name, *oid, *mode).unwrap();
            }
            tree.write().unwrap()
        };
        let blob = |text: &str| repo.blob(text.as_bytes()).unwrap();
        let inner = build(&[("page", blob("page"), 0o100_644)]);
        let tree = build(&[
            ("dir", inner, 0o040_000),
            ("link", blob("run"), 0o120_000),
            ("other", blob("other"), 0o100_644),
            ("run", blob("run it"), 0o100_755),
        ]);
        let folder = dir.join("folder");
        let limits = Limits::default();
        export::write_out(&repo, tree, &limits, &folder, unreadable).unwrap();
        (repo, tree, folder)
    }

    fn unreadable(error: SnapshotError) -> ContentError {
        ContentError::Snapshot {
            app: "shop".parse().unwrap(),
            name: "v1".to_owned(),
            source: error,
        }
    }

    #[test]
    fn what_was_changed_is_as_it_was_and_the_rest_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (repo, tree, folder) = snapshot(dir.path());
        let restore = || restore(&repo, tree, &Limits::default(), &folder, unreadable).unwrap();
        assert!(restore().is_empty());
        let untouched = fs::File::open(folder.join("other")).unwrap();
        let read_only = Permissions::from_mode(0o555);
        fs::write(folder.join("run"), "run something else").unwrap();
        fs::remove_file(folder.join("link")).unwrap();
        symlink("/etc/passwd", folder.join("link")).unwrap();
        fs::write(folder.join("dir/added"), "x").unwrap();
        fs::remove_file(folder.join("dir/page")).unwrap();
        fs::create_dir_all(folder.join("dir/page/deep")).unwrap();
        fs::create_dir_all(folder.join("cache/deep")).unwrap();
        fs::write(folder.join("cache/deep/file"), "x").unwrap();
        for path in ["cache/deep", "cache", "dir", ""] {
            fs::set_permissions(folder.join(path), read_only.clone()).unwrap();
        }
        let wrong = ["cache", "dir/added", "dir/page", "link", "run"];
        assert_eq!(restore(), wrong);
        assert!(restore().is_empty());
        let run = fs::metadata(folder.join("run")).unwrap().permissions();
        assert_eq!(run.mode() & 0o777, 0o555);
        assert_eq!(fs::read(folder.join("dir/page")).unwrap(), b"page");
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o555
        );
        let same = fs::metadata(folder.join("other")).unwrap().ino();
        assert_eq!(untouched.metadata().unwrap().ino(), same);
        // A mode alone counts, and so does a folder that is gone.
        for path in ["", "dir", "run", "dir/page"] {
            fs::set_permissions(folder.join(path), Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(folder.join("run"), Permissions::from_mode(0o444)).unwrap();
        assert_eq!(restore(), ["dir/page", "run"]);
        fs::set_permissions(folder.join("dir"), Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir_all(folder.join("dir")).unwrap();
        assert_eq!(restore(), ["dir", "dir/page"]);
        unlock(&folder).unwrap();
    }
}
