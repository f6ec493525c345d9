//! What a commit of the branch says, and what is known beside it: what is judged is in [`super::tip`].
//!
//! Data.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Owner;
use crate::releases::Release;
use crate::settings::Settings;
use crate::words::AppName;

/// Of which app and repository each object is that the state folder remembers. It counts where nothing else is known of the object.
pub type Known = BTreeMap<Owner, (AppName, String)>;

/// A commit that counted and of which nothing is known, not even its id: git's name for no object.
pub const UNKNOWN: &str = "0000000000000000000000000000000000000000";

/// What a commit says.
pub struct Commit<'a> {
    /// 40 hex digits.
    pub id: &'a str,
    /// What `cutwater.yaml` says in it.
    pub settings: Settings,
    /// The objects of all files that can be read.
    pub releases: &'a [Release],
    /// The files that cannot be read, and what is wrong.
    pub unreadable: Vec<(&'a str, &'a str)>,
    /// The files that hold nothing at all.
    pub bare: &'a [String],
    /// That the folder of releases is absent, or holds nothing of ours, in words.
    pub empty: Option<&'a str>,
    /// True for each commit that this one follows.
    pub follows: &'a dyn Fn(&str) -> bool,
    /// What is known of objects beside the commits before it.
    pub known: &'a Known,
    /// The commits before it that cannot be read any more.
    pub lost: &'a [String],
    /// The objects that may go on though it does not have them, where a process before this one knew that.
    pub may_stay: Option<&'a BTreeSet<Owner>>,
}

/// A commit as people are told of it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
