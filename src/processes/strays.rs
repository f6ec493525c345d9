//! What is left of a program whose guard was killed: the session of the guard tells, as long as anything of it lives.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// How long it is tried to end what is left.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether everything has ended.
const BREATH: Duration = Duration::from_millis(20);

/// Kills all that is in the session of a guard that is gone, and waits for the end of it.
pub(super) async fn end(session: u32) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = of(session);
        if left.is_empty() {
            return;
        }
        if Instant::now() > until {
            tracing::warn!("{} processes of a program do not end", left.len());
            return;
        }
        for pid in left {
            // It may have ended by itself.
            kill_process(pid, Signal::KILL).ok();
        }
        sleep(BREATH).await;
    }
}

/// Processes in a session that have not ended; none where the system does not tell.
fn of(session: u32) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in parentheses, may hold anything. Behind it: state, parent, group, session.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let dead = matches!(fields.next()?, "Z" | "X");
        let of: u32 = fields.nth(2)?.parse().ok()?;
        (of == session && !dead).then(|| Pid::from_raw(pid))?
    });
    inside.collect()
}
