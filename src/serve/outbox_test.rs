//! Which changes are recorded, how they are numbered, and that they survive in the file.

use std::fs;

use jiff::Timestamp;

use super::*;
use crate::ledger::{Recorded, ServedVersion};
use crate::words::{AppName, CommitId};

/// Most records that wait.
const MOST: usize = 1_000;

fn versions(number: u32) -> Vec<ServedVersion> {
    let version = ServedVersion {
        version: number.to_string().parse().unwrap(),
        percentage: "100".parse().unwrap(),
        commit: "a".repeat(40).parse().unwrap(),
        tree: "b".repeat(40).parse().unwrap(),
    };
    vec![version]
}

fn note(outbox: &OutboxFile, number: u32) -> bool {
    let app = "checkout".parse().unwrap();
    let environment = "local".parse().unwrap();
    let place = (&app, "checkout");
    let commit = CommitId::from_bytes(&[0xcc; 20]);
    outbox.lock().note(
        place,
        &environment,
        versions(number),
        (Some(&commit), Timestamp::UNIX_EPOCH),
        MOST,
    )
}

fn writer_of(outbox: &OutboxFile) -> String {
    outbox.lock().writer().to_owned()
}

fn at_end(newest: u64, forgotten: bool) -> Recorded {
    Recorded { newest, forgotten }
}

fn sequences(outbox: &OutboxFile) -> Vec<u64> {
    let all = outbox.lock().waiting(usize::MAX);
    let all = all.iter().flat_map(|(_, waiting)| waiting);
    all.map(|waiting| waiting.record.sequence).collect()
}

#[test]
fn changes_are_numbered_once_and_survive_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let open = || OutboxFile::open(dir.path(), &"local".parse().unwrap()).unwrap();
    let outbox = open();
    let writer = writer_of(&outbox);
    assert!(note(&outbox, 1) && !note(&outbox, 1) && note(&outbox, 2));
    outbox.keep().unwrap();
    let outbox = open();
    assert_eq!(
        (sequences(&outbox), writer_of(&outbox)),
        (vec![1, 2], writer.clone())
    );
    assert!(!note(&outbox, 2) && note(&outbox, 1));
    let app: AppName = "checkout".parse().unwrap();
    outbox.lock().written(&app, 2, at_end(2, false));
    assert_eq!(sequences(&outbox), [3]);
    // The ledger has others under these numbers.
    assert!(note(&outbox, 2));
    outbox.lock().written(&app, 3, at_end(7, false));
    assert_eq!(sequences(&outbox), [8]);
    outbox.lock().written(&app, 8, at_end(8, false));
    assert!(!note(&outbox, 2) && note(&outbox, 1));
    assert_eq!(sequences(&outbox), [9]);
    // It has newer ones, which are forgotten here: what comes is a change, whatever it is.
    outbox.lock().written(&app, 9, at_end(11, true));
    assert!(note(&outbox, 1));
    assert_eq!(sequences(&outbox), [13]);
    // A file that is broken is begun anew, by somebody else.
    fs::write(dir.path().join("ledger-local.json"), "{").unwrap();
    let outbox = open();
    assert!(writer_of(&outbox) != writer && outbox.lock().counts().is_empty());
    assert_eq!(writer_of(&open()), writer_of(&outbox));
    let aside = dir.path().join("ledger-local.json.damaged");
    assert_eq!(fs::read(&aside).unwrap(), b"{");
    // So is what is no file.
    fs::remove_file(dir.path().join("ledger-local.json")).unwrap();
    fs::create_dir(dir.path().join("ledger-local.json")).unwrap();
    assert!(open().keep().is_ok() && aside.is_dir());
}

#[test]
fn what_goes_unrecorded_for_a_while_leaves_a_number_out() {
    let dir = tempfile::tempdir().unwrap();
    let local: EnvironmentName = "local".parse().unwrap();
    let open = || OutboxFile::open(dir.path(), &local).unwrap();
    let outbox = open();
    assert!(note(&outbox, 1));
    outbox.keep().unwrap();
    OutboxFile::pause(dir.path(), Some(&local)).unwrap();
    assert!(!note(&open(), 1), "it is the one that is written");
    for written in [None, Some("other".parse().unwrap())] {
        OutboxFile::pause(dir.path(), written.as_ref()).unwrap();
        OutboxFile::pause(dir.path(), written.as_ref()).unwrap();
    }
    let outbox = open();
    // The same split may be a return to it.
    assert!(note(&outbox, 1));
    assert_eq!(sequences(&outbox), [1, 3]);
    outbox.keep().unwrap();
    assert_eq!(sequences(&open()), [1, 3]);
}

#[test]
fn it_is_bounded_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = OutboxFile::open(dir.path(), &"local".parse().unwrap()).unwrap();
    for number in 1..=1_005 {
        assert!(note(&outbox, number));
    }
    let app: AppName = "checkout".parse().unwrap();
    assert_eq!(outbox.lock().counts(), [(app, MOST)].into());
    assert_eq!(sequences(&outbox).first(), Some(&6));
}

#[test]
fn one_that_cannot_be_written_is_no_reason_not_to_begin() {
    let dir = tempfile::tempdir().unwrap();
    // As on a full disk, nothing can be made there.
    let dir = dir.path().join("absent");
    let outbox = OutboxFile::open(&dir, &"local".parse().unwrap()).unwrap();
    assert!(note(&outbox, 1) && sequences(&outbox) == [1]);
    // Until its word is kept, a ledger that it began would belong to nobody after a restart.
    assert!(outbox.keep().is_err());
    fs::create_dir(&dir).unwrap();
    outbox.keep().unwrap();
    let writer = writer_of(&outbox);
    let outbox = OutboxFile::open(&dir, &"local".parse().unwrap()).unwrap();
    assert_eq!(sequences(&outbox), [1]);
    assert_eq!(writer_of(&outbox), writer);
}

#[test]
fn the_file_is_written_only_where_something_is_new_and_always_with_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger-local.json");
    let outbox = OutboxFile::open(dir.path(), &"local".parse().unwrap()).unwrap();
    let kept = || sequences(&OutboxFile::open(dir.path(), &"local".parse().unwrap()).unwrap());
    fs::remove_file(&path).unwrap();
    outbox.keep().unwrap();
    assert!(!path.exists(), "nothing was new");
    std::thread::scope(|scope| {
        let slow = outbox.hold();
        let keeping = [(); 2].map(|()| scope.spawn(|| outbox.keep().unwrap()));
        // Whoever notes and reads waits for none of them, and what comes last is kept whoever writes it.
        assert!(note(&outbox, 1) && note(&outbox, 2) && sequences(&outbox) == [1, 2]);
        assert!(!path.exists());
        drop(slow);
        for keeping in keeping {
            keeping.join().unwrap();
        }
    });
    assert_eq!(kept(), [1, 2]);
}
