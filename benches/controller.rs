//! The release build of the controller as users run it, with its default settings but for the delays named here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::cutwater;
use crate::support::Process;

/// A controller that runs until it is dropped.
pub struct Controller(Process);

impl Controller {
    /// Starts it. Its mirror is kept in `directory`, so that one started later finds it.
    pub fn start(kubeconfig: &Path, directory: &Path, more: &[&str]) -> Self {
        let filter = std::env::var("CUTWATER_LOG").unwrap_or_else(|_| "info".to_owned());
        let mut arguments = vec![
            format!("KUBECONFIG={}", kubeconfig.display()),
            "GIT_CONFIG_GLOBAL=/dev/null".to_owned(),
            format!("CUTWATER_LOG={filter}"),
            cutwater().display().to_string(),
            "controller".to_owned(),
            "--allow-local-repositories".to_owned(),
            format!("--state-dir={}", directory.join("controller").display()),
            "--listen=127.0.0.1:0".to_owned(),
        ];
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        Self(Process::start(
            "controller",
            &PathBuf::from("env"),
            &arguments,
            directory,
        ))
    }

    pub fn stop(self) {
        self.0.stop(Duration::from_secs(10));
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// The most that it ever was, in MiB.
    pub fn peak(&self) -> f64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.unwrap().trim().trim_end_matches(" kB").parse::<f64>();
        number.unwrap() / 1024.0
    }

    /// Processor time that it used, in seconds.
    pub fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }
}
