//! Which repository `serve` follows, by what people write: its address and its branch.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::Global;
use crate::cli::output::Failure;
use crate::git::{self, RemoteUrl, UrlError};
use crate::serve;
use crate::store::Workspace;
use crate::words::near;

/// The repository that is named, or the remote of the clone; and the branch.
pub(super) fn find(
    source: Option<&String>,
    branch: Option<&String>,
    global: &Global,
) -> Result<(RemoteUrl, String), Failure> {
    let usual = || branch.cloned().unwrap_or_else(|| "main".to_owned());
    // --repo names a clone; what is none, an address or a bare repository, is what is meant itself.
    let bare = |dir: &&PathBuf| !dir.is_dir() || dir.join("HEAD").is_file();
    let named = global.repo.as_ref().filter(bare);
    let named = named.map(|dir| dir.display().to_string());
    if let Some(source) = source.or(named.as_ref()) {
        let address = git::address(source, Path::new("."));
        return Ok((read(&address)?, usual()));
    }
    let dir = global.repo.clone().map_or_else(std::env::current_dir, Ok)?;
    let timeout = Duration::from_secs(u64::from(global.timeout));
    let workspace = Workspace::open(&dir, global.remote.as_deref(), false, timeout)
        .map_err(|error| Failure::from(error).hint("name the repository: cutwater serve PATH"))?;
    let branch = branch.cloned();
    let branch = branch.unwrap_or_else(|| workspace.settings().branch.clone());
    Ok((read(&workspace.address())?, branch))
}

/// An address, or what is wrong with it, in words of this command.
fn read(address: &str) -> Result<RemoteUrl, Failure> {
    RemoteUrl::parse(address, true).map_err(|error| match error {
        UrlError::Password(shown) => {
            Failure::usage(format!("`{shown}` holds a password or token"))
                .hint("leave it out of the address, and name a file with it by --token-file, or set CUTWATER_TOKEN")
        }
        other => other.into(),
    })
}

/// An error where the repository is a path that leads to none, and `state` holds nothing of an earlier time: one that was there is
/// away for a while and is waited for, and one that never was is misspelt.
pub(super) fn expect(url: &RemoteUrl, state: &Path) -> Result<(), Failure> {
    let Some(path) = url.local_path() else {
        return Ok(());
    };
    let is_there = path.join("HEAD").is_file() || path.join(".git").exists();
    if let Some(said) = of_clone(&path) {
        tracing::warn!("{said}");
    }
    if is_there || serve::remembers(state) {
        return Ok(());
    }
    let shown = path.display();
    if path.exists() {
        return Err(Failure::new(format!("{shown} is no git repository"))
            .hint("name a repository, or make one there with `git init --bare`"));
    }
    let failure = Failure::new(format!("there is no repository at {shown}"));
    Err(failure.hint(match like(&path) {
        Some(near) => format!("did you mean {}?", near.display()),
        None => "write the path of a repository, or an address such as ssh://user@host/path; one that was served before is waited for".to_owned(),
    }))
}

/// What is said where the repository is a person's clone of another one.
fn of_clone(path: &Path) -> Option<String> {
    if !path.join(".git").exists() {
        return None;
    }
    let remote = git::remotes(path).into_iter().next()?;
    Some(format!(
        "{} is a clone, and what is in it is what is followed: pushes to its remote `{remote}` are not seen; without a path, `cutwater serve` in it follows that remote",
        path.display()
    ))
}

/// A path that is there and is written nearly so.
fn like(path: &Path) -> Option<PathBuf> {
    // The first part that is not there is the one that is misspelt.
    let missing = path.ancestors().take_while(|part| !part.exists()).last()?;
    let (folder, name) = (missing.parent()?, missing.file_name()?.to_str()?);
    let entries = folder.read_dir().ok()?.flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = near(names.iter().map(String::as_str), name);
    let rest = path.strip_prefix(missing).ok()?;
    let mut paths = near.iter().map(|near| {
        // Joined as a whole, an empty rest would be a slash at the end.
        let mut path = folder.join(near);
        path.extend(rest);
        path
    });
    paths.find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_clone_is_told_from_the_repository_that_it_is_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        git2::Repository::init_bare(path("hub.git")).unwrap();
        let alone = git2::Repository::init(path("alone")).unwrap();
        assert_eq!(of_clone(&path("hub.git")), None);
        assert_eq!(of_clone(&path("alone")), None);
        alone.remote("hub", "../hub.git").unwrap();
        let said = of_clone(&path("alone")).unwrap();
        assert!(
            said.contains("pushes to its remote `hub` are not seen"),
            "{said}"
        );
    }

    #[test]
    fn a_path_that_never_was_is_an_error_and_one_that_was_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let state = root.join("state");
        fs::create_dir_all(root.join("releases/shop.git")).unwrap();
        fs::write(root.join("releases/shop.git/HEAD"), "").unwrap();
        let ask = |path: &str| {
            let url = RemoteUrl::parse(root.join(path).to_str().unwrap(), true).unwrap();
            expect(&url, &state)
        };
        assert!(ask("releases/shop.git").is_ok());
        let shop = root.join("releases/shop.git");
        for path in ["releases/shpo.git", "relases/shop.git"] {
            let Err(failure) = ask(path) else {
                panic!("{path} is there");
            };
            let said = format!("{failure:?}");
            let place = root.join(path);
            assert!(said.contains(place.to_str().unwrap()), "{said}");
            assert!(
                said.contains(&format!("did you mean {}?", shop.display())),
                "{said}"
            );
        }
        assert!(ask("elsewhere/shop.git").is_err() && ask("releases").is_err());
        let secret = read("https://me:hunter2@git.example/shop.git").unwrap_err();
        let said = format!("{secret:?}");
        assert!(
            said.contains("--token-file") && !said.contains("hunter2"),
            "{said}"
        );
        assert!(!said.contains("spec."), "{said}");
        let elsewhere = RemoteUrl::parse("ssh://git@git.example/shop.git", true).unwrap();
        assert!(expect(&elsewhere, &state).is_ok());
        // A commit was read once.
        fs::create_dir(&state).unwrap();
        assert!(ask("releases/shpo.git").is_err());
        fs::write(state.join("counted"), "").unwrap();
        assert!(ask("releases/shpo.git").is_ok());
    }
}
