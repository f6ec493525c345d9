//! What counts of a branch, as a mirror has it: commits are read here and judged in [`crate::branch`], the newest one and, after a
//! restart, those that counted before.
//!
//! For both engines. Where the names of those commits are kept, and what people are told of the problems, is theirs. Nothing is fetched.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::branch::{Commit, Known, Problem, Tip};
use crate::plan::Owner;
use crate::store::{Mirror, StoreError};
use crate::words::CommitId;

/// Which branch of which mirror is followed, and where its releases are.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The copy of the repository.
    pub mirror: &'a Mirror,
    /// The branch, without `refs/heads/`.
    pub branch: &'a str,
    /// The folder of releases, where it is not the one that `cutwater.yaml` names.
    pub folder: Option<&'a str>,
    /// The namespace to which its objects go, where there are namespaces.
    pub namespace: Option<&'a str>,
}

/// What counts of a branch.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// The objects that count.
    pub tip: Arc<Tip>,
    /// Something of the commit that was read last could not be read, whatever stands in it: another time it may be to be had.
    pub unread: bool,
    /// The folder of the commit that was read last is absent, or holds nothing of ours.
    pub empty: bool,
    /// Objects of others in that commit, which are left aside: each in a sentence, with its place.
    pub aside: Arc<Vec<String>>,
    /// What is known of objects beside commits, until all of them are as a commit says.
    pub known: Known,
    /// Commits that counted before and cannot be read any more, until another one is read.
    pub lost: Vec<CommitId>,
}

impl Followed {
    /// Nothing is read yet, and this is known of objects.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Reads a commit, which counts from now on as far as it can be read; all that stands against it. `counted` are the commits that
    /// counted before; `may_stay` are the objects that may go on though the commit does not have them, where that is known.
    ///
    /// # Errors
    /// When its settings, or its releases as a whole, cannot be read. Then nothing changes.
    pub fn read(
        &mut self,
        place: Place<'_>,
        commit: &CommitId,
        counted: &[CommitId],
        may_stay: Option<&BTreeSet<Owner>>,
    ) -> Result<Vec<Problem>, StoreError> {
        let mirror = place.mirror;
        let settings = mirror.settings(commit)?;
        let folder = place.folder.unwrap_or(&settings.releases).to_owned();
        let read = mirror.releases(place.branch, commit, &folder)?;
        self.unread = read.unreadable.iter().any(|file| file.is_unread);
        if let Some(all) = (read.unreadable.iter()).find(|file| file.file == folder) {
            return Ok(vec![Problem::Refused {
                problem: all.problem.clone(),
                commit: commit.clone(),
            }]);
        }
        // What stands in a file that cannot be read is not gone.
        let is_empty = read.releases.is_empty() && read.unreadable.is_empty();
        let before = &self.tip;
        // Another folder that does not have all of it: what stood in the one before was not removed by anybody.
        let is_other =
            place.folder.is_none() && before.commit.is_some() && before.settings.releases != folder;
        let empty = if is_empty {
            Some(empty(&folder, read.aside.len()))
        } else {
            is_other.then(|| other_folder(&folder, &before.settings.releases))
        };
        let unreadable = read.unreadable.iter();
        // What is remembered may be of another branch or folder, whose objects may have the same names for other apps.
        let elsewhere = before.commit.is_none() && counted.is_empty();
        let nothing = Known::new();
        let known = if elsewhere && !is_empty {
            &nothing
        } else {
            &self.known
        };
        let apps = settings.apps.clone();
        // Many objects may be held as one commit had them.
        let follows: RefCell<HashMap<CommitId, bool>> = RefCell::default();
        let (tip, mut problems) = before.next(Commit {
            id: commit,
            settings,
            releases: &read.releases,
            unreadable: unreadable
                .map(|file| (file.file.as_str(), file.problem.as_str()))
                .collect(),
            bare: &read.bare,
            empty: empty.as_deref(),
            follows: &|before| {
                let asked = follows.borrow().get(before).copied();
                asked.unwrap_or_else(|| {
                    let answer = mirror.follows(commit, before);
                    follows.borrow_mut().insert(before.clone(), answer);
                    answer
                })
            },
            known,
            lost: &self.lost,
            namespace: place.namespace,
            may_stay,
        });
        // Where nothing is kept, nothing else is said of it.
        if is_empty && problems.is_empty() {
            let (is_there, others) = mirror.folders(commit, &folder, &apps);
            problems.push(Problem::Nothing {
                commit: commit.clone(),
                folder,
                is_there,
                others,
            });
        }
        self.tip = Arc::new(tip);
        self.empty = is_empty;
        self.aside = Arc::clone(&read.aside);
        self.lost.clear();
        Ok(problems)
    }

    /// Forgets what was known of objects once a commit counts as a whole: then there is nothing beside it and what it keeps.
    pub fn forget(&mut self) {
        let tip = &self.tip;
        if tip.whole {
            self.known.retain(|owner, _| tip.recalls(owner));
        }
    }

    /// Reads the commits that counted, in their order, as far as they can be read, and says what the last that could be read led to:
    /// its id, and what stands against it. `held` are the objects that went on as older commits have them, where that is known.
    pub fn replay(
        &mut self,
        place: Place<'_>,
        counted: &[CommitId],
        held: Option<&BTreeSet<Owner>>,
    ) -> (Option<CommitId>, Vec<Problem>) {
        self.tip = Arc::new(Tip::default());
        self.lost.clear();
        let (mut seen, mut problems) = (None, Vec::new());
        for (index, commit) in counted.iter().cloned().enumerate() {
            let is_last = index + 1 == counted.len();
            // What went with a commit in between, which is not read again, is among those before it.
            let may_stay = held.filter(|_| is_last);
            match self.read(place, &commit, counted, may_stay) {
                Ok(wrong) if self.tip.commit.as_ref() != Some(&commit) => {
                    problems = wrong;
                    self.lost.push(commit);
                }
                Ok(wrong) => {
                    problems = wrong;
                    // The last one is read again, and those before it are not.
                    if self.unread && !is_last {
                        self.lost.push(commit.clone());
                    }
                    seen = Some(commit);
                }
                Err(error) => {
                    if commit.is_zero() {
                        tracing::warn!(
                            "which commits counted before is not known; the newest one is read, and what it does not have goes on"
                        );
                    } else {
                        tracing::warn!(
                            "commit {}, which counted before: {error}; the newest one is read",
                            commit.short()
                        );
                    }
                    self.lost.push(commit);
                }
            }
        }
        if let Some(last) = counted.last().filter(|last| self.lost.contains(last)) {
            // Those before it do not say what it removed and added: what is known beside commits is all that is known.
            self.tip = Arc::new(Tip::default());
            // The one that cannot be read is the one to name.
            self.lost = [last.clone()]
                .into_iter()
                .chain(counted.iter().cloned())
                .collect();
            return (None, Vec::new());
        }
        (seen, problems)
    }
}

/// A folder of releases in which nothing is ours, in words; `others` are the objects of others in it.
fn empty(folder: &str, others: usize) -> String {
    match others {
        0 => format!("`{folder}` is absent or empty"),
        1 => format!(
            "`{folder}` holds no Deployment and no Alias of ours, but 1 object of another kind,"
        ),
        others => format!(
            "`{folder}` holds no Deployment and no Alias of ours, but {others} objects of other kinds,"
        ),
    }
}

/// A folder of releases that is named in place of the one before, and does not have all of it, in words.
fn other_folder(folder: &str, before: &str) -> String {
    format!(
        "cutwater.yaml names the folder `{folder}` now in place of `{before}`, and not all that stood there is there"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_objects_of_others_is_not_called_empty() {
        assert_eq!(empty("releases", 0), "`releases` is absent or empty");
        for others in [1, 3] {
            let said = empty("releases", others);
            assert!(
                said.contains(&others.to_string()) && !said.contains("absent"),
                "{said}"
            );
        }
    }
}
