//! Which objects of a branch count: those of its newest commit, and those that go on though that commit does not have them so.
//!
//! Pure, for whoever follows a branch: what a commit says is given ([`Commit`]), and what counts then is a value ([`Tip`]) that the
//! next commit is judged by. Each engine keeps that value where it keeps things, and says the [`Problem`]s in its own words.

mod commit;
mod kept;
mod problem;
#[cfg(test)]
mod tests;
mod tip;

pub use commit::{Commit, Known};
pub use kept::Why;
pub use problem::Problem;
pub use tip::{Tip, owner};
