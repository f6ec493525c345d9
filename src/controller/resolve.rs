//! Words into versions: from what is pinned already, from records in the cluster, and from git, in this order.
//!
//! Reads git through [`Repositories`]; writes nothing. What git cannot tell now is unknown, never absent.

use std::collections::{BTreeMap, BTreeSet};

use super::key::AppKey;
use super::repositories::{Lookup, Repositories};
use super::wish::Wish;
use crate::api::condition::{self, State};
use crate::api::{Reason, ResolvedVersion, Type, WantedVersion};
use crate::plan::Shares;
use crate::record::{self, VersionRecord};
use crate::words::{VersionNumber, VersionWord};

/// What git may say against a version that runs.
const AGAINST_RUNNING: [Reason; 6] = [
    Reason::VersionMoved,
    Reason::VersionNotFound,
    Reason::VersionForeign,
    Reason::VersionAmbiguous,
    Reason::VersionDeleted,
    Reason::SnapshotUnreadable,
];

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
    /// Versions that run and that the wish names, while what was pinned before goes on: nothing of theirs may go, for what git
    /// has under their numbers now may be something else.
    pub(super) holds: BTreeSet<VersionNumber>,
}

/// What is known beside the wish that is resolved.
pub(super) struct Known<'a> {
    /// All wishes of the app.
    pub(super) wishes: &'a [Wish],
    /// Versions of which the cluster has a record.
    pub(super) there: &'a BTreeSet<VersionNumber>,
}

/// Resolves what a wish wants, and adds the records that it took to `records`.
pub(super) async fn resolve(
    repositories: &Repositories,
    key: &AppKey,
    wish: &Wish,
    known: &Known<'_>,
    records: &mut Records,
) -> Resolution {
    let Ok(wanted) = &wish.wanted else {
        return fall_back(wish, records, Vec::new());
    };
    let place = Place {
        repositories,
        key,
        repository: &wanted.repository,
        known,
    };
    let mut pinned = Vec::new();
    let mut said = Said::default();
    let mut holds = BTreeSet::new();
    for entry in &wanted.versions {
        let own = records.values().filter(|record| place.is_own(record));
        let meant = own.filter(|record| record.may_be(&entry.version));
        let meant: Vec<VersionNumber> = meant.map(|record| record.number).collect();
        match place.version(wish, entry, records, &mut said).await {
            Ok(record) => {
                holds.insert(record.number);
                pinned.push(ResolvedVersion {
                    version: entry.version.clone(),
                    number: record.number,
                    id: format!("g{}", record.tree),
                    commit: record.commit.clone(),
                    percentage: entry.percentage,
                });
                records.entry(record.number).or_insert(record);
            }
            Err(trouble) => {
                holds.extend(meant);
                said.troubles.push(trouble);
            }
        }
    }
    holds.retain(|number| known.there.contains(number));
    let Said {
        mut troubles,
        unasked,
    } = said;
    if pinned.len() < wanted.versions.len() {
        return Resolution {
            holds,
            ..fall_back(wish, records, troubles)
        };
    }
    if unasked && troubles.is_empty() {
        troubles.extend(said_before(wish));
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
            return Resolution {
                holds,
                ..fall_back(wish, records, troubles)
            };
        }
    }
    Resolution {
        shares: Some(shares(&pinned)),
        pinned,
        troubles,
        holds,
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
        holds: BTreeSet::new(),
    }
}

/// What was said on the way.
#[derive(Debug, Default)]
struct Said {
    troubles: Vec<Trouble>,
    /// Git could not be asked of a version that runs.
    unasked: bool,
}

struct Place<'a> {
    repositories: &'a Repositories,
    key: &'a AppKey,
    repository: &'a str,
    known: &'a Known<'a>,
}

impl Place<'_> {
    /// A record is of the repository that is asked. One that does not say of which it is, is of the only one that there was.
    fn is_own(&self, record: &VersionRecord) -> bool {
        let named = record.repository.as_deref();
        named.is_none_or(|named| named == self.repository)
    }

    async fn version(
        &self,
        wish: &Wish,
        entry: &WantedVersion,
        records: &Records,
        said: &mut Said,
    ) -> Result<VersionRecord, Trouble> {
        let before = wish
            .status
            .wanted
            .iter()
            .find(|old| old.version == entry.version);
        let held = match before {
            Some(before) => {
                (records.get(&before.number)).filter(|record| record.commit == before.commit)
            }
            None => record::named(records, &entry.version).filter(|record| self.is_own(record)),
        };
        if let Some(record) = held {
            // It runs, or did a moment ago: git has no say in whether it goes on, nor in whether traffic goes back to it. But
            // people are told when git no longer agrees.
            let answer = self.disagreement(record).await;
            said.unasked |= answer.is_none();
            let trouble = answer.flatten();
            let pinned = pin(self.known.wishes, self.repository, record.number);
            // One of an earlier program does not say of which repository it is: it may be of one that the app had before.
            let is_sure = before.is_some()
                || record.repository.is_some()
                || pinned == Some(record.commit.as_str());
            if let Some(trouble) = trouble {
                if !is_sure && trouble.reason == Reason::VersionMoved {
                    return Err(trouble);
                }
                said.troubles.push(trouble);
            }
            return Ok(record.clone());
        }
        let word = match before {
            Some(before) => VersionWord::Number(before.number),
            None => entry.version.clone(),
        };
        let record = self.lookup(&word).await?;
        let pinned = before.map(|before| before.commit.as_str());
        if let Some(pinned) =
            pinned.or_else(|| pin(self.known.wishes, self.repository, record.number))
            && pinned != record.commit
        {
            return Err(moved(&record, pinned));
        }
        match records.get(&record.number) {
            Some(held) if held.commit == record.commit => Ok(held.clone()),
            Some(held) if !self.is_own(held) => Err(foreign(held, self.repository)),
            Some(held) => Err(moved(&record, &held.commit)),
            None => Ok(VersionRecord {
                repository: Some(self.repository.to_owned()),
                ..record
            }),
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

    /// What git says now against a version that runs, if anything; nothing where git cannot be asked without waiting.
    async fn disagreement(&self, record: &VersionRecord) -> Option<Option<Trouble>> {
        let word = VersionWord::Number(record.number);
        let namespace = &self.key.namespace;
        let lookup = self
            .repositories
            .peek(namespace, self.repository, &self.key.app, &word);
        Some(match lookup.await? {
            Ok(found) if found.commit == record.commit => None,
            Ok(found) => Some(moved(&found, &record.commit)),
            Err((reason, message)) => Some(Trouble {
                reason,
                message: format!("{message}; what runs goes on"),
                pending: false,
            }),
        })
    }
}

/// What git said against the versions of a wish when it could be asked last: that it says nothing now does not make it good.
fn said_before(wish: &Wish) -> Option<Trouble> {
    let said = condition::find(&wish.status.conditions, Type::VersionsResolved)?;
    let stands =
        said.status == State::False.as_str() && said.observed_generation == wish.generation;
    let mut reasons = AGAINST_RUNNING.into_iter();
    let reason = reasons.find(|reason| reason.as_str() == said.reason)?;
    stands.then(|| Trouble {
        reason,
        message: said.message.clone(),
        pending: false,
    })
}

/// The commit that some owner that counts has pinned for a number of a repository.
fn pin<'w>(wishes: &'w [Wish], repository: &str, number: VersionNumber) -> Option<&'w str> {
    let is_of = |wish: &&Wish| {
        let wanted = wish.wanted.as_ref();
        wish.taken_by.is_none() && wanted.is_ok_and(|wanted| wanted.repository == repository)
    };
    let pins = (wishes.iter().filter(is_of)).flat_map(|wish| &wish.status.wanted);
    let mut of_number = pins.filter(|pin| pin.number == number);
    of_number.next().map(|pin| pin.commit.as_str())
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

/// Pods of an app that came from another repository keep the number of theirs until they are gone.
fn foreign(held: &VersionRecord, repository: &str) -> Trouble {
    let (number, other) = (held.number, held.repository.as_deref().unwrap_or_default());
    Trouble {
        reason: Reason::RepositoryConflict,
        message: format!(
            "{number} of Repository `{other}` still has pods here; {number} of Repository `{repository}` is taken up once no route sends to them and they are gone; or name a version with another number"
        ),
        pending: false,
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Alias;
    use crate::controller::cache::Cache;
    use crate::controller::wish;

    /// An Alias of version 1, as of generation 2, whose versions were said to be so.
    fn said(generation: i64, status: &str, reason: &str) -> Wish {
        let alias: Alias = serde_json::from_value(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias",
            "metadata": {"name": "stage", "namespace": "prod", "generation": 2},
            "spec": {"app": "shop", "repository": "main", "version": 1},
            "status": {"conditions": [{
                "type": "VersionsResolved", "status": status, "reason": reason, "message": "words",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .unwrap();
        let cache = Cache::default();
        let key = cache.put(alias).remove(0);
        wish::wishes(&cache.app(&key), &BTreeMap::new()).remove(0)
    }

    #[test]
    fn what_git_said_against_a_version_stands_until_it_can_be_asked_again() {
        for reason in AGAINST_RUNNING {
            let trouble = said_before(&said(2, "False", reason.as_str())).unwrap();
            assert_eq!(
                (trouble.reason, trouble.message.as_str()),
                (reason, "words")
            );
            assert!(said_before(&said(1, "False", reason.as_str())).is_none());
        }
        assert!(said_before(&said(2, "True", "Succeeded")).is_none());
        assert!(said_before(&said(2, "False", "RepositoryUnreachable")).is_none());
    }

    #[test]
    fn what_one_owner_has_pinned_is_no_other_commit_for_another_one() {
        let cache = Cache::default();
        let alias: Alias = serde_json::from_value(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Alias",
            "metadata": {"name": "stage", "namespace": "prod"},
            "spec": {"app": "shop", "repository": "main", "version": 1},
            "status": {"wanted": [
                {"version": 1, "percentage": 100, "number": 1, "id": "g1", "commit": "abc"},
            ]},
        }))
        .unwrap();
        let key = cache.put(alias).remove(0);
        let wishes = wish::wishes(&cache.app(&key), &BTreeMap::new());
        let pin = |repository: &str, number: u32| {
            pin(&wishes, repository, VersionNumber::new(number).unwrap())
        };
        assert_eq!(pin("main", 1), Some("abc"));
        assert_eq!(pin("main", 2), None);
        assert_eq!(pin("other", 1), None);
    }
}
