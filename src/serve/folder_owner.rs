//! Whose a state folder is: the address of the repository that was served from it last stands in a file of it.
//!
//! Two repositories may have an app of the same name and a version of the same number. What is remembered of one would be served,
//! and recorded, as that of the other. A repository that has moved has another address and the same history.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::folder::FILE;
use super::state::{StateError, remembers};
use super::tidy;
use crate::git::RemoteUrl;
use crate::store::Mirror;
use crate::words::CommitId;

/// Longest time for a look at an address that is new. Nothing is served meanwhile; where it takes longer, the first fetch tells.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes sure that what is remembered in `dir` is of the repository at `url`, of which `commits` counted. Asks the remote only where
/// the address is another one than last time. One that does not answer may be the same under another spelling: what is remembered
/// goes on, and its first commit is judged as that of a repository that may have been exchanged. Blocks.
///
/// # Errors
/// When it is of another repository.
pub(super) fn check(
    dir: &Path,
    mirror: &Mirror,
    (url, branch): (&RemoteUrl, &str),
    commits: &[CommitId],
) -> Result<(), StateError> {
    let file = dir.join(FILE);
    let now = url.to_string();
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text.trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(
                "{}: {error}; what is remembered is taken for that of {now}",
                file.display()
            );
            None
        }
    };
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    if let Some(before) = before.filter(|_| remembers(dir)) {
        let dir = dir.to_owned();
        tracing::info!("asking {now} whether it is the repository that was at {before}");
        match mirror.is_of(branch, commits, TIMEOUT) {
            Ok(true) => tracing::info!("the repository {before} is at {now} now"),
            Ok(false) => return Err(StateError::Foreign { dir, before, now }),
            Err(error) => {
                tracing::warn!(
                    "the state folder {} belongs to the repository {before}, and whether {now} is the same is not known yet: {error}; what is remembered goes on, and nothing of {now} counts if it is another one",
                    dir.display()
                );
                // The next start asks again.
                return Ok(());
            }
        }
    }
    if let Err(error) = tidy::write(&file, format!("{now}\n").as_bytes()) {
        // A full disk must not keep from serving.
        tracing::warn!(
            "{}: {error}; another repository would not be told from this one",
            file.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::folder::stranger;
    use super::*;
    use crate::git::Caller;

    #[test]
    fn a_folder_of_somebody_else_is_told_from_a_state_folder() {
        for (names, stranger_is) in [
            (&[][..], None),
            (&["lost+found", ".keep"], None),
            (
                &["apps", "counted", "repository", "ledger-local.json"],
                None,
            ),
            (&["notes", "mirror.git"], None),
            (&["apps", "releases"], Some("releases")),
            (&["apps", ".git"], Some(".git")),
            (&["lock", "lib"], Some("lib")),
            (&["logs-of-mine"], Some("logs-of-mine")),
            (&["apps.damaged", "lock"], None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            let found = stranger(dir.path()).unwrap();
            assert_eq!(found.as_deref(), stranger_is, "{names:?}");
        }
    }

    #[test]
    fn an_address_that_does_not_answer_yet_keeps_nothing_from_being_served() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("apps")).unwrap();
        fs::write(dir.path().join("apps/shop.json"), "{}").unwrap();
        let file = dir.path().join(FILE);
        fs::write(&file, "/srv/shop.git\n").unwrap();
        let url = dir.path().join("shop").display().to_string();
        let url = RemoteUrl::parse(&url, true).unwrap();
        let copy = dir.path().join("mirror.git");
        let mirror = Mirror::open_for(Caller::Server, &copy, &url, None).unwrap();
        check(dir.path(), &mirror, (&url, "main"), &[]).unwrap();
        // It is asked again at the next start.
        assert_eq!(fs::read_to_string(&file).unwrap(), "/srv/shop.git\n");
    }
}
