//! Words into versions: what was resolved before stays, whatever git says now; new words are looked up.
//!
//! Pure: [`super::lookups`] asks git, and says here what it knows.

use std::collections::BTreeSet;

use super::state::{Pinned, Remembered};
use crate::api::Wanted;
use crate::plan::{Owner, Shares, asked};
use crate::record::{self, VersionRecord};
use crate::words::{VersionNumber, VersionWord};

/// What is known of a word.
pub(super) enum Answer<'a> {
    /// The version that it names.
    Is(&'a VersionRecord),
    /// It names none; why.
    Wrong(&'a str),
    /// It is being looked up.
    Asked,
}

impl Answer<'_> {
    /// Why the word names no version.
    fn problem(&self) -> Option<String> {
        match self {
            Self::Wrong(problem) => Some((*problem).to_owned()),
            Self::Is(_) | Self::Asked => None,
        }
    }
}

/// What the versions of one owner are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Resolution {
    /// Nothing where it is not known what is wanted.
    pub(super) shares: Option<Shares>,
    /// Why not all of it is as it is wanted.
    pub(super) problems: Vec<String>,
    /// Some of it is being looked up.
    pub(super) pending: bool,
    /// Versions that are remembered and that the owner names, while what it wanted before goes on: nothing of theirs may go,
    /// for what git has under their numbers now may be something else.
    pub(super) holds: BTreeSet<VersionNumber>,
}

impl Resolution {
    /// True where the shares are those that are wanted, and not those from before.
    pub(super) fn is_whole(&self) -> bool {
        self.problems.is_empty() && !self.pending
    }
}

/// Resolves what an owner wants, and keeps it in `remembered`: all of it, or what it was before.
pub(super) fn resolve<'a>(
    owner: &Owner,
    wanted: &Wanted,
    remembered: &mut Remembered,
    answer: impl Fn(&VersionWord) -> Answer<'a>,
) -> Resolution {
    let before = remembered.pinned.get(owner).cloned().unwrap_or_default();
    let mut pinned: Vec<Pinned> = Vec::new();
    let mut found = Resolution::default();
    let there: BTreeSet<VersionNumber> = remembered.records.keys().copied().collect();
    for entry in &wanted.versions {
        let held = (before.iter())
            .find(|old| old.word == entry.version)
            .filter(|old| remembered.records.contains_key(&old.number));
        // What runs, or did a moment ago, goes on, and traffic goes back to it, whatever git says now.
        let held = held.map(|held| held.number).or_else(|| {
            record::named(&remembered.records, &entry.version).map(|record| record.number)
        });
        let number = if let Some(number) = held {
            number
        } else {
            let asked = answer(&entry.version);
            let other = match &asked {
                Answer::Is(record) => {
                    (remembered.records.get(&record.number)).and_then(|known| moved(known, record))
                }
                Answer::Wrong(_) | Answer::Asked => None,
            };
            match asked {
                Answer::Is(record) if other.is_none() => {
                    let number = record.number;
                    (remembered.records.entry(number)).or_insert_with(|| record.clone());
                    number
                }
                asked => {
                    let records = remembered.records.values();
                    let meant = records.filter(|record| record.may_be(&entry.version));
                    found.holds.extend(meant.map(|record| record.number));
                    found.pending |= matches!(asked, Answer::Asked);
                    found.problems.extend(other.or(asked.problem()));
                    continue;
                }
            }
        };
        found.holds.insert(number);
        if let Some(twin) = pinned.iter().find(|other| other.number == number) {
            found.problems.push(format!(
                "`{}` and `{}` are both {number}; keep one entry with the whole percentage",
                twin.word, entry.version
            ));
            continue;
        }
        pinned.push(Pinned {
            word: entry.version.clone(),
            number,
            share: entry.percentage,
        });
    }
    found.holds.retain(|number| there.contains(number));
    if found.is_whole() {
        let listed = pinned.iter().map(|entry| entry.number).collect();
        let unreached = asked::reachable(&wanted.routes, &listed, &remembered.records).err();
        found.problems.extend(unreached);
    }
    let pinned = if found.is_whole() { pinned } else { before };
    let shares: Shares = pinned
        .iter()
        .map(|entry| (entry.number, entry.share))
        .collect();
    if !pinned.is_empty() {
        remembered.pinned.insert(owner.clone(), pinned);
    }
    found.shares = Some(shares).filter(|shares| !shares.is_empty());
    found
}

/// What git says against a version that was resolved before; nothing where it agrees. It goes on serving either way.
pub(super) fn disagreement(pinned: &VersionRecord, answer: &Answer<'_>) -> Option<String> {
    match answer {
        Answer::Asked => None,
        Answer::Is(found) => moved(pinned, found),
        Answer::Wrong(problem) => Some(format!("{problem}; what runs goes on")),
    }
}

/// What is to be said of a version whose tag is at another commit now than the one that is remembered.
fn moved(known: &VersionRecord, found: &VersionRecord) -> Option<String> {
    let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
    (known.commit != found.commit).then(|| format!(
        "the tag of {} points to commit {} now and pointed to {} when it was resolved; what was pinned goes on; put the tag back, or publish a new version",
        known.number,
        short(&found.commit),
        short(&known.commit)
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::releases;

    fn record(version: u32, commit: &str) -> VersionRecord {
        serde_json::from_value(json!({
            "app": "shop", "number": version, "tree": "1".repeat(40), "commit": commit.repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z",
            "functions": [{"name": "web", "port": 80}],
        }))
        .unwrap()
    }

    fn wanted(versions: &str, function: &str) -> Wanted {
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec: {{app: shop, repository: shop, versions: {versions}, routes: [{{hostnames: [shop.test], function: {function}, gateway: {{name: any}}}}]}}\n"
        );
        let releases = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
        releases.releases.into_iter().next().unwrap().wanted
    }

    #[test]
    fn all_that_is_wrong_is_said_and_what_was_before_goes_on() {
        let known = BTreeMap::from([1, 2].map(|n| (n, record(n, "a"))));
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        let mut remembered = Remembered::default();
        let answer = |word: &VersionWord| match word.to_string().as_str() {
            "v1" | "one" => Answer::Is(&known[&1]),
            "v2" => Answer::Is(&known[&2]),
            "slow" => Answer::Asked,
            _ => Answer::Wrong("there is no such version"),
        };
        let mut resolve = |versions: &str, function: &str| {
            resolve(&owner, &wanted(versions, function), &mut remembered, answer)
        };
        let half = |word: &str| format!("{{version: {word}, percentage: 50}}");
        let one = "[{version: 1, percentage: 100}]";
        let first = resolve(one, "web");
        assert!(first.is_whole());
        for (versions, function, problems, pending) in [
            (
                format!("[{}, {}]", half("nine"), half("ten")),
                "web",
                2,
                false,
            ),
            (
                format!("[{}, {}]", half("nine"), half("slow")),
                "web",
                1,
                true,
            ),
            (format!("[{}, {}]", half("slow"), half("2")), "web", 0, true),
            (format!("[{}, {}]", half("1"), half("one")), "web", 1, false),
            (one.to_owned(), "webb", 1, false),
        ] {
            let found = resolve(&versions, function);
            assert_eq!(found.problems.len(), problems, "{versions}: {found:?}");
            assert_eq!(found.pending, pending, "{versions}");
            assert_eq!(found.shares, first.shares, "{versions}");
        }
        let both = resolve(&format!("[{}, {}]", half("1"), half("2")), "web");
        assert!(both.is_whole() && both.shares != first.shares);
    }

    /// A version of which is remembered what it is goes back to it, whatever git has under its number now; and where not all
    /// of what is wanted can be, it is kept.
    #[test]
    fn what_is_remembered_is_gone_back_to_whatever_became_of_its_tag() {
        let (known, other, third) = (record(1, "a"), record(1, "b"), record(3, "c"));
        let owner: Owner = "cwd/shop".to_owned().try_into().unwrap();
        let whole = |word: &str| format!("[{{version: {word}, percentage: 100}}]");
        let id = format!("g{}", "a".repeat(40));
        let other_id = format!("g{}", "b".repeat(40));
        let remembered = || {
            let mut remembered = Remembered::default();
            let first = wanted(&whole("3"), "web");
            resolve(&owner, &first, &mut remembered, |_| Answer::Is(&third));
            remembered.records.insert(known.number, known.clone());
            remembered
        };
        for answer in [Answer::Is(&other), Answer::Wrong("gone"), Answer::Asked] {
            for word in ["1", &id] {
                let mut remembered = remembered();
                let answer = |_: &VersionWord| match &answer {
                    Answer::Is(found) => Answer::Is(found),
                    Answer::Wrong(why) => Answer::Wrong(why),
                    Answer::Asked => Answer::Asked,
                };
                let wish = wanted(&whole(word), "web");
                let found = resolve(&owner, &wish, &mut remembered, answer);
                assert!(found.is_whole(), "{word}: {found:?}");
                assert_eq!(found.shares.unwrap()[0].0, known.number);
                assert_eq!(remembered.records[&known.number], known);
            }
        }
        // Who names the other commit by its id does not get this one, and nor does a label that leads there.
        for (word, holds) in [(other_id.as_str(), 0), ("stable", 0), ("[1, 9]", 1)] {
            let mut remembered = remembered();
            let versions = match word {
                "[1, 9]" => {
                    "[{version: 1, percentage: 50}, {version: 9, percentage: 50}]".to_owned()
                }
                word => whole(word),
            };
            let answer = |word: &VersionWord| match word.to_string().as_str() {
                "v9" => Answer::Wrong("there is no such version"),
                _ => Answer::Is(&other),
            };
            let wish = wanted(&versions, "web");
            let found = resolve(&owner, &wish, &mut remembered, answer);
            assert_eq!(found.problems.len(), 1, "{word}: {found:?}");
            assert_eq!(found.shares.unwrap()[0].0, third.number);
            assert_eq!(found.holds.len(), holds, "{word}");
            assert_eq!(remembered.records[&known.number], known);
        }
    }

    #[test]
    fn a_tag_that_moved_or_went_is_said() {
        let (pinned, other) = (record(1, "a"), record(1, "b"));
        assert_eq!(disagreement(&pinned, &Answer::Is(&pinned)), None);
        assert_eq!(disagreement(&pinned, &Answer::Asked), None);
        let moved = disagreement(&pinned, &Answer::Is(&other)).unwrap();
        assert!(
            moved.contains("the tag of v1 points to commit bbbbbbbbbbbb now"),
            "{moved}"
        );
        let gone = disagreement(&pinned, &Answer::Wrong("app shop has no version v1")).unwrap();
        assert!(
            gone.ends_with("has no version v1; what runs goes on"),
            "{gone}"
        );
    }
}
