//! Why a command failed, in one word that stays the same, and whether trying again can help: for pipelines, which cannot read a
//! message.
//!
//! Each error that a command may end with is matched here without a rest: a new variant does not compile before it has both.

use std::error::Error;

use schemars::JsonSchema;
use serde::Serialize;

use crate::forge::{ForgeError, PlaceError};
use crate::git::{GitError, GitErrorKind, UrlError};
use crate::releasing::ReleaseError;
use crate::store::{
    BeginError, CommitError, ContentError, ImportError, LabelError, PublishError, ResolveError,
    StoreError,
};
use crate::users::DeleteError;
use crate::view::{AskError, FollowsError};

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Class {
    /// The same command may succeed later: the network, a server, or somebody who was faster.
    Retry,
    /// What was asked for is done, and is not served yet.
    Wait,
    /// Somebody has to change something first.
    Fix,
}

/// Why, and what helps.
pub(super) type Cause = (&'static str, Class);

/// What is refused for a reason that has no word of its own.
pub(super) const REFUSED: Cause = ("Refused", Class::Fix);
/// The command line asks for something that cannot be.
pub(super) const USAGE: Cause = ("Usage", Class::Fix);
/// A merge would bring what can never work.
pub(super) const CANNOT_WORK: Cause = ("CannotWork", Class::Fix);
/// A later change took its place before it was seen to be served.
pub(super) const REPLACED: Cause = ("Replaced", Class::Fix);
/// It is not served yet.
pub(super) const NOT_SERVED: Cause = ("NotServed", Class::Wait);

/// The cause of an error.
pub(super) fn of(error: &(dyn Error + 'static)) -> Cause {
    let found = (error.downcast_ref().map(store))
        .or_else(|| error.downcast_ref().map(resolve))
        .or_else(|| error.downcast_ref().map(publish))
        .or_else(|| error.downcast_ref().map(label))
        .or_else(|| error.downcast_ref().map(commit))
        .or_else(|| error.downcast_ref().map(content))
        .or_else(|| error.downcast_ref().map(delete))
        .or_else(|| error.downcast_ref().map(release))
        .or_else(|| error.downcast_ref().map(import))
        .or_else(|| error.downcast_ref().map(forge))
        .or_else(|| error.downcast_ref().map(begin))
        .or_else(|| error.downcast_ref().map(git))
        .or_else(|| error.downcast_ref().map(ask))
        .or_else(|| error.downcast_ref().map(follows));
    found.unwrap_or(REFUSED)
}

fn fix(reason: &'static str) -> Cause {
    (reason, Class::Fix)
}

fn retry(reason: &'static str) -> Cause {
    (reason, Class::Retry)
}

fn git(error: &GitError) -> Cause {
    match error.kind {
        GitErrorKind::NoGit => fix("NoGit"),
        GitErrorKind::TimedOut | GitErrorKind::TakesLong | GitErrorKind::Unfinished => {
            retry("TimedOut")
        }
        // It may have been done before it was stopped.
        GitErrorKind::Interrupted | GitErrorKind::NotBegun | GitErrorKind::Unsettled => {
            fix("Interrupted")
        }
        GitErrorKind::Authentication | GitErrorKind::Key | GitErrorKind::Forbidden => {
            fix("CredentialsRefused")
        }
        GitErrorKind::NotARepository => fix("NotARepository"),
        GitErrorKind::Certificate | GitErrorKind::HostKey => fix("ServerNotTrusted"),
        GitErrorKind::MissingRef => fix("BranchNotFound"),
        GitErrorKind::Refused | GitErrorKind::Protected | GitErrorKind::InTheWay => {
            fix("PushRefused")
        }
        GitErrorKind::Full => fix("NoRoom"),
        GitErrorKind::Shallow => fix("CloneShallow"),
        GitErrorKind::NotAtomic
        | GitErrorKind::ObjectFormat
        | GitErrorKind::SignedPush
        | GitErrorKind::Mirror => fix("NotSupported"),
        GitErrorKind::Locked => retry("RepositoryLocked"),
        GitErrorKind::Moved => retry("Raced"),
        GitErrorKind::NotWritable => fix("NotWritable"),
        GitErrorKind::Redirected => fix("RepositoryMoved"),
        GitErrorKind::Proxy => fix("ProxyRefused"),
        GitErrorKind::Away
        | GitErrorKind::UnknownHost
        | GitErrorKind::Server
        | GitErrorKind::Unreachable => retry("RepositoryUnreachable"),
    }
}

fn store(error: &StoreError) -> Cause {
    match error {
        StoreError::Url(_) => fix("RepositoryNotAllowed"),
        StoreError::Git { source, .. } => git(source),
        StoreError::BranchNotFound { .. } => fix("BranchNotFound"),
        StoreError::Settings(_) => fix("InvalidSettings"),
        StoreError::Local { .. } => fix("CloneUnusable"),
    }
}

fn resolve(error: &ResolveError) -> Cause {
    // The words of conditions, which are the same for the same thing.
    fix(error.reason().as_str())
}

fn commit(error: &CommitError) -> Cause {
    match error {
        CommitError::Store(source) => store(source),
        CommitError::Author(_) => fix("AuthorUnknown"),
        CommitError::Signing { .. } => fix("NotSigned"),
    }
}

fn publish(error: &PublishError) -> Cause {
    match error {
        // Content that is there already gets no second number.
        PublishError::Store(source) | PublishError::Unseen { source, .. } => store(source),
        PublishError::App(_) => fix("InvalidApp"),
        PublishError::Snapshot { .. } => fix("InvalidSnapshot"),
        PublishError::Request { .. } => fix("InvalidRequest"),
        PublishError::Label(source) => label(source),
        PublishError::Commit(source) => commit(source),
        PublishError::Refused(source) | PublishError::Interrupted(source) => git(source),
        PublishError::Landed { source, .. } => publish(source),
        PublishError::Unbacked { .. } => fix("NumbersUnknown"),
        PublishError::TooManyRaces { .. } => retry("Raced"),
    }
}

fn label(error: &LabelError) -> Cause {
    match error {
        LabelError::Store(source) | LabelError::Unseen { source, .. } => store(source),
        LabelError::Resolve(source) => resolve(source),
        LabelError::Taken { .. } | LabelError::Elsewhere { .. } => fix("LabelTaken"),
        LabelError::Foreign { .. } => fix("VersionForeign"),
        LabelError::Misleads { .. } | LabelError::Twin { .. } => fix("InvalidLabel"),
        LabelError::Gone { .. } => fix("VersionNotFound"),
        LabelError::TooManyRaces { .. } => retry("Raced"),
        LabelError::Refused(source) | LabelError::Interrupted(source) => git(source),
    }
}

fn content(error: &ContentError) -> Cause {
    match error {
        ContentError::Store(source) => store(source),
        ContentError::Snapshot { .. } | ContentError::AppFile { .. } => fix("SnapshotUnreadable"),
        ContentError::App { .. } => fix("InvalidApp"),
        ContentError::NoDirectory { .. } | ContentError::NoPath { .. } => fix("PathNotFound"),
        ContentError::TooLarge(..) => fix("TooLarge"),
        ContentError::Write { .. } => fix("NotWritable"),
    }
}

fn delete(error: &DeleteError) -> Cause {
    match error {
        DeleteError::Store(source) => store(source),
        DeleteError::Unknown { .. } => fix("UsersUnknown"),
        DeleteError::Running(_) => fix("VersionInUse"),
        DeleteError::Commit(source) => commit(source),
    }
}

fn release(error: &ReleaseError) -> Cause {
    match error {
        ReleaseError::Store(source) => store(source),
        ReleaseError::Resolve(source) => resolve(source),
        ReleaseError::Split(_) | ReleaseError::Turned { .. } => fix("InvalidSplit"),
        ReleaseError::Edit(_) | ReleaseError::Unreadable { .. } => fix("ReleaseUnreadable"),
        ReleaseError::Twice { .. } => fix("VersionTwice"),
        ReleaseError::NoBranch { .. } => fix("BranchNotFound"),
        ReleaseError::NotThere { .. }
        | ReleaseError::Unpushed { .. }
        | ReleaseError::NewAlias(_)
        | ReleaseError::Gone { .. }
        | ReleaseError::NoApp { .. }
        | ReleaseError::NoAlias { .. } => fix("ReleaseNotFound"),
        ReleaseError::OtherApp { .. } => fix("AppTaken"),
        ReleaseError::Unreachable { .. } => fix("FunctionNotFound"),
        ReleaseError::WhichOne { .. }
        | ReleaseError::Twins { .. }
        | ReleaseError::Rivals { .. } => fix("ReleaseAmbiguous"),
        ReleaseError::NothingStable(_) => fix("NothingToRollBackTo"),
        ReleaseError::Branch { .. } => fix("InvalidBranch"),
        // It may be there, or come yet, and a second rollback would go further back.
        ReleaseError::PushUnknown(_) => fix("PushUnknown"),
        // Again and again, and nobody is seen who was faster: pushes lead to another repository than fetches, or what is fetched is old.
        ReleaseError::Refused { source, .. } if source.kind == GitErrorKind::Moved => {
            fix("PushRefused")
        }
        ReleaseError::Refused { source, .. } | ReleaseError::Interrupted(source) => git(source),
        // Decided anew, a rollback would go further back, and a deploy would take back what somebody else has just done.
        ReleaseError::ChangedMeanwhile(_) => fix("ChangedMeanwhile"),
        ReleaseError::GaveUp(_) => retry("Raced"),
        ReleaseError::Commit(source) => commit(source),
    }
}

fn forge(error: &ForgeError) -> Cause {
    match error {
        ForgeError::Place(source) => match source {
            PlaceError::NoForge { .. }
            | PlaceError::Unknown { .. }
            | PlaceError::NoRepository { .. }
            | PlaceError::ApiElsewhere { .. }
            | PlaceError::Unencrypted { .. }
            | PlaceError::OwnApi(_) => fix("ForgeUnknown"),
        },
        ForgeError::NoToken(_) | ForgeError::NotAToken(_) => fix("TokenMissing"),
        // The branch is there, so the same command again makes a second one: the hints say how to go on.
        ForgeError::Refused(refusal) if refusal.may_pass() => fix("ForgeUnreachable"),
        ForgeError::Refused(refusal) if refusal.is_of_token() => fix("CredentialsRefused"),
        ForgeError::Refused(_) | ForgeError::Garbage { .. } => fix("PullRequestRefused"),
        ForgeError::Unreachable { .. } | ForgeError::Silent { .. } => fix("ForgeUnreachable"),
        ForgeError::Untrusted { .. } => fix("ServerNotTrusted"),
        ForgeError::Client(_) => fix("NotSupported"),
        ForgeError::Interrupted => fix("Interrupted"),
    }
}

fn import(error: &ImportError) -> Cause {
    match error {
        ImportError::Store(source) | ImportError::Unseen { source, .. } => store(source),
        ImportError::Origin(_) => fix("NotARepository"),
        ImportError::Address(source) => match source {
            UrlError::Form(_) | UrlError::Local(_) | UrlError::Query(_) | UrlError::Password(_) => {
                fix("RepositoryNotAllowed")
            }
        },
        ImportError::Password(_) => fix("RepositoryNotAllowed"),
        ImportError::Nothing { .. } => fix("VersionNotFound"),
        ImportError::TooManyTags(_) => fix("TooLarge"),
        ImportError::Refused { .. } => fix("PushRefused"),
        ImportError::Interrupted { .. } => fix("Interrupted"),
        // Whoever took it keeps it.
        ImportError::Raced { .. } => fix("NumberTaken"),
    }
}

fn begin(error: &BeginError) -> Cause {
    match error {
        BeginError::Inside { .. } | BeginError::Bare(_) => fix("CloneUnusable"),
        BeginError::Taken { .. } => fix("NameTaken"),
        BeginError::Failed { .. } => fix("NotWritable"),
    }
}

fn ask(error: &AskError) -> Cause {
    match error {
        AskError::Silent { .. } | AskError::Late { .. } => retry("ServerUnreachable"),
        AskError::Other { .. } => fix("ServerForeign"),
    }
}

fn follows(error: &FollowsError) -> Cause {
    match error {
        FollowsError::Elsewhere { .. } => fix("ServerForeign"),
        FollowsError::Store(source) => store(source),
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::Failure;
    use super::*;
    use crate::git::Caller;
    use crate::releasing::ChangedMeanwhile;
    use crate::words::VersionWord;

    #[test]
    fn an_error_has_one_word_and_a_class_whatever_it_is_wrapped_in() {
        let word: VersionWord = "v9".parse().unwrap();
        let missing = || ResolveError::UnknownVersion {
            app: "shop".parse().unwrap(),
            word: word.clone(),
            near: Vec::new(),
        };
        let away = StoreError::BranchNotFound {
            branch: "main".to_owned(),
            url: "/srv/shop.git".to_owned(),
        };
        let raced = PublishError::TooManyRaces { tries: 3 };
        let full = std::io::Error::other("no space");
        let refused = |kind| ReleaseError::Refused {
            branch: "main".to_owned(),
            source: GitError {
                kind,
                caller: Caller::Person,
                message: String::new(),
            },
            advice: "",
        };
        let moved = ReleaseError::ChangedMeanwhile(Box::new(ChangedMeanwhile {
            what: "Deployment `checkout`".to_owned(),
            by: String::new(),
            versions: "v7 100%".to_owned(),
        }));
        for (failure, cause) in [
            (Failure::from(missing()), fix("VersionNotFound")),
            (
                Failure::from(ReleaseError::from(missing())),
                fix("VersionNotFound"),
            ),
            (
                Failure::from(LabelError::from(missing())),
                fix("VersionNotFound"),
            ),
            (
                Failure::from(PublishError::from(away)),
                fix("BranchNotFound"),
            ),
            (Failure::from(raced), retry("Raced")),
            (
                Failure::from(ReleaseError::GaveUp("main".to_owned())),
                retry("Raced"),
            ),
            // A second try would do another thing.
            (Failure::from(moved), fix("ChangedMeanwhile")),
            (
                Failure::from(refused(GitErrorKind::Locked)),
                retry("RepositoryLocked"),
            ),
            (
                Failure::from(refused(GitErrorKind::Moved)),
                fix("PushRefused"),
            ),
            (Failure::from(full), REFUSED),
            (Failure::usage("what"), USAGE),
            (Failure::new("no"), REFUSED),
        ] {
            assert_eq!(failure.cause, cause, "{failure:?}");
        }
    }
}
