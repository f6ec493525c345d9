//! Credentials of the controller for one remote, and how they reach `git`: by environment and private files, never by
//! arguments.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::url::RemoteUrl;

/// What the controller may show to a remote. All parts are optional.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name for `https://`.
    pub username: Option<String>,
    /// Password or token for `https://`, with the user name (`git` where there is none).
    pub password: Option<String>,
    /// Bearer token for `https://`; wins over a password.
    pub bearer_token: Option<String>,
    /// Private key for `ssh://`, as OpenSSH or PEM text.
    pub ssh_private_key: Option<String>,
    /// Lines of `known_hosts`. Without them no ssh server is trusted.
    pub known_hosts: Option<String>,
    /// Certificate authorities for `https://`, as PEM text; the system's where absent.
    pub ca: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl Credentials {
    /// Secrets that must not be seen in any message.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = [&self.password, &self.bearer_token]
            .into_iter()
            .flatten()
            .filter(|secret| secret.len() >= 4)
            .cloned()
            .collect();
        secrets.extend(self.authorization());
        secrets
    }

    fn authorization(&self) -> Option<String> {
        if let Some(token) = &self.bearer_token {
            return Some(format!("Bearer {token}"));
        }
        let password = self.password.as_ref()?;
        let user = self.username.as_deref().unwrap_or("git");
        Some(basic(user, password))
    }
}

/// The value of an `Authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The environment and the configuration that carry credentials to one call. Files are in `dir`, readable by us only.
pub(super) struct Delivery {
    pub(super) env: Vec<(String, String)>,
    pub(super) config: Vec<(String, String)>,
}

pub(super) fn deliver(
    dir: &Path,
    url: &RemoteUrl,
    credentials: Option<&Credentials>,
) -> io::Result<Delivery> {
    let none = Credentials::default();
    let credentials = credentials.unwrap_or(&none);
    let mut config = Vec::new();
    let mut env = Vec::new();
    if let (Some(origin), Some(authorization)) = (url.origin(), credentials.authorization()) {
        config.push((
            format!("http.{origin}.extraHeader"),
            format!("Authorization: {authorization}"),
        ));
        // A server must not be able to send the header elsewhere.
        config.push(("http.followRedirects".to_owned(), "false".to_owned()));
    }
    if let Some(ca) = &credentials.ca {
        let file = private_file(dir, "ca.pem", ca)?;
        config.push(("http.sslCAInfo".to_owned(), file.display().to_string()));
    }
    let hosts = private_file(
        dir,
        "known_hosts",
        credentials.known_hosts.as_deref().unwrap_or_default(),
    )?;
    let mut ssh = format!(
        "ssh -F none -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=none -o UserKnownHostsFile={} -o IdentityAgent=none -o IdentitiesOnly=yes",
        quoted(&hosts)
    );
    if let Some(key) = &credentials.ssh_private_key {
        let mut key = key.clone();
        if !key.ends_with('\n') {
            key.push('\n');
        }
        let file = private_file(dir, "key", &key)?;
        ssh.push_str(" -i ");
        ssh.push_str(&quoted(&file));
    }
    env.push(("GIT_SSH_COMMAND".to_owned(), ssh));
    env.push(("GIT_SSH_VARIANT".to_owned(), "ssh".to_owned()));
    Ok(Delivery { env, config })
}

fn private_file(dir: &Path, name: &str, content: &str) -> io::Result<PathBuf> {
    let path = dir.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(content.as_bytes())?;
    Ok(path)
}

/// One word of a command line that `git` hands to a shell: the names are ours, but the temporary directory is not.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
