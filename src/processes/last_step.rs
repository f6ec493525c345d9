//! The last step between the guard and a program: this process binds itself to the guard and becomes the program.
//!
//! It puts the values of variables into the command. What it says of a command that cannot be started has the words as they were
//! written: a value may be secret.
//!
//! It is a process, and not code between fork and exec, because that takes no unsafe code.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[cfg(target_os = "linux")]
use rustix::io::Errno;
use rustix::process::{self as system, Pid, Resource, Rlimit};

use super::expand::expand;
use super::guard::{NOT_STARTED, Order, complain, give_up};
use super::scarce::is_lack;

/// Becomes the program, which ends with its guard, however that ends, and gains no rights by what it executes. Returns only where
/// that cannot be: the exit code.
#[must_use]
pub fn run(order: &Order, guard: u32) -> u8 {
    let program = &order.program;
    #[cfg(target_os = "linux")]
    if let Err(problem) = bind(guard) {
        complain(&format!("cannot start `{program}`: {problem}"));
        return NOT_STARTED;
    }
    if let Some(files) = order.files {
        let limit = system::getrlimit(Resource::Nofile);
        let limit = Rlimit {
            current: Some(files),
            ..limit
        };
        if let Err(error) = system::setrlimit(Resource::Nofile, limit) {
            complain(&format!("cannot set how many files may be open: {error}"));
        }
    }
    let values: BTreeMap<&str, String> = (order.known.iter())
        .filter_map(|name| Some((name.as_str(), std::env::var(name).ok()?)))
        .collect();
    let filled = |word: &String| expand(word, |name| values.get(name).map(String::as_str));
    let error = Command::new(filled(program))
        .args(order.args.iter().map(filled))
        .exec();
    complain(&format!("cannot start `{program}`: {error}"));
    let guard = i32::try_from(guard).ok().and_then(Pid::from_raw);
    if let Some(guard) = guard.filter(|_| is_lack(&error)) {
        // It would take an exit code for the program's. This process ends with it.
        give_up(guard);
    }
    NOT_STARTED
}

/// Why a process is not bound to its guard.
#[cfg(target_os = "linux")]
#[derive(Debug, thiserror::Error)]
enum BindError {
    /// It would not end with it.
    #[error("it would outlive its guard: {0}")]
    Signal(Errno),
    /// It has ended already.
    #[error("its guard is gone")]
    Gone,
    /// The program could be more than its guard may.
    #[error("it could gain rights: {0}")]
    Rights(Errno),
}

#[cfg(target_os = "linux")]
fn bind(guard: u32) -> Result<(), BindError> {
    system::set_parent_process_death_signal(Some(system::Signal::KILL))
        .map_err(BindError::Signal)?;
    // A guard that ended before that tells nobody.
    let parent = system::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(guard) {
        return Err(BindError::Gone);
    }
    rustix::thread::set_no_new_privs(true).map_err(BindError::Rights)
}
