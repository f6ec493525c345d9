//! Asks git what the words of an owner mean: from what is pinned already, from records in the cluster, and from git, in this order.
//!
//! Reads git through [`Repositories`]; writes nothing. What is decided from the answers is in [`crate::resolve`].

use std::collections::{BTreeMap, BTreeSet};

use super::key::AppKey;
use super::repositories::{Lookup, Repositories};
use super::wish::Wish;
use crate::api::condition::{self, State};
use crate::api::{Reason, ResolvedVersion, Trouble, Type};
use crate::record::VersionRecord;
use crate::resolve::{self, Answer, Asked, Pin, Records};
use crate::words::{Shares, VersionNumber, VersionWord};

/// What git may say against a version that runs.
const AGAINST_RUNNING: [Reason; 6] = [
    Reason::VersionMoved,
    Reason::VersionNotFound,
    Reason::VersionForeign,
    Reason::VersionAmbiguous,
    Reason::VersionDeleted,
    Reason::SnapshotUnreadable,
];

/// What the versions of one wish resolved to.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolution {
    /// One entry per wanted version, if all of them resolved; else what was pinned before.
    pub(super) pinned: Vec<ResolvedVersion>,
    /// Shares of what is pinned; `None` where nothing is known.
    pub(super) shares: Option<Shares>,
    /// What stands against it.
    pub(super) troubles: Vec<Trouble>,
    /// Versions that run and that the wish names: nothing of theirs may go.
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
    let asked = Asked {
        wanted,
        before: pins(wish),
        repository: Some(&wanted.repository),
        there: known.there,
        pinned: &pinned(known.wishes, &wanted.repository),
    };
    let questions = asked.questions(records);
    let mut words = BTreeMap::new();
    for word in questions.words {
        let found = look_up(repositories, key, &wanted.repository, &word).await;
        words.insert(word, found);
    }
    let mut versions = BTreeMap::new();
    for number in questions.versions {
        let (namespace, word) = (&key.namespace, VersionWord::Number(number));
        let answer = repositories.peek(namespace, &wanted.repository, &key.app, &word);
        if let Some(found) = answer.await {
            versions.insert(number, found);
        }
    }
    let look = |word: &VersionWord| match words.get(word) {
        Some(Ok(record)) => Answer::Is(record),
        Some(Err(trouble)) => Answer::Not(trouble.clone()),
        None => Answer::Unknown,
    };
    let check = |number: VersionNumber| match versions.get(&number) {
        Some(Ok(record)) => Answer::Is(record),
        Some(Err((reason, message))) => Answer::Not(Trouble::new(*reason, message.clone())),
        None => Answer::Unknown,
    };
    let found = resolve::resolve(&asked, records, look, check);
    taken(wish, found, records)
}

/// What was pinned before goes on, where its records are known.
pub(super) fn fall_back(wish: &Wish, records: &Records, troubles: Vec<Trouble>) -> Resolution {
    let found = resolve::fall_back(&pins(wish), records, troubles);
    taken(wish, found, records)
}

/// What the status of a wish says that its words resolved to.
fn pins(wish: &Wish) -> Vec<Pin<'_>> {
    let pins = wish.status.wanted.iter();
    pins.map(|entry| Pin {
        word: &entry.version,
        number: entry.number,
        commit: Some(&entry.commit),
        share: entry.percentage,
    })
    .collect()
}

/// A resolution in the words of a status.
fn taken(wish: &Wish, found: resolve::Resolution, records: &Records) -> Resolution {
    let wanted = wish.wanted.as_ref().map(|wanted| &wanted.versions);
    let pinned = match (&found.numbers, wanted) {
        (Some(numbers), Ok(entries)) => {
            let entries = entries.iter().zip(numbers);
            let pinned = entries.map(|(entry, number)| {
                let record = &records[number];
                ResolvedVersion {
                    version: entry.version.clone(),
                    number: *number,
                    id: format!("g{}", record.tree),
                    commit: record.commit.to_string(),
                    percentage: entry.percentage,
                }
            });
            pinned.collect()
        }
        _ => wish.status.wanted.clone(),
    };
    let mut troubles: Vec<Trouble> = found.troubles;
    troubles.extend(found.strayed);
    if found.unasked && troubles.is_empty() {
        troubles.extend(said_before(wish));
    }
    Resolution {
        pinned,
        shares: found.shares,
        troubles,
        holds: found.holds,
    }
}

/// What git says of a word, which is asked for it if need be.
async fn look_up(
    repositories: &Repositories,
    key: &AppKey,
    repository: &str,
    word: &VersionWord,
) -> Result<VersionRecord, Trouble> {
    let lookup = repositories.resolve(&key.namespace, repository, &key.app, word);
    match lookup.await {
        Lookup::Found(record) => match without_image(&record) {
            None => Ok(*record),
            Some(message) => Err(Trouble::new(Reason::SnapshotUnreadable, message)),
        },
        Lookup::Pending => Err(Trouble::pending(format!(
            "looking for version `{word}` in Repository `{repository}`"
        ))),
        Lookup::Refused(reason, message) => Err(Trouble::new(reason, message)),
    }
}

/// What git said against the versions of a wish when it could be asked last: that it says nothing now does not make it good.
fn said_before(wish: &Wish) -> Option<Trouble> {
    let said = condition::find(&wish.status.conditions, Type::VersionsResolved)?;
    let stands =
        said.status == State::False.as_str() && said.observed_generation == wish.generation;
    let mut reasons = AGAINST_RUNNING.into_iter();
    let reason = reasons.find(|reason| reason.as_str() == said.reason)?;
    stands.then(|| Trouble::new(reason, said.message.clone()))
}

/// The commits that owners that count have pinned for the versions of a repository.
fn pinned(wishes: &[Wish], repository: &str) -> BTreeMap<VersionNumber, String> {
    let is_of = |wish: &&Wish| {
        let wanted = wish.wanted.as_ref();
        wish.taken_by.is_none() && wanted.is_ok_and(|wanted| wanted.repository == repository)
    };
    let mut pinned = BTreeMap::new();
    for pin in (wishes.iter().filter(is_of)).flat_map(|wish| &wish.status.wanted) {
        pinned
            .entry(pin.number)
            .or_insert_with(|| pin.commit.clone());
    }
    pinned
}

/// Why a cluster cannot run this version, where a function of it has no image.
fn without_image(record: &VersionRecord) -> Option<String> {
    let function = (record.functions.iter()).find(|function| function.image.is_none())?;
    let (name, number) = (&function.name, record.number);
    Some(format!(
        "function `{name}` of {number} has no image, so it runs with `cutwater serve` only; publish it with `--image {name}=REF@sha256:...`, and name that version"
    ))
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
        let one = VersionNumber::new(1).unwrap();
        let expected = BTreeMap::from([(one, "abc".to_owned())]);
        assert_eq!(pinned(&wishes, "main"), expected);
        assert_eq!(pinned(&wishes, "other"), BTreeMap::new());
    }
}
