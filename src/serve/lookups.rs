//! What git says of version words, asked in the background: reading a repository may take long, and nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::api::{Reason, Trouble};
use crate::record::VersionRecord;
use crate::resolve::Answer;
use crate::store::{Mirror, ResolveError};
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
    /// Versions of the app might have been at the remote that had not come yet.
    awaited: bool,
    /// How often refs of the app had moved.
    moves: u64,
    at: Instant,
}

/// Where words are looked up.
pub(super) struct Library<'a> {
    pub(super) app: &'a AppName,
    pub(super) mirror: &'a Mirror,
    /// Versions of the app may be at the remote that have not come yet: what is not found is unknown, and not absent.
    pub(super) awaits: bool,
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
            let is_doubtful = known.awaited != library.awaits || known.at.elapsed() > RETRY;
            known.moves != library.moves || (known.found.is_err() && is_doubtful)
        };
        let new: Vec<VersionWord> = (words.iter())
            .filter(|word| self.known.get(word).is_none_or(is_old))
            .cloned()
            .collect();
        if new.is_empty() || self.asking.is_some() {
            return;
        }
        let (app, mirror) = (library.app.clone(), library.mirror.clone());
        let (awaited, moves) = (library.awaits, library.moves);
        let changed = Arc::clone(library.changed);
        let (tell, told) = oneshot::channel();
        self.asking = Some(told);
        tokio::task::spawn_blocking(move || {
            let one = |word: VersionWord| {
                let found = mirror.resolve(&app, &word);
                let trouble = |error: ResolveError| match error.reason() {
                    Reason::VersionNotFound if awaited => Trouble::pending(format!(
                        "version `{word}` is not among those that have been fetched, and others are being fetched"
                    )),
                    reason => Trouble::new(reason, error.to_string()),
                };
                let known = Known {
                    found: found.map_err(trouble),
                    awaited,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RemoteUrl;

    #[tokio::test]
    async fn what_may_only_not_have_come_yet_is_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().join("shop").display().to_string();
        let url = RemoteUrl::parse(&url, true).unwrap();
        let mirror = Mirror::open(&dir.path().join("mirror.git"), &url, None).unwrap();
        let (app, word): (AppName, VersionWord) = ("shop".parse().unwrap(), "9".parse().unwrap());
        let words = BTreeSet::from([word.clone()]);
        let changed = Arc::new(Notify::new());
        let mut lookups = Lookups::default();
        for (awaits, pending) in [(true, true), (false, false), (true, true)] {
            let library = Library {
                app: &app,
                mirror: &mirror,
                awaits,
                moves: 0,
                changed: &changed,
            };
            // The first asks, and the second hears the answer.
            lookups.ask(&words, &library);
            changed.notified().await;
            lookups.ask(&words, &library);
            let Answer::Not(trouble) = lookups.answer(&word) else {
                panic!("it is nowhere");
            };
            assert_eq!(trouble.pending, pending, "{trouble}");
        }
    }
}
