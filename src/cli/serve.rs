//! `cutwater serve`: starts standalone mode and ends it on a signal.

mod repository;

use std::collections::BTreeMap;
use std::env::VarError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Global;
use super::output::Failure;
use crate::git::{Credentials, RemoteUrl};
use crate::serve::{self, Settings};
use crate::status_server::WebhookSecret;
use crate::telemetry;
use crate::words::{EnvironmentName, Period};

/// Variable with the token for the repository.
const TOKEN: &str = "CUTWATER_TOKEN";
/// Variable with the secret of webhooks.
const WEBHOOK_SECRET: &str = "CUTWATER_WEBHOOK_SECRET";

/// Files in `~/.ssh` in which ssh looks for a key, in its order of today's kinds.
const SSH_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// Serve the apps of a release repository on this machine, without a cluster
///
/// It reads the releases of the branch, runs each version that they name as a program (`local.command` in app.yaml), and splits
/// requests between them. A commit to the branch is served at once where the repository is on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater serve
  cutwater serve ssh://git@example.com/releases.git --listen 0.0.0.0:8080 --state /var/lib/cutwater
  CUTWATER_SECRET_CHECKOUT_DB_URL=postgres://localhost/checkout cutwater serve ../releases.git
  cutwater serve ../releases.git --secrets ./secrets    # key url of Secret checkout-db is the file secrets/checkout-db/url")]
pub(super) struct Args {
    /// The release repository, a path or an address; the remote of the clone in which it is started where absent
    #[arg(value_name = "REPOSITORY")]
    source: Option<String>,
    /// Where requests are taken
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Where it tells of itself: /live, /ready, /metrics, /status, /apps and /ledger
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081", value_parser = address)]
    admin: SocketAddr,
    /// Folder for everything that is kept: a copy of the repository, checkouts, logs
    #[arg(long, value_name = "DIR", env = "CUTWATER_STATE_DIR")]
    state: Option<PathBuf>,
    /// The branch whose releases count; that of cutwater.yaml where serve is started in a clone and no repository is named, else main
    #[arg(long, value_name = "NAME", value_parser = branch)]
    branch: Option<String>,
    /// Folder of the releases in the repository, where several are for different places
    #[arg(long, value_name = "FOLDER")]
    releases: Option<String>,
    /// What this server is called in the ledger, which is written to the repository; where absent, `local` for a repository
    /// on this machine, and for one elsewhere none is written
    #[arg(long, value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// Write no ledger
    #[arg(long, conflicts_with = "environment")]
    no_ledger: bool,
    /// File with the token, or password, for a repository at an https:// address; else it is taken from CUTWATER_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The user name that stands before the token
    #[arg(long, value_name = "NAME", default_value = "git")]
    username: String,
    /// File with the authority of its certificate, as PEM; the system's where absent
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with the private key for a repository at an ssh:// address, without a passphrase; else it is the usual one in ~/.ssh
    #[arg(long, value_name = "FILE")]
    ssh_key_file: Option<PathBuf>,
    /// File with the key of its host, as known_hosts has it; ~/.ssh/known_hosts where absent
    #[arg(long, value_name = "FILE")]
    known_hosts_file: Option<PathBuf>,
    /// File with the secret of webhooks, which are taken at /hook of the admin address; else it is taken from
    /// CUTWATER_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// How often the repository is asked for all that it has; the branch of one on this machine is looked at all the time
    #[arg(long, value_name = "TIME", default_value = "10s")]
    interval: Period,
    /// Folder with what apps take from Secrets: the file DIR/NAME/KEY for key KEY of Secret NAME, read at each start of a
    /// program; else it is taken from CUTWATER_SECRET_NAME_KEY
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// The same for ConfigMaps; else it is taken from CUTWATER_CONFIG_MAP_NAME_KEY
    #[arg(long, value_name = "DIR")]
    config_maps: Option<PathBuf>,
    /// How long open requests are waited for: of a version that leaves, and once it is told to stop
    #[arg(long, value_name = "TIME", default_value = "30s")]
    drain_delay: Period,
    /// How long WebSockets and event streams are left open once it is told to stop; then their programs are told to end
    #[arg(long, value_name = "TIME", default_value = "2s")]
    stop_delay: Period,
    /// How long a program may take to begin its answer; then the client gets 504
    #[arg(long, value_name = "TIME", default_value = "1m")]
    request_timeout: Period,
    /// Proxies in front, as addresses or networks with commas between them: what they say of a client in X-Forwarded-* and
    /// Forwarded is believed. Everybody else's is replaced
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<IpNet>,
}

/// The name of a branch.
fn branch(text: &str) -> Result<String, String> {
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Err(format!("is a whole ref; write the name alone: `{short}`"));
    }
    let whole = format!("refs/heads/{text}");
    if !git2::Reference::is_valid_name(&whole) || text.contains('*') || text.starts_with('-') {
        return Err("no branch can be called so in git; write a name such as `main`".to_owned());
    }
    Ok(text.to_owned())
}

/// A network, or an address as one.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    (text.parse::<IpNet>())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            "write an address such as 127.0.0.1, or a network such as 10.0.0.0/8".to_owned()
        })
}

impl Args {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        // Before anything else: no other thread may open what is passed on here.
        let sockets = sockets()?;
        telemetry::start();
        guard_secrets();
        let seconds = |period: Period| Duration::from_secs(u64::from(period.as_secs()));
        let (url, branch) = repository::find(self.source.as_ref(), self.branch.as_ref(), global)?;
        let credentials = self.credentials(&url)?;
        let webhook = secret(self.webhook_secret_file.as_deref(), WEBHOOK_SECRET)?;
        let state = match self.state {
            Some(state) => state,
            None => usual_state(&url)?,
        };
        repository::expect(&url, &state)?;
        let environment = match self.environment {
            // A ledger that somebody writes who only tries this would be what everybody's rollback goes by.
            None if self.no_ledger || url.local_path().is_none() => None,
            None => Some("local".parse()?),
            named => named,
        };
        let settings = Settings {
            url,
            credentials,
            webhook: webhook.as_deref().and_then(WebhookSecret::new),
            branch,
            releases: self.releases,
            environment,
            state,
            listen: self.listen,
            admin: self.admin,
            interval: seconds(self.interval),
            drain: seconds(self.drain_delay),
            stop: seconds(self.stop_delay),
            answer_time: seconds(self.request_timeout),
            trusted: self.trusted_proxies,
            sockets,
            secrets: self.secrets,
            config_maps: self.config_maps,
            own: own()?,
            given: given(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let done = runtime.block_on(async {
            let (mut interrupt, mut terminate, mut hang_up) = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            );
            let (tell, stop) = mpsc::channel(1);
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hang_up.recv() => {}
                    }
                    if tell.send(()).await.is_err() {
                        return;
                    }
                }
            });
            serve::run(settings, stop).await?;
            Ok(())
        });
        // A call of git that waits for its remote is not waited for.
        runtime.shutdown_background();
        done
    }

    /// What is shown to the repository, and how it is known.
    fn credentials(&self, url: &RemoteUrl) -> Result<Option<Credentials>, Failure> {
        let password = secret(self.token_file.as_deref(), TOKEN)?;
        let ca = self.ca_file.as_deref().map(read).transpose()?;
        let text = url.to_string();
        let (https, ssh) = (text.starts_with("https://"), text.starts_with("ssh://"));
        if !https && (password.is_some() || ca.is_some()) {
            return Err(Failure::usage(format!(
                "a token or an authority is for a repository at an https:// address, and this one is {text}"
            ))
            .hint(format!("leave --token-file, {TOKEN} and --ca-file out")));
        }
        if !ssh && (self.ssh_key_file.is_some() || self.known_hosts_file.is_some()) {
            return Err(Failure::usage(format!(
                "a key is for a repository at an ssh:// address, and this one is {text}"
            ))
            .hint("leave --ssh-key-file and --known-hosts-file out"));
        }
        if ssh {
            let key = self.ssh_key_file.clone().or_else(|| of_ssh(&SSH_KEYS));
            let known = (self.known_hosts_file.clone()).or_else(|| of_ssh(&["known_hosts"]));
            let (Some(key), Some(known)) = (&key, &known) else {
                return Err(Failure::usage(format!(
                    "{text} needs a key, and the key of its host to know it by, and there is {} in ~/.ssh",
                    if key.is_none() { "no key" } else { "no known_hosts" }
                ))
                .hint("name them with --ssh-key-file and --known-hosts-file; `ssh-keyscan HOST` prints the second, to be compared with what the server publishes"));
            };
            return Ok(Some(Credentials {
                ssh_private_key: Some(read(key)?),
                known_hosts: Some(read(known)?),
                ..Credentials::default()
            }));
        }
        if password.is_none() && ca.is_none() {
            return Ok(None);
        }
        Ok(Some(Credentials {
            username: Some(self.username.clone()),
            password,
            ca,
            ..Credentials::default()
        }))
    }
}

/// An address to listen on: a port alone is one of this machine, and `:8080` is that port at all its addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = |text: &str| text.parse::<u16>().ok();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, found) = match text.rsplit_once(':') {
        None => (Ipv4Addr::LOCALHOST, port(text)),
        Some(("", number)) => (Ipv4Addr::UNSPECIFIED, port(number)),
        Some(("localhost", number)) => (Ipv4Addr::LOCALHOST, port(number)),
        Some(_) => (Ipv4Addr::LOCALHOST, None),
    };
    found.map(|port| SocketAddr::from((host, port))).ok_or_else(|| {
        "write an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080; or 8080 for this machine alone, or :8080 for everybody".to_owned()
    })
}

/// Sockets that a service manager has opened for this process (`LISTEN_FDS`): the first is for requests, the second for telling
/// of itself.
fn sockets() -> Result<Vec<TcpListener>, Failure> {
    let mut given = listenfd::ListenFd::from_env();
    let taken = (0..given.len()).map(|index| given.take_tcp_listener(index));
    let taken: Result<Vec<Option<TcpListener>>, _> = taken.collect();
    let taken = taken.map_err(|error| {
        Failure::new(format!(
            "a socket that was opened for this process: {error}"
        ))
        .hint("give it stream sockets of TCP, ListenStream= in a unit of systemd")
    })?;
    Ok(taken.into_iter().flatten().collect())
}

/// Keeps the environment and the memory of this process from programs that run as the same user, as far as the system lets it.
fn guard_secrets() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!("programs may read the environment of serve: {error}");
        }
    }
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "serve runs as root, and so does every program that it starts: whoever may push a version can do anything on this machine; start it as a user of its own"
        );
    }
}

/// This program's own file, also after another one has taken its place on the disk.
fn own() -> std::io::Result<PathBuf> {
    let this = Path::new("/proc/self/exe");
    if this.exists() {
        Ok(this.to_owned())
    } else {
        std::env::current_exe()
    }
}

/// A secret from a file, else from the environment, without line ends.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, Failure> {
    let (text, place) = match (file, std::env::var(variable)) {
        (Some(file), _) => (read(file)?, file.display().to_string()),
        (None, Ok(text)) => (text, variable.to_owned()),
        (None, Err(VarError::NotPresent)) => return Ok(None),
        (None, Err(VarError::NotUnicode(_))) => {
            return Err(Failure::usage(format!("{variable} is not UTF-8")));
        }
    };
    match text.trim() {
        "" => Err(Failure::usage(format!(
            "{place} is empty; write the secret into it"
        ))),
        text => Ok(Some(text.to_owned())),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

/// The first of these files that is there in `~/.ssh`.
fn of_ssh(names: &[&str]) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HOME")?).join(".ssh");
    let mut files = names.iter().map(|name| folder.join(name));
    files.find(|file| file.is_file())
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

/// The environment, as far as it is UTF-8, without what is for this program alone.
fn given() -> BTreeMap<String, String> {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let own = |name: &str| [TOKEN, WEBHOOK_SECRET].contains(&name);
    let given = std::env::vars_os().filter_map(utf8);
    given.filter(|(name, _)| !own(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_has_a_name_that_git_takes() {
        for good in ["main", "release/2", "issue#1"] {
            assert_eq!(branch(good).as_deref(), Ok(good));
        }
        for bad in ["", "a..b", "a b", "*", "-x", "a~1", "main.lock"] {
            assert!(branch(bad).is_err(), "{bad}");
        }
        assert!(branch("refs/heads/main").unwrap_err().ends_with("`main`"));
    }

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("[::1]:80", Some("[::1]:80")),
            ("8080", Some("127.0.0.1:8080")),
            (":8080", Some("0.0.0.0:8080")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("example.com:80", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("70000", None),
            ("", None),
        ] {
            let found = address(text).map(|address| address.to_string());
            assert_eq!(found.ok().as_deref(), expected, "{text}");
        }
    }
}
