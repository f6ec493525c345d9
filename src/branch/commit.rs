//! What a commit of the branch says, and what is known beside it: what is judged is in [`super::tip`].
//!
//! Data.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Owner;
use crate::releases::Release;
use crate::settings::Settings;
use crate::words::{AppName, CommitId};

/// Of which app and repository each object is that the state folder remembers. It counts where nothing else is known of the object.
pub type Known = BTreeMap<Owner, (AppName, String)>;

/// What a commit says.
pub struct Commit<'a> {
    /// Its id.
    pub id: &'a CommitId,
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
    pub follows: &'a dyn Fn(&CommitId) -> bool,
    /// What is known of objects beside the commits before it.
    pub known: &'a Known,
    /// The commits before it that cannot be read any more; the id of no object for one that counted and of which nothing is known.
    pub lost: &'a [CommitId],
    /// The namespace to which all of it goes; nothing where the engine has no namespaces. An object that names another one is a slip.
    pub namespace: Option<&'a str>,
    /// The objects that may go on though it does not have them, where a process before this one knew that.
    pub may_stay: Option<&'a BTreeSet<Owner>>,
}
