//! Versions as they are read from an app's tags: living ones, deleted ones, and tags that are not ours.

use std::collections::BTreeMap;

use git2::{Oid, Repository};

use super::audit::{self, RefProblem};
use super::error::ResolveError;
use super::refs::AppRefs;
use super::version::{Entry, Version, number_in, read_entry};
use crate::words::{AppName, Label, VersionNumber, VersionWord};

/// All versions of one app, as the refs say it.
#[derive(Debug, Clone)]
pub struct History {
    /// The app.
    pub app: AppName,
    /// What stands at each number that is taken.
    pub entries: BTreeMap<VersionNumber, Entry>,
    /// The highest number that was ever given, also to a version whose tag is gone.
    pub highest: Option<VersionNumber>,
    /// Labels of versions that were deleted. They say why, and may be given to another version.
    pub buried: BTreeMap<Label, VersionNumber>,
    /// Refs that are not as they should be, by name.
    pub problems: Vec<RefProblem>,
}

impl History {
    pub(crate) fn read(repo: &Repository, app: &AppName, refs: &AppRefs) -> Self {
        let mut entries = BTreeMap::new();
        let mut labels = labels(refs);
        for (number, oid) in refs.numbered() {
            let entry = read_entry(repo, app, number, oid);
            let mut entry = entry.unwrap_or_else(|problem| {
                Entry::Foreign(format!("its commit cannot be read ({problem})"))
            });
            if let Entry::Living(version) = &mut entry {
                version.labels = labels.remove(&oid).unwrap_or_default();
            }
            entries.insert(number, entry);
        }
        let mut buried = BTreeMap::new();
        for (oid, labels) in labels {
            if let Some(number) = number_in(repo, app, oid)
                && matches!(entries.get(&number), Some(Entry::Deleted(_)))
            {
                buried.extend(labels.into_iter().map(|label| (label, number)));
            }
        }
        Self {
            app: app.clone(),
            highest: highest(repo, app, refs),
            problems: audit::problems(repo, app, refs, &entries),
            entries,
            buried,
        }
    }

    /// What stands at the number that `word` means. Ids name living versions only; a label that only a deleted version has
    /// leads there.
    ///
    /// # Errors
    /// When nothing is called so, or several are; says what is there.
    pub fn find(&self, word: &VersionWord) -> Result<(VersionNumber, &Entry), ResolveError> {
        let unknown = || ResolveError::UnknownVersion {
            app: self.app.clone(),
            word: word.clone(),
            near: self.near(word),
        };
        let mut found: Vec<&Version> = match word {
            VersionWord::Number(number) => {
                let entry = self.entries.get(number).ok_or_else(unknown)?;
                return Ok((*number, entry));
            }
            VersionWord::Label(label) => {
                if let Some(number) = self.buried.get(label) {
                    let entry = self.entries.get(number).ok_or_else(unknown)?;
                    return Ok((*number, entry));
                }
                let has = |version: &&Version| version.labels.contains(label);
                self.living().filter(has).collect()
            }
            VersionWord::Id(hex) => {
                let is = |v: &&Version| v.tree.begins(hex) || v.commit.begins(hex);
                self.living().filter(is).collect()
            }
        };
        found.dedup_by(|a, b| a.tree == b.tree);
        if found.len() > 1 {
            let names = found.iter().map(|v| format!("{} (g{})", v.number, v.tree));
            return Err(ResolveError::Ambiguous {
                app: self.app.clone(),
                word: word.clone(),
                candidates: names.collect(),
            });
        }
        let number = found.first().ok_or_else(unknown)?.number;
        let entry = self.entries.get(&number).ok_or_else(unknown)?;
        Ok((number, entry))
    }

    /// The living version that `word` means.
    ///
    /// # Errors
    /// As [`Self::find`], and when it was deleted or is not one of ours.
    pub fn version(&self, word: &VersionWord) -> Result<&Version, ResolveError> {
        match self.find(word)? {
            (_, Entry::Living(version)) => Ok(version),
            (number, Entry::Deleted(tombstone)) => Err(ResolveError::Deleted {
                app: self.app.clone(),
                number,
                who: tombstone.author.name.clone(),
                when: tombstone.deleted_at,
                why: tombstone.reason.clone(),
            }),
            (number, Entry::Foreign(why)) => Err(ResolveError::Foreign {
                tag: format!("{}/{number}", self.app),
                why: why.clone(),
            }),
        }
    }

    /// Labels that look like the word, and the newest versions.
    fn near(&self, word: &VersionWord) -> Vec<String> {
        let labels = self.living().flat_map(|version| &version.labels);
        let numbers = self.living().rev().map(|version| version.number);
        near(labels.map(Label::as_str), numbers, word)
    }

    /// Living versions, the lowest number first.
    #[must_use = "an iterator does nothing until it is asked"]
    pub fn living(&self) -> impl DoubleEndedIterator<Item = &Version> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Living(version) => Some(version.as_ref()),
            _ => None,
        })
    }
}

/// The one of `numbers` that is written like the word but for a capital, the labels among `labels` that look like the word, the first
/// of `numbers`, and how many more there are.
pub(crate) fn near<'a>(
    labels: impl Iterator<Item = &'a str>,
    numbers: impl Iterator<Item = VersionNumber>,
    word: &VersionWord,
) -> Vec<String> {
    let word = word.to_string();
    let low = word.to_ascii_lowercase();
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    // `V2`
    let meant = numbers
        .iter()
        .find(|number| **number == low && low != word)
        .cloned();
    let far = 3.min(word.len() / 2);
    let distance = |name: &str| strsim::damerau_levenshtein(name, &word);
    let mut labels: Vec<&str> = labels.filter(|name| distance(name) <= far).collect();
    labels.sort_by_key(|name| distance(name));
    let labels = labels.into_iter().take(3).map(str::to_owned);
    let rest = numbers
        .iter()
        .filter(|number| meant.as_ref() != Some(number));
    let shown: Vec<String> = rest.take(3).cloned().collect();
    let more = numbers.len() - shown.len() - usize::from(meant.is_some());
    let more = (more > 0).then(|| format!("and {more} more"));
    (meant.into_iter().chain(labels))
        .chain(shown)
        .chain(more)
        .collect()
}

/// The highest number of the tags, of what this clone ever saw, and of `last`.
pub(crate) fn highest(repo: &Repository, app: &AppName, refs: &AppRefs) -> Option<VersionNumber> {
    backed(repo, app, refs).max(refs.last.and_then(|oid| number_in(repo, app, oid)))
}

/// The highest number that a tag or a tombstone backs, or one that this clone saw before it was deleted.
pub(crate) fn backed(repo: &Repository, app: &AppName, refs: &AppRefs) -> Option<VersionNumber> {
    let tags = refs.numbered().map(|(number, _)| number).max();
    tags.max(refs.spent.and_then(|oid| number_in(repo, app, oid)))
}

/// The number that `last` names, where nothing backs it and it is more than one above all that is backed.
///
/// Forges protect tags, and no other refs: whoever may push at all could spend all numbers by moving `last`. One above is what
/// is left where somebody deletes the newest tag by hand.
pub(crate) fn unbacked(repo: &Repository, app: &AppName, refs: &AppRefs) -> Option<VersionNumber> {
    let last = refs.last.and_then(|oid| number_in(repo, app, oid))?;
    let backed = backed(repo, app, refs).map_or(0, VersionNumber::get);
    (last.get() > backed.saturating_add(1)).then_some(last)
}

/// The newest tag that is a version of ours, or the tombstone of one.
pub(crate) fn newest_own(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
) -> Option<(VersionNumber, Oid)> {
    let mut numbered: Vec<_> = refs.numbered().collect();
    numbered.sort_unstable();
    let ours = |(number, oid): &(VersionNumber, Oid)| number_in(repo, app, *oid) == Some(*number);
    numbered.into_iter().rev().find(ours)
}

/// Labels by the commit that they name.
pub(crate) fn labels(refs: &AppRefs) -> BTreeMap<Oid, Vec<Label>> {
    let mut labels: BTreeMap<Oid, Vec<Label>> = BTreeMap::new();
    for (name, oid) in &refs.tags {
        if let Ok(label) = name.parse() {
            labels.entry(*oid).or_default().push(label);
        }
    }
    labels
}
