//! Changes of `releases/`: what is asked for, and what became of it. Each is one commit on top of the remote's branch.
//!
//! ```text
//! remote --fetch--> Survey --target--> one object --decide--> text of its file --write--> commit, push, work tree
//! ```
//!
//! No lock: the push expects the branch where it was read. Where somebody else was faster, everything is read and decided
//! again; where they changed the same object, that is an error which says who.

mod decide;
mod error;
mod look;
mod proposed;
mod reach;
mod report;
mod scaffold;
mod sent;
mod target;
mod unpushed;
mod way_back;
mod write;

use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use crate::ci::Provenance;
use crate::forge::PullRequest;
use crate::releases::{Asked, Kind};
use crate::store::version::Person;
use crate::store::workspace::Workspace;
use crate::users::DeployedShare;
use crate::words::{AliasName, AppName, CommitId, Share, VersionNumber, VersionWord};

pub use error::{ChangedMeanwhile, NewAlias, NothingStable, PushUnknown, ReleaseError};
pub use target::alias_name;
pub use write::release;

/// What is to change in `releases/`.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// The app.
    pub app: AppName,
    /// What is to change.
    pub wish: Wish,
    /// Which object is meant, where the app has several: its name, `NAMESPACE/NAME`, or its file.
    pub object: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// A new branch to push to, in the place of the tracked one.
    pub branch: Option<String>,
    /// The new branch may be there already, with just this change: then it counts as pushed by this call.
    pub resumes: bool,
    /// Sign the commit also where the person's git is not set up to sign every one.
    pub sign: bool,
    /// Who changes it.
    pub author: Person,
    /// When.
    pub time: Zoned,
    /// What changes it.
    pub provenance: Provenance,
    /// Say what would change, and push nothing.
    pub dry_run: bool,
}

impl ReleaseRequest {
    /// The branch that is pushed to.
    fn onto<'a>(&'a self, workspace: &'a Workspace) -> &'a String {
        (self.branch.as_ref()).unwrap_or(&workspace.settings().branch)
    }
}

/// A change of one object.
#[derive(Debug, Clone)]
pub enum Wish {
    /// The Deployment serves these versions.
    Deploy(Vec<Asked>),
    /// The Deployment serves this version alone, or the newest earlier one that was stable.
    RollBack(Option<VersionWord>),
    /// The Alias names this version, with this canary or none.
    SetAlias {
        /// The alias.
        name: AliasName,
        /// Its main version.
        version: VersionWord,
        /// Its canary.
        canary: Option<(VersionWord, Share)>,
    },
    /// The Alias goes.
    DeleteAlias(AliasName),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseOutcome {
    /// It is in the tracked branch of the remote now.
    Changed,
    /// It is in a new branch of the remote, for a pull request.
    Proposed,
    /// It was so already.
    Unchanged,
    /// A dry run: it would be changed.
    WouldChange,
}

/// A change of one object of `releases/`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Released {
    /// What became of it.
    pub outcome: ReleaseOutcome,
    /// The app.
    pub app: AppName,
    /// What kind of object it is.
    pub kind: Kind,
    /// The object's namespace, where the file names one.
    pub namespace: Option<String>,
    /// The object's name; for an Alias the name of the alias.
    pub name: String,
    /// The object's name.
    pub object: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// What it asked for before.
    pub before: Vec<DeployedShare>,
    /// What it asks for now; none where it was removed.
    pub versions: Vec<DeployedShare>,
    /// For a rollback: the versions that it went away from, the one with the largest share first.
    pub rolled_back_from: Vec<VersionNumber>,
    /// The branch of the remote that has the change, or would have it.
    pub branch: String,
    /// The commit of the tracked branch that was read: what is asked for stands in it, or in `commit` on top of it.
    pub onto: CommitId,
    /// The commit; absent where there is none.
    pub commit: Option<CommitId>,
    /// The change of the file, as `git diff` shows it; empty where nothing changes.
    pub diff: String,
    /// The page of the pull request, or where to open one; absent where there is none, or where the forge is not known.
    pub pull_request: Option<String>,
    /// The pull request, where one was asked for and is open.
    pub opened_pull_request: Option<PullRequest>,
    /// First line of the message of the commit.
    #[serde(skip)]
    pub title: String,
    /// What became of the files of this clone.
    pub work_tree: WorkTree,
    /// Why it is done: what was given, else what the file says. A message that an earlier change left there is replaced by the
    /// first line of the commit's.
    pub message: Option<String>,
    /// Files that cannot be read and may concern the app.
    pub unreadable: Vec<String>,
    /// What may keep the change from being served, as far as it is known.
    pub warnings: Vec<String>,
}

/// What became of the files of the clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum WorkTree {
    /// They are at the new commit.
    Updated,
    /// They stay as they were, though the branch is theirs.
    Kept {
        /// Why.
        reason: String,
    },
    /// Something ended it while they were written: some may be as in the new commit, though the branch of the clone is where it was.
    Torn {
        /// What.
        reason: String,
    },
    /// They are of another branch, or there are none, or nothing was pushed to their branch.
    Untouched,
}
