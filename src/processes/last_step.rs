//! The last step between the guard and a program: this process binds itself to the guard and becomes the program.
//!
//! It is a process, and not code between fork and exec, because that takes no unsafe code.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{self as system, Pid, Resource, Rlimit};

use super::guard::{NOT_STARTED, complain, give_up};
use super::scarce::is_lack;

/// Becomes `program`, which ends with its guard, however that ends, and gains no rights by what it executes. It may have so many
/// `files` open, if it asks for no more. Returns only where that cannot be: the exit code.
#[must_use]
pub fn run(program: &str, args: &[String], files: Option<u64>, guard: u32) -> u8 {
    #[cfg(target_os = "linux")]
    if let Err(problem) = bind(guard) {
        complain(&format!("cannot start `{program}`: {problem}"));
        return NOT_STARTED;
    }
    if let Some(files) = files {
        let limit = system::getrlimit(Resource::Nofile);
        let limit = Rlimit {
            current: Some(files),
            ..limit
        };
        if let Err(error) = system::setrlimit(Resource::Nofile, limit) {
            complain(&format!("cannot set how many files may be open: {error}"));
        }
    }
    let error = Command::new(program).args(args).exec();
    complain(&format!("cannot start `{program}`: {error}"));
    let guard = i32::try_from(guard).ok().and_then(Pid::from_raw);
    if let Some(guard) = guard.filter(|_| is_lack(&error)) {
        // It would take an exit code for the program's. This process ends with it.
        give_up(guard);
    }
    NOT_STARTED
}

#[cfg(target_os = "linux")]
fn bind(guard: u32) -> Result<(), String> {
    system::set_parent_process_death_signal(Some(system::Signal::KILL))
        .map_err(|error| format!("it would outlive its guard: {error}"))?;
    // A guard that ended before that tells nobody.
    let parent = system::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(guard) {
        return Err("its guard is gone".to_owned());
    }
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("it could gain rights: {error}"))
}
