//! One side of a comparison, and what the words on it mean.

use std::collections::BTreeSet;

use super::Known;
use crate::api::{Trouble, WantedVersion};
use crate::releases::Release;
use crate::resolve::{self, Answer, Records};
use crate::words::{VersionNumber, VersionWord};
use crate::yaml::Problem;

/// What the releases are at one time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side<'a> {
    /// The folder, from the root of the repository.
    pub folder: &'a str,
    /// The objects of all files that can be read.
    pub releases: &'a [Release],
    /// The files that cannot be read, and those that stand against another one.
    pub unread: &'a [Unread<'a>],
    /// The files that hold nothing at all.
    pub bare: &'a [String],
}

/// A file that cannot be read.
#[derive(Debug, Clone, Copy)]
pub struct Unread<'a> {
    /// The file, from the root of the repository; the folder where none of its files can be read.
    pub file: &'a str,
    /// What is wrong, with its places, as people are told of it.
    pub problem: &'a str,
    /// The same, one by one; nothing where what is wrong has no place in the file.
    pub places: &'a [Problem],
}

impl Side<'_> {
    /// The files of which nothing is known. One that stands against another file was read all the same.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &Unread<'_>> {
        let is_read = |file: &str| self.releases.iter().any(|release| release.file == file);
        self.unread.iter().filter(move |file| !is_read(file.file))
    }

    /// True where there is nothing at all in the folder, as far as that is known.
    pub(super) fn is_empty(&self) -> bool {
        self.releases.is_empty() && self.unread.is_empty()
    }
}

/// An object, and what its words mean.
#[derive(Debug)]
pub(super) struct Resolved<'a> {
    pub(super) release: &'a Release,
    /// The version of each word, in their order; nothing for a word that means none.
    pub(super) numbers: Vec<Option<VersionNumber>>,
    /// Why not all can be as it is wanted. What is served before goes on then.
    pub(super) troubles: Vec<Trouble>,
}

impl<'a> Resolved<'a> {
    /// The versions that are known.
    pub(super) fn versions(&self) -> impl Iterator<Item = VersionNumber> {
        self.numbers.iter().flatten().copied()
    }

    /// Each entry with its version.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'a WantedVersion, Option<VersionNumber>)> {
        let wanted: &'a Release = self.release;
        let numbers = self.numbers.iter().copied();
        wanted.wanted.versions.iter().zip(numbers)
    }
}

/// The objects of a side with what their words mean.
pub(super) fn resolved<'a>(side: &Side<'a>, known: &Known) -> Vec<Resolved<'a>> {
    let all = side.releases.iter();
    all.map(|release| resolve(release, known)).collect()
}

fn resolve<'a>(release: &'a Release, known: &Known) -> Resolved<'a> {
    let words = known.get(release.app());
    let look = |word: &VersionWord| match words.and_then(|words| words.get(word)) {
        Some(Ok(record)) => Answer::Is(record),
        Some(Err(trouble)) => Answer::Not(trouble.clone()),
        None => Answer::Unknown,
    };
    // What an owner had before is asked of nobody: words mean what they mean now.
    let asked = resolve::Asked {
        wanted: &release.wanted,
        before: Vec::new(),
        repository: None,
        there: &BTreeSet::new(),
        pinned: &std::collections::BTreeMap::new(),
    };
    let found = resolve::resolve(&asked, &mut Records::new(), look, |_| Answer::Unknown);
    let number = |entry: &WantedVersion| match look(&entry.version) {
        Answer::Is(record) => Some(record.number),
        Answer::Not(_) | Answer::Unknown => None,
    };
    Resolved {
        release,
        numbers: release.wanted.versions.iter().map(number).collect(),
        troubles: found.troubles,
    }
}
