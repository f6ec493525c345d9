//! Records on their way to the ledger, in a file of the state folder: what is in it survives any end of this process.
//!
//! A change is what a Deployment serves once each version has the share that is wanted, where that differs from the record before.
//! What a version loses while it is not ready is none, and neither is a new commit with the same split.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::copies;
use super::state::StateError;
use super::tidy;
use crate::ledger::{Served, ServedVersion};
use crate::store::Recorded;
use crate::words::{AppName, EnvironmentName};

/// Most records of one app that wait. Past that the oldest goes: each of the others holds a whole state.
const WAITING_MAX: usize = 1_000;

/// What is said of a file that is cut off, changed or no file.
const DAMAGES: [io::ErrorKind; 4] = [
    io::ErrorKind::InvalidData,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::IsADirectory,
];

/// The outbox of one environment.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    book: Book,
    /// Its writer is in no file yet: what it wrote would be another one's after a restart.
    nameless: bool,
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Book {
    /// A random word: who owns the ledgers that are written.
    writer: String,
    apps: BTreeMap<AppName, Page>,
    /// What was served went unrecorded since, because no ledger or another one was written.
    #[serde(default)]
    paused: bool,
}

/// One app.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    /// Of the newest record.
    sequence: u64,
    /// What the newest record says.
    last: Vec<ServedVersion>,
    waiting: VecDeque<Waiting>,
}

impl Page {
    /// Whatever is served next is a change, and something may be missing before it.
    fn leave_out(&mut self) {
        self.sequence += 1;
        self.last.clear();
    }
}

/// A record that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// The Deployment that it is about.
    pub(super) deployment: String,
    pub(super) record: Served,
}

impl Outbox {
    /// Opens the outbox in `dir`, or makes it: in memory for now, where it cannot be written. One that cannot be read is said and begun
    /// anew, by another writer.
    pub(super) fn open(dir: &Path, environment: &EnvironmentName) -> Result<Self, StateError> {
        let path = dir.join(format!("ledger-{environment}.json"));
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read
                .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
                .map(Some),
        };
        let book = match read {
            Ok(book) => book,
            Err(error) if DAMAGES.contains(&error.kind()) => {
                let aside = copies::aside(&path);
                tracing::warn!(
                    "{}: {error}; what waited in it is not written to the ledger{}",
                    path.display(),
                    aside.map_or_else(
                        |error| format!("; it cannot be put aside: {error}"),
                        |aside| format!("; {aside}")
                    )
                );
                None
            }
            Err(problem) => return Err(StateError::Io { path, problem }),
        };
        let fresh = book.is_none();
        let mut outbox = Self {
            book: book.unwrap_or_else(|| Book {
                writer: format!("{:032x}", fastrand::u128(..)),
                apps: BTreeMap::new(),
                paused: false,
            }),
            path,
            nameless: fresh,
        };
        let paused = std::mem::take(&mut outbox.book.paused);
        if paused {
            // A number that is left out tells whoever reads the ledger that something may be missing.
            outbox.book.apps.values_mut().for_each(Page::leave_out);
        }
        if (paused || fresh)
            && let Err(error) = outbox.keep()
        {
            // A ledger that waits is no reason not to serve.
            tracing::warn!("{error}; the ledger is in memory until that file can be written");
        }
        Ok(outbox)
    }

    /// Notes that the ledgers of `dir` other than that of `written` are not written for now.
    pub(super) fn pause(dir: &Path, written: Option<&EnvironmentName>) -> Result<(), StateError> {
        let fail = |problem| StateError::Io {
            path: dir.to_owned(),
            problem,
        };
        for entry in fs::read_dir(dir).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().and_then(OsStr::to_str);
            let environment = name
                .and_then(|name| name.strip_prefix("ledger-")?.strip_suffix(".json"))
                .filter(|environment| Some(*environment) != written.map(EnvironmentName::as_str));
            // What cannot be read is begun anew by whoever writes it next.
            let book = environment.and_then(|_| {
                let bytes = fs::read(&path).ok()?;
                serde_json::from_slice::<Book>(&bytes).ok()
            });
            if let Some(mut book) = book.filter(|book| !book.paused) {
                book.paused = true;
                let nameless = false;
                Self {
                    path,
                    book,
                    nameless,
                }
                .keep()?;
            }
        }
        Ok(())
    }

    /// Who writes.
    ///
    /// # Errors
    /// Why its word is not in the file, without which nothing of it may be written.
    pub(super) fn writer(&mut self) -> Result<&str, StateError> {
        if self.nameless {
            self.keep()?;
        }
        Ok(&self.book.writer)
    }

    /// Takes down what a Deployment serves, if that is a change. True where it is; whether it is in the file, `keep` says.
    pub(super) fn note(
        &mut self,
        (app, deployment): (&AppName, &str),
        environment: &EnvironmentName,
        versions: Vec<ServedVersion>,
        commit: &str,
        now: Timestamp,
    ) -> bool {
        if (self.book.apps.get(app)).is_some_and(|page| page.last == versions) {
            return false;
        }
        let page = self.book.apps.entry(app.clone()).or_default();
        page.sequence += 1;
        page.last.clone_from(&versions);
        let (app, environment) = (app.clone(), environment.clone());
        let mut record = Served::new(app, environment, page.sequence, now, versions);
        record.release_commit = Some(commit.to_owned());
        page.waiting.push_back(Waiting {
            deployment: deployment.to_owned(),
            record,
        });
        if page.waiting.len() > WAITING_MAX
            && let Some(lost) = page.waiting.pop_front()
        {
            let (app, sequence) = (lost.record.app, lost.record.sequence);
            tracing::warn!(
                "{app}: change {sequence} will not be in the ledger: more than {WAITING_MAX} wait"
            );
        }
        true
    }

    /// Something else is served of an app than the newest record says, and cannot be told. One number is left out: it tells whoever
    /// reads the ledger that something is missing. True where that is new.
    pub(super) fn leave_out(&mut self, app: &AppName, versions: &[ServedVersion]) -> bool {
        let page = self.book.apps.get_mut(app);
        let told = |page: &&mut Page| !page.last.is_empty() && page.last != versions;
        page.filter(told).is_some_and(|page| {
            page.leave_out();
            true
        })
    }

    /// What waits, by app, the oldest first and at most `max` of each.
    pub(super) fn waiting(&self, max: usize) -> Vec<(AppName, Vec<Waiting>)> {
        let pages = self.book.apps.iter();
        let pages = pages.filter(|(_, page)| !page.waiting.is_empty());
        pages
            .map(|(app, page)| {
                (
                    app.clone(),
                    page.waiting.iter().take(max).cloned().collect(),
                )
            })
            .collect()
    }

    /// How many records wait of each app that has any.
    pub(super) fn counts(&self) -> BTreeMap<AppName, usize> {
        let pages = self.book.apps.iter();
        let pages = pages.filter(|(_, page)| !page.waiting.is_empty());
        pages
            .map(|(app, page)| (app.clone(), page.waiting.len()))
            .collect()
    }

    /// Records of the app up to this sequence are in the ledger, whose end is this.
    pub(super) fn written(&mut self, app: &AppName, sequence: u64, recorded: Recorded) {
        let Some(page) = self.book.apps.get_mut(app) else {
            return;
        };
        page.waiting
            .retain(|waiting| waiting.record.sequence > sequence);
        // Others have the next numbers, so those that follow move as well.
        let moved = recorded.newest.saturating_sub(sequence);
        page.sequence += moved;
        for waiting in &mut page.waiting {
            waiting.record.sequence += moved;
        }
        if recorded.forgotten {
            page.leave_out();
            for waiting in &mut page.waiting {
                waiting.record.sequence += 1;
            }
        }
    }

    /// Writes the file: whole, or not at all.
    pub(super) fn keep(&mut self) -> Result<(), StateError> {
        let fail = |problem| StateError::Io {
            path: self.path.clone(),
            problem,
        };
        let text = serde_json::to_vec(&self.book).map_err(|error| fail(error.into()))?;
        tidy::write(&self.path, &text).map_err(fail)?;
        self.nameless = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(number: u32) -> Vec<ServedVersion> {
        let version = ServedVersion {
            version: number.to_string().parse().unwrap(),
            percentage: "100".parse().unwrap(),
            commit: "a".repeat(40),
            tree: "b".repeat(40),
        };
        vec![version]
    }

    fn note(outbox: &mut Outbox, number: u32) -> bool {
        let app = "checkout".parse().unwrap();
        let environment = "local".parse().unwrap();
        let place = (&app, "checkout");
        let commit = "c".repeat(40);
        outbox.note(
            place,
            &environment,
            versions(number),
            &commit,
            Timestamp::UNIX_EPOCH,
        )
    }

    fn at_end(newest: u64, forgotten: bool) -> Recorded {
        Recorded { newest, forgotten }
    }

    fn sequences(outbox: &Outbox) -> Vec<u64> {
        let all = outbox.waiting(usize::MAX);
        let all = all.iter().flat_map(|(_, waiting)| waiting);
        all.map(|waiting| waiting.record.sequence).collect()
    }

    #[test]
    fn changes_are_numbered_once_and_survive_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Outbox::open(dir.path(), &"local".parse().unwrap()).unwrap();
        let mut outbox = open();
        let writer = outbox.writer().unwrap().to_owned();
        assert!(note(&mut outbox, 1) && !note(&mut outbox, 1) && note(&mut outbox, 2));
        outbox.keep().unwrap();
        let mut outbox = open();
        assert_eq!(
            (sequences(&outbox), outbox.writer().unwrap()),
            (vec![1, 2], &*writer)
        );
        assert!(!note(&mut outbox, 2) && note(&mut outbox, 1));
        let app: AppName = "checkout".parse().unwrap();
        outbox.written(&app, 2, at_end(2, false));
        assert_eq!(sequences(&outbox), [3]);
        // The ledger has others under these numbers.
        assert!(note(&mut outbox, 2));
        outbox.written(&app, 3, at_end(7, false));
        assert_eq!(sequences(&outbox), [8]);
        outbox.written(&app, 8, at_end(8, false));
        assert!(!note(&mut outbox, 2) && note(&mut outbox, 1));
        assert_eq!(sequences(&outbox), [9]);
        // It has newer ones, which are forgotten here: what comes is a change, whatever it is.
        outbox.written(&app, 9, at_end(11, true));
        assert!(note(&mut outbox, 1));
        assert_eq!(sequences(&outbox), [13]);
        // A file that is broken is begun anew, by somebody else.
        fs::write(dir.path().join("ledger-local.json"), "{").unwrap();
        let mut outbox = open();
        assert!(outbox.writer().unwrap() != writer && outbox.counts().is_empty());
        assert_eq!(open().writer().unwrap(), outbox.writer().unwrap());
        let aside = dir.path().join("ledger-local.json.damaged");
        assert_eq!(fs::read(&aside).unwrap(), b"{");
        // So is what is no file.
        fs::remove_file(dir.path().join("ledger-local.json")).unwrap();
        fs::create_dir(dir.path().join("ledger-local.json")).unwrap();
        assert!(open().writer().is_ok() && aside.is_dir());
    }

    #[test]
    fn what_goes_unrecorded_for_a_while_leaves_a_number_out() {
        let dir = tempfile::tempdir().unwrap();
        let local: EnvironmentName = "local".parse().unwrap();
        let open = || Outbox::open(dir.path(), &local).unwrap();
        let mut outbox = open();
        assert!(note(&mut outbox, 1));
        outbox.keep().unwrap();
        Outbox::pause(dir.path(), Some(&local)).unwrap();
        assert!(!note(&mut open(), 1), "it is the one that is written");
        for written in [None, Some("other".parse().unwrap())] {
            Outbox::pause(dir.path(), written.as_ref()).unwrap();
            Outbox::pause(dir.path(), written.as_ref()).unwrap();
        }
        let mut outbox = open();
        // The same split may be a return to it.
        assert!(note(&mut outbox, 1));
        assert_eq!(sequences(&outbox), [1, 3]);
        outbox.keep().unwrap();
        assert_eq!(sequences(&open()), [1, 3]);
    }

    #[test]
    fn it_is_bounded_and_the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(dir.path(), &"local".parse().unwrap()).unwrap();
        for number in 1..=1_005 {
            assert!(note(&mut outbox, number));
        }
        let app: AppName = "checkout".parse().unwrap();
        assert_eq!(outbox.counts(), [(app, WAITING_MAX)].into());
        assert_eq!(sequences(&outbox).first(), Some(&6));
    }

    #[test]
    fn one_that_cannot_be_written_is_no_reason_not_to_begin() {
        let dir = tempfile::tempdir().unwrap();
        // As on a full disk, nothing can be made there.
        let dir = dir.path().join("absent");
        let mut outbox = Outbox::open(&dir, &"local".parse().unwrap()).unwrap();
        assert!(note(&mut outbox, 1) && sequences(&outbox) == [1]);
        // Until its word is kept, a ledger that it began would belong to nobody after a restart.
        assert!(outbox.writer().is_err());
        fs::create_dir(&dir).unwrap();
        let writer = outbox.writer().unwrap().to_owned();
        let mut outbox = Outbox::open(&dir, &"local".parse().unwrap()).unwrap();
        assert_eq!(sequences(&outbox), [1]);
        assert_eq!(outbox.writer().unwrap(), writer);
    }
}
