//! What git says of version words, asked in the background: reading a repository may take long, and nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::api::Trouble;
use crate::record::VersionRecord;
use crate::resolve::Answer;
use crate::store::Mirror;
use crate::words::{AppName, Label, VersionNumber, VersionWord};

/// After how long what was not found is asked again though nothing came: a disk may have failed just then.
const RETRY: Duration = Duration::from_secs(10);

/// What is known of the words of one app.
#[derive(Default)]
pub(super) struct Lookups {
    known: BTreeMap<VersionWord, Known>,
    asking: Option<oneshot::Receiver<Vec<(VersionWord, Known)>>>,
}

struct Known {
    found: Result<VersionRecord, Trouble>,
    /// How often refs of the app had moved.
    moves: u64,
    at: Instant,
}

/// Where words are looked up.
pub(super) struct Library<'a> {
    pub(super) app: &'a AppName,
    pub(super) mirror: &'a Mirror,
    /// How often refs of the app have moved.
    pub(super) moves: u64,
    /// Told when something is known.
    pub(super) changed: &'a Arc<Notify>,
}

impl Lookups {
    /// Asks for what is not known of these words, and forgets all others.
    pub(super) fn ask(&mut self, words: &BTreeSet<VersionWord>, library: &Library<'_>) {
        match self.asking.as_mut().map(oneshot::Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => {}
            Some(answered) => {
                self.asking = None;
                // What panicked is asked again.
                self.known.extend(answered.unwrap_or_default());
            }
        }
        self.known.retain(|word, _| words.contains(word));
        let is_old = |known: &Known| {
            known.moves != library.moves || (known.found.is_err() && known.at.elapsed() > RETRY)
        };
        let new: Vec<VersionWord> = (words.iter())
            .filter(|word| self.known.get(word).is_none_or(is_old))
            .cloned()
            .collect();
        if new.is_empty() || self.asking.is_some() {
            return;
        }
        let (app, mirror) = (library.app.clone(), library.mirror.clone());
        let (moves, changed) = (library.moves, Arc::clone(library.changed));
        let (tell, told) = oneshot::channel();
        self.asking = Some(told);
        tokio::task::spawn_blocking(move || {
            let one = |word: VersionWord| {
                let found = mirror.resolve(&app, &word);
                let known = Known {
                    found: found.map_err(|error| Trouble::new(error.reason(), error.to_string())),
                    moves,
                    at: Instant::now(),
                };
                (word, known)
            };
            // Nobody may be interested any more.
            drop(tell.send(new.into_iter().map(one).collect()));
            changed.notify_one();
        });
    }

    pub(super) fn answer(&self, word: &VersionWord) -> Answer<'_> {
        match self.known.get(word).map(|known| &known.found) {
            Some(Ok(record)) => Answer::Is(record),
            Some(Err(trouble)) => Answer::Not(trouble.clone()),
            None => Answer::Unknown,
        }
    }

    /// The labels of a version now, where they are known.
    pub(super) fn labels(&self, number: VersionNumber) -> Option<&[Label]> {
        match self.answer(&VersionWord::Number(number)) {
            Answer::Is(record) => Some(&record.labels),
            Answer::Not(_) | Answer::Unknown => None,
        }
    }
}
