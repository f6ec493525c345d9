//! What `plan` prints as JSON, and of which the text and the Markdown are made.

use schemars::JsonSchema;
use serde::Serialize;

use crate::preview::{Change, Preview};
use crate::releases::Kind;
use crate::store::Outgoing;
use crate::words::{AppName, CommitId, VersionNumber};

/// What a merge does.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PlanJson {
    /// Where the proposal parted from the branch into which is merged.
    pub(super) base: SideJson,
    /// The proposal.
    pub(super) head: SideJson,
    /// The branch has newer commits that change releases, which are not in the proposal.
    pub(super) behind: bool,
    /// What becomes of objects and pods, and what is wrong.
    #[serde(flatten)]
    pub(super) preview: Preview,
    /// For each object of which traffic goes from one version to another: the commits between the two.
    pub(super) goes_out: Vec<GoesOut>,
}

/// One side of the merge.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct SideJson {
    /// What it is called.
    pub(super) name: String,
    /// The commit whose releases were read; absent for the files of the clone.
    pub(super) commit: Option<CommitId>,
}

/// What goes out by the change of one object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct GoesOut {
    /// The app.
    pub(super) app: AppName,
    /// What kind of object it is.
    pub(super) kind: Kind,
    /// The object's namespace, where the file names one.
    pub(super) namespace: Option<String>,
    /// The object's name.
    pub(super) name: String,
    /// The file, from the root of the repository.
    pub(super) file: String,
    /// The version that loses the largest share.
    pub(super) from: VersionNumber,
    /// The version that gains the largest share.
    pub(super) to: VersionNumber,
    /// The commits; none where they cannot be told.
    #[serde(flatten)]
    pub(super) outgoing: Outgoing,
    /// Why they cannot be told.
    pub(super) problem: Option<String>,
}

impl PlanJson {
    /// What goes out by a change.
    pub(super) fn goes_out(&self, change: &Change) -> Option<&GoesOut> {
        let mut all = self.goes_out.iter();
        all.find(|it| {
            (it.kind, &it.name, &it.file) == (change.kind, &change.name, &change.file)
                && it.namespace == change.namespace
        })
    }
}
