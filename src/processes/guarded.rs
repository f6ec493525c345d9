//! A process behind its guard, as `serve` sees it: a program, or the command of a probe.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::output::Output;
use super::strays;

/// The guard's own patience with what is left, and some time for a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// How guards are started.
#[derive(Debug, Clone)]
pub struct Guard {
    /// This program's own file.
    pub own: PathBuf,
    /// How many files a program may have open, if it asks for no more.
    pub files: u64,
}

/// The environment of a process.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Variables that no `$(NAME)` of a command means.
    pub(super) inherited: Vec<(String, String)>,
    /// All others. The last one of a name counts.
    pub(super) known: Vec<(String, String)>,
}

impl Environment {
    /// All of it; the last one of a name counts.
    pub(super) fn all(&self) -> impl Iterator<Item = &(String, String)> {
        self.inherited.iter().chain(&self.known)
    }
}

/// A process behind its guard. It ends when this is dropped.
pub(super) struct Guarded {
    child: Child,
    /// The number of the guard, which is that of its session too.
    session: Option<u32>,
    /// Ends the process when it is closed.
    stdin: Option<ChildStdin>,
}

impl Guarded {
    /// Starts it with this environment and no other; what it prints goes to `output`, or nowhere. `$(NAME)` in the command is put
    /// in behind the guard, so that no value stands in its arguments.
    ///
    /// # Errors
    /// Why the guard cannot be started. Where the process cannot be, the guard ends with 127.
    pub(super) fn start(
        guard: &Guard,
        command: &[String],
        dir: &Path,
        env: &Environment,
        output: Option<&Output>,
    ) -> io::Result<Self> {
        let stream = || match output {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        let mut child = Command::new(&guard.own)
            .arg0("cutwater")
            .args(["guard", "--files", &guard.files.to_string()])
            .args(env.known.iter().map(|(name, _)| format!("--known={name}")))
            .arg("--")
            .args(command)
            .current_dir(dir)
            .env_clear()
            .envs(env.all().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(stream())
            .stderr(stream())
            .spawn()?;
        if let Some(output) = output {
            if let Some(stdout) = child.stdout.take() {
                tokio::spawn(output.clone().take(stdout));
            }
            if let Some(stderr) = child.stderr.take() {
                tokio::spawn(output.clone().take(stderr));
            }
        }
        Ok(Self {
            session: child.id(),
            stdin: child.stdin.take(),
            child,
        })
    }

    /// Waits until it has ended, with all that it started. May be cancelled, and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        if let (Some(_), Some(session)) = (status.signal(), self.session) {
            // Somebody killed the guard, which so ended nothing.
            strays::end(session).await;
        }
        Ok(status)
    }

    /// Asks it to end, and waits for that; after `grace` it is killed.
    pub(super) async fn end(mut self, grace: Duration) {
        if let Some(mut stdin) = self.stdin.take() {
            let line = format!("end {}\n", grace.as_secs());
            drop(stdin.write_all(line.as_bytes()).await);
            drop(stdin.flush().await);
            if (tokio::time::timeout(grace + PATIENCE, self.wait()).await).is_err() {
                drop(self.child.kill().await);
                drop(self.wait().await);
            }
        }
    }
}
