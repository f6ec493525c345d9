//! The mirrors' folders, and one fetch into one of them. Blocks nothing: git runs on threads of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::key::ObjectKey;
use crate::api::Reason;
use crate::git::{Credentials, RemoteUrl};
use crate::store::{Mirror, StoreError};
use crate::words::{AppName, CommitId};

/// What [`Order::silence`] mostly is.
pub(super) const FETCH_SILENCE: Duration = Duration::from_mins(1);
/// How often it is asked whether the rest of it has come.
const PULSE: Duration = Duration::from_secs(1);
/// Longest time for the first answer of a server that has not been read before, or failed last time.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// A fetch that is to be done.
pub(super) struct Order {
    pub(super) folder: std::path::PathBuf,
    pub(super) url: RemoteUrl,
    pub(super) branch: String,
    pub(super) apps: BTreeSet<AppName>,
    pub(super) credentials: Option<Credentials>,
    /// The mirror, where it is open with this address and these credentials.
    pub(super) open: Option<Mirror>,
    /// The remote answered last time.
    pub(super) proven: bool,
    /// Longest time for a fetch into which nothing large comes, and without a word of a server in what takes longer.
    pub(super) silence: Duration,
}

/// What came of it.
pub(super) struct Fetched {
    pub(super) head: Option<CommitId>,
    pub(super) changed: BTreeSet<AppName>,
    pub(super) mirror: Mirror,
    /// The rest of it takes long.
    pub(super) is_part: bool,
    /// What was here before, of a part.
    pub(super) kept: Option<Kept>,
}

/// Why nothing came of it, or not all, and what was here before.
pub(super) struct Unfetched {
    pub(super) failure: (Reason, String),
    /// The commit of the branch, where that came and something else did not, and where it is.
    pub(super) branch: Option<Box<(CommitId, Mirror)>>,
    pub(super) changed: BTreeSet<AppName>,
    pub(super) kept: Option<Kept>,
}

/// A mirror that was filled before.
pub(super) struct Kept {
    pub(super) mirror: Mirror,
    pub(super) apps: BTreeSet<AppName>,
    pub(super) when: Timestamp,
}

impl From<(Reason, String)> for Unfetched {
    fn from(failure: (Reason, String)) -> Self {
        Self {
            failure,
            branch: None,
            changed: BTreeSet::new(),
            kept: None,
        }
    }
}

impl From<StoreError> for Unfetched {
    fn from(error: StoreError) -> Self {
        (error.reason(), error.to_string()).into()
    }
}

impl Order {
    /// Does it. A server that is not known to answer is asked for one ref first: one that keeps silent is given up soon.
    pub(super) fn run(self) -> Result<Fetched, Unfetched> {
        let mirror = match self.open {
            Some(mirror) => mirror,
            None => Mirror::open(&self.folder, &self.url, self.credentials)?,
        };
        let asked = if self.proven || self.url.local_path().is_some() {
            Ok(())
        } else {
            mirror.reach(FIRST_ANSWER)
        };
        let kept = || {
            let when = (mirror.fetched_at()).and_then(|when| Timestamp::try_from(when).ok())?;
            Some(Kept {
                mirror: mirror.clone(),
                apps: mirror.with_tags(&self.apps),
                when,
            })
        };
        let fetched = asked.and_then(|()| mirror.fetch(&self.branch, &self.apps, self.silence));
        let fetched = fetched.map_err(|error| Unfetched {
            kept: kept(),
            ..error.into()
        })?;
        if let Some(problem) = &fetched.untidy {
            warn!(repository = %self.url, "the mirror could not be packed anew: {problem}");
        }
        for lock in &fetched.removed {
            let lock = lock.display();
            warn!(repository = %self.url, "removed the lock {lock}, which a process had left that was killed");
        }
        if let Some(error) = fetched.failed {
            return Err(Unfetched {
                branch: fetched.head.map(|head| Box::new((head, mirror.clone()))),
                kept: kept(),
                changed: fetched.changed,
                ..error.into()
            });
        }
        let coming = mirror.coming();
        for part in &coming {
            info!(repository = %self.url, "{}; versions that are here already are known meanwhile", part.said(&self.branch));
        }
        Ok(Fetched {
            head: fetched.head,
            changed: fetched.changed,
            is_part: !coming.is_empty(),
            kept: kept().filter(|_| !coming.is_empty()),
            mirror: mirror.clone(),
        })
    }
}

/// Waits until the rest of what was fetched in part has come, or has failed.
pub(super) async fn arrival(mirror: &Mirror) {
    while !mirror.has_arrived() {
        tokio::time::sleep(PULSE).await;
    }
}

/// A folder per object and address: another address begins afresh.
pub(super) fn folder_name(key: &ObjectKey, url: &str) -> String {
    let digest = Sha256::digest(format!("{}\0{}\0{url}", key.0, key.1));
    format!("{}.{}.{}.git", key.0, key.1, hex::encode(&digest[..6]))
}

/// True for the folder of a mirror of that object, at whatever address.
pub(super) fn is_of(folder: &str, key: &ObjectKey) -> bool {
    let digest = folder
        .strip_prefix(&format!("{}.{}.", key.0, key.1))
        .and_then(|rest| rest.strip_suffix(".git"));
    digest.is_some_and(is_digest)
}

fn is_digest(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Removes the mirrors that `goes` says of. What is no mirror stays.
pub(super) fn remove(state: &Path, goes: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // One that was damaged stands beside it, and so may one that was begun.
        let mut endings = [".git", ".damaged", ".new"].iter();
        let stem = endings.find_map(|ending| name.strip_suffix(ending));
        let digest = stem.and_then(|stem| stem.rsplit_once('.'));
        let mirror = stem.map(|stem| format!("{stem}.git"));
        if !digest.is_some_and(|(_, digest)| is_digest(digest))
            || !mirror.is_some_and(|it| goes(&it))
        {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder {
            std::fs::remove_dir_all(entry.path())
        } else {
            std::fs::remove_file(entry.path())
        };
        if let Err(error) = removed {
            let folder = entry.path();
            warn!(folder = %folder.display(), %error, "a mirror that no Repository needs could not be removed; remove the folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mirrors_of_that_object_are_its() {
        let key = |name: &str| ("team".to_owned(), name.to_owned());
        let folder = folder_name(&key("main"), "https://git.example/shop");
        assert!(is_of(&folder, &key("main")));
        assert!(!is_of(&folder, &key("other")));
        let dotted = folder_name(&key("main.v2"), "https://git.example/shop");
        assert!(!is_of(&dotted, &key("main")) && is_of(&dotted, &key("main.v2")));

        let state = tempfile::tempdir().unwrap();
        for name in [&folder, &dotted, "notes.git", "lost+found"] {
            std::fs::create_dir(state.path().join(name)).unwrap();
        }
        remove(state.path(), |name| is_of(name, &key("main")));
        assert!(!state.path().join(&folder).exists());
        remove(state.path(), |_| true);
        assert!(!state.path().join(&dotted).exists());
        assert!(
            state.path().join("notes.git").exists() && state.path().join("lost+found").exists()
        );
    }
}
