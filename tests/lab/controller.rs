//! The controller as users run it: the real program, a child process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{SOON, cutwater};
use crate::support::process::Process;
use crate::support::tools::checkout;
use crate::support::wait_for;

/// Delays that the tests run with, in seconds.
pub const SETTLE: u64 = 1;
pub const DRAIN: u64 = 2;

/// A running controller.
pub struct Controller {
    kubeconfig: PathBuf,
    directory: PathBuf,
    state: PathBuf,
    process: Option<Process>,
    /// Repositories of this machine are allowed; counts from the next start on.
    pub allow_local: bool,
    /// Where it finds its programs, `git` among them; counts from the next start on.
    pub path: Option<String>,
    /// Further variables, `NAME=value`; count from the next start on.
    pub environment: Vec<String>,
}

impl Controller {
    pub fn start(kubeconfig: &Path, directory: &Path) -> Self {
        Self::start_with(kubeconfig, directory, Vec::new())
    }

    /// The same, with further variables.
    pub fn start_with(kubeconfig: &Path, directory: &Path, environment: Vec<String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut controller = Self {
            kubeconfig: kubeconfig.to_owned(),
            directory: directory.to_owned(),
            state: directory.join(format!("controller-{number}")),
            process: None,
            allow_local: true,
            path: None,
            environment,
        };
        controller.again();
        controller
    }

    /// Starts it (again), with the state folder that it had.
    pub fn again(&mut self) {
        // The kubeconfig reaches the child by the command line of env(1): the test program's own environment is shared.
        let text = |word: &str| word.to_owned();
        let mut arguments = vec![
            format!("KUBECONFIG={}", self.kubeconfig.display()),
            format!("GIT_CONFIG_GLOBAL={}", "/dev/null"),
            text("CUTWATER_LOG=cutwater=debug,info"),
            cutwater().display().to_string(),
            text("controller"),
            format!("--state-dir={}", self.state.display()),
            format!("--settle-delay={SETTLE}s"),
            format!("--drain-delay={DRAIN}s"),
            text("--listen=127.0.0.1:0"),
            text("--webhook-listen=127.0.0.1:0"),
        ];
        if self.allow_local {
            arguments.push(text("--allow-local-repositories"));
        }
        for variable in &self.environment {
            arguments.insert(0, variable.clone());
        }
        if let Some(path) = &self.path {
            arguments.insert(0, format!("PATH={path}"));
        }
        let process = Process::start("controller", Path::new("env"), &arguments, &self.directory);
        self.process = Some(process);
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Whether it was not killed.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Forgets everything that it kept on disk.
    pub fn forget(&self) {
        assert!(self.process.is_none(), "kill it first");
        let _ = std::fs::remove_dir_all(&self.state);
    }

    /// Stops it where it is, or lets it go on.
    pub fn pause(&self, paused: bool) {
        let process = self.process.as_ref().unwrap();
        let signal = if paused { "-STOP" } else { "-CONT" };
        let id = process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Duration::from_secs(10));
        }
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let process = self.process.as_ref().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Where it is asked how it is.
    pub async fn health(&self) -> String {
        self.address("health is served").await
    }

    /// Where it takes webhooks.
    pub async fn webhooks(&self) -> String {
        self.address("webhooks are taken").await
    }

    /// The address in the last line of its log with these words, once it is there.
    async fn address(&self, words: &str) -> String {
        wait_for(words, SOON, async || {
            let log = self.whole_log();
            let line = log.lines().rfind(|line| line.contains(words));
            let port = line.and_then(|line| line.split("127.0.0.1:").nth(1));
            let Some(port) = port else {
                return Err(self.log());
            };
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            Ok(format!("127.0.0.1:{port}"))
        })
        .await
    }

    /// All of its log, from its first start on.
    pub fn whole_log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }
}

/// Runs a program and returns what it printed.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .current_dir(checkout())
        .args(arguments)
        .output()
        .unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
