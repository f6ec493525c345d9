//! The beginning of a release repository: a git repository where there is none, and files, all of them or none.
//!
//! Nothing that is there is ever overwritten, followed or removed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository, RepositoryInitOptions};

use crate::scaffold::ScaffoldFile;

/// The branch of a repository that has none yet.
const BRANCH: &str = "main";

/// Where a release repository is to begin.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    branch: String,
    is_repository: bool,
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Files that are new, by their paths from the root.
    pub written: Vec<String>,
    /// Files that were there and stay as they are.
    pub kept: Vec<String>,
    /// The git repository is new.
    pub made_repository: bool,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The place is in another repository.
    #[error("{} is inside the git repository {}", place.display(), root.display())]
    Inside {
        /// The place.
        place: PathBuf,
        /// The root of that repository.
        root: PathBuf,
    },
    /// There are no files in a bare repository.
    #[error("{} is a bare repository, which has no files", .0.display())]
    Bare(PathBuf),
    /// Files are there already.
    #[error("nothing was written: {} there already", listed(paths))]
    Taken {
        /// Their paths from the root.
        paths: Vec<String>,
    },
    /// The system or libgit2 refused.
    #[error("{}: {problem}", path.display())]
    Failed {
        /// What was to be read or written.
        path: PathBuf,
        /// What it said.
        problem: String,
    },
}

fn listed(paths: &[String]) -> String {
    let verb = if paths.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", paths.join(", "))
}

fn failed(path: &Path, problem: &impl ToString) -> BeginError {
    BeginError::Failed {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

impl Place {
    /// Looks at `dir`, which need not be there.
    ///
    /// # Errors
    /// When it is a file, or inside a repository without being its root.
    pub fn at(dir: &Path) -> Result<Self, BeginError> {
        let root = resolved(dir).map_err(|error| failed(dir, &error))?;
        if fs::metadata(&root).is_ok_and(|found| !found.is_dir()) {
            return Err(failed(dir, &"is a file; name a directory"));
        }
        let there = root.ancestors().find(|path| path.is_dir());
        let repo = match Repository::discover(there.unwrap_or(&root)) {
            Ok(repo) => repo,
            Err(error) if error.code() == ErrorCode::NotFound => {
                return Ok(Self {
                    root,
                    branch: BRANCH.to_owned(),
                    is_repository: false,
                });
            }
            Err(error) => return Err(failed(dir, &error.message())),
        };
        let Some(work) = repo.workdir() else {
            return Err(BeginError::Bare(repo.path().to_owned()));
        };
        let work = resolved(work).map_err(|error| failed(work, &error))?;
        if work != root {
            return Err(BeginError::Inside {
                place: root,
                root: work,
            });
        }
        // The branch also of a repository without a commit.
        let head = repo.find_reference("HEAD").ok();
        let target = head
            .as_ref()
            .and_then(|head| head.symbolic_target().ok().flatten());
        let branch = target.and_then(|name| name.strip_prefix("refs/heads/"));
        Ok(Self {
            branch: branch.unwrap_or(BRANCH).to_owned(),
            root,
            is_repository: true,
        })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The branch that it is on, or will be.
    #[must_use]
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Makes the repository where there is none, and writes the files: all or none. Files that are there are an error, or
    /// stay as they are with `keep`. With `dry_run`, nothing is written.
    ///
    /// # Errors
    /// When files are in the way, or cannot be written; then nothing is left of what was begun.
    pub fn begin(
        &self,
        files: &[ScaffoldFile],
        keep: bool,
        dry_run: bool,
    ) -> Result<Begun, BeginError> {
        let (kept, written): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| self.is_taken(&file.path));
        let paths = |files: &[&ScaffoldFile]| -> Vec<String> {
            files.iter().map(|file| file.path.clone()).collect()
        };
        if !keep && !kept.is_empty() {
            return Err(BeginError::Taken {
                paths: paths(&kept),
            });
        }
        let begun = Begun {
            written: paths(&written),
            kept: paths(&kept),
            made_repository: !self.is_repository,
        };
        if dry_run {
            return Ok(begun);
        }
        let mut made = Made::default();
        let done = self.write(&written, &mut made);
        if done.is_err() {
            made.undo();
        }
        done.map(|()| begun)
    }

    fn write(&self, files: &[&ScaffoldFile], made: &mut Made) -> Result<(), BeginError> {
        made.directory(&self.root)
            .map_err(|error| failed(&self.root, &error))?;
        if !self.is_repository {
            let path = self.root.join(".git");
            if fs::symlink_metadata(&path).is_ok() {
                return Err(failed(&path, &"is there, and is no repository; remove it"));
            }
            made.repository = Some(path);
            let mut options = RepositoryInitOptions::new();
            options.no_reinit(true).initial_head(&self.branch);
            Repository::init_opts(&self.root, &options)
                .map_err(|error| failed(&self.root, &error.message()))?;
        }
        for file in files {
            let path = self.root.join(&file.path);
            let mut write = || -> io::Result<()> {
                made.directory(path.parent().unwrap_or(&self.root))?;
                made.file(&path, file)
            };
            write().map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }

    /// Something is at that path, or on the way to it.
    fn is_taken(&self, path: &str) -> bool {
        let mut at = self.root.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            at.push(part);
            match fs::symlink_metadata(&at) {
                Err(error) => return error.kind() != ErrorKind::NotFound,
                Ok(found) if parts.peek().is_none() || !found.is_dir() => return true,
                Ok(_) => {}
            }
        }
        false
    }
}

/// The path with its links resolved, as far as it is there.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for at in path.ancestors() {
        match at.canonicalize() {
            Ok(mut found) => {
                found.extend(missing.iter().rev());
                return Ok(found);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => match at.file_name() {
                Some(name) => missing.push(name),
                // `..` behind a directory that is not there leads nowhere.
                None => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

/// What was made so far, in its order.
#[derive(Default)]
struct Made {
    directories: Vec<PathBuf>,
    repository: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        DirBuilder::new().create(path)?;
        self.directories.push(path.to_owned());
        Ok(())
    }

    fn file(&mut self, path: &Path, file: &ScaffoldFile) -> io::Result<()> {
        let mode = if file.executable { 0o777 } else { 0o666 };
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create_new(true).mode(mode).open(path)?;
        self.files.push(path.to_owned());
        open.write_all(file.content.as_bytes())
    }

    /// Takes away what was made, and nothing else. What cannot be taken away stays: the first error is the one to tell.
    fn undo(&self) {
        for file in &self.files {
            drop(fs::remove_file(file));
        }
        if let Some(repository) = &self.repository {
            drop(fs::remove_dir_all(repository));
        }
        for directory in self.directories.iter().rev() {
            drop(fs::remove_dir(directory));
        }
    }
}
