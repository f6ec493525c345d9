//! Which commits make up what counts, through a restart: a file in the state folder. Its first line says of which branch and
//! folder, the last one which objects go on as an older commit has them, each between is a commit; of another branch or folder
//! nothing is known.
//!
//! The last commit counts. Those before it are there where it did not count as a whole, because a file could not be read, history
//! was rewritten or the releases were gone. Read again in their order, they give the same, as far as the last line says: an
//! object that a commit in between listed, and the next one removed, does not come back.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::tidy;
use crate::plan::Owner;
use crate::words::CommitId;

/// Most commits that are remembered: each but the last has an object that is held.
const MAX: usize = 64;

/// How the last line begins.
const HELD: &str = "held:";

/// The file, and what stands in it.
pub(super) struct Counted {
    file: PathBuf,
    /// The first line.
    of: String,
    commits: Vec<CommitId>,
    /// The objects that go on as older commits have them; nothing where that is not known.
    held: Option<BTreeSet<Owner>>,
    /// The file is absent, or cut off as one without its last line is, so that something may have counted.
    is_lost: bool,
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
                    "{}: {error}; which commits counted is lost, so what is missing in the newest one goes on{}",
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
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        let last = rest
            .rsplit_once(HELD)
            .filter(|(_, held)| held.ends_with('\n'));
        let whole = last.and_then(|(commits, held)| Some((commits, owners(held)?)));
        let of_this = first == of;
        let (commits, held) = whole.filter(|_| of_this).unzip();
        // What is no id was one before somebody changed the file.
        let commits: Vec<CommitId> = (commits.into_iter().flat_map(str::lines))
            .map(|line| line.parse().unwrap_or_else(|_| CommitId::zero()))
            .collect();
        Self {
            held,
            // What is about another branch or folder says so in a line that is whole.
            is_lost: commits.is_empty() && (of_this || !first.contains(':')),
            file,
            of,
            commits,
        }
    }

    /// Something counted before, as is known from elsewhere. Where the file does not say what, that is said by a commit that cannot be
    /// read.
    pub(super) fn something_did(&mut self) {
        if self.is_lost {
            self.commits = vec![CommitId::zero()];
            self.is_lost = false;
        }
    }

    /// The objects that go on as older commits have them; nothing where that is not known.
    pub(super) fn held(&self) -> Option<&BTreeSet<Owner>> {
        self.held.as_ref()
    }

    /// The commits, the oldest first.
    pub(super) fn commits(&self) -> &[CommitId] {
        &self.commits
    }

    /// Notes that these commits count, each on top of those before it, and which objects go on as older ones have them.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was.
    pub(super) fn note(
        &mut self,
        mut commits: Vec<CommitId>,
        held: BTreeSet<Owner>,
    ) -> io::Result<()> {
        let commits = commits.split_off(commits.len().saturating_sub(MAX));
        if commits == self.commits && self.held.as_ref() == Some(&held) {
            return Ok(());
        }
        let mut last = vec![HELD.to_owned()];
        last.extend(held.iter().map(Owner::to_string));
        let lines: Vec<&str> = commits.iter().map(CommitId::as_str).collect();
        let text = format!("{}\n{}\n{}\n", self.of, lines.join("\n"), last.join(" "));
        tidy::write(&self.file, text.as_bytes())?;
        (self.commits, self.held) = (commits, Some(held));
        Ok(())
    }
}

fn owners(text: &str) -> Option<BTreeSet<Owner>> {
    let words = text.split_whitespace();
    let owners = words.map(|word| Owner::try_from(word.to_owned()));
    owners.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_put_aside_and_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("counted");
        let begun_anew = || {
            let first = CommitId::from_bytes(&[1; 20]);
            let mut counted = Counted::read(file.clone(), "main", None);
            assert!(counted.commits().is_empty());
            counted.something_did();
            assert_eq!(counted.commits(), [CommitId::zero()]);
            counted.note(vec![first.clone()], BTreeSet::new()).unwrap();
            let again = Counted::read(file.clone(), "main", None);
            assert_eq!(again.commits(), [first]);
        };
        fs::write(&file, b"main:\n\xff\xfe").unwrap();
        begun_anew();
        assert!(dir.path().join("counted.damaged").is_file());
        fs::remove_file(&file).unwrap();
        fs::create_dir_all(file.join("in")).unwrap();
        begun_anew();
        assert!(dir.path().join("counted.damaged/in").is_dir());
    }

    #[test]
    fn what_is_cut_off_is_lost_and_what_is_about_another_branch_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("counted");
        let read = || Counted::read(file.clone(), "main", None);
        let shop: BTreeSet<Owner> = [Owner::try_from("cwd/shop".to_owned()).unwrap()].into();
        let commits = [1, 2]
            .map(|digit| CommitId::from_bytes(&[digit; 20]))
            .to_vec();
        read().note(commits.clone(), shop.clone()).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        assert_eq!(
            (read().commits(), read().held()),
            (&commits[..], Some(&shop))
        );
        for end in 0..whole.len() {
            fs::write(&file, &whole[..end]).unwrap();
            let mut counted = read();
            assert_eq!(counted.held(), None, "{:?}", &whole[..end]);
            counted.something_did();
            assert_eq!(counted.commits(), [CommitId::zero()], "{:?}", &whole[..end]);
        }
        for other in ["trunk:\nc1\nheld:\n", "main:releases/prod\nc1\n"] {
            fs::write(&file, other).unwrap();
            let mut counted = read();
            counted.something_did();
            assert!(counted.commits().is_empty() && counted.held().is_none());
        }
    }
}
