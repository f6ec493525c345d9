//! Programs that run on this machine: one for each function of each version that is in use.
//!
//! ```text
//! Running --tokio task--> guard (this program again) --> the program
//!    |                       ends with serve              PORT, CUTWATER_*, a read-only snapshot
//!    +-- State: starting, ready at an address, not ready, or ended until it is started again
//! ```
//!
//! Knows nothing of versions, shares or git: what runs, and when it stops, is said by [`crate::serve`].

mod guard;
mod output;
mod probe;
mod running;

pub use guard::run as guard;
pub use output::Output;
pub use running::{Program, Running, State};
