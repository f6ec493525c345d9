//! One look at the remote: an app's versions and ledgers, and the releases of its branches, in one fetch.

use git2::Oid;

use crate::git::GitErrorKind;
use crate::settings::{SETTINGS_FILE, Settings};
use crate::store::error::StoreError;
use crate::store::history::History;
use crate::store::ledger::{self, Ledger};
use crate::store::refs::{self, AppRefs, Space};
use crate::store::release_files::{Branch, Reader, folder_of};
use crate::store::settings_file;
use crate::store::workspace::Workspace;
use crate::words::AppName;

/// Which branches are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// None: the versions alone.
    Versions,
    /// The branch whose releases count.
    Tracked,
    /// All of them.
    Branches,
}

/// What the remote held when it was looked at.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The versions.
    pub history: History,
    /// The branches that were asked for and are there, by name.
    pub branches: Vec<Branch>,
    /// The ledgers, by environment.
    pub ledgers: Vec<Ledger>,
    /// A place that `cutwater.yaml` names and that is not there: nobody in it can be seen.
    pub missing: Option<String>,
    /// What the tracked branch says of where releases are, where this clone says another thing.
    pub(crate) unlike: Option<String>,
    pub(crate) refs: AppRefs,
}

impl Survey {
    /// What cannot be read and may concern the app, with the place it is in.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let branches = self.branches.iter().flat_map(|branch| {
            let concerning = branch.unreadable.iter().filter(|file| file.may_concern);
            concerning.flat_map(|file| {
                let lines = file.problem.lines();
                lines.map(|line| format!("{line} (branch {})", branch.name))
            })
        });
        let heads = (self.ledgers.iter()).filter(|ledger| ledger.entries.is_empty());
        (self.missing.iter().chain(&self.unlike).cloned())
            .chain(branches)
            .chain(heads.filter_map(|ledger| ledger.problem.clone()))
            .collect()
    }
}

impl Workspace {
    /// Fetches the app's refs and the branches in one exchange, and reads them. At most `records` entries of each ledger
    /// are read.
    ///
    /// # Errors
    /// When the remote cannot be read. What is wrong in releases or ledgers is in the result.
    pub fn survey(
        &self,
        app: &AppName,
        scope: Scope,
        records: usize,
    ) -> Result<Survey, StoreError> {
        let space = Space::seen(&self.key, app);
        let _alone = self.lock()?;
        let heads = self.fetch_with_heads(app, &space, scope)?;
        let fail = |error: git2::Error| StoreError::local("the fetched refs", &error.message());
        let refs = AppRefs::read(&self.repo, &space).map_err(fail)?;
        let commits: Vec<Oid> = heads.iter().map(|(_, oid)| *oid).collect();
        let brought = self.bring_releases(&self.repo, &commits);
        let records_here = self.bring_records(|| ledger::trees(&self.repo, &space, records));
        let tracked = heads
            .iter()
            .find(|(name, _)| *name == self.settings().branch);
        let unlike = tracked.and_then(|(_, tip)| self.unlike(*tip));
        let missing = (self.missing(&heads, scope))
            .or_else(|| records_here.err().map(|error| error.to_string()));
        let mut reader = Reader::new(&self.repo, &self.settings().releases, Some(app));
        let branch = |(name, oid): (String, Oid)| {
            let read = match &brought {
                Ok(()) => reader.commit(oid),
                Err(problem) => reader.nothing(problem),
            };
            Branch {
                name,
                commit: oid.into(),
                releases: read.releases,
                unreadable: read.unreadable,
                aside: read.aside,
                bare: read.bare,
            }
        };
        Ok(Survey {
            missing,
            unlike,
            branches: heads.into_iter().map(branch).collect(),
            ledgers: ledger::read(&self.repo, &space, app, records).map_err(fail)?,
            history: History::read(&self.repo, app, &refs),
            refs,
        })
    }

    /// What the tracked branch says of where releases are, where this clone says another thing: one that is behind, or that was
    /// changed, looks for them where nobody else does. A file that cannot be read says nothing, and neither does none.
    fn unlike(&self, tip: Oid) -> Option<String> {
        let bring = |oid: Oid| self.bring_tree(oid);
        let bytes = match settings_file::of_commit(&self.repo, tip, &bring) {
            Ok(bytes) => bytes?,
            Err(problem) => {
                return Some(format!(
                    "{SETTINGS_FILE} of branch `{}` at remote `{}`: {problem}",
                    self.settings().branch,
                    self.remote()
                ));
            }
        };
        let theirs = Settings::read(&bytes).ok()?;
        let ours = self.settings();
        let both = [
            ("branch", &theirs.branch, &ours.branch),
            ("releases", &theirs.releases, &ours.releases),
        ];
        let (field, theirs, mine) = both.into_iter().find(|(_, theirs, ours)| theirs != ours)?;
        Some(format!(
            "{SETTINGS_FILE} of branch `{}` at remote `{}` says `{field}: {theirs}`, and for this clone it is `{mine}`; pull, or correct one of the two",
            ours.branch,
            self.remote()
        ))
    }

    /// What the settings name and nobody has. The default folder may be absent, for not everybody keeps releases in git, and so may
    /// the default branch where the remote has no branch yet. Where it has others, and only the tracked one is read, theirs are unseen.
    fn missing(&self, heads: &[(String, Oid)], scope: Scope) -> Option<String> {
        let (settings, usual) = (self.settings(), Settings::default());
        if scope == Scope::Versions {
            return None;
        }
        let branch = &settings.branch;
        if heads.iter().all(|(name, _)| name != branch)
            && (*branch != usual.branch || (scope == Scope::Tracked && self.has_branch()))
        {
            return Some(format!(
                "branch `{branch}` is not at remote `{}`; name the right one as `branch` in cutwater.yaml, or push it",
                self.remote()
            ));
        }
        let folder = &settings.releases;
        let tree = |(_, commit): &(String, Oid)| {
            matches!(folder_of(&self.repo, folder, *commit), Ok(None))
        };
        (*folder != usual.releases && !heads.is_empty() && heads.iter().all(tree)).then(|| {
            format!("folder `{folder}` is in no branch that counts; correct `releases` in cutwater.yaml, or push it")
        })
    }

    /// Fetches, and says which branches of the scope are there, by name.
    fn fetch_with_heads(
        &self,
        app: &AppName,
        space: &Space,
        scope: Scope,
    ) -> Result<Vec<(String, Oid)>, StoreError> {
        let branch = &self.settings().branch;
        let wanted = match scope {
            Scope::Versions => None,
            Scope::Tracked => Some(branch.as_str()),
            Scope::Branches => Some("*"),
        };
        let here = self.heads();
        let mut specs = space.refspecs(app).to_vec();
        specs.extend(wanted.map(|name| format!("+refs/heads/{name}:{here}{name}")));
        // The branch's commits are mostly here, under one name or another.
        let remote = self.remote();
        let mut names = vec![space.last()];
        if wanted.is_some() {
            names.push(format!("{here}{branch}"));
            names.push(format!("refs/remotes/{remote}/{branch}"));
            names.push(format!("refs/heads/{branch}"));
        }
        let mut known = self.tips(&names);
        if scope == Scope::Branches {
            known.push(format!("{here}*"));
            known.push(format!("refs/remotes/{remote}/*"));
        }
        let fetched = match self.git.fetch(&specs, &known, self.timeout) {
            // The branch is not there yet, and an exact ref that is missing fails the whole fetch.
            Err(error) if scope == Scope::Tracked && error.kind == GitErrorKind::MissingRef => {
                let rest = self.git.fetch(&space.refspecs(app), &known, self.timeout);
                rest.map(|()| false)
            }
            other => other.map(|()| wanted.is_some()),
        };
        let read = fetched.map_err(|source| StoreError::Git {
            what: format!(
                "cannot fetch the versions of `{app}` from remote `{}`",
                self.remote()
            ),
            source,
        })?;
        let mut heads = Vec::new();
        if read {
            let fail = |error: git2::Error| StoreError::local("the fetched refs", &error.message());
            refs::each(&self.repo, &here, |name, oid| {
                if scope == Scope::Branches || name == branch {
                    heads.push((name.to_owned(), oid));
                }
            })
            .map_err(fail)?;
        }
        heads.sort();
        Ok(heads)
    }
}
