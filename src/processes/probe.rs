//! Whether a program is ready or alive: the probes of its function, asked at the address that it was given.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::guarded::{Environment, Guard, Guarded};
use super::health::Answer;
use super::scarce::is_lack;
use crate::app::Probe;

/// What is read of an answer, in bytes: as much as the kubelet reads.
const BODY_MAX: usize = 10 * 1024;

/// Where a program is, for its probes.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The address that it was told to listen on. A probe's own port is that of a container, and every program here has
    /// another: all probes ask this one.
    pub(super) address: SocketAddr,
    pub(super) dir: &'a Path,
    pub(super) env: &'a Environment,
    pub(super) guard: &'a Guard,
}

/// Asks once. Without a probe, a connection that opens is enough. `command`: that of a probe that runs one.
pub(super) async fn ask(probe: Option<&Probe>, command: &[String], place: Place<'_>) -> Answer {
    let seconds = probe.and_then(|probe| probe.timeout_seconds).unwrap_or(1);
    let limit = Duration::from_secs(u64::from(seconds.max(1)));
    let late = || Answer::Failed(format!("no answer in {seconds} s"));
    if !command.is_empty() {
        return run(command, place, limit).await.unwrap_or_else(late);
    }
    let asked = async {
        match probe.and_then(|probe| probe.http_get.as_ref()) {
            Some(http) => get(place.address, &http.path).await,
            None => match TcpStream::connect(place.address).await {
                Ok(_) => Answer::Well,
                Err(error) => {
                    let why = format!("nothing listens at {} ({error})", place.address);
                    not_connected(&error, why)
                }
            },
        }
    };
    timeout(limit, asked).await.unwrap_or_else(|_| late())
}

/// What it means that there is no connection.
fn not_connected(error: &io::Error, why: String) -> Answer {
    if is_lack(error) {
        Answer::Unasked(why)
    } else {
        Answer::Absent(why)
    }
}

/// 200 to 399 is well, as in Kubernetes. The body is read, and not looked at: a server whose client leaves before the end says
/// so in its output, and a probe must not fill that.
async fn get(address: SocketAddr, path: &str) -> Answer {
    let fail = |error: &dyn Display| format!("GET {path} at {address}: {error}");
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return not_connected(&error, fail(&error)),
    };
    match exchange(stream, address, path).await {
        Ok(200..=399) => Answer::Well,
        Ok(status) => Answer::Failed(format!("GET {path} answers {status}")),
        Err(ExchangeError::NoHttp) => Answer::Failed(format!("GET {path} answers no HTTP")),
        Err(error) => Answer::Failed(fail(&error)),
    }
}

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    /// No request can be made of its path.
    #[error(transparent)]
    Request(#[from] hyper::http::Error),
    /// What came is no answer.
    #[error("no HTTP")]
    NoHttp,
    /// The connection broke off.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
}

/// Sends the request and reads the answer: its status.
async fn exchange(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<u16, ExchangeError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .header(USER_AGENT, "cutwater-probe")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| {
            if error.is_parse() {
                ExchangeError::NoHttp
            } else {
                error.into()
            }
        })?;
        let status = response.status().as_u16();
        // Cut off or endless, it is not what was asked.
        drop(Limited::new(response.into_body(), BODY_MAX).collect().await);
        Ok(status)
    };
    // How the connection ends is told by the answer, or is nobody's concern once that has come.
    let connection = async {
        drop(connection.await);
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = connection => match never {},
    }
}

/// Runs a command behind a guard, with the environment of the program and no other. Nothing of it is left afterwards, whether it
/// has ended or is late: then there is no answer. A guard that was killed, by itself for want of a process or by somebody, tells
/// nothing of the command.
async fn run(command: &[String], place: Place<'_>, limit: Duration) -> Option<Answer> {
    let program = command.first().map_or("", String::as_str);
    let started = Guarded::start(place.guard, command, place.dir, place.env, None);
    let mut running = match started {
        Ok(running) => running,
        Err(error) => {
            let why = format!("`{program}` cannot be started: {error}");
            return Some(Answer::Unasked(why));
        }
    };
    let Ok(ended) = timeout(limit, running.wait()).await else {
        running.end(Duration::ZERO).await;
        return None;
    };
    Some(match ended {
        Ok(status) if status.success() => Answer::Well,
        Ok(status) if status.signal().is_some() => Answer::Unasked(format!(
            "`{program}`: its guard was killed, as it is where this machine has too few processes or too little memory"
        )),
        Ok(status) => Answer::Failed(format!("`{program}` ended with {status}")),
        Err(error) => Answer::Unasked(format!("`{program}`: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What the probe says of a server that sends these pieces, and whether it stayed to the end of them.
    async fn asked(pieces: &[&[u8]]) -> (Answer, io::Result<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await?;
            assert!(request[..count].starts_with(b"GET /ready HTTP/1.1\r\n"));
            for piece in pieces {
                stream.write_all(piece).await?;
                // The client has read it, and has left if it wanted no more.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stream.shutdown().await?;
            stream.read(&mut request).await
        };
        tokio::join!(get(address, "/ready"), server)
    }

    #[tokio::test]
    async fn what_this_machine_lacks_is_not_the_programs_failure() {
        let found = |error: Errno| not_connected(&error.into(), "why".to_owned());
        for error in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL] {
            assert_eq!(found(error), Answer::Unasked("why".to_owned()), "{error}");
        }
        assert_eq!(found(Errno::CONNREFUSED), Answer::Absent("why".to_owned()));
    }

    #[tokio::test]
    async fn a_guard_that_is_killed_says_nothing_of_the_command() {
        let dir = tempfile::tempdir().unwrap();
        // What a guard ends with, by a file in its place.
        let asked = async |ends: &str| {
            let own = dir.path().join("guard");
            std::fs::write(dir.path().join("ends"), ends).unwrap();
            let guard = Guard { own, files: 64 };
            let place = Place {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                dir: dir.path(),
                env: &Environment::default(),
                guard: &guard,
            };
            let limit = Duration::from_mins(1);
            run(&["check".to_owned()], place, limit).await.unwrap()
        };
        std::fs::write(dir.path().join("guard"), "#!/bin/sh\n. ./ends\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path().join("guard"), mode).unwrap();
        assert!(matches!(asked("kill -9 $$").await, Answer::Unasked(_)));
        // What the command itself came to is the exit code.
        for ends in ["exit 137", "exit 127"] {
            assert!(matches!(asked(ends).await, Answer::Failed(_)), "{ends}");
        }
        assert_eq!(asked("exit 0").await, Answer::Well);
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end() {
        let length: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let (said, left) = asked(&[length, b"he", b"llo"]).await;
        assert_eq!((said, left.unwrap()), (Answer::Well, 0));
        let old: &[u8] = b"HTTP/1.0 503 Not yet\r\n\r\n";
        let (said, left) = asked(&[old, b"not ", b"yet"]).await;
        assert_eq!(
            (said, left.unwrap()),
            (Answer::Failed("GET /ready answers 503".to_owned()), 0)
        );
    }

    #[tokio::test]
    async fn what_is_endless_or_no_http_is_left() {
        let head: &[u8] = b"HTTP/1.1 302 Found\r\n\r\n";
        let mebibyte = vec![0; 1 << 20];
        let mut pieces = vec![head];
        pieces.resize(20, &mebibyte);
        let (said, left) = asked(&pieces).await;
        assert_eq!(said, Answer::Well);
        assert!(left.is_err());
        let (said, _) = asked(&[b"SSH-2.0-OpenSSH_9.2\r\n"]).await;
        assert_eq!(
            said,
            Answer::Failed("GET /ready answers no HTTP".to_owned())
        );
    }
}
