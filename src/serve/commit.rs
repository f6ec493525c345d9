//! What a commit of the branch says, and what is known beside it: what is judged is in [`super::tip`].
//!
//! Data.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Owner;
use crate::releases::Release;
use crate::settings::Settings;
use crate::words::AppName;

/// Of which app and repository each object is that the state folder remembers. It counts where nothing else is known of the object.
pub(super) type Known = BTreeMap<Owner, (AppName, String)>;

/// What a commit says.
pub(super) struct Commit<'a> {
    pub(super) id: &'a str,
    pub(super) settings: Settings,
    /// The objects of all files that can be read.
    pub(super) releases: &'a [Release],
    /// The files that cannot be read, and what is wrong.
    pub(super) unreadable: Vec<(&'a str, &'a str)>,
    /// The files that hold nothing at all.
    pub(super) bare: &'a [String],
    /// That the folder of releases is absent, or holds nothing of ours, in words.
    pub(super) empty: Option<&'a str>,
    /// True for each commit that this one follows.
    pub(super) follows: &'a dyn Fn(&str) -> bool,
    /// What is known of objects beside the commits before it.
    pub(super) known: &'a Known,
    /// The commits before it that cannot be read any more.
    pub(super) lost: &'a [String],
    /// The objects that may go on though it does not have them, where a process before this one knew that.
    pub(super) may_stay: Option<&'a BTreeSet<Owner>>,
}

/// A commit as people are told of it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
