//! What the remote held when it was looked at: its refs, and the object that is to change.

use std::path::Path;

use git2::{FileMode, Oid};

use super::decide::{self, Decision};
use super::error::{ChangedMeanwhile, ReleaseError};
use super::{ReleaseRequest, Wish, target, unpushed};
use crate::releases::Release;
use crate::store::error::StoreError;
use crate::store::objects;
use crate::store::refs::AppRefs;
use crate::store::workspace::Workspace;
use crate::store::{Branch, ReadError};
use crate::users::{self, Change, Reach, Scope, Survey};
use crate::words::{CommitId, listed};

/// Most records of a ledger that a rollback looks at, and changes of the branch that say who changed an object.
const PAST_MAX: usize = 1_000;
/// Largest file of releases.
pub(super) const FILE_MAX: usize = 1024 * 1024;

/// The refs of the app and the branches, as the remote has them now.
pub(super) fn survey(
    workspace: &Workspace,
    request: &ReleaseRequest,
) -> Result<Survey, StoreError> {
    let scope = match request.branch {
        Some(_) => Scope::Branches,
        None => Scope::Tracked,
    };
    let records = match request.wish {
        Wish::RollBack(None) => PAST_MAX,
        _ => 1,
    };
    workspace.survey(&request.app, scope, records)
}

/// The newest commit of a branch.
pub(super) fn tip(survey: &Survey, name: &str) -> Option<Oid> {
    let mut branches = survey.branches.iter();
    let branch = branches.find(|branch| branch.name == name)?;
    Oid::try_from(&branch.commit).ok()
}

/// What the remote held when it was looked at.
pub(super) struct Look {
    pub(super) survey: Survey,
    pub(super) branch: Branch,
    pub(super) tip: Oid,
    pub(super) release: Release,
    pub(super) bytes: Vec<u8>,
    pub(super) mode: FileMode,
    /// What may keep the change from being served.
    pub(super) warnings: Vec<String>,
}

impl Look {
    /// What is said where ledgers tell what was served, and none of them is known to be that of the object.
    pub(super) fn apart(&self) -> Option<String> {
        let ledgers = users::apart(&self.survey, &self.branch, &self.release);
        let names: Vec<&str> = ledgers.iter().map(|name| name.as_str()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the ledgers of {} were left aside, since it is not known which of them is that of {}: by the branch alone, a version that never ran counts like any other; where its environment is called as its namespace, metadata.namespace in its file says so",
                names.join(", "),
                target::shown(&self.release)
            )
        })
    }

    /// Finds the object in what was seen of the remote.
    pub(super) fn of(
        workspace: &Workspace,
        request: &ReleaseRequest,
        survey: Survey,
    ) -> Result<Self, ReleaseError> {
        let settings = workspace.settings();
        if let Some(problem) = &survey.unlike {
            return Err(StoreError::local("where releases are", problem).into());
        }
        let mut branches = survey.branches.iter();
        let branch = branches.find(|branch| branch.name == settings.branch);
        let branch = branch.cloned().ok_or_else(|| ReleaseError::NoBranch {
            branch: settings.branch.clone(),
            remote: workspace.remote().to_owned(),
        })?;
        let apps = || {
            let tip = workspace.source(Some(branch.commit.as_str()));
            tip.and_then(|tip| workspace.apps(&tip)).unwrap_or_default()
        };
        let release = target::find(request, settings, &survey, &branch, apps)
            .map_err(|error| unpushed::or(error, workspace, request, &branch))?
            .clone();
        let fail = |problem: ReadError| StoreError::local(release.file.clone(), &problem);
        let tip = Oid::try_from(&branch.commit).map_err(|error| fail(error.into()))?;
        let commit = objects::commit(&workspace.repo, tip).map_err(fail)?;
        let tree = objects::tree(&workspace.repo, commit.tree_id()).map_err(fail)?;
        let entry = tree.get_path(Path::new(&release.file));
        let entry = entry.map_err(|error| fail(error.into()))?;
        let bytes = objects::blob(&workspace.repo, entry.id(), FILE_MAX).map_err(fail)?;
        let mode = match entry.filemode_raw() {
            0o100_755 => FileMode::BlobExecutable,
            _ => FileMode::Blob,
        };
        drop((entry, tree, commit));
        Ok(Self {
            survey,
            branch,
            tip,
            release,
            bytes,
            mode,
            warnings: Vec::new(),
        })
    }

    pub(super) fn decide(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
    ) -> Result<Decision, ReleaseError> {
        // All of it: a version may have been left long ago.
        let past = |fetches| {
            let ledgers = self.survey.ledgers.iter();
            let entries = ledgers.flat_map(|ledger| &ledger.entries);
            let marks = entries.filter_map(|entry| entry.served.release_commit.as_ref());
            let marks: Vec<&CommitId> = marks.collect();
            let reach = Reach {
                marks: &marks,
                fetches,
            };
            workspace.past_until(&request.app, &self.branch, &reach, |_| false)
        };
        decide::decide(
            request,
            &self.survey,
            &self.branch,
            &self.release,
            &self.bytes,
            past,
        )
    }

    /// All that a push depends on.
    pub(super) fn standing(&self) -> (AppRefs, Vec<(String, CommitId)>) {
        let head = |branch: &Branch| (branch.name.clone(), branch.commit.clone());
        let heads = self.survey.branches.iter().map(head);
        (self.survey.refs.clone(), heads.collect())
    }

    /// What somebody else made of the object, and who.
    pub(super) fn changed_meanwhile(
        &self,
        workspace: &Workspace,
        request: &ReleaseRequest,
    ) -> ReleaseError {
        let past = workspace.past(&request.app, &self.branch, PAST_MAX, &[]);
        let release = &self.release;
        let is_this = |change: &&Change| change.is_of(release) && change.unknown.is_none();
        let versions = release.wanted.versions.iter();
        let versions = versions.map(|entry| (&entry.version, entry.percentage));
        let by = past.changes.iter().find(is_this).map(|change| {
            let (who, short) = (&change.author.name, change.commit.short());
            format!(" by {who} ({short}, {}: {})", change.at, change.message)
        });
        ReleaseError::ChangedMeanwhile(Box::new(ChangedMeanwhile {
            what: target::shown(release),
            by: by.unwrap_or_default(),
            versions: listed(versions),
        }))
    }
}
