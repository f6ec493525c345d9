//! Whether a program is ready or alive: the probes of its function, asked at the address that it was given.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::app::Probe;

/// Where a program is, for its probes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The address that it was told to listen on. A probe's own port is that of a container, and every program here has
    /// another: all probes ask this one.
    pub(super) address: SocketAddr,
    pub(super) dir: &'a Path,
    pub(super) env: &'a [(String, String)],
}

/// Asks once. Without a probe, a connection that opens is enough.
///
/// # Errors
/// Why it is not, in a few words.
pub(super) async fn ask(probe: Option<&Probe>, place: Place<'_>) -> Result<(), String> {
    let seconds = probe.and_then(|probe| probe.timeout_seconds).unwrap_or(1);
    let limit = Duration::from_secs(u64::from(seconds.max(1)));
    let http = probe.and_then(|probe| probe.http_get.as_ref());
    let exec = probe.and_then(|probe| probe.exec.as_ref());
    let asked = async {
        match (http, exec) {
            (Some(http), _) => get(place.address, &http.path).await,
            (None, Some(exec)) => run(&exec.command, place).await,
            (None, None) => match TcpStream::connect(place.address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("nothing listens at {} ({error})", place.address)),
            },
        }
    };
    (timeout(limit, asked).await).unwrap_or_else(|_| Err(format!("no answer in {seconds} s")))
}

/// 200 to 399 is well, as in Kubernetes.
async fn get(address: SocketAddr, path: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("GET {path} at {address}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(fail)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: cutwater-probe\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(fail)?;
    let mut start = Vec::new();
    while start.len() < 12 {
        let mut buffer = [0; 64];
        match stream.read(&mut buffer).await.map_err(fail)? {
            0 => break,
            count => start.extend_from_slice(&buffer[..count]),
        }
    }
    let status = (start.get(9..12))
        .filter(|_| start.starts_with(b"HTTP/1."))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    match status {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("GET {path} answers {status}")),
        None => Err(format!("GET {path} answers no HTTP")),
    }
}

async fn run(command: &[String], place: Place<'_>) -> Result<(), String> {
    let Some((program, args)) = command.split_first() else {
        return Err("the probe has no command".to_owned());
    };
    let status = Command::new(program)
        .args(args)
        .current_dir(place.dir)
        .envs(place.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program}` ended with {status}")),
        Err(error) => Err(format!("`{program}` cannot be started: {error}")),
    }
}
