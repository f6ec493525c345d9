//! Whether a new copy of a repository is as far as the one in whose place it is to come.
//!
//! That a commit came says little: git writes it before what is in it, and moves the branch last, once it has found all that is below.
//! So the branch is what counts, and where one of the two cannot be read, nothing is known.

use std::collections::BTreeSet;
use std::path::Path;

use git2::Repository;

use super::super::ancestry;
use super::super::doubt::{self, Doubt};
use super::super::read_error::ReadError;

/// True where a branch of the new copy is where that of the old one is, or above it, and what counts of its commit can be read there.
/// `name` is that of the ref.
pub(super) fn is_level(old: &Path, fresh: &Path, name: &str) -> bool {
    let level = || -> Result<bool, ReadError> {
        let before = Repository::open_bare(old)?.refname_to_id(name)?;
        let repo = Repository::open_bare(fresh)?;
        let now = repo.refname_to_id(name)?;
        let whole = doubt::damaged(fresh, &BTreeSet::from([Doubt::Branch(now)])).is_empty();
        Ok(whole && ancestry::descends(&repo, now, before)?)
    };
    level().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use git2::{Oid, Repository, Signature, Time};
    use tempfile::TempDir;

    use super::*;

    /// Two copies of a repository: the old one has `main` at the second of three commits.
    struct Copies {
        dir: TempDir,
        old: Repository,
        fresh: Repository,
    }

    impl Copies {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let make = |name| Repository::init_bare(dir.path().join(name)).unwrap();
            let (old, fresh) = (make("old"), make("new"));
            let copies = Self { dir, old, fresh };
            for number in 1..=3 {
                copies.commit(number);
            }
            copies.move_to(&copies.old, 2);
            copies
        }

        /// Writes a commit of the branch into both, and gives it.
        fn commit(&self, number: i64) -> Oid {
            self.commit_as("Ada", number)
        }

        /// Each is above the one before, with a file of releases of its own.
        fn commit_as(&self, who: &str, number: i64) -> Oid {
            let parent = (number > 1).then(|| self.commit_as("Ada", number - 1));
            let who = Signature::new(who, "ada@example.com", &Time::new(number, 0)).unwrap();
            let write = |repo: &Repository| {
                let blob = repo.blob(number.to_string().as_bytes()).unwrap();
                let mut folder = repo.treebuilder(None).unwrap();
                folder.insert("shop.yaml", blob, 0o100_644).unwrap();
                let mut root = repo.treebuilder(None).unwrap();
                root.insert("releases", folder.write().unwrap(), 0o040_000)
                    .unwrap();
                let tree = repo.find_tree(root.write().unwrap()).unwrap();
                let parent = parent.map(|parent| repo.find_commit(parent).unwrap());
                let parents: Vec<_> = parent.iter().collect();
                repo.commit(None, &who, &who, "x", &tree, &parents).unwrap()
            };
            write(&self.old);
            write(&self.fresh)
        }

        fn move_to(&self, repo: &Repository, number: i64) {
            let commit = self.commit(number);
            // One that was torn is moved by nobody.
            drop(fs::remove_file(repo.path().join("refs/heads/main")));
            repo.reference("refs/heads/main", commit, true, "").unwrap();
        }

        /// Whether that is so whatever else the new copy has, with its branch at this commit.
        #[track_caller]
        fn check(&self, number: i64, level: bool) {
            self.move_to(&self.fresh, number);
            assert_eq!(self.level(), level);
        }

        fn level(&self) -> bool {
            is_level(self.old.path(), self.fresh.path(), "refs/heads/main")
        }

        /// Takes an object from the new copy, or cuts a file off.
        fn lose(&self, oid: Oid) {
            let oid = oid.to_string();
            let (folder, name) = oid.split_at(2);
            let objects = self.dir.path().join("new/objects");
            fs::remove_file(objects.join(folder).join(name)).unwrap();
        }

        fn tear(repo: &Repository) {
            fs::write(repo.path().join("refs/heads/main"), "abc").unwrap();
        }
    }

    #[test]
    fn a_new_copy_is_level_where_its_branch_is_and_not_where_a_commit_came() {
        let copies = Copies::new();
        // All commits came, and the branch has not moved.
        assert!(!copies.level());
        copies.check(1, false);
        copies.check(2, true);
        copies.check(3, true);
        // What the branch is at was not written to its end.
        let file = copies.fresh.blob(b"3").unwrap();
        copies.lose(file);
        assert!(!copies.level());
        copies.check(2, true);
        // Whoever moved the branch elsewhere: that of the old copy is newer.
        let other = copies.commit_as("Eve", 2);
        let main = "refs/heads/main";
        copies.fresh.reference(main, other, true, "").unwrap();
        assert!(!copies.level());
    }

    #[test]
    fn other_branches_do_not_count() {
        let copies = Copies::new();
        let other = copies.commit_as("Eve", 2);
        (copies.old)
            .reference("refs/heads/other", other, true, "")
            .unwrap();
        copies.lose(other);
        copies.check(2, true);
    }

    #[test]
    fn what_cannot_be_read_is_not_level() {
        let copies = Copies::new();
        copies.move_to(&copies.fresh, 2);
        assert!(copies.level());
        Copies::tear(&copies.fresh);
        assert!(!copies.level());
        copies.move_to(&copies.fresh, 2);
        Copies::tear(&copies.old);
        assert!(!copies.level());
        // One of which nothing is known may have been at any commit.
        fs::remove_file(copies.old.path().join("refs/heads/main")).unwrap();
        assert!(!copies.level());
    }
}
