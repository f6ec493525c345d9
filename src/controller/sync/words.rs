//! What people are told of sync: sentences for the status of a Repository and for events.
//!
//! Pure.

use super::decide::Why;
use super::desired::Desired;
use super::judged::Stands;
use crate::api::{Reason, annotation};
use crate::branch::{self, Problem};
use crate::plan::Owner;
use crate::words::CommitId;

/// The commit of the branch, of which a person may say that it counts.
pub(super) struct Head<'a> {
    pub(super) commit: &'a CommitId,
    /// Name of the Repository.
    pub(super) name: &'a str,
    /// That was said of it before, and counts once.
    pub(super) is_heard: bool,
}

impl Head<'_> {
    /// How a person says that it counts.
    pub(super) fn release(&self) -> String {
        let Self { commit, name, .. } = self;
        let key = annotation::PRUNE;
        let say = format!("kubectl annotate --overwrite cwr {name} {key}={commit}");
        if self.is_heard {
            // The same annotation would be no news.
            format!("kubectl annotate cwr {name} {key}- , and after the next fetch: {say}")
        } else {
            say
        }
    }
}

/// What is said of a commit that changes nothing, and why in one word.
pub(super) fn stands(stands: &Stands, head: &Head<'_>) -> (Reason, String) {
    let short = head.commit.short();
    match stands {
        Stands::Rewritten(before) => (
            Reason::HistoryRewritten,
            format!(
                "history was rewritten: commit {short} of the branch does not follow {}, which was synced before; nothing changes until it does, or until you say that it counts: {}",
                before.short(),
                head.release()
            ),
        ),
        Stands::WentBack(before) => (
            Reason::BranchWentBack,
            format!(
                "the branch is at commit {short}, which is before {}, which was synced; nothing changes: where nobody moved the branch, this repository is a copy that lags behind; where it was moved back on purpose: {}",
                before.short(),
                head.release()
            ),
        ),
        Stands::Unknown(before) if before.is_zero() => (
            Reason::HistoryUnknown,
            format!(
                "which commit was synced before is not known, so whether commit {short} follows it cannot be told; nothing changes until you say that it counts: {}",
                head.release()
            ),
        ),
        Stands::Unknown(before) => (
            Reason::HistoryUnknown,
            format!(
                "whether commit {short} of the branch follows {}, which was synced before, cannot be told: that one is not in the repository, or a commit in between cannot be read; nothing changes until it can, or until you say that it counts: {}",
                before.short(),
                head.release()
            ),
        ),
        Stands::Unreadable(problems) => (
            Reason::ReleasesInvalid,
            format!(
                "{}; commit {short} does not count until that is mended, and what was applied before stays",
                problems.join("\n")
            ),
        ),
    }
}

/// What is said of a problem of a commit.
pub(super) fn problem(problem: &Problem) -> String {
    match problem {
        Problem::Unreadable(_)
        | Problem::Astray { .. }
        | Problem::Changed { .. }
        | Problem::Emptied { .. }
        | Problem::AsBefore { .. } => problem.slip().unwrap_or_default(),
        Problem::Refused { problem, .. } => problem.clone(),
        Problem::Nothing {
            commit,
            folder,
            is_there,
            others,
        } => {
            let what = if *is_there {
                format!("`{folder}` holds no Deployment and no Alias")
            } else {
                format!("there is no folder `{folder}`")
            };
            let others: Vec<String> = others.iter().map(|it| format!("`{it}`")).collect();
            let hint = if others.is_empty() {
                String::new()
            } else {
                format!(
                    "; releases stand in {}: name one in spec.releases",
                    others.join(", ")
                )
            };
            format!("{what} in commit {}{hint}", commit.short())
        }
        Problem::Second {
            file,
            line,
            kind,
            name,
            app,
            first: (first, first_line),
        } => format!(
            "{file}:{line}: {kind:?} `{name}` of `{app}` is the second one, after {first}:{first_line}; an app has one Deployment in a namespace, and a name means one object: keep one"
        ),
        Problem::Kept {
            why,
            owners,
            commit,
        } => {
            let why = match why {
                branch::Why::Empty { folder, commit } => {
                    format!("{folder} in commit {}", commit.short())
                }
                branch::Why::Rewritten { before } => {
                    format!(
                        "commit {} does not follow {}",
                        commit.short(),
                        before.short()
                    )
                }
                branch::Why::Unknown { before } if before.is_zero() => {
                    "what was synced before is not known, of another address, branch or path"
                        .to_owned()
                }
                branch::Why::Unknown { before } => {
                    format!(
                        "commit {}, which counted before, cannot be read",
                        before.short()
                    )
                }
            };
            format!("{why}, so what was there stays: {}", listed(owners))
        }
    }
}

/// What is said of annotations of this program in a file; nothing where there are none.
pub(super) fn reserved(desired: &Desired) -> Option<String> {
    let keys = desired.reserved.join(", ");
    (!keys.is_empty()).then(|| {
        format!(
            "{}: {} is written by the controller, or set with kubectl, and is left out of what is applied; remove it from the file",
            desired.at, keys
        )
    })
}

/// Why an object that the commit does not have goes on, and what to do.
pub(super) fn kept(why: &branch::Why, head: &Head<'_>) -> String {
    if matches!(why, branch::Why::Empty { .. }) {
        return self::why(&Why::Empty, head);
    }
    format!(
        "it was there before what counts now did, and no commit has had it since; put it into a file, or, to remove it: {}",
        head.release()
    )
}

/// Why an object stays as it is, and what to do.
pub(super) fn why(why: &Why, head: &Head<'_>) -> String {
    let release = || head.release();
    match why {
        Why::Paused => format!(
            "paused by the annotation {}={}; it is left as it is until you take that off",
            annotation::SYNC,
            annotation::PAUSED
        ),
        Why::Leaving => "it is being deleted, and is made again once it is gone".to_owned(),
        Why::Absent(before) => format!(
            "it is not there, and may have been removed before: whether commit {} follows {}, which was synced of another address, branch or path, is not known; to make it: {}",
            head.commit.short(),
            before.short(),
            release()
        ),
        Why::OfAnother(app, repository) => format!(
            "there is one of that name already, of app `{app}` and Repository `{repository}`, which never change; name the one in the file otherwise, or remove the one that is there"
        ),
        Why::Taken(Some(other)) => format!(
            "Repository `{other}` of this namespace synced it first and keeps it; remove it from one of the two"
        ),
        Why::Taken(None) => {
            "it was synced by another Repository, and one of this namespace cannot be read; mend that one first".to_owned()
        }
        Why::Newer(of) => format!(
            "it is as of commit {}, which came after the one that wants it otherwise; to go back all the same: {}",
            of.short(),
            release()
        ),
        Why::Rewritten(of) => format!(
            "it is as of commit {}, which commit {} does not follow; to take the new one: {}",
            of.short(),
            head.commit.short(),
            release()
        ),
        Why::Unknown(Some(of)) if of == head.commit => format!(
            "it is as of this very commit, which does not have it; to remove it: {}",
            release()
        ),
        Why::Unknown(Some(of)) => format!(
            "it is as of commit {}, and whether commit {} follows that cannot be told; to take the new one: {}",
            of.short(),
            head.commit.short(),
            release()
        ),
        Why::Unknown(None) => format!(
            "the commit as of which it is cannot be read from its annotation; to take what the branch has: {}",
            release()
        ),
        Why::Empty => format!(
            "the branch has nothing at the path any more, which may be a slip; to remove it: {}",
            release()
        ),
        Why::Elsewhere(file) => format!(
            "it stood in `{file}`, which is not below spec.releases now, so no commit deleted it; to remove it: {}",
            release()
        ),
        Why::Recalled => {
            "the commit does not have it, and it stays until what is wrong in the files is mended".to_owned()
        }
        Why::Obscure => format!(
            "it cannot be read, so whether it was held before is not known; to remove it: {}",
            release()
        ),
        Why::Before(owner) => format!(
            "it is removed once {owner}, of the same app, is as the commit has it"
        ),
        Why::Moves(other) => format!(
            "Repository `{other}` of this namespace has it, and takes it over; remove it there to have it removed"
        ),
        Why::Suspended(other) => format!(
            "Repository `{other}` of this namespace has it, and is suspended; set spec.suspend of that one to false to have it taken over, or remove it there to have it removed"
        ),
        Why::Unread(other, why) => format!(
            "Repository `{other}` of this namespace, {why}, may have it; it is removed after that; to remove it before: {}",
            release()
        ),
        Why::Otherwise(fields) => otherwise(fields),
        Why::Gone => {
            "it would stay as it was, because of what is wrong in the files or in what counted before, and it was deleted; it is made again once a commit has it".to_owned()
        }
        Why::Orphan { is_below: true } => format!(
            "a Repository that is gone synced it, and the commit does not have it; to remove it: {}",
            release()
        ),
        Why::Orphan { is_below: false } => {
            "a Repository that is gone synced it, and the commit does not have it; remove it with kubectl delete, or put it into a file"
                .to_owned()
        }
        Why::Old(failing) => format!("it is removed once the cluster can be seen again: {failing}"),
    }
}

/// What an object that stays means for the whole; nothing where it is as somebody wishes.
pub(super) fn reason(why: &Why) -> Option<Reason> {
    match why {
        Why::Paused | Why::Gone | Why::Orphan { .. } => None,
        Why::Leaving | Why::Old(_) | Why::Moves(_) | Why::Unread(..) => Some(Reason::Progressing),
        Why::Taken(_) | Why::OfAnother(..) => Some(Reason::NameTaken),
        Why::Otherwise(_) => Some(Reason::ApiServerRefused),
        Why::Newer(_) | Why::Rewritten(_) => Some(Reason::HistoryRewritten),
        Why::Unknown(_) | Why::Absent(_) => Some(Reason::HistoryUnknown),
        Why::Empty | Why::Elsewhere(_) | Why::Obscure | Why::Before(_) | Why::Suspended(_) => {
            Some(Reason::PruneHeld)
        }
        Why::Recalled => Some(Reason::ReleasesInvalid),
    }
}

/// What is said of fields that the API server keeps otherwise than they are written.
pub(super) fn otherwise(fields: &[String]) -> String {
    format!(
        "the API server keeps {} otherwise than the commit has it, as an admission webhook does: change the file, or have the webhook leave it",
        fields.join(", ")
    )
}

/// What is said of fields that were changed by hand, and are as a commit has them again, or as a new one has them.
pub(super) fn put_back(fields: &[String], desired: &Desired, is_new: bool) -> String {
    let (again, new) = if is_new {
        ("", "the new ")
    } else {
        (" again", "")
    };
    format!(
        "{} was changed by hand and is as {} of {new}commit {} has it{again}; to hold it as it is, annotate it with {}={}",
        fields.join(", "),
        desired.at,
        desired.commit.short(),
        annotation::SYNC,
        annotation::PAUSED
    )
}

/// Objects in a row, and how many more there are.
pub(super) fn listed<'a>(owners: impl IntoIterator<Item = &'a Owner>) -> String {
    const MOST: usize = 10;
    let owners: Vec<String> = owners.into_iter().map(ToString::to_string).collect();
    let shown = owners[..owners.len().min(MOST)].join(", ");
    match owners.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
