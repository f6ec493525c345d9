//! What the status of a Repository says of the releases that are synced from its branch.
//!
//! It is memory too: which commits count stands here before anything of them is written, so that a controller that was killed in
//! between takes up where it was, and never goes back to an older commit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The releases that are synced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// The last commit of this branch that was applied in full, and whether it is the newest one: `1a2b3c4d5e6f, tip` or
    /// `1a2b3c4d5e6f, behind`; `1a2b3c4d5e6f, no branch` where the branch is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// The commit that counted last of another address, branch or path, until one counts that follows it: 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The commits that count, the newest last: 40 hex digits each. The newest one was applied, or is being applied. Those before
    /// it are there while objects stay as they have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counting: Vec<String>,
    /// The commit that the annotation `cutwater.dev/prune` released last: 40 hex digits. It counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// The same commit, and it stays here while the annotation names it, also where address, branch or path are others now: it is
    /// released once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    /// How many objects are as the branch has them.
    #[serde(default)]
    pub objects: u32,
    /// The objects that were removed last, as `cwd/NAME` and `cwa/NAME`, with the commit that removed them; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<String>,
    /// The objects that are not as the branch has them, and why; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldObject>,
    /// How many objects those are in all.
    #[serde(default)]
    pub held_objects: u32,
    /// What is wrong in the files, each with file, line and column; at most 20. Objects of others, which are left aside, stand here
    /// too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The uid of the Repository of which all this is.
    #[serde(default)]
    pub uid: String,
    /// Its address.
    #[serde(default)]
    pub url: String,
    /// Its branch.
    #[serde(default)]
    pub branch: String,
    /// The path of its releases.
    #[serde(default)]
    pub path: String,
}

/// An object that is not as the branch has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldObject {
    /// Which one: `cwd/NAME` or `cwa/NAME`.
    pub object: String,
    /// Why, and what to do.
    pub why: String,
}
