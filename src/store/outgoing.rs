//! What goes out between two versions: the commits between those that they were made from, but for those that change nothing else than
//! releases and other apps.

use std::collections::{BTreeSet, BinaryHeap, HashSet};

use git2::{Oid, Repository};
use schemars::JsonSchema;
use serde::Serialize;

use super::objects;
use super::partial::borders;
use super::read_error::ReadError;
use super::workspace::{SourceCommit, Workspace, reopened};
use crate::words::{AppName, CommitId, is_plain};

/// Most commits that are looked at.
const COMMITS_MAX: usize = 100_000;
/// Most characters of the name of an author.
const AUTHOR_MAX: usize = 100;

/// The commits between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// True where the version that comes is the older one: the commits are those that are taken back.
    pub taken_back: bool,
    /// The newest of them, the newest first.
    pub commits: Vec<OutgoingCommit>,
    /// How many more there are.
    pub more: usize,
}

/// A commit that goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingCommit {
    /// 40 hex digits.
    pub commit: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Who made it.
    pub author: String,
    /// The number of its pull request, as the subject says it.
    pub pull_request: Option<u32>,
}

/// Why the commits between two versions cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// A version was made from a commit that is not here.
    #[error("commit {0} is not in this clone; {hint}", hint = if *.1 { "this clone is shallow: `git fetch --unshallow` brings it" } else { "`git fetch` may bring it" })]
    Missing(String, bool),
    /// The clone ends among them.
    #[error(
        "this clone is shallow, and older commits are missing; `git fetch --unshallow` brings them"
    )]
    Shallow,
    /// There are too many.
    #[error("more than {COMMITS_MAX} commits would have to be looked at")]
    TooMany,
    /// One of them cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<git2::Error> for OutgoingError {
    fn from(error: git2::Error) -> Self {
        Self::Read(error.into())
    }
}

impl Workspace {
    /// The commits between `from` and `to`, two commits that versions of `app` were made from; at most `most` of them.
    ///
    /// # Errors
    /// When one of them is not here or cannot be read, or when there are too many.
    pub fn outgoing(
        &self,
        app: &AppName,
        (from, to): (&CommitId, &CommitId),
        most: usize,
    ) -> Result<Outgoing, OutgoingError> {
        // What was fetched since it was opened is seen by another one.
        let repo = reopened(&self.repo)?;
        let graph = Graph {
            borders: borders(&repo),
            repo: &repo,
        };
        let id = |commit: &CommitId| {
            let oid = Oid::try_from(commit)?;
            let is_shallow = !graph.borders.is_empty();
            let missing = || OutgoingError::Missing(commit.short().to_owned(), is_shallow);
            objects::commit(&repo, oid)
                .map(|_| oid)
                .map_err(|_| missing())
        };
        let (from, to) = (id(from)?, id(to)?);
        let before = graph.all_before(from)?;
        let taken_back = from != to && before.contains(&to);
        let mut all = if taken_back {
            graph.between(&graph.all_before(to)?, from)?
        } else {
            graph.between(&before, to)?
        };
        let settings = self.settings();
        let apart = Apart {
            releases: format!("{}/", settings.releases),
            apps: format!("{}/", settings.apps),
            app: format!("{}/{app}/", settings.apps),
        };
        all.retain(|oid| graph.concerns(*oid, &apart));
        let shown: Result<Vec<OutgoingCommit>, OutgoingError> =
            all.iter().take(most).map(|oid| graph.shown(*oid)).collect();
        Ok(Outgoing {
            taken_back,
            commits: shown?,
            more: all.len().saturating_sub(most),
        })
    }
}

/// Where files are that are no part of an app.
struct Apart {
    releases: String,
    apps: String,
    /// But for these.
    app: String,
}

impl Apart {
    fn holds(&self, path: &[u8]) -> bool {
        let is_in = |folder: &str| path.starts_with(folder.as_bytes());
        is_in(&self.releases) || (is_in(&self.apps) && !is_in(&self.app))
    }
}

/// Commits and their parents, as far as the clone has them.
struct Graph<'r> {
    repo: &'r Repository,
    borders: BTreeSet<Oid>,
}

impl Graph<'_> {
    /// The parents of a commit; none where a shallow clone ends.
    fn parents(&self, oid: Oid) -> Result<Vec<Oid>, OutgoingError> {
        if self.borders.contains(&oid) {
            return Ok(Vec::new());
        }
        Ok(objects::commit(self.repo, oid)?.parent_ids().collect())
    }

    /// The commit itself, and all that are older.
    fn all_before(&self, tip: Oid) -> Result<HashSet<Oid>, OutgoingError> {
        let mut seen = HashSet::from([tip]);
        let mut next = vec![tip];
        while let Some(oid) = next.pop() {
            if seen.len() > COMMITS_MAX {
                return Err(OutgoingError::TooMany);
            }
            let parents = self.parents(oid)?;
            next.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        Ok(seen)
    }

    /// The commits before `tip` and itself that are not among those that are `known`, the newest first.
    fn between(&self, known: &HashSet<Oid>, tip: Oid) -> Result<Vec<Oid>, OutgoingError> {
        let mut next = BinaryHeap::new();
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut add = |oid: Oid, next: &mut BinaryHeap<(i64, Oid)>| -> Result<(), OutgoingError> {
            if !known.contains(&oid) && seen.insert(oid) {
                let time = objects::commit(self.repo, oid)?.time().seconds();
                next.push((time, oid));
            }
            Ok(())
        };
        add(tip, &mut next)?;
        let mut found = Vec::new();
        while let Some((_, oid)) = next.pop() {
            if found.len() >= COMMITS_MAX {
                return Err(OutgoingError::TooMany);
            }
            if self.borders.contains(&oid) {
                return Err(OutgoingError::Shallow);
            }
            found.push(oid);
            for parent in self.parents(oid)? {
                add(parent, &mut next)?;
            }
        }
        Ok(found)
    }

    /// False where a commit changes nothing but what is no part of the app, beside its first parent. One that cannot be compared counts.
    fn concerns(&self, oid: Oid, apart: &Apart) -> bool {
        let compared = || -> Result<bool, OutgoingError> {
            let tree = |oid: Oid| -> Result<git2::Tree<'_>, OutgoingError> {
                let commit = objects::commit(self.repo, oid)?;
                Ok(objects::tree(self.repo, commit.tree_id())?)
            };
            let parents = self.parents(oid)?;
            let before = parents.first().map(|parent| tree(*parent)).transpose()?;
            let diff = (self.repo).diff_tree_to_tree(before.as_ref(), Some(&tree(oid)?), None)?;
            let mut paths = diff.deltas().flat_map(|delta| {
                let both = [delta.old_file(), delta.new_file()];
                both.map(|file| file.path_bytes().map(<[u8]>::to_vec))
            });
            let is_empty = diff.deltas().len() == 0;
            Ok(is_empty || paths.any(|path| path.is_none_or(|path| !apart.holds(&path))))
        };
        compared().unwrap_or(true)
    }

    fn shown(&self, oid: Oid) -> Result<OutgoingCommit, OutgoingError> {
        let commit = objects::commit(self.repo, oid)?;
        let author = commit.author();
        let author = String::from_utf8_lossy(author.name_bytes()).into_owned();
        let author = author.chars().filter(|c| is_plain(*c));
        let subject = SourceCommit::new("", &commit).subject;
        Ok(OutgoingCommit {
            commit: oid.into(),
            pull_request: pull_request(&subject),
            subject,
            author: author.take(AUTHOR_MAX).collect(),
        })
    }
}

/// The number of a pull request in the first line of a message: `Merge pull request #12 from ...`, or `(#12)` at its end.
fn pull_request(subject: &str) -> Option<u32> {
    let merged = subject.strip_prefix("Merge pull request #");
    let number = match merged {
        Some(rest) => rest.split(' ').next()?,
        None => subject.trim_end().strip_suffix(')')?.rsplit_once("(#")?.1,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_its_pull_request_as_forges_write_it() {
        for (subject, number) in [
            ("Merge pull request #12 from acme/cart", Some(12)),
            ("Speed up the cart (#7)", Some(7)),
            ("Speed up the cart (#7) ", Some(7)),
            ("Revert \"Speed up (#7)\" (#8)", Some(8)),
            ("Fix #7", None),
            ("See (#7) for more", None),
            ("Merge branch 'main' (#x)", None),
            ("Merge pull request #+1 from x", None),
            ("(#)", None),
            ("", None),
        ] {
            assert_eq!(pull_request(subject), number, "{subject}");
        }
    }
}
