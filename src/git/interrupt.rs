//! Ctrl-C and SIGTERM while a push goes on, or what is done after it, and what ends a call whose program is gone.
//!
//! A push is ended with all that it started, and the refs are looked at once: whoever stops something has to know whether it
//! was stopped. So is a look at the remote between two pushes, and what was pushed is told by what is known. Before the first push
//! both signals do what they always do. A second signal ends the program at once.
//! SIGKILL asks nobody, so a second process of this program stands beside each push ([`watch`]) and ends it when its pipe does.
//! A server ends at a signal whatever git does, so all its calls to a remote have that process beside them.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_default};

use super::error::Caller;

/// How long what is asked to end may take to remove its locks.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether a process group has ended.
const BREATH: Duration = Duration::from_millis(10);

/// This program's own file and the words that make it the process beside a call.
static WATCHER: OnceLock<(PathBuf, Vec<String>)> = OnceLock::new();
static SIGNALS: OnceLock<Signals> = OnceLock::new();

struct Signals {
    /// No shield is up: a signal does what it always does.
    idle: Arc<AtomicBool>,
    /// A signal came while one was.
    came: Arc<AtomicBool>,
    /// How many are up, one within the other.
    up: Mutex<usize>,
}

/// Says which program, with which words, calls [`watch`]. Pushes of this process, and all that a server asks of a remote, are then
/// ended also where it is killed.
pub fn watch_pushes_with(program: PathBuf, words: Vec<String>) {
    // The first word counts.
    drop(WATCHER.set((program, words)));
}

/// True where a signal came for a push, or for what is done after it.
#[must_use]
pub fn was_interrupted() -> bool {
    let came = |signals: &Signals| signals.came.load(Ordering::SeqCst);
    SIGNALS.get().is_some_and(came)
}

/// A push that goes on, or what is done after it: signals end that, and not this program. A second one ends the program. Whoever pushes
/// again, or asks the remote what became of it, holds one from the first push on; each push has its own within.
pub struct Shield(());

impl Shield {
    /// From now on, until it is dropped.
    #[must_use]
    pub fn raise() -> Self {
        let signals = SIGNALS.get_or_init(|| {
            let signals = Signals {
                idle: Arc::new(AtomicBool::new(true)),
                came: Arc::new(AtomicBool::new(false)),
                up: Mutex::new(0),
            };
            for signal in [SIGINT, SIGTERM] {
                // In this order: the second signal finds that one came. Where one cannot be caught, it ends the program.
                for end in [&signals.idle, &signals.came] {
                    drop(register_conditional_default(signal, Arc::clone(end)));
                }
                drop(register(signal, Arc::clone(&signals.came)));
            }
            signals
        });
        let mut up = signals.up.lock();
        *up += 1;
        signals.idle.store(false, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        if let Some(signals) = SIGNALS.get() {
            let mut up = signals.up.lock();
            *up -= 1;
            signals.idle.store(*up == 0, Ordering::SeqCst);
        }
    }
}

/// What a call is for, as far as signals go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// What is done on this machine, and all that another program than a person's does.
    Here,
    /// A person's look at a remote: behind a [`Shield`], a signal that comes while it goes on ends it.
    Look,
    /// A person's push: a signal ends it, and so does the end of this program.
    Push,
    /// A person's push that puts right an earlier one: a signal that came does not keep it back, and the end of this program ends it.
    Mend,
}

impl Aim {
    /// That of a call which asks a remote. `mends` is true where what it pushes puts right an earlier push.
    pub(super) fn at_a_remote(caller: Caller, mends: bool, args: &[OsString]) -> Self {
        match caller {
            Caller::Person if mends => Self::Mend,
            Caller::Person if args.first().is_some_and(|arg| arg == "push") => Self::Push,
            Caller::Person => Self::Look,
            Caller::Controller | Caller::Server => Self::Here,
        }
    }
}

/// A call that does not outlive this program: a process stands beside it.
pub(super) struct Watched(Child);

impl Watched {
    /// Starts that process. Without one the call goes on all the same.
    pub(super) fn start() -> Option<Self> {
        let (program, words) = WATCHER.get()?;
        start_beside(program, words).ok().map(Self)
    }

    /// The call is this process group.
    pub(super) fn over(&mut self, group: u32) {
        if let Some(stdin) = &mut self.0.stdin {
            // A watcher that has died watches nothing; the call goes on.
            drop(writeln!(stdin, "{group}"));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            drop(stdin.write_all(b"done\n"));
        }
        drop(self.0.wait());
    }
}

/// Reads the number of a process group from standard input, and ends that group unless `done` follows before the end: the
/// pipe ends with the program that holds it, also by SIGKILL.
pub fn watch() {
    let mut lines = io::stdin().lock().lines().map_while(Result::ok);
    let group = lines.next().and_then(|line| line.parse().ok());
    let done = lines.next().is_some();
    if let Some(group) = group.and_then(Pid::from_raw).filter(|_| !done) {
        end(group, || false);
    }
}

/// Ends a process group: first it is asked to, since git that is killed would leave the locks that it holds, and each later
/// call would stop at them. `reap` is called again and again; true where a child that belongs to the group still runs.
pub(super) fn end(group: Pid, mut reap: impl FnMut() -> bool) {
    // An error means that it has ended just now.
    let _gone = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        // A child that is not waited for stays in its group.
        if !reap() && test_kill_process_group(group).is_err() {
            return;
        }
        thread::sleep(BREATH);
    }
    let _gone = kill_process_group(group, Signal::KILL);
}

/// Starts a program that hears of a call by its standard input, prints nothing, and is not ended by Ctrl-C at a terminal. It gets
/// no environment: others of the same user may read it, and secrets of `serve` stand in ours.
fn start_beside(program: &Path, words: &[String]) -> std::io::Result<Child> {
    Command::new(program)
        .args(words)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}
