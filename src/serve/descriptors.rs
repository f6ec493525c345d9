//! How many files this process may have open: connections are files, and so are pipes to programs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit as it was given, and as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// What programs are started with: one that was made for few files may go wrong with many.
    pub(super) given: u64,
    pub(super) now: u64,
}

/// Raises the limit as far as this process may.
pub(super) fn raise() -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let given = current.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => given,
    };
    Descriptors { given, now }
}
