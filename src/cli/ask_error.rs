//! Why a `cutwater serve` that was asked did not answer.

use std::time::Duration;

/// Longest time for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Somebody is there, and does not answer.
    #[error("nobody knows whether a `cutwater serve` is on {address}: no answer in {} s", PATIENCE.as_secs())]
    Late {
        /// Where.
        address: String,
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
