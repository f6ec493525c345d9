//! What is known of one repository: what was read of it, what was asked and was not there, and how it was reached.
//!
//! Data, what a fetch changes of it, and when the remote may be asked for more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::mirrors::{Fetched, Kept, Unfetched};
use crate::api::Reason;
use crate::backoff::Backoff;
use crate::git::Credentials;
use crate::record::VersionRecord;
use crate::store::Mirror;
use crate::words::{AppName, VersionWord};

/// First wait after a fetch that failed; it doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// A version that is missing is asked of the remote at once, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(super) type Known =
    HashMap<(AppName, VersionWord), Result<Arc<VersionRecord>, (Reason, String)>>;

/// One mirror.
#[derive(Default)]
pub(super) struct State {
    pub(super) mirror: Option<Mirror>,
    /// How the mirror was fetched last.
    pub(super) access: Option<Access>,
    /// The mirror into which a fetch goes on that takes long, and how it is fetched.
    filling: Option<(Access, Mirror)>,
    /// Apps whose refs have been fetched.
    pub(super) fetched: BTreeSet<AppName>,
    /// What was read since the last fetch that changed something.
    pub(super) known: Known,
    /// Words that were not there, each with the number of fetches that had begun when it was asked for first: one that begins after
    /// that may bring it.
    pub(super) missed: HashMap<(AppName, VersionWord), u64>,
    /// Apps that wait for the next fetch.
    pub(super) waiting: BTreeSet<AppName>,
    pub(super) failure: Option<(Reason, String)>,
    pub(super) failures: u32,
    /// Address that was tried last.
    pub(super) tried: String,
    /// When it was read last, be it by an earlier program.
    pub(super) as_of: Option<Timestamp>,
    pub(super) fetched_at: Option<Instant>,
    /// Counts fetches that ended: what was read before one is not kept after it.
    pub(super) fetches: u64,
    /// Counts fetches that began.
    pub(super) begun: u64,
    /// The number of the last one that ended.
    pub(super) ended: u64,
}

impl State {
    /// Notes that a word is not there: when the remote may be asked for it, and whether no fetch has ended yet that began after it was
    /// asked for first.
    pub(super) fn miss(&mut self, asked: (AppName, VersionWord)) -> (Instant, bool) {
        let since = *self.missed.entry(asked).or_insert(self.begun);
        let now = Instant::now();
        let due = self.fetched_at.map_or(now, |at| at + ASK_AGAIN);
        (due.max(now), self.ended <= since)
    }
}

impl State {
    /// The mirror into which a fetch goes on that takes long, where it is reached in this way.
    pub(super) fn filling(&self, access: &Access) -> Option<Mirror> {
        let (held, mirror) = self.filling.as_ref()?;
        (held == access).then(|| mirror.clone())
    }

    /// Takes in what fetch `number` brought; the apps to look at again, and when to fetch again.
    pub(super) fn take_in(
        &mut self,
        number: u64,
        result: &Result<(Fetched, Access), Unfetched>,
        apps: BTreeSet<AppName>,
        interval: Duration,
    ) -> (BTreeSet<AppName>, Duration) {
        self.fetches += 1;
        self.fetched_at = Some(Instant::now());
        self.filling = None;
        match result {
            Ok((fetched, access)) if fetched.is_part => {
                (self.take_part(fetched, access), Duration::ZERO)
            }
            Ok((fetched, access)) => {
                self.ended = self.ended.max(number);
                (self.take_all(fetched, access, apps), interval)
            }
            Err(Unfetched {
                failure,
                changed,
                kept,
            }) => {
                self.ended = self.ended.max(number);
                let mut touched = std::mem::take(&mut self.waiting);
                touched.extend(self.forget(changed));
                if self.failure.as_ref() != Some(failure) {
                    touched.extend(apps);
                }
                touched.extend(kept.iter().flat_map(|kept| self.take_kept(kept)));
                self.failure = Some(failure.clone());
                let wait = Backoff::new(FIRST_RETRY, interval).after(self.failures);
                self.failures = self.failures.saturating_add(1);
                (touched, wait)
            }
        }
    }

    /// All of it is here.
    fn take_all(
        &mut self,
        fetched: &Fetched,
        access: &Access,
        apps: BTreeSet<AppName>,
    ) -> BTreeSet<AppName> {
        let mut touched = std::mem::take(&mut self.waiting);
        if self.failure.take().is_some() {
            touched.extend(apps.iter().cloned());
        }
        self.failures = 0;
        self.known.retain(|(app, _), read| {
            !fetched.changed.contains(app) && (read.is_ok() || !touched.contains(app))
        });
        // A word that is missing still is asked of the remote again, at the next interval.
        touched.extend(fetched.changed.iter().cloned());
        touched.extend(self.missed.keys().map(|(app, _)| app.clone()));
        touched.extend(apps.difference(&self.fetched).cloned());
        self.fetched = apps;
        self.mirror = Some(fetched.mirror.clone());
        self.as_of = Some(Timestamp::now());
        if (self.access.as_ref()).is_none_or(|held| held.url != access.url) {
            self.known.clear();
        }
        self.access = Some(access.clone());
        self.missed.retain(|(app, _), _| self.fetched.contains(app));
        touched
    }

    /// The rest of it takes long. What was here before is known meanwhile, and a way back waits for nothing; what is not here is not known,
    /// as before. Where another mirror is known, it is known as that has it.
    fn take_part(&mut self, fetched: &Fetched, access: &Access) -> BTreeSet<AppName> {
        self.filling = Some((access.clone(), fetched.mirror.clone()));
        if self.mirror.is_some() && self.access.as_ref() != Some(access) {
            return BTreeSet::new();
        }
        let mut touched = self.forget(&fetched.changed);
        let kept = fetched.kept.iter();
        touched.extend(kept.flat_map(|kept| self.take_kept(kept)));
        touched.extend(
            self.waiting
                .extract_if(.., |app| self.fetched.contains(app)),
        );
        touched
    }

    /// What is on disk is known, though not all is that git has. The apps of which nothing was known.
    fn take_kept(&mut self, kept: &Kept) -> BTreeSet<AppName> {
        let new = kept.apps.difference(&self.fetched).cloned().collect();
        self.fetched.extend(kept.apps.iter().cloned());
        self.mirror.get_or_insert_with(|| kept.mirror.clone());
        self.as_of.get_or_insert(kept.when);
        new
    }

    /// Reads again what is known of apps that have changed.
    fn forget(&mut self, changed: &BTreeSet<AppName>) -> BTreeSet<AppName> {
        self.known.retain(|(app, _), _| !changed.contains(app));
        changed.clone()
    }
}

/// How a repository is reached.
#[derive(Clone, PartialEq)]
pub(super) struct Access {
    pub(super) url: String,
    pub(super) credentials: Option<Credentials>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RemoteUrl;
    use crate::words::CommitId;

    const HOUR: Duration = Duration::from_hours(1);

    fn access(url: &str) -> Access {
        Access {
            url: url.to_owned(),
            credentials: None,
        }
    }

    /// What a fetch brings; of a part, these apps were here before.
    fn fetched(mirror: &Mirror, is_part: bool, apps: Option<&BTreeSet<AppName>>) -> Fetched {
        Fetched {
            head: Some(CommitId::from_bytes(&[0x11; 20])),
            changed: BTreeSet::new(),
            mirror: mirror.clone(),
            is_part,
            kept: apps.map(|apps| Kept {
                mirror: mirror.clone(),
                apps: apps.clone(),
                when: Timestamp::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn what_is_here_is_known_while_the_rest_takes_long_and_what_is_not_is_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let url = dir.path().join(name).display().to_string();
            let url = RemoteUrl::parse(&url, true).unwrap();
            Mirror::open(&dir.path().join(format!("{name}.git")), &url, None).unwrap()
        };
        let (mirror, other) = (open("shop"), open("other"));
        let apps = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let (shop, both): (BTreeSet<AppName>, BTreeSet<AppName>) =
            (apps(&["shop"]), apps(&["blog", "shop"]));
        let asked = ("shop".parse().unwrap(), "9".parse().unwrap());
        // A program that was started a moment ago, and a mirror of an earlier one.
        let mut state = State {
            waiting: both.clone(),
            ..State::default()
        };
        state.miss(asked.clone());
        state.begun = 1;
        let here = access("shop");
        let part = fetched(&mirror, true, Some(&shop));
        let (touched, again) = state.take_in(1, &Ok((part, here.clone())), both.clone(), HOUR);
        assert_eq!((touched, again), (shop.clone(), Duration::ZERO));
        assert!(state.mirror.is_some() && state.fetched == shop);
        assert_eq!(state.waiting, apps(&["blog"]));
        assert!(state.miss(asked.clone()).1, "it is not known");
        assert!(state.filling(&here).is_some() && state.filling(&access("other")).is_none());
        state.begun = 2;
        let all = fetched(&mirror, false, None);
        let (touched, again) = state.take_in(2, &Ok((all, here.clone())), both.clone(), HOUR);
        assert_eq!((touched, again), (both.clone(), HOUR));
        assert!(state.filling(&here).is_none());
        assert!(!state.miss(asked).1, "it is not there");
        // It moved: what was read at the old address is known until the new one is read.
        let part = fetched(&other, true, None);
        let there = access("other");
        let (touched, _) = state.take_in(3, &Ok((part, there.clone())), both.clone(), HOUR);
        assert!(touched.is_empty() && state.access == Some(here));
        assert!(state.filling(&there).is_some());
    }
}
