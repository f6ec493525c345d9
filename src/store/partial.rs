//! Clones that do not hold everything: those made with `--depth` end at some commit (shallow), and those made with `--filter` or
//! by a sparse checkout of a pipeline lack files and trees (partial). git fetches what it misses; libgit2 takes it for absent. So
//! what is read by libgit2 is fetched here before, through git.

use std::collections::{BTreeSet, HashSet};

use git2::{Odb, OdbLookupFlags, Oid, Repository};

use super::error::StoreError;
use super::objects;
use super::read_error::ReadError;
use super::workspace::{Workspace, reopened};
use crate::ledger::LEDGER_FILE;
use crate::releases;

/// What shallow clones are deepened by, one after the other; nothing stands for all there is.
pub(crate) const DEPTHS: [Option<u32>; 2] = [Some(1_000), None];

/// The commits at which a shallow clone ends; git writes them down, and nobody else knows.
pub(crate) fn borders(repo: &Repository) -> BTreeSet<Oid> {
    let list = std::fs::read_to_string(repo.commondir().join("shallow"));
    let list = list.unwrap_or_default();
    list.lines()
        .filter_map(|line| Oid::from_str(line).ok())
        .collect()
}

impl Workspace {
    /// True for a clone that lacks objects, which its remote has promised to give.
    fn is_partial(&self) -> bool {
        let config = self.repo.config().and_then(|mut config| config.snapshot());
        let Ok(config) = config else {
            return false;
        };
        let mut found = false;
        if let Ok(entries) = config.entries(Some("^remote\\..*\\.promisor$")) {
            let walked = entries.for_each(|entry| {
                let name = entry.name().unwrap_or_default();
                found |= config.get_bool(name).unwrap_or(false);
            });
            found &= walked.is_ok();
        }
        found
    }

    /// Fetches older commits of a branch, where the clone is shallow. They are seen by a repository that is opened anew.
    pub(crate) fn deepen(
        &self,
        branch: &str,
        commits: Option<u32>,
    ) -> Result<Repository, ReadError> {
        let spec = format!("+refs/heads/{branch}:{}{branch}", self.heads());
        self.deepen_from(&[spec], commits)
    }

    /// Fetches what is older than the commits at which a shallow clone ends, whatever branch they are of.
    pub(crate) fn deepen_all(&self, commits: Option<u32>) -> Result<Repository, ReadError> {
        let borders = borders(&self.repo);
        let specs: Vec<String> = borders.iter().map(ToString::to_string).collect();
        self.deepen_from(&specs, commits)
    }

    fn deepen_from(&self, specs: &[String], commits: Option<u32>) -> Result<Repository, ReadError> {
        let _alone = self.lock()?;
        let fetched = self.git.deepen(specs, commits, self.timeout);
        fetched.map_err(ReadError::Shallow)?;
        Ok(reopened(&self.repo)?)
    }

    /// Has everything here that is in these trees.
    ///
    /// # Errors
    /// When this is a partial clone and something cannot be fetched.
    pub(crate) fn complete(&self, trees: &[Oid]) -> Result<(), StoreError> {
        let fail = |problem: ReadError| StoreError::local("the clone", &problem);
        if !self.is_partial() {
            return Ok(());
        }
        self.bring_trees(trees, &|_| true).map_err(fail)
    }

    /// Has this tree here, without what is in its folders.
    pub(crate) fn bring_tree(&self, tree: Oid) -> Result<(), ReadError> {
        if self.is_partial() {
            self.bring(&[tree], false)
        } else {
            Ok(())
        }
    }

    /// Has this tree here with all folders in it, without their files.
    pub(crate) fn bring_folders(&self, tree: Oid) -> Result<(), ReadError> {
        if self.is_partial() {
            self.bring_trees(&[tree], &|_| false)
        } else {
            Ok(())
        }
    }

    /// Has all files of releases here that are in these commits.
    ///
    /// # Errors
    /// When this is a partial clone and something cannot be fetched.
    pub(crate) fn bring_releases(
        &self,
        repo: &Repository,
        commits: &[Oid],
    ) -> Result<(), ReadError> {
        self.bring_releases_in(repo, &self.settings().releases, commits)
    }

    /// The same, where they are in `folder`.
    ///
    /// # Errors
    /// As [`Self::bring_releases`].
    pub(crate) fn bring_releases_in(
        &self,
        repo: &Repository,
        folder: &str,
        commits: &[Oid],
    ) -> Result<(), ReadError> {
        if commits.is_empty() || !self.is_partial() {
            return Ok(());
        }
        let roots = commits
            .iter()
            .map(|oid| Ok(objects::commit(repo, *oid)?.tree_id()));
        let roots: Result<BTreeSet<Oid>, ReadError> = roots.collect();
        let mut trees: Vec<Oid> = roots?.into_iter().collect();
        for part in folder.split('/') {
            self.bring(&trees, false)?;
            let inside = trees.iter().map(|oid| {
                let tree = objects::tree(&self.repo, *oid)?;
                let entry = tree
                    .get_name(part)
                    .filter(|entry| entry.filemode_raw() == 0o040_000);
                Ok(entry.map(|entry| entry.id()))
            });
            let inside: Result<BTreeSet<Option<Oid>>, ReadError> = inside.collect();
            trees = inside?.into_iter().flatten().collect();
        }
        self.bring_trees(&trees, &releases::is_read)
    }

    /// Has all files of releases here that are in this tree.
    ///
    /// # Errors
    /// When this is a partial clone and something cannot be fetched.
    pub(crate) fn bring_release_tree(&self, tree: Oid) -> Result<(), ReadError> {
        if !self.is_partial() {
            return Ok(());
        }
        self.bring_trees(&[tree], &releases::is_read)
    }

    /// Has the records of ledgers here whose trees these are.
    ///
    /// # Errors
    /// When this is a partial clone and something cannot be fetched.
    pub(crate) fn bring_records(&self, trees: impl FnOnce() -> Vec<Oid>) -> Result<(), ReadError> {
        if !self.is_partial() {
            return Ok(());
        }
        self.bring_trees(&trees(), &|name| name == LEDGER_FILE)
    }

    /// Fetches these trees, those in them, and the files whose names are wanted.
    fn bring_trees(&self, trees: &[Oid], wanted: &dyn Fn(&str) -> bool) -> Result<(), ReadError> {
        let mut seen = HashSet::new();
        let mut files = BTreeSet::new();
        let mut next: Vec<Oid> = trees.to_vec();
        for _ in 0..=objects::DEPTH_MAX {
            next.retain(|oid| seen.insert(*oid));
            if next.is_empty() {
                break;
            }
            self.bring(&next, true)?;
            let mut inside = Vec::new();
            for oid in next {
                let tree = objects::tree(&self.repo, oid)?;
                for entry in &tree {
                    match entry.filemode_raw() {
                        0o040_000 => inside.push(entry.id()),
                        0o160_000 => {}
                        _ if wanted(&String::from_utf8_lossy(entry.name_bytes())) => {
                            files.insert(entry.id());
                        }
                        _ => {}
                    }
                }
            }
            next = inside;
        }
        let files: Vec<Oid> = files.into_iter().collect();
        self.bring(&files, true)
    }

    /// Fetches those of these objects that are not here.
    fn bring(&self, wanted: &[Oid], deep: bool) -> Result<(), ReadError> {
        let odb = self.repo.odb()?;
        odb.refresh()?;
        let is_away = |odb: &Odb<'_>, oid: &Oid| !odb.exists_ext(*oid, OdbLookupFlags::NO_REFRESH);
        let missing: Vec<Oid> = wanted
            .iter()
            .copied()
            .filter(|oid| is_away(&odb, oid))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let fetched = self.git.fetch_objects(&missing, deep, self.timeout);
        fetched.map_err(ReadError::Partial)?;
        Ok(odb.refresh()?)
    }
}
