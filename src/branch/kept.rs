//! Why an object that is missing in a commit goes on all the same, and until when.
//!
//! A commit takes an object away where it follows the commit of which the object is: then somebody removed it. One of a history
//! that was rewritten does not, and one whose folder is empty may be a slip; nor do the commits after these, which never had the
//! object. So it goes on until a commit lists it again; the next one that does not takes it away.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::Commit;
use crate::plan::Owner;
use crate::words::CommitId;

/// Why an object goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nothing in the folder of releases is ours.
    Empty {
        /// The folder, in words.
        folder: String,
        /// The commit of which that is so.
        commit: CommitId,
    },
    /// A commit that had it is not behind the one that counts.
    Rewritten {
        /// That commit.
        before: CommitId,
    },
    /// A commit that may have had it cannot be read any more.
    Unknown {
        /// That commit; the id of no object where not even its own is known.
        before: CommitId,
    },
}

/// The objects that go on, by why they do.
pub(super) type Reasons = BTreeMap<Why, BTreeSet<Owner>>;

/// Since which commit an object goes on that those after it do not have either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) since: CommitId,
    pub(super) why: Why,
}

/// What is known of an object that is missing in a commit.
pub(super) struct Missing<'a> {
    /// The commit of which it is; nothing where only the state folder knows it.
    pub(super) of: Option<&'a CommitId>,
    /// Since when it is missing.
    pub(super) kept: Option<&'a Kept>,
}

/// Why an object that is missing in a commit goes on, and what is to be remembered of that; nothing where it goes.
pub(super) fn why(missing: &Missing<'_>, commit: &Commit<'_>) -> Option<(Why, Option<Kept>)> {
    let kept = missing.kept.filter(|kept| {
        // What only the state folder knows is behind no commit that could be asked for.
        missing.of.is_none() || (commit.follows)(&kept.since)
    });
    if let Some(kept) = kept {
        return Some((kept.why.clone(), Some(kept.clone())));
    }
    let remember = |why: Why| {
        let since = commit.id.clone();
        Some((why.clone(), Some(Kept { since, why })))
    };
    if let Some(folder) = commit.empty {
        return remember(Why::Empty {
            folder: folder.to_owned(),
            commit: commit.id.clone(),
        });
    }
    if let Some(before) = missing.of.filter(|before| !(commit.follows)(before)) {
        let before = before.clone();
        // The commits after this one do not follow that one either.
        return Some((Why::Rewritten { before }, None));
    }
    // A commit that cannot be read may have been the last that had it.
    let before = commit.lost.first()?.clone();
    remember(Why::Unknown { before })
}
