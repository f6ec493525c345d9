//! Words into versions: what was resolved before stays, whatever git says now; new words are looked up.
//!
//! Pure, and one for the cluster and for one machine. Each asks git in its own way for what [`Asked::questions`] names, and passes
//! the answers to [`resolve`]. What git cannot tell now is unknown, never absent.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Reason, Trouble, Wanted, WantedVersion};
use crate::plan::intent;
use crate::record::{self, VersionRecord};
use crate::words::{CommitId, Share, Shares, VersionNumber, VersionWord};

/// Records by number.
pub type Records = BTreeMap<VersionNumber, VersionRecord>;

/// What git says of a word now.
#[derive(Debug, Clone)]
pub enum Answer<'a> {
    /// The version that the word names.
    Is(&'a VersionRecord),
    /// Why the word names no version, or why git cannot be asked.
    Not(Trouble),
    /// It is being looked up.
    Unknown,
}

/// One entry of an owner as it was resolved before.
#[derive(Debug, Clone, Copy)]
pub struct Pin<'a> {
    /// The word in the spec.
    pub word: &'a VersionWord,
    /// The version that it meant.
    pub number: VersionNumber,
    /// The snapshot commit of that version, as somebody wrote it who may have written anything; nothing where the record alone
    /// says it.
    pub commit: Option<&'a str>,
    /// The share of that version.
    pub share: Share,
}

/// What is to be resolved, and what is known beside git.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What the owner wants.
    pub wanted: &'a Wanted,
    /// What its words resolved to before; nothing for a new owner.
    pub before: Vec<Pin<'a>>,
    /// The Repository object that the words are of; nothing where there is only one repository.
    pub repository: Option<&'a str>,
    /// The versions that had a record before any owner of the app was resolved.
    pub there: &'a BTreeSet<VersionNumber>,
    /// The commits that any owner of the same repository has pinned, as they were written.
    pub pinned: &'a BTreeMap<VersionNumber, String>,
}

/// What git has to be asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Words that nothing that is known explains.
    pub words: BTreeSet<VersionWord>,
    /// Versions that go on in any case, of which people are told where git says otherwise. Nobody waits for the answer.
    pub versions: BTreeSet<VersionNumber>,
}

/// What the versions of one owner are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// The version of each entry in the order of the spec, if all of them are known; else what was before goes on.
    pub numbers: Option<Vec<VersionNumber>>,
    /// The shares that count, from now or from before; nothing where it is not known what is wanted.
    pub shares: Option<Shares>,
    /// Why not all is as it is wanted.
    pub troubles: Vec<Trouble>,
    /// What git says against the versions that count, and those of what is wanted that are known. They go on either way.
    pub strayed: Vec<Trouble>,
    /// True where git could not be asked about one of them.
    pub unasked: bool,
    /// Versions that run and that the owner names, whether what is wanted now counts or what was before: nothing of theirs may
    /// go, for what git has under their numbers now may be something else.
    pub holds: BTreeSet<VersionNumber>,
}

impl Resolution {
    /// True where the shares are those that are wanted, and not those from before.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.numbers.is_some()
    }

    /// What is wrong, without what is still being looked up.
    pub fn faults(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter().filter(|trouble| !trouble.pending)
    }
}

/// What was resolved before goes on, where all of its records are known.
#[must_use]
pub fn fall_back(before: &[Pin<'_>], records: &Records, troubles: Vec<Trouble>) -> Resolution {
    let is_known = |pin: &Pin<'_>| held_by(pin, records).is_some();
    let known = !before.is_empty() && before.iter().all(is_known);
    Resolution {
        shares: known.then(|| before.iter().map(|pin| (pin.number, pin.share)).collect()),
        troubles,
        ..Resolution::default()
    }
}

/// Resolves what an owner wants, and adds the records that it takes to `records`. `look` answers for words and `check` for versions
/// that go on, as [`Asked::questions`] has them.
pub fn resolve<'a>(
    asked: &Asked<'_>,
    records: &mut Records,
    look: impl Fn(&VersionWord) -> Answer<'a>,
    check: impl Fn(VersionNumber) -> Answer<'a>,
) -> Resolution {
    let mut numbers: Vec<VersionNumber> = Vec::new();
    let mut troubles = Vec::new();
    let mut holds = BTreeSet::new();
    // Git has just said what these are.
    let mut looked_up = BTreeSet::new();
    for entry in &asked.wanted.versions {
        let is_held = asked.held(entry, records).is_some();
        let own = records.values().filter(|record| asked.is_own(record));
        let meant = own.filter(|record| record.may_be(&entry.version));
        let meant: Vec<VersionNumber> = meant.map(|record| record.number).collect();
        match asked.version(entry, records, &look, &check) {
            Ok(record) => {
                let number = record.number;
                holds.insert(number);
                if !is_held {
                    looked_up.insert(number);
                }
                if let Some(twin) = numbers.iter().position(|other| *other == number) {
                    let (first, second) = (&asked.wanted.versions[twin], entry);
                    troubles.push(twice(first, second, number));
                }
                records.entry(number).or_insert(record);
                numbers.push(number);
            }
            Err(trouble) => {
                holds.extend(meant);
                troubles.push(trouble);
            }
        }
    }
    holds.retain(|number| asked.there.contains(number));
    if troubles.is_empty() {
        let listed = numbers.iter().copied().collect();
        let unreached = intent::reachable(&asked.wanted.routes, &listed, records).err();
        troubles
            .extend(unreached.map(|why| Trouble::new(Reason::FunctionNotFound, why.to_string())));
    }
    let mut checked: BTreeSet<VersionNumber> = numbers.iter().copied().collect();
    let mut found = if troubles.is_empty() {
        let shares = asked.wanted.versions.iter().map(|entry| entry.percentage);
        Resolution {
            shares: Some(numbers.iter().copied().zip(shares).collect()),
            numbers: Some(numbers),
            ..Resolution::default()
        }
    } else {
        fall_back(&asked.before, records, troubles)
    };
    found.holds = holds;
    checked.extend(found.shares.iter().flatten().map(|(number, _)| *number));
    for number in checked
        .into_iter()
        .filter(|number| !looked_up.contains(number))
    {
        let answer = check(number);
        found.unasked |= matches!(answer, Answer::Unknown);
        found.strayed.extend(against(&records[&number], &answer));
    }
    found
}

impl Asked<'_> {
    /// What git has to be asked before the words are resolved.
    #[must_use]
    pub fn questions(&self, records: &Records) -> Questions {
        let mut questions = Questions::default();
        (questions.versions).extend(self.before.iter().map(|pin| pin.number));
        for entry in &self.wanted.versions {
            match self.held(entry, records) {
                Some(record) => {
                    questions.versions.insert(record.number);
                }
                None => {
                    questions.words.insert(self.word(entry));
                }
            }
        }
        questions
    }

    fn before(&self, entry: &WantedVersion) -> Option<&Pin<'_>> {
        self.before.iter().find(|pin| *pin.word == entry.version)
    }

    /// The word to ask git for: what was resolved before stays that version, whatever a label means now.
    fn word(&self, entry: &WantedVersion) -> VersionWord {
        match self.before(entry) {
            Some(pin) => VersionWord::Number(pin.number),
            None => entry.version.clone(),
        }
    }

    /// A record is of the repository that is asked. One that does not say of which it is, is of the only one that there was.
    fn is_own(&self, record: &VersionRecord) -> bool {
        let named = record.repository.as_deref();
        named.is_none_or(|named| self.repository.is_none_or(|own| own == named))
    }

    /// The record of a version that runs, or did a moment ago: git has no say in whether it goes on, nor in whether traffic goes back
    /// to it.
    fn held<'r>(&self, entry: &WantedVersion, records: &'r Records) -> Option<&'r VersionRecord> {
        match self.before(entry) {
            Some(pin) => held_by(pin, records),
            None => record::named(records, &entry.version).filter(|record| self.is_own(record)),
        }
    }

    fn version<'a>(
        &self,
        entry: &WantedVersion,
        records: &Records,
        look: impl Fn(&VersionWord) -> Answer<'a>,
        check: impl Fn(VersionNumber) -> Answer<'a>,
    ) -> Result<VersionRecord, Trouble> {
        let before = self.before(entry);
        if let Some(record) = self.held(entry, records) {
            // One of an earlier program does not say of which repository it is: it may be of one that the app had before.
            let is_sure = before.is_some()
                || self.repository.is_none()
                || record.repository.is_some()
                || (self.pinned.get(&record.number))
                    .is_some_and(|pinned| pinned == record.commit.as_str());
            return match check(record.number) {
                Answer::Is(found) if !is_sure && found.commit != record.commit => {
                    Err(moved(record, found))
                }
                Answer::Is(_) | Answer::Not(_) | Answer::Unknown => Ok(record.clone()),
            };
        }
        let word = self.word(entry);
        let found = match look(&word) {
            Answer::Is(found) => found,
            Answer::Not(trouble) => return Err(trouble),
            Answer::Unknown => {
                return Err(Trouble::pending(format!("looking for version `{word}`")));
            }
        };
        let pinned = before.and_then(|pin| pin.commit).or_else(|| {
            let pinned = self.pinned.get(&found.number);
            pinned.map(String::as_str)
        });
        if let Some(pinned) = pinned.filter(|pinned| *pinned != found.commit.as_str()) {
            return Err(moved_from(found.number, pinned, &found.commit));
        }
        match records.get(&found.number) {
            Some(held) if held.commit == found.commit => Ok(held.clone()),
            Some(held) if !self.is_own(held) => Err(foreign(held, self.repository)),
            Some(held) => Err(moved(held, found)),
            None => {
                let mut record = found.clone();
                if let Some(repository) = self.repository {
                    record.repository = Some(repository.to_owned());
                }
                Ok(record)
            }
        }
    }
}

fn held_by<'r>(pin: &Pin<'_>, records: &'r Records) -> Option<&'r VersionRecord> {
    let record = records.get(&pin.number)?;
    pin.commit
        .is_none_or(|commit| commit == record.commit.as_str())
        .then_some(record)
}

/// What git says against a version that was resolved before; nothing where it agrees or cannot be asked.
#[must_use]
pub fn against(known: &VersionRecord, answer: &Answer<'_>) -> Option<Trouble> {
    match answer {
        Answer::Is(found) => (known.commit != found.commit).then(|| moved(known, found)),
        Answer::Not(trouble) if !trouble.pending => Some(Trouble {
            message: format!("{trouble}; what runs goes on"),
            ..trouble.clone()
        }),
        Answer::Not(_) | Answer::Unknown => None,
    }
}

fn twice(first: &WantedVersion, second: &WantedVersion, number: VersionNumber) -> Trouble {
    Trouble::new(
        Reason::VersionTwice,
        format!(
            "`{}` and `{}` are both {number}; keep one entry with the whole percentage",
            first.version, second.version
        ),
    )
}

fn moved(known: &VersionRecord, found: &VersionRecord) -> Trouble {
    moved_from(known.number, known.commit.as_str(), &found.commit)
}

/// The tag of a version is at another commit now than the one that is remembered.
fn moved_from(number: VersionNumber, known: &str, found: &CommitId) -> Trouble {
    Trouble::new(
        Reason::VersionMoved,
        format!(
            "the tag of {number} points to commit {} now and pointed to {} when it was resolved; what was pinned goes on; put the tag back, or publish a new version",
            found.short(),
            known.get(..12).unwrap_or(known)
        ),
    )
}

/// Pods of an app that came from another repository keep the number of theirs until they are gone.
fn foreign(held: &VersionRecord, repository: Option<&str>) -> Trouble {
    let (number, other) = (held.number, held.repository.as_deref().unwrap_or_default());
    let repository = repository.unwrap_or_default();
    Trouble::new(
        Reason::RepositoryConflict,
        format!(
            "{number} of Repository `{other}` still has pods here; {number} of Repository `{repository}` is taken up once no route sends to them and they are gone; or name a version with another number"
        ),
    )
}
