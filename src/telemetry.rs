//! Logs: lines for people at a terminal, JSON for machines, filtered by `CUTWATER_LOG`.
//!
//! Set up once, by the commands that run for long. Never logs a secret: nothing that is logged has seen one.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Variable with the filter, such as `info` or `cutwater=debug`.
pub const FILTER: &str = "CUTWATER_LOG";

/// What is logged where the variable is not set. The watches' failures are said by this program, once each and with the address;
/// the library would say each attempt, without it.
const USUAL: &str =
    "info,kube_runtime::watcher=off,kube_client::client=error,kube_client::client::builder=off";

/// Starts logging to stderr. Later calls change nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(USUAL));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().try_init()
    };
    // A test or an embedder may have set up its own.
    drop(started);
}
