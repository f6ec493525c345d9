//! The status of a Repository: made from what a fetch led to, and from what was synced of it.
//!
//! Pure but for the clock. Writing it is [`super::report`].

use super::repositories::Fetch;
use super::sync::Told;
use crate::api::condition::{self, Say};
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
    let fault = told.say.as_ref().filter(|_| told.is_at_fault());
    let says = match &fetch.head {
        Ok(head) => {
            status.head = head.as_ref().map(CommitId::to_string);
            match fault {
                Some(fault) => failing(fault.reason, &fault.message),
                None => [
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
            }
        }
        Err((reason, message)) => failing(*reason, message),
    };
    for say in &says {
        condition::set(&mut status.conditions, say, generation, now);
    }
    status
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
