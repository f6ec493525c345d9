//! `cutwater serve`: starts standalone mode and ends it on a signal.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Global;
use super::output::Failure;
use crate::git::RemoteUrl;
use crate::serve::{self, Settings};
use crate::store::Workspace;
use crate::telemetry;
use crate::words::{EnvironmentName, Period};

/// Serve the apps of a release repository on this machine, without a cluster
///
/// It reads the releases of the branch, runs each version that they name as a program (`local.command` in app.yaml), and splits
/// requests between them. A commit to the branch is served at once where the repository is on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater serve
  cutwater serve ssh://git@example.com/releases.git --listen 0.0.0.0:80 --state /var/lib/cutwater
  DB_URL=postgres://localhost/checkout cutwater serve ../releases.git")]
pub(super) struct Args {
    /// The release repository, a path or an address; the remote of the clone in which it is started where absent
    #[arg(value_name = "REPOSITORY")]
    source: Option<String>,
    /// Where requests are taken
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where it tells of itself: /live, /ready, /metrics, /status, /apps and /ledger
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// Folder for everything that is kept: a copy of the repository, checkouts, logs
    #[arg(long, value_name = "DIR", env = "CUTWATER_STATE_DIR")]
    state: Option<PathBuf>,
    /// The branch whose releases count; the one of cutwater.yaml, or main, where absent
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Folder of the releases in the repository, where several are for different places
    #[arg(long, value_name = "FOLDER")]
    releases: Option<String>,
    /// What this server is called in the ledger, which is written to the repository
    #[arg(long, value_name = "NAME", default_value = "local")]
    environment: EnvironmentName,
    /// Write no ledger
    #[arg(long, conflicts_with = "environment")]
    no_ledger: bool,
    /// How often a repository elsewhere is asked
    #[arg(long, value_name = "TIME", default_value = "10s")]
    interval: Period,
    /// How long open requests of a version that leaves are waited for
    #[arg(long, value_name = "TIME", default_value = "30s")]
    drain_delay: Period,
}

impl Args {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        telemetry::start();
        let seconds = |period: Period| Duration::from_secs(u64::from(period.as_secs()));
        let (url, branch) = self.repository(global)?;
        let state = match self.state {
            Some(state) => state,
            None => usual_state(&url)?,
        };
        let settings = Settings {
            url,
            branch,
            releases: self.releases,
            environment: (!self.no_ledger).then_some(self.environment),
            state,
            listen: self.listen,
            admin: self.admin,
            interval: seconds(self.interval),
            drain: seconds(self.drain_delay),
            own: std::env::current_exe()?,
            given: given(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let done = runtime.block_on(async {
            let (mut interrupt, mut terminate) = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            );
            let stop = async move {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            };
            serve::run(settings, stop).await?;
            Ok(())
        });
        // A call of git that waits for its remote is not waited for.
        runtime.shutdown_background();
        done
    }

    /// The address and the branch: of the repository that is named, or of the clone's remote.
    fn repository(&self, global: &Global) -> Result<(RemoteUrl, String), Failure> {
        let usual = || self.branch.clone().unwrap_or_else(|| "main".to_owned());
        if let Some(source) = &self.source {
            let path = Path::new(source);
            let address = match path.canonicalize() {
                Ok(path) => path.display().to_string(),
                Err(_) => source.clone(),
            };
            return Ok((RemoteUrl::parse(&address, true)?, usual()));
        }
        let dir = global.repo.clone().map_or_else(std::env::current_dir, Ok)?;
        let timeout = Duration::from_secs(u64::from(global.timeout));
        let workspace =
            Workspace::open(&dir, global.remote.as_deref(), false, timeout).map_err(|error| {
                Failure::new(error).hint("name the repository: cutwater serve PATH")
            })?;
        let branch = self
            .branch
            .clone()
            .unwrap_or_else(|| workspace.settings().branch.clone());
        Ok((RemoteUrl::parse(&workspace.address(), true)?, branch))
    }
}

/// A folder of the person's own for each repository.
fn usual_state(url: &RemoteUrl) -> Result<PathBuf, Failure> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(home);
    let base = base.ok_or_else(|| {
        Failure::usage("there is no HOME to keep state in; name a folder with --state")
    })?;
    let name: String = (url.to_string().chars())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    Ok(base.join("cutwater").join(name.trim_matches('-')))
}

/// The environment, as far as it is UTF-8.
fn given() -> BTreeMap<String, String> {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(utf8).collect()
}
