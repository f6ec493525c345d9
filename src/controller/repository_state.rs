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

/// Where a repository waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// It was read last time, or has not been tried.
    Fast,
    /// It failed last time.
    Slow,
}

/// First wait after a fetch that failed; it doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// A version that is missing is asked of the remote at once, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Webhooks have a repository fetched no more often than this.
const PUSHED_AGAIN: Duration = Duration::from_secs(1);

/// Longest wait after failures where webhooks come meanwhile: who mends something and pushes is not kept waiting for a whole interval.
const PUSHED_LONGEST: Duration = Duration::from_mins(1);

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
    /// When a fetch was, or is, due because of a webhook.
    pushed: Option<Instant>,
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

    /// A webhook says that it was pushed to; when it may be fetched for that. Calls that come until then are one fetch, and who calls again
    /// and again gets one that fails no more often than its failures allow.
    pub(super) fn pushed(&mut self, now: Instant, interval: Duration) -> Instant {
        if let Some(due) = self.pushed.filter(|due| *due > now) {
            return due;
        }
        let again = self.pushed.map(|last| last + PUSHED_AGAIN);
        let backoff = Backoff::new(FIRST_RETRY, interval.min(PUSHED_LONGEST));
        let failed = self.failures.checked_sub(1);
        let retry = failed.and_then(|failures| Some(self.fetched_at? + backoff.after(failures)));
        let due = [again, retry].into_iter().flatten().fold(now, Instant::max);
        self.pushed = Some(due);
        due
    }
}

impl State {
    /// The mirror into which a fetch goes on that takes long, where it is reached in this way.
    pub(super) fn filling(&self, access: &Access) -> Option<Mirror> {
        let (held, mirror) = self.filling.as_ref()?;
        (held == access).then(|| mirror.clone())
    }

    /// True while a fetch goes on that takes long.
    pub(super) fn is_filling(&self) -> bool {
        self.filling.is_some()
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
        match result {
            Ok((fetched, access)) if fetched.is_part => {
                // The branch is read as often as ever meanwhile. Where it is what takes long, that is waited for.
                let again = if fetched.head.is_some() {
                    interval
                } else {
                    Duration::ZERO
                };
                (self.take_part(fetched, access), again)
            }
            Ok((fetched, access)) => {
                self.filling = None;
                self.ended = self.ended.max(number);
                (self.take_all(fetched, access, apps), interval)
            }
            Err(Unfetched {
                failure,
                changed,
                kept,
                ..
            }) => {
                // What goes on into the same copy goes on.
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
        if std::mem::take(&mut self.failures) > 0 {
            // What waits for the end of its failures waits no more.
            self.pushed = self.pushed.map(|due| due.min(Instant::now()));
        }
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
        assert_eq!(
            (touched, again),
            (shop.clone(), HOUR),
            "of a branch that came, the rest has no say"
        );
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

    #[tokio::test(start_paused = true)]
    async fn who_calls_again_and_again_has_it_fetched_once_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().display().to_string();
        let url = RemoteUrl::parse(&url, true).unwrap();
        let mirror = Mirror::open(&dir.path().join("mirror.git"), &url, None).unwrap();
        let mut state = State::default();
        let began = Instant::now();
        let (mut due, mut fetches) = (None, 0);
        for _ in 0..1_000 {
            let now = Instant::now();
            let next = state.pushed(now, HOUR);
            assert!(next >= now && next <= now + PUSHED_AGAIN);
            fetches += u32::from(due.replace(next) != Some(next));
            // That it is read meanwhile makes it no more often.
            let read = Ok((fetched(&mirror, false, None), access("shop")));
            state.take_in(fetches.into(), &read, BTreeSet::new(), HOUR);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let seconds = began.elapsed().as_secs();
        // The first at once, and one for each second that began.
        assert_eq!((seconds, fetches), (10, 11));
        // A push after a pause waits for nothing.
        tokio::time::advance(HOUR).await;
        assert_eq!(state.pushed(Instant::now(), HOUR), Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_fetched_ever_more_rarely_however_often_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let failed = || -> Result<(Fetched, Access), Unfetched> {
            Err(Unfetched::from((
                Reason::RepositoryUnreachable,
                "away".to_owned(),
            )))
        };
        let mut state = State::default();
        let mut waits = Vec::new();
        for number in 1..=8 {
            let now = Instant::now();
            state.take_in(number, &failed(), BTreeSet::new(), HOUR);
            let due = state.pushed(now, HOUR);
            waits.push((due - now).as_secs());
            assert_eq!(state.pushed(now + PUSHED_AGAIN / 2, HOUR), due);
            tokio::time::advance(due - now).await;
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        // An interval that is shorter than that is what it waits for.
        let second = Duration::from_secs(5);
        state.take_in(9, &failed(), BTreeSet::new(), second);
        assert_eq!(
            state.pushed(Instant::now(), second),
            Instant::now() + second
        );
        // Once it was read, nothing of that is left.
        let url = dir.path().display().to_string();
        let url = RemoteUrl::parse(&url, true).unwrap();
        let mirror = Mirror::open(&dir.path().join("mirror.git"), &url, None).unwrap();
        let read = Ok((fetched(&mirror, false, None), access("shop")));
        state.take_in(10, &read, BTreeSet::new(), second);
        let due = state.pushed(Instant::now(), HOUR);
        assert!(due <= Instant::now() + PUSHED_AGAIN, "{due:?}");
    }
}
