//! What the words of an owner resolve to, and what is remembered of it: all of it, or what it was before.
//!
//! Pure: [`super::lookups`] asks git, and what is decided from its answers is in [`crate::resolve`].

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Pinned, Remembered};
use crate::api::Wanted;
use crate::plan::Owner;
use crate::resolve::{self, Answer, Asked, Pin, Resolution};
use crate::words::{VersionNumber, VersionWord};

/// Resolves what an owner wants, and keeps it in `remembered`: all of it, or what it was before. `there`: the versions of which
/// something was remembered before.
pub(super) fn resolve<'a>(
    owner: &Owner,
    wanted: &Wanted,
    remembered: &mut Remembered,
    there: &BTreeSet<VersionNumber>,
    look: impl Fn(&VersionWord) -> Answer<'a>,
    check: impl Fn(VersionNumber) -> Answer<'a>,
) -> Resolution {
    let before = remembered.pinned.get(owner).map_or(&[][..], Vec::as_slice);
    let pins = before.iter().map(|pinned| Pin {
        word: &pinned.word,
        number: pinned.number,
        commit: None,
        share: pinned.share,
    });
    let asked = Asked {
        wanted,
        before: pins.collect(),
        repository: None,
        there,
        pinned: &BTreeMap::new(),
    };
    let found = resolve::resolve(&asked, &mut remembered.records, look, check);
    if let Some(numbers) = &found.numbers {
        let entries = wanted.versions.iter().zip(numbers);
        let pinned = entries.map(|(entry, number)| Pinned {
            word: entry.version.clone(),
            number: *number,
            share: entry.percentage,
        });
        (remembered.pinned).insert(owner.clone(), pinned.collect());
    }
    found
}
