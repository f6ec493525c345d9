//! Asks a `cutwater serve` that runs what it tells of itself.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Where `serve` tells of itself.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdminArgs {
    /// Where `cutwater serve` tells of itself: its --admin
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CUTWATER_ADMIN",
        default_value = "127.0.0.1:8081"
    )]
    admin: String,
}

/// The admin address of a `serve`.
pub(super) struct Standalone {
    address: String,
    runtime: Runtime,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody is there.
    #[error("no `cutwater serve` answers on {address}: {problem}")]
    Silent {
        /// Where.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// Somebody else is there.
    #[error("what answers on {address} is no `cutwater serve`: {problem}")]
    Other {
        /// Where.
        address: String,
        /// What is wrong.
        problem: String,
    },
}

impl AdminArgs {
    /// A way to ask.
    pub(super) fn open(&self) -> std::io::Result<Standalone> {
        let address = self.admin.trim_start_matches("http://");
        Ok(Standalone {
            address: address.trim_end_matches('/').to_owned(),
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
        let answer = (self.runtime.block_on(asking))
            .map_err(|_| silent(format!("no answer in {} s", PATIENCE.as_secs())))?;
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
