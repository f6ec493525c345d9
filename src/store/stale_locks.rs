//! What git processes left behind in a mirror when they were killed: locks, which nobody would ever take away, and halves of packs,
//! which fill the disk.
//!
//! Only for repositories that are this program's own. In anybody else's a lock is named, and stays.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;

/// A lock that is older belongs to nobody: git holds those of refs for moments, and no call of ours lives so long behind a
/// kill of this program.
const AGE: Duration = Duration::from_mins(1);

/// Removes locks that are older than a minute at `now`, and gives their paths.
pub(super) fn remove(dir: &Path, now: SystemTime) -> Vec<PathBuf> {
    remove_if(dir, |modified| {
        now.duration_since(modified).is_ok_and(|age| age > AGE)
    })
}

/// Removes all locks, and gives their paths: for when nobody works in it.
pub(super) fn remove_all(dir: &Path) -> Vec<PathBuf> {
    remove_if(dir, |_| true)
}

/// The calls of git that write in a mirror. A half that one of them left and one that another is writing look the same, also by their
/// times: a pack is not touched for minutes while its deltas are resolved. So halves are removed by whoever ends last.
#[derive(Debug)]
pub(super) struct AtWork {
    calls: RwLock<()>,
    /// A call failed since halves were removed last.
    failed: AtomicBool,
}

impl AtWork {
    /// Nobody is at work. `are_left`: an earlier program may have left halves.
    pub(super) fn new(are_left: bool) -> Self {
        Self {
            calls: RwLock::default(),
            failed: AtomicBool::new(are_left),
        }
    }

    /// Has a call do its work in `dir`, beside others.
    pub(super) fn call<T, E>(
        &self,
        dir: &Path,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // It may need the room.
        self.sweep(dir);
        let at_work = self.calls.read();
        let done = work();
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        drop(at_work);
        self.sweep(dir);
        done
    }

    fn sweep(&self, dir: &Path) {
        if self.failed.load(Ordering::Relaxed)
            && let Some(_alone) = self.calls.try_write()
            && self.failed.swap(false, Ordering::Relaxed)
        {
            remove_halves(dir);
        }
    }
}

/// Removes what git had begun to write among the objects and did not end, and the notes by which it kept others from a pack that it had
/// just written: for when no git works in it.
pub(super) fn remove_halves(dir: &Path) {
    let objects = dir.join("objects");
    let is_half = |name: &str| name.starts_with("tmp_obj_");
    let is_of_packs = |name: &str| {
        let is_note = Path::new(name).extension().is_some_and(|it| it == "keep");
        // What is packed anew has a dot in front.
        name.starts_with("tmp_") || name.starts_with(".tmp-") || is_note
    };
    for entry in entries(&objects) {
        let name = entry.file_name();
        match name.to_str() {
            Some("pack") => remove_named(&entry.path(), is_of_packs),
            // A folder of single objects.
            Some(name) if name.len() == 2 => remove_named(&entry.path(), is_half),
            _ => {}
        }
    }
    remove_named(&objects, is_half);
}

fn remove_named(folder: &Path, is_half: impl Fn(&str) -> bool) {
    for entry in entries(folder) {
        if entry.file_name().to_str().is_some_and(&is_half) {
            // What cannot be removed is in nobody's way but the disk's.
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn remove_if(dir: &Path, is_old: impl Fn(SystemTime) -> bool) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir() {
                folders.push(path);
                continue;
            }
            let is_lock = path
                .extension()
                .is_some_and(|extension| extension == "lock")
                || path.ends_with("packed-refs.new");
            if is_lock && found.modified().is_ok_and(&is_old) && fs::remove_file(&path).is_ok() {
                removed.push(path);
            }
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files in a repository.
    fn files(dir: &Path) -> Vec<String> {
        let mut found: Vec<String> = (["objects", "objects/pack", "objects/4b"].iter())
            .flat_map(|folder| entries(&dir.join(folder)))
            .filter(|entry| entry.path().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn a_half_goes_with_the_last_call_that_works_there_and_what_is_whole_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for folder in ["objects/pack", "objects/4b"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let whole = ["1234", "pack-1.idx", "pack-1.pack"];
        let halves = [
            "objects/tmp_obj_a",
            "objects/4b/tmp_obj_b",
            "objects/pack/.tmp-12-pack-2.pack",
            "objects/pack/pack-1.keep",
            "objects/pack/tmp_idx_c",
            "objects/pack/tmp_pack_d",
        ];
        for file in [
            "objects/4b/1234",
            "objects/pack/pack-1.idx",
            "objects/pack/pack-1.pack",
        ] {
            fs::write(dir.join(file), "").unwrap();
        }
        let all = whole.len() + halves.len();
        let begin = || {
            for half in halves {
                fs::write(dir.join(half), "").unwrap();
            }
        };
        let at_work = AtWork::new(false);
        let killed = || Err::<(), ()>(());
        at_work
            .call(dir, || {
                begin();
                // Another one is killed meanwhile, and one comes to its end.
                at_work.call(dir, killed).unwrap_err();
                at_work.call(dir, || Ok::<(), ()>(())).unwrap();
                assert_eq!(files(dir).len(), all);
                Ok::<(), ()>(())
            })
            .unwrap();
        assert_eq!(files(dir), whole);
        // An earlier program was killed.
        begin();
        let quiet = || {
            assert_eq!(files(dir), whole);
            Ok::<(), ()>(())
        };
        AtWork::new(true).call(dir, quiet).unwrap();
        // Where none was killed, nothing is looked for.
        at_work
            .call(dir, || {
                begin();
                Ok::<(), ()>(())
            })
            .unwrap();
        assert_eq!(files(dir).len(), all);
        at_work.call(dir, killed).unwrap_err();
        assert_eq!(files(dir), whole);
    }
}
