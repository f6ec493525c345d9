//! Asks a `cutwater serve` that runs what it tells of itself.

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

use super::ask_error::{AskError, FollowsError, PATIENCE};
use crate::git::{RemoteUrl, redact};
use crate::serve::admin_api::Status;
use crate::store::{StoreError, Workspace};

/// Largest answer.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// The admin address of a `serve`, and what asks it.
pub struct AdminClient {
    address: String,
    runtime: Runtime,
}

/// The address of the clone's remote, as a server of it tells it.
#[must_use]
pub fn own_address(workspace: &Workspace) -> String {
    let own = workspace.address();
    RemoteUrl::parse(&own, true).map_or_else(|_| redact(&own), |url| url.to_string())
}

impl fmt::Display for AdminClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl AdminClient {
    /// A client of the server at an address, such as `127.0.0.1:8081`.
    ///
    /// # Errors
    /// When this machine has no room for one.
    pub fn open(address: String) -> std::io::Result<Self> {
        Ok(Self {
            address,
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Returns if this server follows the repository and the branch of the clone.
    ///
    /// # Errors
    /// When it follows another one, or nobody can tell.
    pub fn follows(&self, workspace: &Workspace, status: &Status) -> Result<(), FollowsError> {
        let branch = &workspace.settings().branch;
        if status.branch != *branch {
            return Err(self.elsewhere(format!("branch {}, and not {branch}", status.branch)));
        }
        self.follows_repository(workspace, status)
    }

    /// Returns if it follows the repository of the clone, whichever branch of it.
    ///
    /// # Errors
    /// When it follows another one, or nobody can tell.
    pub fn follows_repository(
        &self,
        workspace: &Workspace,
        status: &Status,
    ) -> Result<(), FollowsError> {
        if Self::is_of(workspace, status)? {
            return Ok(());
        }
        Err(self.elsewhere(format!(
            "{}, whose commits remote `{}` of this clone, {}, does not have",
            status.repository,
            workspace.remote(),
            own_address(workspace)
        )))
    }

    /// True where a server follows the repository of the clone, whichever branch of it.
    ///
    /// # Errors
    /// When the remote, which may know its commit, cannot be read.
    pub fn is_of(workspace: &Workspace, status: &Status) -> Result<bool, StoreError> {
        // One repository has many addresses; its commits are the same at each.
        match &status.commit {
            _ if status.repository == own_address(workspace) => Ok(true),
            Some(commit) => workspace.knows(commit, &status.branch),
            None => Ok(true),
        }
    }

    fn elsewhere(&self, what: String) -> FollowsError {
        FollowsError::Elsewhere {
            address: self.address.clone(),
            what,
        }
    }

    /// What it tells at `path`.
    ///
    /// # Errors
    /// When nobody answers there in time, or it is no `cutwater serve`.
    pub fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
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
