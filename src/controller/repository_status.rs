//! The status of a Repository: made from what a fetch led to, and from what was synced of it.
//!
//! Pure but for the clock. Writing it is [`super::report`].

use super::fetched::Fetch;
use super::sync::Told;
use crate::api::condition::{self, Say, State};
use crate::api::{Class, Reason, Repository, RepositoryStatus, Type};
use crate::words::CommitId;

/// The status as it should stand after a fetch, and after what was synced of it.
pub(super) fn repository_status(
    repository: &Repository,
    before: &RepositoryStatus,
    fetch: &Fetch,
    told: &Told,
) -> RepositoryStatus {
    let now = jiff::Timestamp::now();
    let generation = repository.metadata.generation;
    let mut status = before.clone();
    status.observed_generation = generation;
    status.sync.clone_from(&told.sync);
    status.synced = told.synced.as_ref().map(ToString::to_string);
    match &told.say {
        Some(say) => condition::set(&mut status.conditions, say, generation, now),
        None => condition::unset(&mut status.conditions, Type::Synced),
    };
    match (&fetch.branch, &fetch.head) {
        (Some((head, _)), _) => status.head = Some(head.to_string()),
        (None, Ok(head)) => status.head = head.as_ref().map(CommitId::to_string),
        (None, Err(_)) => {}
    }
    let fault = told.say.as_ref().filter(|_| told.is_at_fault());
    let says = match (&fetch.head, fault) {
        (Err((reason, message)), _) => failing(*reason, message),
        (Ok(_), Some(fault)) => failing(fault.reason, &fault.message),
        // What came of it before stands until the rest is there, or has failed.
        (Ok(_), None) if fetch.filling.is_some() && !was_at_fault(before) => {
            let ready = condition::find(&before.conditions, Type::Ready);
            // What was true of another address says nothing of this one.
            if ready.is_some_and(|ready| ready.observed_generation == generation) {
                return status;
            }
            filling()
        }
        (Ok(_), None) => [
            Say::new(
                Type::Ready,
                true,
                Reason::Succeeded,
                "the repository can be read",
            ),
            Say::new(
                Type::Reconciling,
                false,
                Reason::Succeeded,
                "nothing is under way",
            ),
            Say::new(
                Type::Stalled,
                false,
                Reason::Succeeded,
                "nothing is in the way",
            ),
        ],
    };
    for say in &says {
        condition::set(&mut status.conditions, say, generation, now);
    }
    status
}

/// True where a Repository was not ready because of what was synced of it.
fn was_at_fault(before: &RepositoryStatus) -> bool {
    let find = |type_: Type| condition::find(&before.conditions, type_);
    let (ready, synced) = (find(Type::Ready), find(Type::Synced));
    ready.zip(synced).is_some_and(|(ready, synced)| {
        ready.status == "False"
            && (&ready.reason, &ready.message) == (&synced.reason, &synced.message)
    })
}

/// What is said of a Repository that is read for the first time, of which versions take long.
fn filling() -> [Say; 3] {
    let reason = Reason::Progressing;
    let what = "the branch is read, and versions are still being fetched";
    [
        Say::new(Type::Ready, State::Unknown, reason, what),
        Say::new(Type::Reconciling, true, reason, what),
        Say::new(Type::Stalled, false, reason, "nothing is in the way"),
    ]
}

/// What is said of a Repository that cannot be read, or not be synced.
fn failing(reason: Reason, message: &str) -> [Say; 3] {
    let stuck = reason.class() == Class::Stalled;
    [
        Say::new(Type::Ready, false, reason, message),
        Say::new(Type::Reconciling, !stuck, reason, "it is tried again"),
        Say::new(Type::Stalled, stuck, reason, message),
    ]
}
