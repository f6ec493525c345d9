//! Why nothing changed in `releases/`.

use crate::api::reach::Unreachable;
use crate::git::GitError;
use crate::releases::edit::EditError;
use crate::releases::rollback::Candidates;
use crate::releases::{Part, SplitError};
use crate::store::error::CommitError;
use crate::store::error::{ResolveError, StoreError};
use crate::words::{
    AliasName, AppName, CommitId, VersionNumber, VersionWord, instead, instead_of_alias,
};

/// Most versions of a kind that an error lists.
const CANDIDATES_MAX: usize = 5;

/// Why a change was not made. Nothing was changed, but where it is said that this is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReleaseError {
    /// The repository cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A word names no living version.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The shares make no split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The file cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Two words name one version.
    #[error("`{first}` and `{second}` are both {number}; name it once, with its whole percentage")]
    Twice {
        /// The first word.
        first: VersionWord,
        /// The second.
        second: VersionWord,
        /// The version.
        number: VersionNumber,
    },
    /// The branch whose releases count is not at the remote.
    #[error(
        "branch `{branch}` is not at remote `{remote}`, and its releases are what counts; push it, or name another branch in cutwater.yaml"
    )]
    NoBranch {
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// No alias is called so, and the words only make sense the other way round.
    #[error(
        "the words stand in the wrong order: no alias of `{app}` is called `{version}`, which reads as a version, and no version `{alias}`: cutwater alias set {app} {alias} {version}"
    )]
    Turned {
        /// The app.
        app: AppName,
        /// The word in the place of the alias.
        version: AliasName,
        /// The word in the place of the version.
        alias: VersionWord,
    },
    /// There is no object to change.
    #[error(
        "{what} is not in `{folder}` of branch `{branch}`; write it to {file}, commit it and push it:\n{text}"
    )]
    NotThere {
        /// What was looked for.
        what: String,
        /// Folder of the releases.
        folder: String,
        /// The branch.
        branch: String,
        /// A file for it.
        file: String,
        /// What may stand in that file.
        text: String,
    },
    /// There is no object to change, and the clone alone has it.
    #[error(
        "{what} is in {file} {}, and not in branch `{branch}` of {remote}; {}, then do this again",
        if *is_committed { "of HEAD" } else { "on the disk" },
        if *is_committed { "push it" } else { "commit it and push it" }
    )]
    Unpushed {
        /// What was looked for.
        what: String,
        /// The file that says it.
        file: String,
        /// It is in a commit.
        is_committed: bool,
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// No alias is called so, and one is called nearly so.
    #[error(transparent)]
    NewAlias(Box<NewAlias>),
    /// There is no object to roll back, and nobody said to which version.
    #[error(
        "{what} is not in `{folder}` of branch `{branch}`, so there is nothing to roll back; if a commit took it away, take that back with `git revert` (`git log --diff-filter=D -- {folder}` shows it), or name a version: `cutwater rollback {app} VERSION` says what to write"
    )]
    Gone {
        /// What was looked for.
        what: String,
        /// Folder of the releases.
        folder: String,
        /// The branch.
        branch: String,
        /// The app.
        app: AppName,
    },
    /// The file that would be written holds an object of another app.
    #[error(
        "{what} is not on branch `{branch}`: {place} is that of app `{other}`; name that app, or correct `spec.app` there, commit it and push it"
    )]
    OtherApp {
        /// What was looked for.
        what: String,
        /// The branch.
        branch: String,
        /// File and line of the object that is there.
        place: String,
        /// Its app.
        other: AppName,
    },
    /// No app is called so.
    #[error("there is no app `{app}` on branch `{branch}`, and no version of it; {}", instead(there.iter().map(AppName::as_str), app.as_str()))]
    NoApp {
        /// What was asked for.
        app: AppName,
        /// The branch.
        branch: String,
        /// The apps of the branch.
        there: Vec<AppName>,
    },
    /// No alias is called so.
    #[error("app `{app}` has no alias `{name}` on branch `{branch}`; {}", instead_of_alias(app, there.iter().map(String::as_str), name.as_str()))]
    NoAlias {
        /// The app.
        app: AppName,
        /// What was asked for.
        name: AliasName,
        /// The branch.
        branch: String,
        /// The aliases of the app.
        there: Vec<String>,
    },
    /// The routes of the object cannot reach what the versions have.
    #[error("{source}; correct the route in {file}, or name other versions; nothing was changed")]
    Unreachable {
        /// What stands against it.
        source: Unreachable,
        /// The file of the object.
        file: String,
    },
    /// No object, or several, are meant.
    #[error("{problem}; name one with {flag}: {}", there.join(", "))]
    WhichOne {
        /// What is wrong.
        problem: String,
        /// The option.
        flag: &'static str,
        /// Those that are there.
        there: Vec<String>,
    },
    /// Two files hold the object, so that a change of one of them would not be served.
    #[error(
        "{what} is in {first} and in {second}, so no change of it is served; give the copy another `metadata.name`, or take it out, and push that"
    )]
    Twins {
        /// The object.
        what: String,
        /// The first file, with the line.
        first: String,
        /// The second.
        second: String,
    },
    /// The app has two Deployments in one place, so that a change of one of them would not be served.
    #[error(
        "app `{app}` has two Deployments: {first} and {second}; `cutwater serve` holds both as they were, and a cluster takes the older one alone; take one of them out, or give it a folder or a `metadata.namespace` of its own where it is meant for another place, and push that; nothing was changed"
    )]
    Rivals {
        /// The app.
        app: AppName,
        /// The first, with its file and line.
        first: String,
        /// The second.
        second: String,
    },
    /// Files cannot be read, and may hold what was looked for.
    #[error("{what} was not found, and files that may hold it cannot be read; correct them:\n  {}", gaps.join("\n  "))]
    Unreadable {
        /// What was looked for.
        what: String,
        /// What is wrong, with file and line.
        gaps: Vec<String>,
    },
    /// A rollback cannot choose by itself.
    #[error(transparent)]
    NothingStable(Box<NothingStable>),
    /// Somebody changed the same object at the same time.
    #[error(transparent)]
    ChangedMeanwhile(Box<ChangedMeanwhile>),
    /// A new branch cannot have this name.
    #[error("`{name}` cannot be the new branch: {problem}")]
    Branch {
        /// The name.
        name: String,
        /// Why, and what to do.
        problem: String,
    },
    /// The remote refused the push.
    #[error("{} the commit on branch `{branch}`: {}{advice}", source.not_taken(), source.message)]
    Refused {
        /// The branch.
        branch: String,
        /// What it said.
        source: GitError,
        /// What to do.
        advice: &'static str,
    },
    /// A push had no answer, and nobody can say whether it arrived or will.
    #[error(transparent)]
    PushUnknown(Box<PushUnknown>),
    /// The person stopped it.
    #[error("{0}")]
    Interrupted(GitError),
    /// Others were faster each time.
    #[error("branch `{0}` was changed by others at each try; try again")]
    GaveUp(String),
    /// The commit could not be written or signed.
    #[error("the commit cannot be written: {0}")]
    Commit(#[from] CommitError),
}

/// An alias that is not there, where one is called nearly so.
#[derive(Debug, Clone, thiserror::Error)]
#[error("app `{app}` has no alias `{name}` on branch `{branch}`; {}; a new alias is a new file: write it to {file}, commit it and push it:\n{text}", instead_of_alias(app, there.iter().map(String::as_str), name.as_str()))]
pub struct NewAlias {
    /// The app.
    pub app: AppName,
    /// What was asked for.
    pub name: AliasName,
    /// The branch.
    pub branch: String,
    /// The aliases of the app.
    pub there: Vec<String>,
    /// A file for a new one.
    pub file: String,
    /// What may stand in that file.
    pub text: String,
}

/// Why a rollback cannot choose by itself.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}there is nothing that `{app}` can go back to by itself: {why}; {}", self.now(), self.advice())]
pub struct NothingStable {
    /// The app.
    pub app: AppName,
    /// The object, as it was named.
    pub object: Option<String>,
    /// What it asks for now, where nothing else is known to go back to.
    pub now: Vec<Part>,
    /// What was looked at, and what is not known.
    pub why: String,
    /// The version that is probably meant.
    pub guess: Option<VersionNumber>,
    /// The versions that one may go to.
    pub candidates: Candidates,
}

impl NothingStable {
    /// What stays as it is, where that is the answer.
    fn now(&self) -> String {
        if self.now.is_empty() {
            return String::new();
        }
        format!(
            "nothing was changed, `{}` stays at {}: ",
            self.app,
            listed(&self.now)
        )
    }

    /// Which versions there are, and a command: with a version where one is known to have had all of the traffic.
    fn advice(&self) -> String {
        if self.guess.is_none() && self.candidates.best().is_none() {
            return "no other version lives".to_owned();
        }
        let known = self
            .guess
            .or_else(|| self.candidates.stable.first().copied());
        let app = &self.app;
        let name = self.object.as_ref().map_or_else(String::new, |object| {
            format!(" --name {}", shlex::try_quote(object).unwrap_or_default())
        });
        let mut advice = Vec::new();
        let last = match known {
            Some(version) => {
                advice.push(format!(
                    "to go to {version}, run `cutwater rollback {app} {version}{name}`"
                ));
                None
            }
            None => Some(format!(
                "to go to one of them all the same: cutwater rollback {app} VERSION{name}"
            )),
        };
        let Candidates {
            stable,
            left,
            others,
        } = &self.candidates;
        for (what, versions) in [
            ("had all of the traffic before", stable),
            ("had all of the traffic, and were left for another", left),
            ("never had all of it, as far as is known", others),
        ] {
            let names = versions.iter().take(CANDIDATES_MAX);
            let mut names: Vec<String> = names.map(VersionNumber::to_string).collect();
            if let Some(more) = versions.len().checked_sub(CANDIDATES_MAX)
                && more > 0
            {
                names.push(format!("{more} more"));
            }
            if !names.is_empty() {
                advice.push(format!("{what}: {}", names.join(", ")));
            }
        }
        advice.extend(last);
        advice.join("; ")
    }
}

/// What somebody else made of the object at the same time.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{what} was changed at the same time{by} to {versions}; look at it, and say again what is to be served"
)]
pub struct ChangedMeanwhile {
    /// The object.
    pub what: String,
    /// Who, when, in which commit and why; nothing where that is not known.
    pub by: String,
    /// What it asks for now.
    pub versions: String,
}

/// A push of which is not known whether it arrived, or will.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{push}; {}; look whether it is there before anything is tried again{}", self.what(), if *goes_back { ": another rollback would go further back" } else { "" })]
pub struct PushUnknown {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: CommitId,
    /// How the push failed.
    pub push: GitError,
    /// Why it was not tried again, where that is not the push itself.
    pub why: Option<ReleaseError>,
    /// The remote was looked at after it.
    pub is_seen: bool,
    /// A rollback that chooses by itself where it goes.
    pub goes_back: bool,
}

impl PushUnknown {
    fn what(&self) -> String {
        let (commit, branch) = (self.commit.short(), &self.branch);
        let why = self.why.as_ref().map(ReleaseError::to_string);
        if self.is_seen {
            let why = why.map_or_else(String::new, |why| format!("; {why}"));
            return format!(
                "commit {commit} is not in branch `{branch}`, and the remote may take it yet{why}"
            );
        }
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        format!(
            "whether commit {commit} arrived in branch `{branch}` is not known, because the remote cannot be looked at{why}"
        )
    }
}

/// `v7 90%, v8 10%`
pub(super) fn listed(parts: &[Part]) -> String {
    crate::words::listed(parts.iter().map(|part| (part.version, part.percentage)))
}
