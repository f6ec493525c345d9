//! Words into versions: from what is pinned already, from records in the cluster, and from git, in this order.
//!
//! Reads git through [`Repositories`]; writes nothing. What git cannot tell now is unknown, never absent.

use std::collections::BTreeMap;

use super::cache::AppKey;
use super::repositories::{Lookup, Repositories};
use super::wish::Wish;
use crate::api::{Reason, ResolvedVersion, WantedVersion};
use crate::plan::Shares;
use crate::record::VersionRecord;
use crate::words::{VersionNumber, VersionWord};

/// Records by number.
pub(super) type Records = BTreeMap<VersionNumber, VersionRecord>;

/// Why a word did not lead to a version, or what is wrong with one that goes on serving.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// It is being looked up: no fault yet.
    pub(super) pending: bool,
}

/// What the versions of one wish resolved to.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolution {
    /// One entry per wanted version, if all of them resolved; else what was pinned before.
    pub(super) pinned: Vec<ResolvedVersion>,
    /// Shares of what is pinned; `None` where nothing is known.
    pub(super) shares: Option<Shares>,
    /// What stands against it.
    pub(super) troubles: Vec<Trouble>,
}

/// Resolves what a wish wants, and adds the records that it took to `records`.
pub(super) async fn resolve(
    repositories: &Repositories,
    key: &AppKey,
    wish: &Wish,
    records: &mut Records,
) -> Resolution {
    let Ok(wanted) = &wish.wanted else {
        return fall_back(wish, records, Vec::new());
    };
    let place = Place {
        repositories,
        key,
        repository: &wanted.repository,
    };
    let mut pinned = Vec::new();
    let mut troubles = Vec::new();
    for entry in &wanted.versions {
        match place.version(wish, entry, records, &mut troubles).await {
            Ok(record) => {
                pinned.push(ResolvedVersion {
                    version: entry.version.clone(),
                    number: record.number,
                    id: format!("g{}", record.tree),
                    commit: record.commit.clone(),
                    percentage: entry.percentage,
                });
                records.entry(record.number).or_insert(record);
            }
            Err(trouble) => troubles.push(trouble),
        }
    }
    if pinned.len() < wanted.versions.len() {
        return fall_back(wish, records, troubles);
    }
    for (index, entry) in pinned.iter().enumerate() {
        if let Some(other) = pinned[..index]
            .iter()
            .find(|other| other.number == entry.number)
        {
            troubles.push(Trouble {
                reason: Reason::VersionTwice,
                message: format!(
                    "`{}` and `{}` are both {}; keep one entry with the whole percentage",
                    other.version, entry.version, entry.number
                ),
                pending: false,
            });
            return fall_back(wish, records, troubles);
        }
    }
    Resolution {
        shares: Some(shares(&pinned)),
        pinned,
        troubles,
    }
}

fn shares(pinned: &[ResolvedVersion]) -> Shares {
    pinned
        .iter()
        .map(|entry| (entry.number, entry.percentage))
        .collect()
}

/// What was pinned before goes on, where its records are known.
pub(super) fn fall_back(wish: &Wish, records: &Records, troubles: Vec<Trouble>) -> Resolution {
    let pinned = wish.status.wanted.clone();
    let known = !pinned.is_empty()
        && pinned
            .iter()
            .all(|entry| (records.get(&entry.number)).is_some_and(|r| r.commit == entry.commit));
    Resolution {
        shares: known.then(|| shares(&pinned)),
        pinned,
        troubles,
    }
}

struct Place<'a> {
    repositories: &'a Repositories,
    key: &'a AppKey,
    repository: &'a str,
}

impl Place<'_> {
    async fn version(
        &self,
        wish: &Wish,
        entry: &WantedVersion,
        records: &Records,
        troubles: &mut Vec<Trouble>,
    ) -> Result<VersionRecord, Trouble> {
        let before = wish
            .status
            .wanted
            .iter()
            .find(|old| old.version == entry.version);
        let held = match (before, &entry.version) {
            (Some(before), _) => {
                (records.get(&before.number)).filter(|record| record.commit == before.commit)
            }
            (None, VersionWord::Number(number)) => records.get(number),
            (None, _) => None,
        };
        if let Some(record) = held {
            // It runs: git has no say in whether it goes on, but people are told when git no longer agrees.
            match self.disagreement(record).await {
                // What was not pinned yet is not pinned against git: it may be of a repository that the app had before.
                Some(trouble) if before.is_none() && trouble.reason == Reason::VersionMoved => {
                    return Err(trouble);
                }
                trouble => troubles.extend(trouble),
            }
            return Ok(record.clone());
        }
        let word = match before {
            Some(before) => VersionWord::Number(before.number),
            None => entry.version.clone(),
        };
        let record = self.lookup(&word).await?;
        match before {
            Some(before) if before.commit != record.commit => Err(moved(&record, &before.commit)),
            _ => match records.get(&record.number) {
                Some(held) if held.commit != record.commit => Err(moved(&record, &held.commit)),
                held => Ok(held.cloned().unwrap_or(record)),
            },
        }
    }

    async fn lookup(&self, word: &VersionWord) -> Result<VersionRecord, Trouble> {
        let namespace = &self.key.namespace;
        let lookup = self
            .repositories
            .resolve(namespace, self.repository, &self.key.app, word);
        match lookup.await {
            Lookup::Found(record) => match without_image(&record) {
                None => Ok(*record),
                Some(message) => Err(Trouble {
                    reason: Reason::SnapshotUnreadable,
                    message,
                    pending: false,
                }),
            },
            Lookup::Pending => Err(Trouble {
                reason: Reason::Progressing,
                message: format!(
                    "looking for version `{word}` in Repository `{}`",
                    self.repository
                ),
                pending: true,
            }),
            Lookup::Refused(reason, message) => Err(Trouble {
                reason,
                message,
                pending: false,
            }),
        }
    }

    /// What git says now about a version that runs, where git can be asked without waiting.
    async fn disagreement(&self, record: &VersionRecord) -> Option<Trouble> {
        let word = VersionWord::Number(record.number);
        let namespace = &self.key.namespace;
        let lookup = self
            .repositories
            .peek(namespace, self.repository, &self.key.app, &word);
        match lookup.await? {
            Ok(found) if found.commit == record.commit => None,
            Ok(found) => Some(moved(&found, &record.commit)),
            Err((reason, message)) => Some(Trouble {
                reason,
                message: format!("{message}; what runs goes on"),
                pending: false,
            }),
        }
    }
}

/// Why a cluster cannot run this version, where a function of it has no image.
fn without_image(record: &VersionRecord) -> Option<String> {
    let function = (record.functions.iter()).find(|function| function.image.is_none())?;
    let (name, number) = (&function.name, record.number);
    Some(format!(
        "function `{name}` of {number} has no image, so it runs with `cutwater serve` only; publish it with `--image {name}=REF@sha256:...`, and name that version"
    ))
}

fn moved(found: &VersionRecord, pinned: &str) -> Trouble {
    Trouble {
        reason: Reason::VersionMoved,
        message: format!(
            "the tag of {} points to commit {} now and pointed to {} when it was resolved; what was pinned goes on; put the tag back, or publish a new version",
            found.number,
            short(&found.commit),
            short(pinned)
        ),
        pending: false,
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
