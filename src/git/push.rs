//! Pushes: which refs are changed, and what became of a push that a signal ended.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use super::error::{GitError, GitErrorKind};
use super::remote::{Git, Remote};

/// One ref that a push changes: to `new`, only if it is at `expected` now. Nothing means that the ref is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full name.
    pub name: String,
    /// What the remote must hold for this to happen.
    pub expected: Option<git2::Oid>,
    /// What it holds afterwards.
    pub new: Option<git2::Oid>,
}

/// Longest time for the look at the remote after a push that was stopped.
const LOOK: Duration = Duration::from_secs(10);

/// How each push begins.
const PUSH: [&str; 5] = [
    "push",
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
];

impl Git {
    /// Pushes these changes, each only if the remote is as expected; all or none where `atomic`.
    ///
    /// # Errors
    /// In the words of `git` and the server. Which changes were made, the refs say: read them again.
    pub fn push(
        &self,
        updates: &[RefUpdate],
        atomic: bool,
        timeout: Duration,
    ) -> Result<(), GitError> {
        let mut args = PUSH.map(OsString::from).to_vec();
        if atomic {
            args.push("--atomic".into());
        }
        let text = |oid: Option<git2::Oid>| oid.map_or_else(String::new, |oid| oid.to_string());
        for update in updates {
            let expected = text(update.expected);
            args.push(format!("--force-with-lease={}:{expected}", update.name).into());
        }
        args.push("--end-of-options".into());
        let specs = updates
            .iter()
            .map(|update| format!("{}:{}", text(update.new), update.name).into())
            .collect();
        let pushed = self.call(args, specs, String::new(), false, timeout);
        pushed
            .map(drop)
            .or_else(|error| self.stopped(updates, error))
    }

    /// What became of a push that a signal ended: done where everything arrived all the same, else an error that says what did
    /// and what did not. Other errors are given back.
    ///
    /// # Errors
    /// As it is told, with what the remote holds now.
    pub fn stopped(&self, updates: &[RefUpdate], error: GitError) -> Result<(), GitError> {
        let was_begun = match error.kind {
            GitErrorKind::Interrupted => true,
            GitErrorKind::NotBegun => false,
            _ => return Err(error),
        };
        let may_go_on = if was_begun { self.may_go_on() } else { None };
        // Some servers show no others than these.
        let shown = |update: &&RefUpdate| {
            let name = &update.name;
            let usual = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
            usual && update.expected != update.new
        };
        let wanted: Vec<&RefUpdate> = updates.iter().filter(shown).collect();
        let names = wanted.iter().map(|update| (&update.name).into()).collect();
        let options = ["ls-remote", "--quiet", "--refs", "--end-of-options"];
        let args = options.map(OsString::from).to_vec();
        let said = self.call(args, names, String::new(), true, LOOK);
        let fail = |kind: GitErrorKind, message: String| {
            Err(GitError {
                kind,
                message,
                ..error.clone()
            })
        };
        let said = match said {
            Ok(said) => String::from_utf8_lossy(&said).into_owned(),
            Err(away) => {
                let message = format!(
                    "the push was stopped; whether it arrived is not known, because the remote cannot be looked at ({away})"
                );
                return fail(GitErrorKind::Unsettled, message);
            }
        };
        let now: HashMap<&str, &str> = (said.lines())
            .filter_map(|line| line.split_once('\t').map(|(oid, name)| (name, oid)))
            .collect();
        let is_at = |update: &RefUpdate, oid: Option<git2::Oid>| {
            let oid = oid.map(|oid| oid.to_string());
            now.get(update.name.as_str()).copied() == oid.as_deref()
        };
        let names = |is_meant: &dyn Fn(&RefUpdate) -> bool| -> String {
            let meant = wanted.iter().filter(|update| is_meant(update));
            let names = meant.map(|update| update.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let there = names(&|update| is_at(update, update.new));
        let missing = names(&|update| is_at(update, update.expected));
        // It may have been there before, and what came on top of it hides it.
        let moved = names(&|update| !is_at(update, update.new) && !is_at(update, update.expected));
        if !moved.is_empty() {
            let told = |names: &str, what: &str| match names {
                "" => String::new(),
                names => format!(", {names} {what}"),
            };
            let message = format!(
                "the push was stopped{}{}, and whether it arrived in {moved} is not known, because that was moved by others meanwhile: look again",
                told(&there, "arrived"),
                told(&missing, "did not")
            );
            return fail(GitErrorKind::Unsettled, message);
        }
        let kind = match may_go_on {
            Some(_) => GitErrorKind::Unsettled,
            None => GitErrorKind::Interrupted,
        };
        let more = may_go_on.unwrap_or_default();
        match (missing.is_empty(), there.is_empty()) {
            (true, false) => Ok(()),
            (_, true) => fail(
                kind,
                format!("stopped, and not pushed: the remote holds nothing of it{more}"),
            ),
            (false, false) => fail(
                kind,
                format!("stopped in the middle: {there} arrived, and {missing} did not{more}"),
            ),
        }
    }

    /// A server elsewhere is not ended with the push.
    fn may_go_on(&self) -> Option<&'static str> {
        match &self.remote {
            Remote::Person { local: true, .. } => None,
            _ => Some(" (a server that was at work on it may take it yet: look again)"),
        }
    }

    /// The same remote, for pushes that put right an earlier one: a signal that came does not keep them back.
    #[must_use]
    pub fn mending(&self) -> Self {
        let mut same = self.clone();
        same.mends = true;
        same
    }

    /// Pushes all refs below `prefix` (with a slash at its end) to the refs of those names below `refs/`. Where another one is
    /// there already, it stays, and that is an error: git takes neither another tag nor an unrelated commit without force.
    ///
    /// With a refspec for each, git compares each with every ref of the remote: importing 3,000 versions took 17 s of processor
    /// time in that way, and takes one in this.
    ///
    /// # Errors
    /// In the words of `git` and the server. Which refs were made, the refs say: read them again.
    pub fn push_new(&self, prefix: &str, timeout: Duration) -> Result<(), GitError> {
        let mut args = PUSH.map(OsString::from).to_vec();
        args.push("--end-of-options".into());
        let specs = vec![format!("{prefix}*:refs/*").into()];
        self.call(args, specs, String::new(), false, timeout)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use git2::{Oid, Repository, Signature, Time};

    use super::*;
    use crate::git::Caller;

    /// Makes a commit of that time, and moves the branch to it.
    fn commit(repo: &Repository, branch: &str, seconds: i64) -> Oid {
        let who = Signature::new("Ada", "ada@example.com", &Time::new(seconds, 0)).unwrap();
        let tree = repo.treebuilder(None).unwrap().write().unwrap();
        let tree = repo.find_tree(tree).unwrap();
        let commit = repo.commit(None, &who, &who, "x", &tree, &[]).unwrap();
        repo.reference(&format!("refs/heads/{branch}"), commit, true, "")
            .unwrap();
        commit
    }

    #[test]
    fn of_a_ref_that_is_neither_where_it_was_nor_where_it_was_to_be_nothing_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let remote = Repository::init_bare(dir.path().join("remote")).unwrap();
        let here = Repository::init(dir.path().join("here")).unwrap();
        let url = remote.path().to_str().unwrap();
        here.remote("origin", url).unwrap();
        let home: &Path = here.path();
        let git = Git::of_person(home, "origin", url, true);
        let [before, ours, theirs] = [1, 2, 3].map(|seconds| commit(&remote, "main", seconds));
        let update = |name: &str| RefUpdate {
            name: format!("refs/heads/{name}"),
            expected: Some(before),
            new: Some(ours),
        };
        let stopped = |names: &[&str]| {
            let updates: Vec<RefUpdate> = names.iter().map(|name| update(name)).collect();
            git.stopped(&updates, GitError::interrupted(Caller::Person))
        };
        let move_to = |name: &str, commit: Oid| {
            let name = format!("refs/heads/{name}");
            remote.reference(&name, commit, true, "").unwrap();
        };
        move_to("main", before);
        let error = stopped(&["main"]).unwrap_err();
        assert_eq!(error.kind, GitErrorKind::Interrupted);
        assert_eq!(
            error.message,
            "stopped, and not pushed: the remote holds nothing of it"
        );
        move_to("main", ours);
        assert_eq!(stopped(&["main"]), Ok(()));
        move_to("other", ours);
        move_to("main", theirs);
        let error = stopped(&["main", "other"]).unwrap_err();
        assert!(error.is_interrupt() && error.kind == GitErrorKind::Unsettled);
        let moved = error.message;
        // Nobody can look, and whoever began nothing knows that it is not there.
        let away = Git::of_person(home, "nobody", "/nowhere", true);
        let [error, unsent] = [GitError::interrupted, GitError::not_begun].map(|new| {
            let updates = [update("main")];
            let of = |git: &Git| git.stopped(&updates, new(Caller::Person)).unwrap_err();
            (of(&away), of(&git))
        });
        assert_eq!(error.0.kind, GitErrorKind::Unsettled);
        assert!(error.0.message.contains("not known"), "{}", error.0);
        assert_eq!(unsent.1.kind, GitErrorKind::Unsettled);
        move_to("main", before);
        let far = Git::of_person(home, "origin", "ssh://git@example.com/shop", true);
        for (new, kind) in [
            (
                GitError::interrupted as fn(Caller) -> GitError,
                GitErrorKind::Unsettled,
            ),
            (GitError::not_begun, GitErrorKind::Interrupted),
        ] {
            let error = far.stopped(&[update("main")], new(Caller::Person));
            assert_eq!(error.unwrap_err().kind, kind);
        }
        assert_eq!(
            moved,
            "the push was stopped, refs/heads/other arrived, and whether it arrived in refs/heads/main is not known, because that was moved by others meanwhile: look again"
        );
    }
}
