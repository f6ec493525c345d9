//! Ledgers in a git repository: a chain of commits for each environment of an app. Their records are [`crate::ledger`]'s.

mod read;
mod write;

pub use read::{Ledger, LedgerEntry};
pub(crate) use read::{read, trees};
pub use write::LedgerError;
