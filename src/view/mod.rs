//! What can be told of an app from all sides: its repository, ledgers, a cluster, a `cutwater serve`.
//!
//! ```text
//! remote, cluster (asked at once) --look--> Looked --+
//! `cutwater serve` --AdminClient--> ServerStatus ----+--> AppStatus (pure)
//! ```
//!
//! For the command line, for JSON and for whoever draws it. Reads only; prints nothing, and knows no flag.

mod admin_client;
mod app_status;
mod ask_error;
mod cluster;
mod look;
mod running;
mod server;

pub use admin_client::{AdminClient, own_address};
pub use app_status::{
    AppStatus, ClusterObjectStatus, LedgerState, ReadyCondition, ServedShare, WantedObject,
    WantedShare,
};
pub use ask_error::{AskError, FollowsError, RepositoryDoubt, ServerError, UnknownServer};
pub use cluster::{ClusterError, ClusterQuestion};
pub use look::{Looked, look};
pub use running::running;
pub use server::ServerStatus;
