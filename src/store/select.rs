//! A part of an app's versions: what fits a filter, the newest first, page by page. Pure.

use std::collections::BTreeSet;

use globset::GlobMatcher;
use jiff::Timestamp;

use super::history::History;
use super::version::{Entry, Person};
use crate::words::VersionNumber;

/// Which versions are wanted. Without anything, all are.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Living versions with a label that fits.
    pub label: Option<GlobMatcher>,
    /// Those whose author's name or address holds this text, in upper or lower case.
    pub author: Option<String>,
    /// Those that were published or deleted then or later.
    pub since: Option<Timestamp>,
    /// Those that were published or deleted then or before.
    pub until: Option<Timestamp>,
    /// These alone.
    pub numbers: Option<BTreeSet<VersionNumber>>,
}

/// A part of what fits.
#[derive(Debug)]
pub struct Page<'a> {
    /// The entries, the newest first.
    pub entries: Vec<(VersionNumber, &'a Entry)>,
    /// How many fit in all, on this page and others.
    pub total: usize,
    /// What to ask for next: entries before this one.
    pub next: Option<VersionNumber>,
}

impl Filter {
    fn fits(&self, number: VersionNumber, entry: &Entry) -> bool {
        let labelled = self.label.as_ref().is_none_or(|glob| match entry {
            Entry::Living(version) => version.labels.iter().any(|l| glob.is_match(l.as_str())),
            _ => false,
        });
        let listed = self.numbers.as_ref();
        labelled && listed.is_none_or(|numbers| numbers.contains(&number)) && self.dated(entry)
    }

    /// Author and time; a tag that is not ours has neither.
    fn dated(&self, entry: &Entry) -> bool {
        let (author, time): (&Person, Timestamp) = match entry {
            Entry::Living(version) => (&version.author, version.published_at),
            Entry::Deleted(tombstone) => (&tombstone.author, tombstone.deleted_at),
            Entry::Foreign(_) => {
                return self.author.is_none() && self.since.is_none() && self.until.is_none();
            }
        };
        let wrote = |text: &String| {
            let who = format!("{} <{}>", author.name, author.email);
            who.to_lowercase().contains(&text.to_lowercase())
        };
        self.author.as_ref().is_none_or(wrote)
            && self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time <= until)
    }
}

impl History {
    /// At most `limit` of the versions that fit, the newest first, from below `before` on.
    #[must_use]
    pub fn page(&self, filter: &Filter, before: Option<VersionNumber>, limit: usize) -> Page<'_> {
        let mut page = Page {
            entries: Vec::new(),
            total: 0,
            next: None,
        };
        for (number, entry) in self.entries.iter().rev() {
            if !filter.fits(*number, entry) {
                continue;
            }
            page.total += 1;
            if before.is_some_and(|before| *number >= before) {
                continue;
            }
            if page.entries.len() < limit {
                page.entries.push((*number, entry));
            } else {
                page.next = page.entries.last().map(|(number, _)| *number);
            }
        }
        page
    }
}
