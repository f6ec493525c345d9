//! What a merge does: the releases before it beside those after it, with what is known of the versions that they name.
//!
//! ```text
//! releases, and files that cannot be read, before --+
//! releases, and files that cannot be read, after ---+--> preview --> changes of objects, pods that come and go, faults
//! what each word of them means now -----------------+
//! ```
//!
//! Pure, for whoever follows a branch as for whoever proposes a change of it: words become versions in [`crate::resolve`], what a
//! route reaches is said by [`crate::api::reach`], and who has a hostname by the rule that the claims go by. What runs really is
//! not known here: a version that served before the last commit may still have its pods.

mod change;
mod fault;
mod objects;
mod places;
mod pods;
mod side;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::Trouble;
use crate::record::VersionRecord;
use crate::releases::Release;
use crate::words::{AppName, VersionWord};

pub use change::{Action, Change, Exchange, RouteStep, Step};
pub use fault::{Fault, Standing};
pub use pods::{FunctionPods, Pods, Starting, Stopping};
pub use side::{Side, Unread};

/// What the words of releases mean now: the version, or why there is none that can run.
pub type Known = BTreeMap<AppName, BTreeMap<VersionWord, Result<VersionRecord, Trouble>>>;

/// What a merge does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The objects that are others than before, in the order of their files; those that are as they were are not listed.
    pub changes: Vec<Change>,
    /// The apps of which other versions have pods than before.
    pub pods: Vec<Pods>,
    /// What is wrong, in the order of the files.
    pub faults: Vec<Fault>,
}

impl Preview {
    /// True where nothing becomes another than it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let stays = |change: &Change| change.action == Action::Stays;
        self.pods.is_empty() && self.changes.iter().all(stays)
    }

    /// What the merge would bring that can never work.
    pub fn hopeless(&self) -> impl Iterator<Item = &Fault> {
        let never = |fault: &&Fault| fault.standing == Standing::Never;
        self.faults.iter().filter(never)
    }
}

/// What becomes of the releases `before` when they are those `after`. `earlier` are objects as they were in commits before that, of those
/// that are of another app or repository after.
#[must_use]
pub fn preview(before: &Side<'_>, after: &Side<'_>, known: &Known, earlier: &[Release]) -> Preview {
    let (old, new) = (side::resolved(before, known), side::resolved(after, known));
    let pairs = objects::pairs(&old, &new, after);
    let changes: Vec<Change> = pairs.iter().filter_map(change::of).collect();
    Preview {
        pods: pods::of(&pairs, known),
        faults: fault::all((before, &old), (after, &new), &pairs, &changes, earlier),
        changes,
    }
}
