//! The words of the product as types: names and ids that cannot be wrong once they are parsed.
//!
//! Pure: no I/O, no clock. Everything else speaks in these types.

mod id;
mod name;
mod near;
mod period;
mod reach;
mod share;
mod shares;
mod shown;
mod text;
mod version;

pub use id::{CommitId, IdError, TreeId};
pub use name::{AppName, FunctionName, Label, NameError};
pub(crate) use near::{instead, instead_of_alias, near, without_app};
pub use period::{Period, PeriodError};
pub use reach::{AliasName, EnvironmentName, ReachError, RouteName};
pub use share::{Share, ShareError};
pub(crate) use shares::listed;
pub use shares::{Shares, Total};
pub(crate) use shown::{WORD_MAX, is_plain, shown};
pub use version::{VERSION_NUMBER_MAX, VersionNumber, VersionWord, WordError};
