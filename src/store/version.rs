//! What one tag of an app leads to: a living version, a deleted one, or something that is not ours.

use git2::{ObjectType, Oid, Repository};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::loose_objects;
use super::objects;
use super::read_error::ReadError;
use super::trailers;
use crate::words::{AppName, CommitId, Label, TreeId, VersionNumber, is_plain};

/// The id of the tree that holds nothing: the tree of every tombstone.
pub(crate) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Longest name and address that are read, in characters.
const PERSON_MAX: usize = 256;

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Person {
    /// Name, as it stands in the commit.
    pub name: String,
    /// Address, as it stands in the commit.
    pub email: String,
}

/// A living version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The app.
    pub app: AppName,
    /// Its number.
    pub number: VersionNumber,
    /// The snapshot id: 40 hex digits of the tree.
    pub tree: TreeId,
    /// The snapshot commit: 40 hex digits.
    pub commit: CommitId,
    /// Who published it.
    pub author: Person,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub published_at: Timestamp,
    /// What published it: `cli`, or a pipeline such as `github-actions`.
    pub source: String,
    /// Address of the pipeline's run that published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who started that run, as the pipeline's system calls them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The commit of the branch that it was made from.
    pub source_commit: Option<CommitId>,
    /// What was laid over that commit.
    pub overlays: Vec<String>,
    /// What the publisher said.
    pub message: String,
    /// Its labels, sorted.
    pub labels: Vec<Label>,
}

/// A version that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    /// Who deleted it.
    pub author: Person,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub deleted_at: Timestamp,
    /// Why; may be empty.
    pub reason: String,
}

/// What stands at a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A version.
    Living(Box<Version>),
    /// A version that was deleted.
    Deleted(Tombstone),
    /// A tag that no publisher of ours made; holds what does not agree. Its number is spent.
    Foreign(String),
}

/// The number that a commit says it has, if it says that it is of this app.
pub(crate) fn number_in(repo: &Repository, app: &AppName, oid: Oid) -> Option<VersionNumber> {
    let (trailers, _) = trailers::read(&raw(repo, oid).ok()?.text)?;
    (trailers.app == *app).then_some(trailers.number)
}

/// What the tag of `number` leads to, without labels.
///
/// # Errors
/// The commit is missing or damaged here, which another fetch may mend.
pub(crate) fn read_entry(
    repo: &Repository,
    app: &AppName,
    number: VersionNumber,
    oid: Oid,
) -> Result<Entry, ReadError> {
    let foreign = |why: &str| Ok(Entry::Foreign(why.to_owned()));
    let raw = match raw(repo, oid) {
        Ok(raw) => raw,
        Err(Fault::Foreign(why)) => return foreign(&why),
        Err(Fault::Unreadable(problem)) => return Err(problem),
    };
    if raw.parents > 0 {
        return foreign("its commit has parents");
    }
    let Some((trailers, message)) = trailers::read(&raw.text) else {
        return foreign("its commit has no Cutwater trailers");
    };
    if trailers.app != *app || trailers.number != number {
        return foreign(&format!(
            "its commit says that it is {} of `{}`",
            trailers.number, trailers.app
        ));
    }
    let empty = raw.tree.to_string() == EMPTY_TREE;
    if trailers.deleted && empty {
        return Ok(Entry::Deleted(Tombstone {
            author: raw.author,
            deleted_at: raw.time,
            reason: message,
        }));
    }
    if trailers.deleted || empty {
        return foreign("it is neither a version nor a tombstone");
    }
    Ok(Entry::Living(Box::new(Version {
        app: trailers.app,
        number,
        tree: raw.tree.into(),
        commit: oid.into(),
        author: raw.author,
        published_at: raw.time,
        source: trailers.source,
        run: trailers.run,
        actor: trailers.actor,
        source_commit: trailers.source_commit.map(CommitId::from),
        overlays: trailers.overlays,
        message,
        labels: Vec::new(),
    })))
}

struct Raw {
    tree: Oid,
    parents: usize,
    author: Person,
    time: Timestamp,
    text: String,
}

/// Why a tag leads to no commit of ours.
enum Fault {
    /// The commit is somebody else's, now and ever.
    Foreign(String),
    /// It is missing or damaged here.
    Unreadable(ReadError),
}

/// A commit, if it is one and not too large.
fn raw(repo: &Repository, oid: Oid) -> Result<Raw, Fault> {
    let unreadable = |error: git2::Error| Fault::Unreadable(error.into());
    let foreign = |why: &str| Fault::Foreign(why.to_owned());
    let (size, kind) = objects::header(repo, oid).map_err(Fault::Unreadable)?;
    if kind != ObjectType::Commit {
        return Err(foreign(&format!("it points to a {kind}, not to a commit")));
    }
    if size > trailers::MESSAGE_MAX {
        return Err(foreign(&format!(
            "its commit has {size} bytes, which is too much"
        )));
    }
    loose_objects::check(repo, oid, size).map_err(Fault::Unreadable)?;
    let commit = repo.find_commit(oid).map_err(unreadable)?;
    let author = commit.author();
    let text = |bytes: &[u8]| -> String {
        let text = String::from_utf8_lossy(bytes);
        text.chars()
            .filter(|c| is_plain(*c))
            .take(PERSON_MAX)
            .collect()
    };
    let time = Timestamp::from_second(author.when().seconds())
        .map_err(|_| foreign("its time is out of range"))?;
    let message = commit
        .message_raw()
        .map_err(|_| foreign("its message is not UTF-8"))?;
    let printable = |c: &char| is_plain(*c) || *c == '\n' || *c == '\t';
    Ok(Raw {
        tree: commit.tree_id(),
        parents: commit.parent_count(),
        author: Person {
            name: text(author.name_bytes()),
            email: text(author.email_bytes()),
        },
        time,
        text: message.chars().filter(printable).collect(),
    })
}
