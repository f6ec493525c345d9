//! Which commits make up what counts, through a restart: a file in the state folder. Its first line says of which branch and
//! folder, each other is a commit; of another branch or folder nothing is known.
//!
//! The last one counts. Those before it are there where it did not count as a whole, because a file could not be read, history
//! was rewritten or the releases were gone: some objects go on as an older commit has them. Read again in their order, they
//! give the same.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::tidy;

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
    /// is about others. What cannot be read is said, put aside and begun anew: it must not keep from serving.
    pub(super) fn read(file: PathBuf, branch: &str, folder: Option<&str>) -> Self {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let aside = file.with_extension("damaged");
                // Of two that are damaged, the newer one is kept.
                let moved = tidy::remove(&aside).and_then(|()| fs::rename(&file, &aside));
                tracing::warn!(
                    "{}: {error}; which commits counted is lost, and the newest one that can be read counts{}",
                    file.display(),
                    moved.map_or_else(
                        |error| format!("; it cannot be put aside: {error}"),
                        |()| format!("; what stood there is in {}", aside.display())
                    )
                );
            }
            String::new()
        });
        let of = format!("{branch}:{}", folder.unwrap_or_default());
        let mut lines = text.lines();
        let commits = match lines.next() {
            Some(first) if first == of => lines.map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self { file, of, commits }
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
        let text = format!("{}\n{}\n", self.of, commits.join("\n"));
        tidy::write(&self.file, text.as_bytes())?;
        self.commits = commits;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_put_aside_and_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("counted");
        let begun_anew = || {
            let mut counted = Counted::read(file.clone(), "main", None);
            assert!(counted.commits().is_empty());
            counted.note(vec!["c1".to_owned()]).unwrap();
            let again = Counted::read(file.clone(), "main", None);
            assert_eq!(again.commits(), ["c1"]);
        };
        fs::write(&file, b"main:\n\xff\xfe").unwrap();
        begun_anew();
        assert!(dir.path().join("counted.damaged").is_file());
        fs::remove_file(&file).unwrap();
        fs::create_dir_all(file.join("in")).unwrap();
        begun_anew();
        assert!(dir.path().join("counted.damaged/in").is_dir());
    }
}
