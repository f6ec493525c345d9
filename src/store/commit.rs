//! Writing a commit into the clone: a version, a tombstone, or a change of `releases/`; signed where that is asked for.
//!
//! It is the person's own git that signs, with their keys. Nothing reaches the remote here.

use git2::{Oid, Signature, Time};
use jiff::Zoned;

use super::error::{CommitError, StoreError};
use super::version::Person;
use super::workspace::Workspace;
use crate::git::{self, UnsignedCommit};

/// A commit that is to be written; author and committer are the same.
pub(crate) struct NewCommit<'a> {
    pub(crate) tree: Oid,
    pub(crate) parent: Option<Oid>,
    pub(crate) author: &'a Person,
    pub(crate) time: &'a Zoned,
    pub(crate) message: &'a str,
    pub(crate) sign: Sign,
}

/// Whether a commit is signed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    No,
    /// The person asked for it.
    Asked,
    /// Their git is set up to sign every commit.
    SetUp,
}

impl Workspace {
    /// Signs where it is `asked` for, or where the person's git signs their commits.
    pub(crate) fn sign(&self, asked: bool) -> Sign {
        if asked {
            Sign::Asked
        } else if git::signs_commits(self.home()) {
            Sign::SetUp
        } else {
            Sign::No
        }
    }

    /// Writes the commit, and gives its id.
    pub(crate) fn write_commit(&self, new: &NewCommit<'_>) -> Result<Oid, CommitError> {
        let fail = |error: git2::Error| StoreError::local("the commit", &error.message());
        let (seconds, offset) = (
            new.time.timestamp().as_second(),
            new.time.offset().seconds() / 60,
        );
        let (name, email) = (plain(&new.author.name), plain(&new.author.email));
        let when = Time::new(seconds, offset);
        let author = Signature::new(&name, &email, &when).map_err(|_| {
            CommitError::Author(format!("{} <{}>", new.author.name, new.author.email))
        })?;
        if new.sign != Sign::No {
            let parent = new.parent.map(|parent| parent.to_string());
            let unsigned = UnsignedCommit {
                tree: &new.tree.to_string(),
                parent: parent.as_deref(),
                name: &name,
                email: &email,
                seconds,
                offset,
                message: new.message,
            };
            let signed = git::sign(self.home(), &unsigned, self.timeout()).map_err(|error| {
                CommitError::Signing {
                    said: error.message,
                    set_up: new.sign == Sign::SetUp,
                }
            })?;
            return Ok(Oid::from_str(&signed).map_err(fail)?);
        }
        let write = || {
            let tree = self.repo.find_tree(new.tree)?;
            let parent = new
                .parent
                .map(|oid| self.repo.find_commit(oid))
                .transpose()?;
            let parents: Vec<_> = parent.iter().collect();
            self.repo
                .commit(None, &author, &author, new.message, &tree, &parents)
        };
        Ok(write().map_err(fail)?)
    }
}

/// A name or an address as git writes it: without what would end it, and without what git strips from its ends.
fn plain(text: &str) -> String {
    let kept = |c: &char| !c.is_control() && !matches!(c, '<' | '>');
    let text: String = text.chars().filter(kept).collect();
    let crud = |c: char| c.is_whitespace() || ".,:;\"\\'".contains(c);
    text.trim_matches(crud).to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_is_written_as_git_would_write_it() {
        for (given, written) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("Ada <ada@example.com>", "Ada ada@example.com"),
            (" 'J. Doe, Jr.' ", "J. Doe, Jr"),
            ("a\nb", "ab"),
            ("<>", ""),
        ] {
            assert_eq!(plain(given), written, "{given}");
        }
    }
}
