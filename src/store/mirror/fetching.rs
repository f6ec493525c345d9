//! A fetch: the branch and the tags in one call where that is soon done, and else the branch first, with all else beside it.
//!
//! The branch says what is to be served, and so does the way back from what is broken. It never waits for what is large, and what is
//! large never for it: [`super::transfers`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::super::damaged::has_head;
use super::super::error::StoreError;
use super::super::refs::{ALL_TAGS, AppRefs, Space};
use super::super::stale_locks;
use super::renewal::{Attempt, Renewal};
use super::transfers::{Arrived, Transfer};
use super::{FETCHED, Mirror, head_ref};
use crate::git::{self, GitError, GitErrorKind};
use crate::words::{AppName, CommitId};

/// From so many apps on, all tags are fetched by one refspec: git compares each ref with each refspec.
const MANY_APPS: usize = 200;
/// Most tags that are left as a file each.
const LOOSE_MAX: usize = 256;

/// What fetching has learned about the repository.
pub(super) struct Shape {
    /// Tags that may be a file each.
    loose: usize,
    /// Most tags at the remote are not of the apps that are followed.
    crowded: bool,
    renewal: Renewal,
    /// Apps of which something came with a fetch that failed, and of which nobody was told.
    untold: BTreeSet<AppName>,
}

impl Shape {
    pub(super) fn new(is_fresh: bool) -> Self {
        Self {
            // What an earlier process left is not known.
            loose: if is_fresh { 0 } else { LOOSE_MAX },
            crowded: false,
            renewal: Renewal::default(),
            untold: BTreeSet::new(),
        }
    }
}

/// What a fetch brought: all of it, but for what has failed or is [`Mirror::coming`].
#[derive(Debug, Default)]
pub struct Fetched {
    /// Commit of the branch; nothing while newer commits of it are being fetched.
    pub head: Option<CommitId>,
    /// True where the branch moved.
    pub head_changed: bool,
    /// Apps of which any tag appeared, moved or vanished.
    pub changed: BTreeSet<AppName>,
    /// The copy was damaged and made anew: what was read of it before may have been wrong.
    pub renewed: bool,
    /// Why something that takes long did not come. It is begun anew with the next fetch.
    pub failed: Option<StoreError>,
    /// Why the mirror could not be packed anew. What was fetched is there all the same.
    pub untidy: Option<String>,
    /// Locks of a killed process that were in the way, and were removed.
    pub removed: Vec<PathBuf>,
}

/// What is asked for in one call.
struct Ask<'a> {
    /// The refspec of the branch; nothing while it is being fetched.
    branch: Option<String>,
    /// Of the tags.
    globs: Vec<String>,
    /// All tags, of whatever app.
    is_all: bool,
    /// Nothing is being fetched that is left out here.
    is_whole: bool,
    /// The apps whose tags they are.
    apps: BTreeSet<&'a AppName>,
    /// What the server is told is here: the branch first.
    known: Vec<String>,
    /// Longest time for it, and without a word of the server for what takes longer.
    silence: Duration,
    since: Timestamp,
}

impl Ask<'_> {
    fn specs(&self) -> Vec<String> {
        self.globs.iter().chain(&self.branch).cloned().collect()
    }
}

/// How much of it came.
#[derive(Clone, Copy)]
struct Came {
    branch: bool,
    all: bool,
}

impl Mirror {
    /// Fetches the branch and the tags of these apps in one call of `git`, and nothing else; from many apps on, all tags.
    ///
    /// What takes longer than `silence` of a remote that answers is begun once more, the branch first, and all else beside whatever is
    /// fetched and read meanwhile: [`Self::coming`] says what that is, and a fetch after [`Self::has_arrived`] takes it in. Until
    /// then a fetch asks for the rest alone. `silence` is also the longest time without a word of the remote in it.
    ///
    /// `last` and the hints are for publishers alone. Afterwards the mirror is packed anew where that is due.
    ///
    /// # Errors
    /// Why the remote could not be read. What was fetched before stays.
    pub fn fetch(
        &self,
        branch: &str,
        apps: &BTreeSet<AppName>,
        silence: Duration,
    ) -> Result<Fetched, StoreError> {
        let mut shape = self.inner.fetching.lock();
        let known_before = self.known(apps);
        let head_before = self.head(branch);
        let arrived = self.transfers().take(self.caller());
        let ask = self.to_ask(&shape, branch, (apps, known_before.as_ref().ok()), silence)?;
        let specs = ask.specs();
        let soon = || self.soon(&specs, &ask.known, silence);
        let (fetched, removed) = self.unlocked(soon);
        // What is not begun now is begun with the next fetch, and this one says so.
        let late =
            (fetched.as_ref().err()).filter(|error| takes_long(error) && !arrived.may_begin());
        let late = late.cloned();
        let came = match fetched {
            Ok(()) => Ok(Came {
                branch: ask.branch.is_some(),
                all: ask.is_whole,
            }),
            Err(error) if takes_long(&error) => self.apart(&ask, arrived.may_begin()),
            Err(error) => Err(error),
        };
        let attempt = Attempt {
            specs: &specs,
            apps,
            again: &soon,
            is_unreadable: known_before.is_err() && self.read(apps).is_err(),
            timeout: silence,
            since: ask.since,
        };
        let (came, failed, is_new) = self.mended(&mut shape.renewal, came, arrived, &attempt);
        // What was read of a copy that is replaced may have been wrong.
        let before = known_before.ok().filter(|_| !is_new).unwrap_or_default();
        let moved = |after: &BTreeMap<AppName, Arc<AppRefs>>| -> BTreeSet<AppName> {
            let moved = apps
                .iter()
                .filter(|app| before.get(*app) != after.get(*app));
            moved.cloned().collect()
        };
        let came = match came {
            Ok(came) => came,
            Err(error) => {
                // git takes each ref that it can, and those that came are whole: they are read now, and not at the next start.
                let came = self.read(apps).map(|(after, _)| moved(&after));
                shape.untold.extend(came.unwrap_or_default());
                return Err(self.explain(error, branch, &ask));
            }
        };
        if came.all {
            // Where it cannot be written, the disk is full, and the fetch or the next one says so.
            drop(std::fs::write(self.dir().join(FETCHED), ""));
        }
        let (after, tags) = self.read(apps)?;
        let loose = |(app, refs): (&AppName, &Arc<AppRefs>)| {
            before.get(app).map_or(0, |before| refs.moved(before))
        };
        shape.loose = if is_new { 0 } else { shape.loose } + after.iter().map(loose).sum::<usize>();
        if ask.is_all && came.all {
            let followed: usize = after.values().map(|refs| refs.tags.len()).sum();
            shape.crowded = tags > 2 * followed.max(LOOSE_MAX);
        }
        let mut changed = moved(&after);
        changed.append(&mut shape.untold);
        let head = self.head(branch);
        let head_changed = head != head_before.filter(|_| !is_new);
        let untidy = (came.all && (head_changed || !changed.is_empty()))
            .then(|| self.tidy(&mut shape).err())
            .flatten();
        Ok(Fetched {
            head_changed,
            head: head.filter(|_| came.branch),
            changed,
            renewed: is_new,
            failed: (failed.or(late).filter(|_| !came.all)).map(|error| self.unread(error)),
            untidy: untidy.map(|error| error.message),
            removed,
        })
    }

    /// What comes of a call, which is made once more where locks were in its way that nobody holds. Those are removed.
    fn unlocked(
        &self,
        call: impl Fn() -> Result<(), GitError>,
    ) -> (Result<(), GitError>, Vec<PathBuf>) {
        let Err(error) = call() else {
            return (Ok(()), Vec::new());
        };
        if takes_long(&error) {
            return (Err(error), Vec::new());
        }
        let removed = stale_locks::remove(&self.dir(), SystemTime::now());
        if removed.is_empty() {
            (Err(error), removed)
        } else {
            (call(), removed)
        }
    }

    /// What is to be asked for now: what is not being fetched already. `before`: the tags that are here.
    fn to_ask<'a>(
        &self,
        shape: &Shape,
        branch: &str,
        (apps, before): (
            &'a BTreeSet<AppName>,
            Option<&BTreeMap<AppName, Arc<AppRefs>>>,
        ),
        silence: Duration,
    ) -> Result<Ask<'a>, StoreError> {
        let head_ref = head_ref(branch);
        if !git2::Reference::is_valid_name(&head_ref) || branch.contains('*') {
            return Err(StoreError::BranchNotFound {
                branch: branch.to_owned(),
                url: self.url().to_string(),
            });
        }
        let transfers = self.transfers();
        let is_whole = transfers.are_none();
        let asked = apps.iter().filter(|app| !transfers.hold_up(app));
        let apps: BTreeSet<&AppName> = asked.collect();
        let has_branch = transfers.has_branch();
        drop(transfers);
        let is_all = apps.len() >= MANY_APPS && !shape.crowded && is_whole;
        let globs = if is_all {
            vec![ALL_TAGS.to_owned()]
        } else {
            let spec = |app: &&AppName| Space::canonical(app).tags_refspec(app);
            apps.iter().map(spec).collect()
        };
        // A glob, because git refuses a name that is not there yet.
        let mut known = vec![format!("{head_ref}*")];
        // A version has no parents: only its app's newest one tells the server which of its files are here, if it keeps
        // bitmaps, as forges do. With many apps the list would cost more than it spares.
        if let Some(before) = before.filter(|_| !is_all) {
            let of_asked = before.iter().filter(|(app, _)| apps.contains(app));
            known.extend(self.newest(of_asked.map(|(_, refs)| refs)));
        }
        Ok(Ask {
            branch: (!has_branch).then(|| format!("+{head_ref}:{head_ref}")),
            globs,
            is_all,
            is_whole,
            apps,
            known,
            silence,
            since: Timestamp::now(),
        })
    }

    /// One call, which may take so long.
    fn soon(&self, specs: &[String], known: &[String], timeout: Duration) -> Result<(), GitError> {
        if specs.is_empty() {
            return Ok(());
        }
        self.have_git(|git| git.fetch_soon(specs, known, timeout))
    }

    /// Fetches the branch alone, which is mostly small, and begins beside it what takes long, if `begins`: what failed a moment ago is told
    /// before it is begun anew.
    fn apart(&self, ask: &Ask<'_>, begins: bool) -> Result<Came, GitError> {
        if let Some(spec) = &ask.branch {
            let alone = if ask.globs.is_empty() {
                // It is what takes long.
                false
            } else {
                match self.soon(std::slice::from_ref(spec), &ask.known[..1], ask.silence) {
                    Ok(()) => true,
                    Err(error) if takes_long(&error) => false,
                    Err(error) => return Err(error),
                }
            };
            if !alone {
                if begins {
                    let transfer =
                        self.transfer(vec![spec.clone()], ask.known[..1].to_vec(), ask)?;
                    self.transfers().bring_branch(transfer);
                }
                return Ok(Came {
                    branch: false,
                    all: false,
                });
            }
        }
        let apps: BTreeSet<AppName> = ask.apps.iter().map(|app| (*app).clone()).collect();
        // One after the other: they have most in common.
        if begins && !self.transfers().wait(&apps) {
            let transfer = self.transfer(ask.globs.clone(), ask.known.clone(), ask)?;
            self.transfers().bring_versions(transfer, apps, ask.is_all);
        }
        Ok(Came {
            branch: ask.branch.is_some(),
            all: false,
        })
    }

    fn transfer(
        &self,
        specs: Vec<String>,
        known: Vec<String>,
        ask: &Ask<'_>,
    ) -> Result<Transfer, GitError> {
        let (mirror, silence) = (self.clone(), ask.silence);
        Transfer::begin(ask.since, self.caller(), move || {
            mirror.have_git(|git| git.fetch_patiently(&specs, &known, silence))
        })
    }

    /// What came, why what took long did not, and true where it is of a new copy because the old one was damaged. What a transfer found
    /// of the old one is as good a reason as what this fetch found.
    fn mended(
        &self,
        renewal: &mut Renewal,
        came: Result<Came, GitError>,
        arrived: Arrived,
        attempt: &Attempt<'_>,
    ) -> (Result<Came, GitError>, Option<GitError>, bool) {
        let Arrived {
            no_branch,
            no_versions,
            copied,
        } = arrived;
        // What did not come then may have come now.
        let has = |part: fn(&Came) -> bool| came.as_ref().is_ok_and(part);
        let no_branch = no_branch.filter(|_| !has(|came| came.branch));
        let failed = (no_versions.filter(|_| !has(|came| came.all))).or(no_branch);
        let fetched = match (&came, &failed) {
            (Ok(_), Some(error)) if error.may_be_local() => Err(error.clone()),
            (Ok(_), _) => Ok(()),
            (Err(error), _) => Err(error.clone()),
        };
        let has_failed = fetched.is_err();
        let took_long = copied.is_some();
        let (fetched, is_new) = self.renewed(renewal, copied, fetched, attempt);
        match fetched {
            // Its versions are of when it was begun.
            Ok(()) if is_new && took_long => {
                let since = self.soon(attempt.specs, &[], attempt.timeout);
                let came = Came {
                    branch: true,
                    all: since.is_ok(),
                };
                (Ok(came), since.err(), true)
            }
            Ok(()) if is_new || has_failed => {
                let whole = Came {
                    branch: true,
                    all: true,
                };
                (Ok(whole), None, is_new)
            }
            _ => (came, failed, false),
        }
    }

    /// Packs refs and objects where there are many loose ones. Called between two fetches.
    fn tidy(&self, shape: &mut Shape) -> Result<(), GitError> {
        let caller = self.caller();
        // A reader of refs would miss those that move from their files into the packed ones just then: none is let in.
        let state = self.state();
        let dir = state.repo.path().to_owned();
        if shape.loose >= LOOSE_MAX {
            self.have_git(|_| git::pack_refs(&dir, caller))?;
            shape.loose = 0;
        }
        drop(state);
        self.have_git(|_| git::pack_objects(&dir, caller))
    }

    /// A branch that is not there fails the whole fetch: without it, the rest shows whether the remote is fine.
    fn explain(&self, error: GitError, branch: &str, ask: &Ask<'_>) -> StoreError {
        if !has_head(&self.dir()).unwrap_or(true) {
            return StoreError::local(
                format!("the copy of {} in {}", self.url(), self.dir().display()),
                &"is gone, or is no repository; it is made anew once the repository can be read",
            );
        }
        let specs = if ask.globs.is_empty() {
            vec!["+refs/tags/none/*:refs/tags/none/*".to_owned()]
        } else {
            ask.globs.clone()
        };
        let is_fine = || match self.soon(&specs, &[], ask.silence) {
            Ok(()) => true,
            Err(error) => takes_long(&error),
        };
        if error.kind == GitErrorKind::MissingRef && is_fine() {
            return StoreError::BranchNotFound {
                branch: branch.to_owned(),
                url: self.url().to_string(),
            };
        }
        self.unread(error)
    }

    /// The commit of the newest version of each of these apps, where it is there.
    fn newest<'r>(&self, apps: impl Iterator<Item = &'r Arc<AppRefs>>) -> Vec<String> {
        let state = self.state();
        // git refuses to fetch at all where one is not.
        let Ok(odb) = state.repo.odb() else {
            return Vec::new();
        };
        let newest = |refs: &Arc<AppRefs>| refs.numbered().max().map(|(_, oid)| oid);
        apps.filter_map(newest)
            .filter(|oid| odb.exists(*oid))
            .map(|oid| oid.to_string())
            .collect()
    }
}

fn takes_long(error: &GitError) -> bool {
    error.kind == GitErrorKind::TakesLong
}
