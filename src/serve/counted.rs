//! Which commits make up what counts, through a restart: a file in the state folder. Its first line says of which branch and
//! folder, each other is a commit; of another branch or folder nothing is known.
//!
//! The last one counts. Those before it are there where it did not count as a whole, because a file could not be read, history
//! was rewritten or the releases were gone: some objects go on as an older commit has them. Read again in their order, they
//! give the same.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// Most commits that are remembered: each but the last has an object that is held.
const MAX: usize = 64;

/// The file, and what stands in it.
pub(super) struct Counted {
    file: PathBuf,
    /// The first line.
    of: String,
    commits: Vec<String>,
}

impl Counted {
    /// What stands in this file of a branch, and of a folder of releases that is named; nothing where it is not there, or
    /// is about others.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn read(file: PathBuf, branch: &str, folder: Option<&str>) -> io::Result<Self> {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let of = format!("{branch}:{}", folder.unwrap_or_default());
        let mut lines = text.lines();
        let commits = match lines.next() {
            Some(first) if first == of => lines.map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Ok(Self { file, of, commits })
    }

    /// The commits, the oldest first.
    pub(super) fn commits(&self) -> &[String] {
        &self.commits
    }

    /// Notes that these commits count, each on top of those before it.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was.
    pub(super) fn note(&mut self, mut commits: Vec<String>) -> io::Result<()> {
        let commits = commits.split_off(commits.len().saturating_sub(MAX));
        if commits == self.commits {
            return Ok(());
        }
        let folder = self.file.parent().unwrap_or(&self.file);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(format!("{}\n{}\n", self.of, commits.join("\n")).as_bytes())?;
        file.as_file().sync_data()?;
        file.persist(&self.file).map_err(|error| error.error)?;
        self.commits = commits;
        Ok(())
    }
}
