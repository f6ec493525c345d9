//! Programs that run on this machine: one for each function of each version that is in use.
//!
//! ```text
//! Running --tokio task--> guard (this program again) --last_step--> the program
//!    |                       ends with serve                        PORT, CUTWATER_*, a read-only snapshot
//!    +-- State: starting, ready at an address, not ready, or ended until it is started again
//! ```
//!
//! Knows nothing of versions, shares or git: what runs, and when it stops, is said by [`crate::serve`].

mod expand;
mod guard;
mod guarded;
mod health;
#[cfg(test)]
mod health_test;
mod last_step;
mod output;
mod ports;
mod probe;
mod running;
mod scarce;
mod start;
mod strays;

pub use guard::{Order, run as guard};
pub use guarded::Guard;
pub use health::Probes;
pub use last_step::run as last_step;
pub use output::Output;
pub use running::{Program, Running, State, Unprepared};
pub use start::{Start, Variable};
