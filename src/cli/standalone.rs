//! Asks a `cutwater serve` that runs what it tells of itself.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::ask_error::{AskError, PATIENCE};
use super::context::Context;
use super::output::Failure;
use crate::git::{RemoteUrl, redact};
use crate::serve::admin_api::Status;
use crate::store::StoreError;

/// Largest answer.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Where `serve` tells of itself.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdminArgs {
    /// Admin address of `cutwater serve`, or its port on this machine (default 127.0.0.1:8081)
    #[arg(long, value_name = "ADDRESS", env = "CUTWATER_ADMIN")]
    admin: Option<String>,
}

/// Where `serve` tells of itself unless it is told otherwise.
const USUAL: &str = "127.0.0.1:8081";

/// The admin address of a `serve`.
pub(super) struct Standalone {
    address: String,
    runtime: Runtime,
}

/// The address of the clone's remote, as a server of it tells it.
pub(super) fn own(context: &Context) -> String {
    let own = context.workspace.address();
    RemoteUrl::parse(&own, true).map_or_else(|_| redact(&own), |url| url.to_string())
}

impl AdminArgs {
    /// True where a person says that there is a server.
    pub(super) fn is_named(&self) -> bool {
        self.admin.is_some()
    }

    /// The address that is asked. A port alone is one of this machine, as `cutwater serve` takes it.
    pub(super) fn address(&self) -> Cow<'_, str> {
        let address = self.admin.as_deref().unwrap_or(USUAL);
        let address = address.trim_start_matches("http://");
        let address = address.trim_end_matches('/');
        let port = address.strip_prefix(':').unwrap_or(address);
        match port.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}").into(),
            Err(_) => address.into(),
        }
    }

    /// A way to ask.
    pub(super) fn open(&self) -> std::io::Result<Standalone> {
        Ok(Standalone {
            address: self.address().into_owned(),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }
}

impl fmt::Display for Standalone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Standalone {
    /// An error where this server follows another repository or branch than the clone.
    pub(super) fn follows(&self, context: &Context, status: &Status) -> Result<(), Failure> {
        let branch = &context.workspace.settings().branch;
        if status.branch != *branch {
            return Err(self.other(&format!("branch {}, and not {branch}", status.branch)));
        }
        self.follows_repository(context, status)
    }

    /// An error where it follows another repository than the clone, whichever branch of it.
    pub(super) fn follows_repository(
        &self,
        context: &Context,
        status: &Status,
    ) -> Result<(), Failure> {
        if Self::is_of(context, status)? {
            return Ok(());
        }
        let workspace = &context.workspace;
        Err(self.other(&format!(
            "{}, whose commits remote `{}` of this clone, {}, does not have",
            status.repository,
            workspace.remote(),
            own(context)
        )))
    }

    /// True where a server follows the repository of the clone, whichever branch of it.
    ///
    /// # Errors
    /// When the remote, which may know its commit, cannot be read.
    pub(super) fn is_of(context: &Context, status: &Status) -> Result<bool, StoreError> {
        // One repository has many addresses; its commits are the same at each.
        match &status.commit {
            _ if status.repository == own(context) => Ok(true),
            Some(commit) => context.workspace.knows(commit, &status.branch),
            None => Ok(true),
        }
    }

    /// It follows something else.
    fn other(&self, what: &str) -> Failure {
        Failure::new(format!("the server on {self} follows {what}"))
            .hint("name the --admin address of another with --admin or CUTWATER_ADMIN")
    }

    /// What it tells at `path`.
    pub(super) fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let silent = |problem: String| AskError::Silent {
            address: self.address.clone(),
            problem,
        };
        let other = |problem: String| AskError::Other {
            address: self.address.clone(),
            problem,
        };
        let asking = async { tokio::time::timeout(PATIENCE, self.get(path)).await };
        let answer = (self.runtime.block_on(asking)).map_err(|_| AskError::Late {
            address: self.address.clone(),
        })?;
        let (status, body) = answer.map_err(|error| silent(error.to_string()))?;
        if status != StatusCode::OK {
            return Err(other(format!("it answers {status} to {path}")));
        }
        serde_json::from_slice(&body).map_err(|error| other(error.to_string()))
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path)
            .header(HOST, &self.address)
            .body(Empty::<Bytes>::new())?;
        let answering = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX);
            let body = body.collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        // The connection moves as long as the answer is read, and ends with it.
        tokio::select! {
            answer = answering => answer,
            ended = connection => match ended {
                Ok(()) => Err("the connection was closed".into()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_address_or_by_its_port_on_this_machine() {
        for (given, address) in [
            (None, "127.0.0.1:8081"),
            (Some("22001"), "127.0.0.1:22001"),
            (Some(":22001"), "127.0.0.1:22001"),
            (Some("http://10.0.0.7:8081/"), "10.0.0.7:8081"),
            (Some("[::1]:8081"), "[::1]:8081"),
            (Some("build.example:8081"), "build.example:8081"),
        ] {
            let admin = given.map(str::to_owned);
            assert_eq!(AdminArgs { admin }.address(), address);
        }
    }
}
