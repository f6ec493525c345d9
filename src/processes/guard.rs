//! The guard: a small process between `serve` and each program that it runs, so that no program outlives it.
//!
//! It starts the program in a process group of its own, and ends it when its standard input says so or ends: a pipe from
//! `serve` ends with `serve`, also by SIGKILL. What the program leaves behind is ended with it, also what has forked away:
//! the guard is the parent of all orphans below it. A signal that asks it to end does nothing, since whoever sends one to
//! all processes of a service means `serve`, which tells the guard in its time. It decides nothing else, and prints nothing
//! of its own.
//!
//! Where this machine has too little for it, no process or memory, it ends by SIGKILL, which no exit code of a program is: nobody
//! takes that for what the program said.

use std::io::{self, BufRead};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{self as system, Pid, Signal, WaitOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::scarce::is_lack;

/// How long a program may take to end when `serve` is gone and nobody says how long.
const ORPHANED: Duration = Duration::from_secs(5);
/// How often it is looked whether everything has ended.
const BREATH: Duration = Duration::from_millis(20);

/// The exit code where the program could not be started; what is wrong is on standard error.
pub(super) const NOT_STARTED: u8 = 127;

/// What the guard hears.
enum Event {
    /// The program is to end; it may take so long.
    End(Duration),
    /// The program has ended.
    Ended(i32),
}

/// What a guard and the last step behind it are to run.
#[derive(Debug)]
pub struct Order {
    /// The program, with `$(NAME)` for variables.
    pub program: String,
    /// Its arguments, the same.
    pub args: Vec<String>,
    /// The variables of the environment that `$(NAME)` may mean.
    pub known: Vec<String>,
    /// How many files it may have open, if it asks for no more.
    pub files: Option<u64>,
}

/// Runs a program until it ends or is to end. The environment and the folder are those of the guard.
///
/// The exit code is the program's, or 128 and the signal that ended it, or 127 where it cannot be started. Where that is for want of
/// processes or memory, this process is killed, and returns nothing.
#[must_use]
pub fn run(order: &Order) -> u8 {
    let program = &order.program;
    let asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&asked_to_end)) {
            complain(&format!("signal {signal} ends the guard: {error}"));
        }
    }
    // All that runs below belongs to this session, by which `serve` finds it where the guard itself is killed.
    if let Err(error) = system::setsid() {
        complain(&format!("the guard has no session of its own: {error}"));
    }
    // A program that forks away becomes a child of the guard, and not of the system.
    #[cfg(target_os = "linux")]
    if let Err(error) = system::set_child_subreaper(Some(system::getpid())) {
        complain(&format!("what forks away cannot be ended: {error}"));
    }
    let started = own().and_then(|own| {
        let files = order.files.map(|files| format!("--files={files}"));
        Command::new(own)
            .arg0("cutwater")
            .args(["guard", "--under", &std::process::id().to_string()])
            .args(files)
            .args(order.known.iter().map(|name| format!("--known={name}")))
            .args(["--", program])
            .args(&order.args)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
    });
    let child = match started {
        Ok(child) => child,
        Err(error) => {
            complain(&format!("cannot start `{program}`: {error}"));
            return not_started(&error);
        }
    };
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return NOT_STARTED;
    };
    let (tell, events) = channel();
    let told = tell.clone();
    let listening = thread::Builder::new().spawn(move || listen(&told));
    let reaping = thread::Builder::new().spawn(move || reap(group, &tell));
    if let Err(error) = listening.and(reaping) {
        complain(&format!("cannot watch over `{program}`: {error}"));
        signal(group, Signal::KILL);
        return not_started(&error);
    }
    u8::try_from(watch(group, &events)).unwrap_or(1)
}

/// The exit code where this stands in the way of the program; none where it is this machine that has too little.
fn not_started(error: &io::Error) -> u8 {
    if is_lack(error) {
        give_up(system::getpid());
    }
    NOT_STARTED
}

/// Ends a guard as nothing that a program does ends it.
pub(super) fn give_up(guard: Pid) {
    if let Err(error) = system::kill_process(guard, Signal::KILL) {
        complain(&format!("the guard cannot be ended: {error}"));
    }
}

/// This program's own file, also where it was replaced on the disk since.
fn own() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the output of the program is where people look for it"
)]
pub(super) fn complain(text: &str) {
    eprintln!("{text}");
}

/// Waits for `end SECONDS` on standard input, or for its end.
fn listen(tell: &Sender<Event>) {
    let mut lines = io::stdin().lock().lines();
    let grace = loop {
        match lines.next() {
            Some(Ok(line)) => {
                let seconds = line.strip_prefix("end ").and_then(|text| text.parse().ok());
                if let Some(seconds) = seconds {
                    break Duration::from_secs(seconds);
                }
            }
            Some(Err(_)) | None => break ORPHANED,
        }
    };
    drop(tell.send(Event::End(grace)));
}

/// Takes leave of every child that ends, the program and what it has orphaned.
fn reap(program: Pid, tell: &Sender<Event>) {
    loop {
        match system::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                let status = ExitStatus::from_raw(status.as_raw());
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                drop(tell.send(Event::Ended(code.unwrap_or(1))));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // No children are left.
            Err(_) => return,
        }
    }
}

/// Ends the program when that is asked for, and whatever it left when it has ended; its exit code.
fn watch(group: Pid, events: &Receiver<Event>) -> i32 {
    let code = match events.recv() {
        Ok(Event::Ended(code)) => code,
        Ok(Event::End(grace)) => {
            signal(group, Signal::TERM);
            ended_within(events, grace).unwrap_or_else(|| {
                signal(group, Signal::KILL);
                ended_within(events, ORPHANED).unwrap_or(128 + 9)
            })
        }
        Err(_) => 1,
    };
    let until = Instant::now() + ORPHANED;
    signal(group, Signal::KILL);
    while let Some(left) = orphans().filter(|left| !left.is_empty()) {
        for pid in left {
            // It may have ended by itself.
            system::kill_process(pid, Signal::KILL).ok();
        }
        if Instant::now() > until {
            break;
        }
        thread::sleep(BREATH);
    }
    code
}

fn signal(group: Pid, signal: Signal) {
    // Nobody of the group may be left.
    system::kill_process_group(group, signal).ok();
}

fn ended_within(events: &Receiver<Event>, time: Duration) -> Option<i32> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Ended(code)) => return Some(code),
            Ok(Event::End(_)) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// The children of the guard that have not ended; nothing where the system does not tell.
fn orphans() -> Option<Vec<Pid>> {
    let own = system::getpid().as_raw_nonzero().get();
    let tasks = std::fs::read_dir(format!("/proc/{own}/task")).ok()?;
    let mut children = Vec::new();
    for task in tasks.flatten() {
        let path = task.path().join("children");
        let text = std::fs::read_to_string(path).ok()?;
        let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.extend(pids.filter_map(Pid::from_raw));
    }
    Some(children)
}
