//! The controller: watches custom resources and makes the cluster's traffic what they wish.
//!
//! One decision maker per app and namespace. A reconcile reads the cache only, decides by [`crate::plan`], and writes what
//! differs. It reads git and never pushes.
//!
//! ```text
//! watches --> cache --> queue --> reconcile: wishes -> resolve -> observe -> plan -> apply -> report
//!               ^                    |                   ^
//!               +---- own writes ----+     mirrors ------+ (fetched on their interval, and when a version is missing)
//! ```

mod acceptance;
mod answer;
mod apply;
mod backends;
mod behind;
mod cache;
mod carry_out;
mod claims;
mod concerns;
mod conditions;
pub(crate) mod connect;
mod context;
mod events;
mod facts;
mod failing;
mod failure;
mod fetched;
mod fetching;
mod finalizer;
mod follow;
mod foreign_routes;
mod functions;
mod health;
mod hook_secrets;
mod hooks;
#[cfg(debug_assertions)]
mod isolation;
mod key;
mod leading;
mod listeners;
mod memory;
mod mirrors;
mod moment;
mod no_room;
mod nudge;
mod objects;
mod observe;
mod owners;
mod ownership;
mod places;
mod queue;
mod recheck;
mod reconcile;
mod removal;
mod report;
mod repositories;
mod repository_state;
mod repository_status;
mod resolve;
mod run;
mod secret;
#[cfg(test)]
pub(crate) mod simulated;
mod sink;
mod status;
mod sync;
mod turns;
mod unwritten;
mod watch;
mod wish;

pub use connect::ConnectError;
pub use observe::Delays;
pub use run::{ControllerError, Settings, run};
